/** MMX, with what SSE and SSE2 added to it (Intel SDM volume 2, appendix A, table A-3: the columns without a prefix). */
import { type Row, row } from '../rows.ts'
import { LANE_OPCODES, SHIFT_GROUPS } from './sse-integer.ts'

const hex = (opcode: number): string => opcode.toString(16)
const UNPACK_LOW: ReadonlySet<string> = new Set(['punpcklbw', 'punpcklwd', 'punpckldq'])

const moves: Row[] = [
  row('np 0f 6e', 'mmx_movd_load', 'Pq Ey'), row('np 0f 7e', 'mmx_movd_store', 'Ey Pq'),
  row('np 0f 6f', 'mmx_movq', 'Pq Qq'), row('np 0f 7f', 'mmx_movq', 'Qq Pq'), row('np 0f e7', 'mmx_movq', 'Mq Pq'),
  row('f2 0f d6', 'movdq2q', 'Pq Uq'), row('f3 0f d6', 'movq2dq', 'Vx Nq'),
  row('a32 np 0f f7', 'maskmovq_a32', 'Pq Nq'), row('np 0f f7', 'maskmovq', 'Pq Nq'),
  row('np 0f 70', 'mmx_pshufw', 'Pq Qq Ib', 'unsigned-immediate'),
  row('np 0f c4 reg', 'mmx_pinsrw', 'Pq Rd Ib', 'unsigned-immediate'), row('np 0f c4 mem', 'mmx_pinsrw', 'Pq Mw Ib', 'unsigned-immediate'),
  row('np 0f c5', 'mmx_pextrw', 'Gd Nq Ib', 'unsigned-immediate'), row('np 0f d7', 'mmx_pmovmskb', 'Gd Nq'),
  row('np 0f 77', 'emms'),
]

export const MMX_ROWS: readonly Row[] = [
  // The low unpacks read 4 bytes of memory.
  ...Object.entries(LANE_OPCODES).map(([name, opcode]) => row(`np 0f ${hex(opcode)}`, `mmx_${name}`, UNPACK_LOW.has(name) ? 'Pq Qd' : 'Pq Qq')),
  ...SHIFT_GROUPS.map(([opcode, digit, name]) => row(`np 0f ${hex(opcode)} /${digit}`, `mmx_${name}`, 'Nq Ib', 'unsigned-immediate')),
  ...moves,
]
