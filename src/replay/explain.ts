/** How a world stands, in lines for people: who waits for what in a deadlock, what was going on when something failed. */
import type { Kernel } from '../kernel/kernel.ts'
import type { Task } from '../kernel/task/task.ts'
import { callText } from './describe.ts'
import { peekBytes, peekString } from './peek.ts'
import { SYSCALLS } from '../kernel/syscalls/table.ts'
import type { Outcome } from './session.ts'

/** No list is longer. */
const MOST_TASKS = 50

const what = (kernel: Kernel, task: Task): string => {
  const { syscall } = task
  if (syscall === undefined) return task.state
  const specs = SYSCALLS[syscall.number]?.args ?? []
  const strings = specs.flatMap((spec, i) => /:(path|string)$/.test(spec) ? [peekString(kernel.memory, task.mm, syscall.args[i], 256)] : [])
  // Not a result yet: what the call is to fill in is not shown.
  const text = callText({ number: syscall.number, args: syscall.args, strings, result: -1 }, (at, count) => peekBytes(kernel.memory, task.mm, at, count))
  const deadline = task.sleep.deadline === Infinity ? '' : `, until ${(task.sleep.deadline / kernel.config.cpuHz).toFixed(6)} s`
  return `${task.state} in ${text} since ${(syscall.started / kernel.config.cpuHz).toFixed(6)} s${deadline}`
}

export const explain = (kernel: Kernel, outcome: Outcome): string[] => {
  const { state } = kernel
  const living = [...state.tasks.values()].filter((task) => task.state !== 'zombie' && task.state !== 'dead')
  const lines: string[] = []
  if (outcome === 'failed' && kernel.current !== undefined) lines.push(`task ${kernel.current.tid} (${kernel.current.name}) was acting, rip ${hexRip(kernel)}`)
  for (const task of living.slice(0, MOST_TASKS)) {
    const thread = task.group.tgid === task.tid ? '' : `, thread of ${task.group.tgid}`
    lines.push(`  task ${task.tid} (${task.name}${thread}): ${what(kernel, task)}`)
  }
  if (living.length > MOST_TASKS) lines.push(`  … and ${living.length - MOST_TASKS} more`)
  return lines
}

const hexRip = (kernel: Kernel): string => `0x${kernel.processor.cpu.rip.toString(16)}`
