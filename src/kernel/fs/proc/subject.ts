/** Whose a node of /proc is, and whether somebody may look into that. */
import { CAP_SYS_PTRACE } from '../../abi/capabilities.ts'
import type { Kernel } from '../../kernel.ts'
import { mayAccessTask } from '../../task/credentials.ts'
import type { Task } from '../../task/task.ts'
import type { ProcNode } from './nodes.ts'

/** The task of a node; undefined when it is gone. A process whose leader has ended shows the leader, a zombie. */
export const subjectOf = (kernel: Kernel, node: ProcNode): Task | undefined => {
  const task = kernel.state.tasks.get(node.tid)
  return task === undefined || task.state === 'dead' || task.group.tgid !== node.tgid ? undefined : task
}

/** It has an address space, descriptors and so on. */
export const isAlive = (task: Task): boolean => task.state !== 'zombie' && task.state !== 'dead'

/** PTRACE_MODE_READ. */
export const mayLook = (reader: Task, subject: Task): boolean => mayAccessTask(reader, subject, CAP_SYS_PTRACE)
