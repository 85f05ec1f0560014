/**
 * Which system calls are made, and in what their arguments differ from what the table of system calls says of their types.
 *
 * A row of SAFE is a call of which Linux and a world must agree on every answer, and that can do the machine no harm: it does not wait
 * (O_NONBLOCK, MSG_DONTWAIT, timeouts of 0), does not leave its directory and its processes. Everything else that the table of system
 * calls has is made in worlds only.
 */
import * as fc from 'fast-check'
import { SYSCALLS } from '../../kernel/syscalls/table.ts'
import {
  type ArgumentArbitrary, argumentOf, constant, descriptor, fit, flags, inBytes, iovec, mapping, NULL, number, offset, outBytes, path, pid, size, structure,
} from './arguments.ts'
import { FD_SLOTS, type FuzzArgument, type FuzzCall, type FuzzResult, type FuzzShow, PROCESSES } from './program.ts'

const O_NONBLOCK = 0o4000, O_DIRECTORY = 0o200_000, O_CREAT = 0o100, O_PATH = 0o10_000_000, O_TMPFILE = 0o20_200_000

const add = (arbitrary: ArgumentArbitrary, bits: number, without = 0): ArgumentArbitrary =>
  arbitrary.map((argument) => argument.is === 'number' && Number.isSafeInteger(argument.value) ? number(((argument.value | bits) & ~without) | 0) : argument)
const none = fc.constant(NULL)
const orNone = (arbitrary: ArgumentArbitrary): ArgumentArbitrary => fc.oneof(none, arbitrary)

const O_SOME = fc.oneof(
  { arbitrary: constant(0, 1, 2, O_CREAT | 2, O_CREAT | 2, O_CREAT | 0o200 | 2, 0o1000 | 2, 0o2000 | 1, O_DIRECTORY, 0o400_000, O_PATH, O_TMPFILE | 2), weight: 8 },
  // O_DIRECT, FASYNC and O_LARGEFILE have answers of their file system's own.
  { arbitrary: add(flags('O'), 0, 0o40_000 | 0o20_000 | 0o100_000), weight: 2 },
)
const OPEN_FLAGS = add(O_SOME, O_NONBLOCK)
/** bits/socket.h. */
const MSG = constant(0x40, 0x40 | 2, 0x40 | 0x20, 0x40 | 0x4000, 0x40 | 0x100, 0x40 | 0x80)
const SOCKET_TYPES = constant(1, 2, 5).map((it) => number((it as { value: number }).value | O_NONBLOCK))
const SUN = fc.constantFrom('s', 't', 'd/u').map((name): FuzzArgument => ({ is: 'in', bytes: [1, 0, ...[...name].map((c) => c.charCodeAt(0)), 0] }))
const SUN_LENGTH = constant(3, 4, 5, 6, 2, 1, 0, 110, 111, -1)
const LENGTH_CELL = constant(0, 1, 2, 16, 110, 128).map((it): FuzzArgument => ({ is: 'in', bytes: [(it as { value: number }).value, 0, 0, 0] }))
const OFFSET_CELL = orNone(structure([8, constant(0, 1, 100, 4096, 70_000, -1)]))
const POLLED = fc.array(fc.tuple(descriptor, constant(1, 4, 5, 0x2019, 0)), { maxLength: 3 }).chain((entries) => entries.length === 0 ? outBytes(0) : structure(...entries.flatMap(([fd, events]) => [[4, fc.constant(fd)], [2, fc.constant(events)], [2, constant(0)]] as const)))
const ZERO_TIME = structure([8, constant(0)], [8, constant(0)])
const XATTR = fc.constantFrom('user.a', 'user.b', 'user.', 'a', 'trusted.x', 'security.none', `user.${'x'.repeat(250)}`, `user.${'x'.repeat(251)}`).map((name): FuzzArgument => ({ is: 'in', bytes: [...[...name].map((c) => c.charCodeAt(0)), 0] }))
const OWN_SIGNALS = constant(0, 10, 12, 17, 18, 23, 28, 35, 40, 64, 65, -1)
const SELF: ArgumentArbitrary = fc.nat(PROCESSES - 1).map((process): FuzzArgument => ({ is: 'process', number: process }))
/** Not AT_FDCWD, which Linux 6.13 and later take for the current directory here. */
const SLOT: ArgumentArbitrary = fc.nat(FD_SLOTS - 1).map((slot): FuzzArgument => ({ is: 'fd', slot }))
const SOCKET_OPTION = constant(2, 3, 4, 6, 7, 8, 9, 10, 13, 15, 16, 18, 20, 21, 30, 38, 39, 1000)
const PROTECTION = constant(0, 1, 2, 3, 5)
const LENGTHS = constant(0, 1, 4096, 8192, 65536, 12289)
const SMALL_SIZE = fc.oneof({ arbitrary: fc.nat(40).map(number), weight: 3 }, { arbitrary: constant(4096, 4097, 65536), weight: 1 })

/** struct msghdr of send and receive (recvmsg(2)): no name, as getsockname has that. SCM_RIGHTS hands over any descriptors. */
const RIGHTS = fc.oneof(
  structure([8, constant(20, 20, 16, 24, 15)], [4, constant(1)], [4, constant(1, 1, 1, 7)], [4, descriptor], [4, constant(0, -1)]),
  structure([8, constant(24)], [4, constant(1)], [4, constant(1)], [4, SLOT], [4, SLOT]),
)
const VECTOR_COUNT = constant(0, 1, 1, 2, 4)
const NO_NAME = [[8, constant(0)], [8, constant(0)]] as const
const SENT = fc.oneof(
  structure(...NO_NAME, [8, iovec(true)], [8, VECTOR_COUNT], [8, none], [8, constant(0)], [8, constant(0)]),
  structure(...NO_NAME, [8, iovec(true)], [8, VECTOR_COUNT], [8, RIGHTS], [8, constant(24, 24, 24, 20, 16, 8, 0)], [8, constant(0)]),
)
const RECEIVED = fc.oneof(
  structure(...NO_NAME, [8, iovec(false)], [8, VECTOR_COUNT], [8, none], [8, constant(0)], [8, constant(0)]),
  structure(...NO_NAME, [8, iovec(false)], [8, VECTOR_COUNT], [8, outBytes(64)], [8, constant(64, 24, 20, 16, 8)], [8, constant(0)]),
)
/** Disarmed, or none. */
const SECONDS = constant(0, 0, 5, -1)
const DISARMED = structure([8, SECONDS], [8, constant(0, 0, 7, 1_000_000_000, -1)], [8, constant(0)], [8, constant(0, 0, 0, 1_000_000_000, -1)])
/** Never what is expected there: nobody waits. */
const WORD = fc.constant<FuzzArgument>({ is: 'in', bytes: [7, 0, 0, 0] })
const WORD_OR_NONE = fc.oneof({ arbitrary: WORD, weight: 8 }, { arbitrary: constant(0, 1, 0x1000, -4096), weight: 2 })
/** All but renames, whose cookies are the host's. */
const WATCHED = constant(0xf3f, 0x300, 2, 4, 0x20, 0x18, 1, 0x400, 0x2000_0002, 0x8000_0f00, 0x100_0020, 0x200_0004, 0x1000_0004, 0)

interface Row {
  readonly result?: FuzzResult
  /** By index. */
  readonly args?: { readonly [index: number]: ArgumentArbitrary }
  readonly shows?: readonly (readonly [argument: number, form: FuzzShow])[]
  /** How often it is made beside others. */
  readonly weight?: number
}

const fd = (weight = 1, args: Row['args'] = {}): Row => ({ result: 'fd', weight, args })
const STAT = outBytes(144)

const SAFE: { readonly [name: string]: Row } = {
  open: fd(6, { 1: OPEN_FLAGS }), openat: fd(3, { 2: OPEN_FLAGS }), creat: fd(1), openat2: fd(1, { 3: constant(24, 24, 24, 23, 32, 0) }),
  close: { weight: 2 }, dup: fd(1), dup2: { args: { 1: constant(3, 10, 47, 48, -1) } }, dup3: { args: { 1: constant(3, 11, 48), 2: constant(0, 0o2_000_000, 1) } },
  read: { weight: 3, shows: [[1, 'returned']] }, write: { weight: 4 }, pread64: { weight: 2, shows: [[1, 'returned']] }, pwrite64: { weight: 2 },
  readv: { args: { 2: constant(0, 1, 2, 4, -1) } }, writev: { args: { 2: constant(0, 1, 2, 4, 1025, -1) } },
  preadv: { args: { 2: constant(0, 1, 3) } }, pwritev: { args: { 2: constant(0, 1, 3) } },
  lseek: { weight: 2, args: { 2: constant(0, 1, 2, 3, 4, 5) } }, truncate: { weight: 2 }, ftruncate: { weight: 2 },
  fallocate: { args: { 1: constant(0, 1, 3, 0x10, 8, 2, 0x40), 3: offset } }, fsync: {}, fdatasync: {},
  stat: { weight: 3, args: { 1: STAT }, shows: [[1, 'stat']] }, lstat: { weight: 2, args: { 1: STAT }, shows: [[1, 'stat']] }, fstat: { weight: 2, args: { 1: STAT }, shows: [[1, 'stat']] },
  newfstatat: { args: { 2: STAT, 3: constant(0, 0x100, 0x1000, 1) }, shows: [[2, 'stat']] },
  access: { args: { 1: constant(0, 1, 2, 4, 7, 8) } }, faccessat2: { args: { 2: constant(0, 4, 6), 3: constant(0, 0x100, 0x200, 1) } },
  chmod: { weight: 2 }, fchmod: {}, fchmodat: {}, umask: { args: { 0: constant(0o22, 0, 0o77, 0o1022) } },
  chown: {}, lchown: {}, fchown: {}, fchownat: { args: { 4: constant(0, 0x100, 0x1000, 4) } },
  mkdir: { weight: 3 }, mkdirat: {}, rmdir: { weight: 2 }, unlink: { weight: 3 }, unlinkat: { args: { 2: constant(0, 0x200, 1) } },
  link: { weight: 2 }, linkat: { args: { 4: constant(0, 0x400, 1) } }, symlink: { weight: 2 }, symlinkat: {}, rename: { weight: 3 }, renameat: {},
  renameat2: { args: { 4: constant(0, 1, 2, 3, 8) } }, readlink: { args: { 1: outBytes(64), 2: constant(64, 1, 0, -1) }, shows: [[1, 'returned']] },
  mknod: { args: { 1: constant(0o10_644, 0o100_644, 0o140_644, 0o644), 2: constant(0) } }, fchdir: { args: { 0: fc.constant<FuzzArgument>({ is: 'number', value: -1 }) } },
  utimensat: { args: { 3: constant(0, 0x100, 1) } }, utimes: {}, utime: {},
  setxattr: { args: { 1: XATTR, 3: constant(0, 1, 10, 100), 4: constant(0, 1, 2, 3) } }, getxattr: { args: { 1: XATTR, 3: constant(0, 1, 10, 64) }, shows: [[2, 'returned']] },
  fsetxattr: { args: { 0: SLOT, 1: XATTR, 3: constant(0, 5, 20), 4: constant(0, 1, 2) } }, fgetxattr: { args: { 0: SLOT, 1: XATTR, 3: constant(0, 64) }, shows: [[2, 'returned']] },
  removexattr: { args: { 1: XATTR } }, fremovexattr: { args: { 0: SLOT, 1: XATTR } },
  flock: { args: { 1: constant(4 | 1, 4 | 2, 4 | 8, 8, 4, 64) } },
  fcntl: {
    weight: 4, args: { 1: constant(0, 1, 2, 3, 4, 5, 6, 1030, 1031, 1032, 1033, 1034, 100), 2: fc.oneof(constant(0, 1, O_NONBLOCK, O_NONBLOCK | 0o2000, 4096, 20, 47, 48), argumentOf('struct(flock)')) },
  },
  sendfile: { args: { 2: OFFSET_CELL, 3: SMALL_SIZE }, shows: [[2, 'all']] }, copy_file_range: { args: { 1: OFFSET_CELL, 3: OFFSET_CELL, 4: SMALL_SIZE, 5: constant(0, 0, 1) } },
  splice: { args: { 1: OFFSET_CELL, 3: OFFSET_CELL, 4: SMALL_SIZE, 5: constant(2, 3, 6) } }, tee: { args: { 2: SMALL_SIZE, 3: constant(2, 3) } },
  vmsplice: { args: { 2: constant(0, 1, 2), 3: constant(2, 3) } },
  pipe2: { result: 'pair', weight: 2, args: { 0: outBytes(8), 1: constant(O_NONBLOCK, O_NONBLOCK | 0o2_000_000, O_NONBLOCK | 0o40_000, O_NONBLOCK | 1) } },
  socketpair: { result: 'pair', weight: 2, args: { 0: constant(1, 1, 1, 0), 1: SOCKET_TYPES, 2: constant(0, 0, 1, 6), 3: outBytes(8) } },
  memfd_create: fd(2, { 1: constant(0, 1, 2, 3, 0x40) }), eventfd2: fd(2, { 1: constant(O_NONBLOCK, O_NONBLOCK | 1, O_NONBLOCK | 2) }),
  epoll_create1: fd(2, { 0: constant(0, 0o2_000_000, 1) }), epoll_ctl: { weight: 2, args: { 1: constant(1, 2, 3, 0) } },
  epoll_wait: { weight: 2, args: { 1: outBytes(48), 2: constant(1, 4, 0, -1), 3: constant(0) }, shows: [[1, 'all']] },
  poll: { weight: 2, args: { 0: POLLED, 1: constant(0, 1, 2), 2: constant(0) }, shows: [[0, 'all']] },
  ppoll: { args: { 0: POLLED, 1: constant(0, 1, 2), 2: ZERO_TIME, 3: none, 4: constant(8) }, shows: [[0, 'all']] },
  signalfd4: fd(1, { 0: constant(-1), 2: constant(8, 4), 3: constant(O_NONBLOCK, O_NONBLOCK | 1) }), timerfd_create: fd(1, { 0: constant(0, 1, 7, 2, 99), 1: constant(O_NONBLOCK, O_NONBLOCK | 1) }),
  socket: fd(2, { 0: constant(1, 1, 1, 99), 1: SOCKET_TYPES, 2: constant(0, 0, 0, 1, 7) }),
  bind: { args: { 1: SUN, 2: SUN_LENGTH } }, connect: { args: { 1: SUN, 2: SUN_LENGTH } }, listen: { args: { 1: constant(0, 1, 5, -1) } },
  accept4: { result: 'fd', args: { 1: outBytes(110), 2: orNone(LENGTH_CELL), 3: constant(O_NONBLOCK, O_NONBLOCK | 1) } },
  sendto: { weight: 2, args: { 2: SMALL_SIZE, 3: MSG, 4: orNone(SUN), 5: constant(0, 4, 6, 110) } },
  recvfrom: { weight: 2, args: { 2: SMALL_SIZE, 3: MSG, 4: none, 5: none }, shows: [[1, 'returned']] },
  shutdown: { args: { 1: constant(0, 1, 2, 3) } },
  getsockname: { args: { 1: outBytes(110), 2: LENGTH_CELL } , shows: [[2, 'all']] }, getpeername: { args: { 1: outBytes(110), 2: LENGTH_CELL }, shows: [[2, 'all']] },
  setsockopt: { args: { 1: constant(1, 1, 1, 0, 99), 2: SOCKET_OPTION, 3: structure([4, constant(0, 1, 4096, 1_000_000, -1)], [4, constant(0)], [8, constant(0)]), 4: constant(4, 4, 8, 16, 3, 0) } },
  getsockopt: { args: { 1: constant(1), 2: SOCKET_OPTION, 3: outBytes(16), 4: LENGTH_CELL }, shows: [[3, 'all'], [4, 'all']] },
  mmap: { result: 'mapping', weight: 3, args: { 0: none, 1: LENGTHS, 2: PROTECTION, 3: constant(0x21, 0x22, 0x22, 1, 2, 3, 0x32, 0), 5: constant(0, 0, 4096, 1, 65536) } },
  munmap: { args: { 1: LENGTHS } }, mprotect: { args: { 1: LENGTHS, 2: PROTECTION } }, msync: { args: { 1: LENGTHS, 2: constant(1, 2, 4, 5, 0, 8) } },
  madvise: { args: { 1: LENGTHS, 2: constant(0, 1, 2, 3, 4, 99) } }, mincore: { args: { 0: mapping, 1: constant(4096, 8192, 0), 2: outBytes(2) } },
  mremap: { result: 'hidden', args: { 1: constant(4096, 8192, 0), 2: constant(4096, 4096, 0), 3: constant(0, 4), 4: none } },
  rt_sigprocmask: { args: { 0: constant(0, 1, 2, 3), 1: orNone(structure([4, constant(0, 0x200, 0x800, 0x1_0000)], [4, constant(0, 2)])), 2: outBytes(8), 3: constant(8, 8, 8, 4) }, shows: [[2, 'all']] },
  rt_sigpending: { args: { 0: outBytes(8), 1: constant(8, 8, 4, 9) }, shows: [[0, 'all']] },
  rt_sigtimedwait: { args: { 0: structure([4, constant(0x200, 0xa00)], [4, constant(0, 2)]), 1: none, 2: ZERO_TIME, 3: constant(8) } },
  kill: { weight: 2, args: { 0: SELF, 1: OWN_SIGNALS } }, getpid: { result: 'hidden' }, getppid: { result: 'hidden' }, gettid: { result: 'hidden' }, getuid: {}, geteuid: {}, getgid: {}, getegid: {},
  setpgid: { args: { 0: SELF, 1: constant(0, -1) } }, getpgid: { result: 'hidden', args: { 0: pid } }, getsid: { result: 'hidden', args: { 0: pid } },
  sched_yield: {},
  prctl: { args: { 0: constant(15, 16, 1, 3, 38, 39, 999), 1: fc.oneof(constant(0, 1, 2, 64, 65), inBytes(20)), 2: constant(0), 3: constant(0), 4: constant(0) } },
  sigaltstack: { args: { 0: orNone(structure([8, mapping], [4, constant(0, 1, 2, 4)], [4, constant(0)], [8, constant(0, 2047, 2048, 8192)])), 1: none } },
  nanosleep: { args: { 0: structure([8, constant(0, -1)], [8, constant(0, 1_000_000_000, -1)]), 1: none } },
  clock_getres: { args: { 0: constant(0, 1, 2, 3, 4, 7, 11, 99, -1), 1: none } }, alarm: { args: { 0: constant(0) } },
  inotify_init1: fd(1, { 0: constant(O_NONBLOCK, O_NONBLOCK | 1) }), sync_file_range: { args: { 3: constant(0, 1, 2, 4, 7, 8) } }, fadvise64: { args: { 3: constant(0, 1, 4, 5, 6) } },
  readahead: { args: { 2: size } }, close_range: { args: { 0: constant(40, 47), 1: constant(47, 46, 30), 2: constant(0, 4, 1) } },
  sendmsg: { weight: 2, args: { 1: SENT, 2: MSG } }, recvmsg: { weight: 2, args: { 1: RECEIVED, 2: MSG }, shows: [[1, 'all']] },
  statx: { args: { 2: constant(0, 0x100, 0x1000, 1, 0x800, 0x2000, 0x4000, 0x6000), 3: constant(0x7ff, 0x7ff, 0, 0xfff, 0x8000_0000), 4: outBytes(256) }, shows: [[4, 'statx']] },
  inotify_add_watch: { weight: 2, args: { 0: SLOT, 2: WATCHED } }, inotify_rm_watch: { args: { 0: SLOT, 1: constant(1, 2, 0, -1) } },
  timerfd_settime: { args: { 0: SLOT, 1: constant(0, 1, 2, 3, 4), 2: DISARMED, 3: orNone(outBytes(32)) } }, timerfd_gettime: { args: { 0: SLOT, 1: outBytes(32) }, shows: [[1, 'all']] },
  setitimer: { args: { 0: constant(0, 1, 2, 3, -1), 1: structure([8, SECONDS], [8, constant(0, 1, 1_000_000, -1)], [8, constant(0)], [8, constant(0, 0, 1_000_000, -1)]), 2: orNone(outBytes(32)) } },
  getitimer: { args: { 0: constant(0, 1, 2, 3, -1), 1: outBytes(32) }, shows: [[1, 'all']] },
  futex: { args: { 0: WORD_OR_NONE, 1: constant(0, 1, 128, 129, 3, 4, 132, 5, 9, 10, 137, 99), 2: constant(5, 0, 1, -1), 3: none, 4: WORD_OR_NONE, 5: constant(0, -1, 7, 1) } },
  // Each waits for nothing: WNOHANG.
  wait4: { args: { 0: fc.oneof(constant(-1, 0, 4_194_303), SELF), 1: orNone(outBytes(4)), 2: constant(1, 3, 9, 11, 0x2000_0001, 0x4000_0001, 0x8000_0001, 5), 3: none } },
  waitid: { args: { 0: constant(0, 1, 2, 4), 1: fc.oneof(constant(0, -1, 4_194_303), SELF), 2: orNone(outBytes(128)), 3: constant(5, 7, 13, 0x100_0005, 1, 0x85, 0x4000_0005), 4: none }, shows: [[2, 'all']] },
  getdents64: { weight: 2, args: { 1: outBytes(4096), 2: constant(4096, 4096, 10, 0) }, shows: [[1, 'names']] },
}
/** Calls that end or replace what makes them. */
const ENDING: ReadonlySet<string> = new Set(['exit', 'exit_group', 'execve', 'execveat', 'rt_sigreturn', 'fork', 'vfork', 'clone', 'clone3', 'reboot', 'pause', 'rt_sigsuspend'])

export interface FuzzedCall {
  readonly name: string
  readonly number: number
  readonly types: readonly string[]
  readonly row: Row
  /** Whether it may be made natively. */
  readonly isSafe: boolean
}

export const FUZZED: readonly FuzzedCall[] = SYSCALLS.flatMap((entry): FuzzedCall[] => {
  if (entry === undefined || ENDING.has(entry.name)) return []
  return [{
    name: entry.name, number: entry.number, types: entry.args.map((spec) => spec.slice(spec.indexOf(':') + 1)), row: Object.hasOwn(SAFE, entry.name) ? SAFE[entry.name] : {}, isSafe: Object.hasOwn(SAFE, entry.name),
  }]
})

const F_SETFL = 4
/** F_SETFL leaves O_NONBLOCK on: what waits for ever does so natively, too, and tells nothing. */
const staysNonBlocking = (name: string, args: readonly FuzzArgument[]): readonly FuzzArgument[] => {
  const [fd, command, flagsOf] = args
  if (name !== 'fcntl' || command.is !== 'number' || command.value !== F_SETFL) return args
  return [fd, command, number(flagsOf.is === 'number' ? flagsOf.value | O_NONBLOCK : O_NONBLOCK)]
}

/** A call of this kind. */
export const callOf = ({ name, number: it, types, row, isSafe }: FuzzedCall, processes: number): fc.Arbitrary<FuzzCall> =>
  fc.record({
    process: fc.nat(processes - 1),
    args: fc.tuple(...types.map((type, i) => row.args?.[i] ?? (isSafe && (type === 'path' || type === 'string') ? path : argumentOf(type)))).map((args) => staysNonBlocking(name, fit(types, args))),
    slot: fc.nat(FD_SLOTS - 1),
  }).map(({ process, args, slot }) => ({ name, number: it, process, args, result: row.result ?? 'plain', slot, shows: row.shows ?? [] }))
