/** What came after SSE2 and is encoded without VEX (Intel SDM volume 2, appendix A, tables ), by extension. */
import { type Row, feature, row } from '../rows.ts'

const hex = (opcode: number): string => opcode.toString(16).padStart(2, '0')
const byte = 'unsigned-immediate'

const sse3: Row[] = [
  row('f2 0f 12', 'movddup', 'Vx Wq'), row('f3 0f 12', 'movsldup', 'Vx Wx'), row('f3 0f 16', 'movshdup', 'Vx Wx'),
  row('f2 0f f0', 'movu', 'Vx Mx'),
  row('66 0f 7c', 'haddpd', 'Vx Wx'), row('f2 0f 7c', 'haddps', 'Vx Wx'), row('66 0f 7d', 'hsubpd', 'Vx Wx'), row('f2 0f 7d', 'hsubps', 'Vx Wx'),
  row('66 0f d0', 'addsubpd', 'Vx Wx'), row('f2 0f d0', 'addsubps', 'Vx Wx'),
  row('df mem /1', 'fisttp', 'Mw'), row('db mem /1', 'fisttp', 'Md'), row('dd mem /1', 'fisttp', 'Mq'),
]

/** Each with an MMX form. */
const SSSE3_OPCODES = {
  pshufb: 0x00, phaddw: 0x01, phaddd: 0x02, phaddsw: 0x03, pmaddubsw: 0x04, phsubw: 0x05, phsubd: 0x06, phsubsw: 0x07,
  psignb: 0x08, psignw: 0x09, psignd: 0x0a, pmulhrsw: 0x0b, pabsb: 0x1c, pabsw: 0x1d, pabsd: 0x1e,
}
const ssse3: Row[] = [
  ...Object.entries(SSSE3_OPCODES).flatMap(([name, opcode]) => [
    row(`66 0f 38 ${hex(opcode)}`, name, 'Vx Wx'), row(`np 0f 38 ${hex(opcode)}`, `mmx_${name}`, 'Pq Qq'),
  ]),
  row('66 0f 3a 0f', 'palignr', 'Vx Wx Ib', byte), row('np 0f 3a 0f', 'mmx_palignr', 'Pq Qq Ib', byte),
]

const SSE41_OPCODES = {
  pmuldq: 0x28, pcmpeqq: 0x29, packusdw: 0x2b, pminsb: 0x38, pminsd: 0x39, pminuw: 0x3a, pminud: 0x3b,
  pmaxsb: 0x3c, pmaxsd: 0x3d, pmaxuw: 0x3e, pmaxud: 0x3f, pmulld: 0x40, phminposuw: 0x41, ptest: 0x17,
}
const sse41: Row[] = [
  ...Object.entries(SSE41_OPCODES).map(([name, opcode]) => row(`66 0f 38 ${hex(opcode)}`, name, 'Vx Wx')),
  ...([['bw', 'q'], ['bd', 'd'], ['bq', 'w'], ['wd', 'q'], ['wq', 'd'], ['dq', 'q']] as const).flatMap(([suffix, size], i) => [
    row(`66 0f 38 ${hex(0x20 + i)}`, `pmovsx${suffix}`, `Vx W${size}`), row(`66 0f 38 ${hex(0x30 + i)}`, `pmovzx${suffix}`, `Vx W${size}`),
  ]),
  row('66 0f 38 10', 'pblendvb', 'Vx Wx Xx'), row('66 0f 38 14', 'blendvps', 'Vx Wx Xx'), row('66 0f 38 15', 'blendvpd', 'Vx Wx Xx'),
  row('66 0f 38 2a', 'mova', 'Vx Mx'),
  row('66 0f 3a 08', 'roundps', 'Vx Wx Ib', byte), row('66 0f 3a 09', 'roundpd', 'Vx Wx Ib', byte),
  row('66 0f 3a 0a', 'roundss', 'Vd Wd Ib', byte), row('66 0f 3a 0b', 'roundsd', 'Vq Wq Ib', byte),
  row('66 0f 3a 0c', 'blendps', 'Vx Wx Ib', byte), row('66 0f 3a 0d', 'blendpd', 'Vx Wx Ib', byte), row('66 0f 3a 0e', 'pblendw', 'Vx Wx Ib', byte),
  row('66 0f 3a 14 reg', 'pextrb', 'Rd Vx Ib', byte), row('66 0f 3a 14 mem', 'pextrb', 'Mb Vx Ib', byte),
  row('66 0f 3a 15 reg', 'pextrw_extended', 'Rd Vx Ib', byte), row('66 0f 3a 15 mem', 'pextrw_extended', 'Mw Vx Ib', byte),
  row('66 0f 3a 16 w0', 'pextrd', 'Ed Vx Ib', byte), row('66 0f 3a 16 w1', 'pextrq', 'Eq Vx Ib', byte), row('66 0f 3a 17', 'pextrd', 'Ed Vx Ib', byte),
  row('66 0f 3a 20 reg', 'pinsrb', 'Vx Rd Ib', byte), row('66 0f 3a 20 mem', 'pinsrb', 'Vx Mb Ib', byte),
  row('66 0f 3a 21 reg', 'insertps', 'Vx Ux Ib', byte), row('66 0f 3a 21 mem', 'insertps', 'Vx Md Ib', byte),
  row('66 0f 3a 22 w0', 'pinsrd', 'Vx Ed Ib', byte), row('66 0f 3a 22 w1', 'pinsrq', 'Vx Eq Ib', byte),
  row('66 0f 3a 40', 'dpps', 'Vx Wx Ib', byte), row('66 0f 3a 41', 'dppd', 'Vx Wx Ib', byte), row('66 0f 3a 42', 'mpsadbw', 'Vx Wx Ib', byte),
]

const sse42: Row[] = [
  row('66 0f 38 37', 'pcmpgtq', 'Vx Wx'),
  row('f2 0f 38 f0', 'crc32', 'Gy Eb'), row('f2 0f 38 f1', 'crc32', 'Gy Ev'),
  row('66 0f 3a 60 w0', 'pcmpestrm', 'Vx Wx Xx Ib', byte), row('66 0f 3a 60 w1', 'pcmpestrm_w', 'Vx Wx Xx Ib', byte),
  row('66 0f 3a 61 w0', 'pcmpestri', 'Vx Wx Ib', byte), row('66 0f 3a 61 w1', 'pcmpestri_w', 'Vx Wx Ib', byte),
  row('66 0f 3a 62', 'pcmpistrm', 'Vx Wx Xx Ib', byte), row('66 0f 3a 63', 'pcmpistri', 'Vx Wx Ib', byte),
]

const aes: Row[] = [
  row('66 0f 38 db', 'aesimc', 'Vx Wx'), row('66 0f 38 dc', 'aesenc', 'Vx Wx'), row('66 0f 38 dd', 'aesenclast', 'Vx Wx'),
  row('66 0f 38 de', 'aesdec', 'Vx Wx'), row('66 0f 38 df', 'aesdeclast', 'Vx Wx'), row('66 0f 3a df', 'aeskeygenassist', 'Vx Wx Ib', byte),
]

const sha: Row[] = [
  row('np 0f 3a cc', 'sha1rnds4', 'Vx Wx Ib', byte), row('np 0f 38 c8', 'sha1nexte', 'Vx Wx'), row('np 0f 38 c9', 'sha1msg1', 'Vx Wx'),
  row('np 0f 38 ca', 'sha1msg2', 'Vx Wx'), row('np 0f 38 cb', 'sha256rnds2', 'Vx Wx Xx'), row('np 0f 38 cc', 'sha256msg1', 'Vx Wx'),
  row('np 0f 38 cd', 'sha256msg2', 'Vx Wx'),
]

/** Bases of FS and GS. Writing one ends a block: translations take it for what it was when they were entered. */
const bases: Row[] = [
  row('f3 0f ae /0 reg', 'rdfsbase', 'Ry'), row('f3 0f ae /1 reg', 'rdgsbase', 'Ry'),
  row('f3 0f ae /2 reg', 'wrfsbase', 'Ry', 'end'), row('f3 0f ae /3 reg', 'wrgsbase', 'Ry', 'end'),
]

/** What a repeat prefix makes undefined, where 66 sets the size of operands. */
const undefinedRepeats: Row[] = [
  ...['f3 0f 38 f0', 'f3 0f 38 f1', 'f3 0f c7 /6 reg', 'f2 0f c7 /6 reg', 'f2 0f c7 /7 reg'].map((text) => row(text, 'ud', '', 'end')),
]

/** They come before all other rows: of those that a processor lacks, some then are what they were before (BSF, BSR). */
export const EXTENSION_ROWS: readonly Row[] = [
  ...feature('sse3', sse3), ...feature('ssse3', ssse3), ...feature('sse4_1', sse41), ...feature('sse4_2', sse42),
  ...feature('cx16', [row('0f c7 /1 mem w1', 'cmpxchg16b', 'Mx', 'lock')]),
  ...feature('popcnt', [row('f3 0f b8', 'popcnt', 'Gv Ev')]),
  ...feature('lzcnt', [row('f3 0f bd', 'lzcnt', 'Gv Ev')]), ...feature('bmi1', [row('f3 0f bc', 'tzcnt', 'Gv Ev')]),
  ...undefinedRepeats,
  ...feature('movbe', [row('0f 38 f0', 'movbe', 'Gv Mv'), row('0f 38 f1', 'movbe', 'Mv Gv')]),
  ...feature('adx', [row('66 0f 38 f6', 'adcx', 'Gy Ey'), row('f3 0f 38 f6', 'adox', 'Gy Ey')]),
  ...feature('aes', aes), ...feature('pclmulqdq', [row('66 0f 3a 44', 'pclmulqdq', 'Vx Wx Ib', byte)]), ...feature('sha', sha),
  ...feature('fsgsbase', bases),
  ...feature('rdpid', [row('f3 0f c7 /7 reg', 'rdpid', 'Rq')]),
  ...feature('rdrand', [row('0f c7 /6 reg', 'rdrand', 'Rv')]), ...feature('rdseed', [row('0f c7 /7 reg', 'rdseed', 'Rv')]),
  ...feature('rdtscp', [row('0f 01 =f9', 'rdtscp', '', 'end')]),
  ...feature('xsave', [row('np 0f 01 =d1', 'privileged', '', 'end')]),
  ...feature('clflushopt', [row('66 0f ae /7 mem', 'clflush', 'Mb')]), ...feature('clwb', [row('66 0f ae /6 mem', 'clflush', 'Mb')]),
]
