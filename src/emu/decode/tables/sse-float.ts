/** SSE and SSE2 floating point: arithmetic, comparisons, conversions (Intel SDM volume 2, appendix A, table A-3). */
import { type Row, row } from '../rows.ts'

const hex = (opcode: number): string => opcode.toString(16)

/** The four encodings of an operation: packed and scalar, single and double. */
const FORMATS = [
  ['np', 'ps', 'Vx Wx'], ['66', 'pd', 'Vx Wx'], ['f3', 'ss', 'Vd Wd'], ['f2', 'sd', 'Vq Wq'],
] as const

const arithmetic: Row[] = ([
  [0x51, 'sqrt'], [0x58, 'add'], [0x59, 'mul'], [0x5c, 'sub'], [0x5d, 'min'], [0x5e, 'div'], [0x5f, 'max'],
] as const).flatMap(([opcode, name]) =>
  FORMATS.map(([prefix, suffix, operands]) => row(`${prefix} 0f ${hex(opcode)}`, `${name}${suffix}`, operands)))

/** Single precision only. */
const approximations: Row[] = ([[0x52, 'rsqrt'], [0x53, 'rcp']] as const).flatMap(([opcode, name]) => [
  row(`np 0f ${hex(opcode)}`, `${name}ps`, 'Vx Wx'), row(`f3 0f ${hex(opcode)}`, `${name}ss`, 'Vd Wd'),
])

/** How an opcode of the map 0F is written with a prefix. */
type Encoding = (prefix: string, opcode: string) => string

// What leaves nothing in a vector register is the same with VEX.
export const scalarComparisons = (opcode: Encoding): Row[] => [
  row(opcode('np', '2e'), 'ucomiss', 'Vd Wd'), row(opcode('66', '2e'), 'ucomisd', 'Vq Wq'),
  row(opcode('np', '2f'), 'comiss', 'Vd Wd'), row(opcode('66', '2f'), 'comisd', 'Vq Wq'),
]
export const truncations = (opcode: Encoding): Row[] => [
  row(opcode('f3', '2c'), 'cvttss2si', 'Gy Wd'), row(opcode('f2', '2c'), 'cvttsd2si', 'Gy Wq'),
]
export const roundings = (opcode: Encoding): Row[] => [
  row(opcode('f3', '2d'), 'cvtss2si', 'Gy Wd'), row(opcode('f2', '2d'), 'cvtsd2si', 'Gy Wq'),
]
const legacy = (prefix: string, opcode: string): string => `${prefix} 0f ${opcode}`

const comparisons: Row[] = [
  ...scalarComparisons(legacy),
  // CMPSD: its name without the suffix would be that of the string instruction's family.
  ...FORMATS.map(([prefix, suffix, operands]) => row(`${prefix} 0f c2`, `cmp_${suffix}`, `${operands} Ib`, 'unsigned-immediate')),
]

const conversions: Row[] = [
  row('np 0f 2a', 'cvtpi2ps', 'Vx Qq'), row('66 0f 2a', 'cvtpi2pd', 'Vx Qq'),
  row('f3 0f 2a', 'cvtsi2ss', 'Vd Ey'), row('f2 0f 2a', 'cvtsi2sd', 'Vq Ey'),
  row('np 0f 2c', 'cvttps2pi', 'Pq Wq'), row('66 0f 2c', 'cvttpd2pi', 'Pq Wx'),
  ...truncations(legacy),
  row('np 0f 2d', 'cvtps2pi', 'Pq Wq'), row('66 0f 2d', 'cvtpd2pi', 'Pq Wx'),
  ...roundings(legacy),
  row('np 0f 5a', 'cvtps2pd', 'Vx Wq'), row('66 0f 5a', 'cvtpd2ps', 'Vx Wx'),
  row('f3 0f 5a', 'cvtss2sd', 'Vq Wd'), row('f2 0f 5a', 'cvtsd2ss', 'Vd Wq'),
  row('np 0f 5b', 'cvtdq2ps', 'Vx Wx'), row('66 0f 5b', 'cvtps2dq', 'Vx Wx'), row('f3 0f 5b', 'cvttps2dq', 'Vx Wx'),
  row('66 0f e6', 'cvttpd2dq', 'Vx Wx'), row('f2 0f e6', 'cvtpd2dq', 'Vx Wx'), row('f3 0f e6', 'cvtdq2pd', 'Vx Wq'),
]

export const SSE_FLOAT_ROWS: readonly Row[] = [...arithmetic, ...approximations, ...comparisons, ...conversions]
