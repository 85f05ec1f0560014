/**
 * Loops that wait for another task by reading the same memory again and again. Each time round is an action like any other, and to choose
 * after each is to choose how often the loop goes round, which nobody sees. So reads that a task repeats, while it does
 * nothing but read and no other task has run, are one action: others come before it or after it. A loop that goes round for long is left
 * to be picked again, or what it waits for would never happen.
 */
import { KIND_READ } from '../../emu/watch.ts'
import type { Task } from '../task/task.ts'

export interface Spins {
  /** `Task.index`; −1: of none. */
  task: number
  /** What it has read: instruction and address, in pairs. */
  readonly reads: number[]
  /** Of each what registers had: 0 if that does not count. */
  readonly marks: number[]
  /** How many reads were repetitions. */
  count: number
}

export const noSpins = (): Spins => ({ task: -1, reads: [], marks: [], count: 0 })

/** Different reads of one loop. */
const MOST_READS = 8
/** Times round, about. C libraries spin 100 times before they sleep. */
const MOST_TIMES = 256

const isKnown = ({ reads, marks }: Spins, rip: number, address: number, mark: number): boolean => {
  for (let i = 0; i < reads.length; i += 2) if (reads[i] === rip && reads[i + 1] === address && marks[i >> 1] === mark) return true
  return false
}

/** The task is about to read, and nothing else. */
export const isRead = ({ nextAction }: Task): boolean => nextAction?.kind === 'access' && nextAction.access === KIND_READ

/** Whether the task is about to read once more what it has just read; that counts. @param reads what it is about to do is no more than that @param mark only with the same registers */
export const repeatsRead = (spins: Spins, task: Task, reads = isRead(task), mark = 0): boolean => {
  const { index, nextAction } = task
  if (spins.task !== index || nextAction?.kind !== 'access' || !reads || spins.count >= MOST_TIMES) return false
  if (!isKnown(spins, nextAction.rip, nextAction.address, mark)) return false
  spins.count++
  return true
}

/** It has gone round for long. */
export const hasSpun = (spins: Spins, index: number): boolean => spins.task === index && spins.count >= MOST_TIMES

/** The task, which may be another than before, does what it is about to do. */
export const noteAction = (spins: Spins, task: Task, reads = isRead(task), mark = 0): void => {
  const { index, nextAction } = task
  if (spins.task !== index || !reads || spins.reads.length >= 2 * MOST_READS || spins.count >= MOST_TIMES) {
    spins.task = index
    spins.reads.length = 0
    spins.marks.length = 0
    spins.count = 0
  }
  if (!reads || nextAction?.kind !== 'access') return
  spins.reads.push(nextAction.rip, nextAction.address)
  spins.marks.push(mark)
}
