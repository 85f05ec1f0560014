/**
 * Code of the C library, in which the strategy 'guided' stops tasks less than elsewhere: what it does is taken for what it is known to
 * do (src/replay/search/library.ts), and not looked at access by access.
 */
import { type AccessKind, KIND_UPDATE } from '../../emu/watch.ts'
import type { ChoiceCode } from '../config.ts'
import type { KernelState } from '../state.ts'
import type { Task } from '../task/task.ts'

const FUTEX = 202
const OTHER = 0, QUIET = 1, SYNC = 2
/** And beyond: a function that is stopped at once. */
const ONCE = 3

/** Which of the ranges has the address; −1: none. */
const rangeOf = (pairs: readonly number[], address: number): number => {
  let [low, high] = [0, pairs.length >> 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (pairs[2 * middle + 1] <= address) low = middle + 1
    else high = middle
  }
  return 2 * low < pairs.length && pairs[2 * low] <= address ? low : -1
}

export class CodeRules {
  readonly #code: ChoiceCode
  readonly #state: KernelState
  readonly #known = new Map<number, number>()

  constructor(code: ChoiceCode, state: KernelState) {
    this.#code = code
    this.#state = state
  }

  #classOf(rip: number): number {
    let known = this.#known.get(rip)
    if (known === undefined) {
      const { quiet, sync, once } = this.#code
      known = rangeOf(quiet, rip) >= 0 ? QUIET : rangeOf(sync, rip) >= 0 ? SYNC : rangeOf(once, rip) >= 0 ? ONCE + rangeOf(once, rip) : OTHER
      this.#known.set(rip, known)
    }
    return known
  }

  /** Whether an access is a place to stop. The same again if asked again. */
  stopsAtAccess({ index }: Task, rip: number, kind: AccessKind): boolean {
    const known = this.#classOf(rip)
    if (known < ONCE) return known === OTHER || (known === SYNC && kind === KIND_UPDATE)
    const calls = this.#state.guided?.calls
    if (kind !== KIND_UPDATE || calls === undefined) return false
    // Who comes to the same place again has called the function again, or tries once more.
    const first = calls.get(index) ?? 0
    if (first !== rip && this.#classOf(first) === known) return false
    calls.set(index, rip)
    return true
  }

  /** Whether a system call is: waiting and waking belong to what the library did before. */
  stopsAtCall(rip: number, number: number): boolean {
    const known = this.#classOf(rip)
    return known === OTHER || (known >= SYNC && number !== FUTEX)
  }
}
