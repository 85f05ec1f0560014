/** Wild arguments to everything that has descriptors: each call must end in a result, an errno or a wait, never in an exception. */
import test from 'ava'
import { SYSCALLS } from '../../../src/kernel/syscalls/table.ts'
import { BLOCKED } from '../../../src/kernel/wait-queue.ts'
import { seededBits } from '../../support/run-guest.ts'
import { makeTestTask, NOWHERE, type TestTask } from '../fs/fixture.ts'

const CALLS = ['read', 'write', 'readv', 'writev', 'pread64', 'pwrite64', 'lseek', 'poll', 'ppoll', 'select', 'pselect6', 'ioctl', 'pipe', 'pipe2', 'splice', 'tee',
  'vmsplice', 'epoll_create', 'epoll_create1', 'epoll_ctl', 'epoll_wait', 'epoll_pwait', 'epoll_pwait2', 'eventfd', 'eventfd2', 'timerfd_create',
  'timerfd_settime', 'timerfd_gettime', 'signalfd', 'signalfd4', 'inotify_init', 'inotify_init1', 'inotify_add_watch', 'inotify_rm_watch', 'socket',
  'socketpair', 'bind', 'connect', 'listen', 'accept', 'accept4', 'getsockname', 'getpeername', 'sendto', 'recvfrom', 'sendmsg', 'recvmsg',
  'sendmmsg', 'recvmmsg', 'shutdown', 'getsockopt', 'setsockopt', 'dup', 'dup3', 'close', 'fcntl', 'fstat', 'sendfile', 'open', 'openat', 'mmap']
const IOCTLS = [0x5401, 0x5402, 0x5404, 0x5409, 0x540a, 0x540b, 0x540c, 0x540d, 0x540e, 0x540f, 0x5410, 0x5411, 0x5412, 0x5413, 0x5414, 0x541b, 0x5420, 0x5421,
  0x5422, 0x5423, 0x5424, 0x5429, 0x5450, 0x5451, 0x5452, 0x5460, 0x8004_5430, 0x4004_5431, 0x5441, 0x4004_5436, 0x802c_542a, 0x402c_542b, 0x4008_5400]
const PATHS = ['/proc/self/stat', '/proc/self/fd', '/proc/self/fd/3', '/proc/self/mem', '/proc/self/maps', '/proc/sys/kernel/hostname', '/dev/ptmx', '/dev/pts/0', '/dev/pts/1',
  '/dev/tty', '/dev/null', '/dev/zero', '/dev/urandom', '/dev/full', '/fifo', '/sock', '/file', '/', '/proc/self/task/100/comm', '']
/** Which files the calls are for, mostly. */
const KINDS = [
  [/^(bind|connect|listen|accept4?|getsockname|getpeername|send(to|msg|mmsg)|recv(from|msg|mmsg)|shutdown|[gs]etsockopt)$/, 'socket'],
  [/^epoll_/, 'epoll'], [/^inotify_/, 'inotify'], [/^timerfd_/, 'timer'], [/^signalfd/, 'signal'], [/^ioctl$/, 'terminal'],
  [/^(splice|tee|vmsplice)$/, 'pipe'],
] as const
const CODES = new Set([...Array.from({ length: 133 }, (_, i) => i), 512, 513, 514, 516])

const ENTRIES = new Map(SYSCALLS.flatMap((entry) => entry === undefined ? [] : [[entry.name, entry] as const]))
const SOCKET_NAMES = [[1, 0, 0, 97], [1, 0, 47, 115, 111, 99, 107, 0], [1, 0], [0, 0], [2, 0, 1, 2, 3, 4, 5, 6], []]

/** Bytes with pointers and lengths in them, as iovecs and message headers have; some are wrong. */
const structured = (task: TestTask, bits: () => number): Uint8Array => {
  const data = task.put(Uint8Array.from({ length: 64 }, () => bits() & 0xff))
  // A control message: SOL_SOCKET, SCM_RIGHTS or SCM_CREDENTIALS.
  const control = task.put(Uint8Array.of(16 + (bits() % 3) * 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1 + bits() % 2, 0, 0, 0, bits() % 40, 0, 0, 0, bits() % 40, 0, 0, 0, 0, 0, 0, 0))
  const vector = new DataView(new ArrayBuffer(32))
  vector.setBigInt64(0, BigInt(data), true)
  vector.setBigInt64(8, BigInt(bits() % 50), true)
  const vectorAt = task.put(new Uint8Array(vector.buffer))
  const view = new DataView(new ArrayBuffer(128))
  const words = (bits() & 1) === 0 ? [data, 0, vectorAt, 1, control, [0, 20, 24, 28][bits() % 4], 0, 0] : [data, bits() % 40, data, bits() % 40, data, bits() % 40, data, 8]
  words.forEach((word, index) => {
    view.setBigInt64(index * 8, BigInt((bits() & 31) === 0 ? bits() : word), true)
    view.setBigInt64(64 + index * 8, BigInt(word), true)
  })
  return new Uint8Array(view.buffer)
}

const WILD = [0, -1, NOWHERE, -(2 ** 40), 2 ** 46 + 1, 8]

/** An argument of the type that the table gives it: mostly one that makes sense. */
const argument = (task: TestTask, bits: () => number, spec: string): number | string | Uint8Array => {
  if (bits() % 12 === 0) return (bits() & 1) === 0 ? WILD[bits() % WILD.length] : bits() | 0
  const type = spec.slice(spec.indexOf(':') + 1)
  if (type === 'fd' || type === 'dirfd') return bits() % 48
  if (type === 'path' || type === 'string') return PATHS[bits() % PATHS.length]
  if (type === 'cmd') return IOCTLS[bits() % IOCTLS.length]
  if (type === 'enum(AF)') return 1
  if (type === 'enum(SOCK)') return [1, 2, 5][bits() % 3] | (bits() & 0o4000)
  if (type === 'enum(EPOLL_CTL)') return bits() % 5
  if (type.startsWith('flags') || type.startsWith('enum')) return [0, 0, 1, 2, 0x40, 0o4000, 0o2000000, 1 << (bits() % 30)][bits() % 8]
  if (type === 'size' || type === 'int' || type === 'uint' || type === 'long') return [0, 1, 2, 8, 16, bits() % 128, bits() % 5000, bits() % 20][bits() % 8]
  if (type === 'offset') return bits() % 5000
  switch (bits() % 4) {
    case 0: return structured(task, bits)
    case 1: return Uint8Array.from(SOCKET_NAMES[bits() % SOCKET_NAMES.length])
    case 2: return Uint8Array.from({ length: 64 }, () => bits() % 48)
    default: return Uint8Array.from({ length: bits() % 200 }, () => (bits() & 3) === 0 ? bits() & 0xff : 0)
  }
}

/** Descriptors of every kind, in pairs that belong together. */
const openAll = (task: TestTask): void => {
  for (const type of [1, 2, 5]) {
    task.raw('socketpair', 1, type | 0o4000, 0, task.buffer(8))
    task.raw('socket', 1, type, 0)
  }
  task.raw('pipe2', task.buffer(8), 0o4000)
  task.raw('pipe', task.buffer(8))
  const master = task.raw('open', '/dev/ptmx', 0o402)
  task.raw('ioctl', master, 0x4004_5431, new Uint8Array(4))
  for (const path of ['/dev/pts/0', '/dev/pts/1', '/dev/tty', '/proc/self/mem', '/file', '/proc/self/fd']) task.raw('open', path, path === '/proc/self/fd' ? 0 : 2)
  for (const call of ['epoll_create1', 'inotify_init1', 'eventfd']) task.raw(call, 0)
  task.raw('timerfd_create', 1, 0o4000)
  task.raw('signalfd', -1, Uint8Array.from({ length: 8 }, () => 255), 8)
}

const isBlockedNow = (task: TestTask): boolean => (task.task.state as string) === 'blocked'

const run = (seed: string, count: number): void => {
  const bits = seededBits(seed)
  const task = makeTestTask({ mounts: [{ guest: '/proc', source: { kind: 'proc' } }, { guest: '/dev', source: { kind: 'dev' } }], stdio: ['pipe', 'pipe', 'tty'] })
  task.do('mknod', '/fifo', 0o010666, 0)
  task.writeFile('/file', 'x'.repeat(10_000))
  for (let i = 0; i < count; i++) {
    if (i % 200 === 0) {
      for (let fd = 0; fd < 300; fd++) task.raw('close', fd)
      openAll(task)
    }
    const name = CALLS[bits() % CALLS.length]
    const specs = ENTRIES.get(name)?.args ?? []
    const args = Array.from({ length: 6 }, (_, index) => argument(task, bits, specs[index] ?? 'x:int'))
    const kind = KINDS.find(([pattern]) => pattern.test(name))?.[1]
    if (kind !== undefined && bits() % 4 !== 0) {
      const fds = task.task.files.slots.flatMap((slot, fd) => slot?.file.kind === kind ? [fd] : [])
      if (fds.length > 0) args[0] = fds[bits() % fds.length]
    }
    // Descriptors 0–40 only: the table must not grow without end.
    if (name.startsWith('dup')) args[1] = bits() % 40
    if (name === 'fcntl' && args[1] === 0) args[2] = 0
    if (name === 'mmap' || (name === 'sendfile' && typeof args[3] === 'number')) args[3] = bits() % 4096
    let result: number
    try {
      result = task.raw(name, ...args)
    } catch (error) {
      throw new Error(`seed ${seed}, call ${i}: ${name}(${args.map((a) => typeof a === 'object' ? `[${a.join(' ')}]` : String(a)).join(', ')})`, { cause: error })
    }
    if (result === BLOCKED) {
      // Whoever waits is told of a signal, and comes back.
      task.kernel.wakeTask(task.task, 'signal')
      task.kernel.state.runqueue.length = 0
      task.task.state = 'running'
      task.task.syscall = undefined
    } else if (!Number.isInteger(result) || (result < 0 && !CODES.has(-result))) {
      throw new Error(`seed ${seed}, call ${i}: ${name} returned ${result}`)
    }
    if (isBlockedNow(task) || task.task.blockedOn.length > 0) throw new Error(`seed ${seed}, call ${i}: ${name} left the task in a wait queue`)
    task.task.savedMask = undefined
    task.task.group.pending.queue.length = task.task.pending.queue.length = 0
    task.task.pending.set = [0, 0]
    task.task.group.pending.set = [0, 0]
    task.kernel.state.now += 1000
  }
}

test('wild arguments', (t) => {
  for (const name of CALLS) t.true(SYSCALLS.some((entry) => entry?.name === name), name)
  for (let seed = 0; seed < Number(process.env.HOSTILE_SEEDS ?? 6); seed++) t.notThrows(() => { run(`hostile-${seed}`, 4000) })
})
