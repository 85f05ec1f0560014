/**
 * The functions of the vDSO.
 *
 * Time is what the system call would say: the cycle counter (RDTSC, which is the world's clock on every virtual CPU) divided
 * by the frequency as `time/clock.ts` does, in integers. If the data changes on the way, its sequence number tells, and
 * the time is read again.
 */
import { CLOCK_TAI, COARSE_NANOSECONDS, NANOSECONDS } from '../abi/time.ts'
import { Assembler, JUMP_IF } from './assembler.ts'

/** The page of data: byte offsets. */
export const DATA_SEQUENCE = 0, DATA_CPU = 4, DATA_HZ = 8, DATA_BASE_SECONDS = 16, DATA_BASE_NANOSECONDS = 24,
  DATA_TAI = 32, DATA_TIMEZONE = 40, DATA_BILLION = 48

const CLOCK_GETTIME = 228, CLOCK_GETRES = 229

/** Clocks that are made from the cycle counter: all but those of CPU time and the alarms. */
const HANDLED = 1 << 0 | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 11
const REALTIME = 1 << 0 | 1 << 5 | 1 << 11

/** Jumps to `other` unless edi is a clock of the set. */
const testClock = (a: Assembler, set: number, other: string): void => {
  a.immediate([0xb8], set) // mov eax, set
  a.code(0x0f, 0xa3, 0xf8) // bt eax, edi
  a.jumpIf(JUMP_IF.notBelow, other)
}
/** Jumps to `other` if edi, unsigned, is no clock of small number at all: BT would take it modulo 32. */
const testRange = (a: Assembler, other: string): void => {
  a.code(0x83, 0xff, CLOCK_TAI) // cmp edi, 11
  a.jumpIf(JUMP_IF.above, other)
}

/** Sequence number to r8d; time since the start: seconds to r9, nanoseconds to rax. Changes rcx, rdx. */
const readCounter = (a: Assembler): void => {
  a.withData([0x44, 0x8b, 0x05], DATA_SEQUENCE) // mov r8d, [sequence]
  a.code(0x0f, 0x31) // rdtsc
  a.code(0x48, 0xc1, 0xe2, 32) // shl rdx, 32
  a.code(0x48, 0x09, 0xd0) // or rax, rdx
  a.code(0x31, 0xd2) // xor edx, edx
  a.withData([0x48, 0xf7, 0x35], DATA_HZ) // div qword [hz]
  a.code(0x49, 0x89, 0xc1) // mov r9, rax
  a.code(0x48, 0x89, 0xd0) // mov rax, rdx
  a.withData([0x48, 0xf7, 0x25], DATA_BILLION) // mul qword [billion]
  a.withData([0x48, 0xf7, 0x35], DATA_HZ) // div qword [hz]
}

/** From time since the start to CLOCK_REALTIME; `name` makes its label unique. */
const addBase = (a: Assembler, name: string): void => {
  a.withData([0x4c, 0x03, 0x0d], DATA_BASE_SECONDS) // add r9, [base seconds]
  a.withData([0x48, 0x03, 0x05], DATA_BASE_NANOSECONDS) // add rax, [base nanoseconds]
  a.immediate([0x48, 0x3d], NANOSECONDS) // cmp rax, 10^9
  a.jumpIf(JUMP_IF.below, name)
  a.immediate([0x48, 0x2d], NANOSECONDS) // sub rax, 10^9
  a.code(0x49, 0xff, 0xc1) // inc r9
  a.label(name)
}

/** Back to `again` if the data changed meanwhile. */
const checkSequence = (a: Assembler, again: string): void => {
  a.withData([0x44, 0x3b, 0x05], DATA_SEQUENCE) // cmp r8d, [sequence]
  a.jumpIf(JUMP_IF.notEqual, again)
}

const returnZero = (a: Assembler): void => { a.code(0x31, 0xc0, 0xc3) } // xor eax, eax; ret
const makeSyscall = (a: Assembler, number: number): void => {
  a.immediate([0xb8], number) // mov eax, number
  a.code(0x0f, 0x05, 0xc3) // syscall; ret
}

/** int clock_gettime(clockid_t edi, struct timespec *rsi) */
const clockGettime = (a: Assembler): void => {
  testRange(a, 'gettime: call')
  testClock(a, HANDLED, 'gettime: call')
  a.label('gettime: again')
  readCounter(a)
  a.code(0x8d, 0x4f, 0xfb) // lea ecx, [rdi − 5]
  a.code(0x83, 0xf9, 1) // cmp ecx, 1: the two coarse clocks are 5 and 6
  a.jumpIf(JUMP_IF.above, 'gettime: fine')
  a.code(0x49, 0x89, 0xc2) // mov r10, rax
  a.code(0x31, 0xd2) // xor edx, edx
  a.immediate([0xb9], COARSE_NANOSECONDS) // mov ecx, tick
  a.code(0x48, 0xf7, 0xf1) // div rcx
  a.code(0x4c, 0x89, 0xd0) // mov rax, r10
  a.code(0x48, 0x29, 0xd0) // sub rax, rdx
  a.label('gettime: fine')
  a.immediate([0xb9], REALTIME) // mov ecx, realtime clocks
  a.code(0x0f, 0xa3, 0xf9) // bt ecx, edi
  a.jumpIf(JUMP_IF.notBelow, 'gettime: store')
  addBase(a, 'gettime: no carry')
  a.code(0x83, 0xff, CLOCK_TAI) // cmp edi, 11
  a.jumpIf(JUMP_IF.notEqual, 'gettime: store')
  a.withData([0x4c, 0x03, 0x0d], DATA_TAI) // add r9, [tai]
  a.label('gettime: store')
  checkSequence(a, 'gettime: again')
  a.code(0x4c, 0x89, 0x0e) // mov [rsi], r9
  a.code(0x48, 0x89, 0x46, 8) // mov [rsi + 8], rax
  returnZero(a)
  a.label('gettime: call')
  makeSyscall(a, CLOCK_GETTIME)
}

/** clock_gettime of those whose clocks the page of data does not know. */
export const callClockGettime = (): Uint8Array => {
  const a = new Assembler(0, 0)
  makeSyscall(a, CLOCK_GETTIME)
  return a.finish()
}

/** int gettimeofday(struct timeval *rdi, struct timezone *rsi) */
const gettimeofday = (a: Assembler): void => {
  a.code(0x48, 0x85, 0xff) // test rdi, rdi
  a.jumpIf(JUMP_IF.equal, 'timeofday: zone')
  a.label('timeofday: again')
  readCounter(a)
  addBase(a, 'timeofday: no carry')
  checkSequence(a, 'timeofday: again')
  a.code(0x31, 0xd2) // xor edx, edx
  a.immediate([0xb9], 1000) // mov ecx, 1000
  a.code(0x48, 0xf7, 0xf1) // div rcx
  a.code(0x4c, 0x89, 0x0f) // mov [rdi], r9
  a.code(0x48, 0x89, 0x47, 8) // mov [rdi + 8], rax
  a.label('timeofday: zone')
  a.code(0x48, 0x85, 0xf6) // test rsi, rsi
  a.jumpIf(JUMP_IF.equal, 'timeofday: done')
  a.withData([0x48, 0x8b, 0x05], DATA_TIMEZONE) // mov rax, [timezone]
  a.code(0x48, 0x89, 0x06) // mov [rsi], rax
  a.label('timeofday: done')
  returnZero(a)
}

/** time_t time(time_t *rdi) */
const time = (a: Assembler): void => {
  a.label('time: again')
  readCounter(a)
  addBase(a, 'time: no carry')
  checkSequence(a, 'time: again')
  a.code(0x4c, 0x89, 0xc8) // mov rax, r9
  a.code(0x48, 0x85, 0xff) // test rdi, rdi
  a.jumpIf(JUMP_IF.equal, 'time: done')
  a.code(0x48, 0x89, 0x07) // mov [rdi], rax
  a.label('time: done')
  a.code(0xc3) // ret
}

/** int clock_getres(clockid_t edi, struct timespec *rsi) */
const clockGetres = (a: Assembler): void => {
  testRange(a, 'getres: call')
  testClock(a, HANDLED, 'getres: call')
  a.code(0x48, 0x85, 0xf6) // test rsi, rsi
  a.jumpIf(JUMP_IF.equal, 'getres: done')
  a.immediate([0xb8], 1) // mov eax, 1
  a.code(0x8d, 0x4f, 0xfb) // lea ecx, [rdi − 5]
  a.code(0x83, 0xf9, 1) // cmp ecx, 1
  a.jumpIf(JUMP_IF.above, 'getres: store')
  a.immediate([0xb8], COARSE_NANOSECONDS) // mov eax, tick
  a.label('getres: store')
  a.immediate([0x48, 0xc7, 0x06], 0) // mov qword [rsi], 0
  a.code(0x48, 0x89, 0x46, 8) // mov [rsi + 8], rax
  a.label('getres: done')
  returnZero(a)
  a.label('getres: call')
  makeSyscall(a, CLOCK_GETRES)
}

/** long getcpu(unsigned *rdi, unsigned *rsi, void *) */
const getcpu = (a: Assembler): void => {
  a.code(0x48, 0x85, 0xff) // test rdi, rdi
  a.jumpIf(JUMP_IF.equal, 'getcpu: node')
  a.withData([0x8b, 0x05], DATA_CPU) // mov eax, [cpu]
  a.code(0x89, 0x07) // mov [rdi], eax
  a.label('getcpu: node')
  a.code(0x48, 0x85, 0xf6) // test rsi, rsi
  a.jumpIf(JUMP_IF.equal, 'getcpu: done')
  a.immediate([0xc7, 0x06], 0) // mov dword [rsi], 0
  a.label('getcpu: done')
  returnZero(a)
}

const FUNCTIONS: readonly (readonly [name: string, write: (a: Assembler) => void])[] = [
  ['clock_gettime', clockGettime], ['gettimeofday', gettimeofday], ['time', time], ['clock_getres', clockGetres], ['getcpu', getcpu],
]

export interface VdsoFunction {
  /** Without the prefix `__vdso_`. */
  readonly name: string
  /** In the image. */
  readonly offset: number
  readonly size: number
}

/** The code for a place in the image; `data` is where the data page begins, relative to the image. */
export const vdsoCode = (base: number, data: number): { bytes: Uint8Array, functions: readonly VdsoFunction[] } => {
  const a = new Assembler(base, data)
  const functions: VdsoFunction[] = []
  for (const [name, write] of FUNCTIONS) {
    a.align()
    const offset = a.here
    write(a)
    functions.push({ name, offset, size: a.here - offset })
  }
  return { bytes: a.finish(), functions }
}
