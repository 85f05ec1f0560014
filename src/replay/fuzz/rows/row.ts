/** In what the arguments of a system call differ from what the table of system calls says of their types, and what is kept and shown of its answer. */
import * as fc from 'fast-check'
import { type ArgumentArbitrary, constant, descriptor, flags, number, structure } from '../arguments.ts'
import { CHILDREN, FD_SLOTS, FIRST_CHILD, type FuzzArgument, type FuzzResult, type FuzzShow, ID_SLOTS, PROCESSES, SLOTS, type SlotKind } from '../program.ts'
import { NULL } from '../arguments.ts'

export interface Row {
  readonly result?: FuzzResult
  /** By index. */
  readonly args?: { readonly [index: number]: ArgumentArbitrary }
  /** All arguments, where the table's types are of no use. */
  readonly all?: readonly ArgumentArbitrary[]
  readonly shows?: readonly (readonly [argument: number, form: FuzzShow])[]
  /** How often it is made beside others: 2 if nothing is said. */
  readonly weight?: number
  /** What kind of descriptor the first argument is, more often than not. */
  readonly on?: SlotKind | readonly SlotKind[]
  /** What kind of descriptor it makes. */
  readonly makes?: SlotKind
  /** What kind of id it makes. */
  readonly names?: keyof typeof ID_KINDS
}
export interface Rows { readonly [name: string]: Row }

export const O_NONBLOCK = 0o4000, O_CLOEXEC = 0o2_000_000, O_DIRECTORY = 0o200_000, O_CREAT = 0o100, O_PATH = 0o10_000_000, O_TMPFILE = 0o20_200_000

/** Stands for the length of what the argument before points to. */
export const OWN_LENGTH: FuzzArgument = { is: 'number', value: -7777 }

export const none = fc.constant(NULL)
export const orNone = (arbitrary: ArgumentArbitrary): ArgumentArbitrary => fc.oneof(none, arbitrary)
/** Three of four times the first. */
export const mostly = (arbitrary: ArgumentArbitrary, other: ArgumentArbitrary): ArgumentArbitrary => fc.oneof({ arbitrary, weight: 6 }, { arbitrary: other, weight: 1 })
export const add = (arbitrary: ArgumentArbitrary, bits: number, without = 0): ArgumentArbitrary =>
  arbitrary.map((argument) => argument.is === 'number' && Number.isSafeInteger(argument.value) ? number(((argument.value | bits) & ~without) | 0) : argument)

export const slotsOf = (kinds: SlotKind | readonly SlotKind[]): fc.Arbitrary<number> => fc.constantFrom(...(typeof kinds === 'string' ? [kinds] : kinds).flatMap((kind): readonly number[] => SLOTS[kind]))
/** A descriptor of these kinds, more often than not. */
export const on = (...kinds: readonly SlotKind[]): ArgumentArbitrary => mostly(slotsOf(kinds).map((slot): FuzzArgument => ({ is: 'fd', slot })), descriptor)
/** Not AT_FDCWD, which Linux 6.13 and later take for the current directory here. */
export const SLOT: ArgumentArbitrary = fc.nat(FD_SLOTS - 1).map((slot): FuzzArgument => ({ is: 'fd', slot }))
export const onSlot = (...kinds: readonly SlotKind[]): ArgumentArbitrary => mostly(slotsOf(kinds).map((slot): FuzzArgument => ({ is: 'fd', slot })), SLOT)
export const SELF: ArgumentArbitrary = fc.nat(PROCESSES - 1).map((process): FuzzArgument => ({ is: 'process', number: process }))
export const CHILD: ArgumentArbitrary = fc.nat(CHILDREN - 1).map((child): FuzzArgument => ({ is: 'process', number: FIRST_CHILD + child }))
/** Of which kind an object of System V IPC is, as descriptors have theirs. */
export const ID_KINDS = { sem: 0, shm: 1, msg: 2 } as const
export const idOf = (kind: keyof typeof ID_KINDS): ArgumentArbitrary => fc.oneof(
  { arbitrary: fc.constant<FuzzArgument>({ is: 'id', slot: ID_KINDS[kind] }), weight: 8 }, { arbitrary: fc.nat(ID_SLOTS - 1).map((slot): FuzzArgument => ({ is: 'id', slot })), weight: 1 }, { arbitrary: constant(-1, 12_345_678), weight: 1 },
)
export const code = (which: number): ArgumentArbitrary => fc.constant<FuzzArgument>({ is: 'code', which })
export const ZERO_TIME = structure([8, constant(0)], [8, constant(0)])
export const text = (...names: readonly string[]): ArgumentArbitrary => fc.constantFrom(...names).map((name): FuzzArgument => ({ is: 'in', bytes: [...[...name].map((c) => c.charCodeAt(0)), 0] }))
export { constant, flags, number, structure }
