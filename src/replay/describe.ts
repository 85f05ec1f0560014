/** Events as text for people: system calls in the manner of strace, the others in a few words. */
import { DESCRIPTORS } from './tap.ts'
import { ERRNO_NAMES } from '../kernel/abi/errno.ts'
import { SYSCALLS } from '../kernel/syscalls/table.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { EventOf, TraceEvent } from '../trace/events.ts'
import { type Look, pointerText, untilNul } from './memory-text.ts'
import { commandName, enumName, flagNames, signalCodeName } from './names.ts'
import { signalName } from './signal-name.ts'
import { packetText } from './packet-text.ts'
import { peekBytes } from './peek.ts'
import { quote, quoteBytes } from './quote.ts'
import type { Divergence } from './session.ts'
import { hexOf } from './state-hash.ts'

const TWO_32 = 0x1_0000_0000
const AT_FDCWD = -100
/** No address, and no result that is not an errno, is in here. */
const MAX_ERRNO = 4095
const int32 = (value: number): number => value | 0
const address = (value: number): string => value === 0 ? 'NULL' : value < 0 ? `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}` : `0x${value.toString(16)}`

/** Results that the program does not see: the call goes on after the signal, or fails with EINTR. */
const RESTARTS: { readonly [code: number]: string } = {
  512: 'ERESTARTSYS', 513: 'ERESTARTNOINTR', 514: 'ERESTARTNOHAND', 516: 'ERESTART_RESTARTBLOCK',
}

export const errnoText = (value: number): string => {
  const restart = RESTARTS[-value]
  if (restart !== undefined) return `? ${restart}`
  const name = ERRNO_NAMES.get(-value)
  return name === undefined ? String(value) : `-1 ${name}`
}

const argumentText = (call: string, type: string, value: number, string: string | undefined): string => {
  const match = /^(\w+)(?:[([](\w+)[)\]])?\*?$/.exec(type)
  const kind = match?.[1] ?? type
  const name = match?.[2] ?? ''
  switch (kind) {
    case 'path': case 'string': return value === 0 ? 'NULL' : string === undefined ? address(value) : quote(string)
    case 'fd': case 'int': case 'pid': return String(int32(value))
    case 'dirfd': return int32(value) === AT_FDCWD ? 'AT_FDCWD' : String(int32(value))
    case 'uint': case 'uid': case 'gid': return value === 0xffff_ffff || value === -1 ? '-1' : String(value >>> 0)
    case 'mode': return value === 0 ? '0' : `0${(value >>> 0).toString(8)}`
    case 'signal': return int32(value) === 0 ? '0' : signalName(int32(value))
    case 'flags': return flagNames(name, value >= TWO_32 || value < -TWO_32 ? value : value >>> 0)
    case 'enum': return enumName(name, int32(value))
    case 'cmd': return commandName(call, value >>> 0)
    case 'size': case 'offset': return String(value)
    case 'long': return Math.abs(value) < TWO_32 ? String(value) : address(value)
    default: return address(value)
  }
}

const RETURNS_ADDRESS = new Set(['mmap', 'mremap', 'brk', 'shmat'])

const resultText = (name: string, result: number): string =>
  result < 0 && result >= -MAX_ERRNO ? errnoText(result) : RETURNS_ADDRESS.has(name) ? address(result) : String(result)

export interface Call {
  readonly number: number
  readonly args: ArrayLike<number>
  readonly strings: readonly (string | undefined)[]
  readonly result?: number
}

/**
 * `openat(AT_FDCWD, "/etc/passwd", O_RDONLY)`.
 * @param look guest memory, if it is there: what other arguments point to is shown too
 */
export const callText = ({ number, args, strings, result = 0 }: Call, look?: Look): string => {
  const entry = SYSCALLS[number]
  if (entry === undefined) return `syscall_${number}(${Array.from(args, address).join(', ')})`
  let used = 0
  const texts = entry.args.map((spec, i) => {
    const type = spec.slice(spec.indexOf(':') + 1)
    const string = type === 'path' || type === 'string' ? strings[used++] : undefined
    const pointed = look === undefined ? undefined : pointerText(look, { name: spec.slice(0, spec.indexOf(':')), type, address: args[i] ?? 0, args, result })
    return pointed ?? argumentText(entry.name, type, args[i] ?? 0, string)
  })
  // A mode means something only when a file may be made (O_CREAT, __O_TMPFILE).
  const flags = entry.args.findIndex((spec) => spec.endsWith(':flags(O)'))
  if (flags >= 0 && entry.args[flags + 1]?.endsWith(':mode') === true && (args[flags] & 0o2000_0100) === 0) texts.length = flags + 1
  return `${entry.name}(${texts.join(', ')})`
}

const syscallText = (event: EventOf<'syscall'>, look?: Look): string => {
  const name = SYSCALLS[event.number]?.name ?? ''
  const waited = event.cycle - event.started
  const result = name === 'exit' || name === 'exit_group' ? '?' : resultText(name, event.result)
  return `${callText(event, look)} = ${result}${waited > 0 ? ` <${waited} cycles>` : ''}`
}

/** As wait4 gives it. */
export const statusText = (status: number): string => {
  const signal = status & 0x7f
  if (signal === 0) return `exit ${(status >> 8) & 0xff}`
  return `killed by ${signalName(signal)}${(status & 0x80) !== 0 ? ' (core)' : ''}`
}

const orErrno = <T>(value: T | number, text: (value: T) => string): string => typeof value === 'number' ? errnoText(value) : text(value)

/** As `eventText`, with what system calls and execve point to: `kernel` is the world in which the event has just happened. */
export const eventTextInWorld = (event: TraceEvent, kernel: Kernel): string => {
  if (event.type !== 'syscall' && event.type !== 'exec') return eventText(event)
  const space = kernel.state.tasks.get(event.tid)?.mm
  if (space === undefined) return eventText(event)
  const look: Look = (at, count) => peekBytes(kernel.memory, space, at, count)
  // The memory that a successful execve was called with is gone.
  if (event.type === 'syscall') return syscallText(event, event.result === 0 && /^execve/.test(SYSCALLS[event.number]?.name ?? '') ? undefined : look)
  const [start, end] = space.argumentArea
  const args: string[] = []
  for (let at = start; at < end;) {
    const arg = untilNul(look(at, Math.min(end - at, 4096)))
    args.push(quoteBytes(arg, false))
    at += arg.length + 1
  }
  return `${eventText(event)} [${args.join(', ')}]`
}

const FAULTS: ReadonlySet<string> = new Set(['SIGSEGV', 'SIGBUS'])
const isFault = ({ signal, code }: EventOf<'signal'>): boolean => FAULTS.has(signalName(signal)) && code > 0 && code < 128

/** A message may come from anywhere: nothing that a terminal acts upon. */
const printable = (text: string): string => text.replace(/[^\x20-\x7e\u00a0-\uffff]/g, ' ')

/** Those that come at a cycle are no system call's. */
const faultText = ({ fault, number }: EventOf<'fault'>): string => {
  const [kind, amount] = fault.split(' ')
  if (kind === 'signal' && amount !== undefined) return `is sent ${signalName(Number(amount))} by the faults of the configuration`
  if (kind === 'clock' && amount !== undefined) return `CLOCK_REALTIME jumps by ${amount} s`
  return `meets the fault ${quote(fault)} in ${SYSCALLS[number]?.name ?? number}`
}

/** What happened, without when and to whom. */
export const eventText = (event: TraceEvent): string => {
  switch (event.type) {
    case 'slice': return `slice of ${event.budget} cycles on CPU ${event.cpu}${event.draws.length > 0 ? `, drawn ${event.draws.join(' ')}` : ''}`
    case 'syscall': return syscallText(event)
    case 'draw': return `drawn ${event.draws.join(' ')}`
    case 'random': return `${event.bytes.length} random bytes ${hexOf(event.bytes.subarray(0, 16))}${event.bytes.length > 16 ? '...' : ''}`
    case 'lstat': return `host: lstat ${quote(event.path)} of mount ${event.mount}: ${orErrno(event.stat, (stat) => `mode ${stat[2].toString(8)}, ${stat[7]} bytes`)}`
    case 'readdir': return `host: list ${quote(event.path)} of mount ${event.mount}: ${orErrno(event.entries, (entries) => `${entries.length} entries`)}`
    case 'readlink': return `host: readlink ${quote(event.path)} of mount ${event.mount}: ${orErrno(event.target, quote)}`
    case 'readFile': return `host: read ${quote(event.path)} of mount ${event.mount}: ${event.blob < 0 ? errnoText(event.blob) : `blob ${event.blob}`}`
    case 'resize': return `the terminal has ${event.rows} rows of ${event.columns} columns`
    case 'input': return event.bytes === undefined ? 'end of input' : `input ${quoteBytes(event.bytes, false)}`
    case 'output': return `output of ${event.length} bytes to ${event.fd % DESCRIPTORS}${event.fd >= DESCRIPTORS ? ` of host ${Math.floor(event.fd / DESCRIPTORS)}` : ''}${event.error < 0 ? `: ${errnoText(event.error)}` : ''}`
    case 'signal': return `${signalName(event.signal)} (${signalCodeName(event.signal, event.code)})${event.rip === 0 ? '' : ` at ${address(event.rip)}`}${isFault(event) ? `, address ${address(event.address)}` : ''}: ${event.action}`
    case 'taskStart': return `started by ${event.parent}${event.tgid === event.tid ? '' : `, a thread of ${event.tgid}`}`
    case 'taskExit': return `gone: ${statusText(event.status)}`
    case 'exec': return `runs ${quote(event.path)}`
    case 'fault': return faultText(event)
    case 'interface': return `network interface ${event.number} is ${quote(event.name)}`
    case 'packet': return `interface ${event.interface} ${event.delivered === 0 ? 'sends' : 'gets'} packet ${event.packet}${event.frame.length > 0 ? `: ${packetText(event.frame)}` : ''}`
    case 'unknownSyscall': return `unknown system call ${event.number}`
    case 'checkpoint': return `state hash ${hexOf(event.hash)}`
    case 'end': return `end: ${event.outcome}${event.status >= 0 ? `, ${statusText(event.status)}` : ''}${event.message === '' ? '' : `: ${printable(event.message)}`}`
  }
}

/** One line: number, virtual time in seconds, task, what happened. */
export const eventLine = (event: TraceEvent, number: number, cpuHz: number): string => {
  const time = 'cycle' in event ? (event.cycle / cpuHz).toFixed(9) : ''
  const task = 'tid' in event ? String(event.tid) : ''
  return `${String(number).padStart(8)} ${time.padStart(14)} ${task.padStart(6)}  ${eventText(event)}`
}

/** An event for machines: plain JSON, bytes in hexadecimal, byte strings as latin1. */
export const eventJson = (event: TraceEvent, number: number): { readonly [key: string]: unknown } => {
  const json: Record<string, unknown> = { event: number }
  for (const [key, value] of Object.entries(event)) {
    json[key] = value instanceof Uint8Array ? hexOf(value) : ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<number>) : value ?? null
  }
  // A checkpoint has its own number, too.
  json.event = number
  if (event.type === 'syscall') json.text = syscallText(event)
  return json
}

/** What differs, and where, in lines. */
export const describeDivergence = (divergence: Divergence): string[] => {
  const { event, cycle, task, rip, expected, actual, lastCheckpoint, before, recordedBy } = divergence
  return [
    `event ${event}: ${divergence.what}`,
    `  at cycle ${cycle}${task === 0 ? '' : `, task ${task}`}${rip === undefined ? '' : `, rip 0x${rip.toString(16)}`}`,
    `  in the trace: ${expected === undefined ? 'nothing more' : eventText(expected)}`,
    `  in the replay: ${actual === undefined ? 'a question that the trace does not answer' : eventText(actual)}`,
    lastCheckpoint < 0 ? '  no checkpoint was reached before' : `  the states were equal at event ${lastCheckpoint}`,
    ...(before.length === 0 ? [] : ['  before:']),
    ...before.map(({ number, event: earlier }) => `  ${number}  ${'tid' in earlier ? `${earlier.tid}  ` : ''}${eventText(earlier)}`),
    ...(recordedBy === undefined ? [] : [`  the trace was recorded by another Retrograde, ${recordedBy}: that may be why`]),
  ]
}
