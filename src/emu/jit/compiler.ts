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
import { type Block, type Edge, type Region, findFlagReaders } from './graph.ts'
import { RegionCode } from './region-code.ts'
import { Tier1Emitter } from './tier1-emitter.ts'
import { chooseWindows } from './windows.ts'

const ALWAYS_CALLED = ['jump_slow', 'leave_plain', 'settle_flags', 'revalidate']

/** Of each indirect branch some targets are remembered, by what their addresses come to. */
export const TARGET_BYTES = 64
const TARGET_SHIFT = 5

/** Address of the words that remember where the branch at an address went; undefined if there are too many. */
export type TargetWord = (rip: number) => number | undefined

/** Bytes of a module with a function for each region, named r and its index. */
export const compileRegions = (regions: readonly { readonly region: Region, readonly index: number }[], facts: FactsTable,
  manifest: Tier0Manifest, targetWord: TargetWord): Uint8Array<ArrayBuffer> => {
  const module = new ModuleBuilder()
  module.importMemory(1, 65536)
  module.regions(REGION, REGIONS, true)
  const calls = new Set(ALWAYS_CALLED)
  for (const { region } of regions) for (const block of region.blocks) for (const insn of block.instructions) for (const name of facts.of(insn).calls) calls.add(name)
  for (const name of calls) module.importFunction('tier0', name, manifest.runtime[name])
  module.know(manifest.runtime)
  for (const { region, index } of regions) {
    const windows = chooseWindows(region.blocks, facts)
    module.function(`r${index}`, REGION, (f) => { new RegionCompiler(f, facts, targetWord, windows, upperHalves(region.blocks)).compile(region, index) }, true)
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
  readonly #targetWord: TargetWord
  /** Where to branch to for a loop's head from within the loop, for another block from before it. */
  readonly #heads = new Map<Block, Label>()
  readonly #labels = new Map<Block, Label>()

  constructor(f: FunctionBuilder, facts: FactsTable, targetWord: TargetWord, windows: readonly string[], uppers: ReadonlySet<number>) {
    this.#f = f
    this.#facts = facts
    this.#targetWord = targetWord
    this.#code = new RegionCode(f, windows, uppers)
  }

  compile({ entry, blocks, pages }: Region, index: number): void {
    findFlagReaders(blocks, this.#facts)
    this.#code.function(index, entry.rip, pages.size > 1, () => {
      this.#code.flags = { kind: 'packed' }
      this.#code.pay(entry.rip, entry.instructions.length)
      if (entry.readsFlags) this.#code.settleFlags()
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
      this.#code.meet(block.readsFlags)
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
    this.#code.meet(last.readsFlags)
    this.#tree(last)
  }

  #emit(block: Block): void {
    const code = this.#code
    const f = this.#f
    f.openScope()
    code.onBranch = (condition) => {
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
    code.onJump = (target) => { this.#jump(block, target) }
    const { instructions } = block
    let hasEnded = false
    instructions.forEach((insn, i) => {
      if (this.#facts.of(insn).conditional) code.settleFlags()
      if (insn.isRepeated) code.forgetWidths()
      const emitter = new Tier1Emitter(code, insn, instructions.length - i)
      insn.semantics(emitter)
      hasEnded = emitter.hasEnded
    })
    if (hasEnded) return
    this.#closeScope()
    if (block.stopsAt !== undefined) code.leaveAt(block.stopsAt, 0, 'unsupported')
    else this.#follow(block, block.fall as Edge)
  }

  #jump(block: Block, target: Expr): void {
    const f = this.#f
    const code = this.#code
    const at = f.let(target)
    const inside = block.targets.filter((edge) => edge.block !== undefined)
    inside.forEach((edge, i) => {
      f.if(i64.eq(at, i64.const(edge.rip)), () => {
        const { knowledge } = code
        // The other ways still need the target.
        if (i === 0) this.#closeScope(at)
        this.#follow(block, edge)
        code.knowledge = knowledge
      })
    })
    const word = this.#targetWord(block.instructions[block.instructions.length - 1].rip)
    if (word !== undefined) {
      const low = f.let(i32.wrap(at))
      f.i64Store(i32.and(i32.xor(low, i32.shrU(low, i32.const(TARGET_SHIFT))), i32.const(TARGET_BYTES - 8)), word, at)
    }
    code.chainTo(at)
    if (inside.length === 0) this.#closeScope()
  }

  #closeScope(...more: readonly Expr[]): void {
    const { flags } = this.#code
    if (flags.kind === 'words') this.#f.keepScope()
    else this.#f.closeScope(new Set(flags.kind === 'stored' || flags.kind === 'packed' ? more : [flags.a, flags.b, flags.result, ...more]))
  }

  #follow(from: Block, edge: Edge): void {
    const code = this.#code
    const target = edge.block
    if (target === undefined) {
      code.chainTo(i64.const(edge.rip))
      return
    }
    code.pay(target.rip, target.instructions.length)
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
