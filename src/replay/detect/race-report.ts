/**
 * From races to reports: runs of one world are repeated until all is known of them.
 *
 * A first run finds out which pages several tasks use, another one sees all accesses to them, and a third one looks at the stacks of
 * those that raced (the second access's is there when the race is found, the first's is not any more). As worlds repeat exactly, the
 * cycle of an access says which it is. What was found out about pages and about pairs of places is kept for other schedules of the same
 * program, so that most of them run once.
 */
import { KIND_MODIFY, KIND_READ, KIND_UPDATE, KIND_WRITE } from '../../emu/watch.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { type CodeLocation, dataText, locationText, symbolize, symbolizeData } from '../symbols.ts'
import { DeadStacks } from './dead-stacks.ts'
import type { Finding } from './finding.ts'
import { frameLines, framesAt } from './frames.ts'
import { LockOrder } from './lock-order.ts'
import type { Release } from './order.ts'
import { accessKey, pairKey, type RaceAccess, RaceDetector } from './races.ts'

export interface RaceSide extends RaceAccess {
  /** Innermost first. */
  readonly frames: readonly CodeLocation[]
}

/** Plain data. */
export interface RaceReport {
  readonly first: RaceSide
  readonly second: RaceSide
  readonly known: Release | undefined
  /** The object that the address belongs to, or the address. */
  readonly object: string
}

export interface Verdict {
  readonly races: readonly RaceReport[]
  /** Failures: races, and others. */
  readonly failures: readonly Finding[]
  readonly warnings: readonly Finding[]
}

export const raceKey = ({ first, second }: RaceReport): string => pairKey(first.rip, second.rip)

/** More runs of one world than this mean that it does not repeat. */
const MOST_RUNS = 40

const LIBRARY = /\/(libc|libpthread|ld-linux[^/]*|ld-musl[^/]*|libc\.musl[^/]*)[.-][^/]*$/
/** The dynamic linker fills in addresses of functions, which others read as they call. */
const LINKER = /\/ld-(linux|musl)[^/]*$/
/** In programs that are linked statically. */
const LIBRARY_FUNCTION = /^_*(pthread_|nptl_|lll_|IO_|libc_|dl_|futex_|condvar_|sem_(wait|post|trywait|timedwait|clockwait|getvalue|open|close)|new_sem_|old_sem_|int_malloc|int_free|tcache_|arena_|sysmalloc|malloc|free$|calloc|realloc|vfprintf|printf|fprintf|puts|fputs|fwrite|fflush|exit$|run_exit_handlers)|^__(tl_)?(un)?lock(file)?$/
/** Functions of the C library that work on their caller's memory. */
const WORKS_FOR_CALLER = /^_*(mem|str|wmem|wcs|bcopy|bzero|stp)/

/** The access is the C library's own business: glibc reads owners of locks, say, without the lock. */
const isLibraryOwn = ([leaf, caller]: readonly CodeLocation[]): boolean => {
  const isIn = (at: CodeLocation | undefined): boolean =>
    (at?.module !== undefined && LIBRARY.test(at.module)) || (at?.function !== undefined && at.file === undefined && LIBRARY_FUNCTION.test(at.function))
  if (!isIn(leaf)) return false
  return isIn(caller) ? caller.function === undefined || !WORKS_FOR_CALLER.test(caller.function) : leaf.function !== undefined && !WORKS_FOR_CALLER.test(leaf.function)
}

export interface RaceOptions {
  /** Races with a frame whose text (function, file and line, module) matches are left out. */
  readonly ignore?: readonly RegExp[]
  /** Objects whose names match are atomics: plain loads of them acquire, plain stores release. */
  readonly atomics?: readonly RegExp[]
  /** Races of the C library with itself too. */
  readonly libraries?: boolean
}

/** Of one program: what its runs have taught. */
export class RaceSearch {
  readonly #options: RaceOptions
  readonly #always = new Set<number>()
  /** Pairs of places that are no races to be told of. */
  readonly #ignored = new Set<string>()
  #wanted = new Set<string>()
  #frames = new Map<string, CodeLocation[]>()
  #runs = 0

  constructor(options: RaceOptions = {}) {
    this.#options = options
  }

  /** Before the first instruction of a world. */
  attach(kernel: Kernel): RaceRun {
    const detector = new RaceDetector(kernel, new Set(this.#always))
    const stacks = new Map<string, CodeLocation[]>()
    const lines = new Map<string, string>()
    const objects = new Map<string, string>()
    const stackUses = new DeadStacks(kernel, detector)
    const locks = new LockOrder(kernel, (space, address) => stackUses.isStack(space, address))
    for (const other of [stackUses, locks]) {
      kernel.watch?.listen(other)
      kernel.tracers.push(other)
    }
    detector.wanted = this.#wanted
    const { atomics = [] } = this.#options
    if (atomics.length > 0) {
      detector.isAtomic = (task, address) => {
        const { object } = symbolizeData(kernel, task, address)
        return object !== undefined && atomics.some((pattern) => pattern.test(object))
      }
    }
    detector.onWanted = (key, task, rip) => { this.#frames.set(key, framesAt(kernel, task, rip)) }
    detector.onRace = ({ first, second }, task) => {
      stacks.set(accessKey(second.task, second.rip, second.cycle), framesAt(kernel, task, second.rip))
      const [low, high] = first.rip < second.rip ? [first.rip, second.rip] : [second.rip, first.rip]
      objects.set(pairKey(low, high), dataText(symbolizeData(kernel, task, Math.max(first.address, second.address))))
      lines.set(pairKey(low, high), lineOf(symbolize(kernel, task, low), symbolize(kernel, task, high)))
    }
    const detach = (): void => {
      detector.detach()
      for (const other of [stackUses, locks]) {
        kernel.watch?.unlisten(other)
        const at = kernel.tracers.indexOf(other)
        if (at >= 0) kernel.tracers.splice(at, 1)
      }
    }
    return {
      lines: () => [...stackUses.findings.map(({ line }) => line), ...detector.races.map(({ first, second }) => pairKey(first.rip, second.rip)).filter((key) => !this.#ignored.has(key)).map((key) => lines.get(key) ?? key)],
      verdict: () => {
        const races = this.#verdict(kernel, detector, stacks, objects)
        detach()
        if (races === 'again') return races
        const failures = [...stackUses.findings, ...races.map((race): Finding => ({ line: raceLine(race), details: raceLines(race) }))]
        return { races, failures, warnings: locks.findings.filter(({ details }) => !this.#isIgnoredText(details)) }
      },
      detach,
    }
  }

  #verdict(kernel: Kernel, detector: RaceDetector, stacks: ReadonlyMap<string, CodeLocation[]>, objects: ReadonlyMap<string, string>): readonly RaceReport[] | 'again' {
    if (++this.#runs > MOST_RUNS) throw new Error(`the same world was run ${MOST_RUNS} times, and there are still memory accesses that were not seen`)
    const missed = kernel.watch?.missed ?? new Set<number>()
    if (missed.size > 0) {
      for (const page of missed) this.#always.add(page)
      return 'again'
    }
    const races = detector.races.filter(({ first, second }) => !this.#ignored.has(pairKey(first.rip, second.rip)))
    const missing = races.map(({ first }) => accessKey(first.task, first.rip, first.cycle)).filter((key) => !this.#frames.has(key))
    if (missing.length > 0) {
      this.#wanted = new Set(missing)
      return 'again'
    }
    const framesOf = ({ task, rip, cycle }: RaceAccess): CodeLocation[] => {
      const key = accessKey(task, rip, cycle)
      return stacks.get(key) ?? this.#frames.get(key) ?? []
    }
    const reports = races.map(({ first, second, known }): RaceReport =>
      ({ first: { ...first, frames: this.#frames.get(accessKey(first.task, first.rip, first.cycle)) ?? [] }, second: { ...second, frames: framesOf(second) }, known,
        object: objects.get(pairKey(first.rip, second.rip)) ?? `0x${second.address.toString(16)}` }))
    this.#wanted = new Set()
    this.#frames = new Map()
    this.#runs = 0
    return reports.filter((report) => {
      if (!this.#isIgnored(report)) return true
      this.#ignored.add(raceKey(report))
      return false
    })
  }

  #isIgnored({ first, second }: RaceReport): boolean {
    if (this.#options.libraries !== true) {
      if (isLibraryOwn(first.frames) && isLibraryOwn(second.frames)) return true
      if ([first, second].some(({ frames: [leaf] }) => (leaf as CodeLocation | undefined)?.module !== undefined && LINKER.test(leaf.module ?? ''))) return true
    }
    return this.#isIgnoredText([...first.frames, ...second.frames].map(locationText))
  }

  #isIgnoredText(texts: readonly string[]): boolean { return (this.#options.ignore ?? []).some((pattern) => texts.some((text) => pattern.test(text))) }
}

export interface RaceRun {
  /** A line for each failure that was found until now, the same whoever comes first; some may turn out to be none (`verdict`). */
  lines(): string[]
  /** Once the world has ended: its races, or that it must be run again, from its start. Nothing is looked for any more then. */
  verdict(): Verdict | 'again'
  detach(): void
}

const KIND_TEXTS = { [KIND_READ]: 'read', [KIND_WRITE]: 'write', [KIND_MODIFY]: 'read and write', [KIND_UPDATE]: 'locked read and write' } as const

const sideLines = (which: string, { tid, kind, size, address, cycle, frames, rip }: RaceSide): string[] => [
  `  ${which}: ${KIND_TEXTS[kind]} of ${size} byte${size === 1 ? '' : 's'} at 0x${address.toString(16)} by task ${tid}, cycle ${cycle}`,
  ...(frames.length === 0 ? [`      0x${rip.toString(16)}`] : frameLines(frames)),
]

/** 'data race: deposit+0x10 (bank.c:14) and audit (bank.c:30)' */
const lineOf = (place: CodeLocation, other: CodeLocation): string => `data race: ${locationText(place)} and ${locationText(other)}`

const leafOf = ({ frames, rip }: RaceSide): CodeLocation => frames.length === 0 ? { address: rip } : frames[0]
export const raceLine = ({ first, second }: RaceReport): string =>
  first.rip < second.rip ? lineOf(leafOf(first), leafOf(second)) : lineOf(leafOf(second), leafOf(first))

/** For people. */
export const raceLines = (report: RaceReport): string[] => {
  const { first, second, known } = report
  const order = known === undefined ? `task ${second.tid} knows of nothing that task ${first.tid} did since its start`
    : `the last that task ${second.tid} knows of task ${first.tid} is its ${known.what}${known.address === 0 ? '' : ` at 0x${known.address.toString(16)}`} (cycle ${known.cycle}), before the first access`
  return [raceLine(report), `  on ${report.object}`, ...sideLines('first', first), ...sideLines('second', second), `  not ordered: ${order}`]
}
