/**
 * Guest code → records.
 *
 * Translations belong to a *code page*: a frame at a virtual page. Two processes that map one file at one address share
 * them. Links inside a code page are direct; everything that leaves the page goes through the jump cache, which is
 * emptied when the address space or a mapping of code changes. An instruction that crosses a page is a block of its own,
 * valid for its pair of frames.
 */
import * as layout from '../cpu/layout.ts'
import { blockNumber, type CoverageObserver } from '../coverage.ts'
import { DECODE_INVALID, DECODE_OK, DECODE_TOO_LONG, DECODE_TRUNCATED, Decoder, type Instruction } from '../decode/decoder.ts'
import type { PhysicalMemory } from '../memory.ts'
import type { OperandForm } from '../semantics/emitter.ts'
import { Callees } from './callees.ts'
import { formName } from './forms.ts'
import { Improver } from './improve.ts'
import type { Tier0Manifest } from './manifest.ts'
import * as record from './records.ts'
import type { Row } from '../decode/rows.ts'

const BLOCK_LIMIT = 64
const PAGE_WORDS = layout.PAGE_SIZE >> 2
/** Versions of a virtual page that are kept from worlds before. */
const MOST_KEPT = 8
const MAX_RECORDS_PER_BLOCK = BLOCK_LIMIT * 3 + 5
/** What a value is compared with, or a value that has no other way into a register: of interest to who looks for inputs. */
const COMPARING = /^(cmp|sub|xor|mov)$/
/** Instructions that access the stack beside their operands. */
const STACK_INSTRUCTION = /^(push|pop|call|ret|iret|enter|leave)/
const KINDS = 'rmnixqfgsj'
const SIZE_CODE: Readonly<Record<number, number>> = { 0: 0, 1: 1, 2: 2, 4: 3, 8: 4, 16: 5, 10: 6, 32: 7 }

export interface CodePage {
  readonly page: number
  readonly frame: number
  /** Record of the block that starts at each byte of the page, 0 if none. */
  readonly entries: Int32Array
  /** [start, end) of the records made for this page, in pairs. */
  readonly ranges: number[]
  valid: boolean
}

interface KeptPage {
  readonly code: Uint32Array
  readonly entries: Int32Array
  readonly ranges: number[]
}

/** LOCK, XCHG with memory, MFENCE, CPUID: they begin when all stores before them are visible (Intel SDM volume 3, 9.2 and 9.3). */
const waitsForStores = ({ row, lock, operands, operandCount }: Instruction): boolean =>
  lock || row.name === 'cpuid' || (row.name === 'fence' && row.text.includes('/6')) ||
  (row.name === 'xchg' && operands.some(({ kind }, i) => i < operandCount && kind === 'm'))

export class Translator {
  readonly #memory: PhysicalMemory
  readonly #decoder = new Decoder()
  readonly #handlers = new Map<string, number>()
  readonly #improver: Improver
  readonly #formCache = new Map<Row, Map<number, number>>()
  readonly #block: number
  readonly #stepEnd: number
  readonly #link: number
  readonly #linked: number
  readonly #goto: number
  readonly #stale: number
  readonly #address64: number
  readonly #address32: number
  readonly #invalid: number
  readonly #tooLong: number
  readonly #fence: number
  readonly #cover: number
  /** Who counts blocks (src/emu/coverage.ts): a change takes `reset`. */
  coverage: CoverageObserver | undefined
  /** Whether instructions that wait for stores tell the host first (src/emu/watch.ts): a change takes `reset`. */
  fences = false
  /** Code pages by frame; a frame may be at several virtual pages. */
  readonly #byFrame = new Map<number, CodePage[]>()
  /** Blocks of one page-crossing instruction, by rip and the two frames. */
  readonly #crossing = new Map<string, number>()
  /** By virtual page: translations of worlds before, with the code that they were made from. */
  readonly #kept = new Map<number, KeptPage[]>()
  readonly #arenaEnd: number
  #top = layout.RECORD_ARENA
  /** Counts emptyings of the arena: a record from an earlier generation must not be touched. */
  generation = 0
  translatedInstructions = 0
  /** Where direct calls go. */
  readonly callees = new Callees()
  /** Called when translations were dropped all at once. */
  onReset: () => void = () => {}
  /** Makes the handler of a form of an extension: its index. */
  makeLate: (name: string, operands: readonly OperandForm[]) => number = (name) => { throw new Error(`no handler of ${name}`) }
  /** Called when translations came back for a frame, which is a frame of code from then on. */
  onRevive: (frame: number) => void = () => {}

  constructor(memory: PhysicalMemory, manifest: Tier0Manifest, arenaEnd: number) {
    this.#memory = memory
    this.#arenaEnd = arenaEnd
    manifest.handlers.forEach((name, index) => this.#handlers.set(name, index))
    this.#improver = new Improver(manifest)
    const engine = (name: string): number => {
      const index = this.#handlers.get(name)
      if (index === undefined) throw new Error(`tier0.json has no handler ${name}`)
      return index
    }
    this.#block = engine('@block')
    this.#stepEnd = engine('@step-end')
    this.#link = engine('@link')
    this.#linked = engine('@linked')
    this.#goto = engine('@goto')
    this.#stale = engine('@stale')
    this.#address64 = engine('@address64')
    this.#address32 = engine('@address32')
    this.#invalid = engine('@invalid')
    this.#tooLong = engine('@too-long')
    this.#fence = engine('@fence')
    this.#cover = engine('@cover')
  }

  get blockHandler(): number { return this.#block }

  codePage(page: number, frame: number): CodePage {
    let pages = this.#byFrame.get(frame)
    if (pages === undefined) {
      pages = []
      this.#byFrame.set(frame, pages)
    }
    for (const codePage of pages) if (codePage.page === page) return codePage
    const codePage = this.#revive(page, frame) ?? { page, frame, entries: new Int32Array(layout.PAGE_SIZE), ranges: [], valid: true }
    pages.push(codePage)
    return codePage
  }

  /** All frames will be freed, for another world. Translations are kept for pages that come back with the same code at the same place. */
  keep(): void {
    for (const [frame, pages] of this.#byFrame) this.#keepPages(frame, pages)
    this.#byFrame.clear()
    this.#crossing.clear()
  }

  /** The same for one frame, which is about to get other content while nothing runs. */
  keepFrame(frame: number): void {
    const pages = this.#byFrame.get(frame)
    if (pages === undefined) return
    this.#keepPages(frame, pages)
    for (const codePage of pages) codePage.valid = false
    this.#byFrame.delete(frame)
    this.#dropCrossing(frame)
  }

  #keepPages(frame: number, pages: readonly CodePage[]): void {
    const { u32 } = this.#memory
    for (const { page, entries, ranges } of pages) {
      if (ranges.length === 0) continue
      const kept = this.#kept.get(page)
      const keptPage = { code: u32.slice(frame * PAGE_WORDS, (frame + 1) * PAGE_WORDS), entries, ranges }
      if (kept === undefined) this.#kept.set(page, [keptPage])
      else if (kept.push(keptPage) > MOST_KEPT) kept.shift()
    }
  }

  /** Records know their virtual page and nothing of their frame: they go with any that has the same code. */
  #revive(page: number, frame: number): CodePage | undefined {
    const kept = this.#kept.get(page)
    if (kept === undefined) return undefined
    const place = kept.findIndex(({ code }) => this.#holds(frame, code))
    if (place < 0) return undefined
    const [{ entries, ranges }] = kept.splice(place, 1)
    this.onRevive(frame)
    return { page, frame, entries, ranges, valid: true }
  }

  #holds(frame: number, code: Uint32Array): boolean {
    const { u32 } = this.#memory
    const base = frame * PAGE_WORDS
    for (let i = 0; i < PAGE_WORDS; i++) if (u32[base + i] !== code[i]) return false
    return true
  }

  /** A write to the frame: every record made from it becomes a detour to a new look-up. */
  dropFrame(frame: number): void {
    const pages = this.#byFrame.get(frame)
    if (pages === undefined) return
    this.#byFrame.delete(frame)
    const { u32 } = this.#memory
    for (const codePage of pages) {
      codePage.valid = false
      for (let i = 0; i < codePage.ranges.length; i += 2) {
        for (let at = codePage.ranges[i]; at < codePage.ranges[i + 1]; at += record.RECORD_SIZE) u32[at >> 2] = this.#stale
      }
    }
    this.#dropCrossing(frame)
  }

  #dropCrossing(frame: number): void {
    for (const key of this.#crossing.keys()) {
      const [, first, second] = key.split(':')
      if (Number(first) === frame || Number(second) === frame) this.#crossing.delete(key)
    }
  }

  /** Another processor, with these extensions (cpu/features.ts): what was translated may mean something else there. */
  setFeatures(features: number): void {
    this.#decoder.features = features
    this.reset()
  }

  /** Forgets everything: the arena is full. */
  reset(): void {
    for (const frame of this.#byFrame.keys()) this.#memory.clearFlag(frame, 2)
    this.#byFrame.clear()
    this.#crossing.clear()
    this.#kept.clear()
    this.#top = layout.RECORD_ARENA
    this.generation++
    this.onReset()
  }

  /**
   * Record of the block at an offset of a code page.
   * @param second gives the frame of the following page for an instruction that crosses; NO_FRAME (0) if it can't be fetched
   * @returns the record, or 0 if the instruction at `offset` itself crosses into a page that can't be fetched
   */
  block(codePage: CodePage, offset: number, second: () => number): number {
    const known = codePage.entries[offset]
    if (known !== 0) return known
    if (this.#top + MAX_RECORDS_PER_BLOCK * record.RECORD_SIZE > this.#arenaEnd) {
      this.reset()
      // The page object is no longer listed: list it again, empty.
      codePage.entries.fill(0)
      codePage.ranges.length = 0
      this.#byFrame.set(codePage.frame, [codePage])
    }
    const rip = codePage.page * layout.PAGE_SIZE + offset
    const start = this.#top
    let at = start + record.RECORD_SIZE
    let offsetNow = offset
    let cost = 0
    const { u8 } = this.#memory
    const base = codePage.frame * layout.PAGE_SIZE
    const firsts: number[] = []
    const instructions: number[] = []
    const covers = this.coverage?.covers(codePage.page) === true
    if (covers) at = this.#writeCover(at, rip)
    for (;;) {
      const result = this.#decoder.decode(u8, base + offsetNow, base + layout.PAGE_SIZE, rip - offset + offsetNow)
      if (result === DECODE_TRUNCATED) {
        if (cost === 0) return this.#crossingBlock(codePage, offset, second)
        at = this.#writeGoto(at, rip - offset + offsetNow)
        break
      }
      // What stands before the first instruction goes with it.
      firsts.push(cost === 0 ? start + record.RECORD_SIZE : at)
      cost++
      at = this.#instruction(at, rip - offset + offsetNow, result)
      instructions.push(at - record.RECORD_SIZE)
      if (result !== DECODE_OK) break
      const insn = this.#decoder.instruction
      if (covers) this.#tellConstant(insn)
      offsetNow += insn.length
      if (this.#endsBlock(insn)) {
        at = this.#writeLinks(at, insn, rip - offset + offsetNow, codePage.page)
        break
      }
      if (offsetNow >= layout.PAGE_SIZE) {
        at = this.#writeGoto(at, rip - offset + offsetNow)
        break
      }
      // Where blocks begin must not show in what is counted.
      if (cost >= BLOCK_LIMIT || (codePage.entries[offsetNow] !== 0 && this.coverage === undefined)) {
        at = this.#writeLink(at, rip - offset + offsetNow, 0, codePage.page)
        break
      }
    }
    this.#finishBlock(start, rip, cost, firsts, at)
    this.#improver.improve(this.#memory.u32, instructions)
    this.#top = at
    codePage.entries[offset] = start
    codePage.ranges.push(start, at)
    this.#memory.markCode(codePage.frame)
    return start
  }

  /**
   * Writes the instruction at `rip` alone, followed by a record that leaves, into the step area.
   * @returns its record, or 0 if it crosses into a page that can't be fetched
   */
  single(page: number, frame: number, offset: number, second: () => number): number {
    const rip = page * layout.PAGE_SIZE + offset
    const base = frame * layout.PAGE_SIZE
    let result = this.#decoder.decode(this.#memory.u8, base + offset, base + layout.PAGE_SIZE, rip)
    if (result === DECODE_TRUNCATED) {
      const code = this.#joined(frame, offset, second)
      if (code === undefined) return 0
      result = this.#decoder.decode(code, 0, code.length, rip)
    }
    const start = layout.STEP_RECORDS
    const end = this.#instruction(start, rip, result)
    const insn = this.#decoder.instruction
    if (result === DECODE_OK && this.#endsBlock(insn)) {
      const link = this.#writeStepEnd(end, rip + insn.length)
      this.#memory.u32[(end - record.RECORD_SIZE + record.RECORD_TAKEN) >> 2] = link
      if (insn.operands[insn.operandCount - 1]?.kind === 'j') {
        this.#memory.u32[(end - record.RECORD_SIZE + record.RECORD_FALL) >> 2] = end
        this.#writeStepEnd(link, insn.target)
      }
    } else {
      this.#writeStepEnd(end, rip + insn.length)
    }
    this.#refunds([start], 1, end)
    return start
  }

  /** The record that leaves with rip at an address, whatever is there. */
  leaving(low: number, high: number): number {
    const at = layout.LEAVE_RECORD
    const { u32 } = this.#memory
    u32[at >> 2] = this.#stepEnd
    u32[(at + record.RECORD_COST) >> 2] = record.NO_BLOCK
    u32[(at + record.RECORD_RIP) >> 2] = low
    u32[(at + record.RECORD_RIP + 4) >> 2] = high
    return at
  }

  #joined(frame: number, offset: number, second: () => number): Uint8Array | undefined {
    const next = second()
    if (next === 0) return undefined
    const { u8 } = this.#memory
    const code = new Uint8Array(32)
    const head = layout.PAGE_SIZE - offset
    code.set(u8.subarray(frame * layout.PAGE_SIZE + offset, (frame + 1) * layout.PAGE_SIZE))
    code.set(u8.subarray(next * layout.PAGE_SIZE, next * layout.PAGE_SIZE + 32 - head), head)
    return code
  }

  #crossingBlock(codePage: CodePage, offset: number, second: () => number): number {
    const rip = codePage.page * layout.PAGE_SIZE + offset
    const code = this.#joined(codePage.frame, offset, second)
    if (code === undefined) return 0
    const nextFrame = second()
    const key = `${rip}:${codePage.frame}:${nextFrame}`
    const known = this.#crossing.get(key)
    if (known !== undefined) return known
    const start = this.#top
    const first = start + record.RECORD_SIZE
    const result = this.#decoder.decode(code, 0, code.length, rip)
    let at = this.#instruction(this.coverage?.covers(codePage.page) === true ? this.#writeCover(first, rip) : first, rip, result)
    if (result === DECODE_OK) {
      const insn = this.#decoder.instruction
      // No page is 'the same' to this block: all its links go through the jump cache.
      at = this.#endsBlock(insn) ? this.#writeLinks(at, insn, rip + insn.length, -1) : this.#writeGoto(at, rip + insn.length)
    }
    this.#finishBlock(start, rip, 1, [first], at)
    this.#top = at
    this.#crossing.set(key, start)
    codePage.ranges.push(start, at)
    this.codePage(codePage.page + 1, nextFrame).ranges.push(start, at)
    this.#memory.markCode(codePage.frame)
    this.#memory.markCode(nextFrame)
    return start
  }

  #finishBlock(start: number, rip: number, cost: number, firsts: readonly number[], end: number): void {
    const { u32 } = this.#memory
    this.#clear(start)
    u32[start >> 2] = this.#block
    u32[(start + record.RECORD_COST) >> 2] = cost
    this.#setRip(start, rip)
    this.#refunds(firsts, cost, end)
    this.translatedInstructions += cost
  }

  /** Each record of an instruction knows what the block paid for it and for those behind it. */
  #refunds(firsts: readonly number[], cost: number, end: number): void {
    const { u16 } = this.#memory
    for (let i = 0; i < firsts.length; i++) {
      const stop = i + 1 < firsts.length ? firsts[i + 1] : end
      for (let at = firsts[i]; at < stop; at += record.RECORD_SIZE) {
        // Links behind the last instruction come when everything has been executed.
        const isLink = i === firsts.length - 1 && this.#isLink(at)
        u16[(at + record.RECORD_REFUND) >> 1] = isLink ? 0 : cost - i
      }
    }
  }

  #isLink(at: number): boolean {
    const handler = this.#memory.u32[at >> 2]
    return handler === this.#link || handler === this.#goto
  }

  #endsBlock(insn: Instruction): boolean {
    return insn.row.options.has('end') || insn.operands[insn.operandCount - 1]?.kind === 'j' && insn.operandCount > 0
  }

  #clear(at: number): void {
    this.#memory.u8.fill(0, at, at + record.RECORD_SIZE)
  }

  #setRip(at: number, rip: number): void {
    const { u32 } = this.#memory
    u32[(at + record.RECORD_RIP) >> 2] = rip
    u32[(at + record.RECORD_RIP + 4) >> 2] = Math.floor(rip / 0x1_0000_0000)
  }

  /** A link record was taken for the first time: the branch before it, or it itself, goes straight to the target from now on. */
  link(at: number, target: number): void {
    const { u32 } = this.#memory
    if (u32[at >> 2] !== this.#link) return
    const slot = u32[(at + record.RECORD_LINK_SLOT) >> 2]
    if (slot !== 0) {
      u32[slot >> 2] = target
    } else {
      u32[at >> 2] = this.#linked
      u32[(at + record.RECORD_TAKEN) >> 2] = target
    }
  }

  #writeCover(at: number, rip: number): number {
    this.#clear(at)
    this.#memory.u32[at >> 2] = this.#cover
    this.#memory.u32[(at + record.RECORD_BLOCK) >> 2] = blockNumber(rip)
    this.#memory.u32[(at + record.RECORD_COST) >> 2] = record.NO_BLOCK
    this.#setRip(at, rip)
    return at + record.RECORD_SIZE
  }

  #tellConstant({ row, operands, operandCount, immLow, immHigh }: Instruction): void {
    if (operandCount < 2 || operands[1].kind !== 'i' || !COMPARING.test(row.name)) return
    this.coverage?.constant(immLow, immHigh, operands[0].size)
  }

  #writeStepEnd(at: number, rip: number): number {
    this.#clear(at)
    this.#memory.u32[at >> 2] = this.#stepEnd
    this.#memory.u32[(at + record.RECORD_COST) >> 2] = record.NO_BLOCK
    this.#setRip(at, rip)
    return at + record.RECORD_SIZE
  }

  #writeGoto(at: number, rip: number): number {
    this.#clear(at)
    this.#memory.u32[at >> 2] = this.#goto
    this.#memory.u32[(at + record.RECORD_COST) >> 2] = record.NO_BLOCK
    this.#setRip(at, rip)
    return at + record.RECORD_SIZE
  }

  /** A link to `rip`, patched into `slot` when first taken; `slot` 0: the link record itself is all there is. */
  #writeLink(at: number, rip: number, slot: number, page: number): number {
    if (Math.floor(rip / layout.PAGE_SIZE) !== page) return this.#writeGoto(at, rip)
    this.#clear(at)
    const { u32 } = this.#memory
    u32[at >> 2] = this.#link
    u32[(at + record.RECORD_COST) >> 2] = record.NO_BLOCK
    u32[(at + record.RECORD_LINK_SLOT) >> 2] = slot
    this.#setRip(at, rip)
    return at + record.RECORD_SIZE
  }

  /** What follows a record that ends its block: fall-through link, then the branch target's if there is one. */
  #writeLinks(at: number, insn: Instruction, nextRip: number, page: number): number {
    const branch = at - record.RECORD_SIZE
    const { u32 } = this.#memory
    const isBranch = insn.operandCount > 0 && insn.operands[insn.operandCount - 1].kind === 'j'
    const taken = at + record.RECORD_SIZE
    this.#writeLink(at, nextRip, isBranch ? branch + record.RECORD_FALL : 0, page)
    if (!isBranch) return taken
    u32[(branch + record.RECORD_FALL) >> 2] = at
    u32[(branch + record.RECORD_TAKEN) >> 2] = taken
    if (insn.row.name === 'call') this.callees.add(insn.target)
    return this.#writeLink(taken, insn.target, branch + record.RECORD_TAKEN, page)
  }

  /** The record (or address record and record) of the decoded instruction. Returns the address behind. */
  #instruction(start: number, rip: number, result: number): number {
    let at = start
    this.#clear(at)
    const { u8, u16, u32 } = this.#memory
    if (result !== DECODE_OK) {
      u32[at >> 2] = result === DECODE_TOO_LONG ? this.#tooLong : this.#invalid
      this.#setRip(at, rip)
      void DECODE_INVALID
      return at + record.RECORD_SIZE
    }
    const insn = this.#decoder.instruction
    if (this.fences && waitsForStores(insn)) {
      u32[at >> 2] = this.#fence
      this.#setRip(at, rip)
      at += record.RECORD_SIZE
      this.#clear(at)
    }
    let { base, index, scale, displacement } = insn
    const throughStack = insn.segment === layout.ZERO && (base === layout.GPR + layout.RSP * 8 || base === layout.GPR + layout.RBP * 8)
    let hasMemory = false
    for (let i = 0; i < insn.operandCount; i++) if (insn.operands[i].kind === 'm') hasMemory = true
    if (hasMemory && (insn.segment !== layout.ZERO || insn.address32) && insn.row.name !== 'lea') {
      if (insn.segment !== layout.ZERO && !insn.address32 && base === layout.ZERO) base = insn.segment
      else if (insn.segment !== layout.ZERO && !insn.address32 && index === layout.ZERO) { index = insn.segment; scale = 0 } else {
        this.#addressRecord(at, rip, insn)
        at += record.RECORD_SIZE
        this.#clear(at)
        base = layout.EFFECTIVE_ADDRESS
        index = layout.ZERO
        displacement = 0
      }
    } else if (hasMemory && insn.address32) {
      // LEA with 32-bit addresses.
      this.#addressRecord(at, rip, insn)
      at += record.RECORD_SIZE
      this.#clear(at)
      base = layout.EFFECTIVE_ADDRESS
      index = layout.ZERO
      displacement = 0
    }
    const indexed = index !== layout.ZERO
    u32[at >> 2] = this.#handlerOf(insn, indexed)
    for (let i = 0; i < insn.operandCount && i < 3; i++) u16[(at + record.RECORD_REG + i * 2) >> 1] = insn.operands[i].value
    // String instructions find their source segment here.
    u16[(at + record.RECORD_BASE) >> 1] = hasMemory ? base : insn.segment
    u16[(at + record.RECORD_INDEX) >> 1] = index
    u8[at + record.RECORD_SCALE] = scale
    u8[at + record.RECORD_LENGTH] = insn.length
    u32[(at + record.RECORD_DISPLACEMENT) >> 2] = displacement
    u32[(at + record.RECORD_DISPLACEMENT + 4) >> 2] = Math.floor(displacement / 0x1_0000_0000)
    u32[(at + record.RECORD_IMMEDIATE) >> 2] = insn.immLow
    u32[(at + record.RECORD_IMMEDIATE + 4) >> 2] = insn.immHigh
    u8[at + record.RECORD_IMM2] = insn.imm2
    u8[at + record.RECORD_SEGMENTS] = (hasMemory ? record.HAS_MEMORY : 0) | (hasMemory && throughStack ? record.STACK_OPERAND : 0)
      | (STACK_INSTRUCTION.test(insn.row.name) ? record.STACK_IMPLICIT : 0) | (insn.lock || (hasMemory && insn.row.name === 'xchg') ? record.LOCKS : 0)
    // What the bit instructions with a bit number in a register need to stay within 32 bits.
    if (insn.address32 && insn.row.name.endsWith('_far_a32')) u16[(at + record.RECORD_INDEX) >> 1] = insn.segment
    this.#setRip(at, rip)
    return at + record.RECORD_SIZE
  }

  #addressRecord(at: number, rip: number, insn: Instruction): void {
    const { u8, u16, u32 } = this.#memory
    u32[at >> 2] = insn.address32 ? this.#address32 : this.#address64
    u16[(at + record.RECORD_REG) >> 1] = insn.row.name === 'lea' ? layout.ZERO : insn.segment
    u16[(at + record.RECORD_BASE) >> 1] = insn.base
    u16[(at + record.RECORD_INDEX) >> 1] = insn.index
    u8[at + record.RECORD_SCALE] = insn.scale
    u32[(at + record.RECORD_DISPLACEMENT) >> 2] = insn.displacement
    u32[(at + record.RECORD_DISPLACEMENT + 4) >> 2] = Math.floor(insn.displacement / 0x1_0000_0000)
    this.#setRip(at, rip)
  }

  #handlerOf(insn: Instruction, indexed: boolean): number {
    let key = insn.operandCount
    for (let i = 0; i < insn.operandCount; i++) {
      const { kind, size } = insn.operands[i]
      key = key * 128 + (kind === 'm' && indexed ? 2 : KINDS.indexOf(kind)) * 8 + SIZE_CODE[size]
    }
    let forms = this.#formCache.get(insn.row)
    if (forms === undefined) {
      forms = new Map()
      this.#formCache.set(insn.row, forms)
    }
    let handler = forms.get(key)
    if (handler === undefined) {
      const operands = insn.operands.slice(0, insn.operandCount).map(({ kind, size }): OperandForm =>
        ({ kind: kind === 'm' && indexed ? 'n' : kind, size }))
      const name = formName(insn.row.name, operands)
      handler = this.#handlers.get(name)
      if (handler === undefined && insn.row.features !== 0) {
        handler = this.makeLate(insn.row.name, operands)
        this.#handlers.set(name, handler)
      }
      if (handler === undefined) throw new Error(`tier 0 has no handler for form '${name}' (row '${insn.row.text}')`)
      forms.set(key, handler)
    }
    return handler
  }
}
