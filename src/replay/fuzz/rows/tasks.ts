/** Signals, processes, who one is, and time. */
import * as fc from 'fast-check'
import { type ArgumentArbitrary, inBytes, mapping, outBytes, path, pid } from '../arguments.ts'
import type { FuzzArgument } from '../program.ts'
import { CHILD, code, constant, mostly, none, O_NONBLOCK, onSlot, orNone, type Row, type Rows, SELF, structure, text, ZERO_TIME } from './row.ts'

/** Those that the guest has handlers for, 0, and such as are none. Not SIGRTMIN − 2 and − 1, which C libraries use; none that stops. */
const SIGNALS = constant(0, 10, 10, 12, 12, 17, 18, 23, 28, 35, 40, 64, 65, -1)
const DEADLY = mostly(SIGNALS, constant(9, 15, 2, 14))
const ANYBODY = fc.oneof({ arbitrary: SELF, weight: 5 }, { arbitrary: CHILD, weight: 2 }, { arbitrary: constant(4_194_303, 0, -1000), weight: 1 })
const OTHERS = fc.oneof({ arbitrary: SELF, weight: 5 }, { arbitrary: CHILD, weight: 2 }, { arbitrary: constant(4_194_303, 0), weight: 1 })
const WHOM = mostly(SELF, constant(0, 4_194_303, -1))
const SIGSET = structure([4, constant(0, 0x200, 0x800, 0xa00, 0x1_0000, -1)], [4, constant(0, 2, 0x8000_0000)])
/** With SA_RESTORER, as x86-64 has it. */
const SA = constant(0, 4, 4, 0x1000_0000, 0x1000_0004, 0x4000_0000, 0x8000_0004, 1, 2, 0x400, 0x800).map((it): FuzzArgument => ({ is: 'number', value: ((it as { value: number }).value | 0x400_0000) >>> 0 }))
const HANDLER: ArgumentArbitrary = fc.oneof({ arbitrary: code(0), weight: 3 }, { arbitrary: constant(1), weight: 2 }, { arbitrary: constant(0), weight: 1 })
/** A handler that looks at siginfo_t is told of it: Linux leaves what is on the stack otherwise. */
const WITH_INFORMATION = SA.map((it): FuzzArgument => it.is === 'number' ? { is: 'number', value: (it.value | 4) >>> 0 } : it)
const ACTION = fc.oneof(
  structure([8, HANDLER], [8, SA], [8, code(2)], [8, constant(0, 0x200, 0xa00)]), structure([8, code(1)], [8, WITH_INFORMATION], [8, code(2)], [8, constant(0, 0, 0x200, 0xa00)]),
)
/** siginfo_t that a program makes: SI_QUEUE and relatives. */
const INFORMATION = structure([4, SIGNALS], [4, constant(0, 3)], [4, constant(-1, -1, -2, -6, 0, 1, -60)], [4, constant(0)], [4, SELF], [4, constant(65534, 0)], [8, constant(7, 0x1_0000_0001)], [8, constant(0)]).map((it) => it.is === 'in' ? { ...it, bytes: [...it.bytes, ...new Array<number>(88).fill(0)] } : it)
const IDS = constant(65534, 65534, 65534, 0, 1000, -1)
const SECONDS = constant(0, 0, 5000, -1)
/** Off, or for longer than anything here lasts; from now, as hosts have run for longer, too. */
const TIMER = structure([8, constant(0, 0, 7, -1)], [8, constant(0, 0, 7, 1_000_000_000, -1)], [8, SECONDS], [8, constant(0, 0, 0, 0, 1_000_000_000, -1)])
const ITIMER = structure([8, SECONDS], [8, constant(0, 1, 1_000_000, -1)], [8, constant(0, 5000)], [8, constant(0, 0, 1_000_000, -1)])
const SIGEVENT = structure([8, constant(5, 77)], [4, constant(10, 12, 0, 65)], [4, constant(0, 1, 1, 4, 2, 9)], [4, SELF], [8, constant(0)], [8, constant(0)]).map((it) => it.is === 'in' ? { ...it, bytes: [...it.bytes, ...new Array<number>(32).fill(0)] } : it)
const TIMER_ID = constant(0, 0, 1, 2, 99, -1)
/** Not the alarm clocks, which need a real-time clock. */
const CLOCK = constant(0, 1, 2, 3, 4, 5, 6, 7, 11, 99, -1)
/** Not time of one's own processor, which does not pass in sleep. */
const SLEEPING = constant(0, 1, 3, 4, 5, 6, 7, 11, 99, -1)
const LIMIT = structure([8, constant(0, 16, 48, 1_000_000, -1)], [8, constant(48, 1_000_000, 10_000_000, -1)])
/** NOFILE, FSIZE, CORE, MEMLOCK, STACK, MSGQUEUE, none: what programs are given is the same everywhere. */
const RESOURCE = constant(7, 7, 1, 4, 8, 12, 99)
const SHOWN_RESOURCE = constant(7, 1, 4, 8, 3, 12, 11, 13, 14, 6, 16)
const CAPABILITIES = structure([4, constant(0x2008_0522, 0x2008_0522, 0x1998_0330, 0)], [4, constant(0, 0, -1, 4_194_303)])
/** The sixth argument is what the child does (guests/src/fuzz-run.c). */
const BEHAVIOUR = constant(0, 1, 2, 3, 4, 5, 6, 7)
/** Exit signals with flags: CLONE_FILES, CLONE_FS, CLONE_VFORK with and without CLONE_VM, CLONE_PARENT_SETTID, combinations that are none. */
const CLONE = constant(17, 17, 17 | 0x400, 17 | 0x200, 17 | 0x600, 0, 10, 64, 17 | 0x4000, 17 | 0x4100, 17 | 0x10_0000, 17 | 0x800, 17 | 0x1_0000, 17 | 0x2_0200, 65)
const CLONE_ARGS = structure(
  [8, constant(0, 0, 0x400, 0x200, 0x4000, 0x4100, 0x1_0000_0000, 0x1_0000, 0x10_0000)], [8, constant(0)], [8, constant(0)], [8, outBytes(4)], [8, constant(17, 17, 0, 10, 65)],
  [8, constant(0)], [8, constant(0, 0, 0, 4096)], [8, constant(0)], [8, constant(0)], [8, constant(0)], [8, constant(0)],
)
const ARGUMENTS = fc.constant<FuzzArgument>({
  is: 'in', bytes: new Array<number>(32).fill(0), patches: ['fuzz-run', 'exit', '9'].map((word, i) => ({ at: 8 * i, argument: { is: 'in', bytes: [...[...word].map((c) => c.charCodeAt(0)), 0] } })),
})
const NOTHING = fc.constant<FuzzArgument>({ is: 'in', bytes: new Array<number>(8).fill(0) })
const PROGRAM = fc.oneof({ arbitrary: text('/bin/fuzz-run', 'a', '/dev/null', '/nowhere'), weight: 2 }, { arbitrary: path, weight: 1 })
const NICE = constant(0, 5, 19, 20, -1, -20, 100)
const PARAMETER = structure([4, constant(0, 0, 1, 99, -1)])

export const taskRows: Rows = {
  rt_sigaction: { weight: 4, args: { 0: constant(10, 12, 17, 18, 13, 1, 15, 35, 40, 64, 28, 9, 19, 0, 65), 1: orNone(ACTION), 2: orNone(outBytes(32)), 3: constant(8, 8, 8, 8, 4) }, shows: [[2, 'all']] },
  rt_sigprocmask: { weight: 4, args: { 0: constant(0, 0, 1, 2, 2, 3), 1: orNone(SIGSET), 2: orNone(outBytes(8)), 3: constant(8, 8, 8, 8, 4) }, shows: [[2, 'all']] },
  rt_sigpending: { args: { 0: outBytes(8), 1: constant(8, 8, 4, 9) }, shows: [[0, 'all']] },
  rt_sigtimedwait: { weight: 3, args: { 0: SIGSET, 1: orNone(outBytes(128)), 2: ZERO_TIME, 3: constant(8, 8, 8, 4) }, shows: [[1, 'siginfo']] },
  rt_sigsuspend: { args: { 0: SIGSET, 1: constant(8, 8, 4) } }, pause: { weight: 1 },
  kill: { weight: 4, args: { 0: ANYBODY, 1: DEADLY } }, tkill: { args: { 0: ANYBODY, 1: DEADLY } }, tgkill: { args: { 0: ANYBODY, 1: ANYBODY, 2: DEADLY } },
  rt_sigqueueinfo: { weight: 3, args: { 0: OTHERS, 1: SIGNALS, 2: INFORMATION } }, rt_tgsigqueueinfo: { args: { 0: OTHERS, 1: OTHERS, 2: SIGNALS, 3: INFORMATION } },
  signalfd4: { result: 'fd', makes: 'signal', args: { 0: fc.oneof(constant(-1), onSlot('signal')), 1: SIGSET, 2: constant(8, 8, 8, 4), 3: constant(O_NONBLOCK, O_NONBLOCK | 1) } }, signalfd: { result: 'fd', makes: 'signal', weight: 1, args: { 0: constant(-1), 1: SIGSET, 2: constant(8, 4) } },
  sigaltstack: { args: { 0: orNone(structure([8, mapping], [4, constant(0, 1, 2, 4)], [4, constant(0)], [8, constant(0, 2047, 2048, 8192)])), 1: none } },

  getpid: { result: 'pid', weight: 1 }, getppid: { result: 'hidden', weight: 1 }, gettid: { result: 'pid', weight: 1 }, getpgrp: { result: 'pid', weight: 1 }, set_tid_address: { result: 'pid', weight: 1, args: { 0: none } },
  setpgid: { args: { 0: fc.oneof(SELF, CHILD, constant(0)), 1: fc.oneof(constant(0, -1), SELF) } }, getpgid: { result: 'pid', args: { 0: pid } }, getsid: { result: 'pid', args: { 0: pid } }, setsid: { result: 'pid', weight: 1 },
  fork: { result: 'child', weight: 2, all: [none, none, none, none, none, BEHAVIOUR] }, vfork: { result: 'child', weight: 1, all: [none, none, none, none, none, BEHAVIOUR] },
  clone: { result: 'child', weight: 2, all: [CLONE, none, outBytes(4), none, none, BEHAVIOUR], shows: [[2, 'integer']] }, clone3: { result: 'child', weight: 2, all: [CLONE_ARGS, constant(88, 88, 64, 80, 63, 72), none, none, none, BEHAVIOUR] },
  exit: { weight: 1, args: { 0: constant(0, 3, 256, -1) } }, exit_group: { weight: 1, args: { 0: constant(0, 3, 255) } },
  execve: { weight: 1, args: { 0: PROGRAM, 1: ARGUMENTS, 2: NOTHING } }, execveat: { weight: 1, args: { 1: PROGRAM, 2: ARGUMENTS, 3: NOTHING, 4: constant(0, 0, 0x100, 0x1000, 1) } },
  // Each waits for nothing: WNOHANG.
  wait4: { result: 'pid', weight: 4, args: { 0: fc.oneof({ arbitrary: constant(-1, -1, 0, 4_194_303), weight: 2 }, { arbitrary: SELF, weight: 1 }, { arbitrary: CHILD, weight: 2 }), 1: orNone(outBytes(4)), 2: constant(1, 1, 1, 3, 9, 11, 0x2000_0001, 0x4000_0001, 0x8000_0001, 5), 3: none }, shows: [[1, 'all']] },
  waitid: { weight: 4, args: { 0: constant(0, 1, 1, 2, 3, 4), 1: fc.oneof(constant(0, -1, 4_194_303), SELF, CHILD), 2: orNone(outBytes(128)), 3: constant(5, 5, 5, 7, 13, 0x100_0005, 1, 0x85, 0x4000_0005), 4: none }, shows: [[2, 'siginfo']] },
  pidfd_open: { result: 'fd', makes: 'pidfd', args: { 0: OTHERS, 1: constant(O_NONBLOCK, O_NONBLOCK, 1) } }, pidfd_send_signal: { weight: 1, on: 'pidfd', args: { 1: SIGNALS, 2: orNone(INFORMATION), 3: constant(0, 0, 0, 8) } },
  pidfd_getfd: { result: 'fd', makes: 'other', weight: 1, on: 'pidfd', args: { 1: constant(0, 3, 4, 47), 2: constant(0, 0, 1) } }, kcmp: { result: 'hidden', weight: 1, args: { 0: SELF, 1: SELF, 2: constant(1, 2, 3, 4, 5, 6, 9), 3: constant(0), 4: constant(0) } },

  getuid: { weight: 1 }, geteuid: { weight: 1 }, getgid: { weight: 1 }, getegid: { weight: 1 }, setuid: { weight: 1, args: { 0: IDS } }, setgid: { weight: 1, args: { 0: IDS } },
  setreuid: { weight: 1, args: { 0: IDS, 1: IDS } }, setregid: { weight: 1, args: { 0: IDS, 1: IDS } }, setresuid: { weight: 1, args: { 0: IDS, 1: IDS, 2: IDS } }, setresgid: { weight: 1, args: { 0: IDS, 1: IDS, 2: IDS } },
  getresuid: { weight: 1, args: { 0: outBytes(4), 1: outBytes(4), 2: outBytes(4) }, shows: [[0, 'all'], [1, 'all'], [2, 'all']] }, getresgid: { weight: 1, args: { 0: outBytes(4), 1: outBytes(4), 2: outBytes(4) }, shows: [[0, 'all'], [1, 'all'], [2, 'all']] },
  setfsuid: { weight: 1, args: { 0: IDS } }, setfsgid: { weight: 1, args: { 0: IDS } }, getgroups: { weight: 1, args: { 0: constant(0, 1, 4, -1), 1: outBytes(16) } }, setgroups: { weight: 1, args: { 0: constant(0, 1, 65537), 1: inBytes(16) } },
  capget: { weight: 1, args: { 0: CAPABILITIES, 1: orNone(outBytes(24)) }, shows: [[0, 'all'], [1, 'all']] }, capset: { weight: 1, args: { 0: CAPABILITIES, 1: structure([8, constant(0, 1)], [8, constant(0)], [8, constant(0)]) } },

  // Nothing about memory, speculation or what a host's kernel was built with.
  getpriority: { weight: 1, args: { 0: constant(0, 0, 1, 2, 3), 1: mostly(SELF, constant(0)) } }, setpriority: { weight: 1, args: { 0: constant(0, 0, 3), 1: SELF, 2: NICE } },
  getrlimit: { weight: 1, args: { 0: SHOWN_RESOURCE, 1: outBytes(16) }, shows: [[1, 'all']] }, setrlimit: { weight: 1, args: { 0: RESOURCE, 1: LIMIT } }, prlimit64: { args: { 0: WHOM, 1: RESOURCE, 2: orNone(LIMIT), 3: orNone(outBytes(16)) }, shows: [[3, 'all']] },
  getrusage: { weight: 1, args: { 0: constant(0, -1, 1, 5), 1: outBytes(144) } }, times: { result: 'hidden', weight: 1, args: { 0: outBytes(32) } }, sysinfo: { weight: 1, args: { 0: outBytes(112) } }, uname: { weight: 1, args: { 0: outBytes(390) } },
  sched_yield: { weight: 1 }, sched_getscheduler: { weight: 1, args: { 0: WHOM } }, sched_setscheduler: { weight: 1, args: { 0: WHOM, 1: constant(0, 0, 3, 5, 1, 2, 6, 9), 2: PARAMETER } }, sched_getparam: { weight: 1, args: { 0: WHOM, 1: outBytes(4) }, shows: [[1, 'all']] },
  sched_setparam: { weight: 1, args: { 0: WHOM, 1: PARAMETER } }, sched_get_priority_max: { weight: 1, args: { 0: constant(0, 1, 2, 3, 5, 6, 9, -1) } }, sched_get_priority_min: { weight: 1, args: { 0: constant(0, 1, 2, 3, 5, 6, 9, -1) } },
  sched_getaffinity: { result: 'hidden', weight: 1, args: { 0: WHOM, 1: constant(128, 128, 0, 7), 2: outBytes(128) } }, sched_setaffinity: { weight: 1, args: { 0: WHOM, 1: constant(8, 8, 0), 2: structure([8, constant(1, 3, 3, 0)]) } },
  getcpu: { weight: 1, args: { 0: outBytes(4), 1: outBytes(4), 2: none } }, personality: { weight: 1, args: { 0: constant(-1) } }, ioprio_get: { weight: 1, args: { 0: constant(1, 1, 3, 9), 1: WHOM } }, ioprio_set: { weight: 1, args: { 0: constant(1), 1: constant(0), 2: constant(0x4004, 0x6000, 0x2000, 0x8001, 0x4007) } },
  set_robust_list: { weight: 1, args: { 0: none, 1: constant(24, 24, 16) } }, arch_prctl: { weight: 1, args: { 0: constant(0x1003, 0x1004, 0x1234), 1: outBytes(8) } },
  sethostname: { weight: 1, args: { 1: constant(0, 4, 65) } }, getrandom: { weight: 1, args: { 1: constant(0, 1, 16, 256), 2: constant(0, 1, 2, 4, 6, 8) } },

  clock_gettime: { weight: 1, args: { 0: CLOCK, 1: outBytes(16) } }, clock_settime: { weight: 1, args: { 0: CLOCK, 1: ZERO_TIME } }, gettimeofday: { weight: 1, args: { 0: outBytes(16), 1: none } }, settimeofday: { weight: 1, args: { 0: ZERO_TIME, 1: none } },
  time: { result: 'hidden', weight: 1, args: { 0: none } }, clock_getres: { weight: 1, args: { 0: CLOCK, 1: none } },
  nanosleep: { weight: 1, args: { 0: structure([8, constant(0, -1)], [8, constant(0, 1_000_000_000, -1)]), 1: none } }, clock_nanosleep: { weight: 1, args: { 0: SLEEPING, 1: constant(0, 1, 1), 2: structure([8, constant(0, 0, -1)], [8, constant(0, 1, 1_000_000_000, -1)]), 3: none } },
  alarm: { weight: 1, args: { 0: constant(0) } }, setitimer: { args: { 0: constant(0, 0, 1, 2, 3, -1), 1: orNone(ITIMER), 2: orNone(outBytes(32)) }, shows: [[2, 'timer']] }, getitimer: { args: { 0: constant(0, 0, 1, 2, 3, -1), 1: outBytes(32) }, shows: [[1, 'timer']] },
  timer_create: { args: { 0: constant(0, 1, 2, 3, 4, 5, 7, 11, 99), 1: orNone(SIGEVENT), 2: outBytes(4) }, shows: [[2, 'integer']] }, timer_settime: { args: { 0: TIMER_ID, 1: constant(0, 0, 2), 2: TIMER, 3: orNone(outBytes(32)) }, shows: [[3, 'timer']] },
  timer_gettime: { args: { 0: TIMER_ID, 1: outBytes(32) }, shows: [[1, 'timer']] }, timer_getoverrun: { weight: 1, args: { 0: TIMER_ID } }, timer_delete: { weight: 1, args: { 0: TIMER_ID } },
  timerfd_create: { result: 'fd', makes: 'timer', args: { 0: constant(0, 1, 7, 2, 99), 1: constant(O_NONBLOCK, O_NONBLOCK, O_NONBLOCK | 1) } },
  timerfd_settime: { args: { 0: onSlot('timer'), 1: constant(0, 0, 2, 4), 2: TIMER, 3: orNone(outBytes(32)) }, shows: [[3, 'timer']] }, timerfd_gettime: { args: { 0: onSlot('timer'), 1: outBytes(32) }, shows: [[1, 'timer']] },
}
const ZERO3 = { 2: constant(0, 0, 0, 1), 3: constant(0), 4: constant(0) } as const
export const prctlRows: readonly Row[] = [
  { weight: 1, args: { 0: constant(15), 1: inBytes(20), ...ZERO3 } }, { weight: 1, args: { 0: constant(16), 1: outBytes(16), ...ZERO3 }, shows: [[1, 'all']] },
  { weight: 2, args: { 0: constant(1, 4, 8, 24, 28, 29, 36, 38, 41), 1: constant(0, 1, 2, 64, 65, 50_000), ...ZERO3 } }, { weight: 2, args: { 0: constant(3, 7, 23, 27, 30, 39, 42, 21, 999), 1: constant(0, 1, 40, 41, 64), ...ZERO3 } },
  { weight: 1, args: { 0: constant(2, 37), 1: outBytes(4), ...ZERO3 }, shows: [[1, 'all']] }, { weight: 1, args: { 0: constant(47), 1: constant(1, 2, 3, 4, 9), 2: constant(0, 12, 99), 3: constant(0), 4: constant(0) } },
]
