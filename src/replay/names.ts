/**
 * Names of the numbers that system calls take, by the prefix that rows of the table of calls name: flags(O), enum(SEEK).
 * Most come from src/kernel/abi, whose exports have the names of C; what no code there needs is listed here.
 */
import * as epoll from '../kernel/abi/epoll.ts'
import * as fcntl from '../kernel/abi/fcntl.ts'
import * as mman from '../kernel/abi/mman.ts'
import * as resources from '../kernel/abi/resources.ts'
import * as signals from '../kernel/abi/signals.ts'
import * as termios from '../kernel/abi/termios.ts'
import * as time from '../kernel/abi/time.ts'
import { signalName } from './signal-name.ts'

type Names = { readonly [name: string]: number }

/** bits/sched.h, linux/futex.h, linux/wait.h, asm/prctl.h, linux/prctl.h, linux/random.h, bits/socket.h, bits/poll.h and relatives. */
const OTHERS: Names = {
  CLONE_VM: 0x100, CLONE_FS: 0x200, CLONE_FILES: 0x400, CLONE_SIGHAND: 0x800, CLONE_PIDFD: 0x1000, CLONE_PTRACE: 0x2000, CLONE_VFORK: 0x4000,
  CLONE_PARENT: 0x8000, CLONE_THREAD: 0x1_0000, CLONE_NEWNS: 0x2_0000, CLONE_SYSVSEM: 0x4_0000, CLONE_SETTLS: 0x8_0000,
  CLONE_PARENT_SETTID: 0x10_0000, CLONE_CHILD_CLEARTID: 0x20_0000, CLONE_DETACHED: 0x40_0000, CLONE_UNTRACED: 0x80_0000,
  CLONE_CHILD_SETTID: 0x100_0000, CLONE_NEWCGROUP: 0x200_0000, CLONE_NEWUTS: 0x400_0000, CLONE_NEWIPC: 0x800_0000,
  CLONE_NEWUSER: 0x1000_0000, CLONE_NEWPID: 0x2000_0000, CLONE_NEWNET: 0x4000_0000, CLONE_IO: 0x8000_0000,
  FUTEX_WAIT: 0, FUTEX_WAKE: 1, FUTEX_FD: 2, FUTEX_REQUEUE: 3, FUTEX_CMP_REQUEUE: 4, FUTEX_WAKE_OP: 5, FUTEX_LOCK_PI: 6, FUTEX_UNLOCK_PI: 7,
  FUTEX_TRYLOCK_PI: 8, FUTEX_WAIT_BITSET: 9, FUTEX_WAKE_BITSET: 10, FUTEX_WAIT_REQUEUE_PI: 11, FUTEX_CMP_REQUEUE_PI: 12, FUTEX_LOCK_PI2: 13,
  ARCH_SET_GS: 0x1001, ARCH_SET_FS: 0x1002, ARCH_GET_FS: 0x1003, ARCH_GET_GS: 0x1004, ARCH_GET_CPUID: 0x1011, ARCH_SET_CPUID: 0x1012,
  ARCH_CET_STATUS: 0x3001, ARCH_SHSTK_STATUS: 0x5005,
  WNOHANG: 1, WUNTRACED: 2, WSTOPPED: 2, WEXITED: 4, WCONTINUED: 8, WNOWAIT: 0x100_0000, __WNOTHREAD: 0x2000_0000, __WALL: 0x4000_0000,
  __WCLONE: 0x8000_0000,
  P_ALL: 0, P_PID: 1, P_PGID: 2, P_PIDFD: 3,
  GRND_NONBLOCK: 1, GRND_RANDOM: 2, GRND_INSECURE: 4,
  AF_UNSPEC: 0, AF_UNIX: 1, AF_INET: 2, AF_INET6: 10, AF_NETLINK: 16, AF_PACKET: 17,
  SOCK_STREAM: 1, SOCK_DGRAM: 2, SOCK_RAW: 3, SOCK_RDM: 4, SOCK_SEQPACKET: 5, SOCK_NONBLOCK: 0o4000, SOCK_CLOEXEC: 0o200_0000,
  SHUT_RD: 0, SHUT_WR: 1, SHUT_RDWR: 2,
  MSG_OOB: 1, MSG_PEEK: 2, MSG_DONTROUTE: 4, MSG_CTRUNC: 8, MSG_TRUNC: 0x20, MSG_DONTWAIT: 0x40, MSG_EOR: 0x80, MSG_WAITALL: 0x100,
  MSG_NOSIGNAL: 0x4000, MSG_MORE: 0x8000, MSG_CMSG_CLOEXEC: 0x4000_0000,
  SOL_IP: 0, SOL_SOCKET: 1, SOL_TCP: 6, SOL_UDP: 17, SOL_IPV6: 41,
  SO_DEBUG: 1, SO_REUSEADDR: 2, SO_TYPE: 3, SO_ERROR: 4, SO_DONTROUTE: 5, SO_BROADCAST: 6, SO_SNDBUF: 7, SO_RCVBUF: 8, SO_KEEPALIVE: 9,
  SO_OOBINLINE: 10, SO_PRIORITY: 12, SO_LINGER: 13, SO_REUSEPORT: 15, SO_PASSCRED: 16, SO_PEERCRED: 17, SO_RCVLOWAT: 18, SO_SNDLOWAT: 19,
  SO_RCVTIMEO: 20, SO_SNDTIMEO: 21, SO_ACCEPTCONN: 30, SO_PROTOCOL: 38, SO_DOMAIN: 39,
  EFD_SEMAPHORE: 1, EFD_NONBLOCK: 0o4000, EFD_CLOEXEC: 0o200_0000, SFD_NONBLOCK: 0o4000, SFD_CLOEXEC: 0o200_0000,
  TFD_TIMER_ABSTIME: 1, TFD_TIMER_CANCEL_ON_SET: 2, TFD_NONBLOCK: 0o4000, TFD_CLOEXEC: 0o200_0000,
  MFD_CLOEXEC: 1, MFD_ALLOW_SEALING: 2, MFD_HUGETLB: 4, MFD_NOEXEC_SEAL: 8, MFD_EXEC: 16,
  IN_NONBLOCK: 0o4000, IN_CLOEXEC: 0o200_0000,
  R_OK: 4, W_OK: 2, X_OK: 1, F_OK: 0,
  PRIO_PROCESS: 0, PRIO_PGRP: 1, PRIO_USER: 2,
  RUSAGE_SELF: 0, RUSAGE_CHILDREN: -1, RUSAGE_THREAD: 1,
  SCHED_OTHER: 0, SCHED_FIFO: 1, SCHED_RR: 2, SCHED_BATCH: 3, SCHED_IDLE: 5, SCHED_DEADLINE: 6,
  PR_SET_PDEATHSIG: 1, PR_GET_PDEATHSIG: 2, PR_GET_DUMPABLE: 3, PR_SET_DUMPABLE: 4, PR_GET_KEEPCAPS: 7, PR_SET_KEEPCAPS: 8,
  PR_SET_TIMING: 14, PR_SET_NAME: 15, PR_GET_NAME: 16, PR_GET_SECCOMP: 21, PR_SET_SECCOMP: 22, PR_CAPBSET_READ: 23, PR_CAPBSET_DROP: 24,
  PR_GET_TSC: 25, PR_SET_TSC: 26, PR_GET_SECUREBITS: 27, PR_SET_SECUREBITS: 28, PR_SET_TIMERSLACK: 29, PR_GET_TIMERSLACK: 30,
  PR_SET_MM: 35, PR_SET_CHILD_SUBREAPER: 36, PR_GET_CHILD_SUBREAPER: 37, PR_SET_NO_NEW_PRIVS: 38, PR_GET_NO_NEW_PRIVS: 39,
  PR_GET_TID_ADDRESS: 40, PR_SET_THP_DISABLE: 41, PR_GET_THP_DISABLE: 42, PR_CAP_AMBIENT: 47, PR_SET_VMA: 0x53564d41,
  MS_ASYNC: 1, MS_INVALIDATE: 2, MS_SYNC: 4,
  IPC_CREAT: 0o1000, IPC_EXCL: 0o2000, IPC_NOWAIT: 0o4000, IPC_RMID: 0, IPC_SET: 1, IPC_STAT: 2, IPC_INFO: 3,
  SHM_RDONLY: 0o10000, SHM_RND: 0o20000, SHM_REMAP: 0o40000, SHM_EXEC: 0o100000,
  EPOLL_CTL_ADD: 1, EPOLL_CTL_DEL: 2, EPOLL_CTL_MOD: 3, EPOLL_CLOEXEC: 0o200_0000,
  POLLIN: 1, POLLPRI: 2, POLLOUT: 4, POLLERR: 8, POLLHUP: 16, POLLNVAL: 32,
  SI_USER: 0, SI_KERNEL: 128, SI_QUEUE: -1, SI_TIMER: -2, SI_MESGQ: -3, SI_ASYNCIO: -4, SI_SIGIO: -5, SI_TKILL: -6,
  SEGV_MAPERR: 1, SEGV_ACCERR: 2, SEGV_BNDERR: 3, SEGV_PKUERR: 4, BUS_ADRALN: 1, BUS_ADRERR: 2, BUS_OBJERR: 3,
  ILL_ILLOPC: 1, ILL_ILLOPN: 2, ILL_ILLADR: 3, ILL_ILLTRP: 4, ILL_PRVOPC: 5, FPE_INTDIV: 1, FPE_INTOVF: 2, FPE_FLTDIV: 3, FPE_FLTOVF: 4,
  FPE_FLTUND: 5, FPE_FLTRES: 6, FPE_FLTINV: 7, FPE_FLTSUB: 8, TRAP_BRKPT: 1, TRAP_TRACE: 2,
  CLD_EXITED: 1, CLD_KILLED: 2, CLD_DUMPED: 3, CLD_TRAPPED: 4, CLD_STOPPED: 5, CLD_CONTINUED: 6,
  MEMBARRIER_CMD_QUERY: 0, MEMBARRIER_CMD_GLOBAL: 1, MEMBARRIER_CMD_PRIVATE_EXPEDITED: 8, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED: 16,
  RSEQ_FLAG_UNREGISTER: 1,
  SEM_GETPID: 11, SEM_GETVAL: 12, SEM_GETALL: 13, SEM_GETNCNT: 14, SEM_GETZCNT: 15, SEM_SETVAL: 16, SEM_SETALL: 17, SEM_RMID: 0, SEM_IPC_SET: 1,
  SEM_IPC_STAT: 2, SEM_STAT: 18, SEM_INFO: 19, SEM_STAT_ANY: 20,
  POSIX_FADV_NORMAL: 0, POSIX_FADV_RANDOM: 1, POSIX_FADV_SEQUENTIAL: 2, POSIX_FADV_WILLNEED: 3, POSIX_FADV_DONTNEED: 4, POSIX_FADV_NOREUSE: 5,
  SPLICE_F_MOVE: 1, SPLICE_F_NONBLOCK: 2, SPLICE_F_MORE: 4, SPLICE_F_GIFT: 8,
  SYNC_FILE_RANGE_WAIT_BEFORE: 1, SYNC_FILE_RANGE_WRITE: 2, SYNC_FILE_RANGE_WAIT_AFTER: 4,
  KCMP_FILE: 0, KCMP_VM: 1, KCMP_FILES: 2, KCMP_FS: 3, KCMP_SIGHAND: 4, KCMP_IO: 5, KCMP_SYSVSEM: 6, KCMP_EPOLL_TFD: 7,
  STATX_MODE: 2, STATX_NLINK: 4, STATX_UID: 8, STATX_GID: 0x10, STATX_ATIME: 0x20, STATX_MTIME: 0x40, STATX_CTIME: 0x80, STATX_INO: 0x100,
  STATX_SIZE: 0x200, STATX_BLOCKS: 0x400, STATX_BASIC_STATS: 0x7ff, STATX_BTIME: 0x800, STATX_MNT_ID: 0x1000,
  CLOSE_RANGE_UNSHARE: 2, CLOSE_RANGE_CLOEXEC: 4,
}

/** Groups whose names don't start with what the rows of the table call them by. */
const GROUPS: { readonly [group: string]: readonly string[] } = {
  W: ['WNOHANG', 'WUNTRACED', 'WCONTINUED', 'WEXITED', 'WNOWAIT', '__WNOTHREAD', '__WALL', '__WCLONE'],
  ACCESS: ['R_OK', 'W_OK', 'X_OK', 'F_OK'],
  SIG: ['SIG_BLOCK', 'SIG_UNBLOCK', 'SIG_SETMASK'],
  P: ['P_ALL', 'P_PID', 'P_PGID', 'P_PIDFD'],
}
/** Bits that go with the numbers of a group. */
const MODIFIERS: { readonly [group: string]: Names } = {
  FUTEX: { FUTEX_PRIVATE_FLAG: 128, FUTEX_CLOCK_REALTIME: 256 },
  SOCK: { SOCK_NONBLOCK: 0o4000, SOCK_CLOEXEC: 0o200_0000 },
}
/** Names that are no values of their group but masks and limits. */
const NO_VALUES = /(_MASK|_MAX|_LAST|_TYPE|_VALID|_COUNT|_BITS)$/

/** Made when it is first asked for: few runs print calls. */
let all: ReadonlyMap<string, number> | undefined
const allNames = (): ReadonlyMap<string, number> => all ??= new Map(([OTHERS, epoll, fcntl, mman, resources, signals, termios, time] as readonly object[])
  .flatMap((source) => (Object.entries(source) as [string, unknown][]).filter((entry): entry is [string, number] => typeof entry[1] === 'number' && !NO_VALUES.test(entry[0]))))

type Table = readonly (readonly [name: string, value: number])[]
const tables = new Map<string, Table>()

/** Names and values of a group, as a row of the table of system calls names it. */
export const namesOf = (group: string): Table => {
  let table = tables.get(group)
  if (table === undefined) {
    const bare = group.replace(/_$/, '')
    const listed = GROUPS[bare]
    const prefix = `${bare}_`
    table = [...allNames()].filter(([name]) => listed === undefined ? name.startsWith(prefix) : listed.includes(name))
    tables.set(group, table)
  }
  return table
}

const hex = (value: number): string => value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`

const find = (table: Table, value: number): string | undefined => table.find(([, known]) => known === value)?.[0]

export const enumName = (group: string, value: number): string => {
  const table = namesOf(group)
  const modifiers = Object.entries(MODIFIERS[group.replace(/_$/, '')] ?? {})
  const set = modifiers.filter(([, bit]) => (value & bit) !== 0)
  const base = set.reduce((rest, [, bit]) => rest & ~bit, value)
  return [find(table, base) ?? String(base), ...set.map(([name]) => name)].join('|')
}

/** The command of fcntl(2) or ioctl(2). */
export const commandName = (call: string, value: number): string => {
  const table = call === 'fcntl' ? namesOf('F').filter(([name]) => /^F_(?!RDLCK|WRLCK|UNLCK|OWNER_|SEAL_|OK)/.test(name)) : [...allNames()].filter(([name]) => /^(TC|TIO|FIO)/.test(name))
  return find(table, value) ?? (call === 'fcntl' ? String(value) : hex(value))
}

/** Bits by name, the widest first; what has no name in hexadecimal. Flags are 32 bits wide; what is above stays in the rest. */
export const flagNames = (group: string, value: number): string => {
  const parts: string[] = []
  let rest = value < 0 ? value + 0x1_0000_0000 : value
  // The access mode is a number in two bits, 0 among its values.
  if (group.startsWith('CLONE') && (rest & 0xff) !== 0) {
    // The low byte is the signal that the parent gets.
    const signal = signalName(rest & 0xff)
    const others = flagNames(group, rest - (rest & 0xff))
    return others === '0' ? signal : `${others}|${signal}`
  }
  if (group === 'O') {
    parts.push(['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_ACCMODE'][rest & 3])
    rest -= rest & 3
  }
  const bits = (n: number): number => {
    let count = 0
    for (let word = n >>> 0; word !== 0; word &= word - 1) count++
    return count
  }
  const known = namesOf(group).filter(([name, mask]) => mask > 0 && mask <= 0xffff_ffff && name !== 'O_ACCMODE')
    .sort(([, a], [, b]) => bits(b) - bits(a) || a - b)
  for (const [name, mask] of known) {
    const low = rest % 0x1_0000_0000
    if (((low & mask) >>> 0) === mask >>> 0) {
      parts.push(name)
      rest -= mask
    }
  }
  if (parts.length === 0 && rest === 0) return namesOf(group).find(([, mask]) => mask === 0)?.[0] ?? '0'
  if (rest !== 0) parts.push(hex(rest))
  return parts.join('|')
}

/** Prefixes of the codes that a signal has for itself (sigaction(2)). */
const CODE_GROUPS: { readonly [signal: string]: string } = { SIGSEGV: 'SEGV', SIGBUS: 'BUS', SIGILL: 'ILL', SIGFPE: 'FPE', SIGTRAP: 'TRAP', SIGCHLD: 'CLD' }

/** si_code by name. */
export const signalCodeName = (signal: number, code: number): string => {
  const group = CODE_GROUPS[signalName(signal)]
  return (code > 0 && group !== undefined ? find(namesOf(group), code) : undefined) ?? find(namesOf('SI'), code) ?? String(code)
}
