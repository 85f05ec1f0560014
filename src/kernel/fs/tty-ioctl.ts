/** ioctl_tty(2): requests to terminals, to either side of a pty. */
import { CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import { EINVAL, EIO, ENOTTY, EPERM, ERESTARTSYS } from '../abi/errno.ts'
import { O_ACCMODE, O_WRONLY } from '../abi/fcntl.ts'
import { SIGNAL_COUNT } from '../abi/signals.ts'
import {
  CBAUD, CONTROL_CHARACTERS, EXTPROC, FIONREAD, ICANON, IXON, TCFLSH, TCGETA, TCGETS, TCGETS2, TCSBRK, TCSBRKP, TCSETA, TCSETAF,
  TCSETAW, TCSETS, TCSETS2, TCSETSF, TCSETSF2, TCSETSW, TCSETSW2, TCXONC, TIOCCBRK, TIOCEXCL, TIOCGDEV, TIOCGETD, TIOCGEXCL,
  TIOCGPGRP, TIOCGPKT, TIOCGPTLCK, TIOCGPTN, TIOCGPTPEER, TIOCGSID, TIOCGWINSZ, TIOCNOTTY, TIOCNXCL, TIOCOUTQ, TIOCPKT,
  TIOCSBRK, TIOCSCTTY, TIOCSETD, TIOCSIG, TIOCSPGRP, TIOCSPTLCK, TIOCSTI, TIOCSWINSZ, TIOCVHANGUP, VSTART, VSTOP,
} from '../abi/termios.ts'
import type { Kernel } from '../kernel.ts'
import { sendToProcessGroup } from '../signal/send.ts'
import { hasCapability } from '../task/credentials.ts'
import type { UserMemory } from '../mm/user-memory.ts'
import { kernelPid, seenBy } from '../task/pid-namespace.ts'
import type { Task } from '../task/task.ts'
import type { OpenFile } from './file.ts'
import { openPeer } from './pty.ts'
import { INPUT_SIZE, isCanonical, isHungUp, isMaster, type Terminal, terminalOf, type Termios } from './tty.ts'
import { feed, flushInput, receive, startOutput } from './tty-input.ts'
import { acquireTerminal, checkChange, hangUp, leaveTerminal, resize, setForeground } from './tty-jobs.ts'

/** Baud rates by the CBAUD bits of c_cflag (asm-generic/termbits.h). */
const SPEEDS = [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19_200, 38_400]
const EXTENDED_SPEEDS = [0, 57_600, 115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000,
  2_000_000, 2_500_000, 3_000_000, 3_500_000, 4_000_000]
const CBAUDEX = 0o10000, BOTHER = 0o10000

const speedOf = (cflag: number, other: number): number => {
  const code = cflag & CBAUD
  if (code === BOTHER) return other
  return (code & CBAUDEX) !== 0 ? EXTENDED_SPEEDS[code & 15] : SPEEDS[code & 15]
}

const TERMIOS_SIZE = 36
/** struct termio has short flags and 8 control characters. */
const TERMIO_CHARACTERS = 8

const writeTermios = (user: UserMemory, address: number, termios: Termios, withSpeeds: boolean): void => {
  const bytes = new Uint8Array(withSpeeds ? TERMIOS_SIZE + 8 : TERMIOS_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, termios.iflag, true)
  view.setUint32(4, termios.oflag, true)
  view.setUint32(8, termios.cflag, true)
  view.setUint32(12, termios.lflag, true)
  bytes[16] = termios.line
  bytes.set(termios.cc, 17)
  if (withSpeeds) {
    view.setUint32(36, termios.inputSpeed, true)
    view.setUint32(40, termios.outputSpeed, true)
  }
  user.write(address, bytes)
}

const readTermios = (user: UserMemory, address: number, withSpeeds: boolean): Termios => {
  const bytes = user.read(address, withSpeeds ? TERMIOS_SIZE + 8 : TERMIOS_SIZE)
  const view = new DataView(bytes.buffer)
  const cflag = view.getUint32(8, true)
  const outputSpeed = speedOf(cflag, withSpeeds ? view.getUint32(40, true) : 38_400)
  return {
    iflag: view.getUint32(0, true), oflag: view.getUint32(4, true), cflag, lflag: view.getUint32(12, true), line: bytes[16],
    cc: [...bytes.subarray(17, 17 + CONTROL_CHARACTERS)],
    inputSpeed: withSpeeds && (cflag & CBAUD) === BOTHER ? view.getUint32(36, true) : outputSpeed, outputSpeed,
  }
}

const writeTermio = (user: UserMemory, address: number, termios: Termios): void => {
  const bytes = new Uint8Array(18)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, termios.iflag, true)
  view.setUint16(2, termios.oflag, true)
  view.setUint16(4, termios.cflag, true)
  view.setUint16(6, termios.lflag, true)
  bytes[8] = termios.line
  bytes.set(termios.cc.slice(0, TERMIO_CHARACTERS), 9)
  user.write(address, bytes)
}

const readTermio = (user: UserMemory, address: number, old: Termios): Termios => {
  const bytes = user.read(address, 18)
  const view = new DataView(bytes.buffer)
  const merge = (before: number, at: number): number => ((before & 0xffff_0000) | view.getUint16(at, true)) >>> 0
  return {
    ...old, iflag: merge(old.iflag, 0), oflag: merge(old.oflag, 2), cflag: merge(old.cflag, 4), lflag: merge(old.lflag, 6),
    line: bytes[8], cc: [...bytes.subarray(9, 9 + TERMIO_CHARACTERS), ...old.cc.slice(TERMIO_CHARACTERS)],
  }
}

/** Takes new settings into use (n_tty_set_termios): what was typed is a line, or isn't one any more. */
const setTermios = (kernel: Kernel, terminal: Terminal, next: Termios): void => {
  const old = terminal.termios
  terminal.termios = { ...next, line: old.line }
  if (((old.lflag ^ next.lflag) & (ICANON | EXTPROC)) !== 0) {
    terminal.marks.fill(0)
    if ((next.lflag & ICANON) === 0 || terminal.head === terminal.tail) terminal.canonHead = terminal.tail
    else {
      terminal.marks[(terminal.head - 1) % INPUT_SIZE] = 1
      terminal.canonHead = terminal.head
    }
    terminal.erasing = terminal.literalNext = false
  }
  if ((old.iflag & IXON) !== 0 && (next.iflag & IXON) === 0) startOutput(kernel, terminal)
  feed(kernel, terminal)
  kernel.wake(terminal.readable)
  kernel.wake(terminal.writable)
}

const changeTermios = (kernel: Kernel, task: Task, terminal: Terminal, flush: boolean, read: () => Termios): number => {
  const refused = checkChange(kernel, task, terminal)
  if (refused < 0) return refused
  const next = read()
  if (flush) flushInput(kernel, terminal)
  setTermios(kernel, terminal, next)
  return 0
}

/** FIONREAD. */
const inputBytes = (terminal: Terminal): number => {
  if (!isCanonical(terminal)) return terminal.head - terminal.tail
  let count = 0
  for (let at = terminal.tail; at < terminal.canonHead; at++) {
    const slot = at % INPUT_SIZE
    if (terminal.marks[slot] === 0 || terminal.input[slot] !== 0) count++
  }
  return count
}

const flushOutput = (kernel: Kernel, terminal: Terminal): void => {
  terminal.output.length = 0
  terminal.outputBytes = 0
  kernel.wake(terminal.writable)
}

const setWindow = (kernel: Kernel, task: Task, terminal: Terminal, argument: number): number => {
  const view = new DataView(kernel.user(task).read(argument, 8).buffer)
  const [rows, columns, width, height] = [0, 2, 4, 6].map((at) => view.getUint16(at, true))
  resize(kernel, terminal, { rows, columns, width, height })
  return 0
}

const flowControl = (kernel: Kernel, task: Task, terminal: Terminal, action: number): number => {
  const refused = checkChange(kernel, task, terminal)
  if (refused < 0) return refused
  const { cc } = terminal.termios
  switch (action) {
    case 0:
      terminal.stopped = true
      return 0
    case 1:
      startOutput(kernel, terminal)
      return 0
    // A stop or start character for the other side.
    case 2: case 3: {
      const byte = cc[action === 2 ? VSTOP : VSTART]
      if (byte !== 0 && terminal.number >= 0) {
        terminal.output.push(Uint8Array.of(byte))
        terminal.outputBytes++
        kernel.wake(terminal.masterReadable)
      }
      return 0
    }
    default: return -EINVAL
  }
}

const masterIoctl = (kernel: Kernel, task: Task, file: OpenFile, terminal: Terminal, command: number, argument: number): number | undefined => {
  const user = kernel.user(task)
  switch (command) {
    case TIOCGPTN:
      user.setU32(argument, terminal.number)
      return 0
    case TIOCSPTLCK:
      terminal.locked = user.u32(argument) !== 0
      return 0
    case TIOCGPTLCK:
      user.setU32(argument, terminal.locked ? 1 : 0)
      return 0
    case TIOCGPTPEER: return openPeer(kernel, task, terminal, argument)
    case TIOCPKT:
      terminal.packet = user.u32(argument) !== 0
      return 0
    case TIOCGPKT:
      user.setU32(argument, terminal.packet ? 1 : 0)
      return 0
    case TIOCSIG:
      if (argument < 1 || argument > SIGNAL_COUNT) return -EINVAL
      if (terminal.foreground !== 0) sendToProcessGroup(kernel, terminal.foreground, argument)
      return 0
    case FIONREAD:
      user.setU32(argument, terminal.outputBytes)
      return 0
    default: return undefined
  }
}

export const terminalIoctl = (kernel: Kernel, task: Task, file: OpenFile, command: number, argument: number): number => {
  const user = kernel.user(task)
  const terminal = terminalOf(file)
  const { group } = task
  if (isHungUp(file)) return command === TIOCSPGRP ? -ENOTTY : -EIO
  if (isMaster(file)) {
    const result = masterIoctl(kernel, task, file, terminal, command, argument)
    if (result !== undefined) return result
  }
  const isOurs = group.controllingTerminal === terminal.rdev
  switch (command) {
    case TCGETS: case TCGETS2:
      writeTermios(user, argument, terminal.termios, command === TCGETS2)
      return 0
    case TCSETS: case TCSETSW: case TCSETSF:
      return changeTermios(kernel, task, terminal, command === TCSETSF, () => readTermios(user, argument, false))
    case TCSETS2: case TCSETSW2: case TCSETSF2:
      return changeTermios(kernel, task, terminal, command === TCSETSF2, () => readTermios(user, argument, true))
    case TCGETA:
      writeTermio(user, argument, terminal.termios)
      return 0
    case TCSETA: case TCSETAW: case TCSETAF:
      return changeTermios(kernel, task, terminal, command === TCSETAF, () => readTermio(user, argument, terminal.termios))
    case TCSBRK: case TCSBRKP: case TIOCSBRK: case TIOCCBRK:
      // Output is never pending on a line, and breaks have nowhere to go.
      return checkChange(kernel, task, terminal)
    case TCXONC: return flowControl(kernel, task, terminal, argument)
    case TCFLSH: {
      const refused = checkChange(kernel, task, terminal)
      if (refused < 0) return refused
      if (argument < 0 || argument > 2) return -EINVAL
      if (argument !== 1) flushInput(kernel, terminal)
      if (argument !== 0) flushOutput(kernel, terminal)
      return 0
    }
    case TIOCEXCL: case TIOCNXCL:
      terminal.exclusive = command === TIOCEXCL
      return 0
    case TIOCGEXCL:
      user.setU32(argument, terminal.exclusive ? 1 : 0)
      return 0
    case TIOCSCTTY:
      return acquireTerminal(kernel, task, terminal, (file.flags & O_ACCMODE) !== O_WRONLY, argument === 1)
    case TIOCNOTTY:
      if (!isOurs) return -ENOTTY
      leaveTerminal(kernel, group, false)
      return 0
    case TIOCGPGRP:
      if (!isOurs && !isMaster(file)) return -ENOTTY
      user.setU32(argument, seenBy(task, terminal.foreground))
      return 0
    case TIOCSPGRP: {
      const refused = checkChange(kernel, task, terminal)
      if (refused < 0) return refused === -ERESTARTSYS ? refused : -ENOTTY
      const processGroup = user.i32(argument)
      return processGroup < 0 ? -EINVAL : setForeground(kernel, task, terminal, kernelPid(task.namespaces.pid, processGroup))
    }
    case TIOCGSID:
      if ((!isOurs && !isMaster(file)) || terminal.session === 0) return -ENOTTY
      user.setU32(argument, seenBy(task, terminal.session))
      return 0
    case TIOCOUTQ:
      user.setU32(argument, isMaster(file) ? 0 : terminal.outputBytes)
      return 0
    case FIONREAD:
      user.setU32(argument, inputBytes(terminal))
      return 0
    case TIOCSTI:
      if (!isOurs && !hasCapability(task, CAP_SYS_ADMIN)) return -EPERM
      receive(kernel, terminal, Uint8Array.of(user.u8(argument)))
      return 0
    case TIOCGWINSZ: {
      const { rows, columns, width, height } = terminal.window
      user.write(argument, new Uint8Array(Uint16Array.of(rows, columns, width, height).buffer))
      return 0
    }
    case TIOCSWINSZ: return setWindow(kernel, task, terminal, argument)
    case TIOCGETD:
      user.setU32(argument, terminal.termios.line)
      return 0
    case TIOCSETD:
      // N_TTY is the one line discipline.
      return user.u32(argument) === 0 ? 0 : -EINVAL
    case TIOCGDEV:
      user.setU32(argument, terminal.rdev)
      return 0
    case TIOCVHANGUP:
      if (!hasCapability(task, CAP_SYS_ADMIN)) return -EPERM
      hangUp(kernel, terminal)
      return 0
    default: return -ENOTTY
  }
}
