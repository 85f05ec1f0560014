/** What a report says of a run that fails: plain data, from which text and pages are made. */

export interface SourceExcerpt {
  readonly file: string
  readonly line: number
  /** The lines around, if the file can be read; `line` among them. */
  readonly lines: readonly { readonly number: number, readonly text: string }[]
}

/** Where a task stands. */
export interface Place {
  /** 'pay+0x12 (lost-update.c:14)'. */
  readonly text: string
  /** Callers, innermost first; the first is the innermost with a source line, if there is one. */
  readonly frames: readonly string[]
  readonly source: SourceExcerpt | undefined
}

export interface Thread {
  /** By order of creation. */
  readonly index: number
  readonly tid: number
  readonly name: string
  /** The host that it is on, if there are several. */
  readonly host: string | undefined
  /** The outermost function of the program's own source, if that is known. */
  readonly start: string | undefined
}

export type EntryKind = 'call' | 'access' | 'signal' | 'output' | 'task' | 'more'

export interface Entry {
  readonly kind: EntryKind
  /** 'reads balance: 45', 'write(1, "x", 1) = 1'. */
  readonly text: string
  /** 'lost-update.c:14' */
  readonly at: string | undefined
  /** Of an access: index of the variable. */
  readonly variable: number | undefined
  readonly isWrite: boolean
}

export type StretchEnd = 'preempted' | 'waits' | 'yields' | 'ends' | 'end of the run'

/** A task ran. */
export interface Stretch {
  /** Index into the threads. */
  readonly thread: number
  readonly cpu: number
  /** Virtual seconds. */
  readonly seconds: number
  readonly cycles: number
  readonly entries: readonly Entry[]
  readonly end: StretchEnd
  /** Where it stood at its end. */
  readonly stop: Place | undefined
}

export interface Variable {
  /** 'balance', 'forks+0x28'. */
  readonly name: string
  readonly isLock: boolean
}

export interface Report {
  /** How it failed, or ended. */
  readonly failure: string
  readonly hasFailed: boolean
  readonly command: readonly string[]
  readonly seed: string
  readonly cpus: number
  readonly trace: string
  readonly events: number
  readonly preemptions: number
  readonly threads: readonly Thread[]
  readonly stretches: readonly Stretch[]
  /** Stretches that were left out in the middle: so many after the first `leftOutAfter`. */
  readonly leftOut: number
  readonly leftOutAfter: number
  readonly variables: readonly Variable[]
  /** Data races, in lines. */
  readonly races: readonly (readonly string[])[]
  /** Of the nearest schedule that passes: which stretch's preemption it lacks. */
  readonly passing: { readonly stretch: number, readonly how: string } | undefined
  /** How it ended: a crash's callers, who waits for whom. */
  readonly explanation: readonly string[]
  /** The last that it wrote. */
  readonly output: string
}
