/** AVX and AVX2: moves, broadcasts, parts of registers (Intel SDM volume 2, appendix A, tables ). */
import { type Row, feature, row } from '../rows.ts'

/** Loads at the opcode, stores at the other one. */
const bothWays = (prefix: string, load: string, store: string, name: string): Row[] => [
  row(`${prefix} ${load}`, name, 'Vx Wx'), row(`${prefix} ${store}`, name, 'Wx Vx'),
]
const full: Row[] = [
  ...bothWays('vex.np.0f', '10', '11', 'vmovu'), ...bothWays('vex.66.0f', '10', '11', 'vmovu'), ...bothWays('vex.f3.0f', '6f', '7f', 'vmovu'),
  ...bothWays('vex.np.0f', '28', '29', 'vmova'), ...bothWays('vex.66.0f', '28', '29', 'vmova'), ...bothWays('vex.66.0f', '6f', '7f', 'vmova'),
  row('vex.f2.0f f0', 'vmovu', 'Vx Mx'),
  row('vex.np.0f 2b', 'vmova', 'Mx Vx'), row('vex.66.0f 2b', 'vmova', 'Mx Vx'), row('vex.66.0f e7', 'vmova', 'Mx Vx'), row('vex.66.0f38 2a', 'vmova', 'Vx Mx'),
  row('vex.f3.0f 12', 'vmovsldup', 'Vx Wx'), row('vex.f3.0f 16', 'vmovshdup', 'Vx Wx'),
  row('vex.128.f2.0f 12', 'vmovddup', 'Vo Wq'), row('vex.256.f2.0f 12', 'vmovddup', 'Vx Wx'),
]

/** Those that write no vector register are the SSE instructions as they are. */
const parts: Row[] = [
  row('vex.lig.f3.0f 10 mem', 'vmovss_load', 'Vd Md'), row('vex.lig.f3.0f 10 reg', 'vmovss_merge', 'Vd Hd Ud'),
  row('vex.lig.f3.0f 11 mem', 'movss', 'Md Vd'), row('vex.lig.f3.0f 11 reg', 'vmovss_merge', 'Ud Hd Vd'),
  row('vex.lig.f2.0f 10 mem', 'vmovsd_load', 'Vq Mq'), row('vex.lig.f2.0f 10 reg', 'vmovsd_merge', 'Vq Hq Uq'),
  row('vex.lig.f2.0f 11 mem', 'movsd_vector', 'Mq Vq'), row('vex.lig.f2.0f 11 reg', 'vmovsd_merge', 'Uq Hq Vq'),
  ...['vex.128.np.0f', 'vex.128.66.0f'].flatMap((prefix) => [
    row(`${prefix} 12 mem`, 'vmovlp_load', 'Vo Ho Mq'), row(`${prefix} 13 mem`, 'movlp', 'Mq Vq'),
    row(`${prefix} 16 mem`, 'vmovhp_load', 'Vo Ho Mq'), row(`${prefix} 17 mem`, 'movhp_store', 'Mq Vo'),
  ]),
  row('vex.128.np.0f 12 reg', 'vmovhlps', 'Vo Ho Uo'), row('vex.128.np.0f 16 reg', 'vmovlhps', 'Vo Ho Uo'),
  row('vex.128.66.0f 6e', 'vmovd_to_vector', 'Vo Ey'), row('vex.128.66.0f 7e', 'movd_from_vector', 'Ey Vo'),
  row('vex.128.f3.0f 7e', 'vmovq', 'Vo Wq'), row('vex.128.66.0f d6', 'vmovq', 'Wq Vo'),
  row('a32 vex.128.66.0f f7', 'maskmovdqu_a32', 'Vo Uo'), row('vex.128.66.0f f7', 'maskmovdqu', 'Vo Uo'),
  row('vex.128.np.0f ae /2 mem', 'ldmxcsr', 'Md'), row('vex.128.np.0f ae /3 mem', 'stmxcsr', 'Md'),
  row('vex.128.np.0f 77', 'vzeroupper'), row('vex.256.np.0f 77', 'vzeroall'),
]

const lanes: Row[] = [
  row('vex.66.0f38.w0 18 mem', 'vbroadcast4', 'Vx Md'), row('vex.256.66.0f38.w0 19 mem', 'vbroadcast8', 'Vx Mq'), row('vex.256.66.0f38.w0 1a mem', 'vbroadcast16', 'Vx Mo'),
  row('vex.256.66.0f3a.w0 18', 'vinsert128', 'Vx Hx Wo Ib'), row('vex.256.66.0f3a.w0 19', 'vextract128', 'Wo Vx Ib'),
]
const avx2: Row[] = [
  row('vex.66.0f38.w0 18 reg', 'vbroadcast4', 'Vx Ud'), row('vex.256.66.0f38.w0 19 reg', 'vbroadcast8', 'Vx Uq'), row('vex.256.66.0f38.w0 5a mem', 'vbroadcast16', 'Vx Mo'),
  row('vex.66.0f38.w0 78', 'vbroadcast1', 'Vx Wb'), row('vex.66.0f38.w0 79', 'vbroadcast2', 'Vx Ww'),
  row('vex.66.0f38.w0 58', 'vbroadcast4', 'Vx Wd'), row('vex.66.0f38.w0 59', 'vbroadcast8', 'Vx Wq'),
  row('vex.256.66.0f3a.w0 38', 'vinsert128', 'Vx Hx Wo Ib'), row('vex.256.66.0f3a.w0 39', 'vextract128', 'Wo Vx Ib'),
]

export const VEX_MOVE_ROWS: readonly Row[] = [...feature('avx', [...full, ...parts, ...lanes]), ...feature('avx2', avx2)]
