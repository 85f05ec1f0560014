/**
 * Who pays for what: a block for all that may follow it in its place, along the longest way, so that few blocks ask whether
 * the budget reaches. Shorter ways give back the difference, what leaves gives back the rest.
 */
import { type Block, edges, lastOf } from './graph.ts'

export interface Payment {
  /** Instructions of the block and of the longest way on that is paid with it. */
  readonly longest: number
  /** Of those, the ones behind the block. */
  readonly rest: number
}

/** So much at most at once: who asks for more than is left goes on in tier 0. */
const MOST = 120

/** Blocks that are not in `prepaid` pay when they are entered. */
export const planPayments = (blocks: readonly Block[]): { payments: Map<Block, Payment>, prepaid: Set<Block> } => {
  const payments = new Map<Block, Payment>()
  const prepaid = new Set<Block>()
  for (const block of [...blocks].reverse()) {
    const { length } = block.instructions
    let rest = 0
    // A repeated instruction takes what it needs of the budget: all of that must be there.
    if (!lastOf(block).isRepeated) {
      for (const { block: next } of edges(block)) {
        if (next === undefined || next.isLoop || next.forwardPredecessors !== 1 || next.order <= block.order) continue
        const { longest } = payments.get(next) as Payment
        if (length + longest > MOST) continue
        prepaid.add(next)
        rest = Math.max(rest, longest)
      }
    }
    payments.set(block, { longest: length + rest, rest })
  }
  return { payments, prepaid }
}
