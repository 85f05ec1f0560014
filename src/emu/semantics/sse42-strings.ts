/**
 * PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (Intel SDM volume 2, 4.1). The immediate: bit 0 words, bit 1 signed, bits 2–3 how
 * results of comparisons are aggregated, bit 4 negated, bit 5 that only for elements of b that are valid, bit 6 the last
 * index or a mask of elements.
 */
import { RAX, RCX, RDX } from '../cpu/layout.ts'
import { type Expr, i32, i64, select, v } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import type { Emitter, Semantics } from './emitter.ts'
import { fromLow } from './packed.ts'
import type { Family } from './registry.ts'

const WORDS = 1, SIGNED = 2, NEGATED = 0x10, MASKED = 0x20, LAST_OR_EXPANDED = 0x40

interface Elements {
  readonly name: string
  readonly count: number
  readonly eq: (a: Expr, b: Expr) => Expr
  readonly ge: (a: Expr, b: Expr) => Expr
  readonly le: (a: Expr, b: Expr) => Expr
  readonly splat: (value: Expr) => Expr
  readonly bits: (mask: Expr) => Expr
  /** All lanes become lane `at` (i32). */
  readonly every: (vector: Expr, at: Expr) => Expr
  /** What makes signed order unsigned. */
  readonly signs: Expr
}
const splat64 = (word: bigint): Expr => v.const(word, word)
const BYTES: Elements = {
  name: 'bytes', count: 16, eq: v.i8x16Eq, ge: v.i8x16GeU, le: v.i8x16LeU, splat: v.i8x16Splat, bits: v.i8x16Bitmask,
  every: (vector, at) => v.i8x16Swizzle(vector, v.i8x16Splat(at)), signs: splat64(0x8080_8080_8080_8080n),
}
const WORD_LANES: Elements = {
  name: 'words', count: 8, eq: v.i16x8Eq, ge: v.i16x8GeU, le: v.i16x8LeU, splat: v.i16x8Splat, bits: v.i16x8Bitmask,
  every: (vector, at) => v.i8x16Swizzle(vector, v.i16x8Splat(i32.add(i32.mul(at, i32.const(0x0202)), i32.const(0x0100)))), signs: splat64(0x8000_8000_8000_8000n),
}

/** For i = 0, `step`, … while i + step ≤ end. */
const each = (f: FunctionBuilder, step: number, end: Expr, body: (i: Expr) => void): void => {
  const i = f.local('i32')
  f.set(i, i32.const(0))
  f.block((done) => {
    f.loop((again) => {
      f.brIf(done, i32.gtS(i32.add(i, i32.const(step)), end))
      body(i)
      f.set(i, i32.add(i, i32.const(step)))
      f.br(again)
    })
  })
}

const ones = (count: Expr): Expr => i32.sub(i32.shl(i32.const(1), count), i32.const(1))

/** compare_…(a, b, valid elements of a, of b, immediate) → a bit for each element of b (IntRes2). */
const defineCompare = (module: ModuleBuilder, elements: Elements): void => {
  module.function(`string_compare_${elements.name}`, signature(['v128', 'v128', 'i32', 'i32', 'i32'], ['i32']), (f) => {
    const [aIn, bIn, aCount, bCount, immediate] = f.params
    const { count, eq, ge, le, bits, every, signs } = elements
    const all = i32.const((1 << count) - 1)
    const result = f.local('i32')
    const valid = f.let(ones(bCount))
    const bias = f.let(select(i32.and(immediate, i32.const(SIGNED)), signs, splat64(0n)))
    const a = f.let(v.v128Xor(aIn, bias))
    const b = f.let(v.v128Xor(bIn, bias))
    const found = f.local('v128')
    const aggregation = i32.and(i32.shrU(immediate, i32.const(2)), i32.const(3))
    f.block((end) => {
      f.block((ordered) => {
        f.block((equal) => {
          f.block((ranges) => {
            f.block((any) => { f.brTable(aggregation, [any, ranges, equal], ordered) })
            // Equal any: a is a set.
            each(f, 1, aCount, (i) => { f.set(found, v.v128Or(found, eq(b, every(a, i)))) })
            f.set(result, i32.and(bits(found), valid))
            f.br(end)
          })
          // Ranges: a is pairs of least and greatest.
          each(f, 2, aCount, (i) => {
            f.set(found, v.v128Or(found, v.v128And(ge(b, every(a, i)), le(b, every(a, i32.add(i, i32.const(1)))))))
          })
          f.set(result, i32.and(bits(found), valid))
          f.br(end)
        })
        // Equal each: beyond the ends of both is equal.
        const aValid = f.let(ones(aCount))
        const both = i32.and(aValid, valid)
        f.set(result, i32.or(i32.and(bits(eq(a, b)), both), i32.and(i32.xor(i32.or(aValid, valid), i32.const(-1)), all)))
        f.br(end)
      })
      // Equal ordered: where a begins in b, perhaps reaching beyond its last element.
      f.set(result, all)
      each(f, 1, aCount, (i) => {
        const equal = i32.and(bits(eq(b, every(a, i))), valid)
        const beyond = i32.xor(i32.shrU(all, i), i32.const(-1))
        f.set(result, i32.and(result, i32.or(i32.shrU(equal, i), beyond)))
      })
    })
    f.if(i32.and(immediate, i32.const(NEGATED)), () => {
      f.set(result, i32.xor(result, select(i32.and(immediate, i32.const(MASKED)), valid, all)))
    })
    f.return(i32.and(result, all))
  })
}

export const defineStrings = (module: ModuleBuilder): void => {
  defineCompare(module, BYTES)
  defineCompare(module, WORD_LANES)
  module.function('string_compare', signature(['v128', 'v128', 'i32', 'i32', 'i32'], ['i32']), (f) => {
    const [, , , , immediate] = f.params
    f.if(i32.and(immediate, i32.const(WORDS)), () => { f.return(f.call('string_compare_words', ...f.params)) })
    f.return(f.call('string_compare_bytes', ...f.params))
  })
  /** Elements before the first that is zero. */
  module.function('string_length', signature(['v128', 'i32'], ['i32']), (f) => {
    const [a, immediate] = f.params
    const zeros = (elements: Elements): Expr => i32.ctz(i32.or(elements.bits(elements.eq(a, splat64(0n))), i32.const(1 << elements.count)))
    f.if(i32.and(immediate, i32.const(WORDS)), () => { f.return(zeros(WORD_LANES)) })
    f.return(zeros(BYTES))
  })
  /** The absolute value of a signed number, at most the number of elements. */
  module.function('string_count', signature(['i64', 'i32'], ['i32']), (f) => {
    const [length, immediate] = f.params
    const sign = f.let(i64.shrS(length, i64.const(63)))
    const magnitude = f.let(i64.sub(i64.xor(length, sign), sign))
    const most = f.let(elementCount(i32.and(immediate, i32.const(WORDS))))
    f.return(select(i64.ltU(magnitude, i64.extendI32U(most)), i32.wrap(magnitude), most))
  })
  /** A mask of elements, or their bits alone. */
  module.function('string_mask', signature(['i32', 'i32'], ['v128']), (f) => {
    const [result, immediate] = f.params
    f.if(i32.eqz(i32.and(immediate, i32.const(LAST_OR_EXPANDED))), () => { f.return(fromLow(i64.extendI32U(result))) })
    f.if(i32.and(immediate, i32.const(WORDS)), () => {
      const bits = v.const(0x0008_0004_0002_0001n, 0x0080_0040_0020_0010n)
      f.return(v.i16x8Eq(v.v128And(v.i16x8Splat(result), bits), bits))
    })
    const bits = splat64(0x8040_2010_0804_0201n)
    const spread = v.i8x16Swizzle(v.i16x8Splat(result), v.const(0n, 0x0101_0101_0101_0101n))
    f.return(v.i8x16Eq(v.v128And(spread, bits), bits))
  })
}

const elementCount = (isWords: Expr): Expr => select(isWords, i32.const(8), i32.const(16))

/** Reads the operands, sets the flags, and gives the bits of the result and the immediate to `finish`. */
const compare = (lengths: 'implicit' | 4 | 8, finish: (e: Emitter, result: Expr, immediate: Expr, count: Expr) => void): Semantics => (e) => {
  // Memory need not be aligned.
  const b = e.readVector(1, false)
  const a = e.readVector(0)
  const immediate = e.f.let(i32.and(i32.wrap(e.read(e.operands.length - 1)), i32.const(0xff)))
  const count = (vector: Expr, register: number): Expr => e.f.let(lengths === 'implicit' ? e.call('string_length', vector, immediate)
    : e.call('string_count', lengths === 4 ? i64.extend32S(e.gpr(register, 4)) : e.gpr(register), immediate))
  const aCount = count(a, RAX)
  const bCount = count(b, RDX)
  const result = e.f.let(e.call('string_compare', a, b, aCount, bCount, immediate))
  const elements = e.f.let(elementCount(i32.and(immediate, i32.const(WORDS))))
  finish(e, result, immediate, elements)
  e.setAllFlags({
    cf: i32.ne(result, i32.const(0)), zf: i32.ltS(bCount, elements), sf: i32.ltS(aCount, elements), of: i32.and(result, i32.const(1)),
    af: i32.const(0), pf: i32.const(0),
  })
}

const toIndex = (e: Emitter, result: Expr, immediate: Expr, count: Expr): void => {
  const found = select(i32.and(immediate, i32.const(LAST_OR_EXPANDED)), i32.sub(i32.const(31), i32.clz(result)), i32.ctz(result))
  e.setGpr(RCX, i64.extendI32U(select(result, found, count)), 4)
}
/** To XMM0, the third operand. */
const toMask = (e: Emitter, result: Expr, immediate: Expr): void => { e.writeVector(2, e.call('string_mask', result, immediate)) }

/** With VEX: and zeros above. */
const toWholeMask = (e: Emitter, result: Expr, immediate: Expr): void => { e.writeLanes(2, [e.call('string_mask', result, immediate)]) }

export const SSE42_STRINGS: Family = {
  vpcmpistrm: compare('implicit', toWholeMask), vpcmpestrm: compare(4, toWholeMask), vpcmpestrm_w: compare(8, toWholeMask),
  pcmpistri: compare('implicit', toIndex), pcmpistrm: compare('implicit', toMask),
  pcmpestri: compare(4, toIndex), pcmpestrm: compare(4, toMask),
  pcmpestri_w: compare(8, toIndex), pcmpestrm_w: compare(8, toMask),
}
