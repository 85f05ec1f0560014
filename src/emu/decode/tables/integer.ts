/** Integer data movement, arithmetic, shifts, bits and strings (Intel SDM volume 2, appendix A, tables ). */
import { type Row, row, rows } from '../rows.ts'

const hex = (value: number): string => value.toString(16).padStart(2, '0')
const lockable = (name: string): readonly ['lock'] | readonly [] => name === 'cmp' ? [] : ['lock']

const arithmetic: Row[] = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'].flatMap((name, i) => [
  row(hex(i * 8), name, 'Eb Gb', ...lockable(name)),
  row(hex(i * 8 + 1), name, 'Ev Gv', ...lockable(name)),
  row(hex(i * 8 + 2), name, 'Gb Eb'),
  row(hex(i * 8 + 3), name, 'Gv Ev'),
  row(hex(i * 8 + 4), name, 'Ab Ib'),
  row(hex(i * 8 + 5), name, 'Av Iz'),
  row(`80 /${i}`, name, 'Eb Ib', ...lockable(name)),
  row(`81 /${i}`, name, 'Ev Iz', ...lockable(name)),
  row(`83 /${i}`, name, 'Ev Ib', ...lockable(name)),
])

const unary: Row[] = [
  row('fe /0', 'inc', 'Eb', 'lock'), row('ff /0', 'inc', 'Ev', 'lock'),
  row('fe /1', 'dec', 'Eb', 'lock'), row('ff /1', 'dec', 'Ev', 'lock'),
  row('f6 /2', 'not', 'Eb', 'lock'), row('f7 /2', 'not', 'Ev', 'lock'),
  row('f6 /3', 'neg', 'Eb', 'lock'), row('f7 /3', 'neg', 'Ev', 'lock'),
  row('84', 'test', 'Eb Gb'), row('85', 'test', 'Ev Gv'),
  row('a8', 'test', 'Ab Ib'), row('a9', 'test', 'Av Iz'),
  row('f6 /0', 'test', 'Eb Ib'), row('f7 /0', 'test', 'Ev Iz'),
  row('f6 /1', 'test', 'Eb Ib'), row('f7 /1', 'test', 'Ev Iz'),
]

const multiply: Row[] = [
  row('f6 /4', 'mul', 'Eb'), row('f7 /4', 'mul', 'Ev'),
  row('f6 /5', 'imul1', 'Eb'), row('f7 /5', 'imul1', 'Ev'),
  row('f6 /6', 'div', 'Eb'), row('f7 /6', 'div', 'Ev'),
  row('f6 /7', 'idiv', 'Eb'), row('f7 /7', 'idiv', 'Ev'),
  row('0f af', 'imul2', 'Gv Ev'), row('69', 'imul3', 'Gv Ev Iz'), row('6b', 'imul3', 'Gv Ev Ib'),
  row('98', 'sign_extend_a', 'Sv'), row('99', 'sign_extend_d', 'Sv'),
]

const shifts: Row[] = ['rol', 'ror', 'rcl', 'rcr', 'shl', 'shr', 'shl', 'sar'].flatMap((name, i) => [
  row(`c0 /${i}`, name, 'Eb Ib', 'unsigned-immediate'), row(`c1 /${i}`, name, 'Ev Ib', 'unsigned-immediate'),
  row(`d0 /${i}`, name, 'Eb 1'), row(`d1 /${i}`, name, 'Ev 1'),
  row(`d2 /${i}`, name, 'Eb Cb'), row(`d3 /${i}`, name, 'Ev Cb'),
])

const doubleShifts: Row[] = [
  row('0f a4', 'shld', 'Ev Gv Ib', 'unsigned-immediate'), row('0f a5', 'shld', 'Ev Gv Cb'),
  row('0f ac', 'shrd', 'Ev Gv Ib', 'unsigned-immediate'), row('0f ad', 'shrd', 'Ev Gv Cb'),
]

const bits: Row[] = [
  // With 32-bit addresses the bit offset wraps too.
  row('a32 0f a3 mem', 'bt_far_a32', 'Ev Gv'), row('a32 0f ab mem', 'bts_far_a32', 'Ev Gv', 'lock'),
  row('a32 0f b3 mem', 'btr_far_a32', 'Ev Gv', 'lock'), row('a32 0f bb mem', 'btc_far_a32', 'Ev Gv', 'lock'),
  row('0f a3', 'bt', 'Ev Gv'), row('0f ba /4', 'bti', 'Ev Ib', 'unsigned-immediate'),
  row('0f ab', 'bts', 'Ev Gv', 'lock'), row('0f ba /5', 'btsi', 'Ev Ib', 'lock', 'unsigned-immediate'),
  row('0f b3', 'btr', 'Ev Gv', 'lock'), row('0f ba /6', 'btri', 'Ev Ib', 'lock', 'unsigned-immediate'),
  row('0f bb', 'btc', 'Ev Gv', 'lock'), row('0f ba /7', 'btci', 'Ev Ib', 'lock', 'unsigned-immediate'),
  row('0f bc', 'bsf', 'Gv Ev'), row('0f bd', 'bsr', 'Gv Ev'),
  row('0f c8+r', 'bswap', 'Zv'),
]

const moves: Row[] = [
  row('88', 'mov', 'Eb Gb'), row('89', 'mov', 'Ev Gv'), row('8a', 'mov', 'Gb Eb'), row('8b', 'mov', 'Gv Ev'),
  row('a0', 'mov', 'Ab Ob'), row('a1', 'mov', 'Av Ov'), row('a2', 'mov', 'Ob Ab'), row('a3', 'mov', 'Ov Av'),
  row('b0+r', 'mov', 'Zb Ib'), row('b8+r', 'mov', 'Zv Iv'),
  row('c6 /0', 'mov', 'Eb Ib'), row('c7 /0', 'mov', 'Ev Iz'),
  row('8c reg', 'mov_from_segment', 'Rv Yw'), row('8c mem', 'mov_from_segment', 'Mw Yw'), row('8e', 'mov_to_segment', 'Yw Ew'),
  row('8d', 'lea', 'Gv M'),
  row('0f b6', 'movzx', 'Gv Eb'), row('0f b7', 'movzx', 'Gv Ew'),
  row('0f be', 'movsx', 'Gv Eb'), row('0f bf', 'movsx', 'Gv Ew'), row('63', 'movsx', 'Gv Ed'),
  row('86', 'xchg', 'Eb Gb', 'lock'), row('87', 'xchg', 'Ev Gv', 'lock'),
  row('90 nob', 'nop'), row('90+r', 'xchg', 'Zv Av'),
  row('0f b0', 'cmpxchg', 'Eb Gb', 'lock'), row('0f b1', 'cmpxchg', 'Ev Gv', 'lock'),
  row('0f c7 /1 mem w0', 'cmpxchg8b', 'Mq', 'lock'),
  row('0f c0', 'xadd', 'Eb Gb', 'lock'), row('0f c1', 'xadd', 'Ev Gv', 'lock'),
  row('50+r', 'push', 'Zs'), row('ff /6', 'push', 'Es'), row('68', 'push_immediate', 'Ss Iz'), row('6a', 'push_immediate', 'Ss Ib'),
  row('58+r', 'pop', 'Zs'), row('8f /0', 'pop', 'Es'),
  row('0f a0', 'push_fs', 'Ss'), row('0f a8', 'push_gs', 'Ss'),
  row('0f a1', 'pop_fs', 'Ss'), row('0f a9', 'pop_gs', 'Ss'),
  row('9c', 'pushf', 'Ss'), row('9d', 'popf', 'Ss', 'end'),
  row('c8', 'enter', 'Ss Iw Ib', 'unsigned-immediate'), row('c9', 'leave', 'Ss'),
  row('9e', 'sahf'), row('9f', 'lahf'),
  row('f5', 'cmc'), row('f8', 'clc'), row('f9', 'stc'), row('fc', 'cld'), row('fd', 'std'),
  row('d7 a32', 'xlat_a32', 'Sb'), row('d7', 'xlat', 'Sb'),
  ...rows(16, (i) => row(`0f ${hex(0x40 + i)}`, `cmov_${i}`, 'Gv Ev')),
  ...rows(16, (i) => row(`0f ${hex(0x90 + i)}`, `set_${i}`, 'Eb')),
]

/** Each with its repeated forms first; 67 makes the index and count registers 32-bit. */
const strings: Row[] = ([
  ['a4', 'movs', 'rep', 'rep'], ['a6', 'cmps', 'repe', 'repne'], ['aa', 'stos', 'rep', 'rep'],
  ['ac', 'lods', 'rep', 'rep'], ['ae', 'scas', 'repe', 'repne'],
] as const).flatMap(([opcode, name, f3, f2]) => ['b', 'v'].flatMap((size, i) => {
  const code = hex(parseInt(opcode, 16) + i)
  return [['a32 ', '_a32'], ['', '']].flatMap(([constraint, suffix]) => [
    row(`${constraint}rep ${code}`, `${f3}_${name}${suffix}`, `S${size}`, 'end'),
    row(`${constraint}repne ${code}`, `${f2}_${name}${suffix}`, `S${size}`, 'end'),
    row(`${constraint}${code}`, `${name}${suffix}`, `S${size}`),
  ])
}))

export const INTEGER_ROWS: readonly Row[] = [
  ...arithmetic, ...unary, ...multiply, ...shifts, ...doubleShifts, ...bits, ...moves, ...strings,
]
