/**
 * Tier 0's engine: runs records, finds and makes them, answers the slow paths.
 *
 * Budgets are exact. A block that fits the budget is paid for when it is entered; one that does not is executed
 * instruction by instruction (`#step`) until the budget is used up. A fault gives back what was not executed.
 */
import { type Breakpoints, DR6_STEP, NO_BREAKPOINTS } from '../breakpoints.ts'
import * as layout from '../cpu/layout.ts'
import { CpuState } from '../cpu/state.ts'
import { clearCoverage, type CoverageObserver } from '../coverage.ts'
import { type CpuName, cpuModel, cpuid } from '../cpu/model.ts'
import { FRAME_CODE, type PhysicalMemory } from '../memory.ts'
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE, type Access, type Mmu, NO_FRAME } from '../mmu/mmu.ts'
import { EXIT_ACCESS, EXIT_BUDGET, EXIT_FAULT, EXIT_REQUESTED, EXIT_SYSCALL, type ExitReason, type Fault, type Processor,
  VECTOR_DB, VECTOR_GP, VECTOR_PF, VECTOR_SS } from '../processor.ts'
import { Jit, type TierOptions } from '../jit/jit.ts'
import { type JitStatistics, type ProcessorStatistics, Service, type Stopwatch, TierRates } from '../statistics.ts'
import { ACCESS_MODIFIES, ACCESS_PROBES, type AccessKind, type AccessWatcher, KIND_MODIFY, KIND_READ, KIND_UPDATE, KIND_WRITE } from '../watch.ts'
import { LateHandlers } from './late-handlers.ts'
import type { Tier0Manifest } from './manifest.ts'
import * as record from './records.ts'
import { type CodePage, Translator } from './translator.ts'

/** Thrown through Wasm frames to leave an instruction; never seen outside. One object, no stack. */
class GuestFault {}
const GUEST_FAULT = Object.freeze(new GuestFault())

/** As GuestFault: the watcher stopped an access. */
class AccessStopped {}
const ACCESS_STOPPED = Object.freeze(new AccessStopped())
/** An instruction is to be executed alone, as it meets a breakpoint. */
class BreakpointMet {}
const BREAKPOINT_MET = Object.freeze(new BreakpointMet())

const MOST_ENTRIES = 1000
/** Twice this is not canonical. */
const NO_RIP = 0x80808080 | 0
const TWO_32 = 0x1_0000_0000
/** First page number beyond the lower canonical half. */
const USER_PAGES = 2 ** 35

/** Of the linear address of a page. */
const upperHalf = (page: number): number => Math.floor(page / (TWO_32 / layout.PAGE_SIZE))
const lastOf = (tlb: number): number => tlb === layout.TLB_READ ? layout.TLB_READ_LAST : layout.TLB_WRITE_LAST

export class Interpreter implements Processor {
  readonly memory: PhysicalMemory
  readonly cpu: CpuState
  readonly fault: Fault = { vector: 0, errorCode: 0, address: 0, debugStatus: 0 }
  executed = 0
  randomWord: () => number = () => 0

  /** All that there is, unless somebody chooses. */
  #model = cpuModel('x86-64-v3')
  readonly #translator: Translator
  readonly #run: (record: number) => void
  readonly #jit: Jit | undefined
  /** Of the budget of this `run`, what has not been given out yet: it is given in chunks, and where chunks end is where the heat is. */
  #reserve = 0
  /** Cycles to be given out until the next sample is due. */
  #untilSample = 0
  #mmu: Mmu | undefined
  /** Code pages of the current address space by virtual page. */
  readonly #codePages = new Map<number, CodePage>()
  /** Pages of the current address space that instructions reach into from the page before. */
  readonly #secondPages = new Set<number>()
  #requested = false
  /** Budget set aside when an exit was requested. */
  #withheld = 0
  /** Second half of a write that crosses pages: host addresses and lengths. */
  #bounceFirst = 0
  #bounceFirstLength = 0
  #bounceSecond = 0
  #bounceSecondLength = 0
  #watcher: AccessWatcher | undefined
  /** Where the last watched access was, as `AccessWatcher.access` counts. */
  #lastPosition = -1
  #breakpoints = NO_BREAKPOINTS
  /** The first instruction of this run has RF. */
  #passes = false
  /** The next instruction is executed alone, and traps then. */
  #trapsNext = false
  /** An instruction is executed alone: breakpoints that it has met. −1: none is. */
  #met = -1
  /** What is in the bounce buffer goes to the store buffer: address and size. 0: to memory. */
  #bufferedAddress = 0
  #bufferedSize = 0
  /** Words of the entries in use of the soft TLBs and the jump cache, as far as they are few: emptying them then takes less time. */
  readonly #readEntries: number[] = []
  readonly #writeEntries: number[] = []
  readonly #jumpEntries: number[] = []
  readonly #now: Stopwatch | undefined
  readonly #tlbMisses = new Service()
  readonly #lookups = new Service()
  readonly #rates = new TierRates()
  #instructions = 0
  #ms = 0

  /** @param now measures how long things take, for `statistics`
    * @param arenaEnd translations fill the memory from RECORD_ARENA to here; tests make it small */
  constructor(memory: PhysicalMemory, module: WebAssembly.Module, manifest: Tier0Manifest, arenaEnd = layout.RECORD_ARENA_END, tier?: TierOptions, now?: Stopwatch) {
    this.#now = now
    this.memory = memory
    this.cpu = new CpuState(memory)
    this.#translator = new Translator(memory, manifest, arenaEnd)
    this.#translator.onReset = () => {
      this.#jit?.forget()
      this.#forgetCode()
    }
    this.#translator.onRevive = (frame) => { this.memory.markCode(frame) }
    memory.onCodeWrite = (frame) => { this.#dropCode(frame) }
    memory.onCodeMark = () => { this.forgetWrites() }
    const imports = {
      env: { memory: memory.memory },
      host: {
        host_translate: this.#timed(this.#tlbMisses, (at: number, low: number, high: number, size: number, access: number) => this.#translate(at, low, high, size, access)),
        finish_write: () => { this.#finishWrite() },
        raise: (at: number, vector: number, errorCode: number) => this.#raise(at, vector, errorCode, 0),
        host_lookup: this.#timed(this.#lookups, (low: number, high: number) => this.#lookupWithinBudget(low, high)),
        host_fence: (at: number) => { this.#fence(at) },
        host_link: this.#timed(this.#lookups, (at: number) => this.#link(at)),
        host_cpuid: () => { cpuid(this.#model, memory) },
        host_random: () => this.randomWord() | 0,
        host_revalidate: (region: number) => this.#jit?.revalidate(region) === true ? 1 : 0,
      },
    }
    const instance = new WebAssembly.Instance(module, imports)
    const late = new LateHandlers(manifest, instance.exports, imports)
    this.#translator.makeLate = (name, operands) => late.make(name, operands)
    this.#run = instance.exports.run as (record: number) => void
    if (tier !== undefined) {
      const codePage = (page: number): CodePage | undefined => {
        if (this.#breakpoints.isIn(page)) return undefined
        const known = this.#codePages.get(page)
        return known?.valid === true && (memory.flags(known.frame) & FRAME_CODE) !== 0 ? known : undefined
      }
      this.#untilSample = tier.chunk
      this.#jit = new Jit(memory, instance.exports, manifest, tier, {
        codePage, blockHandler: this.#translator.blockHandler, peek: (address) => this.#peek(address), functionOf: (rip) => this.#translator.callees.before(rip),
      }, now)
    }
    memory.u8.fill(NO_RIP & 0xff, layout.SHADOW, layout.SHADOW + 8)
    for (const tlb of [layout.TLB_READ, layout.TLB_WRITE]) {
      this.#emptyAllOf(tlb)
      this.#noLast(tlb)
    }
    for (const cache of [layout.JUMP_CACHE, layout.SECOND_JUMP_CACHE]) memory.u8.fill(NO_RIP & 0xff, cache, cache + layout.JUMP_CACHE_ENTRIES * 16)
  }

  /**
   * Makes processor and memory as new, for another world. What was translated is kept for code that comes again, which
   * does not show, as where blocks begin does not. Regions of tier 1 are not kept.
   */
  recycle(): void {
    this.#jit?.removeAll()
    this.#translator.keep()
    this.memory.recycle()
    this.memory.u8.fill(0, layout.CPU_STATE, layout.ENGINE_STATE_END)
    this.memory.u8.fill(NO_RIP & 0xff, layout.SHADOW, layout.SHADOW + 8)
    this.#mmu = undefined
    this.#watcher = undefined
    this.#breakpoints = NO_BREAKPOINTS
    this.#reserve = 0
    this.#untilSample = this.#jit?.chunk ?? 0
    this.#requested = false
    this.#withheld = 0
    this.flushTlb()
  }

  /**
   * The frame gets other content while nothing runs, as a snapshot is restored: its translations are kept for when the old one
   * comes back. `flushTlb` must follow.
   */
  parkCode(frame: number): void {
    this.#jit?.dropFrame(frame)
    this.#translator.keepFrame(frame)
    this.memory.clearFlag(frame, FRAME_CODE)
  }

  setModel(name: CpuName): void {
    const model = cpuModel(name)
    if (model === this.#model) return
    this.#model = model
    this.#jit?.setFeatures(model.features)
    this.#translator.setFeatures(model.features)
  }

  setCpuNumber(cpu: number): void { this.memory.u32[layout.TSC_AUX >> 2] = cpu }

  /** Of tier 1, if there is one. */
  get jitStatistics(): JitStatistics | undefined { return this.#jit?.statistics }

  /** How many instructions were translated so far, counting again what was dropped. */
  get translatedInstructions(): number { return this.#translator.translatedInstructions }

  setMmu(mmu: Mmu): void {
    this.#mmu = mmu
    this.flushTlb()
  }

  flushTlb(): void {
    this.#emptyTlb()
    this.#forgetCode()
  }

  forgetWrites(): void { this.#emptyTlbOf(layout.TLB_WRITE) }

  flushPages(from: number, to: number): void {
    let hasCode = false
    for (let page = from; page < to; page++) {
      this.#forgetPage(page)
      hasCode ||= this.#codePages.has(page) || this.#secondPages.has(page)
    }
    if (hasCode) this.#forgetCode()
  }

  #forgetPage(page: number): void {
    const entry = (page % layout.TLB_ENTRIES) << 4
    for (const tlb of [layout.TLB_READ, layout.TLB_WRITE]) {
      this.#emptyEntry((tlb + entry) >> 2)
      const last = lastOf(tlb) >> 2
      const { i32 } = this.memory
      if (i32[last] === page << layout.PAGE_SHIFT && i32[last + 1] === upperHalf(page)) this.#findLast(tlb)
    }
  }

  flushPage(page: number): void {
    this.#forgetPage(page)
    const codePage = this.#codePages.get(page)
    if (codePage !== undefined) {
      this.#jit?.dropFrame(codePage.frame)
      // Records of this page may be running: make them look again.
      this.#translator.dropFrame(codePage.frame)
      this.memory.clearFlag(codePage.frame, FRAME_CODE)
      this.#forgetCode()
    } else if (this.#secondPages.has(page)) {
      this.#forgetCode()
    }
  }

  watch(watcher: AccessWatcher | undefined): void {
    this.#watcher = watcher
    this.#emptyTlb()
  }

  forgetData(): void { this.#emptyTlb() }

  setBreakpoints(breakpoints: Breakpoints): void {
    if (breakpoints === this.#breakpoints) return
    const hadCode = this.#breakpoints.hasCode
    this.#breakpoints = breakpoints
    this.#emptyTlb()
    if (hadCode || breakpoints.hasCode) this.#emptyJumpCache()
  }

  /** Counts edges between blocks from now on (src/emu/coverage.ts), or no more. Tier 1 must be off. */
  cover(observer: CoverageObserver | undefined): void {
    if (observer !== undefined && this.#jit !== undefined) throw new Error('coverage is of tier 0 alone')
    this.#translator.coverage = observer
    this.#translator.reset()
    clearCoverage(this.memory)
  }

  requestExit(): void {
    this.#requested = true
    this.#withheld += this.memory.i32[layout.BUDGET >> 2]
    this.memory.i32[layout.BUDGET >> 2] = 0
  }

  run(budget: number, cycle: number, floor = cycle): ExitReason {
    const { memory } = this
    const i32 = memory.i32
    const chunk = this.#jit === undefined ? budget : Math.min(budget, this.#untilSample)
    this.#untilSample -= chunk
    this.#reserve = budget - chunk
    i32[layout.BUDGET >> 2] = chunk
    i32[layout.SLICE_BUDGET >> 2] = chunk
    memory.f64[layout.SLICE_CYCLE >> 3] = cycle
    memory.f64[layout.SLICE_FLOOR >> 3] = floor
    this.#withheld = 0
    this.#requested = false
    this.#lastPosition = -1
    this.#trapsNext = false
    // RF lets the first instruction pass its breakpoint.
    const resumes = (this.memory.u32[layout.FLAG_OTHER >> 2] & layout.RF) !== 0
    if (resumes) this.memory.u32[layout.FLAG_OTHER >> 2] &= ~layout.RF
    this.#passes = resumes
    // What another task did before is no edge.
    if (this.#translator.coverage !== undefined) memory.u32[layout.COVERAGE_LAST >> 2] = 0
    const hasBuffers = this.#watcher?.buffers !== undefined
    if (hasBuffers !== this.#translator.fences) {
      this.#translator.fences = hasBuffers
      this.#translator.reset()
    }
    const reason = this.#now === undefined ? this.#loop() : this.#timedLoop(this.#now)
    // Views may have been replaced while the guest ran.
    this.executed = this.#position()
    if (resumes && this.executed === 0 && reason === EXIT_ACCESS) this.memory.u32[layout.FLAG_OTHER >> 2] |= layout.RF
    return reason
  }

  #timedLoop(now: Stopwatch): ExitReason {
    const services = (): number => this.#tlbMisses.ms + this.#lookups.ms + (this.#jit?.ms ?? 0)
    const tier1 = (): number => this.memory.u32[(layout.TIER1_CYCLES >> 2) + 1] * TWO_32 + this.memory.u32[layout.TIER1_CYCLES >> 2]
    const [started, servicesBefore, tier1Before] = [now(), services(), tier1()]
    const reason = this.#loop()
    const ms = now() - started
    const executed = this.memory.i32[layout.SLICE_BUDGET >> 2] - this.memory.i32[layout.BUDGET >> 2] - this.#withheld
    const inTier1 = tier1() - tier1Before
    this.#rates.add(executed - inTier1, inTier1, Math.max(0, ms - (services() - servicesBefore)))
    this.#instructions += executed
    this.#ms += ms
    return reason
  }

  /** Counted and, if there is a clock, measured. */
  #timed<A extends readonly number[]>(service: Service, serve: (...args: A) => number): (...args: A) => number {
    const now = this.#now
    if (now === undefined) return serve
    return (...args) => {
      const started = now()
      service.count++
      try {
        return serve(...args)
      } finally {
        service.ms += now() - started
      }
    }
  }

  /** Of all runs since the processor was made; complete only if it has a clock. */
  get statistics(): ProcessorStatistics {
    const compilation = this.jitStatistics
    const { u32 } = this.memory
    const inTier1 = u32[(layout.TIER1_CYCLES >> 2) + 1] * TWO_32 + u32[layout.TIER1_CYCLES >> 2]
    const inTier0 = Math.max(0, this.#instructions - inTier1)
    const left = Math.max(0, this.#ms - this.#tlbMisses.ms - this.#lookups.ms - (compilation?.ms ?? 0))
    const [ms0, ms1] = this.#rates.divide(inTier0, inTier1, left)
    return {
      instructions: this.#instructions, ms: this.#ms, tier0: { instructions: inTier0, ms: ms0 }, tier1: { instructions: inTier1, ms: ms1 },
      tlbMisses: { ...this.#tlbMisses }, lookups: { ...this.#lookups }, translatedInstructions: this.translatedInstructions, compilation,
    }
  }

  #loop(): ExitReason {
    for (;;) {
      const { memory } = this
      try {
        if (this.#trapsNext || this.#isSingleStepped()) return this.#stepAndTrap()
        if (memory.i32[layout.BUDGET >> 2] > 0 && this.#isAmongBreakpoints()) {
          const reason = this.#stepAmongBreakpoints()
          if (reason === EXIT_SYSCALL) return EXIT_SYSCALL
          if (reason === EXIT_FAULT) return this.#trapped()
          if (this.#requested) return EXIT_REQUESTED
          if (memory.i32[layout.BUDGET >> 2] > 0) continue
        }
        const rip = layout.RIP >> 2
        const at = this.#lookupWithinBudget(memory.i32[rip], memory.i32[rip + 1])
        if (this.#jit?.isEager === true && !this.#translator.fences) this.#jit.compileAt(this.cpu.rip)
        this.memory.i32[layout.CODE_CHANGED >> 2] = 0
        this.#run(at)
      } catch (error) {
        if (error === GUEST_FAULT) return EXIT_FAULT
        if (error === ACCESS_STOPPED) return EXIT_ACCESS
        if (error !== BREAKPOINT_MET) throw error
        this.#trapsNext = true
        continue
      }
      const reason = this.memory.u32[layout.EXIT_REASON >> 2]
      if (reason === EXIT_SYSCALL) return EXIT_SYSCALL
      if (reason === EXIT_FAULT) return this.#trapped()
      if (this.#requested) return EXIT_REQUESTED
      if (this.memory.i32[layout.BUDGET >> 2] > 0 && this.#isAmongBreakpoints()) continue
      if (reason === EXIT_BUDGET) {
        if (this.#jit !== undefined) this.#sample(this.#jit)
        if (this.#reserve > 0) {
          this.#nextChunk()
          continue
        }
      }
      if (reason === EXIT_BUDGET) {
        try {
          while (this.memory.i32[layout.BUDGET >> 2] > 0 && !this.#isSingleStepped() && !this.#isAmongBreakpoints()) {
            const stepped = this.#step()
            if (stepped === EXIT_SYSCALL) return EXIT_SYSCALL
            if (stepped === EXIT_FAULT) return this.#trapped()
            if (this.#requested) return EXIT_REQUESTED
          }
        } catch (error) {
          if (error === GUEST_FAULT) return EXIT_FAULT
          if (error === ACCESS_STOPPED) return EXIT_ACCESS
          if (error !== BREAKPOINT_MET) throw error
          this.#trapsNext = true
        }
      }
      if (this.memory.i32[layout.BUDGET >> 2] <= 0) {
        if (this.#reserve === 0) return EXIT_BUDGET
        if (this.#untilSample <= 0) this.#untilSample = this.#jit?.chunk ?? 0
        this.#nextChunk()
      }
    }
  }

  /** One instruction, or iteration of a repeated one (Intel SDM volume 3, 18.3.1.4), and #DB: TF is set, or it meets a breakpoint. */
  #stepAndTrap(): ExitReason {
    const { i32 } = this.memory
    const isStep = this.#isSingleStepped()
    if (!this.#trapsNext) this.#checkReached()
    const { rip } = this.cpu
    this.#withheld += i32[layout.BUDGET >> 2] - 1
    i32[layout.BUDGET >> 2] = 1
    this.#met = 0
    try {
      const reason = this.#step()
      if (reason === EXIT_SYSCALL) return EXIT_SYSCALL
      if (reason === EXIT_FAULT) return this.#trapped()
      this.fault.vector = VECTOR_DB
      this.fault.errorCode = 0
      this.fault.address = 0
      this.fault.debugStatus = this.#met | (isStep ? DR6_STEP : 0)
      this.#resumeRepeated(rip)
      return EXIT_FAULT
    } finally {
      this.#met = -1
      this.#trapsNext = false
    }
  }

  /** The instruction at rip is in a page with breakpoints. */
  #isAmongBreakpoints(): boolean { return this.#breakpoints.hasCode && this.#breakpoints.isIn(Math.floor(this.cpu.rip / layout.PAGE_SIZE)) }

  /** One instruction after the other, while they are in such a page. @returns the reason for which the last one ended */
  #stepAmongBreakpoints(): number {
    for (;;) {
      this.#checkReached()
      const { rip } = this.cpu
      const reason = this.#step()
      if (reason === EXIT_SYSCALL || reason === EXIT_FAULT || this.#requested) return reason
      if (this.memory.i32[layout.BUDGET >> 2] <= 0) {
        this.#resumeRepeated(rip)
        return reason
      }
      if (this.#isSingleStepped() || !this.#isAmongBreakpoints()) return reason
    }
  }

  /** #DB before the instruction at rip, if it has a breakpoint and may not pass it. */
  #checkReached(): void {
    if (!this.#breakpoints.hasCode || (this.#passes && this.#position() === 0)) return
    const met = this.#breakpoints.reached(this.cpu.rip)
    if (met === 0) return
    this.fault.debugStatus = met
    this.#throwFault(VECTOR_DB, 0, 0)
  }

  /** RF between iterations of a repeated instruction, which goes on without meeting its breakpoint again. */
  #resumeRepeated(rip: number): void {
    if (this.cpu.rip === rip && this.#isRepeated(rip)) this.memory.u32[layout.FLAG_OTHER >> 2] |= layout.RF
  }

  /** Whether the instruction has a REP prefix, among its first bytes. */
  #isRepeated(rip: number): boolean {
    const page = Math.floor(rip / layout.PAGE_SIZE), offset = rip % layout.PAGE_SIZE
    const { u8 } = this.memory
    const at = this.#frameForFetch(page) * layout.PAGE_SIZE
    for (let i = offset; i < Math.min(offset + 4, layout.PAGE_SIZE); i++) if (u8[at + i] === 0xf2 || u8[at + i] === 0xf3) return true
    return false
  }

  /** Cycles of this run until now. */
  #position(): number {
    const { i32 } = this.memory
    return i32[layout.SLICE_BUDGET >> 2] - i32[layout.BUDGET >> 2] - this.#withheld
  }

  /** At the end of what was given out: rip is where a block begins. */
  #sample(jit: Jit): void {
    const { i32 } = this.memory
    // Where a region was left says nothing of tier 0, which goes on from here until it comes to one again.
    if (this.#untilSample <= 0) {
      // Regions know nothing of store buffers.
      if (!this.#translator.fences) {
        if (i32[layout.REGION_LEFT >> 2] === 0) jit.sample(this.cpu.rip)
        jit.compile()
      }
      this.#untilSample = jit.chunk
    }
    i32[layout.REGION_LEFT >> 2] = 0
  }

  #nextChunk(): void {
    const chunk = Math.min(this.#reserve, this.#untilSample)
    this.#reserve -= chunk
    this.#untilSample -= chunk
    const { i32 } = this.memory
    i32[layout.BUDGET >> 2] += chunk
    i32[layout.SLICE_BUDGET >> 2] += chunk
  }

  #isSingleStepped(): boolean { return (this.memory.u32[layout.FLAG_OTHER >> 2] & layout.TF) !== 0 }

  /** A trap (#BP and the like): the instruction is complete, rip is behind it. */
  #trapped(): ExitReason {
    this.fault.vector = this.memory.u32[layout.EXIT_VECTOR >> 2]
    this.fault.errorCode = this.memory.u32[layout.EXIT_ERROR >> 2]
    this.fault.address = 0
    this.fault.debugStatus = 0
    return EXIT_FAULT
  }

  /** Executes one instruction alone (a repeated one for as long as the budget lasts). */
  #step(): number {
    const { memory } = this
    const low = memory.u32[layout.RIP >> 2]
    const high = memory.u32[(layout.RIP >> 2) + 1]
    const page = this.#codePageNumber(low, high)
    const frame = this.#frameForFetch(page)
    const at = this.#translator.single(page, frame, low & layout.PAGE_MASK, () => {
      const next = this.#nextFrame(page)
      if (next !== NO_FRAME) this.memory.markCode(next)
      return next
    })
    if (at === 0) this.#fetchFault(page + 1, (page + 1) * layout.PAGE_SIZE)
    this.memory.markCode(frame)
    this.memory.i32[layout.BUDGET >> 2]--
    this.memory.i32[layout.CODE_CHANGED >> 2] = 0
    this.memory.u32[layout.EXIT_REASON >> 2] = 0
    this.#run(at)
    return this.memory.u32[layout.EXIT_REASON >> 2]
  }

  // ——— Code ———

  #codePageNumber(low: number, high: number): number {
    const page = (high >>> 0) * (TWO_32 / layout.PAGE_SIZE) + (low >>> layout.PAGE_SHIFT)
    if (page >= USER_PAGES) {
      // Not canonical: #GP; the upper half: a page fault in user mode.
      if (high >>> 0 < 0xffff8000) this.#throwFault(VECTOR_GP, 0, 0)
      this.#throwFault(VECTOR_PF, 0x15, (high | 0) * TWO_32 + (low >>> 0))
    }
    return page
  }

  #frameForFetch(page: number): number {
    const codePage = this.#codePages.get(page)
    if (codePage?.valid === true) return codePage.frame
    const frame = this.#mmuOrThrow().resolve(page, ACCESS_EXECUTE)
    if (frame === NO_FRAME) {
      const low = this.memory.u32[layout.RIP >> 2] & layout.PAGE_MASK
      this.#fetchFault(page, page * layout.PAGE_SIZE + low)
    }
    return frame
  }

  #nextFrame(page: number): number {
    return page + 1 >= USER_PAGES ? NO_FRAME : this.#mmuOrThrow().resolve(page + 1, ACCESS_EXECUTE)
  }

  #fetchFault(page: number, address: number): never {
    this.#throwFault(VECTOR_PF, this.#mmuOrThrow().faultCode(page, ACCESS_EXECUTE) | 0x10, address)
  }

  /** At the end of the budget nothing is fetched: whether that would fault is the next run's business, after what may come between. */
  #lookupWithinBudget(low: number, high: number): number {
    return this.memory.i32[layout.BUDGET >> 2] > 0 ? this.#lookup(low, high) : this.#translator.leaving(low, high)
  }

  #lookup(low: number, high: number): number {
    const page = this.#codePageNumber(low, high)
    if (this.#breakpoints.isIn(page)) return this.#translator.leaving(low, high)
    let codePage = this.#codePages.get(page)
    if (codePage?.valid !== true) {
      const u32 = this.memory.u32
      // A fetch fault is that of the target.
      u32[layout.RIP >> 2] = low
      u32[(layout.RIP >> 2) + 1] = high
      codePage = this.#translator.codePage(page, this.#frameForFetch(page))
      this.#codePages.set(page, codePage)
    }
    const generation = this.#translator.generation
    const at = this.#translator.block(codePage, low & layout.PAGE_MASK, () => {
      this.#secondPages.add(page + 1)
      return this.#nextFrame(page)
    })
    if (at === 0) {
      this.memory.u32[layout.RIP >> 2] = low
      this.memory.u32[(layout.RIP >> 2) + 1] = high
      this.#fetchFault(page + 1, (page + 1) * layout.PAGE_SIZE)
    }
    if (this.#translator.generation !== generation) this.#codePages.set(page, codePage)
    // A code page made for this address space may have been dropped since its blocks were cached: only valid ones go in.
    const hash = ((low ^ ((low >>> 12) | (high << 20))) & (layout.JUMP_CACHE_ENTRIES - 1)) << 4
    const second = (Math.imul(low, layout.SECOND_JUMP_MULTIPLIER) >>> layout.SECOND_JUMP_SHIFT) << 4
    const { i32 } = this.memory
    for (const entry of [(layout.JUMP_CACHE + hash) >> 2, (layout.SECOND_JUMP_CACHE + second) >> 2]) {
      if (this.#jumpEntries.length < MOST_ENTRIES) this.#jumpEntries.push(entry)
      i32[entry] = low
      i32[entry + 1] = high
      i32[entry + 2] = at
    }
    return at
  }

  #link(at: number): number {
    const { u32 } = this.memory
    const low = u32[(at + record.RECORD_RIP) >> 2]
    const high = u32[(at + record.RECORD_RIP + 4) >> 2]
    if (this.memory.i32[layout.BUDGET >> 2] <= 0) return this.#translator.leaving(low, high)
    const generation = this.#translator.generation
    const target = this.#lookup(low, high)
    // A block that reaches into the next page is not the same in all address spaces that share this one.
    const codePage = this.#codePages.get((high >>> 0) * (TWO_32 / layout.PAGE_SIZE) + (low >>> layout.PAGE_SHIFT))
    const isOfPage = codePage?.entries[low & layout.PAGE_MASK] === target
    if (this.#translator.generation === generation && isOfPage) this.#translator.link(at, target)
    return target
  }

  #dropCode(frame: number): void {
    this.memory.i32[layout.CODE_CHANGED >> 2] = 1
    this.#jit?.dropFrame(frame)
    this.#translator.dropFrame(frame)
    this.memory.clearFlag(frame, FRAME_CODE)
    for (const [page, codePage] of this.#codePages) if (!codePage.valid) this.#codePages.delete(page)
    // Caches of jumps and links need not be emptied: records of the frame have become detours, regions with code of it are gone. Guests that
    // generate code write to pages of code all the time.
  }

  #forgetCode(): void {
    this.#codePages.clear()
    this.#secondPages.clear()
    this.#emptyJumpCache()
  }

  /** With a rip that can't be one: −1 can. */
  #emptyJumpCache(): void {
    this.memory.i32[layout.CODE_EPOCH >> 2]++
    this.#jit?.emptyLinks()
    const { u8, i32 } = this.memory
    if (this.#jumpEntries.length < MOST_ENTRIES) for (const entry of this.#jumpEntries) i32.fill(NO_RIP, entry, entry + 2)
    else for (const cache of [layout.JUMP_CACHE, layout.SECOND_JUMP_CACHE]) u8.fill(NO_RIP & 0xff, cache, cache + layout.JUMP_CACHE_ENTRIES * 16)
    this.#jumpEntries.length = 0
  }

  // ——— Memory ———

  #emptyTlb(): void {
    this.#emptyTlbOf(layout.TLB_READ)
    this.#emptyTlbOf(layout.TLB_WRITE)
  }

  #emptyTlbOf(tlb: number): void {
    const entries = tlb === layout.TLB_READ ? this.#readEntries : this.#writeEntries
    if (entries.length < MOST_ENTRIES) for (const entry of entries) this.#emptyEntry(entry)
    else this.#emptyAllOf(tlb)
    entries.length = 0
    this.#noLast(tlb)
  }
  #noLast(tlb: number): void { this.memory.i32.fill(-1, lastOf(tlb) >> 2, (lastOf(tlb) >> 2) + 2) }
  /** Another page that it has. */
  #findLast(tlb: number): void {
    const { i32 } = this.memory
    this.#noLast(tlb)
    for (let at = 0, entry = tlb >> 2; at < layout.TLB_ENTRIES; at++, entry += 4) {
      if (i32[entry + 1] === -1 || (i32[entry] >>> layout.PAGE_SHIFT) % layout.TLB_ENTRIES !== at) continue
      i32.copyWithin(lastOf(tlb) >> 2, entry, entry + 3)
      return
    }
  }
  #emptyAllOf(tlb: number): void {
    this.memory.u8.fill(0xff, tlb, tlb + layout.TLB_ENTRIES * 16)
    this.#emptyEntry(tlb >> 2)
    this.#emptyEntry((tlb >> 2) + (layout.TLB_ENTRIES - 1) * 4)
  }
  /** What −1 hits is −1 and what begins at 0: of the last entry and the first. */
  #emptyEntry(entry: number): void {
    const { i32 } = this.memory
    const at = (entry >> 2) % layout.TLB_ENTRIES
    const isHit = at === 0 || at === layout.TLB_ENTRIES - 1
    i32[entry] = isHit ? layout.PAGE_SIZE : -1
    i32[entry + 1] = isHit ? 0 : -1
  }

  /** The 64-bit word at an address (below 2^53), if its page is in the TLB: nothing changes by that. */
  #peek(address: number): number | undefined {
    const { u32 } = this.memory
    const page = Math.floor(address / layout.PAGE_SIZE)
    const entry = (layout.TLB_READ + ((page % layout.TLB_ENTRIES) << 4)) >> 2
    const offset = address % layout.PAGE_SIZE
    if (u32[entry] + u32[entry + 1] * TWO_32 !== page * layout.PAGE_SIZE || offset % 8 !== 0) return undefined
    const host = (address + u32[entry + 2]) % TWO_32 >>> 2
    return u32[host + 1] * TWO_32 + u32[host]
  }

  #fillTlb(tlb: number, page: number, frame: number): void {
    const entry = (tlb + ((page % layout.TLB_ENTRIES) << 4)) >> 2
    const { i32 } = this.memory
    const entries = tlb === layout.TLB_READ ? this.#readEntries : this.#writeEntries
    if (entries.length < MOST_ENTRIES) entries.push(entry)
    i32[entry] = page << layout.PAGE_SHIFT
    i32[entry + 1] = upperHalf(page)
    // Modulo 2^32.
    i32[entry + 2] = (frame - page) << layout.PAGE_SHIFT
    i32.copyWithin(lastOf(tlb) >> 2, entry, entry + 3)
  }

  /** Host address of the page, or a guest fault at record `at`. */
  #page(at: number, page: number, access: Access, address: number): number {
    const mmu = this.#mmuOrThrow()
    const frame = mmu.resolve(page, access)
    if (frame === NO_FRAME) {
      const code = mmu.faultCode(page, access) | (access === ACCESS_WRITE ? 2 : 0)
      this.#raise(at, VECTOR_PF, code, address)
    }
    const isWrite = access === ACCESS_WRITE
    if (isWrite) this.memory.beforeWrite(frame)
    this.#pageIsWatched = this.#watcher?.watches(page, isWrite) === true || this.#breakpoints.watches(page)
    if (!this.#pageIsWatched) this.#fillTlb(isWrite ? layout.TLB_WRITE : layout.TLB_READ, page, frame)
    return frame
  }

  /** Of the page that `#page` answered last. */
  #pageIsWatched = false

  /** @param wanted Access, with ACCESS_MODIFIES or ACCESS_PROBES */
  #translate(at: number, low: number, high: number, size: number, wanted: number): number {
    const access: Access = (wanted & 1) === 0 ? ACCESS_READ : ACCESS_WRITE
    const page = (high >>> 0) * (TWO_32 / layout.PAGE_SIZE) + (low >>> layout.PAGE_SHIFT)
    const offset = low & layout.PAGE_MASK
    if (page >= USER_PAGES) this.#badAddress(at, low, high, access)
    const address = page * layout.PAGE_SIZE + offset
    this.#bufferedSize = 0
    if (offset + size <= layout.PAGE_SIZE) {
      const host = this.#page(at, page, access, address) * layout.PAGE_SIZE + offset
      return this.#pageIsWatched && (wanted & ACCESS_PROBES) === 0 ? this.#watched(at, address, size, wanted, host) : host
    }
    // Crosses into the next page: both are resolved before anything is written. That they are canonical comes first.
    if (page + 1 >= USER_PAGES) this.#badAddress(at, low, high, access)
    const firstLength = layout.PAGE_SIZE - offset
    const first = this.#page(at, page, access, address) * layout.PAGE_SIZE + offset
    const firstIsWatched = this.#pageIsWatched
    const second = this.#page(at, page + 1, access, address + firstLength) * layout.PAGE_SIZE
    this.#bounceFirst = first
    this.#bounceFirstLength = firstLength
    this.#bounceSecond = second
    this.#bounceSecondLength = size - firstLength
    this.#fillBounce()
    if ((firstIsWatched || this.#pageIsWatched) && (wanted & ACCESS_PROBES) === 0) this.#watched(at, address, size, wanted, layout.BOUNCE)
    return layout.BOUNCE
  }

  /** Cycles of this run before the instruction at a record. */
  #positionOf(at: number): number {
    const { i32, u16 } = this.memory
    return i32[layout.SLICE_BUDGET >> 2] - i32[layout.BUDGET >> 2] - this.#withheld - u16[(at + record.RECORD_REFUND) >> 1]
  }

  #ripOf(at: number): number {
    const { u32 } = this.memory
    return u32[(at + record.RECORD_RIP + 4) >> 2] * TWO_32 + u32[(at + record.RECORD_RIP) >> 2]
  }

  /** Out of the instruction at a record, of which nothing has happened. */
  #stopAt(at: number, why: AccessStopped | BreakpointMet): never {
    const { i32, u16, u32 } = this.memory
    u32[layout.RIP >> 2] = u32[(at + record.RECORD_RIP) >> 2]
    u32[(layout.RIP >> 2) + 1] = u32[(at + record.RECORD_RIP + 4) >> 2]
    i32[layout.BUDGET >> 2] += u16[(at + record.RECORD_REFUND) >> 1]
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- as faults
    throw why
  }

  #fence(at: number): void {
    const watcher = this.#watcher
    if (watcher?.buffers === undefined || watcher.buffers.isEmpty) return
    const position = this.#positionOf(at)
    const isFirst = position !== this.#lastPosition
    this.#lastPosition = position
    if (watcher.fence?.(this.#ripOf(at), isFirst) === false && isFirst) this.#stopAt(at, ACCESS_STOPPED)
    watcher.buffers.fence()
  }

  /** Tells the watcher of an access at the host address; where it goes through a store buffer, that is the bounce buffer, which has its bytes. */
  #watched(at: number, address: number, size: number, wanted: number, host: number): number {
    const met = this.#breakpoints.accessed(address, size, (wanted & (1 | ACCESS_MODIFIES)) !== 0)
    if (met !== 0) {
      if (this.#met < 0) this.#stopAt(at, BREAKPOINT_MET)
      this.#met |= met
    }
    const watcher = this.#watcher
    if (watcher === undefined) return host
    const { u8 } = this.memory
    const locks = (u8[at + record.RECORD_SEGMENTS] & record.LOCKS) !== 0
    const kind: AccessKind = locks ? KIND_UPDATE : (wanted & ACCESS_MODIFIES) !== 0 ? KIND_MODIFY : (wanted & 1) === 0 ? KIND_READ : KIND_WRITE
    const position = this.#positionOf(at)
    const isFirst = position !== this.#lastPosition
    this.#lastPosition = position
    if (!watcher.access(address, size, kind, this.#ripOf(at), position, isFirst) && isFirst) this.#stopAt(at, ACCESS_STOPPED)
    if (watcher.buffers === undefined || (kind === KIND_READ && watcher.buffers.isEmpty)) return host
    if (locks) {
      // Stores that were waiting may have come to memory since.
      if (host === layout.BOUNCE) this.#fillBounce()
      return host
    }
    if (host !== layout.BOUNCE) u8.copyWithin(layout.BOUNCE, host, host + size)
    watcher.buffers.forward(address, size, u8, layout.BOUNCE)
    this.#bufferedAddress = address
    this.#bufferedSize = size
    return layout.BOUNCE
  }

  /** An address beyond the lower canonical half. */
  #badAddress(at: number, low: number, high: number, access: Access): never {
    if (high >>> 0 >= 0xffff8000) {
      // The kernel's half: present or not does not show; Linux reports the address and a protection fault in user mode.
      this.#raise(at, VECTOR_PF, 5 | (access === ACCESS_WRITE ? 2 : 0), (high | 0) * TWO_32 + (low >>> 0))
    }
    // #SS for addresses through the stack registers is indistinguishable to Linux programs but for the trap number.
    this.#raise(at, this.#usesStackSegment(at, low, high) ? VECTOR_SS : VECTOR_GP, 0, 0)
  }

  /** Whether the access to an address that faulted went through SS: that of the memory operand, or the implicit one of PUSH and the like. */
  #usesStackSegment(at: number, low: number, high: number): boolean {
    const { u8, u16, u64 } = this.memory
    const flags = u8[at + record.RECORD_SEGMENTS]
    if ((flags & record.STACK_IMPLICIT) !== 0) {
      if ((flags & record.HAS_MEMORY) === 0) return true
      const base = u64[u16[(at + record.RECORD_BASE) >> 1] >> 3]
      const index = u64[u16[(at + record.RECORD_INDEX) >> 1] >> 3] << BigInt(u8[at + record.RECORD_SCALE])
      const operand = BigInt.asUintN(64, base + index + u64[(at + record.RECORD_DISPLACEMENT) >> 3])
      if (operand !== (BigInt(high >>> 0) << 32n | BigInt(low >>> 0))) return true
    }
    return (flags & record.STACK_OPERAND) !== 0
  }

  #fillBounce(): void {
    const { u8 } = this.memory
    u8.copyWithin(layout.BOUNCE, this.#bounceFirst, this.#bounceFirst + this.#bounceFirstLength)
    u8.copyWithin(layout.BOUNCE + this.#bounceFirstLength, this.#bounceSecond, this.#bounceSecond + this.#bounceSecondLength)
  }

  #finishWrite(): void {
    const { u8 } = this.memory
    if (this.#bufferedSize > 0) {
      this.#watcher?.buffers?.store(this.#bufferedAddress, this.#bufferedSize, u8, layout.BOUNCE)
      this.#bufferedSize = 0
      return
    }
    u8.copyWithin(this.#bounceFirst, layout.BOUNCE, layout.BOUNCE + this.#bounceFirstLength)
    u8.copyWithin(this.#bounceSecond, layout.BOUNCE + this.#bounceFirstLength,
      layout.BOUNCE + this.#bounceFirstLength + this.#bounceSecondLength)
  }

  // ——— Faults ———

  /** A fault of the instruction at record `at`: what its block paid beyond it is given back. */
  #raise(at: number, vector: number, errorCode: number, address: number): never {
    const { u32, i32, u16 } = this.memory
    u32[layout.RIP >> 2] = u32[(at + record.RECORD_RIP) >> 2]
    u32[(layout.RIP >> 2) + 1] = u32[(at + record.RECORD_RIP + 4) >> 2]
    i32[layout.BUDGET >> 2] += u16[(at + record.RECORD_REFUND) >> 1]
    return this.#throwFault(vector, errorCode, address)
  }

  #throwFault(vector: number, errorCode: number, address: number): never {
    this.fault.vector = vector
    this.fault.errorCode = errorCode
    this.fault.address = address
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- control flow through Wasm frames; a stack would cost
    throw GUEST_FAULT
  }

  #mmuOrThrow(): Mmu {
    if (this.#mmu === undefined) throw new Error('the processor has no address space')
    return this.#mmu
  }
}
