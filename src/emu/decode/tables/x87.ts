/** x87 (Intel SDM volume 2, appendix A, tables) with FXSAVE and FXRSTOR. */
import { type Row, row, rows } from '../rows.ts'

/** D8, DA, DC, DE by ModRM.reg. */
const ARITHMETIC = ['fadd', 'fmul', 'fcom', 'fcomp', 'fsub', 'fsubr', 'fdiv', 'fdivr'] as const
const stack = (opcode: string, digit: number): string => `${opcode} =${(0xc0 + digit * 8).toString(16)}+i`

const arithmetic: Row[] = [
  ...rows(8, (i) => row(`d8 mem /${i}`, `${ARITHMETIC[i]}_float`, 'Md')),
  ...rows(8, (i) => row(`dc mem /${i}`, `${ARITHMETIC[i]}_float`, 'Mq')),
  ...rows(8, (i) => row(`da mem /${i}`, `${ARITHMETIC[i]}_int`, 'Md')),
  ...rows(8, (i) => row(`de mem /${i}`, `${ARITHMETIC[i]}_int`, 'Mw')),
  ...rows(8, (i) => row(stack('d8', i), ARITHMETIC[i], 'F')),
  // To ST(i): subtraction and division have their reversed forms exchanged, so that ST(i) op ST(0) keeps its digit.
  ...([[0, 'fadd'], [1, 'fmul'], [4, 'fsubr'], [5, 'fsub'], [6, 'fdivr'], [7, 'fdiv']] as const).flatMap(([digit, name]) => [
    row(stack('dc', digit), `${name}_to`, 'F'), row(stack('de', digit), `${name}_pop`, 'F'),
  ]),
  // DC D0, DC D8 and DE D0 are undocumented aliases.
  row('dc =d0+i', 'fcom', 'F'), row('dc =d8+i', 'fcomp', 'F'), row('de =d0+i', 'fcomp', 'F'),
]

const compare: Row[] = [
  row('de =d9', 'fcompp'), row('da =e9', 'fucompp'),
  row('dd =e0+i', 'fucom', 'F'), row('dd =e8+i', 'fucomp', 'F'),
  row('db =f0+i', 'fcomi', 'F'), row('db =e8+i', 'fucomi', 'F'), row('df =f0+i', 'fcomip', 'F'), row('df =e8+i', 'fucomip', 'F'),
  row('d9 =e4', 'ftst'), row('d9 =e5', 'fxam'),
]

const transfer: Row[] = [
  row('d9 mem /0', 'fld_float', 'Md'), row('dd mem /0', 'fld_float', 'Mq'), row('db mem /5', 'fld_extended', 'Mt'),
  row('d9 mem /2', 'fst_float', 'Md'), row('dd mem /2', 'fst_float', 'Mq'),
  row('d9 mem /3', 'fstp_float', 'Md'), row('dd mem /3', 'fstp_float', 'Mq'), row('db mem /7', 'fstp_extended', 'Mt'),
  row('df mem /0', 'fild', 'Mw'), row('db mem /0', 'fild', 'Md'), row('df mem /5', 'fild', 'Mq'),
  row('df mem /2', 'fist', 'Mw'), row('db mem /2', 'fist', 'Md'),
  row('df mem /3', 'fistp', 'Mw'), row('db mem /3', 'fistp', 'Md'), row('df mem /7', 'fistp', 'Mq'),
  row('df mem /4', 'fbld', 'Mt'), row('df mem /6', 'fbstp', 'Mt'),
  row('d9 =c0+i', 'fld', 'F'), row('dd =d0+i', 'fst', 'F'), row('dd =d8+i', 'fstp', 'F'), row('d9 =c8+i', 'fxch', 'F'),
  // Undocumented aliases.
  row('d9 =d8+i', 'fstpnce', 'F'), row('df =d0+i', 'fstp', 'F'), row('df =d8+i', 'fstp', 'F'),
  row('dd =c8+i', 'fxch', 'F'), row('df =c8+i', 'fxch', 'F'),
  ...(['b', 'e', 'be', 'u'] as const).flatMap((condition, i) => [
    row(stack('da', i), `fcmov${condition}`, 'F'), row(stack('db', i), `fcmovn${condition}`, 'F'),
  ]),
  ...(['1', 'l2t', 'l2e', 'pi', 'lg2', 'ln2', 'z'] as const).map((name, i) => row(`d9 =${(0xe8 + i).toString(16)}`, `fld${name}`)),
]

const functions: Row[] = [
  row('d9 =e0', 'fchs'), row('d9 =e1', 'fabs'),
  ...['f2xm1', 'fyl2x', 'fptan', 'fpatan', 'fxtract', 'fprem1', 'fdecstp', 'fincstp',
    'fprem', 'fyl2xp1', 'fsqrt', 'fsincos', 'frndint', 'fscale', 'fsin', 'fcos'].map((name, i) => row(`d9 =${(0xf0 + i).toString(16)}`, name)),
]

const control: Row[] = [
  row('9b', 'fwait'), row('d9 =d0', 'fnop'),
  row('dd =c0+i', 'ffree', 'F'), row('df =c0+i', 'ffreep', 'F'),
  row('d9 mem /5', 'fldcw', 'Mw'), row('d9 mem /7', 'fnstcw', 'Mw'), row('dd mem /7', 'fnstsw', 'Mw'), row('df =e0', 'fnstsw_ax'),
  row('db =e2', 'fnclex'), row('db =e3', 'fninit'),
  // FENI, FDISI (8087) and FSETPM (80287): no effect since.
  row('db =e0', 'fnop_control'), row('db =e1', 'fnop_control'), row('db =e4', 'fnop_control'),
  // 66 makes the images those of 16-bit mode.
  row('d9 mem /4', 'fldenv', 'Mv'), row('d9 mem /6', 'fnstenv', 'Mv'), row('dd mem /4', 'frstor', 'Mv'), row('dd mem /6', 'fnsave', 'Mv'),
  row('np 0f ae /0 mem', 'fxsave', 'My'), row('np 0f ae /1 mem', 'fxrstor', 'My'),
]

export const X87_ROWS: readonly Row[] = [...arithmetic, ...compare, ...transfer, ...functions, ...control]
