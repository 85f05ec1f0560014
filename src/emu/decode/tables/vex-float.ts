/** AVX and F16C on floats (Intel SDM volume 2, appendix A, tables ). */
import { type Row, feature, row } from '../rows.ts'
import { roundings, scalarComparisons, truncations } from './sse-float.ts'

const vex = (prefix: string, opcode: string): string => `vex.lig.${prefix}.0f ${opcode}`
const hex = (opcode: number): string => opcode.toString(16).padStart(2, '0')

const FORMATS = [
  ['vex.np.0f', 'ps', 'Vx Hx Wx'], ['vex.66.0f', 'pd', 'Vx Hx Wx'], ['vex.lig.f3.0f', 'ss', 'Vd Hd Wd'], ['vex.lig.f2.0f', 'sd', 'Vq Hq Wq'],
] as const

const arithmetic: Row[] = [
  ...([[0x58, 'add'], [0x59, 'mul'], [0x5c, 'sub'], [0x5d, 'min'], [0x5e, 'div'], [0x5f, 'max']] as const).flatMap(([opcode, name]) =>
    FORMATS.map(([prefix, suffix, operands]) => row(`${prefix} ${hex(opcode)}`, `v${name}${suffix}`, operands))),
  // Packed, they have one source; scalar, what is above the result comes from another.
  ...([[0x51, 'sqrt', 4], [0x52, 'rsqrt', 2], [0x53, 'rcp', 2]] as const).flatMap(([opcode, name, formats]) =>
    FORMATS.filter((_, i) => formats === 4 || i % 2 === 0).map(([prefix, suffix, operands], i) => {
      const isPacked = formats === 4 ? i < 2 : i === 0
      return row(`${prefix} ${hex(opcode)}`, `v${name}${suffix}`, isPacked ? 'Vx Wx' : operands)
    })),
  ...FORMATS.map(([prefix, suffix, operands]) => row(`${prefix} c2`, `vcmp${suffix}`, `${operands} Ib`)),
  ...scalarComparisons(vex),
  row('vex.66.0f 7c', 'vhaddpd', 'Vx Hx Wx'), row('vex.f2.0f 7c', 'vhaddps', 'Vx Hx Wx'),
  row('vex.66.0f 7d', 'vhsubpd', 'Vx Hx Wx'), row('vex.f2.0f 7d', 'vhsubps', 'Vx Hx Wx'),
  row('vex.66.0f d0', 'vaddsubpd', 'Vx Hx Wx'), row('vex.f2.0f d0', 'vaddsubps', 'Vx Hx Wx'),
  row('vex.66.0f3a 08', 'vroundps', 'Vx Wx Ib'), row('vex.66.0f3a 09', 'vroundpd', 'Vx Wx Ib'),
  row('vex.lig.66.0f3a 0a', 'vroundss', 'Vd Hd Wd Ib'), row('vex.lig.66.0f3a 0b', 'vroundsd', 'Vq Hq Wq Ib'),
  row('vex.66.0f3a 40', 'vdpps', 'Vx Hx Wx Ib'), row('vex.128.66.0f3a 41', 'vdppd', 'Vx Hx Wx Ib'),
]

const conversions: Row[] = [
  row('vex.lig.f3.0f 2a', 'vcvtsi2ss', 'Vd Hd Ey'), row('vex.lig.f2.0f 2a', 'vcvtsi2sd', 'Vq Hq Ey'),
  ...truncations(vex),
  ...roundings(vex),
  row('vex.np.0f 5a', 'vcvtps2pd', 'Vx Wh'), row('vex.66.0f 5a', 'vcvtpd2ps', 'Vo Wx'),
  row('vex.lig.f3.0f 5a', 'vcvtss2sd', 'Vq Hq Wd'), row('vex.lig.f2.0f 5a', 'vcvtsd2ss', 'Vd Hd Wq'),
  row('vex.np.0f 5b', 'vcvtdq2ps', 'Vx Wx'), row('vex.66.0f 5b', 'vcvtps2dq', 'Vx Wx'), row('vex.f3.0f 5b', 'vcvttps2dq', 'Vx Wx'),
  row('vex.66.0f e6', 'vcvttpd2dq', 'Vo Wx'), row('vex.f2.0f e6', 'vcvtpd2dq', 'Vo Wx'), row('vex.f3.0f e6', 'vcvtdq2pd', 'Vx Wh'),
]

/** ANDPS and ANDPD are PAND; unpacking floats is unpacking integers. */
const bitwise: Row[] = [
  ...['vex.np.0f', 'vex.66.0f'].flatMap((prefix) => [['54', 'vpand'], ['55', 'vpandn'], ['56', 'vpor'], ['57', 'vpxor']].map(([opcode, name]) =>
    row(`${prefix} ${opcode}`, name, 'Vx Hx Wx'))),
  row('vex.np.0f 14', 'vpunpckldq', 'Vx Hx Wx'), row('vex.66.0f 14', 'vpunpcklqdq', 'Vx Hx Wx'),
  row('vex.np.0f 15', 'vpunpckhdq', 'Vx Hx Wx'), row('vex.66.0f 15', 'vpunpckhqdq', 'Vx Hx Wx'),
  row('vex.np.0f c6', 'vshufps', 'Vx Hx Wx Ib'), row('vex.66.0f c6', 'vshufpd', 'Vx Hx Wx Ib'),
  row('vex.66.0f3a 0c', 'vblendps', 'Vx Hx Wx Ib'), row('vex.66.0f3a 0d', 'vblendpd', 'Vx Hx Wx Ib'),
  row('vex.66.0f3a.w0 4a', 'vblendvps', 'Vx Hx Wx Lx'), row('vex.66.0f3a.w0 4b', 'vblendvpd', 'Vx Hx Wx Lx'),
  row('vex.np.0f 50', 'vmovmskps', 'Gd Ux'), row('vex.66.0f 50', 'vmovmskpd', 'Gd Ux'),
  row('vex.66.0f38.w0 0e', 'vtestps', 'Vx Wx'), row('vex.66.0f38.w0 0f', 'vtestpd', 'Vx Wx'),
  row('vex.66.0f38.w0 0c', 'vpermilps', 'Vx Hx Wx'), row('vex.66.0f38.w0 0d', 'vpermilpd', 'Vx Hx Wx'),
  row('vex.66.0f3a.w0 04', 'vpermilps_immediate', 'Vx Wx Ib'), row('vex.66.0f3a.w0 05', 'vpermilpd_immediate', 'Vx Wx Ib'),
  row('vex.128.66.0f3a 17', 'vpextrd', 'Ed Vo Ib'), row('vex.128.66.0f3a 21 reg', 'vinsertps', 'Vo Ho Uo Ib'), row('vex.128.66.0f3a 21 mem', 'vinsertps', 'Vo Ho Md Ib'),
]

const half: Row[] = [row('vex.66.0f38.w0 13', 'vcvtph2ps', 'Vx Wh'), row('vex.66.0f3a.w0 1d', 'vcvtps2ph', 'Wh Vx Ib')]

export const VEX_FLOAT_ROWS: readonly Row[] = [...feature('avx', [...arithmetic, ...conversions, ...bitwise]), ...feature('f16c', half)]
