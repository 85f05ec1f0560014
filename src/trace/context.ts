/**
 * What the fields of an event are written relative to (docs/trace-format.md, 'Differences'). Writer and reader keep the
 * same context, and both start from an empty one at each chunk, so that a chunk can be read without those before it.
 */

/** Registers and result of a task's last call of one number: six arguments, then the result. */
export type CallMemory = Float64Array

export const RESULT = 6
/** Paths of mounts beyond this many are written out. */
const MOUNT_LIMIT = 1024
/** Above the numbers of all system calls. */
const NUMBER_LIMIT = 1024

/** A directory listing, as the writer finds the numbers of its paths. */
interface Listing {
  readonly entries: readonly { readonly name: string }[]
  /** Number of the first entry's path. */
  readonly first: number
  /** The entry that is asked for next, most likely. */
  next: number
  /** Indices by name, once something else was asked for. */
  indices: Map<string, number> | undefined
  /** Of the same directory, before. */
  readonly before: Listing | undefined
}

/** Of one task: by number of the system call, and for numbers that no system call has. */
interface TaskCalls {
  readonly listed: (CallMemory | undefined)[]
  readonly others: Map<number, CallMemory>
}

export class Context {
  /** Cycle of the last event that has one. */
  cycle = 0
  /** Task of the last slice. */
  task = 0
  budget = 0
  /** By CPU: the cycle at which its last slice ends if nothing cuts it short. */
  readonly sliceEnds = new Map<number, number>()
  readonly stat = new Float64Array(15)
  /** Paths that directory listings named, by number; the writer finds their numbers by mount and directory. */
  readonly paths: string[] = []
  readonly #listings: (Map<string, Listing> | undefined)[] = []
  lastPath = -1
  /** How many paths have a number (the writer does not fill `paths`). */
  pathCount = 0
  /** Strings of system calls in the order in which they first came; the writer finds their numbers in the map. */
  readonly strings: string[] = []
  readonly stringNumbers = new Map<string, number>()
  /** Mostly it is the same directory again; no mount: it must be looked for. */
  #lastMount = -1
  #lastDirectory = ''
  #lastListing: Listing | undefined
  readonly #calls = new Map<number, TaskCalls>()
  /** Mostly it is the same task again. */
  #callsTask = -1
  #taskCalls: TaskCalls = { listed: [], others: new Map() }

  reset(): void {
    this.cycle = 0
    this.task = 0
    this.budget = 0
    this.sliceEnds.clear()
    this.stat.fill(0)
    this.paths.length = 0
    this.#listings.length = 0
    this.#lastMount = -1
    this.#lastListing = undefined
    this.lastPath = -1
    this.pathCount = 0
    this.strings.length = 0
    this.stringNumbers.clear()
    this.#calls.clear()
    this.#callsTask = -1
  }

  pathNumber(mount: number, path: string): number | undefined {
    const slash = path.lastIndexOf('/')
    const directory = this.#lastDirectory
    let listing = mount === this.#lastMount && slash === directory.length && path.startsWith(directory) ? this.#lastListing : this.#find(mount, slash < 0 ? '' : path.slice(0, slash))
    for (; listing !== undefined; listing = listing.before) {
      // Mostly all of a directory is asked for in order: then no table of its names is needed.
      const index = isNamed(listing.entries[listing.next]?.name, path, slash) ? listing.next : indexOf(listing, path.slice(slash + 1))
      if (index !== undefined) {
        listing.next = index + 1
        return listing.first + index
      }
    }
    return undefined
  }

  #find(mount: number, directory: string): Listing | undefined {
    this.#lastListing = this.#listings[mount]?.get(directory)
    this.#lastMount = mount
    this.#lastDirectory = directory
    return this.#lastListing
  }

  /** Gives the paths of all entries the next numbers. */
  addListing(mount: number, directory: string, entries: readonly { readonly name: string }[]): void {
    if (mount < MOUNT_LIMIT) {
      const listings = this.#listings[mount] ??= new Map()
      this.#lastMount = -1
      listings.set(directory, { entries, first: this.pathCount, next: 0, indices: undefined, before: listings.get(directory) })
    }
    this.pathCount += entries.length
  }

  call(tid: number, number: number): CallMemory {
    if (tid !== this.#callsTask) {
      let calls = this.#calls.get(tid)
      if (calls === undefined) {
        calls = { listed: [], others: new Map() }
        this.#calls.set(tid, calls)
      }
      this.#callsTask = tid
      this.#taskCalls = calls
    }
    const { listed, others } = this.#taskCalls
    const isListed = number >= 0 && number < NUMBER_LIMIT
    let memory = isListed ? listed[number] : others.get(number)
    if (memory === undefined) {
      memory = new Float64Array(7)
      if (isListed) listed[number] = memory
      else others.set(number, memory)
    }
    return memory
  }
}

const isNamed = (name: string | undefined, path: string, slash: number): boolean =>
  name !== undefined && path.length === slash + 1 + name.length && path.endsWith(name)

const indexOf = (listing: Listing, name: string): number | undefined => {
  listing.indices ??= new Map(listing.entries.map((entry, index) => [entry.name, index]))
  return listing.indices.get(name)
}

export const joinPath = (directory: string, name: string): string => directory === '' ? name : `${directory}/${name}`
