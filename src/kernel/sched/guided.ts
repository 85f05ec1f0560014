/**
 * The strategy of systematic searches (src/replay/search/): tasks stop before each access to shared memory and each system call, and a
 * list says who goes on. While a search is under way it chooses instead of the list (`kernel.guide`), and the list is what it chose: a
 * world with that list does the same.
 *
 * There is a choice where more than one task can run and it is known of all what they will do next. Where the list ends or does not fit,
 * what ran goes on, or else the first that can.
 */
import { CPU_STATE, GPR } from '../../emu/cpu/layout.ts'
import type { GuidedConfig } from '../config.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { candidateTask, findRunnable, LONGEST_SLICE, placeOfUnknown, runnableTids } from './pos.ts'
import { isRead, noSpins, noteAction, repeatsRead, type Spins } from './spins.ts'
import type { SchedulingStrategy } from './strategy.ts'
import { leavesUnchanged } from './unchanged.ts'

export interface GuidedState {
  /** How many choices there were. */
  at: number
  /** `Task.index` of the one that went on last. */
  last: number
  readonly spins: Spins
  /** By `Task.index`: where it was stopped in the function of the library that it is in (`ChoiceCode.once`). */
  readonly calls: Map<number, number>
}

export const makeGuided = (): GuidedState => ({ at: 0, last: -1, spins: noSpins(), calls: new Map() })

/** The place of the task of this index; −1: it can't run. */
export const placeOfIndex = (kernel: Kernel, tids: readonly number[], count: number, index: number): number => {
  for (let place = 0; place < count; place++) if (candidateTask(kernel, tids[place]).index === index) return place
  return -1
}

const listed = (kernel: Kernel, { at, last }: GuidedState, { choices }: GuidedConfig, tids: readonly number[], count: number): number => {
  const wanted = at < choices.length ? placeOfIndex(kernel, tids, count, choices[at]) : -1
  return wanted >= 0 ? wanted : Math.max(0, placeOfIndex(kernel, tids, count, last))
}

/** What the task is about to do changes nothing. Where code is known ('dpor'), locked instructions that don't find what they want are looked at. */
const onlyReads = (kernel: Kernel, task: Task): boolean => {
  if (kernel.config.choiceCode === undefined) return isRead(task)
  kernel.save()
  return isRead(task) || leavesUnchanged(kernel, task)
}

/** Of its registers (`Spins.marks`). A loop that counts gets on, even if it only reads. */
const markOf = (kernel: Kernel, { context }: Task): number => {
  if (kernel.config.choiceCode === undefined) return 0
  let mark = 0x811c9dc5
  for (let at = GPR - CPU_STATE; at < GPR - CPU_STATE + 128; at++) mark = Math.imul(mark ^ context[at], 0x01000193)
  return mark
}

/** The one at `place` goes on. */
const note = (kernel: Kernel, guided: GuidedState, tids: readonly number[], count: number, place: number): void => {
  if (count > 1) guided.at++
  const task = candidateTask(kernel, tids[place])
  guided.last = task.index
  noteAction(guided.spins, task, onlyReads(kernel, task), markOf(kernel, task))
}

const stateOf = (kernel: Kernel): { guided: GuidedState, config: GuidedConfig } => {
  const { config: { guided: config }, state: { guided } } = kernel
  if (guided === undefined || config === undefined) throw new Error('the strategy is guided, but its list is missing')
  return { guided, config }
}

export const GUIDED: SchedulingStrategy = {
  preempts: false,
  asksWhenJoined: true,
  stops: true,
  stopsAlone: true,

  pick(kernel, tids, count) {
    const { guided, config } = stateOf(kernel)
    const unknown = placeOfUnknown(kernel, tids, count)
    if (unknown >= 0) return unknown
    const place = kernel.guide?.(kernel, tids, count, false) ?? listed(kernel, guided, config, tids, count)
    note(kernel, guided, tids, count, place)
    return place
  },

  goesOn(kernel, task) {
    if (kernel.watch?.buffers !== undefined) return false
    const { guided, config } = stateOf(kernel)
    if (repeatsRead(guided.spins, task, onlyReads(kernel, task), markOf(kernel, task))) return true
    const count = findRunnable(kernel, task)
    const tids = runnableTids()
    if (placeOfUnknown(kernel, tids, count) >= 0) return false
    if ((kernel.guide?.(kernel, tids, count, true) ?? listed(kernel, guided, config, tids, count)) !== count - 1) return false
    note(kernel, guided, tids, count, count - 1)
    return true
  },

  slice: () => LONGEST_SLICE,
}
