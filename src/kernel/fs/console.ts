/**
 * The three host descriptors. If one is a terminal outside there is a Terminal with the number −1 in the world, /dev/pts/0
 * and /dev/console, which has a line discipline of its own (the session keeps the host's terminal raw). Pipes and files
 * outside are plain streams here.
 */
import { hear } from '../plan/heard.ts'
import { EAGAIN, EINVAL, ENOTTY, EPIPE, ERESTARTSYS } from '../abi/errno.ts'
import { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from '../abi/fcntl.ts'
import { FIONREAD, IUTF8 } from '../abi/termios.ts'
import type { Kernel } from '../kernel.ts'
import type { ConsoleInput } from '../outside.ts'
import type { Task, ThreadGroup } from '../task/task.ts'
import { makeOpenFile } from './descriptor.ts'
import { deviceNumber, PTS_MAJOR } from './devices.ts'
import { type FileOperations, type OpenFile, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from './file.ts'
import { type Inode, makeDevice, makeFifo } from './inode.ts'
import { brokenPipe } from './pipe.ts'
import { terminalInode } from './pty.ts'
import { makeTerminal, type Terminal, type TerminalData } from './tty.ts'
import { receive } from './tty-input.ts'
import { resize, setControllingTerminal } from './tty-jobs.ts'

/** Where the host's terminal is below /dev/pts. */
export const CONSOLE_NAME = '0'
const READ_SIZE = 4096

/** What a description of a stream outside is of. */
interface StreamData { readonly fd: 0 | 1 | 2, readonly host: number }

/** The host's terminal, made when first asked for; undefined if none of the three descriptors is one. */
export const consoleTerminal = (kernel: Kernel): Terminal | undefined => {
  const { stdio, terminal: size } = kernel.config
  const { terminals } = kernel.state.fs
  const existing = terminals.get(-1)
  if (existing !== undefined || !stdio.includes('tty')) return existing
  const terminal = makeTerminal(-1, deviceNumber(PTS_MAJOR, 0))
  terminal.termios.iflag |= IUTF8
  terminal.window = { rows: size.rows, columns: size.columns, width: 0, height: 0 }
  terminal.locked = false
  terminals.set(-1, terminal)
  if (stdio[0] === 'tty') kernel.outside.console.setRaw(true)
  return terminal
}

/** The first process of the world controls the host's terminal. */
export const adoptConsole = (kernel: Kernel, group: ThreadGroup): void => {
  const terminal = consoleTerminal(kernel)
  if (terminal !== undefined) setControllingTerminal(terminal, group)
}

const send = (kernel: Kernel, fd: 1 | 2, bytes: Uint8Array, host: number): number => {
  kernel.state.fs.outputBytes[fd] += bytes.length
  if (kernel.state.plan !== undefined) hear(kernel, host, bytes)
  return kernel.outside.console.write(fd, bytes, host)
}

/** Terminal output goes to the descriptor that is one. @returns 0 or a negative errno */
export const writeConsole = (kernel: Kernel, bytes: Uint8Array): number => {
  const { stdio } = kernel.config
  if (stdio[1] === 'tty') return send(kernel, 1, bytes, 0)
  return stdio[2] === 'tty' ? send(kernel, 2, bytes, 0) : 0
}

/** What came in outside; no bytes: the end of input. */
export const deliverInput = (kernel: Kernel, input: ConsoleInput): void => {
  if (!(input instanceof Uint8Array)) {
    const terminal = kernel.state.fs.terminals.get(-1)
    if (terminal !== undefined) resize(kernel, terminal, { rows: input.rows, columns: input.columns, width: 0, height: 0 })
    return
  }
  const bytes = input
  const { hostInput } = kernel.state.fs
  if (hostInput.ended) return
  if (bytes.length === 0) hostInput.ended = true
  if (kernel.config.stdio[0] === 'tty') {
    const terminal = consoleTerminal(kernel)
    if (terminal !== undefined) {
      if (hostInput.ended) {
        terminal.inputEnded = true
        kernel.wake(terminal.readable)
      } else receive(kernel, terminal, bytes)
    }
  } else if (bytes.length > 0) hostInput.pending.push(bytes.slice())
  kernel.wake(kernel.state.consoleInput)
}

/** Asks the outside for input; whether something came (the end of it, too). */
const pull = (kernel: Kernel): boolean => {
  if (kernel.state.fs.hostInput.ended) return false
  const input = kernel.outside.console.read(READ_SIZE)
  if (input === undefined) return false
  deliverInput(kernel, input)
  return input instanceof Uint8Array
}

/** The same for the terminal. */
export const pullTerminalInput = (kernel: Kernel): boolean => kernel.config.stdio[0] === 'tty' && pull(kernel)

const read = (kernel: Kernel, task: Task, file: OpenFile, length: number): Uint8Array | number => {
  if ((file.data as StreamData).fd !== 0) return -EINVAL
  if (length === 0) return new Uint8Array(0)
  const { hostInput } = kernel.state.fs
  if (hostInput.pending.length === 0) pull(kernel)
  if (hostInput.pending.length > 0) {
    const chunk = hostInput.pending[0]
    if (chunk.length <= length) hostInput.pending.shift()
    else hostInput.pending[0] = chunk.subarray(length)
    return chunk.subarray(0, length)
  }
  if (hostInput.ended) return new Uint8Array(0)
  if ((file.flags & O_NONBLOCK) !== 0) return -EAGAIN
  if (kernel.interrupted(task)) return -ERESTARTSYS
  return kernel.block(task, [kernel.state.consoleInput])
}

const write = (kernel: Kernel, task: Task, file: OpenFile, bytes: Uint8Array): number => {
  const { fd, host } = file.data as StreamData
  if (fd === 0) return -EINVAL
  if (bytes.length === 0) return 0
  const error = send(kernel, fd, bytes, host)
  if (error >= 0) return bytes.length
  return error === -EPIPE ? brokenPipe(kernel, task) : error
}

/** Descriptors that are pipes or files outside. */
export const streamOperations: FileOperations = {
  read, write,
  poll: (kernel, file) => {
    if ((file.data as StreamData).fd !== 0) return POLLOUT | POLLWRNORM
    const { hostInput } = kernel.state.fs
    if (hostInput.pending.length === 0) pull(kernel)
    return hostInput.pending.length > 0 || hostInput.ended ? POLLIN | POLLRDNORM : 0
  },
  queues: (kernel, file) => (file.data as StreamData).fd === 0 ? [kernel.state.consoleInput] : [],
  ioctl: (kernel, task, file, command, argument) => {
    if (command !== FIONREAD) return -ENOTTY
    const { pending } = kernel.state.fs.hostInput
    kernel.user(task).setU32(argument, (file.data as StreamData).fd === 0 ? pending.reduce((sum, chunk) => sum + chunk.length, 0) : 0)
    return 0
  },
}

/** Opens a host stream again, through /proc/PID/fd; undefined: the inode is something else. */
export const reopenStream = (kernel: Kernel, inode: Inode, path: string, flags: number): OpenFile | undefined => {
  const at = kernel.state.fs.streams.indexOf(inode)
  return at < 0 ? undefined : makeOpenFile(kernel, 'stream', inode, path, flags, { fd: at % 3 as StreamData['fd'], host: Math.floor(at / 3) } satisfies StreamData)
}

/** The description behind a standard descriptor that is not /dev/null. */
export const openConsole = (kernel: Kernel, fd: 0 | 1 | 2, task: Task): OpenFile => {
  const { anonymous } = kernel.state.fs
  const { host } = task.namespaces
  const terminal = host === 0 && kernel.config.stdio[fd] === 'tty' ? consoleTerminal(kernel) : undefined
  if (terminal !== undefined) {
    const inode = terminalInode(kernel, terminal) ?? makeDevice(kernel, anonymous, 'character', 0o620, terminal.rdev)
    terminal.slaves++
    return makeOpenFile(kernel, 'terminal', inode, `/dev/pts/${CONSOLE_NAME}`, O_RDWR,
      { terminal, side: 'slave', hangups: terminal.hangups } satisfies TerminalData)
  }
  const { uid, gid } = task.credentials
  const inode = makeFifo(kernel, anonymous, 0o600, uid, gid)
  const { streams } = kernel.state.fs
  while (streams.length < host * 3 + 3) streams.push(undefined)
  streams[host * 3 + fd] = inode
  return makeOpenFile(kernel, 'stream', inode, `pipe:[${inode.ino}]`, fd === 0 ? O_RDONLY : O_WRONLY, { fd, host } satisfies StreamData)
}
