/**
 * The events of a trace: the one table. An event is written as a msgpack array of its tag and its fields in this order;
 * docs/trace-format.md has the same table in words, and a test holds the two together.
 */
import type { FieldType, FieldValues } from './fields.ts'

interface Row {
  readonly tag: number
  readonly fields: { readonly [name: string]: FieldType }
}

export const EVENTS = {
  /** A virtual CPU takes a task; `draws` are the scheduler's decisions since the event before. */
  slice: { tag: 1, fields: { cpu: 'uint', cycle: 'sliceCycle', tid: 'uint', draws: 'uints', budget: 'budget' } },
  /** A system call of the running task that ended at the cycle at which it began. */
  syscall: { tag: 2, fields: { cycle: 'cycle', number: 'int', args: 'registers', result: 'result' } },
  /** Any other: of another task than the running one, or that took time. */
  slowSyscall: { tag: 3, fields: { cycle: 'cycle', tid: 'task', started: 'started', number: 'int', args: 'registers', result: 'result' } },
  /** Decisions that no slice followed. */
  draw: { tag: 4, fields: { draws: 'uints' } },
  random: { tag: 5, fields: { bytes: 'bytes' } },
  lstat: { tag: 6, fields: { mount: 'uint', path: 'path', stat: 'stat' } },
  readdir: { tag: 7, fields: { mount: 'uint', path: 'path', entries: 'listing' } },
  readlink: { tag: 8, fields: { mount: 'uint', path: 'path', target: 'target' } },
  /** `blob` is the number of a blob, or a negative errno. */
  readFile: { tag: 9, fields: { mount: 'uint', path: 'path', blob: 'int' } },
  /** Input taken; `missed` times before, since the last input, the world asked and there was none. undefined: the end of the input. */
  input: { tag: 10, fields: { missed: 'uint', bytes: 'input' } },
  /** `hash` is the CRC-32 of all that was written to this descriptor, up to here; `error` what the host answered. */
  output: { tag: 11, fields: { fd: 'uint', length: 'uint', hash: 'uint', error: 'int' } },
  /** `rip` is where the task was; `address` what a fault was about (si_addr), 0 for signals that are no faults. */
  signal: { tag: 12, fields: { cycle: 'cycle', tid: 'task', signal: 'uint', code: 'int', action: 'action', rip: 'address', address: 'address' } },
  taskStart: { tag: 13, fields: { cycle: 'cycle', tid: 'uint', parent: 'uint', tgid: 'uint' } },
  taskExit: { tag: 14, fields: { cycle: 'cycle', tid: 'task', status: 'uint' } },
  exec: { tag: 15, fields: { cycle: 'cycle', tid: 'task', path: 'name' } },
  unknownSyscall: { tag: 16, fields: { cycle: 'cycle', tid: 'task', number: 'int' } },
  /** The hash of the world's state after `turn` turns; `event` is this event's own number. */
  checkpoint: { tag: 17, fields: { cycle: 'cycle', turn: 'uint', event: 'uint', hash: 'bytes' } },
  /** How the world ended: `status` as wait4 gives it of the first process, −1 if that has not ended; `message` if Retrograde itself failed. */
  end: { tag: 18, fields: { cycle: 'cycle', turn: 'uint', outcome: 'outcome', status: 'int', hash: 'bytes', message: 'text' } },
  /** A system call with strings in the guest's memory: `strings` are its arguments of type path and string, in their order, as they were when it ended. */
  namedSyscall: { tag: 19, fields: { cycle: 'cycle', tid: 'task', started: 'started', number: 'int', args: 'registers', strings: 'strings', result: 'result' } },
  /** Before the first packet of a network interface: `kind` is ARPHRD_*, `net` the number of its namespace. */
  interface: { tag: 20, fields: { cycle: 'cycle', number: 'uint', name: 'name', kind: 'uint', mac: 'bytes', net: 'uint' } },
  /** A frame was sent by an interface (`delivered` 0: the packet gets the next number) or came to one (1: `packet` is its number, `frame` is empty if it is as it was sent). */
  packet: { tag: 21, fields: { cycle: 'cycle', interface: 'uint', delivered: 'uint', packet: 'uint', frame: 'bytes' } },
  /** A system call meets a fault that was asked for: `fault` is its kind ('short': it is made with a shorter length), `number` the call's. */
  fault: { tag: 22, fields: { cycle: 'cycle', tid: 'task', fault: 'text', number: 'uint' } },
  /** The terminal has another size; `missed` as of input. */
  resize: { tag: 23, fields: { missed: 'uint', rows: 'uint', columns: 'uint' } },
} as const satisfies { readonly [name: string]: Row }

export type WireName = keyof typeof EVENTS
type Fields<K extends WireName> = { readonly [F in keyof (typeof EVENTS)[K]['fields']]:
  FieldValues[(typeof EVENTS)[K]['fields'][F] & FieldType] }

/**
 * The three forms of a system call on the wire are one event: the shortest form's `tid` is the running task and `started`
 * its cycle; only the longest has strings.
 */
export type EventName = Exclude<WireName, 'slowSyscall' | 'namedSyscall'>
export type EventOf<K extends EventName> = { readonly type: K } & (K extends 'syscall' ? Fields<'namedSyscall'> : Fields<K>)
export type TraceEvent = { [K in EventName]: EventOf<K> }[EventName]

export const EVENT_NAMES = (Object.keys(EVENTS) as WireName[])
  .filter((name): name is EventName => name !== 'slowSyscall' && name !== 'namedSyscall')
