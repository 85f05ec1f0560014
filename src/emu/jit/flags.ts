/**
 * Flags while code is emitted: what they follow from. Nothing is computed until somebody looks; who leaves the region
 * computes them in the code that leaves. Everything named here is a constant or a bound local, so that it may be emitted
 * at any later point, and more than once.
 */
import { AF, OF } from '../cpu/layout.ts'
import { PACKED_FLAGS, packedFlags } from '../interp/runtime.ts'
import { type Expr, i32, i64 } from '../wasm/expression.ts'

export type FlagState =
  /** In FLAG_RESULT and FLAG_AUX. */
  | { readonly kind: 'stored' }
  /** In memory, either there or as operands: FLAGS_PACKED says at run time which. */
  | { readonly kind: 'packed' }
  | Operation
  | Words

/** A subtraction, addition (without carry in) or logical operation on `size` bytes. */
export interface Operation { readonly kind: 'sub' | 'add' | 'logic', readonly size: number, readonly a: Expr, readonly b: Expr, readonly result: Expr }

/** The two words of layout.ts; `plain`: the auxiliary word has no bit that inverts SF or PF. */
export interface Words { readonly kind: 'words', readonly result: Expr, readonly aux: Expr, readonly plain: boolean, readonly depth: number }

export const signExtend = (value: Expr, size: number): Expr =>
  size === 8 ? value : size === 4 ? i64.extend32S(value) : size === 2 ? i64.extend16S(value) : i64.extend8S(value)

const af = (a: Expr, b: Expr, result: Expr): Expr => i32.and(i32.wrap(i64.xor(i64.xor(a, b), result)), i32.const(AF))
/** The sign bit of `value` moved to OF's place. */
const of = (value: Expr, size: number): Expr => {
  const shift = size * 8 - 1 - 11
  const moved = shift >= 0 ? i64.shrU(value, i64.const(shift)) : i64.shl(value, i64.const(-shift))
  return i32.and(i32.wrap(moved), i32.const(OF))
}

export const resultWord = (state: Operation): Expr => signExtend(state.result, state.size)

export const auxWord = ({ kind, a, b, result, size }: Operation): Expr => {
  if (kind === 'logic') return i32.const(0)
  const overflow = kind === 'sub' ? i64.and(i64.xor(a, b), i64.xor(a, result)) : i64.and(i64.xor(a, result), i64.xor(b, result))
  return i32.or(i32.or(carryOf({ kind, a, b, result, size }), af(a, b, result)), of(overflow, size))
}

export const carryOf = ({ kind, a, b, result }: Operation): Expr =>
  kind === 'logic' ? i32.const(0) : kind === 'sub' ? i64.ltU(a, b) : i64.ltU(result, a)

/** The number that `settle_flags` knows an operation by. */
export const packedNumber = ({ kind, size }: Operation): number => packedFlags(PACKED_FLAGS.indexOf(kind), [1, 2, 4, 8].indexOf(size))

/** A condition from operands rather than flags; undefined where there is no shorter way. `pair`: condition code without its negation. */
export const directCondition = (state: FlagState, pair: number): Expr | undefined => {
  if (state.kind === 'stored' || state.kind === 'packed') return undefined
  if (state.kind === 'words') {
    if (!state.plain) return pair === 2 ? i64.eqz(state.result) : undefined
    return pair === 2 ? i64.eqz(state.result) : pair === 4 ? i64.ltS(state.result, i64.const(0)) : undefined
  }
  const { kind, a, b, size } = state
  if (kind === 'sub') {
    // Comparisons of narrow values need them sign-extended; equality and order without sign don't.
    switch (pair) {
      case 1: return i64.ltU(a, b)
      case 2: return i64.eq(a, b)
      case 3: return i64.leU(a, b)
      case 6: return i64.ltS(signExtend(a, size), signExtend(b, size))
      case 7: return i64.leS(signExtend(a, size), signExtend(b, size))
    }
  }
  if (pair === 2) return i64.eqz(state.result)
  if (pair === 4) return i64.ltS(signExtend(state.result, size), i64.const(0))
  if (kind === 'logic') {
    if (pair === 0 || pair === 1) return i32.const(0)
    if (pair === 3) return i64.eqz(state.result)
    if (pair === 6) return i64.ltS(signExtend(state.result, size), i64.const(0))
    if (pair === 7) return i64.leS(signExtend(state.result, size), i64.const(0))
  }
  if (pair === 1) return carryOf(state)
  return undefined
}
