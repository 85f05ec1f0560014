/** FMA3 (Intel SDM volume 2, appendix A, table A-4). */
import { type Row, feature, row } from '../rows.ts'

const hex = (opcode: number): string => opcode.toString(16)

/** Low digits of the opcodes, of the packed and of the scalar form; the high digit is 9, a or b for 132, 213 and 231. */
const OPERATIONS: readonly (readonly [name: string, packed: number, scalar: number | undefined])[] = [
  ['fmaddsub', 6, undefined], ['fmsubadd', 7, undefined], ['fmadd', 8, 9], ['fmsub', 0xa, 0xb], ['fnmadd', 0xc, 0xd], ['fnmsub', 0xe, 0xf],
]

export const FMA_ROWS: readonly Row[] = feature('fma', (['132', '213', '231'] as const).flatMap((order, i) => OPERATIONS.flatMap(([name, packed, scalar]) => [
  row(`vex.66.0f38.w0 ${hex(0x90 + i * 16 + packed)}`, `v${name}${order}ps`, 'Vx Hx Wx'),
  row(`vex.66.0f38.w1 ${hex(0x90 + i * 16 + packed)}`, `v${name}${order}pd`, 'Vx Hx Wx'),
  ...(scalar === undefined ? [] : [
    row(`vex.lig.66.0f38.w0 ${hex(0x90 + i * 16 + scalar)}`, `v${name}${order}ss`, 'Vd Hd Wd'),
    row(`vex.lig.66.0f38.w1 ${hex(0x90 + i * 16 + scalar)}`, `v${name}${order}sd`, 'Vq Hq Wq'),
  ]),
])))
