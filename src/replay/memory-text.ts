/**
 * What the arguments of a system call point to, as text: buffers, vectors, structures. A trace holds registers and
 * strings only; the rest can be seen while the world is there, in a replay.
 */
import { flagNames } from './names.ts'
import { signalName } from './signal-name.ts'
import { quoteBytes } from './quote.ts'

/** Guest memory of the task: as many of `count` bytes as are there. */
export type Look = (address: number, count: number) => Uint8Array

/** Bytes and elements that are shown, as strace does. */
const SHOWN_BYTES = 32
const SHOWN_ELEMENTS = 16
const SHOWN_STRINGS = 64
const PATH_BYTES = 4096

export interface Pointer {
  /** The argument's name and type in the table of system calls. */
  readonly name: string
  readonly type: string
  readonly address: number
  readonly args: ArrayLike<number>
  readonly result: number
}

class Struct {
  readonly #view: DataView
  constructor(bytes: Uint8Array) { this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
  i16(at: number): number { return this.#view.getInt16(at, true) }
  u32(at: number): number { return this.#view.getUint32(at, true) }
  i32(at: number): number { return this.#view.getInt32(at, true) }
  /** Values beyond 2^53 are rounded. */
  i64(at: number): number { return this.#view.getInt32(at + 4, true) * 0x1_0000_0000 + this.#view.getUint32(at, true) }
  u64(at: number): number { return this.#view.getUint32(at + 4, true) * 0x1_0000_0000 + this.#view.getUint32(at, true) }
}

const hex = (value: number): string => `0x${value.toString(16)}`
const pair = (s: Struct, at: number, seconds: string, rest: string): string => `{${seconds}=${s.i64(at)}, ${rest}=${s.i64(at + 8)}}`
const timespec = (s: Struct, at = 0): string => pair(s, at, 'tv_sec', 'tv_nsec')
const timeval = (s: Struct, at = 0): string => pair(s, at, 'tv_sec', 'tv_usec')

const signalSet = (s: Struct): string => {
  const names: string[] = []
  for (let signal = 1; signal <= 64; signal++) if ((s.u32(signal > 32 ? 4 : 0) & (1 << ((signal - 1) & 31))) !== 0) names.push(signalName(signal).replace(/^SIG/, ''))
  return names.length > 40 ? '~[…]' : `[${names.join(' ')}]`
}

const FILE_TYPES: { readonly [type: number]: string } = { 1: 'S_IFIFO', 2: 'S_IFCHR', 4: 'S_IFDIR', 6: 'S_IFBLK', 8: 'S_IFREG', 10: 'S_IFLNK', 12: 'S_IFSOCK' }
const modeText = (mode: number): string => `${FILE_TYPES[mode >> 12] ?? String(mode >> 12)}|0${(mode & 0o7777).toString(8)}`
const limit = (value: number): string => value >= 2 ** 63 ? 'RLIM_INFINITY' : String(value)

/** Structures of fixed size: bytes and text (x86-64 layouts of the kernel's headers). */
const STRUCTS: { readonly [name: string]: readonly [size: number, text: (s: Struct) => string] } = {
  timespec: [16, timespec],
  timeval: [16, timeval],
  timespecs: [32, (s) => `[${timespec(s)}, ${timespec(s, 16)}]`],
  timevals: [32, (s) => `[${timeval(s)}, ${timeval(s, 16)}]`],
  itimerspec: [32, (s) => `{it_interval=${timespec(s)}, it_value=${timespec(s, 16)}}`],
  itimerval: [32, (s) => `{it_interval=${timeval(s)}, it_value=${timeval(s, 16)}}`],
  sigset: [8, signalSet],
  sigaction: [32, (s) => {
    const handler = s.u64(0)
    const name = handler === 0 ? 'SIG_DFL' : handler === 1 ? 'SIG_IGN' : hex(handler)
    return `{sa_handler=${name}, sa_flags=${flagNames('SA', s.u32(8))}}`
  }],
  stack: [24, (s) => `{ss_sp=${hex(s.u64(0))}, ss_flags=${flagNames('SS', s.u32(8))}, ss_size=${s.u64(16)}}`],
  stat: [144, (s) => `{st_mode=${modeText(s.u32(24))}, st_size=${s.i64(48)}, ...}`],
  rlimit: [16, (s) => `{rlim_cur=${limit(s.u64(0))}, rlim_max=${limit(s.u64(8))}}`],
  rusage: [144, (s) => `{ru_utime=${timeval(s)}, ru_stime=${timeval(s, 16)}, ...}`],
  siginfo: [128, (s) => `{si_signo=${signalName(s.i32(0))}, si_code=${s.i32(8)}, ...}`],
  open_how: [24, (s) => `{flags=${flagNames('O', s.u64(0))}, mode=0${s.u64(8).toString(8)}, resolve=${flagNames('RESOLVE', s.u64(16))}}`],
  clone_args: [88, (s) => `{flags=${flagNames('CLONE', s.u64(0))}, exit_signal=${s.u64(32) === 0 ? '0' : signalName(s.u64(32))}, stack=${hex(s.u64(40))}, stack_size=${hex(s.u64(48))}}`],
}

/** Structures that come in arrays: size, text of one, and the index of the argument that counts them (−1: the result does). */
const LISTS: { readonly [name: string]: readonly [size: number, text: (s: Struct) => string, count: number] } = {
  pollfd: [8, (s) => {
    const events = (at: number): string => flagNames('POLL', s.i16(at) & 0xffff)
    return `{fd=${s.i32(0)}, events=${events(4)}${s.i16(6) === 0 ? '' : `, revents=${events(6)}`}}`
  }, 1],
  epoll_event: [12, (s) => `{events=${flagNames('EPOLL', s.u32(0))}, data=${hex(s.u64(4))}}`, -1],
}

const list = (elements: readonly string[], count: number): string => `[${elements.join(', ')}${count > elements.length ? ', ...' : ''}]`

const vector = (look: Look, address: number, count: number, length: number): string => {
  const elements: string[] = []
  let left = length
  for (let i = 0; i < Math.min(count, SHOWN_ELEMENTS); i++) {
    const bytes = look(address + i * 16, 16)
    if (bytes.length < 16) break
    const s = new Struct(bytes)
    const size = s.u64(8)
    const used = Math.min(size, left)
    left -= used
    elements.push(`{${quoteBytes(look(s.u64(0), Math.min(used, SHOWN_BYTES)), used > SHOWN_BYTES)}, ${size}}`)
  }
  return list(elements, count)
}

const strings = (look: Look, address: number): string => {
  const elements: string[] = []
  for (let i = 0; i < SHOWN_STRINGS + 1; i++) {
    const bytes = look(address + i * 8, 8)
    if (bytes.length < 8) break
    const at = new Struct(bytes).u64(0)
    if (at === 0) return list(elements, elements.length)
    if (i < SHOWN_STRINGS) elements.push(quoteBytes(untilNul(look(at, PATH_BYTES)), false))
  }
  return list(elements, Infinity)
}

export const untilNul = (bytes: Uint8Array): Uint8Array => {
  const end = bytes.indexOf(0)
  return end < 0 ? bytes : bytes.subarray(0, end)
}

/** Argument N, or a number of bytes: N beyond the last argument can only be that. */
const lengthOf = (number: number, args: ArrayLike<number>): number => number < args.length ? args[number] : number

/** undefined: there is nothing to show beyond the address. */
export const pointerText = (look: Look, { name, type, address, args, result }: Pointer): string | undefined => {
  if (address === 0) return undefined
  const match = /^(\w+)[([](\w+)[)\]](\*?)$/.exec(type)
  if (match === null) return type === 'argv' ? strings(look, address) : undefined
  const [, kind, what, isOutput] = match
  const failed = result < 0
  if (kind === 'in' || kind === 'out') {
    if (kind === 'out' && failed) return undefined
    const claimed = lengthOf(Number(what), args)
    // Calls that read say in their result how much there is.
    const length = Math.max(0, kind === 'out' && Number(what) < args.length ? Math.min(claimed, result) : claimed)
    if (name === 'fildes' && length === 8) {
      const bytes = look(address, 8)
      return bytes.length < 8 ? undefined : `[${new Struct(bytes).i32(0)}, ${new Struct(bytes).i32(4)}]`
    }
    const bytes = look(address, Math.min(length, SHOWN_BYTES))
    return bytes.length === 0 && length > 0 ? undefined : quoteBytes(bytes, length > bytes.length)
  }
  if (kind === 'iovec') {
    const reads = result >= 0 && name === 'iov'
    return vector(look, address, args[Number(what)], reads ? result : Infinity)
  }
  if (kind !== 'struct' || (isOutput === '*' && failed)) return undefined
  const listed = LISTS[what]
  if (listed !== undefined) {
    const [size, text, countAt] = listed
    const count = countAt >= 0 ? args[countAt] : isOutput === '*' ? result : 1
    const elements: string[] = []
    for (let i = 0; i < Math.min(count, SHOWN_ELEMENTS); i++) {
      const bytes = look(address + i * size, size)
      if (bytes.length < size) break
      elements.push(text(new Struct(bytes)))
    }
    return countAt < 0 && isOutput !== '*' ? elements[0] : list(elements, count)
  }
  const known = STRUCTS[what]
  if (known === undefined) return undefined
  const bytes = look(address, known[0])
  return bytes.length < known[0] ? undefined : known[1](new Struct(bytes))
}

