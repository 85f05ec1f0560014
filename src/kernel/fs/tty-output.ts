/** The output half of the line discipline (n_tty's do_output_char): OPOST, and where the cursor is. */
import { ECHOCTL, IUTF8, OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, TABDLY, XTABS } from '../abi/termios.ts'
import type { Terminal } from './tty.ts'

const TAB = 9, NEWLINE = 10, RETURN = 13, BACKSPACE = 8, SPACE = 32

/** As the kernel's ctype has it: bytes beyond ASCII are none. */
export const isControl = (byte: number): boolean => byte < 32 || byte === 127
export const isContinuation = (terminal: Terminal, byte: number): boolean =>
  (terminal.termios.iflag & IUTF8) !== 0 && (byte & 0xc0) === 0x80

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
      if ((oflag & OLCUC) !== 0 && byte >= 97 && byte <= 122) {
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

/** Echoes a byte as it is (through OPOST). */
export const echoRaw = (terminal: Terminal, byte: number, out: number[]): void => {
  if ((terminal.termios.oflag & OPOST) !== 0) outputByte(terminal, byte, out)
  else out.push(byte)
}

/** Echoes a byte, control characters as ^X if ECHOCTL says so. */
export const echo = (terminal: Terminal, byte: number, out: number[]): void => {
  if ((terminal.termios.lflag & ECHOCTL) !== 0 && isControl(byte) && byte !== TAB) {
    out.push(0x5e, byte ^ 0x40)
    terminal.column += 2
  } else echoRaw(terminal, byte, out)
}
