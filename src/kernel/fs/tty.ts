/**
 * Terminals: their state, and what a descriptor of one can do. The line discipline (Linux's n_tty) is in tty-input.ts and
 * tty-output.ts, sessions and job control in tty-jobs.ts, ioctls in tty-ioctl.ts; where bytes come from and go to is
 * console.ts (the host's terminal) or pty.ts (a master in the world).
 *
 * Input is a ring of 4,096 bytes, positions count all bytes ever put in. Invariant: tail ≤ canonHead ≤ head ≤ tail + 4096;
 * in canonical mode what lies between tail and canonHead are whole lines, each ended by a mark.
 */
import { EAGAIN, EIO, ERESTARTSYS } from '../abi/errno.ts'
import { O_NONBLOCK } from '../abi/fcntl.ts'
import { SIGTTIN, SIGTTOU } from '../abi/signals.ts'
import {
  B38400, CS8, CREAD, ECHO, ECHOCTL, ECHOE, ECHOK, ECHOKE, EXTPROC, HUPCL, ICANON, ICRNL, IEXTEN, ISIG, IXON, ONLCR, OPOST,
  TOSTOP, VMIN, VTIME,
} from '../abi/termios.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { waitQueue, type WaitQueue } from '../wait-queue.ts'
import { pullTerminalInput, writeConsole } from './console.ts'
import {
  type FileOperations, type OpenFile, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM,
} from './file.ts'
import { endWrite, rememberWritten, writtenSoFar } from './progress.ts'
import { masterOperations, PTY_ROOM, releaseSlave } from './pty.ts'
import { checkJobControl } from './tty-jobs.ts'
import { feed, flushEchoes } from './tty-input.ts'
import { terminalIoctl } from './tty-ioctl.ts'
import { process as processOutput } from './tty-output.ts'

export const INPUT_SIZE = 4096

export interface Termios {
  iflag: number
  oflag: number
  cflag: number
  lflag: number
  line: number
  /** c_cc, CONTROL_CHARACTERS of them. */
  cc: number[]
  inputSpeed: number
  outputSpeed: number
}

export interface WindowSize { rows: number, columns: number, width: number, height: number }

export interface Terminal {
  readonly kind: 'terminal'
  /** Of /dev/pts; −1: the host's terminal. */
  readonly number: number
  /** Device number of the side that programs use. */
  readonly rdev: number
  termios: Termios
  window: WindowSize
  /** The session it controls and that session's foreground process group, 0 if none. */
  session: number
  foreground: number

  readonly input: Uint8Array
  /** 1 where a byte of `input` ends a line; a 0 byte so marked is an end of file. */
  readonly marks: Uint8Array
  head: number
  canonHead: number
  tail: number
  /** Bytes that came in but do not fit yet. */
  readonly backlog: Uint8Array[]
  /** No more will come. */
  inputEnded: boolean
  /** The next byte is literal (^V). */
  literalNext: boolean
  /** Within ECHOPRT's backslash. */
  erasing: boolean
  /** Cursor column, and that at which the line being typed started. */
  column: number
  canonColumn: number
  /** Echo that waits to be put out (tty-output.ts). */
  readonly echoes: number[]
  /** ^S: no output. */
  stopped: boolean
  exclusive: boolean
  readonly readable: WaitQueue
  readonly writable: WaitQueue

  /** Of a pty: what the master has not read yet. */
  readonly output: Uint8Array[]
  outputBytes: number
  /** Those that were there before the input that is being processed came. */
  settledBytes: number
  readonly masterReadable: WaitQueue
  readonly masterWritable: WaitQueue
  /** Open descriptions of the slave, and of the master. */
  slaves: number
  masters: number
  /** All slaves were closed since one was opened. */
  slaveClosed: boolean
  locked: boolean
  packet: boolean
  /** Descriptions of the slave made before this hang-up count are dead. */
  hangups: number
}

export interface TerminalData {
  readonly terminal: Terminal
  readonly side: 'slave' | 'master'
  /** Terminal.hangups when it was opened. */
  readonly hangups: number
}

/** What a terminal has at first (tty_std_termios). */
const standardTermios = (): Termios => ({
  iflag: ICRNL | IXON, oflag: OPOST | ONLCR, cflag: B38400 | CS8 | CREAD,
  lflag: ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN, line: 0,
  cc: [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0], inputSpeed: 38_400, outputSpeed: 38_400,
})

export const makeTerminal = (number: number, rdev: number): Terminal => ({
  kind: 'terminal', number, rdev, termios: standardTermios(), window: { rows: 0, columns: 0, width: 0, height: 0 },
  session: 0, foreground: 0,
  input: new Uint8Array(INPUT_SIZE), marks: new Uint8Array(INPUT_SIZE), head: 0, canonHead: 0, tail: 0, backlog: [],
  inputEnded: false, literalNext: false, erasing: false, column: 0, canonColumn: 0, echoes: [], stopped: false, exclusive: false,
  readable: waitQueue(), writable: waitQueue(), output: [], outputBytes: 0, settledBytes: 0, masterReadable: waitQueue(),
  masterWritable: waitQueue(), slaves: 0, masters: 0, slaveClosed: false, locked: true, packet: false, hangups: 0,
})

/** /dev/console's serial-like flags differ from a pty's by HUPCL only. */
export const CONSOLE_CFLAG = B38400 | CS8 | CREAD | HUPCL

export const terminalOf = (file: OpenFile): Terminal => (file.data as TerminalData).terminal
export const isMaster = (file: OpenFile): boolean => (file.data as TerminalData).side === 'master'
export const isHungUp = (file: OpenFile): boolean => {
  const { terminal, hangups, side } = file.data as TerminalData
  return side === 'slave' && hangups !== terminal.hangups
}

export const isCanonical = (terminal: Terminal): boolean => (terminal.termios.lflag & (ICANON | EXTPROC)) === ICANON

/** Whether a read would find something; a poll in raw mode without VTIME waits for VMIN bytes. */
const hasInput = (terminal: Terminal, forPoll: boolean): boolean => {
  if (isCanonical(terminal)) return terminal.canonHead !== terminal.tail
  const { cc } = terminal.termios
  const amount = forPoll && cc[VTIME] === 0 && cc[VMIN] > 0 ? cc[VMIN] : 1
  return terminal.head - terminal.tail >= amount
}

/** Takes a line or a part of one, without the mark of an end of file. */
const takeLine = (terminal: Terminal, length: number): Uint8Array => {
  const limit = Math.min(length, terminal.canonHead - terminal.tail)
  const bytes = new Uint8Array(limit)
  let count = 0
  while (count < limit) {
    const slot = terminal.tail % INPUT_SIZE
    const isEnd = terminal.marks[slot] !== 0
    const byte = terminal.input[slot]
    terminal.tail++
    terminal.marks[slot] = 0
    if (!isEnd || byte !== 0) bytes[count++] = byte
    if (isEnd) return bytes.subarray(0, count)
  }
  // The buffer is full: an end of file right behind it belongs to this line.
  const slot = terminal.tail % INPUT_SIZE
  if (count > 0 && terminal.tail !== terminal.canonHead && terminal.marks[slot] !== 0 && terminal.input[slot] === 0) {
    terminal.marks[slot] = 0
    terminal.tail++
  }
  return bytes.subarray(0, count)
}

const takeRaw = (terminal: Terminal, length: number): Uint8Array => {
  const bytes = new Uint8Array(Math.min(length, terminal.head - terminal.tail))
  for (let i = 0; i < bytes.length; i++) bytes[i] = terminal.input[terminal.tail++ % INPUT_SIZE]
  if (terminal.canonHead < terminal.tail) terminal.canonHead = terminal.tail
  return bytes
}

/** What a raw read remembers: when it gives up waiting, and how many bytes there were when it last looked. */
interface RawWait { deadline?: number, seen?: number }

const DECISECONDS = 10

/**
 * Raw mode: VMIN and VTIME (termios(3), 'noncanonical mode'). Bytes stay in the ring until the read is complete.
 * @returns the cycle until which to wait, or undefined if the read is complete
 */
const rawDeadline = (kernel: Kernel, task: Task, terminal: Terminal, length: number): number | undefined => {
  const { cc } = terminal.termios
  const available = terminal.head - terminal.tail
  const minimum = Math.min(Math.max(cc[VMIN], 1), length)
  if (available >= minimum) return undefined
  const wait = cc[VTIME] * kernel.config.cpuHz / DECISECONDS
  if (cc[VMIN] > 0 && (wait === 0 || available === 0)) return Infinity
  if (wait === 0) return undefined
  const memory = (task.syscall?.memory ?? {}) as RawWait
  const isNew = memory.deadline === undefined || (cc[VMIN] > 0 && memory.seen !== available)
  const deadline = isNew ? kernel.now + wait : memory.deadline ?? kernel.now
  if (deadline <= kernel.now) return undefined
  if (task.syscall !== undefined) task.syscall.memory = { ...memory, deadline, seen: available }
  return deadline
}

const inputQueues = (kernel: Kernel, terminal: Terminal): WaitQueue[] =>
  terminal.number < 0 ? [terminal.readable, kernel.state.consoleInput] : [terminal.readable]

const read = (kernel: Kernel, task: Task, file: OpenFile, length: number): Uint8Array | number => {
  if (isMaster(file)) return masterOperations.read(kernel, task, file, length)
  const terminal = terminalOf(file)
  if (isHungUp(file)) return new Uint8Array(0)
  const refused = checkJobControl(kernel, task, terminal, SIGTTIN)
  if (refused < 0) return refused
  if (length === 0) return new Uint8Array(0)
  let deadline: number | undefined = Infinity
  for (;;) {
    if (isCanonical(terminal)) {
      if (hasInput(terminal, false)) {
        const line = takeLine(terminal, length)
        feed(kernel, terminal)
        return line
      }
    } else {
      deadline = rawDeadline(kernel, task, terminal, length)
      if (deadline === undefined) {
        const bytes = takeRaw(terminal, length)
        feed(kernel, terminal)
        return bytes
      }
    }
    if (terminal.number >= 0 || !pullTerminalInput(kernel)) break
  }
  if (terminal.masters === 0 && terminal.number >= 0) return -EIO
  if (terminal.inputEnded) return isCanonical(terminal) ? new Uint8Array(0) : takeRaw(terminal, length)
  if ((file.flags & O_NONBLOCK) !== 0) return terminal.head > terminal.tail && !isCanonical(terminal) ? takeRaw(terminal, length) : -EAGAIN
  if (kernel.interrupted(task)) return terminal.head > terminal.tail && !isCanonical(terminal) ? takeRaw(terminal, length) : -ERESTARTSYS
  return kernel.block(task, inputQueues(kernel, terminal), deadline)
}

/** How much of what programs write can be taken now. */
const outputRoom = (terminal: Terminal): number =>
  terminal.stopped ? 0 : terminal.number < 0 ? Infinity : Math.max(0, PTY_ROOM - terminal.outputBytes)

/** Where processed output goes. @returns 0 or a negative errno */
export const emit = (kernel: Kernel, terminal: Terminal, bytes: Uint8Array): number => {
  if (bytes.length === 0) return 0
  if (terminal.number < 0) return writeConsole(kernel, bytes)
  if (terminal.masters === 0) return -EIO
  terminal.output.push(bytes)
  terminal.outputBytes += bytes.length
  kernel.wake(terminal.masterReadable)
  return 0
}

const write = (kernel: Kernel, task: Task, file: OpenFile, bytes: Uint8Array): number => {
  if (isMaster(file)) return masterOperations.write(kernel, task, file, bytes)
  const terminal = terminalOf(file)
  if (isHungUp(file)) return -EIO
  if ((terminal.termios.lflag & TOSTOP) !== 0) {
    const refused = checkJobControl(kernel, task, terminal, SIGTTOU)
    if (refused < 0) return refused
  }
  if (terminal.number >= 0 && terminal.masters === 0) return -EIO
  flushEchoes(kernel, terminal)
  let done = writtenSoFar(task)
  const count = Math.min(bytes.length - done, outputRoom(terminal))
  if (count > 0) {
    const error = emit(kernel, terminal, processOutput(terminal, bytes.subarray(done, done + count)))
    if (error < 0) return endWrite(task, done, error)
    done += count
  }
  if (done === bytes.length) return endWrite(task, done, 0)
  if ((file.flags & O_NONBLOCK) !== 0) return endWrite(task, done, -EAGAIN)
  if (kernel.interrupted(task)) return endWrite(task, done, -ERESTARTSYS)
  rememberWritten(task, done)
  return kernel.block(task, [terminal.writable])
}

const poll = (kernel: Kernel, file: OpenFile): number => {
  if (isMaster(file)) return masterOperations.poll(kernel, file)
  const terminal = terminalOf(file)
  if (isHungUp(file)) return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM
  let events = 0
  if (!hasInput(terminal, true) && terminal.number < 0) pullTerminalInput(kernel)
  if (hasInput(terminal, true) || terminal.inputEnded) events |= POLLIN | POLLRDNORM
  if (terminal.number >= 0 && terminal.masters === 0) events |= POLLHUP
  if (outputRoom(terminal) > 0) events |= POLLOUT | POLLWRNORM
  return events
}

export const terminalOperations: FileOperations = {
  read, write, poll,
  queues: (kernel, file) => {
    const terminal = terminalOf(file)
    if (isMaster(file)) return [terminal.masterReadable, terminal.masterWritable]
    return [...inputQueues(kernel, terminal), terminal.writable]
  },
  ioctl: terminalIoctl,
  release: (kernel, file) => {
    if (isMaster(file)) masterOperations.release(kernel, file)
    else releaseSlave(kernel, terminalOf(file))
  },
}
