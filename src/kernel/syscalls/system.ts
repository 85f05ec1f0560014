/** The system as a whole: names, sysinfo(2), randomness, kernel log, personality, comparisons of tasks. */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_SYSLOG } from '../abi/capabilities.ts'
import { EBADF, EFAULT, EINVAL, EPERM, ERESTARTSYS, ESRCH } from '../abi/errno.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { CLOCK_BOOTTIME } from '../abi/time.ts'
import { MACHINE, RELEASE, SYSTEM_NAME, VERSION } from '../abi/version.ts'
import { getFile } from '../fs/descriptor.ts'
import type { Kernel } from '../kernel.ts'
import { BadAddress } from '../mm/user-memory.ts'
import { hasCapability, mayAccessTask } from '../task/credentials.ts'
import { taskBy } from '../task/pid-namespace.ts'
import { hasCapabilityIn } from '../task/user-namespace.ts'
import type { Task } from '../task/task.ts'
import { addTime, cyclesToTimespec, namespaceOffset } from '../time/clock.ts'
import type { Args, SyscallEntry } from './entry.ts'
import { isUserRange } from './transfer.ts'

// ——— uname ———

const FIELD = 65, NAME_LIMIT = 64
const PER_MASK = 0xff, PER_LINUX32 = 8

const uname = (kernel: Kernel, task: Task, args: Args): number => {
  const { hostname, domainname } = task.namespaces.uts
  const bytes = new Uint8Array(FIELD * 6)
  const machine = (task.personality & PER_MASK) === PER_LINUX32 ? 'i686' : MACHINE
  for (const [i, text] of [SYSTEM_NAME, hostname, RELEASE, VERSION, machine, domainname].entries()) {
    for (let at = 0; at < Math.min(text.length, NAME_LIMIT); at++) bytes[i * FIELD + at] = text.charCodeAt(at)
  }
  kernel.user(task).write(uint64(args[0]), bytes)
  return 0
}

const readName = (kernel: Kernel, task: Task, args: Args): string | number => {
  if (!hasCapabilityIn(task, task.namespaces.uts.owner, CAP_SYS_ADMIN)) return -EPERM
  const length = int32(args[1])
  if (length < 0 || length > NAME_LIMIT) return -EINVAL
  const text = String.fromCharCode(...kernel.user(task).read(uint64(args[0]), length))
  return text.includes('\0') ? text.slice(0, text.indexOf('\0')) : text
}
const sethostname = (kernel: Kernel, task: Task, args: Args): number => {
  const name = readName(kernel, task, args)
  if (typeof name === 'number') return name
  task.namespaces.uts.hostname = name
  return 0
}
const setdomainname = (kernel: Kernel, task: Task, args: Args): number => {
  const name = readName(kernel, task, args)
  if (typeof name === 'number') return name
  task.namespaces.uts.domainname = name
  return 0
}

// ——— sysinfo ———

const SYSINFO_SIZE = 112

const sysinfo = (kernel: Kernel, task: Task, args: Args): number => {
  const view = new DataView(new ArrayBuffer(SYSINFO_SIZE))
  const long = (at: number, value: number): void => {
    view.setUint32(at, value, true)
    view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
  }
  const [seconds, nanoseconds] = addTime(cyclesToTimespec(kernel, kernel.now), namespaceOffset(task, CLOCK_BOOTTIME))
  const { frameLimit, framesInUse } = kernel.memory
  long(0, nanoseconds > 0 ? seconds + 1 : seconds)
  long(32, frameLimit * PAGE_SIZE)
  long(40, (frameLimit - framesInUse) * PAGE_SIZE)
  view.setUint16(80, kernel.state.tasks.size, true)
  // The unit of the sizes.
  view.setUint32(104, 1, true)
  kernel.user(task).write(uint64(args[0]), new Uint8Array(view.buffer))
  return 0
}

// ——— getrandom ———

const GRND_NONBLOCK = 1, GRND_RANDOM = 2, GRND_INSECURE = 4
const RANDOM_CHUNK = 65_536, RANDOM_LIMIT = 0x7fff_f000

const getrandom = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = uint32(args[2])
  if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) !== 0) return -EINVAL
  if ((flags & (GRND_RANDOM | GRND_INSECURE)) === (GRND_RANDOM | GRND_INSECURE)) return -EINVAL
  const length = Math.min(uint64(args[1]), RANDOM_LIMIT)
  if (!isUserRange(args[0], length)) return -EFAULT
  const user = kernel.user(task)
  let done = 0
  try {
    while (done < length) {
      // A page at a time where the buffer may end in nowhere: what was written counts.
      const at = uint64(args[0]) + done
      const wanted = Math.min(length - done, RANDOM_CHUNK)
      const count = user.accessible(at, wanted, 1)
      if (count === 0) return done > 0 ? done : -EFAULT
      user.write(at, kernel.outside.entropy.randomBytes(Math.min(count, wanted)))
      done += Math.min(count, wanted)
    }
  } catch (error) {
    if (error instanceof BadAddress && done > 0) return done
    throw error
  }
  return done
}

// ——— Kernel log: there are no messages ———

const LOG_BUFFER_SIZE = 1 << 18
const SYSLOG_CLOSE = 0, SYSLOG_OPEN = 1, SYSLOG_READ = 2, SYSLOG_READ_ALL = 3, SYSLOG_READ_CLEAR = 4, SYSLOG_CLEAR = 5,
  SYSLOG_CONSOLE_OFF = 6, SYSLOG_CONSOLE_ON = 7, SYSLOG_CONSOLE_LEVEL = 8, SYSLOG_SIZE_UNREAD = 9, SYSLOG_SIZE_BUFFER = 10

const syslog = (kernel: Kernel, task: Task, args: Args): number => {
  const type = int32(args[0])
  const length = int32(args[2])
  if (type !== SYSLOG_READ_ALL && type !== SYSLOG_SIZE_BUFFER && !hasCapability(task, CAP_SYSLOG)) return -EPERM
  switch (type) {
    case SYSLOG_CLOSE: case SYSLOG_OPEN: case SYSLOG_CLEAR: case SYSLOG_CONSOLE_OFF: case SYSLOG_CONSOLE_ON: case SYSLOG_SIZE_UNREAD: return 0
    case SYSLOG_READ:
      if (args[1] === 0 || length < 0) return -EINVAL
      if (length === 0) return 0
      return kernel.interrupted(task) ? -ERESTARTSYS : kernel.block(task, [])
    case SYSLOG_READ_ALL: case SYSLOG_READ_CLEAR: return args[1] === 0 || length < 0 ? -EINVAL : 0
    case SYSLOG_CONSOLE_LEVEL: return length < 1 || length > 8 ? -EINVAL : 0
    case SYSLOG_SIZE_BUFFER: return LOG_BUFFER_SIZE
    default: return -EINVAL
  }
}

// ——— personality ———

const PERSONALITY_QUERY = 0xffff_ffff

const personality = (_kernel: Kernel, task: Task, args: Args): number => {
  const wanted = uint32(args[0])
  const old = task.personality
  if (wanted !== PERSONALITY_QUERY) task.personality = wanted
  return old
}

// ——— kcmp ———

const KCMP_FILE = 0, KCMP_VM = 1, KCMP_FILES = 2, KCMP_FS = 3, KCMP_SIGHAND = 4, KCMP_IO = 5, KCMP_SYSVSEM = 6
/** Not equal, without an order: the kernel's objects have no addresses here. */
const DIFFERENT = 3

const kcmp = (kernel: Kernel, task: Task, args: Args): number => {
  const a = taskBy(kernel, task, int32(args[0]))
  const b = taskBy(kernel, task, int32(args[1]))
  if (a === undefined || b === undefined) return -ESRCH
  if (!mayAccessTask(task, a, CAP_SYS_PTRACE) || !mayAccessTask(task, b, CAP_SYS_PTRACE)) return -EPERM
  const compare = (x: unknown, y: unknown): number => x === y ? 0 : DIFFERENT
  switch (int32(args[2])) {
    case KCMP_FILE: {
      const x = getFile(a, uint32(args[3]))
      const y = getFile(b, uint32(args[4]))
      return x === undefined || y === undefined ? -EBADF : compare(x, y)
    }
    case KCMP_VM: return a.mm === b.mm ? 0 : a.mm.id < b.mm.id ? 1 : 2
    case KCMP_FILES: return compare(a.files, b.files)
    case KCMP_FS: return compare(a.fs, b.fs)
    case KCMP_SIGHAND: return compare(a.actions, b.actions)
    // Without an I/O context or undo list of their own all are alike.
    case KCMP_IO: return 0
    case KCMP_SYSVSEM: return compare(a.semaphoreUndo, b.semaphoreUndo)
    default: return -EINVAL
  }
}

// ——— Ports: user mode has none ———

const iopl = (_kernel: Kernel, _task: Task, args: Args): number => {
  const level = uint32(args[0])
  if (level > 3) return -EINVAL
  return level === 0 ? 0 : -EPERM
}
const PORTS = 65_536
const ioperm = (_kernel: Kernel, _task: Task, args: Args): number => {
  const from = uint64(args[0])
  const count = uint64(args[1])
  if (count === 0 || from + count > PORTS) return -EINVAL
  return int32(args[2]) !== 0 ? -EPERM : 0
}

// ——— Old calls about file systems ———

/** Kinds of file systems by the index that sysfs(2) gives. */
const FILE_SYSTEMS: readonly string[] = ['ramfs', 'tmpfs', 'proc', 'devtmpfs', 'devpts']

const sysfs = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  switch (int32(args[0])) {
    case 1: {
      const name = user.string(uint64(args[1]), PAGE_SIZE)
      const index = name === undefined ? -1 : FILE_SYSTEMS.indexOf(name)
      return index < 0 ? -EINVAL : index
    }
    case 2: {
      const name = FILE_SYSTEMS.at(uint32(args[1]))
      if (name === undefined || uint32(args[1]) >= FILE_SYSTEMS.length) return -EINVAL
      user.write(uint64(args[2]), Uint8Array.from([...name, '\0'], (c) => c.charCodeAt(0)))
      return 0
    }
    case 3: return FILE_SYSTEMS.length
    default: return -EINVAL
  }
}

const USTAT_SIZE = 32
/** Free blocks and inodes are not told: the file systems here have no bounds of their own. */
const ustat = (kernel: Kernel, task: Task, args: Args): number => {
  const device = uint32(args[0])
  const minor = (device & 0xff) | (device >>> 12 & 0xfff00)
  const isMajorZero = (device >>> 8 & 0xfff) === 0
  if (!isMajorZero || !kernel.state.fs.superblocks.some((superblock) => superblock.dev === minor)) return -EINVAL
  kernel.user(task).fill(uint64(args[1]), USTAT_SIZE, 0)
  return 0
}

export const systemCalls: readonly SyscallEntry[] = [
  { number: 63, name: 'uname', args: ['buf:struct(utsname)*'], handler: uname, status: 'full' },
  { number: 99, name: 'sysinfo', args: ['info:struct(sysinfo)*'], handler: sysinfo, status: 'full' },
  { number: 103, name: 'syslog', args: ['type:int', 'buf:pointer', 'len:int'], handler: syslog, status: 'full', note: 'there are no kernel messages' },
  { number: 135, name: 'personality', args: ['persona:uint'], handler: personality, status: 'full' },
  { number: 136, name: 'ustat', args: ['dev:uint', 'ubuf:pointer'], handler: ustat, status: 'partial', note: 'counts are zero' },
  { number: 139, name: 'sysfs', args: ['option:int', 'arg1:long', 'arg2:long'], handler: sysfs, status: 'full' },
  { number: 170, name: 'sethostname', args: ['name:in[1]', 'len:size'], handler: sethostname, status: 'full' },
  { number: 171, name: 'setdomainname', args: ['name:in[1]', 'len:size'], handler: setdomainname, status: 'full' },
  { number: 172, name: 'iopl', args: ['level:uint'], handler: iopl, status: 'partial', note: 'no ports: only level 0, else EPERM' },
  { number: 173, name: 'ioperm', args: ['from:size', 'num:size', 'turn_on:int'], handler: ioperm, status: 'partial', note: 'no ports: turning on gives EPERM' },
  { number: 312, name: 'kcmp', args: ['pid1:pid', 'pid2:pid', 'type:enum(KCMP)', 'idx1:long', 'idx2:long'], handler: kcmp, status: 'partial', note: 'different objects compare as 3 (no order) but for KCMP_VM; no KCMP_EPOLL_TFD' },
  { number: 318, name: 'getrandom', args: ['buf:out[1]', 'buflen:size', 'flags:flags(GRND)'], handler: getrandom, status: 'full' },
]
