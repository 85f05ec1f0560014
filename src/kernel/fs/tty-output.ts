/** The output half of the line discipline (n_tty's do_output_char): OPOST, and where the cursor is. */
import { ECHOCTL, IUTF8, OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, TABDLY, XTABS } from '../abi/termios.ts'
import type { Terminal } from './tty.ts'

const TAB = 9, NEWLINE = 10, RETURN = 13, BACKSPACE = 8, SPACE = 32, CARET = 0x5e

/** As the kernel's ctype has it: bytes beyond ASCII are none. */
export const isControl = (byte: number): boolean => byte < 32 || byte === 127
export const isContinuation = (terminal: Terminal, byte: number): boolean =>
  (terminal.termios.iflag & IUTF8) !== 0 && (byte & 0xc0) === 0x80

/** Of Latin-1, as the kernel's ctype has it. */
const isLower = (byte: number): boolean => (byte >= 97 && byte <= 122) || (byte >= 223 && byte !== 247)
export const isUpper = (byte: number): boolean => (byte >= 65 && byte <= 90) || (byte >= 192 && byte < 223 && byte !== 215)

/** One byte through OPOST. */
const outputByte = (terminal: Terminal, byte: number, out: number[]): void => {
  const { oflag } = terminal.termios
  switch (byte) {
    case NEWLINE:
      if ((oflag & ONLRET) !== 0) terminal.column = 0
      if ((oflag & ONLCR) !== 0) {
        terminal.column = terminal.canonColumn = 0
        out.push(RETURN, NEWLINE)
        return
      }
      terminal.canonColumn = terminal.column
      break
    case RETURN:
      if ((oflag & ONOCR) !== 0 && terminal.column === 0) return
      if ((oflag & OCRNL) !== 0) {
        if ((oflag & ONLRET) !== 0) terminal.column = terminal.canonColumn = 0
        out.push(NEWLINE)
        return
      }
      terminal.column = terminal.canonColumn = 0
      break
    case TAB: {
      const spaces = 8 - (terminal.column & 7)
      terminal.column += spaces
      if ((oflag & TABDLY) === XTABS) {
        for (let i = 0; i < spaces; i++) out.push(SPACE)
        return
      }
      break
    }
    case BACKSPACE:
      if (terminal.column > 0) terminal.column--
      break
    default:
      if (isControl(byte)) break
      if (!isContinuation(terminal, byte)) terminal.column++
      if ((oflag & OLCUC) !== 0 && isLower(byte)) {
        out.push(byte - 32)
        return
      }
  }
  out.push(byte)
}

/** What a program writes, as it goes out. */
export const process = (terminal: Terminal, bytes: Uint8Array): Uint8Array => {
  if ((terminal.termios.oflag & OPOST) === 0) return bytes.slice()
  const out: number[] = []
  for (const byte of bytes) outputByte(terminal, byte, out)
  return Uint8Array.from(out)
}

// ——— Echo ———

/**
 * What is to be echoed waits as it would in Linux's echo buffer: it is dropped when input is flushed, and held while output is
 * stopped. An entry below 256 is a byte; others are these.
 */
const AS_CONTROL = 0x100, SET_CANON_COLUMN = 0x200, MOVE_BACK = 0x300, ERASE_TAB = 0x1000
const AFTER_TAB = 0x800
const ESCAPE = 0xff
/** Linux keeps the last so many. */
const ECHO_SIZE = 4096

const add = (terminal: Terminal, entry: number): void => {
  terminal.echoes.push(entry)
  if (terminal.echoes.length > ECHO_SIZE) terminal.echoes.shift()
}

/** Echoes a byte through OPOST only. */
export const echoRaw = (terminal: Terminal, byte: number): void => { add(terminal, byte) }

/** Echoes a byte, control characters as ^X if ECHOCTL says so. */
export const echo = (terminal: Terminal, byte: number): void => {
  add(terminal, (terminal.termios.lflag & ECHOCTL) !== 0 && isControl(byte) && byte !== TAB ? AS_CONTROL | byte : byte)
}

/** The line being typed starts where the cursor is when the echo gets there. */
export const echoLineStart = (terminal: Terminal): void => { add(terminal, SET_CANON_COLUMN) }
export const echoMoveBack = (terminal: Terminal): void => { add(terminal, MOVE_BACK) }
/** Takes the cursor back over a tab, to `columns` behind another tab or the start of the line. */
export const echoEraseTab = (terminal: Terminal, columns: number, afterTab: boolean): void => {
  add(terminal, ERASE_TAB | (columns & 7) | (afterTab ? AFTER_TAB : 0))
}

/** What the waiting echo makes of the terminal's output, now. */
export const renderEchoes = (terminal: Terminal): Uint8Array => {
  const out: number[] = []
  for (const entry of terminal.echoes) {
    if (entry === ESCAPE) {
      // Linux's buffer escapes this byte, and puts it out as it is.
      out.push(entry)
      terminal.column++
    } else if (entry < AS_CONTROL) {
      if ((terminal.termios.oflag & OPOST) !== 0) outputByte(terminal, entry, out)
      else out.push(entry)
    } else if (entry < SET_CANON_COLUMN) {
      out.push(CARET, (entry & 0xff) ^ 0x40)
      terminal.column += 2
    } else if (entry === SET_CANON_COLUMN) terminal.canonColumn = terminal.column
    else if (entry === MOVE_BACK) terminal.column = Math.max(terminal.column - 1, 0)
    else {
      const columns = (entry & 7) + ((entry & AFTER_TAB) !== 0 ? 0 : terminal.canonColumn)
      for (let count = 8 - (columns & 7); count > 0; count--) {
        out.push(BACKSPACE)
        if (terminal.column > 0) terminal.column--
      }
    }
  }
  terminal.echoes.length = 0
  return Uint8Array.from(out)
}
