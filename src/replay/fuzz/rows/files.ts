/** Files and directories, what is kept of them, and descriptors. */
import * as fc from 'fast-check'
import { argumentOf, outBytes, path, size } from '../arguments.ts'

import type { FuzzArgument } from '../program.ts'
import { add, code, constant, flags, mostly, none, number, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_NONBLOCK, O_PATH, O_TMPFILE, on, onSlot, orNone, type Row, type Rows, structure, text } from './row.ts'

const O_SOME = fc.oneof(
  { arbitrary: constant(0, 1, 2, O_CREAT | 2, O_CREAT | 2, O_CREAT | 0o200 | 2, 0o1000 | 2, 0o2000 | 1, O_DIRECTORY, 0o400_000, O_PATH, O_TMPFILE | 2), weight: 8 },
  // O_DIRECT, FASYNC and O_LARGEFILE have answers of their file system's own.
  { arbitrary: add(flags('O'), 0, 0o40_000 | 0o20_000 | 0o100_000), weight: 2 },
)
const OPEN_FLAGS = add(O_SOME, O_NONBLOCK)
const HOW = structure([8, OPEN_FLAGS], [8, constant(0, 0, 0o644, 0o600, 0o10_000)], [8, constant(0, 0, 1, 2, 4, 8, 0x10, 0x40)])
export const OFFSET_CELL = orNone(structure([8, constant(0, 1, 99, 4096, 70_000, -1)]))
export const SMALL_SIZE = fc.oneof({ arbitrary: fc.nat(40).map(number), weight: 3 }, { arbitrary: constant(4096, 4097, 65536), weight: 1 })
const XATTR = text('user.a', 'user.a', 'user.a', 'user.a', 'user.b', 'user.b', 'user.', 'a', 'trusted.x', 'security.none', `user.${'x'.repeat(250)}`, `user.${'x'.repeat(251)}`)
/** Few, so that what is set is met again. */
const XPATH = mostly(text('a', 'a', 'd'), path)
const STAT = outBytes(144)
const PROC_FD = text('/proc/self/fd/3', '/proc/self/fd/4', '/proc/self/fd/9', '/proc/self/fd/10')
const OLD_NAME = fc.oneof({ arbitrary: path, weight: 6 }, { arbitrary: PROC_FD, weight: 1 })
const ABSOLUTE = text('/', '/dev/null', '/dev/zero', '/dev/full', '/bin', '/bin/fuzz-run', '/bin/x', '/w', '/w/x/w/a', '/nowhere', '/proc/self/fd/3', '/proc/self/fd/9')
/** These do no harm: where they lead is a root of its own, and nobody's. */
const anyPath = fc.oneof({ arbitrary: path, weight: 8 }, { arbitrary: ABSOLUTE, weight: 1 })

/** What /proc answers to those who make and remove names is its own affair. */
const anyName = fc.oneof({ arbitrary: path, weight: 12 }, { arbitrary: text('/', '/bin', '/bin/x', '/dev/null', '/w/x/w/a', '/w/x/w/d'), weight: 1 })

const fd = (weight = 2, args: Row['args'] = {}, makes: Row['makes'] = 'file'): Row => ({ result: 'fd', weight, args, makes })
const RW = ['file', 'file', 'pipe', 'unix'] as const
const LOCK = argumentOf('struct(flock)')
/** struct mount_attr, open_how and the like are in `arguments.ts`. */
const OWNER = structure([4, constant(0, 1, 2, 9)], [4, fc.nat(2).map((it): FuzzArgument => ({ is: 'process', number: it }))])
/** Pages that stay as they are: what is spliced from memory is not copied. */
const CODE = structure([8, code(0)], [8, constant(0, 1, 99, 4096, 5000)], [8, code(2)], [8, constant(0, 1, 99)])
/** What fallocate sets aside is memory of the host's: not much. */
const SPAN = constant(0, 1, 99, 4095, 4096, 8192, 65_536, 100_000, -1)
const RWF = constant(0, 0, 0, 1, 2, 4, 8, 0x10, 0x20, 0x1000)

/** F_DUPFD … F_GETFL, F_GETLK, F_SETLK, F_OFD_*, F_SETOWN_EX, F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_ADD_SEALS, hints. */
const FCNTL: readonly Row[] = [
  { weight: 3, args: { 1: constant(0, 1030), 2: constant(0, 3, 20, 47, 48, -1) } },
  { weight: 3, args: { 1: constant(1, 2, 3, 4), 2: constant(0, 1, O_NONBLOCK, O_NONBLOCK | 0o2000, 2) } },
  { weight: 4, on: 'file', args: { 1: constant(5, 6, 6, 6, 36, 37, 37, 37), 2: LOCK }, shows: [[2, 'all']] },
  { weight: 2, args: { 1: constant(8, 9, 10, 11), 2: constant(0, 10, 12, 64, 65) } },
  { weight: 1, args: { 1: constant(15), 2: OWNER } }, { weight: 1, args: { 1: constant(16), 2: outBytes(8) }, shows: [[2, 'words']] },
  { weight: 3, on: ['pipe', 'file'], args: { 1: constant(1031, 1032, 1033, 1034, 1033), 2: constant(0, 1, 2, 4, 8, 16, 32, 4096, 65536) } },
  { weight: 1, on: 'file', args: { 1: constant(1035, 1036, 1037, 1038), 2: structure([8, constant(0, 1, 2, 5, 6)]) }, shows: [[2, 'all']] },
  { weight: 1, args: { 1: constant(100, 1039, 17, -1), 2: constant(0, 1) } },
]
/** FIONREAD, FIONBIO (on only), FIOCLEX, FIONCLEX, TCGETS, TIOCGWINSZ, TIOCGPGRP and others. */
const IOCTL: readonly Row[] = [
  { weight: 2, args: { 1: constant(0x541b), 2: outBytes(4) }, shows: [[2, 'all']] }, { weight: 2, args: { 1: constant(0x5421), 2: structure([4, constant(1)]) } },
  { weight: 2, args: { 1: constant(0x5450, 0x5451), 2: none } }, { weight: 2, args: { 1: constant(0x5401, 0x5413, 0x540f, 0x5411), 2: outBytes(64) } },
]

export const fileRows: Rows = {
  open: fd(12, { 0: anyPath, 1: OPEN_FLAGS }), openat: fd(6, { 1: anyPath, 2: OPEN_FLAGS }), creat: fd(2), openat2: fd(2, { 2: HOW, 3: constant(24, 24, 24, 24, 23, 32, 0) }),
  close: { weight: 4 }, dup: fd(2, {}, 'other'), dup2: { args: { 1: constant(3, 10, 47, 48, -1) } }, dup3: { args: { 1: constant(3, 11, 48), 2: constant(0, O_CLOEXEC, 1) } },
  read: { weight: 6, on: RW, shows: [[1, 'returned']] }, write: { weight: 8, on: RW }, pread64: { weight: 4, on: 'file', shows: [[1, 'returned']] }, pwrite64: { weight: 4, on: 'file' },
  readv: { on: RW, args: { 2: constant(0, 1, 2, 4, -1) } }, writev: { on: RW, args: { 2: constant(0, 1, 2, 4, 1025, -1) } },
  preadv: { on: 'file', args: { 2: constant(0, 1, 3), 4: none } }, pwritev: { on: 'file', args: { 2: constant(0, 1, 3), 4: none } },
  preadv2: { on: RW, args: { 2: constant(0, 1, 3), 3: constant(0, 1, 99, 4096, -1, -1, -2), 4: none, 5: RWF } }, pwritev2: { on: RW, args: { 2: constant(0, 1, 3), 3: constant(0, 1, 99, 4096, -1, -1, -2), 4: none, 5: RWF } },
  lseek: { weight: 4, on: 'file', args: { 2: constant(0, 1, 2, 3, 4, 5) } }, truncate: { weight: 3 }, ftruncate: { weight: 3, on: 'file' },
  fallocate: { on: 'file', args: { 1: constant(0, 0, 1, 3, 3, 0x10, 8, 0x20, 2, 0x40), 3: SPAN } }, fsync: { on: 'file' }, fdatasync: { on: 'file' }, sync: { weight: 1 }, syncfs: { weight: 1, on: ['file', 'directory'] },
  stat: { weight: 5, args: { 0: anyPath, 1: STAT }, shows: [[1, 'stat']] }, lstat: { weight: 4, args: { 0: anyPath, 1: STAT }, shows: [[1, 'stat']] }, fstat: { weight: 4, args: { 1: STAT }, shows: [[1, 'stat']] },
  newfstatat: { args: { 2: STAT, 3: constant(0, 0, 0x100, 0x1000, 0x800, 1) }, shows: [[2, 'stat']] },
  statx: { args: { 2: constant(0, 0, 0x100, 0x1000, 1, 0x800, 0x2000, 0x4000, 0x6000), 3: constant(0x7ff, 0x7ff, 0, 0xfff, 0x8000_0000), 4: outBytes(256) }, shows: [[4, 'statx']] },
  statfs: { args: { 0: anyPath, 1: outBytes(120) } }, fstatfs: { args: { 1: outBytes(120) } },
  access: { args: { 0: anyPath, 1: constant(0, 1, 2, 4, 7, 8) } }, faccessat: { args: { 1: anyPath, 2: constant(0, 1, 2, 4, 7, 8) } }, faccessat2: { args: { 2: constant(0, 0, 4, 6), 3: constant(0, 0, 0x100, 0x200, 1) } },
  chmod: { weight: 3, args: { 0: anyPath } }, fchmod: {}, fchmodat: {}, fchmodat2: { args: { 3: constant(0, 0, 0x100, 0x1000, 1) } }, umask: { args: { 0: constant(0o22, 0, 0o77, 0o1022) } },
  chown: {}, lchown: {}, fchown: {}, fchownat: { args: { 4: constant(0, 0x100, 0x1000, 4) } },
  mkdir: { weight: 5, args: { 0: anyName } }, mkdirat: {}, rmdir: { weight: 3, args: { 0: anyName } }, unlink: { weight: 5, args: { 0: anyName } }, unlinkat: { args: { 2: constant(0, 0x200, 1) } },
  link: { weight: 4, args: { 0: OLD_NAME } }, linkat: { args: { 1: OLD_NAME, 4: constant(0, 0x400, 0x400, 1) } }, symlink: { weight: 3 }, symlinkat: {}, rename: { weight: 5 }, renameat: {},
  renameat2: { args: { 4: constant(0, 0, 1, 2, 2, 3, 8) } }, readlink: { args: { 0: anyPath, 1: outBytes(64), 2: constant(64, 1, 0, -1) }, shows: [[1, 'returned']] },
  readlinkat: { args: { 2: outBytes(64), 3: constant(64, 1, 0, -1) }, shows: [[2, 'returned']] },
  mknod: { args: { 1: constant(0o10_644, 0o100_644, 0o140_644, 0o644, 0o20_644, 0o60_600, 0o40_755), 2: constant(0, 0, 0x103) } }, mknodat: { args: { 2: constant(0o10_644, 0o100_644, 0o140_644, 0o644, 0o20_644), 3: constant(0, 0, 0x103) } },
  chdir: { weight: 1, args: { 0: fc.constantFrom('d', 'd', '.', 'a', 'nowhere').map((name): FuzzArgument => ({ is: 'in', bytes: [...[...name].map((c) => c.charCodeAt(0)), 0] })) } },
  fchdir: { weight: 1, on: 'directory' }, getcwd: { args: { 0: outBytes(64), 1: constant(64, 64, 3, 0, -1) }, shows: [[0, 'all']] }, chroot: { weight: 1 },
  utimensat: { args: { 3: constant(0, 0, 0x100, 1) } }, utimes: {}, utime: {}, futimesat: {},
  setxattr: { args: { 0: XPATH, 1: XATTR, 3: constant(0, 1, 10, 99), 4: constant(0, 0, 1, 2, 3) } }, getxattr: { args: { 0: XPATH, 1: XATTR, 3: constant(0, 1, 10, 64, 64) }, shows: [[2, 'returned']] },
  lsetxattr: { weight: 1, args: { 0: XPATH, 1: XATTR, 3: constant(0, 1, 10, 99), 4: constant(0, 0, 1, 2, 3) } }, lgetxattr: { weight: 1, args: { 0: XPATH, 1: XATTR, 3: constant(0, 1, 10, 64, 64) }, shows: [[2, 'returned']] },
  fsetxattr: { args: { 0: onSlot('file', 'directory'), 1: XATTR, 3: constant(0, 5, 20), 4: constant(0, 0, 1, 2) } }, fgetxattr: { args: { 0: onSlot('file', 'directory'), 1: XATTR, 3: constant(0, 64, 64) }, shows: [[2, 'returned']] },
  removexattr: { args: { 0: XPATH, 1: XATTR } }, lremovexattr: { weight: 1, args: { 0: XPATH, 1: XATTR } }, fremovexattr: { args: { 0: onSlot('file', 'directory'), 1: XATTR } },
  listxattr: { args: { 0: XPATH, 2: constant(0, 0, 5, 64) } }, llistxattr: { weight: 1, args: { 0: XPATH, 2: constant(0, 0, 5, 64) } }, flistxattr: { args: { 0: onSlot('file'), 2: constant(0, 0, 5, 64) } },
  flock: { on: 'file', args: { 1: constant(4 | 1, 4 | 2, 4 | 8, 8, 4, 64) } },
  sendfile: { args: { 0: on('file', 'pipe', 'unix'), 1: on('file'), 2: OFFSET_CELL, 3: SMALL_SIZE }, shows: [[2, 'all']] }, copy_file_range: { args: { 0: on('file'), 1: OFFSET_CELL, 2: on('file'), 3: OFFSET_CELL, 4: SMALL_SIZE, 5: constant(0, 0, 1) } },
  splice: { args: { 0: on('pipe', 'file', 'unix'), 1: OFFSET_CELL, 2: on('pipe', 'file', 'unix'), 3: OFFSET_CELL, 4: SMALL_SIZE, 5: constant(2, 3, 6) } }, tee: { args: { 0: on('pipe'), 1: on('pipe'), 2: SMALL_SIZE, 3: constant(2, 3) } },
  vmsplice: { on: 'pipe', args: { 1: CODE, 2: constant(0, 1, 2), 3: constant(2, 3) } },
  pipe2: { result: 'pair', makes: 'pipe', weight: 4, args: { 0: outBytes(8), 1: constant(O_NONBLOCK, O_NONBLOCK | O_CLOEXEC, O_NONBLOCK | 0o40_000, O_NONBLOCK | 1) } }, pipe: { result: 'pair', makes: 'pipe', weight: 1, args: { 0: outBytes(8) } },
  memfd_create: fd(4, { 1: constant(0, 1, 2, 3, 8, 0x10, 0x18, 0x40) }),
  sync_file_range: { on: 'file', args: { 3: constant(0, 1, 2, 4, 7, 8) } }, fadvise64: { on: 'file', args: { 3: constant(0, 1, 4, 5, 6) } },
  readahead: { on: 'file', args: { 2: size } }, close_range: { weight: 1, args: { 0: constant(40, 47), 1: constant(47, 46, 30), 2: constant(0, 4, 1) } },
  getdents64: { weight: 3, on: 'directory', args: { 1: outBytes(4096), 2: constant(4096, 4096, 10, 0) }, shows: [[1, 'names']] },
  getdents: { weight: 1, on: 'directory', args: { 1: outBytes(4096), 2: constant(4096, 4096, 10, 0) } },
  inotify_init1: fd(2, { 0: constant(O_NONBLOCK, O_NONBLOCK | 1) }, 'inotify'), inotify_init: fd(1, {}, 'inotify'),
  // All but renames, whose cookies are the host's.
  inotify_add_watch: { weight: 4, args: { 0: onSlot('inotify'), 2: constant(0xf3f, 0x300, 2, 4, 0x20, 0x18, 1, 0x400, 0x2000_0002, 0x8000_0f00, 0x100_0020, 0x200_0004, 0x1000_0004, 0) } },
  inotify_rm_watch: { args: { 0: onSlot('inotify'), 1: constant(1, 2, 0, -1) } },
  mount: { weight: 1, args: { 0: path, 1: path, 2: text('tmpfs', 'nothing'), 3: constant(0, 0x1000, 0x20), 4: none } }, umount2: { weight: 1, args: { 0: path, 1: constant(0, 1, 2, 8, 99) } },
}
export const fcntlRows = FCNTL
export const ioctlRows = IOCTL
