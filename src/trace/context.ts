/**
 * What the fields of an event are written relative to (docs/trace-format.md, 'Differences'). Writer and reader keep the
 * same context, and both start from an empty one at each chunk, so that a chunk can be read without those before it.
 */

/** Of a task's last call of one number there are kept six arguments, then the result. */
export const RESULT = 6
const CALL_WORDS = 7
/** Room for so many calls at first. */
const CALLS = 256
/** Paths of mounts beyond this many are written out. */
const MOUNT_LIMIT = 1024
/** Above the numbers of all system calls; a power of 2. */
const NUMBER_LIMIT = 1024
const NO_TASK = -1

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
  /** Registers and results of last calls, CALL_WORDS each: a process has few calls, so that arrays of its own would cost more than what is written of them. */
  calls = new Float64Array(CALLS * CALL_WORDS)
  #callCount = 0
  /** Where they are in `calls`: by task and number, and for numbers that no system call has. */
  readonly #places = new Map<number, number>()
  readonly #oddPlaces = new Map<string, number>()
  /** By number: the task that made this call last, and its place. */
  readonly #lastTasks = new Float64Array(NUMBER_LIMIT).fill(NO_TASK)
  readonly #lastPlaces = new Int32Array(NUMBER_LIMIT)

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
    this.calls.fill(0, 0, this.#callCount * CALL_WORDS)
    this.#callCount = 0
    this.#places.clear()
    this.#oddPlaces.clear()
    this.#lastTasks.fill(NO_TASK)
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

  /** Where in `calls` the last call of a task with this number is: good until the next is asked for. */
  call(tid: number, number: number): number {
    if (number >= 0 && number < NUMBER_LIMIT) {
      if (this.#lastTasks[number] === tid) return this.#lastPlaces[number]
      const key = tid * NUMBER_LIMIT + number
      let place = this.#places.get(key)
      if (place === undefined) {
        place = this.#newPlace()
        this.#places.set(key, place)
      }
      this.#lastTasks[number] = tid
      this.#lastPlaces[number] = place
      return place
    }
    const key = `${tid} ${number}`
    let place = this.#oddPlaces.get(key)
    if (place === undefined) {
      place = this.#newPlace()
      this.#oddPlaces.set(key, place)
    }
    return place
  }

  #newPlace(): number {
    const place = this.#callCount++ * CALL_WORDS
    if (place + CALL_WORDS > this.calls.length) {
      const calls = new Float64Array(this.calls.length * 2)
      calls.set(this.calls)
      this.calls = calls
    }
    return place
  }
}

const isNamed = (name: string | undefined, path: string, slash: number): boolean =>
  name !== undefined && path.length === slash + 1 + name.length && path.endsWith(name)

const indexOf = (listing: Listing, name: string): number | undefined => {
  listing.indices ??= new Map(listing.entries.map((entry, index) => [entry.name, index]))
  return listing.indices.get(name)
}

export const joinPath = (directory: string, name: string): string => directory === '' ? name : `${directory}/${name}`
