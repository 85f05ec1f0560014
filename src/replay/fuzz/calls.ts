/**
 * Which system calls are made, and in what their arguments differ from what the table of system calls says of their types.
 *
 * A row of SAFE is a call of which Linux and a world must agree on every answer, and that can do the machine no harm: it does not wait
 * (O_NONBLOCK, MSG_DONTWAIT, timeouts of 0), does not leave its directory and its processes. Everything else that the table of system
 * calls has is made in worlds only.
 */
import * as fc from 'fast-check'
import { SYSCALLS } from '../../kernel/syscalls/table.ts'
import { argumentOf, fit, number, path } from './arguments.ts'
import { FD_SLOTS, type FuzzArgument, type FuzzCall, SLOTS, TOUCH } from './program.ts'
import { fcntlRows, fileRows, ioctlRows } from './rows/files.ts'
import { controlRows, ipcRows } from './rows/ipc.ts'
import { memoryRows, mmapRows, touchRow } from './rows/memory.ts'
import { ID_KINDS, O_NONBLOCK, on, OWN_LENGTH, type Row, slotsOf } from './rows/row.ts'
import { familyRows, socketRows } from './rows/sockets.ts'
import { prctlRows, taskRows } from './rows/tasks.ts'
import { waitingRows } from './rows/waiting.ts'

/** By name: one row, or several that are made of one call. */
const SAFE: ReadonlyMap<string, readonly Row[]> = new Map([
  ...[fileRows, socketRows, memoryRows, taskRows, waitingRows, ipcRows].flatMap((rows) => Object.entries(rows)).map(([name, row]) => [name, [row]] as const),
  ...Object.entries({ ...familyRows, ...controlRows, fcntl: fcntlRows, ioctl: ioctlRows, mmap: mmapRows, prctl: prctlRows }),
])

/** Calls that end or replace what makes them, and are not made otherwise. */
const ENDING: ReadonlySet<string> = new Set(['rt_sigreturn', 'reboot'])

export interface FuzzedCall {
  readonly name: string
  readonly number: number
  readonly types: readonly string[]
  readonly row: Row
  /** Whether it may be made natively. */
  readonly isSafe: boolean
}

const ANY_ROW: readonly Row[] = [{}]
export const FUZZED: readonly FuzzedCall[] = [...SYSCALLS.flatMap((entry): FuzzedCall[] => {
  if (entry === undefined || ENDING.has(entry.name)) return []
  const types = entry.args.map((spec) => spec.slice(spec.indexOf(':') + 1))
  return (SAFE.get(entry.name) ?? ANY_ROW).map((row) => ({ name: entry.name, number: entry.number, types, row, isSafe: SAFE.has(entry.name) }))
}), { name: 'touch', number: TOUCH, types: [], row: touchRow, isSafe: true }]

const F_SETFL = 4
/** F_SETFL leaves O_NONBLOCK on: what waits for ever does so natively, too, and tells nothing. */
const staysNonBlocking = (name: string, args: readonly FuzzArgument[]): readonly FuzzArgument[] => {
  const [fd, command, flagsOf] = args
  if (name !== 'fcntl' || command.is !== 'number' || command.value !== F_SETFL) return args
  return [fd, command, number(flagsOf.is === 'number' ? flagsOf.value | O_NONBLOCK : O_NONBLOCK)]
}

const withLengths = (args: readonly FuzzArgument[]): readonly FuzzArgument[] => args.map((argument, i) => {
  if (argument !== OWN_LENGTH) return argument
  const before = args[i - 1]
  return number(before.is === 'in' ? before.bytes.length : 0)
})

/** Where there is a pair it takes two slots. */
const slotOf = ({ makes, names, result }: Row): fc.Arbitrary<number> => {
  const any = fc.nat(FD_SLOTS - 1)
  if (names !== undefined) return fc.oneof({ arbitrary: fc.constant(ID_KINDS[names]), weight: 8 }, { arbitrary: any, weight: 1 })
  if (makes === undefined) return any
  const kind = result === 'pair' ? fc.constantFrom(...SLOTS[makes].filter((_slot, i) => i % 2 === 0)) : slotsOf(makes)
  return fc.oneof({ arbitrary: kind, weight: 8 }, { arbitrary: any, weight: 1 })
}

/** A call of this kind. */
export const callOf = ({ name, number: it, types, row, isSafe }: FuzzedCall, processes: number): fc.Arbitrary<FuzzCall> => {
  const first = row.on === undefined ? undefined : on(...typeof row.on === 'string' ? [row.on] : row.on)
  const args = row.all ?? types.map((type, i) => row.args?.[i] ?? (i === 0 ? first : undefined) ?? (isSafe && (type === 'path' || type === 'string') ? path : argumentOf(type)))
  return fc.record({
    // Most of them by one, so that they find what it made.
    process: fc.oneof({ arbitrary: fc.constant(0), weight: 2 }, { arbitrary: fc.nat(processes - 1), weight: 1 }), args: fc.tuple(...args).map((values) => staysNonBlocking(name, withLengths(row.all === undefined ? fit(types, values).map((fitted, i) => row.args?.[i] === undefined ? fitted : values[i]) : values))), slot: slotOf(row),
  }).map(({ process, args: values, slot }) => ({ name, number: it, process, args: values, result: row.result ?? 'plain', slot, shows: row.shows ?? [] }))
}
