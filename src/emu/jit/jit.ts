/** Finds what is hot, has it compiled, and puts regions in the place of the blocks where they begin; takes them out again. */
import * as layout from '../cpu/layout.ts'
import { REGION_HANDLER, type Tier0Manifest } from '../interp/manifest.ts'
import * as record from '../interp/records.ts'
import type { CodePage } from '../interp/translator.ts'
import type { PhysicalMemory } from '../memory.ts'
import { TARGET_BYTES, type Words, compileRegions } from './compiler.ts'
import { FactsTable } from './facts.ts'
import type { KeptInstruction } from './instruction.ts'
import { type Limits, type Region, RegionFinder, isFixed } from './graph.ts'
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
  /**
   * What must have been executed for each instruction that is compiled, in tier 0 or in tier 1: compiling one costs about as much as
   * executing so many in tier 0, so that no more time is spent on it than on what it is to replace.
   */
  readonly tier0Cycles: number
  readonly tier1Cycles: number
  /** How often regions have led to a block before it is compiled. */
  readonly heat: number
  /** How often a region has gone on to code outside, for each instruction that it would have then, before it is made anew. */
  readonly chainsPerInstruction: number
  /** Bytes of Wasm that regions may have together: what V8 makes of it is two to three times as large. */
  readonly mostBytes: number
  /** Compiles whatever is about to be executed: for tests. */
  readonly isEager: boolean
}

export const DEFAULT_TIER: TierOptions = {
  chunk: 30_000, samples: 12, batch: 8, patience: 6,
  tier0Cycles: 2_500, tier1Cycles: 120_000, heat: 3000, chainsPerInstruction: 30_000, mostBytes: 24 << 20, isEager: false,
}
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
  return { chunk, samples, batch, patience, tier0Cycles: 1, tier1Cycles: 1, heat: samples, chainsPerInstruction: 1, mostBytes: DEFAULT_TIER.mostBytes, isEager: false }
}
const LIMITS: Omit<Limits, 'leavesAt'> = { instructions: 200, callDepth: 2, inlined: 60, executedOnly: true }
/** When a region is made anew. */
const MORE_INSTRUCTIONS = 800
/** Where compilers put functions; what these often begin with: PUSH, ENDBR64. How far back they are looked for. */
const ALIGNMENT = 16, PROLOGUES = new Set([0x55, 0x53, 0x41, 0xf3]), FARTHEST = 8192
/** Regions up to this size are repeated in those that lead to them. */
const SMALL = 40
/** How often within a chunk the accesses of a region that are looked for together may lie across two pages. */
const MOST_STRADDLES = 20
/** Instructions that may be compiled: what is saved up at most, and what there is at first. */
const MOST_CREDIT = 1000, FIRST_CREDIT = 200
/** How often a region is made anew, each time after so many times as many chains; so much sooner if it ends with an indirect jump of which nothing was known. */
const MAX_IMPROVEMENTS = 3, MORE_CHAINS = 4, UNSURE = 8
/** Cycles in tier 0 for each time that a region leads there, and for what that costs itself. */
const CYCLES_PER_EXIT = 40
/** Where addresses of programs end. */
const HALF = layout.PAGE_SIZE * 2 ** 35
/** Blocks with samples that are remembered. */
const MAX_SAMPLED = 20_000

export interface CodeSource {
  /** Code that the current address space has at a virtual page, if it was executed from there. */
  readonly codePage: (page: number) => CodePage | undefined
  /** The 64-bit word at an address, if it can be had without a change of anything. */
  readonly peek: (address: number) => number | undefined
  /** Handler of blocks that are no regions. */
  readonly blockHandler: number
  /** Where the function probably begins that an address is in. */
  readonly functionOf: (rip: number) => number | undefined
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
  /** Its part of its module. */
  readonly bytes: number
  /** It ends with an indirect jump of which nothing was known. */
  readonly isUnsure: boolean
  /** Of its making. */
  readonly order: number
  /** Chains after which it is looked at again. */
  improveAt: number
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
  /** Where regions begin whose accesses are not looked for together. */
  readonly #apart = new Set<number>()
  /** Words that remember targets, by the address of the branch. */
  readonly #targetWords = new Map<number, number>()
  readonly #targets = new Map<number, Set<number>>()
  /** What was hot and became part of a region that begins elsewhere. */
  readonly #within = new Set<number>()
  /** Where the words of LINKS are, by the address that they are for. */
  readonly #links = new Map<number, number>()
  readonly #words: Words = { target: (rip) => this.#targetWord(rip), link: (rip) => this.#link(rip) }
  #waited = 0
  /** Cycles in tier 1 when a chunk ended last, modulo 2^32. */
  #tier1Cycles = 0
  /** Instructions that may be compiled. */
  #credit = FIRST_CREDIT
  /** By index in the table. */
  readonly #installed: (Installed | undefined)[] = []
  readonly #byFrame = new Map<number, Set<Installed>>()
  /** 0 in LINKS means that there is none. */
  #next = 1
  /** Indices of regions that are gone, as far as they are wanted. */
  readonly #free: number[] = []
  /** Of Wasm, of regions that are there. */
  #liveBytes = 0
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
    this.#finder = new RegionFinder(memory, this.#facts, source.codePage, (insn, most) => this.#predict(insn, most))
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
    this.#earn()
    this.#takeHot()
    this.#improve()
    this.#takeApart()
    if (this.#queue.size === 0 || this.#credit <= 0) return
    if (this.#queue.size < this.#options.batch && ++this.#waited < this.#options.patience) return
    this.#waited = 0
    const rips = [...this.#queue].map((rip) => ({ rip, heat: this.#heatOf(rip) })).sort((a, b) => b.heat - a.heat).slice(0, this.#options.batch)
    for (const { rip } of rips) {
      this.#queue.delete(rip)
      this.#samples.delete(rip)
    }
    this.#compile(rips.map(({ rip }) => rip), { ...LIMITS, leavesAt: (rip) => (this.#regionAt(rip)?.size ?? 0) > SMALL })
  }

  #earn(): void {
    const { chunk, tier0Cycles, tier1Cycles } = this.#options
    const now = this.#memory.u32[layout.TIER1_CYCLES >> 2]
    const inTier1 = Math.min((now - this.#tier1Cycles) >>> 0, chunk)
    this.#tier1Cycles = now
    this.#credit = Math.min(this.#credit + (chunk - inTier1) / tier0Cycles + inTier1 / tier1Cycles, MOST_CREDIT)
  }

  /** Blocks that regions led to often enough. */
  #takeHot(): void {
    const { u32 } = this.#memory
    u32[layout.HEAT_LIMIT >> 2] = this.#options.heat
    const count = u32[layout.HOT_COUNT >> 2]
    u32[layout.HOT_COUNT >> 2] = 0
    for (let i = 0; i < count; i++) {
      const at = u32[(layout.HOT_RECORDS >> 2) + i]
      const rip = u32[(at + record.RECORD_RIP + 4) >> 2] * 0x1_0000_0000 + u32[(at + record.RECORD_RIP) >> 2]
      // Records may have been dropped since, or belong to another address space.
      if (this.#recordAt(rip) === at) this.#queue.add(rip)
    }
  }

  /** Cycles that tier 0 has probably spent on a block and what follows it. */
  #heatOf(rip: number): number {
    const at = this.#recordAt(rip)
    return at === undefined ? 0 : (this.#samples.get(rip) ?? 0) * this.#options.chunk + this.#memory.u32[(at + record.RECORD_HEAT) >> 2] * CYCLES_PER_EXIT
  }

  /**
   * A region that is left again and again is made anew, with what has been executed since and where its branches went: when it has been
   * left as often as takes as long as making it.
   */
  #improve(): void {
    const { u32 } = this.#memory
    const region = this.#installed[u32[layout.LAST_CHAIN >> 2]]
    if (region === undefined || this.#credit <= 0) return
    const chains = u32[(layout.REGION_CHAINS >> 2) + region.index]
    if (chains < region.improveAt || this.#regionAt(region.rip) !== region) return
    const count = this.#improved.get(region.rip) ?? 0
    const better = count >= MAX_IMPROVEMENTS ? undefined : this.#find(region.rip, {
      ...LIMITS, instructions: MORE_INSTRUCTIONS, inlined: LIMITS.inlined * (count + 1), leavesAt: (rip) => (this.#regionAt(rip)?.size ?? 0) > SMALL * (count + 2),
    })
    if (better === undefined) {
      region.improveAt = count >= MAX_IMPROVEMENTS ? Infinity : chains * MORE_CHAINS
      return
    }
    const enough = sizeOf(better) * this.#options.chainsPerInstruction * MORE_CHAINS ** count / (region.isUnsure ? UNSURE : 1)
    if (chains < enough) {
      region.improveAt = enough
      return
    }
    this.#improved.set(region.rip, count + 1)
    this.#make([better])
  }

  /** What lies across two pages again and again, as a stack's frame does while its function runs, is looked for piece by piece from then on. */
  #takeApart(): void {
    const { u32 } = this.#memory
    const index = u32[layout.LAST_STRADDLE >> 2]
    const count = u32[(layout.REGION_STRADDLES >> 2) + index]
    const region = this.#installed[index]
    if (count === 0 || region === undefined) return
    u32[(layout.REGION_STRADDLES >> 2) + index] = 0
    if (count < MOST_STRADDLES || this.#regionAt(region.rip) !== region) return
    this.#apart.add(region.rip)
    const again = this.#finder.find(region.rip, { ...LIMITS, instructions: Math.max(LIMITS.instructions, region.size), leavesAt: (rip) => (this.#regionAt(rip)?.size ?? 0) > SMALL })
    if (again !== undefined) this.#make([again])
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

  #link(rip: number): number {
    let link = this.#links.get(rip)
    if (link === undefined) {
      link = (this.#links.size + 1) * 4
      if (link >= layout.LINKS_END - layout.LINKS) return 0
      this.#links.set(rip, link)
      this.#memory.i32[(layout.LINKS + link) >> 2] = 0
    }
    return link
  }

  /** What the address space has anywhere may be something else by now. */
  emptyLinks(): void { this.#memory.i32.fill(0, layout.LINKS >> 2, (layout.LINKS >> 2) + this.#links.size + 1) }

  /** A branch through a word at a fixed address, as of the global offset table, goes where that says now. */
  #pointer(insn: KeptInstruction): number[] {
    const target = isFixed(insn) ? this.#source.peek(insn.displacement) : undefined
    return target === undefined || target === 0 || target >= HALF ? [] : [target]
  }

  #predict(insn: KeptInstruction, most: number): Iterable<number> {
    const { rip } = insn
    const word = this.#targetWords.get(rip)
    if (word === undefined || isFixed(insn)) return this.#pointer(insn)
    let targets = this.#targets.get(rip)
    if (targets === undefined) {
      targets = new Set()
      this.#targets.set(rip, targets)
    }
    for (let at = word >> 2; at < (word + TARGET_BYTES) >> 2 && targets.size < most; at += 2) {
      const target = this.#memory.u32[at + 1] * 0x1_0000_0000 + this.#memory.u32[at]
      if (target > 0 && target < HALF) targets.add(target)
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

  /** The region at an address; undefined also if nothing has become known since it was made. */
  #find(rip: number, limits: Limits): Region | undefined {
    const started = this.#now()
    const region = this.#entryAt(rip) === 0 ? undefined : this.#finder.find(rip, limits)
    this.#ms += this.#now() - started
    return region !== undefined && this.#regionAt(rip)?.size === sizeOf(region) ? undefined : region
  }

  #compile(rips: readonly number[], limits: Limits): void {
    const found: Region[] = []
    let size = 0
    for (const rip of rips) {
      const region = this.#findFor(rip, limits)
      if (region === undefined || found.some(({ entry }) => entry.rip === region.entry.rip)) continue
      found.push(region)
      size += sizeOf(region)
      if (size >= this.#credit && !this.isEager) break
    }
    if (found.length > 0) this.#make(found)
  }

  #make(found: readonly Region[]): void {
    const started = this.#now()
    this.#makeNow(found)
    this.#ms += this.#now() - started
  }

  /**
   * The region for what is hot at an address: of the whole function, where that has it. So that others come to it by their calls;
   * if the address is hot again nevertheless, there is one that begins there.
   */
  #findFor(rip: number, limits: Limits): Region | undefined {
    const start = this.isEager ? undefined : this.#functionOf(rip)
    if (start !== undefined && start !== rip && !this.#within.has(rip) && this.#recordAt(start) !== undefined) {
      const whole = this.#find(start, limits)
      if (whole?.blocks.some(({ instructions }) => instructions.some((insn) => insn.rip === rip)) === true) {
        this.#within.add(rip)
        return whole
      }
    }
    return this.#find(rip, limits)
  }

  /** Where the function begins that an address is probably in: a call goes there, or it looks like one. */
  #functionOf(rip: number): number | undefined {
    const called = this.#source.functionOf(rip) ?? 0
    for (let at = rip - rip % ALIGNMENT; at > called && at > rip - FARTHEST; at -= ALIGNMENT) {
      const codePage = this.#entryAt(at) === 0 ? undefined : this.#source.codePage(Math.floor(at / layout.PAGE_SIZE))
      if (codePage !== undefined && PROLOGUES.has(this.#memory.u32[(codePage.frame * layout.PAGE_SIZE + at % layout.PAGE_SIZE) >> 2] & 0xff)) return at
    }
    return called === 0 ? undefined : called
  }

  #makeNow(found: readonly Region[]): void {
    if (this.#liveBytes > this.#options.mostBytes || this.#next + found.length > layout.REGIONS + this.#free.length) this.#evict()
    const regions = found.map((region) => ({ region, index: this.#free.pop() ?? this.#next++, isApart: this.#apart.has(region.entry.rip) }))
    for (const region of found) this.#credit -= sizeOf(region)
    this.#modules++
    const bytes = compileRegions(regions, this.#facts, this.#manifest, this.#words)
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory: this.#memory.memory, regions: this.#table }, tier0: this.#exports as Readonly<Record<string, unknown>>,
    })
    this.#bytes += bytes.length
    const perInstruction = bytes.length / found.reduce((sum, region) => sum + sizeOf(region), 0)
    for (const { region, index } of regions) this.#install(region, index, instance.exports[`r${index}`], Math.ceil(sizeOf(region) * perInstruction))
  }

  /**
   * There is too much: the older half goes. What is still hot comes back, with what is known by now; code that a guest generated and left goes
   * for ever. Nothing runs while regions are made, so that none is left that anybody waits for.
   */
  #evict(): void {
    const regions = [...this.#installed.values()].filter((region) => region !== undefined).sort((a, b) => a.order - b.order)
    for (const region of regions.slice(0, Math.ceil(regions.length / 2))) this.#remove(region)
    this.#free.length = 0
    for (let index = 1; index < this.#next; index++) if (this.#installed[index] === undefined) this.#free.push(index)
    this.#within.clear()
  }

  #install(region: Region, index: number, code: unknown, bytes: number): void {
    const { entry, pages } = region
    const old = this.#regionAt(entry.rip)
    if (old !== undefined) this.#remove(old)
    const at = this.#recordAt(entry.rip)
    if (at === undefined) return
    this.#table.set(index, code)
    const size = sizeOf(region)
    const unsure = isUnsure(region)
    const improveAt = size * this.#options.chainsPerInstruction / (unsure ? UNSURE : 1)
    const installed: Installed = { index, rip: entry.rip, at, pages, size, bytes, order: this.#compiled, isUnsure: unsure, improveAt }
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
    u32[(layout.REGION_STRADDLES >> 2) + index] = 0
    u32[(at + record.RECORD_SAVED_COST) >> 2] = u32[(at + record.RECORD_COST) >> 2]
    u32[(at + record.RECORD_COST) >> 2] = record.NO_BLOCK
    u32[(at + record.RECORD_REGION) >> 2] = index
    u32[(at + record.RECORD_HEAT) >> 2] = 0
    u32[at >> 2] = REGION_HANDLER
    this.#compiled++
    this.#compiledInstructions += size
    this.#liveBytes += bytes
  }

  /** Makes its entry an ordinary block again. */
  #remove(region: Installed): void {
    const { u32 } = this.#memory
    const { at, index } = region
    this.#chains += u32[(layout.REGION_CHAINS >> 2) + index]
    for (const frame of region.pages.values()) this.#byFrame.get(frame)?.delete(region)
    this.#installed[index] = undefined
    this.#liveBytes -= region.bytes
    this.#table.set(index, null)
    const link = this.#links.get(region.rip)
    if (link !== undefined) u32[(layout.LINKS + link) >> 2] = 0
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
    this.#liveBytes = 0
    this.#free.length = 0
    this.#byFrame.clear()
    this.#samples.clear()
    this.#queue.clear()
    this.#improved.clear()
    this.#targetWords.clear()
    this.#targets.clear()
    this.#next = 1
    this.emptyLinks()
    this.#links.clear()
    this.#within.clear()
    this.#apart.clear()
  }

  /** There will be another world: all regions go, those that are still hot come back. */
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
