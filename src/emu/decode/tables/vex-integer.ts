/**
 * AVX and AVX2 on packed integers (Intel SDM volume 2, appendix A, tables ). A processor with the one and without the
 * other is none of our models, so the forms of 128 bits are not told apart here.
 */
import { type Row, feature, row } from '../rows.ts'
import { LANE_OPCODES, SHIFT_GROUPS } from './sse-integer.ts'

const hex = (opcode: number): string => opcode.toString(16).padStart(2, '0')

/** 66 0F 38 of those with two sources. */
const BINARY_38 = {
  pshufb: 0x00, phaddw: 0x01, phaddd: 0x02, phaddsw: 0x03, pmaddubsw: 0x04, phsubw: 0x05, phsubd: 0x06, phsubsw: 0x07,
  psignb: 0x08, psignw: 0x09, psignd: 0x0a, pmulhrsw: 0x0b,
  pmuldq: 0x28, pcmpeqq: 0x29, packusdw: 0x2b, pcmpgtq: 0x37, pminsb: 0x38, pminsd: 0x39, pminuw: 0x3a, pminud: 0x3b,
  pmaxsb: 0x3c, pmaxsd: 0x3d, pmaxuw: 0x3e, pmaxud: 0x3f, pmulld: 0x40,
}
const UNARY_38 = { pabsb: 0x1c, pabsw: 0x1d, pabsd: 0x1e }
const SHIFTS: ReadonlySet<string> = new Set(SHIFT_GROUPS.map(([, , name]) => name))

const fromSse: Row[] = [
  ...Object.entries(LANE_OPCODES).map(([name, opcode]) => row(`vex.66.0f ${hex(opcode)}`, `v${name}`, SHIFTS.has(name) ? 'Vx Hx Wo' : 'Vx Hx Wx')),
  row('vex.66.0f 6c', 'vpunpcklqdq', 'Vx Hx Wx'), row('vex.66.0f 6d', 'vpunpckhqdq', 'Vx Hx Wx'),
  ...SHIFT_GROUPS.map(([opcode, digit, name]) => row(`vex.66.0f ${hex(opcode)} /${digit}`, `v${name}`, 'Hx Ux Ib')),
  row('vex.66.0f 73 /3', 'vpsrldq', 'Hx Ux Ib'), row('vex.66.0f 73 /7', 'vpslldq', 'Hx Ux Ib'),
  row('vex.66.0f 70', 'vpshufd', 'Vx Wx Ib'), row('vex.f2.0f 70', 'vpshuflw', 'Vx Wx Ib'), row('vex.f3.0f 70', 'vpshufhw', 'Vx Wx Ib'),
  ...Object.entries(BINARY_38).map(([name, opcode]) => row(`vex.66.0f38 ${hex(opcode)}`, `v${name}`, 'Vx Hx Wx')),
  ...Object.entries(UNARY_38).map(([name, opcode]) => row(`vex.66.0f38 ${hex(opcode)}`, `v${name}`, 'Vx Wx')),
  ...([['bw', 'h'], ['bd', 'r'], ['bq', 'e'], ['wd', 'h'], ['wq', 'r'], ['dq', 'h']] as const).flatMap(([suffix, size], i) => [
    row(`vex.66.0f38 ${hex(0x20 + i)}`, `vpmovsx${suffix}`, `Vx W${size}`), row(`vex.66.0f38 ${hex(0x30 + i)}`, `vpmovzx${suffix}`, `Vx W${size}`),
  ]),
  row('vex.66.0f d7', 'vpmovmskb', 'Gd Ux'), row('vex.66.0f38 17', 'vptest', 'Vx Wx'), row('vex.128.66.0f38 41', 'vphminposuw', 'Vx Wx'),
  row('vex.66.0f3a 0e', 'vpblendw', 'Vx Hx Wx Ib'), row('vex.66.0f3a 0f', 'vpalignr', 'Vx Hx Wx Ib'), row('vex.66.0f3a 42', 'vmpsadbw', 'Vx Hx Wx Ib'),
  row('vex.66.0f3a.w0 4c', 'vpblendvb', 'Vx Hx Wx Lx'),
  row('vex.128.66.0f c4 reg', 'vpinsrw', 'Vo Ho Rd Ib'), row('vex.128.66.0f c4 mem', 'vpinsrw', 'Vo Ho Mw Ib'), row('vex.128.66.0f c5', 'vpextrw', 'Gd Uo Ib'),
  row('vex.128.66.0f3a 20 reg', 'vpinsrb', 'Vo Ho Rd Ib'), row('vex.128.66.0f3a 20 mem', 'vpinsrb', 'Vo Ho Mb Ib'),
  row('vex.128.66.0f3a.w0 22', 'vpinsrd', 'Vo Ho Ed Ib'), row('vex.128.66.0f3a.w1 22', 'vpinsrq', 'Vo Ho Eq Ib'),
  row('vex.128.66.0f3a 14 reg', 'vpextrb', 'Rd Vo Ib'), row('vex.128.66.0f3a 14 mem', 'vpextrb', 'Mb Vo Ib'),
  row('vex.128.66.0f3a 15 reg', 'vpextrw', 'Rd Vo Ib'), row('vex.128.66.0f3a 15 mem', 'vpextrw', 'Mw Vo Ib'),
  row('vex.128.66.0f3a.w0 16', 'vpextrd', 'Ed Vo Ib'), row('vex.128.66.0f3a.w1 16', 'vpextrq', 'Eq Vo Ib'),
]

/** Those that write no vector register are the SSE instructions as they are. */
const strings: Row[] = [
  row('vex.128.66.0f3a.w0 60', 'vpcmpestrm', 'Vo Wo Xo Ib'), row('vex.128.66.0f3a.w1 60', 'vpcmpestrm_w', 'Vo Wo Xo Ib'),
  row('vex.128.66.0f3a.w0 61', 'pcmpestri', 'Vo Wo Ib'), row('vex.128.66.0f3a.w1 61', 'pcmpestri_w', 'Vo Wo Ib'),
  row('vex.128.66.0f3a 62', 'vpcmpistrm', 'Vo Wo Xo Ib'), row('vex.128.66.0f3a 63', 'pcmpistri', 'Vo Wo Ib'),
]

const avx2: Row[] = [
  row('vex.66.0f38.w0 45', 'vpsrlvd', 'Vx Hx Wx'), row('vex.66.0f38.w1 45', 'vpsrlvq', 'Vx Hx Wx'), row('vex.66.0f38.w0 46', 'vpsravd', 'Vx Hx Wx'),
  row('vex.66.0f38.w0 47', 'vpsllvd', 'Vx Hx Wx'), row('vex.66.0f38.w1 47', 'vpsllvq', 'Vx Hx Wx'),
  row('vex.256.66.0f38.w0 36', 'vpermd', 'Vx Hx Wx'), row('vex.256.66.0f38.w0 16', 'vpermd', 'Vx Hx Wx'),
  row('vex.256.66.0f3a.w1 00', 'vpermq', 'Vx Wx Ib'), row('vex.256.66.0f3a.w1 01', 'vpermq', 'Vx Wx Ib'),
  row('vex.256.66.0f3a.w0 46', 'vperm2x128', 'Vx Hx Wx Ib'),
  row('vex.66.0f3a.w0 02', 'vblendps', 'Vx Hx Wx Ib'),
]

const ciphers: Row[] = [
  ...Object.entries({ aesenc: 0xdc, aesenclast: 0xdd, aesdec: 0xde, aesdeclast: 0xdf }).map(([name, opcode]) => row(`vex.128.66.0f38 ${hex(opcode)}`, `v${name}`, 'Vx Hx Wx')),
  row('vex.128.66.0f38 db', 'vaesimc', 'Vx Wx'), row('vex.128.66.0f3a df', 'vaeskeygenassist', 'Vx Wx Ib'),
]

export const VEX_INTEGER_ROWS: readonly Row[] = [
  ...feature('avx', [...fromSse, ...strings, row('vex.256.66.0f3a.w0 06', 'vperm2x128', 'Vx Hx Wx Ib')]), ...feature('avx2', avx2),
  ...feature('avx', feature('aes', ciphers)), ...feature('avx', feature('pclmulqdq', [row('vex.128.66.0f3a 44', 'vpclmulqdq', 'Vx Hx Wx Ib')])),
]
