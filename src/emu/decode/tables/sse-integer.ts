/** SSE2 instructions on packed integers, and shuffles of all kinds (Intel SDM volume 2, appendix A, tables ). */
import { type Row, row } from '../rows.ts'

/** Opcodes 66 0F … of the instructions `xmm, xmm/m128`; without the prefix most are MMX instructions (mmx.ts). */
export const LANE_OPCODES: Readonly<Record<string, number>> = {
  punpcklbw: 0x60, punpcklwd: 0x61, punpckldq: 0x62, packsswb: 0x63, pcmpgtb: 0x64, pcmpgtw: 0x65, pcmpgtd: 0x66, packuswb: 0x67,
  punpckhbw: 0x68, punpckhwd: 0x69, punpckhdq: 0x6a, packssdw: 0x6b,
  pcmpeqb: 0x74, pcmpeqw: 0x75, pcmpeqd: 0x76,
  psrlw: 0xd1, psrld: 0xd2, psrlq: 0xd3, paddq: 0xd4, pmullw: 0xd5,
  psubusb: 0xd8, psubusw: 0xd9, pminub: 0xda, pand: 0xdb, paddusb: 0xdc, paddusw: 0xdd, pmaxub: 0xde, pandn: 0xdf,
  pavgb: 0xe0, psraw: 0xe1, psrad: 0xe2, pavgw: 0xe3, pmulhuw: 0xe4, pmulhw: 0xe5,
  psubsb: 0xe8, psubsw: 0xe9, pminsw: 0xea, por: 0xeb, paddsb: 0xec, paddsw: 0xed, pmaxsw: 0xee, pxor: 0xef,
  psllw: 0xf1, pslld: 0xf2, psllq: 0xf3, pmuludq: 0xf4, pmaddwd: 0xf5, psadbw: 0xf6,
  psubb: 0xf8, psubw: 0xf9, psubd: 0xfa, psubq: 0xfb, paddb: 0xfc, paddw: 0xfd, paddd: 0xfe,
}
const hex = (opcode: number): string => opcode.toString(16)

/** Shifts by an immediate: opcode, digit, name. */
export const SHIFT_GROUPS: readonly (readonly [opcode: number, digit: number, name: string])[] = [
  [0x71, 2, 'psrlw'], [0x71, 4, 'psraw'], [0x71, 6, 'psllw'],
  [0x72, 2, 'psrld'], [0x72, 4, 'psrad'], [0x72, 6, 'pslld'],
  [0x73, 2, 'psrlq'], [0x73, 6, 'psllq'],
]

const shuffles: Row[] = [
  row('66 0f 6c', 'punpcklqdq', 'Vx Wx'), row('66 0f 6d', 'punpckhqdq', 'Vx Wx'),
  row('66 0f 70', 'pshufd', 'Vx Wx Ib', 'unsigned-immediate'),
  row('f2 0f 70', 'pshuflw', 'Vx Wx Ib', 'unsigned-immediate'), row('f3 0f 70', 'pshufhw', 'Vx Wx Ib', 'unsigned-immediate'),
  row('np 0f c6', 'shufps', 'Vx Wx Ib', 'unsigned-immediate'), row('66 0f c6', 'shufpd', 'Vx Wx Ib', 'unsigned-immediate'),
  // Unpacking floats is unpacking integers.
  row('np 0f 14', 'punpckldq', 'Vx Wx'), row('66 0f 14', 'punpcklqdq', 'Vx Wx'),
  row('np 0f 15', 'punpckhdq', 'Vx Wx'), row('66 0f 15', 'punpckhqdq', 'Vx Wx'),
  row('66 0f c4 reg', 'pinsrw', 'Vx Rd Ib', 'unsigned-immediate'), row('66 0f c4 mem', 'pinsrw', 'Vx Mw Ib', 'unsigned-immediate'),
  row('66 0f c5', 'pextrw', 'Gd Ux Ib', 'unsigned-immediate'),
  row('66 0f d7', 'pmovmskb', 'Gd Ux'), row('np 0f 50', 'movmskps', 'Gd Ux'), row('66 0f 50', 'movmskpd', 'Gd Ux'),
]

const logic: Row[] = [['54', 'pand'], ['55', 'pandn'], ['56', 'por'], ['57', 'pxor']].flatMap(([opcode, name]) => [
  // ANDPS and ANDPD are PAND.
  row(`np 0f ${opcode}`, name, 'Vx Wx'), row(`66 0f ${opcode}`, name, 'Vx Wx'),
])

export const SSE_INTEGER_ROWS: readonly Row[] = [
  ...Object.entries(LANE_OPCODES).map(([name, opcode]) => row(`66 0f ${hex(opcode)}`, name, 'Vx Wx')),
  ...SHIFT_GROUPS.map(([opcode, digit, name]) => row(`66 0f ${hex(opcode)} /${digit}`, name, 'Ux Ib', 'unsigned-immediate')),
  row('66 0f 73 /3', 'psrldq', 'Ux Ib', 'unsigned-immediate'), row('66 0f 73 /7', 'pslldq', 'Ux Ib', 'unsigned-immediate'),
  ...shuffles, ...logic,
]
