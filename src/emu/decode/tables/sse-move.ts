/** SSE and SSE2 moves, MXCSR, fences, prefetches (Intel SDM volume 2, appendix A, tables ). */
import { type Row, row } from '../rows.ts'

/** Loads at the opcode, stores at the next one. */
const bothWays = (prefix: string, load: number, store: number, name: string, register: string, memory: string): Row[] => [
  row(`${prefix} 0f ${load.toString(16)}`, name, `${register} ${memory}`),
  row(`${prefix} 0f ${store.toString(16)}`, name, `${memory} ${register}`),
]

const full: Row[] = [
  ...bothWays('np', 0x10, 0x11, 'movu', 'Vx', 'Wx'), ...bothWays('66', 0x10, 0x11, 'movu', 'Vx', 'Wx'),
  ...bothWays('np', 0x28, 0x29, 'mova', 'Vx', 'Wx'), ...bothWays('66', 0x28, 0x29, 'mova', 'Vx', 'Wx'),
  ...bothWays('66', 0x6f, 0x7f, 'mova', 'Vx', 'Wx'), ...bothWays('f3', 0x6f, 0x7f, 'movu', 'Vx', 'Wx'),
  row('np 0f 2b', 'mova', 'Mx Vx'), row('66 0f 2b', 'mova', 'Mx Vx'), row('66 0f e7', 'mova', 'Mx Vx'),
]

const parts: Row[] = [
  ...bothWays('f3', 0x10, 0x11, 'movss', 'Vd', 'Wd'), ...bothWays('f2', 0x10, 0x11, 'movsd_vector', 'Vq', 'Wq'),
  row('np 0f 12 mem', 'movlp', 'Vq Mq'), row('np 0f 13', 'movlp', 'Mq Vq'),
  row('66 0f 12', 'movlp', 'Vq Mq'), row('66 0f 13', 'movlp', 'Mq Vq'),
  row('np 0f 16 mem', 'movhp_load', 'Vx Mq'), row('np 0f 17', 'movhp_store', 'Mq Vx'),
  row('66 0f 16', 'movhp_load', 'Vx Mq'), row('66 0f 17', 'movhp_store', 'Mq Vx'),
  row('np 0f 12 reg', 'movhlps', 'Vq Ux'), row('np 0f 16 reg', 'movlhps', 'Vx Ux'),
  row('66 0f 6e', 'movd_to_vector', 'Vx Ey'), row('66 0f 7e', 'movd_from_vector', 'Ey Vx'),
  row('f3 0f 7e', 'movq', 'Vx Wq'), row('66 0f d6', 'movq', 'Wq Vx'),
  row('np 0f c3', 'movnti', 'My Gy'),
  row('a32 66 0f f7', 'maskmovdqu_a32', 'Vx Ux'), row('66 0f f7', 'maskmovdqu', 'Vx Ux'),
]

const control: Row[] = [
  row('np 0f ae /2 mem', 'ldmxcsr', 'Md'), row('np 0f ae /3 mem', 'stmxcsr', 'Md'),
  row('np 0f ae /5 reg', 'fence'), row('np 0f ae /6 reg', 'fence'), row('np 0f ae /7 reg', 'fence'),
  row('np 0f ae /7 mem', 'clflush', 'Mb'),
  // PREFETCHh; the rest of the group is reserved to be hints. 0F 0D is PREFETCHW, of registers #UD on AMD processors.
  row('0f 18', 'nop', 'Ev'), row('0f 0d mem', 'nop', 'Ev'),
]

export const SSE_MOVE_ROWS: readonly Row[] = [...full, ...parts, ...control]
