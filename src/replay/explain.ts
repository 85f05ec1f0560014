/** How a world stands, in lines for people: who waits for whom in a deadlock, where a program crashed, what was going on when something failed. */
import type { Kernel } from '../kernel/kernel.ts'
import type { Task } from '../kernel/task/task.ts'
import { callText } from './describe.ts'
import { signalName } from './signal-name.ts'
import { peekBytes, peekString } from './peek.ts'
import { SYSCALLS } from '../kernel/syscalls/table.ts'
import type { Outcome } from './session.ts'
import { backtrace, locationText } from './symbols.ts'
import { cycleIn, type Wait, waitOf } from './wait-graph.ts'

/** No list is longer. */
const MOST_TASKS = 50
/** Of these the callers are shown. */
const MOST_TRACED = 16
const MOST_FRAMES = 12

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

const holderText = ({ what: lock, holder }: Wait): string => holder === undefined || lock.startsWith('the end') ? lock : `${lock}, held by task ${holder.tid}`

/** Where the task is, as lines; calls of the C library on the way to a system call say nothing. */
const callers = (kernel: Kernel, task: Task): string[] => {
  const frames = backtrace(kernel, task, MOST_FRAMES)
  const first = frames.findIndex(({ file }) => file !== undefined)
  return frames.slice(Math.max(0, Math.min(first, frames.length - 1))).map((frame) => `      ${locationText(frame)}`)
}

export const explain = (kernel: Kernel, outcome: Outcome): string[] => {
  const { state } = kernel
  kernel.save()
  const living = [...state.tasks.values()].filter((task) => task.state !== 'zombie' && task.state !== 'dead')
  const lines: string[] = []
  if (outcome === 'failed' && kernel.current !== undefined) lines.push(`task ${kernel.current.tid} (${kernel.current.name}) was acting, rip ${hexRip(kernel)}`)
  const waits = living.map((task) => waitOf(kernel, task))
  for (const [i, task] of living.slice(0, MOST_TASKS).entries()) {
    const thread = task.group.tgid === task.tid ? '' : `, thread of ${task.group.tgid}`
    const wait = waits[i]
    lines.push(`  task ${task.tid} (${task.name}${thread}): ${wait === undefined ? what(kernel, task) : `waits for ${holderText(wait)}`}`)
    if (i < MOST_TRACED && outcome !== 'interrupted') lines.push(...callers(kernel, task))
  }
  if (living.length > MOST_TASKS) lines.push(`  … and ${living.length - MOST_TASKS} more`)
  const cycle = cycleIn(waits.filter((wait) => wait !== undefined))
  if (cycle.length > 0) lines.push(`  cycle: ${cycle.map((wait) => `task ${wait.task.tid} waits for ${holderText(wait)}`).join('; ')}`)
  return lines
}

/** A signal is about to kill a program: which, and where it was. */
export const explainCrash = (kernel: Kernel, task: Task, signal: number, faultAddress: number | undefined): string[] => [
  `task ${task.tid} (${task.name}) was killed by ${signalName(signal)}${faultAddress === undefined ? '' : `, address 0x${faultAddress.toString(16)}`}`,
  ...backtrace(kernel, task, MOST_FRAMES).map((frame) => `    ${locationText(frame)}`),
]

const hexRip = (kernel: Kernel): string => `0x${kernel.processor.cpu.rip.toString(16)}`
