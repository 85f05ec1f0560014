/** A kernel without programs: system calls are made by hand, over a small tree of 'host' files in memory. */
import { OutOfFrames, PhysicalMemory } from '../../../src/emu/memory.ts'
import type { Processor } from '../../../src/emu/processor.ts'
import { EACCES, EFAULT, ENOENT, ENOMEM, ERRNO_NAMES } from '../../../src/kernel/abi/errno.ts'
import { PROT_READ, PROT_WRITE } from '../../../src/kernel/abi/mman.ts'
import type { WorldConfig } from '../../../src/kernel/config.ts'
import { copyDescriptors } from '../../../src/kernel/fs/descriptor.ts'
import { setUpFileSystems } from '../../../src/kernel/fs/setup.ts'
import { boot, makeHosts } from '../../../src/kernel/hosts.ts'
import { Kernel } from '../../../src/kernel/kernel.ts'
import { VMA_MAYREAD, VMA_MAYWRITE } from '../../../src/kernel/mm/address-space.ts'
import { mapRegion } from '../../../src/kernel/mm/map.ts'
import { makeNet } from '../../../src/kernel/net/namespace.ts'
import { BadAddress } from '../../../src/kernel/mm/user-memory.ts'
import type { HostDirent, HostStat, Outside } from '../../../src/kernel/outside.ts'
import { signalActions } from '../../../src/kernel/signal/signal.ts'
import type { KernelState } from '../../../src/kernel/state.ts'
import { SYSCALLS } from '../../../src/kernel/syscalls/table.ts'
import { initialCredentials, makeGroup, makeTask } from '../../../src/kernel/task/create.ts'
import { futexTable } from '../../../src/kernel/task/futex-table.ts'
import { addGroup, processGroups } from '../../../src/kernel/task/process-groups.ts'
import type { Task } from '../../../src/kernel/task/task.ts'
import { makeClocks } from '../../../src/kernel/time/clock.ts'
import { timerQueue } from '../../../src/kernel/time/timer-queue.ts'
import { makeVdso } from '../../../src/kernel/vdso/vdso-state.ts'
import { BLOCKED, waitQueue } from '../../../src/kernel/wait-queue.ts'

/** A directory is an object, a file its content, a link `→ target`. */
export interface Tree { readonly [name: string]: Tree | string }
const LINK = '→ '
/** A file that the host does not let us read. */
export const REFUSED = 'refused by the host'

const find = (tree: Tree, path: string): Tree | string | undefined => {
  let at: Tree | string | undefined = tree
  for (const name of path.split('/')) {
    if (name === '') continue
    at = typeof at === 'object' ? at[name] : undefined
  }
  return at
}
const modeOf = (node: Tree | string): number => typeof node === 'object' ? 0o040755 : node.startsWith(LINK) ? 0o120777 : 0o100644

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))
export const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes)

/** What was asked of the host, in order: 'lstat a/b'. */
export const asked: string[] = []

const outsideOver = (trees: readonly Tree[]): Outside => {
  const look = <T>(call: string, mount: number, path: string, make: (node: Tree | string) => T): T | number => {
    asked.push(`${call} ${path}`)
    const node = find(trees[mount], path)
    return node === undefined ? -ENOENT : make(node)
  }
  return {
    entropy: { decide: () => 0, randomBytes: (count) => new Uint8Array(count) },
    files: {
      lstat: (mount, path) => look('lstat', mount, path, (node): HostStat => ({
        dev: 1, ino: 1, mode: modeOf(node), nlink: typeof node === 'object' ? 2 : 1, uid: 0, gid: 0, rdev: 0,
        size: typeof node === 'object' ? 4096 : node.length, blocks: 8, atime: [1000, 0], mtime: [1000, 0], ctime: [1000, 0],
      })),
      readdir: (mount, path) => look('readdir', mount, path, (node): HostDirent[] =>
        Object.entries(node as Tree).map(([name, child]) => ({ name, type: modeOf(child) >> 12 }))),
      readlink: (mount, path) => look('readlink', mount, path, (node) => (node as string).slice(LINK.length)),
      readFile: (mount, path) => look('readFile', mount, path, (node): Uint8Array | number => node === REFUSED ? -EACCES : bytesOf(node as string)),
    },
    console: { write: () => 0, read: () => undefined, setRaw: () => {} },
    observer: {
      onSlice: () => {}, onSyscall: () => {}, onSignal: () => {}, onTaskStart: () => {}, onTaskExit: () => {}, onExec: () => {},
      onUnknownSyscall: () => {},
    },
  }
}

const NO_PROCESSOR = { flushTlb: () => {}, flushPage: () => {}, flushPages: () => {}, forgetData: () => {}, setMmu: () => {} } as unknown as Processor

const CONFIG: WorldConfig = {
  program: '/none', argv: [], env: [], cwd: '/', mounts: [], files: [], hostname: 'test', cpus: 1, seed: '', strategy: 'round-robin',
  cpuHz: 1e9, epochSeconds: 1_700_000_000, uid: 0, gid: 0, stdio: ['null', 'null', 'null'], terminal: { rows: 24, columns: 80 },
  memoryLimit: 64 << 20, cycleLimit: Infinity,
}

/** Guest memory of the task: path and buffer arguments are put here. */
const SCRATCH = 0x10_0000
const SCRATCH_SIZE = 2 << 20
/** Not mapped. */
export const NOWHERE = 0x5000_0000
const NUMBERS = new Map(SYSCALLS.flatMap((entry) => entry === undefined ? [] : [[entry.name, entry.number] as const]))

/** The name that manual pages use, of those with one number. */
const nameOf = (errno: number): string =>
  ({ 95: 'EOPNOTSUPP', 35: 'EDEADLK' })[errno] ?? ERRNO_NAMES.get(errno) ?? String(errno)

type Argument = number | string | Uint8Array | undefined

export class TestTask {
  readonly kernel: Kernel
  readonly task: Task
  #next = SCRATCH

  constructor(kernel: Kernel, task: Task) {
    this.kernel = kernel
    this.task = task
  }

  /** Room in guest memory. */
  buffer(size: number): number {
    if (this.#next + size > SCRATCH + SCRATCH_SIZE) this.#next = SCRATCH
    const at = this.#next
    this.#next += Math.ceil(size / 16) * 16
    return at
  }

  put(bytes: Uint8Array): number {
    const at = this.buffer(bytes.length)
    this.kernel.user(this.task).write(at, bytes)
    return at
  }

  bytes(address: number, length: number): Uint8Array { return this.kernel.user(this.task).read(address, length) }
  i64(address: number): number { return this.kernel.user(this.task).i64(address) }
  u32(address: number): number { return this.kernel.user(this.task).u32(address) }
  u16(address: number): number { return this.kernel.user(this.task).u16(address) }

  /** Makes the call; strings become NUL-terminated, bytes are put into memory. */
  raw(name: string, ...args: Argument[]): number {
    const number = NUMBERS.get(name)
    if (number === undefined) throw new Error(`no system call ${name}`)
    const values = Array.from({ length: 6 }, (_, index) => {
      const argument = args[index] ?? 0
      return typeof argument === 'number' ? argument : this.put(typeof argument === 'string' ? bytesOf(`${argument}\0`) : argument)
    }) as [number, number, number, number, number, number]
    this.task.syscall = { number, args: values, started: 0, memory: undefined, realtime: false }
    this.kernel.current = this.task
    const result = this.retry()
    if (result !== BLOCKED) this.task.syscall = undefined
    return result
  }

  /** Runs the handler of the call in progress (again). */
  retry(): number {
    const { syscall } = this.task
    if (syscall === undefined) throw new Error('no call in progress')
    try {
      return SYSCALLS[syscall.number]?.handler(this.kernel, this.task, syscall.args) ?? 0
    } catch (error) {
      if (error instanceof BadAddress) return -EFAULT
      if (error instanceof OutOfFrames) return -ENOMEM
      throw error
    }
  }

  /** The result, or the errno's name. */
  call(name: string, ...args: Argument[]): number | string {
    const result = this.raw(name, ...args)
    if (result === BLOCKED) return 'blocked'
    return result < 0 ? nameOf(-result) : result
  }

  /** Must succeed. */
  do(name: string, ...args: Argument[]): number {
    const result = this.call(name, ...args)
    if (typeof result === 'string') throw new Error(`${name}(${args.map(String).join(', ')}): ${result}`)
    return result
  }

  // ——— Things that tests do often ———

  open(path: string, flags = 0, mode = 0o666): number { return this.do('open', path, flags, mode) }
  write(fd: number, text: string): number { return this.do('write', fd, bytesOf(text), text.length) }

  read(fd: number, count = 4096): string {
    const at = this.buffer(count)
    return textOf(this.bytes(at, this.do('read', fd, at, count)))
  }

  /** Creates or replaces. */
  writeFile(path: string, text: string, mode = 0o666): void {
    const fd = this.open(path, 0o1101, mode)
    this.write(fd, text)
    this.do('close', fd)
  }

  readFile(path: string): string {
    const fd = this.open(path)
    let text = ''
    for (;;) {
      const piece = this.read(fd, 65_536)
      if (piece === '') break
      text += piece
    }
    this.do('close', fd)
    return text
  }

  stat(path: string, call = 'stat'): { ino: number, nlink: number, mode: number, uid: number, gid: number, size: number, blocks: number, atime: number, mtime: number, ctime: number } {
    const at = this.buffer(144)
    this.do(call, path, at)
    return {
      ino: this.i64(at + 8), nlink: this.i64(at + 16), mode: this.u32(at + 24), uid: this.u32(at + 28), gid: this.u32(at + 32),
      size: this.i64(at + 48), blocks: this.i64(at + 64), atime: this.i64(at + 72), mtime: this.i64(at + 88), ctime: this.i64(at + 104),
    }
  }

  /** Names with their cookies, by getdents64 with a buffer of this size, from the descriptor's position on. */
  entries(fd: number, size = 4096, most = Infinity): { name: string, next: number, type: number }[] {
    const result: { name: string, next: number, type: number }[] = []
    const at = this.buffer(size)
    while (result.length < most) {
      const got = this.do('getdents64', fd, at, size)
      if (got === 0) break
      for (let offset = 0; offset < got; offset += this.u16(at + offset + 16)) {
        const length = this.u16(at + offset + 16)
        const name = textOf(this.bytes(at + offset + 19, length - 19))
        result.push({ name: name.slice(0, name.indexOf('\0')), next: this.i64(at + offset + 8), type: this.bytes(at + offset + 18, 1)[0] })
      }
    }
    return result
  }

  /** Names in a directory, without '.' and '..'. */
  list(path: string): string[] {
    const fd = this.open(path, 0o200000)
    const names = this.entries(fd).map(({ name }) => name)
    this.do('close', fd)
    return names.slice(2)
  }

  /** Another process, as fork leaves it. */
  fork(uid = this.task.credentials.uid, gid = this.task.credentials.gid): TestTask {
    const { kernel, task } = this
    const pid = ++kernel.state.lastPid
    const group = makeGroup(kernel, { tgid: pid, parent: task.group.tgid, processGroup: task.group.processGroup, session: task.group.session, pids: task.group.pids })
    const child = makeTask(kernel, {
      tid: pid, group, mm: task.mm, files: copyDescriptors(kernel, task.files), fs: { ...task.fs }, actions: signalActions(),
      credentials: initialCredentials(uid, gid, task.credentials.user), namespaces: task.namespaces, name: 'test',
    })
    child.state = 'running'
    kernel.state.tasks.set(pid, child)
    addGroup(kernel, group)
    return new TestTask(kernel, child)
  }
}

export interface TestWorld extends Partial<WorldConfig> { readonly trees?: readonly Tree[] }

/** A world with one task, of the user that the configuration names. */
export const makeTestTask = ({ trees = [], ...options }: TestWorld = {}): TestTask => {
  asked.length = 0
  const config = { ...CONFIG, ...options }
  const memory = new PhysicalMemory(config.memoryLimit)
  const state = {
    now: 0, cycle: 0, tasks: new Map(), groups: new Map(), processGroups: processGroups(), runqueue: [], cpus: [], lastPid: 99, lastSpaceId: 0, zeroFrame: memory.allocate(),
    timers: timerQueue(), futexes: futexTable(), unknownSyscalls: new Set(), consoleInput: waitQueue(), mainPid: 100, mainStatus: undefined,
    mainExitCycle: 0, nextConsolePoll: 0, hosts: makeHosts(config), lastNamespace: 0, pidNamespaces: [], fs: undefined, clocks: makeClocks(config.epochSeconds), vdso: makeVdso(),
    net: makeNet(),
  } as unknown as KernelState
  const kernel = new Kernel(config, memory, NO_PROCESSOR, outsideOver(trees), state)
  setUpFileSystems(kernel)
  const task = boot(kernel, state.hosts[0])
  const { mm } = task
  task.name = 'test'
  task.group.parent = 1
  task.state = 'running'
  mapRegion(kernel, mm, {
    start: SCRATCH, end: SCRATCH + SCRATCH_SIZE, prot: PROT_READ | PROT_WRITE, flags: VMA_MAYREAD | VMA_MAYWRITE, backing: undefined, offset: 0, name: '',
  })
  // All pages are there from the start, so that tests can count frames.
  kernel.user(task).fill(SCRATCH, SCRATCH_SIZE, 0)
  return new TestTask(kernel, task)
}
/** One past the last accessible byte. */
export const MEMORY_END = SCRATCH + SCRATCH_SIZE
