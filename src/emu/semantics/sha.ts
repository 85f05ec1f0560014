/** SHA-1 and SHA-256 (FIPS 180-4; Intel SDM volume 2): the operands hold words of the hash and of the message, the first at the top. */
import { type Expr, i32, i64, v } from '../wasm/expression.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { type Emitter, type Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

const lane = (vector: Expr, at: number): Expr => v.i32x4ExtractLane(vector, at)
const vectorOf = (words: readonly Expr[]): Expr =>
  words.slice(1).reduce((vector, word, i) => v.i32x4ReplaceLane(vector, i + 1, word), v.i32x4Splat(words[0]))
const rotate = (value: Expr, count: number): Expr => i32.rotl(value, i32.const(count))
const xor = (...values: readonly Expr[]): Expr => values.reduce((a, b) => i32.xor(a, b))
const add = (...values: readonly Expr[]): Expr => values.reduce((a, b) => i32.add(a, b))

const choose = (x: Expr, y: Expr, z: Expr): Expr => i32.xor(i32.and(i32.xor(y, z), x), z)
const parity = (x: Expr, y: Expr, z: Expr): Expr => xor(x, y, z)
const majority = (x: Expr, y: Expr, z: Expr): Expr => i32.or(i32.and(x, y), i32.and(i32.or(x, y), z))

/** FIPS 180-4, 4.1.1 and 4.2.1: the function and the constant of each 20 rounds. */
const SHA1_ROUNDS = [[choose, 0x5a827999], [parity, 0x6ed9eba1], [majority, 0x8f1bbcdc], [parity, 0xca62c1d6]] as const

const TWO = signature(['v128', 'v128'], ['v128'])

const defineSha1 = (module: ModuleBuilder): void => {
  module.function('sha1_rounds', signature(['v128', 'v128', 'i32'], ['v128']), (f) => {
    const [state, message, kind] = f.params
    SHA1_ROUNDS.forEach(([mix, constant], number) => {
      f.if(i32.eq(kind, i32.const(number)), () => {
        let [a, b, c, d] = [3, 2, 1, 0].map((at) => f.let(lane(state, at)))
        // E was added to the first word of the message by SHA1NEXTE.
        let e: Expr = i32.const(0)
        for (let round = 0; round < 4; round++) {
          const next = f.let(add(mix(b, c, d), rotate(a, 5), lane(message, 3 - round), e, i32.const(constant)))
          ;[a, b, c, d, e] = [next, a, f.let(rotate(b, 30)), c, d]
        }
        f.return(vectorOf([d, c, b, a]))
      })
    })
    f.unreachable()
  })
  module.function('sha1_schedule', TWO, (f) => {
    const [a, b] = f.params
    const w16 = f.let(rotate(i32.xor(lane(a, 3), lane(b, 2)), 1))
    const w17 = rotate(i32.xor(lane(a, 2), lane(b, 1)), 1)
    const w18 = rotate(i32.xor(lane(a, 1), lane(b, 0)), 1)
    const w19 = rotate(i32.xor(lane(a, 0), w16), 1)
    f.return(vectorOf([w19, w18, w17, w16]))
  })
}

/** FIPS 180-4, 4.1.2. */
const bigSigma0 = (x: Expr): Expr => xor(rotate(x, 30), rotate(x, 19), rotate(x, 10))
const bigSigma1 = (x: Expr): Expr => xor(rotate(x, 26), rotate(x, 21), rotate(x, 7))
const rotateVector = (x: Expr, right: number): Expr => v.v128Or(v.i32x4ShrU(x, i32.const(right)), v.i32x4Shl(x, i32.const(32 - right)))
/** Of four bound words. */
const smallSigma0 = (x: Expr): Expr => v.v128Xor(v.v128Xor(rotateVector(x, 7), rotateVector(x, 18)), v.i32x4ShrU(x, i32.const(3)))
const smallSigma1 = (x: Expr): Expr => xor(rotate(x, 15), rotate(x, 13), i32.shrU(x, i32.const(10)))

const defineSha256 = (module: ModuleBuilder): void => {
  /** Two rounds: CDGH, ABEF, and two words of message and constant. */
  module.function('sha256_rounds', signature(['v128', 'v128', 'i64'], ['v128']), (builder) => {
    const [cdgh, abef, words] = builder.params
    const bind = (value: Expr): Expr => builder.let(value)
    let [a, b, e, f] = [3, 2, 1, 0].map((at) => bind(lane(abef, at)))
    let [c, d, g, h] = [3, 2, 1, 0].map((at) => bind(lane(cdgh, at)))
    for (const word of [i32.wrap(words), i32.wrap(i64.shrU(words, i64.const(32)))]) {
      const t = bind(add(choose(e, f, g), bigSigma1(e), word, h))
      const next = bind(add(t, majority(a, b, c), bigSigma0(a)))
      ;[a, b, c, d, e, f, g, h] = [next, a, b, c, bind(i32.add(t, d)), e, f, g]
    }
    builder.return(vectorOf([f, e, b, a]))
  })
  module.function('sha256_schedule', TWO, (f) => {
    const [a, b] = f.params
    const w16 = f.let(i32.add(lane(a, 0), smallSigma1(lane(b, 2))))
    const w17 = f.let(i32.add(lane(a, 1), smallSigma1(lane(b, 3))))
    const w18 = i32.add(lane(a, 2), smallSigma1(w16))
    const w19 = i32.add(lane(a, 3), smallSigma1(w17))
    f.return(vectorOf([w16, w17, w18, w19]))
  })
}

export const defineSha = (module: ModuleBuilder): void => {
  defineSha1(module)
  defineSha256(module)
}

/** Memory need not be aligned on AMD processors, whatever the manual says of legacy SSE. */
const binary = (operation: (e: Emitter, a: Expr, b: Expr) => Expr): Semantics => (e) => {
  const b = e.readVector(1, false)
  e.writeVector(0, operation(e, e.readVector(0), b))
}

export const SHA: Family = {
  sha1rnds4: binary((e, a, b) => e.call('sha1_rounds', a, b, i32.and(i32.wrap(e.read(2)), i32.const(3)))),
  sha1nexte: binary((_, a, b) => v.i32x4ReplaceLane(b, 3, i32.add(lane(b, 3), rotate(lane(a, 3), 30)))),
  sha1msg1: binary((_, a, b) => v.v128Xor(a, v.i8x16Shuffle(a, b, [24, 25, 26, 27, 28, 29, 30, 31, 0, 1, 2, 3, 4, 5, 6, 7]))),
  sha1msg2: binary((e, a, b) => e.call('sha1_schedule', a, b)),
  /** The third operand is XMM0. */
  sha256rnds2: binary((e, a, b) => e.call('sha256_rounds', a, b, v.i64x2ExtractLane(e.readVector(2), 0))),
  sha256msg1: binary((e, a, b) => {
    const next = e.f.let(v.i8x16Shuffle(a, b, [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]))
    return v.i32x4Add(a, smallSigma0(next))
  }),
  sha256msg2: binary((e, a, b) => e.call('sha256_schedule', a, b)),
}
