/**
 * Process number namespaces (pid_namespaces(7); kernel/pid_namespace.c).
 *
 * In the kernel's state a task, process, process group or session is known by its number in the outermost namespace. A nested
 * namespace has numbers of its own for what is in it and below it; they are translated where they pass to or from a program.
 */
import type { Kernel } from '../kernel.ts'
import type { Task, ThreadGroup } from './task.ts'
import type { UserNamespace } from './user-namespace.ts'

export interface PidNamespace {
  readonly kind: 'pid-namespace'
  /** Inode number that /proc/PID/ns shows. */
  readonly id: number
  /** 0: the outermost one, whose numbers are the kernel's. */
  readonly level: number
  readonly parent: PidNamespace | undefined
  readonly owner: UserNamespace
  /** The process that has the number 1 (kernel number): orphans are its children, and with it all die. 0: none (yet). */
  init: number
  /** Its init has ended: no process can be made in it. */
  dead: boolean
  /** Whether it needs an init: the namespace of a host has none. */
  readonly hasInit: boolean
  /** The last number given out. Not of the outermost one. */
  lastPid: number
  /** Numbers here, and what they are in the kernel; and the other way. Not of the outermost one. */
  readonly numbers: Map<number, number>
  readonly shown: Map<number, number>
}

/** Nested deeper: ENOSPC. */
export const PID_NAMESPACE_DEPTH = 32

export const makePidNamespace = (id: number, parent: PidNamespace | undefined, owner: UserNamespace, hasInit: boolean, lastPid: number): PidNamespace => ({
  kind: 'pid-namespace', id, level: parent === undefined ? 0 : parent.level + 1, parent, owner, init: 0, dead: false, hasInit, lastPid,
  numbers: new Map(), shown: new Map(),
})

/** The number that the namespace has for what is `pid` in the kernel; 0: none. Negative numbers stand for groups. */
export const shownPid = (namespace: PidNamespace, pid: number): number => {
  if (namespace.level === 0) return pid
  return pid < 0 ? -(namespace.shown.get(-pid) ?? 0) : namespace.shown.get(pid) ?? 0
}

/** What the namespace's number stands for in the kernel; −1, which nothing has: nothing. */
export const kernelPid = (namespace: PidNamespace, number: number): number => namespace.level === 0 ? number : namespace.numbers.get(number) ?? -1

/** The number that the task's own namespace has. */
export const seenBy = (task: Task, pid: number): number => shownPid(task.namespaces.pid, pid)

/** Number of the parent: 1 is nobody for those whose parents are gone in a namespace without an init, 0 a parent outside. */
export const parentSeenBy = (task: Task): number => task.group.parent <= 1 ? task.group.parent : seenBy(task, task.group.parent)

/** Whether the number is that of the first process of all, which is outside of the world: nobody may do anything to it. */
export const isOutsideInit = (kernel: Kernel, task: Task, number: number): boolean =>
  number === 1 && task.namespaces.pid.level === 0 && !kernel.state.tasks.has(1)

/** A task by the number that another one calls it by. */
export const taskBy = (kernel: Kernel, task: Task, number: number): Task | undefined => kernel.state.tasks.get(kernelPid(task.namespaces.pid, number))
/** A process likewise. */
export const groupBy = (kernel: Kernel, task: Task, number: number): ThreadGroup | undefined => kernel.state.groups.get(kernelPid(task.namespaces.pid, number))

/** Whether the namespace is `ancestor` or nested in it. */
export const isPidNamespaceBelow = (namespace: PidNamespace, ancestor: PidNamespace): boolean => {
  for (let at: PidNamespace | undefined = namespace; at !== undefined; at = at.parent) if (at === ancestor) return true
  return false
}

/** Whether a process can be seen in the namespace: it is in it, or nested in it. */
export const isVisibleIn = (namespace: PidNamespace, pid: number): boolean => namespace.level === 0 || namespace.shown.has(pid)

export const PID_LIMIT = 32_768
/** After the first round, numbers below are left alone (RESERVED_PIDS). */
const RESERVED = 300

/** Gives the kernel's `pid` a number in the namespace: `wanted`, or the next free one (0). @returns it, or 0 if there is none */
export const enterPidNamespace = (namespace: PidNamespace, pid: number, wanted: number): number => {
  if (wanted !== 0) {
    if (namespace.numbers.has(wanted)) return 0
    namespace.numbers.set(wanted, pid)
    namespace.shown.set(pid, wanted)
    return wanted
  }
  for (let tries = 0; tries < PID_LIMIT; tries++) {
    namespace.lastPid = namespace.lastPid + 1 >= PID_LIMIT ? RESERVED : namespace.lastPid + 1
    if (namespace.numbers.has(namespace.lastPid)) continue
    namespace.numbers.set(namespace.lastPid, pid)
    namespace.shown.set(pid, namespace.lastPid)
    return namespace.lastPid
  }
  return 0
}

/** The first process of a nested namespace is its init. */
export const becomeInit = (namespace: PidNamespace, pid: number): void => {
  if (namespace.level > 0 && namespace.hasInit && namespace.init === 0 && namespace.shown.get(pid) === 1) namespace.init = pid
}

/** The kernel's number is free again. */
export const leavePidNamespaces = (namespace: PidNamespace, pid: number): void => {
  for (let at: PidNamespace | undefined = namespace; at !== undefined && at.level > 0; at = at.parent) {
    const number = at.shown.get(pid)
    if (number === undefined) continue
    at.shown.delete(pid)
    at.numbers.delete(number)
  }
}
