/** Branches, calls, system instructions, hints, and what user mode may not do. */
import { type Row, row, rows } from '../rows.ts'

const hex = (value: number): string => value.toString(16).padStart(2, '0')

const branches: Row[] = [
  ...rows(16, (i) => row(hex(0x70 + i), `j_${i}`, 'Jb')),
  ...rows(16, (i) => row(`0f ${hex(0x80 + i)}`, `j_${i}`, 'Jz')),
  row('eb', 'jmp', 'Jb'), row('e9', 'jmp', 'Jz'), row('e8', 'call', 'Jz'),
  row('ff /2', 'call_indirect', 'Eq', 'end'), row('ff /4', 'jmp_indirect', 'Eq', 'end'),
  row('c3', 'ret', '', 'end'), row('c2', 'ret_immediate', 'Iw', 'end', 'unsigned-immediate'),
  row('cf', 'iret', 'Sv', 'end'), row('cb', 'ret_far', 'Sv', 'end'), row('ca', 'ret_far_immediate', 'Sv Iw', 'end', 'unsigned-immediate'),
  row('a32 e0', 'loopne_a32', 'Jb'), row('a32 e1', 'loope_a32', 'Jb'), row('a32 e2', 'loop_a32', 'Jb'), row('a32 e3', 'jrcxz_a32', 'Jb'),
  row('e0', 'loopne', 'Jb'), row('e1', 'loope', 'Jb'), row('e2', 'loop', 'Jb'), row('e3', 'jrcxz', 'Jb'),
]

const system: Row[] = [
  row('0f 05', 'syscall', '', 'end'),
  row('0f a2', 'cpuid', '', 'end'),
  row('0f 31', 'rdtsc', '', 'end'),
  row('cc', 'int3', '', 'end'), row('f1', 'icebp', '', 'end'),
  row('cd', 'int', 'Ib', 'end', 'unsigned-immediate'),
  row('0f 0b', 'ud', '', 'end'), // UD1 and UD0: what follows is not looked at.
  row('0f b9', 'ud', '', 'end'), row('0f ff', 'ud', '', 'end'),
]

/** #GP(0) in user mode. */
const privileged: Row[] = [
  ...['6c', '6d', '6e', '6f', 'ec', 'ed', 'ee', 'ef', 'f4', 'fa', 'fb', '0f 06', '0f 08', '0f 09', '0f 30', '0f 32', '0f 33']
    .map((text) => row(text, 'privileged', '', 'end')),
  ...['e4', 'e5', 'e6', 'e7'].map((text) => row(text, 'privileged', 'Ib', 'end')),
  // Control registers that there are: 0, 2, 3, 4 and 8. ModRM.mod does not count.
  ...['0f 20', '0f 22'].flatMap((text) => [0, 2, 3, 4].map((digit) => row(`${text} /${digit}`, 'privileged', '', 'end'))),
  ...['0f 21', '0f 23'].map((text) => row(`${text} /r`, 'privileged', '', 'end')),
]

/** Of system tables: LLDT, LTR, LGDT, LIDT, LMSW, INVLPG; SWAPGS, SYSRET, SYSEXIT. */
const systemTables: Row[] = ['0f 00 /2', '0f 00 /3', '0f 01 /2 mem', '0f 01 /3 mem', '0f 01 /6', '0f 01 /7 mem'].map((text) => row(text, 'privileged', 'Ew', 'end'))
const systemReturns: Row[] = ['0f 01 =f8', '0f 07', '0f 35'].map((text) => row(text, 'privileged', '', 'end'))

/** Pointers with a selector. The size only one has tells how long the offset is. */
const far: Row[] = [['w0', ''], ['w1', '_w']].flatMap(([wide, suffix]) => [
  row(`ff /5 mem ${wide}`, `jmp_far${suffix}`, 'Sv M', 'end'), row(`ff /3 mem ${wide}`, `call_far${suffix}`, 'Sv M', 'end'),
  row(`0f b2 mem ${wide}`, `lss${suffix}`, 'Gv M'), row(`0f b4 mem ${wide}`, `lfs${suffix}`, 'Gv M', 'end'), row(`0f b5 mem ${wide}`, `lgs${suffix}`, 'Gv M', 'end'),
])

/** What user mode may ask of segments and system tables (semantics/segments.ts). */
const segments: Row[] = [
  row('0f 02', 'lar', 'Gv Ew'), row('0f 03', 'lsl', 'Gv Ew'), row('0f 00 /4', 'verr', 'Ew'), row('0f 00 /5', 'verw', 'Ew'),
  row('0f 00 /0 reg', 'sldt', 'Rv'), row('0f 00 /0 mem', 'sldt', 'Mw'), row('0f 00 /1 reg', 'str', 'Rv'), row('0f 00 /1 mem', 'str', 'Mw'),
  row('0f 01 /4 reg', 'smsw', 'Rv'), row('0f 01 /4 mem', 'smsw', 'Mw'), row('0f 01 /0 mem', 'sgdt', 'Mq'), row('0f 01 /1 mem', 'sidt', 'Mq'),
]

/** No effect: NOP with operands, hints (volume 2, NOP and table A-3 0F 18–1F; ENDBR64 is one of them without CET). */
const hints: Row[] = [
  ...rows(7, (i) => row(`0f ${hex(0x19 + i)}`, 'nop', 'Ev')),
]

export const CONTROL_ROWS: readonly Row[] = [...branches, ...system, ...privileged, ...systemTables, ...systemReturns, ...segments, ...far, ...hints]
