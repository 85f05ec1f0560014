/**
 * Regions → Wasm. Structured control flow from the dominator tree, as in Ramsey, "Beyond Relooper" (ICFP 2022): a block
 * whose one forward predecessor branches to it is emitted in that place; one with several follows a Wasm block that is
 * left to get there; a loop's head begins a Wasm loop.
 */
import { REGIONS } from '../cpu/layout.ts'
import type { Tier0Manifest } from '../interp/manifest.ts'
import { REGION } from '../interp/tier0-emitter.ts'
import { type Expr, i32, i64 } from '../wasm/expression.ts'
import type { FunctionBuilder, Label } from '../wasm/function.ts'
import { ModuleBuilder } from '../wasm/module.ts'
import type { FactsTable } from './facts.ts'
import { type Block, type Edge, type Region, findFlagReaders, isCall, isStub, lastOf, successors } from './graph.ts'
import { type Access, type Members, planGroups } from './groups.ts'
import type { KeptInstruction } from './instruction.ts'
import { RegionCode } from './region-code.ts'
import { type Payment, planPayments } from './payments.ts'
import { type BlockRegisters, RegisterSet, UnknownTouch, planRegisters } from './registers.ts'
import { Tier1Emitter } from './tier1-emitter.ts'
import { chooseWindows } from './windows.ts'

const ALWAYS_CALLED = ['jump_slow', 'leave_plain', 'settle_flags', 'revalidate', 'reach']

/** Of each indirect branch some targets are remembered, by what their addresses come to. */
export const TARGET_BYTES = 256
const TARGET_SHIFT = 5

/** More targets of an indirect branch are searched by halves. */
const MOST_IN_A_ROW = 4

/** Words in memory that regions share. */
export interface Words {
  /** Address of those that remember where the branch at an address went; undefined if there are too many. */
  readonly target: (rip: number) => number | undefined
  /** Which word of LINKS is an address's; 0 if there are too many. */
  readonly link: (rip: number) => number
}

/** Bytes of a module with a function for each region, named r and its index. */
export const compileRegions = (regions: readonly NumberedRegion[], facts: FactsTable, manifest: Tier0Manifest, words: Words): Uint8Array<ArrayBuffer> => {
  for (;;) {
    try {
      return tryToCompile(regions, facts, manifest, words)
    } catch (error) {
      // The facts know it by now.
      if (!(error instanceof UnknownTouch || error instanceof IrregularAccess)) throw error
    }
  }
}

/** An instruction accesses memory otherwise than its form did in a trial. */
class IrregularAccess extends Error {}

export interface NumberedRegion {
  readonly region: Region
  readonly index: number
  /** What it accesses together has lain across two pages too often. */
  readonly isApart: boolean
}

const tryToCompile = (regions: readonly NumberedRegion[], facts: FactsTable, manifest: Tier0Manifest, words: Words): Uint8Array<ArrayBuffer> => {
  const module = new ModuleBuilder()
  module.importMemory(1, 65536)
  module.regions(REGION, REGIONS, true)
  const calls = new Set(ALWAYS_CALLED)
  for (const { region } of regions) for (const block of region.blocks) for (const insn of block.instructions) for (const name of facts.of(insn).calls) calls.add(name)
  for (const name of calls) module.importFunction('tier0', name, manifest.runtime[name])
  module.know(manifest.runtime)
  for (const { region, index, isApart } of regions) {
    const members = planGroups(region.blocks, facts, isApart)
    const windows = chooseWindows(region.blocks, facts, members)
    module.function(`r${index}`, REGION, (f) => { new RegionCompiler(f, facts, words, windows, upperHalves(region.blocks), members).compile(region, index) }, true)
  }
  return module.encode()
}

/** Vector registers that instructions with a VEX prefix name. */
const upperHalves = (blocks: readonly Block[]): Set<number> => {
  const storages = new Set<number>()
  for (const { instructions } of blocks) {
    for (const { name, operands, values, immediate } of instructions) {
      if (!name.startsWith('v')) continue
      operands.forEach(({ kind }, i) => { if (kind === 'x') storages.add(values[i]) })
      // The indices of a gather.
      if (name.startsWith('vgather')) storages.add(Number(immediate) & 0xffff)
    }
  }
  return storages
}

class RegionCompiler {
  readonly #f: FunctionBuilder
  readonly #facts: FactsTable
  readonly #code: RegionCode
  readonly #words: Words
  readonly #uppers: ReadonlySet<number>
  readonly #members: Members
  #registers: ReadonlyMap<Block, BlockRegisters> = new Map()
  #payments: ReturnType<typeof planPayments> = { payments: new Map(), prepaid: new Set() }
  /** The instruction that is being emitted. */
  #now: KeptInstruction | undefined
  /** Where to branch to for a loop's head from within the loop, for another block from before it. */
  readonly #heads = new Map<Block, Label>()
  readonly #labels = new Map<Block, Label>()

  constructor(f: FunctionBuilder, facts: FactsTable, words: Words, windows: readonly string[], uppers: ReadonlySet<number>, members: Members) {
    this.#f = f
    this.#members = members
    this.#facts = facts
    this.#words = words
    this.#uppers = uppers
    this.#code = new RegionCode(f, windows, uppers)
  }

  compile(region: Region, index: number): void {
    try {
      this.#compile(region, index)
    } catch (error) {
      if (!(error instanceof UnknownTouch) || this.#now === undefined) throw error
      const { touches, writesTo } = this.#facts.of(this.#now)
      touches.add(error.id)
      if (error.isWrite) writesTo.add(error.id)
      throw error
    }
  }

  #compile({ entry, blocks, pages }: Region, index: number): void {
    findFlagReaders(blocks, this.#facts)
    this.#payments = planPayments(blocks)
    this.#registers = planRegisters(blocks, this.#facts, this.#uppers)
    this.#code.function(index, entry.rip, pages.size > 1, () => {
      this.#code.flags = { kind: 'packed' }
      this.#code.pay(entry.rip, 0, this.#payment(entry).longest)
      if (entry.readsFlags) this.#code.settleFlags()
      this.#code.registers.become(this.#plan(entry))
      this.#inPlace(entry)
    })
  }

  /** The block, of which this is the only way in (but for back edges), and all that it dominates. */
  #inPlace(block: Block): void {
    if (block.isLoop) this.#toMeeting(block)
    this.#tree(block)
  }

  /** Flags as they are expected where paths meet. */
  #toMeeting(block: Block): void {
    if (block.readsFlags) this.#code.settleFlags()
    else if (!block.ignoresFlags) this.#code.packFlags()
  }

  #tree(block: Block): void {
    const meetings = block.children.filter((child) => child.forwardPredecessors > 1).sort((a, b) => a.order - b.order)
    if (block.isLoop) {
      this.#code.meet(block.readsFlags, this.#plan(block))
      this.#f.loop((label) => {
        this.#heads.set(block, label)
        this.#within(block, meetings)
      })
    } else {
      this.#within(block, meetings)
    }
  }

  #within(block: Block, meetings: readonly Block[]): void {
    const last = meetings.at(-1)
    if (last === undefined) {
      this.#emit(block)
      return
    }
    this.#f.block((label) => {
      this.#labels.set(last, label)
      this.#within(block, meetings.slice(0, -1))
    })
    this.#code.meet(last.readsFlags, this.#plan(last))
    this.#tree(last)
  }

  /** What no way out of the block keeps in locals alone. */
  #storeBefore(block: Block): void {
    const { registers } = this.#code
    let kept = RegisterSet.EMPTY
    for (const { block: target } of successors(block)) kept = kept.with(this.#plan(target as Block).dirty)
    registers.store(registers.dirty.without(kept))
  }

  #payment(block: Block): Payment { return this.#payments.payments.get(block) as Payment }

  #plan(block: Block): BlockRegisters { return this.#registers.get(block) as BlockRegisters }

  #emit(block: Block): void {
    const { registers } = this.#code
    const { touches, writes } = this.#plan(block)
    registers.load(touches)
    registers.dirty = registers.dirty.with(writes)
    this.#code.leavingTogether(() => { this.#emitWithin(block) })
  }

  #emitWithin(block: Block): void {
    const code = this.#code
    const f = this.#f
    f.openScope()
    code.onBranch = (condition) => {
      this.#storeBefore(block)
      const { taken, fall } = block
      if (condition.constant !== undefined || fall === undefined) {
        this.#closeScope()
        this.#follow(block, (condition.constant === 0n ? fall : taken) as Edge)
        return
      }
      f.if(condition, () => {
        this.#closeScope()
        const { knowledge } = code
        this.#follow(block, taken as Edge)
        code.knowledge = knowledge
      })
      this.#follow(block, fall)
    }
    code.onJump = (target) => {
      this.#storeBefore(block)
      this.#jump(block, target)
    }
    const { instructions } = block
    let hasEnded = false
    instructions.forEach((insn, i) => {
      if (this.#facts.of(insn).conditional) code.settleFlags()
      if (insn.isRepeated) code.registers.forgetWidths()
      const emitter = new Tier1Emitter(code, insn, instructions.length - i + this.#payment(block).rest, this.#members.get(block)?.[i])
      this.#now = insn
      insn.semantics(emitter)
      this.#checkAccesses(insn, emitter.accesses)
      hasEnded = emitter.hasEnded
    })
    if (hasEnded) return
    this.#closeScope()
    if (block.stopsAt !== undefined) code.leaveAt(block.stopsAt, 0, 'unsupported')
    else this.#follow(block, block.fall as Edge)
  }

  /** Groups rely on it that accesses are those of the trial. */
  #checkAccesses(insn: KeptInstruction, accesses: readonly Access[]): void {
    const facts = this.#facts.of(insn)
    if (facts.isIrregular) return
    const isSame = accesses.length === facts.accesses.length && accesses.every(({ isOperand, write, size, plain }, i) => {
      const known = facts.accesses[i]
      return isOperand === known.isOperand && write === known.write && size === known.size && plain === known.plain
    })
    if (isSame) return
    facts.isIrregular = true
    throw new IrregularAccess()
  }

  #jump(block: Block, target: Expr): void {
    const f = this.#f
    const code = this.#code
    const at = f.let(target)
    const last = lastOf(block)
    const isReturn = last.name.startsWith('ret')
    const isCaller = isCall(block) || isStub(block)
    const known = block.targets.filter((edge) => edge.block !== undefined || isCaller).sort((a, b) => a.rip - b.rip)
    // The other ways still need the target.
    if (known.length > 0) this.#closeScope(at)
    this.#compare(block, at, known)
    const word = isReturn ? undefined : this.#words.target(last.rip)
    if (word !== undefined) {
      const low = f.let(i32.wrap(at))
      f.i64Store(i32.and(i32.xor(low, i32.shrU(low, i32.const(TARGET_SHIFT))), i32.const(TARGET_BYTES - 8)), word, at)
    }
    code.giveBack(this.#payment(block).rest)
    if (isReturn) code.returnTo(at)
    else this.#exit(block, block.elsewhere, at)
    if (known.length === 0) this.#closeScope()
  }

  /** Goes where the target is one of those that are known, in order. */
  #compare(block: Block, at: Expr, known: readonly Edge[]): void {
    const f = this.#f
    if (known.length <= MOST_IN_A_ROW) {
      for (const edge of known) {
        f.if(i64.eq(at, i64.const(edge.rip)), () => {
          const { knowledge } = this.#code
          this.#follow(block, edge)
          this.#code.knowledge = knowledge
        })
      }
      return
    }
    const middle = known.length >> 1
    f.if(i64.ltU(at, i64.const(known[middle].rip)), () => { this.#compare(block, at, known.slice(0, middle)) }, () => { this.#compare(block, at, known.slice(middle)) })
  }

  /** To code outside of the region; and back, if it is called. */
  #exit(from: Block, edge: Edge | undefined, target?: Expr): void {
    const code = this.#code
    const resume = edge?.resume?.block === undefined ? undefined : edge.resume
    const { leave } = code
    if (target !== undefined) {
      if (resume === undefined) code.chainTo(target)
      else code.callDynamic(target, resume.rip)
    } else if (edge !== undefined) {
      const link = this.#words.link(edge.rip)
      if (resume === undefined) code.chainLinked(edge.rip, link)
      else code.callLinked(edge.rip, link, resume.rip)
    }
    if (resume === undefined) return
    if (resume.block?.readsFlags === true) code.settleFlags()
    this.#follow(from, resume, 0)
    code.leave = leave
  }

  #closeScope(...more: readonly Expr[]): void {
    const { flags } = this.#code
    if (flags.kind === 'words') this.#f.keepScope()
    else this.#f.closeScope(new Set(flags.kind === 'stored' || flags.kind === 'packed' ? more : [flags.a, flags.b, flags.result, ...more]))
  }

  /** @param rest paid for, but not executed on this way */
  #follow(from: Block, edge: Edge, rest = this.#payment(from).rest): void {
    const code = this.#code
    const target = edge.block
    if (target === undefined) {
      code.giveBack(rest)
      this.#exit(from, edge)
      return
    }
    const { longest } = this.#payment(target)
    if (this.#payments.prepaid.has(target)) code.giveBack(rest - longest)
    else code.pay(target.rip, rest, longest)
    code.registers.become(this.#plan(target))
    const isBack = target.order <= from.order
    const label = isBack ? this.#heads.get(target) : target.forwardPredecessors > 1 ? this.#labels.get(target) : undefined
    if (label === undefined) {
      this.#inPlace(target)
      return
    }
    this.#toMeeting(target)
    this.#f.br(label)
  }
}
