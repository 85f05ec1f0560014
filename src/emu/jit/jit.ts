/** Finds what is hot, has it compiled, and puts regions in the place of the blocks where they begin; takes them out again. */
import * as layout from '../cpu/layout.ts'
import { REGION_HANDLER, type Tier0Manifest } from '../interp/manifest.ts'
import * as record from '../interp/records.ts'
import type { CodePage } from '../interp/translator.ts'
import type { PhysicalMemory } from '../memory.ts'
import { TARGET_BYTES, compileRegions } from './compiler.ts'
import { FactsTable } from './facts.ts'
import { type Limits, type Region, RegionFinder } from './graph.ts'
import type { JitStatistics, Stopwatch } from '../statistics.ts'
import { EXIT_REASONS, type ExitName } from './reasons.ts'

export interface TierOptions {
  /** Cycles between samples. */
  readonly chunk: number
  /** Samples at a block after which it is compiled. */
  readonly samples: number
  /** Blocks that are compiled together; chunks after which they are even if there are fewer. */
  readonly batch: number
  readonly patience: number
  /** What must have been executed for each instruction that is compiled: compiling one costs about as much as executing so many in tier 0. */
  readonly cyclesPerInstruction: number
  /** How often a region has gone on to code outside before it is made anew. */
  readonly chainsToImprove: number
  /** Compiles whatever is about to be executed: for tests. */
  readonly isEager: boolean
}

export const DEFAULT_TIER: TierOptions = { chunk: 30_000, samples: 5, batch: 8, patience: 6, cyclesPerInstruction: 60_000, chainsToImprove: 200_000, isEager: false }
/** Everything is compiled as soon as it is entered, as far as can be. */
export const EAGER_TIER: TierOptions = { ...DEFAULT_TIER, isEager: true }

/**
 * By name: '0' tier 0 alone, '1' tier 1 wherever it can be, 'mixed' tier 1 for what is hot; or the thresholds for that,
 * as 'chunk,samples,batch,patience'.
 */
export const tierOptions = (name = 'mixed'): TierOptions | undefined => {
  if (name === '0') return undefined
  if (name === '1') return EAGER_TIER
  if (name === 'mixed') return DEFAULT_TIER
  const [chunk, samples, batch, patience] = name.split(',').map(Number)
  if (![chunk, samples, batch, patience].every((number) => number > 0)) throw new RangeError(`no tier is called '${name}': 0, 1, mixed or four thresholds`)
  return { chunk, samples, batch, patience, cyclesPerInstruction: 1, chainsToImprove: 20, isEager: false }
}
const LIMITS: Omit<Limits, 'leavesAt'> = { instructions: 200, callDepth: 2, executedOnly: true }
/** Functions up to this size are repeated in those that call them even if they are regions already. */
const SMALL_FUNCTION = 40
/** Instructions that may be compiled: what is saved up at most, and what there is at first. */
const MOST_CREDIT = 1000, FIRST_CREDIT = 200
/** How often a region is made anew, each time after eight times as many chains. */
const MAX_IMPROVEMENTS = 3
/** Blocks with samples that are remembered. */
const MAX_SAMPLED = 20_000

export interface CodeSource {
  /** Code that the current address space has at a virtual page, if it was executed from there. */
  readonly codePage: (page: number) => CodePage | undefined
  /** Handler of blocks that are no regions. */
  readonly blockHandler: number
}

/** As good as a hash: what is added to a region makes it longer. */
const sizeOf = ({ blocks }: Region): number => blocks.reduce((sum, block) => sum + block.instructions.length, 0)

const isUnsure = ({ blocks }: Region): boolean => blocks.some(({ instructions, targets }) => targets.length === 0 && instructions[instructions.length - 1].name === 'jmp_indirect')

interface Installed {
  readonly index: number
  readonly rip: number
  readonly at: number
  readonly pages: ReadonlyMap<number, number>
  /** Instructions. */
  readonly size: number
  /** It ends with an indirect jump of which nothing was known. */
  readonly isUnsure: boolean
}

export class Jit {
  readonly #memory: PhysicalMemory
  readonly #exports: Readonly<Record<string, unknown>>
  readonly #table: WebAssembly.Table
  readonly #manifest: Tier0Manifest
  readonly #options: TierOptions
  readonly #source: CodeSource
  readonly #now: Stopwatch
  readonly #facts: FactsTable
  readonly #finder: RegionFinder
  readonly #samples = new Map<number, number>()
  readonly #queue = new Set<number>()
  /** How often regions were made anew, by where they begin. */
  readonly #improved = new Map<number, number>()
  /** Words that remember targets, by the address of the branch. */
  readonly #targetWords = new Map<number, number>()
  readonly #targets = new Map<number, Set<number>>()
  #waited = 0
  /** Instructions that may be compiled. */
  #credit = FIRST_CREDIT
  /** By index in the table. */
  readonly #installed: (Installed | undefined)[] = []
  readonly #byFrame = new Map<number, Set<Installed>>()
  #next = 0
  #compiled = 0
  #compiledInstructions = 0
  #bytes = 0
  #modules = 0
  /** Of regions that are gone. */
  #chains = 0
  #ms = 0

  constructor(memory: PhysicalMemory, exports: Readonly<Record<string, unknown>>, manifest: Tier0Manifest, options: TierOptions, source: CodeSource,
    now: Stopwatch = () => 0) {
    this.#now = now
    this.#memory = memory
    this.#exports = exports
    this.#table = exports.regions as WebAssembly.Table
    this.#manifest = manifest
    this.#options = options
    this.#source = source
    this.#facts = new FactsTable(manifest)
    this.#finder = new RegionFinder(memory, this.#facts, source.codePage, (rip, most) => this.#predict(rip, most))
  }

  get chunk(): number { return this.#options.chunk }
  get isEager(): boolean { return this.#options.isEager }

  /** Milliseconds spent compiling. */
  get ms(): number { return this.#ms }

  get statistics(): JitStatistics {
    const { u32 } = this.#memory
    const word = (address: number): number => u32[(address >> 2) + 1] * 0x1_0000_0000 + u32[address >> 2]
    return {
      modules: this.#modules, regions: this.#compiled, instructions: this.#compiledInstructions, bytes: this.#bytes, entries: word(layout.TIER1_ENTRIES),
      chains: this.#installed.reduce((sum, region) => sum + (region === undefined ? 0 : u32[(layout.REGION_CHAINS >> 2) + region.index]), this.#chains),
      exits: Object.fromEntries(EXIT_REASONS.map((name, i) => [name, u32[(layout.REGION_EXITS >> 2) + i]])) as Record<ExitName, number>,
      ms: this.#ms,
    }
  }

  /** A chunk has ended at the block at `rip`, in tier 0. */
  sample(rip: number): void {
    if (this.#samples.size >= MAX_SAMPLED) this.#samples.clear()
    const count = (this.#samples.get(rip) ?? 0) + 1
    this.#samples.set(rip, count)
    if (count >= this.#options.samples && this.#recordAt(rip) !== undefined) this.#queue.add(rip)
  }

  /** At the end of each chunk: compiles the hottest blocks of those that wait, as far as what was executed until now pays for it. */
  compile(): void {
    this.#credit = Math.min(this.#credit + this.#options.chunk / this.#options.cyclesPerInstruction, MOST_CREDIT)
    this.#improve()
    if (this.#queue.size === 0 || this.#credit <= 0) return
    if (this.#queue.size < this.#options.batch && ++this.#waited < this.#options.patience) return
    this.#waited = 0
    const heat = (rip: number): number => this.#samples.get(rip) ?? 0
    const rips = [...this.#queue].sort((a, b) => heat(b) - heat(a)).slice(0, this.#options.batch)
    for (const rip of rips) {
      this.#queue.delete(rip)
      this.#samples.delete(rip)
    }
    this.#compile(rips, { ...LIMITS, leavesAt: (rip, isCall) => {
      const known = this.#regionAt(rip)
      return known !== undefined && (!isCall || known.size > SMALL_FUNCTION)
    } })
  }

  /** A region that is left again and again is made anew, with what has been executed since and where its branches went. */
  #improve(): void {
    const { u32 } = this.#memory
    const region = this.#installed[u32[layout.LAST_CHAIN >> 2]]
    if (region === undefined || this.#credit <= 0) return
    const count = this.#improved.get(region.rip) ?? 0
    const enough = region.isUnsure ? this.#options.chainsToImprove / 8 : this.#options.chainsToImprove * 8 ** count
    if (count >= MAX_IMPROVEMENTS || u32[(layout.REGION_CHAINS >> 2) + region.index] < enough) return
    if (this.#regionAt(region.rip) !== region) return
    this.#improved.set(region.rip, count + 1)
    this.#compile([region.rip], { ...LIMITS, instructions: 400, leavesAt: (rip, isCall) => isCall && (this.#regionAt(rip)?.size ?? 0) > SMALL_FUNCTION * (count + 1) })
  }

  #targetWord(rip: number): number | undefined {
    let word = this.#targetWords.get(rip)
    if (word === undefined) {
      word = layout.BRANCH_TARGETS + this.#targetWords.size * TARGET_BYTES
      if (word >= layout.BRANCH_TARGETS_END) return undefined
      this.#targetWords.set(rip, word)
      this.#memory.u8.fill(0, word, word + TARGET_BYTES)
    }
    return word
  }

  #predict(rip: number, most: number): Iterable<number> {
    const word = this.#targetWords.get(rip)
    if (word === undefined) return []
    let targets = this.#targets.get(rip)
    if (targets === undefined) {
      targets = new Set()
      this.#targets.set(rip, targets)
    }
    for (let at = word >> 2; at < (word + TARGET_BYTES) >> 2 && targets.size < most; at += 2) {
      const target = this.#memory.u32[at + 1] * 0x1_0000_0000 + this.#memory.u32[at]
      if (target > 0 && target < layout.PAGE_SIZE * 2 ** 35) targets.add(target)
    }
    return targets
  }

  /** For tests. */
  compileAt(rip: number): void {
    if (this.#recordAt(rip) !== undefined) this.#compile([rip], { ...LIMITS, executedOnly: false, leavesAt: () => false })
  }

  #entryAt(rip: number): number { return this.#source.codePage(Math.floor(rip / layout.PAGE_SIZE))?.entries[rip % layout.PAGE_SIZE] ?? 0 }

  /** The block's record, if there is one and it is not a region already. */
  #recordAt(rip: number): number | undefined {
    const at = this.#entryAt(rip)
    return at !== 0 && this.#memory.u32[at >> 2] === this.#source.blockHandler ? at : undefined
  }

  #regionAt(rip: number): Installed | undefined {
    const at = this.#entryAt(rip)
    const { u32 } = this.#memory
    return at !== 0 && u32[at >> 2] === REGION_HANDLER ? this.#installed[u32[(at + record.RECORD_REGION) >> 2]] : undefined
  }

  #compile(rips: readonly number[], limits: Limits): void {
    const started = this.#now()
    this.#compileNow(rips, limits)
    this.#ms += this.#now() - started
  }

  #compileNow(rips: readonly number[], limits: Limits): void {
    const regions: { region: Region, index: number }[] = []
    if (this.#next + rips.length > layout.REGIONS) this.removeAll()
    for (const rip of rips) {
      if (this.#entryAt(rip) === 0) continue
      const region = this.#finder.find(rip, limits)
      if (region === undefined) continue
      // Nothing has become known since.
      if (this.#regionAt(rip)?.size === sizeOf(region)) continue
      regions.push({ region, index: this.#next++ })
      this.#credit -= sizeOf(region)
      if (this.#credit <= 0 && !this.isEager) break
    }
    if (regions.length === 0) return
    this.#modules++
    const bytes = compileRegions(regions, this.#facts, this.#manifest, (rip) => this.#targetWord(rip))
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory: this.#memory.memory, regions: this.#table }, tier0: this.#exports as Readonly<Record<string, unknown>>,
    })
    this.#bytes += bytes.length
    for (const { region, index } of regions) this.#install(region, index, instance.exports[`r${index}`])
  }

  #install(region: Region, index: number, code: unknown): void {
    const { entry, pages } = region
    const old = this.#regionAt(entry.rip)
    if (old !== undefined) this.#remove(old)
    const at = this.#recordAt(entry.rip)
    if (at === undefined) return
    this.#table.set(index, code)
    const size = sizeOf(region)
    const installed: Installed = { index, rip: entry.rip, at, pages, size, isUnsure: isUnsure(region) }
    this.#installed[index] = installed
    for (const frame of pages.values()) {
      let regions = this.#byFrame.get(frame)
      if (regions === undefined) {
        regions = new Set()
        this.#byFrame.set(frame, regions)
      }
      regions.add(installed)
      // A write must be noticed, also to the page that only the end of an instruction is in.
      this.#memory.markCode(frame)
    }
    const { u32 } = this.#memory
    u32[(layout.REGION_EPOCHS >> 2) + index] = u32[layout.CODE_EPOCH >> 2]
    u32[(layout.REGION_CHAINS >> 2) + index] = 0
    u32[(at + record.RECORD_SAVED_COST) >> 2] = u32[(at + record.RECORD_COST) >> 2]
    u32[(at + record.RECORD_COST) >> 2] = record.NO_BLOCK
    u32[(at + record.RECORD_REGION) >> 2] = index
    u32[at >> 2] = REGION_HANDLER
    this.#compiled++
    this.#compiledInstructions += size
  }

  /** Makes its entry an ordinary block again. */
  #remove(region: Installed): void {
    const { u32 } = this.#memory
    const { at, index } = region
    this.#chains += u32[(layout.REGION_CHAINS >> 2) + index]
    for (const frame of region.pages.values()) this.#byFrame.get(frame)?.delete(region)
    this.#installed[index] = undefined
    this.#table.set(index, null)
    if (u32[at >> 2] !== REGION_HANDLER || u32[(at + record.RECORD_REGION) >> 2] !== index) return
    u32[at >> 2] = this.#source.blockHandler
    u32[(at + record.RECORD_COST) >> 2] = u32[(at + record.RECORD_SAVED_COST) >> 2]
  }

  /** The code of a frame changes: before its records are dropped. */
  dropFrame(frame: number): void {
    const regions = this.#byFrame.get(frame)
    if (regions === undefined) return
    for (const region of [...regions]) this.#remove(region)
    this.#byFrame.delete(frame)
    this.#samples.clear()
  }

  /** Another processor, with these extensions (cpu/features.ts). */
  setFeatures(features: number): void {
    this.removeAll()
    this.#finder.setFeatures(features)
  }

  /** The records are gone. */
  forget(): void {
    for (const region of this.#installed) if (region !== undefined) this.#table.set(region.index, null)
    this.#installed.length = 0
    this.#byFrame.clear()
    this.#samples.clear()
    this.#queue.clear()
    this.#improved.clear()
    this.#targetWords.clear()
    this.#targets.clear()
    this.#next = 0
  }

  /** The table is full, or there will be another world: all regions go, those that are still hot come back. */
  removeAll(): void {
    for (const region of this.#installed) if (region !== undefined) this.#remove(region)
    this.forget()
  }

  /** Whether a region's pages are the current address space's. */
  revalidate(index: number): boolean {
    const region = this.#installed[index]
    if (region === undefined) return false
    for (const [page, frame] of region.pages) if (this.#source.codePage(page)?.frame !== frame) return false
    const { u32 } = this.#memory
    u32[(layout.REGION_EPOCHS >> 2) + index] = u32[layout.CODE_EPOCH >> 2]
    return true
  }
}
