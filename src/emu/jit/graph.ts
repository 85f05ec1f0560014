/**
 * A region: basic blocks reached from its entry by direct branches, through calls as if the callee were written there.
 * Blocks may overlap: a branch into the middle of a block begins another one, which repeats its end.
 */
import * as layout from '../cpu/layout.ts'
import { DECODE_OK, DECODE_TRUNCATED, Decoder } from '../decode/decoder.ts'
import type { CodePage } from '../interp/translator.ts'
import type { PhysicalMemory } from '../memory.ts'
import type { FactsTable } from './facts.ts'
import { type KeptInstruction, keep } from './instruction.ts'

/** A call whose callee is part of the region. */
export interface CallContext {
  readonly parent: CallContext | undefined
  readonly returnRip: number
  readonly callee: number
  readonly depth: number
  readonly id: number
}

export interface Edge {
  readonly rip: number
  /** Undefined: outside of the region. */
  block: Block | undefined
  /** Of an edge that leaves: where what is called there returns to, if that is in the region. */
  resume?: Edge
  /** It is such a `resume` itself. */
  readonly isReturn?: boolean
}

export interface Block {
  readonly rip: number
  readonly context: CallContext | undefined
  readonly instructions: KeptInstruction[]
  /** Branch taken, or where an unconditional one goes. */
  taken: Edge | undefined
  /** Where an indirect branch or a return probably goes. */
  targets: Edge[]
  /** Otherwise. */
  fall: Edge | undefined
  /** Of an indirect branch: anywhere else. */
  elsewhere: Edge | undefined
  /** An instruction that only tier 0 knows follows. */
  stopsAt: number | undefined

  // Found by `analyze`.
  order: number
  dominator: Block | undefined
  isLoop: boolean
  /** How many loops it is in. */
  depth: number
  forwardPredecessors: number
  children: Block[]
  /** Flags that it is entered with are read on some path. */
  readsFlags: boolean
  /** It sets all flags before anything can leave it: nobody sees those that it is entered with. */
  ignoresFlags: boolean
}

export interface Region {
  readonly entry: Block
  /** In reverse postorder. */
  readonly blocks: readonly Block[]
  /** [page, frame] of all code, the entry's first. */
  readonly pages: ReadonlyMap<number, number>
}

export interface Limits {
  readonly instructions: number
  readonly callDepth: number
  /** Callees with no calls of their own up to so many instructions are repeated in the region; others are called as regions of their own. */
  readonly inlined: number
  /** Only blocks that tier 0 has executed. */
  readonly executedOnly: boolean
  /** Whether it goes on in another region, which begins there, rather than repeat what that has. */
  readonly leavesAt: (rip: number) => boolean
}

/** Where an indirect branch has been seen to go: so many targets at most. */
export type Prediction = (insn: KeptInstruction, most: number) => Iterable<number>

const MAX_BLOCK = 64
/** Targets of an indirect branch that are tried before it leaves: of calls, whose callees become part of the region, and of jumps. */
const MAX_CALLEES = 3, MAX_TARGETS = 32
const PREFIX_ROOM = 16

export class RegionFinder {
  readonly #decoder = new Decoder()
  readonly #memory: PhysicalMemory
  readonly #facts: FactsTable
  readonly #codePage: (page: number) => CodePage | undefined
  readonly #predict: Prediction
  #pages = new Map<number, number>()
  #contexts = 0
  /** Of one region: between regions code may change without a sign, on pages of which nothing is compiled. */
  #decoded = new Map<CodePage, Map<number, KeptInstruction>>()

  constructor(memory: PhysicalMemory, facts: FactsTable, codePage: (page: number) => CodePage | undefined, predict: Prediction) {
    this.#memory = memory
    this.#predict = predict
    this.#facts = facts
    this.#codePage = codePage
  }

  setFeatures(features: number): void { this.#decoder.features = features }

  /** The region that begins at an address; undefined if not one instruction there can be part of one. */
  find(rip: number, limits: Limits): Region | undefined {
    this.#pages = new Map()
    this.#decoded = new Map()
    this.#contexts = 0
    const known = new Map<string, Block>()
    const key = (at: number, context: CallContext | undefined): string => `${at} ${context?.id ?? 0}`
    const queue: Block[] = []
    let budget = limits.instructions
    const blockAt = (at: number, context: CallContext | undefined, isEntry: boolean): Block | undefined => {
      const old = known.get(key(at, context))
      if (old !== undefined) return old
      if (budget <= 0 || !isEntry && limits.executedOnly && !this.#wasExecuted(at)) return undefined
      const block = this.#decode(at, context, (next) => known.has(key(next, context)), Math.min(budget, MAX_BLOCK))
      if (block === undefined) return undefined
      budget -= block.instructions.length
      known.set(key(at, context), block)
      queue.push(block)
      return block
    }
    const entry = blockAt(rip, undefined, true)
    if (entry === undefined) return undefined
    for (let block = queue.shift(); block !== undefined; block = queue.shift()) {
      const last = block.instructions[block.instructions.length - 1]
      for (const edge of edges(block)) {
        if (edge === block.elsewhere) continue
        let { context } = block
        if (last.name.startsWith('call')) {
          const depth = (context?.depth ?? 0) + 1
          if (depth > limits.callDepth || isRecursive(context, edge.rip) || !this.#isSmall(edge.rip, limits)) continue
          context = { parent: context, callee: edge.rip, returnRip: last.nextRip, depth, id: ++this.#contexts }
        } else if (last.name.startsWith('ret')) {
          context = context?.parent
        } else if (edge.rip !== rip && limits.leavesAt(edge.rip) || isStub(block) && !this.#isSmall(edge.rip, limits)) {
          continue
        }
        edge.block = blockAt(edge.rip, context, false)
      }
      // Who leaves for another function, or out of a callee that is written here, comes back.
      const back = isCall(block) ? { rip: last.nextRip, context: block.context }
        : block.context !== undefined && !last.name.startsWith('ret') ? { rip: block.context.returnRip, context: block.context.parent } : undefined
      if (back !== undefined) {
        for (const edge of edges(block)) if (edge.block === undefined) edge.resume = { rip: back.rip, block: blockAt(back.rip, back.context, false), isReturn: true }
      }
    }
    return { entry, blocks: analyze(entry), pages: this.#pages }
  }

  /** Whether a function is short and calls nothing, as far as it was executed. */
  #isSmall(rip: number, { inlined, executedOnly }: Limits): boolean {
    const pages = new Map(this.#pages)
    const isSmall = this.#isShort(rip, inlined, executedOnly)
    this.#pages = pages
    return isSmall
  }
  #isShort(rip: number, inlined: number, executedOnly: boolean): boolean {
    const seen = new Set<number>()
    const queue = [rip]
    for (let size = 0, at = queue.pop(); at !== undefined; at = queue.pop()) {
      if (seen.has(at) || executedOnly && !this.#wasExecuted(at)) continue
      seen.add(at)
      const block = this.#decode(at, undefined, (next) => seen.has(next), MAX_BLOCK)
      if (block === undefined || isCall(block)) return false
      if (lastOf(block).name === 'jmp_indirect') {
        if (!isStub(block)) return false
        block.targets.length = 0
      }
      size += block.instructions.length
      if (size > inlined) return false
      for (const edge of edges(block)) if (edge !== block.elsewhere) queue.push(edge.rip)
    }
    return true
  }

  #wasExecuted(rip: number): boolean {
    const codePage = this.#codePage(Math.floor(rip / layout.PAGE_SIZE))
    if (codePage === undefined) return false
    const offset = rip % layout.PAGE_SIZE
    // What reaches into the next page has no entry.
    return codePage.entries[offset] !== 0 || offset > layout.PAGE_SIZE - PREFIX_ROOM
  }

  /** Decodes until something ends the block. */
  #decode(start: number, context: CallContext | undefined, isKnown: (rip: number) => boolean, limit: number): Block | undefined {
    const instructions: KeptInstruction[] = []
    const block: Block = {
      rip: start, context, instructions, taken: undefined, targets: [], fall: undefined, elsewhere: undefined, stopsAt: undefined,
      order: -1, dominator: undefined, isLoop: false, depth: 0, forwardPredecessors: 0, children: [], readsFlags: false, ignoresFlags: false,
    }
    let rip = start
    for (;;) {
      if (instructions.length > 0 && isKnown(rip) || instructions.length >= limit) {
        block.fall = { rip, block: undefined }
        return block
      }
      const insn = this.#instruction(rip)
      if (insn === undefined || !this.#facts.of(insn).isSupported) {
        if (instructions.length === 0) return undefined
        block.stopsAt = rip
        return block
      }
      instructions.push(insn)
      rip = insn.nextRip
      if (!insn.endsBlock) continue
      if (insn.isRepeated) {
        block.fall = { rip, block: undefined }
      } else if (insn.target !== undefined) {
        block.taken = { rip: insn.target, block: undefined }
        if (insn.name !== 'jmp' && insn.name !== 'call') block.fall = { rip, block: undefined }
      } else if (insn.name.startsWith('ret')) {
        if (context !== undefined) block.targets.push({ rip: context.returnRip, block: undefined })
      } else {
        block.elsewhere = { rip: -1, block: undefined }
        const most = insn.name.startsWith('call') ? MAX_CALLEES : MAX_TARGETS
        for (const target of this.#predict(insn, most)) block.targets.push({ rip: target, block: undefined })
      }
      return block
    }
  }

  #instruction(rip: number): KeptInstruction | undefined {
    const page = Math.floor(rip / layout.PAGE_SIZE)
    const offset = rip % layout.PAGE_SIZE
    const codePage = this.#codePage(page)
    if (codePage === undefined) return undefined
    let known = this.#decoded.get(codePage)
    if (known === undefined) {
      known = new Map()
      this.#decoded.set(codePage, known)
    }
    const old = known.get(offset)
    if (old !== undefined) {
      this.#pages.set(page, codePage.frame)
      return old
    }
    const { u8 } = this.#memory
    const base = codePage.frame * layout.PAGE_SIZE
    let result = this.#decoder.decode(u8, base + offset, base + layout.PAGE_SIZE, rip)
    if (result === DECODE_TRUNCATED) {
      const next = this.#codePage(page + 1)
      if (next === undefined) return undefined
      const head = layout.PAGE_SIZE - offset
      const joined = new Uint8Array(head + PREFIX_ROOM)
      joined.set(u8.subarray(base + offset, base + layout.PAGE_SIZE))
      joined.set(u8.subarray(next.frame * layout.PAGE_SIZE, next.frame * layout.PAGE_SIZE + PREFIX_ROOM), head)
      result = this.#decoder.decode(joined, 0, joined.length, rip)
      if (result === DECODE_OK) this.#pages.set(page + 1, next.frame)
    }
    if (result !== DECODE_OK) return undefined
    this.#pages.set(page, codePage.frame)
    const insn = keep(this.#decoder.instruction, rip)
    // A page that is written to is another one afterwards; but not if only what follows it is.
    if (offset + insn.nextRip - rip <= layout.PAGE_SIZE) known.set(offset, insn)
    return insn
  }
}

const isRecursive = (context: CallContext | undefined, callee: number): boolean => {
  for (let at = context; at !== undefined; at = at.parent) if (at.callee === callee) return true
  return false
}

export const lastOf = ({ instructions }: Block): KeptInstruction => instructions[instructions.length - 1]
export const isCall = (block: Block): boolean => lastOf(block).name.startsWith('call')
/** A jump through a word at a fixed address, as dynamic linkers fill in: its target is another function. */
export const isStub = (block: Block): boolean => lastOf(block).name === 'jmp_indirect' && isFixed(lastOf(block))
export const isFixed = ({ operands, base, index, segment, address32 }: KeptInstruction): boolean =>
  operands[0]?.kind === 'm' && base === layout.ZERO && index === layout.ZERO && segment === layout.ZERO && !address32

/** All ways out of a block. */
export const edges = (block: Block): Edge[] => [block.fall, block.taken, ...block.targets, block.elsewhere].filter((edge) => edge !== undefined)
/** Edges that stay in the region, or come back to it. */
export const successors = (block: Block): Edge[] => edges(block).map((edge) => edge.block === undefined ? edge.resume : edge).filter((edge) => edge?.block !== undefined) as Edge[]

/**
 * Reverse postorder, dominators (Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm"), loops. An edge that
 * goes back to a block that does not dominate its source is made one that leaves the region.
 */
const analyze = (entry: Block): Block[] => {
  for (;;) {
    const blocks = reversePostorder(entry)
    findDominators(blocks)
    let isReducible = true
    for (const block of blocks) {
      for (const edge of successors(block)) {
        const target = edge.block as Block
        if (target.order <= block.order && !dominates(target, block)) {
          edge.block = undefined
          isReducible = false
        }
      }
    }
    if (!isReducible) continue
    for (const block of blocks) {
      for (const edge of successors(block)) {
        const target = edge.block as Block
        if (target.order <= block.order) target.isLoop = true
        else target.forwardPredecessors++
      }
      if (block.dominator !== undefined) block.dominator.children.push(block)
    }
    findDepths(blocks)
    return blocks
  }
}

const reversePostorder = (entry: Block): Block[] => {
  const blocks: Block[] = []
  const seen = new Set<Block>([entry])
  const visit = (block: Block): void => {
    // The branch not taken first: it then comes last in postorder, and the loop's body before what follows it.
    for (const edge of successors(block)) {
      const target = edge.block as Block
      if (seen.has(target)) continue
      seen.add(target)
      visit(target)
    }
    blocks.push(block)
  }
  visit(entry)
  blocks.reverse()
  blocks.forEach((block, order) => { block.order = order })
  return blocks
}

const findDominators = (blocks: readonly Block[]): void => {
  const predecessors = new Map<Block, Block[]>(blocks.map((block) => [block, []]))
  for (const block of blocks) {
    block.dominator = undefined
    for (const edge of successors(block)) predecessors.get(edge.block as Block)?.push(block)
  }
  const [entry] = blocks
  const immediate = new Map<Block, Block>([[entry, entry]])
  const meet = (a: Block, b: Block): Block => {
    let x = a
    let y = b
    while (x !== y) {
      while (x.order > y.order) x = immediate.get(x) as Block
      while (y.order > x.order) y = immediate.get(y) as Block
    }
    return x
  }
  for (let changed = true; changed;) {
    changed = false
    for (const block of blocks) {
      if (block === entry) continue
      let found: Block | undefined
      for (const before of predecessors.get(block) ?? []) {
        if (immediate.has(before)) found = found === undefined ? before : meet(found, before)
      }
      if (found !== undefined && immediate.get(block) !== found) {
        immediate.set(block, found)
        changed = true
      }
    }
  }
  for (const block of blocks) if (block !== entry) block.dominator = immediate.get(block)
}

/** The loop of a head is what reaches its back edges without it. */
const findDepths = (blocks: readonly Block[]): void => {
  const predecessors = new Map<Block, Block[]>(blocks.map((block) => [block, []]))
  for (const block of blocks) for (const edge of successors(block)) predecessors.get(edge.block as Block)?.push(block)
  for (const head of blocks) {
    if (!head.isLoop) continue
    const body = new Set<Block>([head])
    const queue = (predecessors.get(head) ?? []).filter((block) => block.order >= head.order)
    for (let block = queue.pop(); block !== undefined; block = queue.pop()) {
      if (body.has(block)) continue
      body.add(block)
      queue.push(...predecessors.get(block) ?? [])
    }
    for (const block of body) block.depth++
  }
}

const dominates = (a: Block, b: Block): boolean => {
  for (let at: Block | undefined = b; at !== undefined; at = at.dominator) if (at === a) return true
  return false
}

/** Marks the blocks whose flags on entry some path reads. */
export const findFlagReaders = (blocks: readonly Block[], facts: FactsTable): void => {
  const first = blocks.map((block) => {
    for (const insn of block.instructions) {
      const { reads, writes, conditional } = facts.of(insn)
      if (reads || conditional) return 'reads'
      if (writes) return 'writes'
    }
    return 'none'
  })
  for (const block of blocks) {
    for (const insn of block.instructions) {
      const { reads, writes, conditional, leaves } = facts.of(insn)
      if (reads || conditional || leaves) break
      if (!writes) continue
      block.ignoresFlags = true
      break
    }
  }
  for (let changed = true; changed;) {
    changed = false
    for (let i = blocks.length - 1; i >= 0; i--) {
      const block = blocks[i]
      if (block.readsFlags || first[i] === 'writes') continue
      if (first[i] === 'reads' || successors(block).some((edge) => (edge.block as Block).readsFlags)) {
        block.readsFlags = true
        changed = true
      }
    }
  }
}
