/**
 * RCPPS and RSQRTPS.
 *
 * The manuals promise a relative error of at most 1.5 × 2^-12 and leave the value to the processor; Intel's and AMD's
 * differ. Ours are those of an AMD Zen 4 (EPYC family 25, model 17), which a measurement of all 2^23 significands found to be
 * bipartite tables: the upper 12 bits of the significand are the index i, and the result's 12 bits are
 * BASE[i >> 4] − OFFSET[i >> 8][i & 15], exactly. MXCSR has no influence and no exception is raised; denormals are zeros
 * here and as results.
 */
import { CONSTANTS } from '../cpu/layout.ts'
import { type Expr, i32, select } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'

interface Bipartite {
  /** BASE[0]. */
  readonly first: number
  /** BASE[i − 1] − BASE[i], in base 36. */
  readonly steps: string
  /** OFFSET, row by row, in base 36. */
  readonly offsets: string
}

/** 1/x for x in [1, 2): results in [1/2, 1). */
const RECIPROCAL: Bipartite = {
  first: 0xffe,
  steps:
    '0wvwuvvuuuutttttussrsrrrrrqqqqqprpppopoooononnnnomnmmmmmlmlllllkmkkkkkkjkjkjjjjijijiiiiiihihihhhihghhgghgggggfgggfgfffffffefefef' +
    'eefedeeedeeddeddedddcdddcdcdccdccccccccbccbcbcbbcbbbbbbbbbbababbbaabaaaabaaa9aaaa9aa9a9a9a999a99a9999989999899898989889888988888',
  offsets:
    '023579bdfhikmoqs013568abdfgiklnp0134578abdeghjkm01245689acdeghik012346789bcdefhi012456789abcefgh0123456789abcdef01234556789abcde' +
    '012234567889abcd0112345567899abc0122344567789aab011233455677899a0012233455677889001223345566788900112233455667780011223445566778',
}
/** 1/√x for x in [1, 2). */
const ROOT_OF_ONES: Bipartite = {
  first: 0xfff,
  steps:
    '0ggfggffgffffffeffefeeeeeeeeededededddddddcddcdcdcdcccccccbccbcbdbbcbbbbbbbbbbabbabababaaabaaaaaaaaaa9aa9a9a9a99a99a999999999899' +
    '89989898989889889888888888888788887887878787877877778777777777778776777767767767676767676676676676666667666666666666656666566656',
  offsets:
    '01234567789abcde01233456789aabcd012234566789abbc0122344567789aab001223455677899a011233455667889a00122334456678890011223445566788' +
    '01122334455667780011223344556677001122333445566701122233445566670011122333445566001122233444555600111223334455560001112233344455',
}
/** 1/√x for x in [2, 4). */
const ROOT_OF_TWOS: Bipartite = {
  first: 0x6a0,
  steps:
    '0bbcbabbbbabbababaabaaaaa9aaa9a9aa99a9999999999998998989889889888888888888788787878787787778777777777777677767767676767667667666' +
    '76666666666666656665666565665656556565565565555655555555555555556455555455545545545455454545454454544544544454445444444544444444',
  offsets:
    '011233455677899a0012233455677899001223344566778800122334455667780011223344556677011122334455666700112223344555660011222334445566' +
    '00011222333445550011122233344455001112223334445501112223334444550001112222333444000111222233344400111122223333440011112222333344',
}

/** In memory: 256 base words of 16 bits, then 256 offset bytes, for each table. */
const BASE_BYTES = 512
const TABLE_BYTES = BASE_BYTES + 256
const RECIPROCAL_AT = CONSTANTS
const ROOT_AT = RECIPROCAL_AT + TABLE_BYTES

const tableBytes = ({ first, steps, offsets }: Bipartite): Uint8Array => {
  const bytes = new Uint8Array(TABLE_BYTES)
  const view = new DataView(bytes.buffer)
  let base = first
  for (let i = 0; i < 256; i++) {
    base -= parseInt(steps[i], 36)
    view.setUint16(i * 2, base, true)
    bytes[BASE_BYTES + i] = parseInt(offsets[i], 36)
  }
  return bytes
}

const EXPONENT_ONES = 0x7f800000
const DEFAULT_NAN = 0xffc00000 | 0

/**
 * The f32 with exponent 2^-1 whose significand the table gives for x's. A result of 1 does not occur.
 * @param table its address, i32
 */
const lookUp = (f: FunctionBuilder, x: Expr, table: Expr): Expr => {
  const index = f.let(i32.and(i32.shrU(x, i32.const(11)), i32.const(0xfff)))
  const base = i32.load16U(i32.add(table, i32.and(i32.shrU(index, i32.const(3)), i32.const(0x1fe))), 0)
  const row = i32.and(i32.shrU(index, i32.const(4)), i32.const(0xf0))
  const offset = i32.load8U(i32.add(table, i32.or(row, i32.and(index, i32.const(15)))), BASE_BYTES)
  return i32.or(i32.const(126 << 23), i32.shl(i32.sub(base, offset), i32.const(11)))
}

export const defineReciprocals = (module: ModuleBuilder): void => {
  module.data(RECIPROCAL_AT, tableBytes(RECIPROCAL))
  module.data(ROOT_AT, tableBytes(ROOT_OF_ONES))
  module.data(ROOT_AT + TABLE_BYTES, tableBytes(ROOT_OF_TWOS))

  /** NaNs are quieted, infinities give zero and zeros and denormals infinity, with their sign. */
  const special = (f: FunctionBuilder, x: Expr, exponent: Expr): void => {
    const sign = i32.and(x, i32.const(0x80000000))
    f.if(i32.eqz(exponent), () => { f.return(i32.or(sign, i32.const(EXPONENT_ONES))) })
    f.if(i32.eq(exponent, i32.const(255)), () => {
      f.if(i32.and(x, i32.const(0x7fffff)), () => { f.return(i32.or(x, i32.const(0x400000))) })
    })
  }
  module.function('reciprocal_f32', signature(['i32'], ['i32']), (f) => {
    const [x] = f.params
    const exponent = f.let(i32.and(i32.shrU(x, i32.const(23)), i32.const(255)))
    special(f, x, exponent)
    const sign = i32.and(x, i32.const(0x80000000))
    const magnitude = f.let(i32.sub(lookUp(f, x, i32.const(RECIPROCAL_AT)), i32.shl(i32.sub(exponent, i32.const(127)), i32.const(23))))
    // Too small for a normal number, infinity's reciprocal among them: zero.
    f.return(i32.or(sign, select(i32.ltS(magnitude, i32.const(0x00800000)), i32.const(0), magnitude)))
  })
  module.function('reciprocal_sqrt_f32', signature(['i32'], ['i32']), (f) => {
    const [x] = f.params
    const exponent = f.let(i32.and(i32.shrU(x, i32.const(23)), i32.const(255)))
    special(f, x, exponent)
    f.if(i32.ltS(x, i32.const(0)), () => { f.return(i32.const(DEFAULT_NAN)) })
    f.if(i32.eq(exponent, i32.const(255)), () => { f.return(i32.const(0)) })
    // x = m × 2^(2k), m in [1, 4).
    const power = f.let(i32.sub(exponent, i32.const(127)))
    const table = f.let(select(i32.and(power, i32.const(1)), i32.const(ROOT_AT + TABLE_BYTES), i32.const(ROOT_AT)))
    f.return(i32.sub(lookUp(f, x, table), i32.shl(i32.shrS(power, i32.const(1)), i32.const(23))))
  })
}
