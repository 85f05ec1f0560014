/** `#!` lines (fs/binfmt_script.c; execve(2), 'Interpreter scripts'). */

/** The kernel looks at this much of a file (BINPRM_BUF_SIZE). */
export const HEAD_SIZE = 256

const NUL = 0, TAB = 9, NEWLINE = 10, SPACE = 32
const isBlank = (byte: number): boolean => byte === SPACE || byte === TAB

export interface ScriptLine {
  readonly interpreter: string
  readonly argument: string | undefined
}

export const isScript = (head: Uint8Array): boolean => head.length >= 2 && head[0] === 0x23 && head[1] === 0x21

/** Interpreter and its one argument (with the blanks in it); undefined: the line is not usable, ENOEXEC. */
export const parseScript = (fileHead: Uint8Array): ScriptLine | undefined => {
  const head = new Uint8Array(HEAD_SIZE)
  head.set(fileHead.subarray(0, HEAD_SIZE))
  const skipBlanks = (from: number, end: number): number => {
    let at = from
    while (at < end && isBlank(head[at])) at++
    return at
  }
  const findTerminator = (from: number, end: number): number => {
    let at = from
    while (at < end && !isBlank(head[at]) && head[at] !== NUL) at++
    return at
  }
  // strnchr stops at a NUL.
  let end = 2
  while (end < HEAD_SIZE && head[end] !== NEWLINE && head[end] !== NUL) end++
  if (end === HEAD_SIZE || head[end] !== NEWLINE) {
    const name = skipBlanks(2, HEAD_SIZE)
    // A name without an end may be cut off.
    if (name === HEAD_SIZE || findTerminator(name, HEAD_SIZE) === HEAD_SIZE) return undefined
    end = HEAD_SIZE
  }
  while (end > 2 && isBlank(head[end - 1])) end--
  const nameStart = skipBlanks(2, end)
  if (nameStart === end) return undefined
  const nameEnd = findTerminator(nameStart, end)
  const text = (from: number, to: number): string => {
    const nul = head.subarray(from, to).indexOf(NUL)
    return String.fromCharCode(...head.subarray(from, nul < 0 ? to : from + nul))
  }
  const interpreter = text(nameStart, nameEnd)
  if (interpreter === '') return undefined
  let argument: string | undefined
  if (nameEnd < end && head[nameEnd] !== NUL) {
    const argumentStart = skipBlanks(nameEnd, end)
    if (argumentStart < end) argument = text(argumentStart, end)
  }
  return { interpreter, argument }
}
