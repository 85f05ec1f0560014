/** The input half of the line discipline (Linux's n_tty): line editing, echo, signals and flow control. */
import { SIGINT, SIGQUIT, SIGTSTP } from '../abi/signals.ts'
import {
  ECHO, ECHOCTL, ECHOE, ECHOK, ECHOKE, ECHONL, ECHOPRT, EXTPROC, ICANON, ICRNL, IEXTEN, IGNCR, INLCR, ISIG, ISTRIP, IUCLC,
  IXANY, IXON, NOFLSH, PARMRK, VEOF, VEOL, VEOL2, VERASE, VINTR, VKILL, VLNEXT, VQUIT, VREPRINT, VSTART, VSTOP, VSUSP, VWERASE,
} from '../abi/termios.ts'
import type { Kernel } from '../kernel.ts'
import { sendToProcessGroup } from '../signal/send.ts'
import { emit, INPUT_SIZE, type Terminal } from './tty.ts'
import {
  echo, echoEraseTab, echoLineStart, echoMoveBack, echoRaw, isContinuation, isControl, isUpper, renderEchoes,
} from './tty-output.ts'

const BACKSPACE = 8, TAB = 9, NEWLINE = 10, RETURN = 13, SPACE = 32, SLASH = 0x2f, BACKSLASH = 0x5c, CARET = 0x5e

/** As the kernel's ctype has it (Latin-1 letters count). */
const isAlphanumeric = (byte: number): boolean =>
  (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) ||
  (byte >= 192 && byte !== 215 && byte !== 247)

const put = (terminal: Terminal, byte: number): void => {
  const slot = terminal.head++ % INPUT_SIZE
  terminal.input[slot] = byte
  terminal.marks[slot] = 0
}

const flag = (terminal: Terminal, bit: number): boolean => (terminal.termios.lflag & bit) !== 0
const inputFlag = (terminal: Terminal, bit: number): boolean => (terminal.termios.iflag & bit) !== 0

/** Linux puts the echo out when so much of it waits, and at the end of what came in. */
const ECHO_BLOCK = 256

export const flushEchoes = (kernel: Kernel, terminal: Terminal): void => {
  if (!terminal.stopped && terminal.echoes.length > 0) emit(kernel, terminal, renderEchoes(terminal))
}

export const startOutput = (kernel: Kernel, terminal: Terminal): void => {
  if (!terminal.stopped) return
  terminal.stopped = false
  flushEchoes(kernel, terminal)
  kernel.wake(terminal.writable)
  kernel.wake(terminal.masterWritable)
}

/** Forgets what was not read. */
export const flushInput = (kernel: Kernel, terminal: Terminal): void => {
  terminal.tail = terminal.canonHead = terminal.head
  terminal.marks.fill(0)
  terminal.backlog.length = 0
  terminal.erasing = terminal.literalNext = false
  kernel.wake(terminal.masterWritable)
}

const finishErasing = (terminal: Terminal): void => {
  if (!terminal.erasing) return
  echoRaw(terminal, SLASH)
  terminal.erasing = false
}

/** Takes the cursor back over a tab: to where the characters before it end. */
const rubTab = (terminal: Terminal): void => {
  let columns = 0
  let afterTab = false
  for (let at = terminal.head; at !== terminal.canonHead;) {
    const byte = terminal.input[--at % INPUT_SIZE]
    if (byte === TAB) {
      afterTab = true
      break
    }
    if (isControl(byte)) columns += flag(terminal, ECHOCTL) ? 2 : 0
    else if (!isContinuation(terminal, byte)) columns++
  }
  echoEraseTab(terminal, columns, afterTab)
}

const echoRubout = (terminal: Terminal): void => {
  for (const byte of [BACKSPACE, SPACE, BACKSPACE]) echoRaw(terminal, byte)
}

/** ERASE, WERASE and KILL. */
const erase = (terminal: Terminal, by: number): void => {
  const { cc } = terminal.termios
  if (terminal.head === terminal.canonHead) return
  const kind = by === cc[VERASE] ? 'character' : by === cc[VWERASE] ? 'word' : 'line'
  if (kind === 'line') {
    if (!flag(terminal, ECHO)) {
      terminal.head = terminal.canonHead
      return
    }
    if (!flag(terminal, ECHOK) || !flag(terminal, ECHOKE) || !flag(terminal, ECHOE)) {
      terminal.head = terminal.canonHead
      finishErasing(terminal)
      echo(terminal, cc[VKILL])
      if (flag(terminal, ECHOK)) echoRaw(terminal, NEWLINE)
      return
    }
  }
  let seenWord = false
  while (terminal.head !== terminal.canonHead) {
    let head = terminal.head
    let byte: number
    do byte = terminal.input[--head % INPUT_SIZE]
    while (isContinuation(terminal, byte) && head !== terminal.canonHead)
    if (isContinuation(terminal, byte)) break
    if (kind === 'word') {
      if (isAlphanumeric(byte) || byte === 0x5f) seenWord = true
      else if (seenWord) break
    }
    const end = terminal.head
    terminal.head = head
    if (flag(terminal, ECHO)) {
      if (flag(terminal, ECHOPRT)) {
        if (!terminal.erasing) {
          echoRaw(terminal, BACKSLASH)
          terminal.erasing = true
        }
        echo(terminal, byte)
        for (let at = head + 1; at < end; at++) {
          echoRaw(terminal, terminal.input[at % INPUT_SIZE])
          echoMoveBack(terminal)
        }
      } else if (kind === 'character' && !flag(terminal, ECHOE)) echo(terminal, cc[VERASE])
      else if (byte === TAB) rubTab(terminal)
      else {
        if (isControl(byte) && flag(terminal, ECHOCTL)) echoRubout(terminal)
        if (!isControl(byte) || flag(terminal, ECHOCTL)) echoRubout(terminal)
      }
    }
    if (kind === 'character') break
  }
  if (terminal.head === terminal.canonHead && flag(terminal, ECHO)) finishErasing(terminal)
}

/** Output of what came in together with the signal's character has not reached the other side yet: it is flushed, too. */
const dropFreshOutput = (terminal: Terminal): void => {
  const { output } = terminal
  while (terminal.outputBytes > terminal.settledBytes) {
    const last = output[output.length - 1]
    const excess = Math.min(terminal.outputBytes - terminal.settledBytes, last.length)
    if (excess === last.length) output.pop()
    else output[output.length - 1] = last.subarray(0, last.length - excess)
    terminal.outputBytes -= excess
  }
}

const signalForeground = (kernel: Kernel, terminal: Terminal, signal: number, byte: number): void => {
  if (terminal.foreground !== 0) sendToProcessGroup(kernel, terminal.foreground, signal)
  if (!flag(terminal, NOFLSH)) {
    terminal.echoes.length = 0
    dropFreshOutput(terminal)
    terminal.tail = terminal.canonHead = terminal.head
    terminal.marks.fill(0)
    terminal.erasing = terminal.literalNext = false
  }
  if (inputFlag(terminal, IXON)) startOutput(kernel, terminal)
  if (flag(terminal, ECHO)) echo(terminal, byte)
}

const echoTyped = (terminal: Terminal, byte: number): void => {
  finishErasing(terminal)
  if (terminal.canonHead === terminal.head) echoLineStart(terminal)
  echo(terminal, byte)
}

const putTyped = (terminal: Terminal, byte: number): void => {
  if (byte === 0xff && inputFlag(terminal, PARMRK)) put(terminal, byte)
  put(terminal, byte)
}

const endLine = (kernel: Kernel, terminal: Terminal, byte: number): void => {
  const slot = terminal.head % INPUT_SIZE
  put(terminal, byte)
  terminal.marks[slot] = 1
  terminal.canonHead = terminal.head
  kernel.wake(terminal.readable)
}

/** A byte in canonical mode that edits or ends the line; false: an ordinary one. */
const receiveCanonical = (kernel: Kernel, terminal: Terminal, byte: number): boolean => {
  const { cc } = terminal.termios
  const extended = flag(terminal, IEXTEN)
  const echoes = flag(terminal, ECHO)
  if (byte === cc[VERASE] || byte === cc[VKILL] || (byte === cc[VWERASE] && extended)) {
    erase(terminal, byte)
    return true
  }
  if (byte === cc[VLNEXT] && extended) {
    terminal.literalNext = true
    if (echoes) {
      finishErasing(terminal)
      if (flag(terminal, ECHOCTL)) {
        echoRaw(terminal, CARET)
        echoRaw(terminal, BACKSPACE)
      }
    }
    return true
  }
  if (byte === cc[VREPRINT] && echoes && extended) {
    finishErasing(terminal)
    echo(terminal, byte)
    echoRaw(terminal, NEWLINE)
    for (let at = terminal.canonHead; at !== terminal.head; at++) echo(terminal, terminal.input[at % INPUT_SIZE])
    return true
  }
  if (byte === NEWLINE) {
    if (echoes || flag(terminal, ECHONL)) echoRaw(terminal, NEWLINE)
    endLine(kernel, terminal, byte)
    return true
  }
  if (byte === cc[VEOF]) {
    endLine(kernel, terminal, 0)
    return true
  }
  if (byte === cc[VEOL] || (byte === cc[VEOL2] && extended)) {
    if (echoes) {
      if (terminal.canonHead === terminal.head) echoLineStart(terminal)
      echo(terminal, byte)
    }
    if (byte === 0xff && inputFlag(terminal, PARMRK)) put(terminal, byte)
    endLine(kernel, terminal, byte)
    return true
  }
  return false
}

const receiveByte = (kernel: Kernel, terminal: Terminal, input: number): void => {
  const { iflag, lflag, cc } = terminal.termios
  let byte = input
  if (terminal.literalNext) {
    terminal.literalNext = false
    if ((iflag & ISTRIP) !== 0) byte &= 0x7f
    if ((lflag & ECHO) !== 0) echoTyped(terminal, byte)
    putTyped(terminal, byte)
    return
  }
  if ((iflag & ISTRIP) !== 0) byte &= 0x7f
  if ((iflag & IUCLC) !== 0 && (lflag & IEXTEN) !== 0 && isUpper(byte)) byte += 32
  if ((lflag & EXTPROC) !== 0) {
    put(terminal, byte)
    return
  }
  // A control character set to 0 is disabled.
  if (byte !== 0) {
    if ((iflag & IXON) !== 0) {
      if (byte === cc[VSTART]) {
        startOutput(kernel, terminal)
        flushEchoes(kernel, terminal)
        return
      }
      if (byte === cc[VSTOP]) {
        terminal.stopped = true
        return
      }
    }
    if ((lflag & ISIG) !== 0) {
      const signal = byte === cc[VINTR] ? SIGINT : byte === cc[VQUIT] ? SIGQUIT : byte === cc[VSUSP] ? SIGTSTP : 0
      if (signal !== 0) {
        signalForeground(kernel, terminal, signal, byte)
        return
      }
    }
    if (terminal.stopped && (iflag & IXON) !== 0 && (iflag & IXANY) !== 0) startOutput(kernel, terminal)
    if (byte === RETURN) {
      if ((iflag & IGNCR) !== 0) return
      if ((iflag & ICRNL) !== 0) byte = NEWLINE
    } else if (byte === NEWLINE && (iflag & INLCR) !== 0) byte = RETURN
    if ((lflag & ICANON) !== 0 && receiveCanonical(kernel, terminal, byte)) return
  }
  if ((lflag & ECHO) !== 0) {
    // Only a newline that was a return: others are ordinary characters in raw mode.
    if (byte === NEWLINE && input !== NEWLINE) {
      finishErasing(terminal)
      echoRaw(terminal, NEWLINE)
    } else echoTyped(terminal, byte)
  }
  putTyped(terminal, byte)
}

/** How many bytes the ring takes; in canonical mode a line that fills it goes on, each byte in the place of the last. */
const makeRoom = (terminal: Terminal): number => {
  let room = INPUT_SIZE - (terminal.head - terminal.tail)
  if (inputFlag(terminal, PARMRK)) room = Math.floor((room + 2) / 3)
  room--
  if (room > 0) return room
  const overflows = flag(terminal, ICANON) && terminal.canonHead === terminal.tail
  if (overflows && room < 0) terminal.head--
  return overflows ? 1 : 0
}

/** Works off the backlog as far as there is room for it. */
export const feed = (kernel: Kernel, terminal: Terminal): void => {
  const { backlog } = terminal
  if (backlog.length === 0) return
  terminal.settledBytes = terminal.outputBytes
  while (backlog.length > 0) {
    const chunk = backlog[0]
    let taken = 0
    while (taken < chunk.length && makeRoom(terminal) > 0) {
      receiveByte(kernel, terminal, chunk[taken++])
      if (terminal.echoes.length >= ECHO_BLOCK) flushEchoes(kernel, terminal)
    }
    flushEchoes(kernel, terminal)
    if (backlog[0] !== chunk) continue
    if (taken < chunk.length) {
      backlog[0] = chunk.subarray(taken)
      break
    }
    backlog.shift()
  }
  if (!flag(terminal, ICANON) && terminal.head !== terminal.tail) kernel.wake(terminal.readable)
  if (backlog.length === 0) kernel.wake(terminal.masterWritable)
}

/** Bytes that were typed. */
export const receive = (kernel: Kernel, terminal: Terminal, bytes: Uint8Array): void => {
  if (bytes.length === 0) return
  terminal.backlog.push(bytes.slice())
  feed(kernel, terminal)
}
