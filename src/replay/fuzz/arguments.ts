/** Arbitraries for the arguments of system calls, by their types in the table of system calls (src/kernel/syscalls/entry.ts). */
import * as fc from 'fast-check'
import { namesOf } from '../names.ts'
import { ADDRESS_SLOTS, FD_SLOTS, type FuzzArgument, type Patch, PROCESSES } from './program.ts'

export type ArgumentArbitrary = fc.Arbitrary<FuzzArgument>

export const number = (value: number): FuzzArgument => ({ is: 'number', value })
const constant = (...values: readonly number[]): ArgumentArbitrary => fc.constantFrom(...values).map(number)
const NULL = number(0)

const fdSlot = fc.nat(FD_SLOTS - 1)
export const descriptor: ArgumentArbitrary = fc.oneof(
  { arbitrary: fc.nat(5).map((slot): FuzzArgument => ({ is: 'fd', slot })), weight: 6 },
  { arbitrary: fdSlot.map((slot): FuzzArgument => ({ is: 'fd', slot })), weight: 8 },
  { arbitrary: constant(-1, 0, 47, 48, 0x7fff_ffff, -100), weight: 1 },
)
/** AT_FDCWD is −100. */
const directory: ArgumentArbitrary = fc.oneof({ arbitrary: constant(-100), weight: 4 }, { arbitrary: fc.constant<FuzzArgument>({ is: 'fd', slot: 1 }), weight: 2 }, { arbitrary: descriptor, weight: 1 })

/** Addresses at which nothing is, and the last byte of what a program may have (asm/processor.h: TASK_SIZE). */
const wild: ArgumentArbitrary = constant(0, 1, 0x1000, 0x7fff_ffff_f000, -1, -4096, -0x8000_0000_0000)

const bytesOf = (text: string): number[] => [...text].map((char) => char.charCodeAt(0))
const text = (value: string): FuzzArgument => ({ is: 'in', bytes: [...bytesOf(value), 0] })

/** The first are there when it begins. */
const NAMES = ['a', 'a', 'd', 'd/a', 'd/a', 'd/d', 'l', 'f', 'a', 'b', 'b', 'c', 'd/b', 'd/c', 'd/d/a', '.', 'd/', 'a/', 'd/..', 'd/../b', 'nowhere/a', 'a/a', 'l/a'] as const
/** Nothing absolute and no way up: what is done natively stays in its directory (a symbolic link in place of `d` leads one level up at most). */
export const path: ArgumentArbitrary = fc.oneof(
  { arbitrary: fc.constantFrom(...NAMES).map(text), weight: 30 },
  { arbitrary: fc.constantFrom('', 'x'.repeat(255), 'x'.repeat(256), `d/${'./'.repeat(2040)}a`, 'd/'.repeat(2100)).map(text), weight: 2 },
  { arbitrary: wild, weight: 1 },
)
/** For worlds only: there it may be anything. */
const anyPath: ArgumentArbitrary = fc.oneof(
  { arbitrary: path, weight: 8 }, { arbitrary: fc.constantFrom('/', '/dev/null', '/dev/zero', '/dev/full', '/dev/tty', '/proc/self/fd/3', '/proc/self/maps', '/proc/self/exe', '/nowhere', '..', 'tmpfs', 'user.a').map(text), weight: 2 },
)

const low32 = (value: number): number => value | 0
/** Some of the bits that have names, now and then one that has none. */
export const flags = (group: string): ArgumentArbitrary => {
  const bits = namesOf(group).map(([, value]) => value).filter((value) => value > 0 && value <= 0xffff_ffff)
  if (bits.length === 0) return constant(0, 1, 2, -1)
  return fc.oneof(
    { arbitrary: fc.subarray(bits, { maxLength: Math.min(3, bits.length) }).map((some) => number(some.reduce((all, bit) => low32(all | bit), 0))), weight: 9 },
    { arbitrary: fc.nat(31).map((bit) => number(low32(1 << bit))), weight: 1 },
  )
}
export const choice = (group: string): ArgumentArbitrary => {
  const values = namesOf(group).map(([, value]) => value)
  return values.length === 0 ? constant(0, 1, 2, 3, -1) : fc.oneof({ arbitrary: constant(...values), weight: 12 }, { arbitrary: constant(-1, 1000), weight: 1 })
}

/** As many bytes as calls are asked to move: the sizes around which things change. */
export const size: ArgumentArbitrary = fc.oneof(
  { arbitrary: fc.nat(40).map(number), weight: 4 }, { arbitrary: constant(511, 4095, 4096, 4097, 8192, 65535, 65536, 65537), weight: 3 },
  { arbitrary: constant(-1, 0x7fff_ffff, 0x1_0000_0000), weight: 1 },
)
export const offset: ArgumentArbitrary = fc.oneof(
  { arbitrary: fc.nat(100).map(number), weight: 4 }, { arbitrary: constant(4095, 4096, 8192, 12288, 65536, 100_000), weight: 4 },
  { arbitrary: constant(-1, 0x7fff_ffff, 0x1_0000_0000, 2 ** 43), weight: 1 },
)
const integer: ArgumentArbitrary = fc.oneof({ arbitrary: fc.integer({ min: -1, max: 8 }).map(number), weight: 4 }, { arbitrary: constant(64, 4096, 65536, 0x7fff_ffff, -0x8000_0000), weight: 1 })
const mode: ArgumentArbitrary = constant(0o644, 0o755, 0o600, 0o777, 0, 0o4755, 0o1777, 0o100644, 0o7777)
export const pid: ArgumentArbitrary = fc.oneof({ arbitrary: fc.nat(PROCESSES - 1).map((process): FuzzArgument => ({ is: 'process', number: process })), weight: 6 }, { arbitrary: constant(0, 4_194_303), weight: 1 })
/** Those that the guest has handlers for, 0, and such as are none. Not SIGRTMIN − 2 and − 1, which C libraries use. */
const signal: ArgumentArbitrary = constant(0, 10, 12, 17, 18, 23, 28, 29, 35, 40, 64, 65, -1)
const id: ArgumentArbitrary = constant(0, 1, 1000, 65534, -1)
export const mapping: ArgumentArbitrary = fc.record({ is: fc.constant('mapping' as const), slot: fc.nat(ADDRESS_SLOTS - 1), offset: fc.constantFrom(0, 0, 0, 4096, 8192, 1, 65536) })

/** A structure of little-endian fields; a field is a number of `width` bytes or something that is only known when the call is made. */
export type Field = readonly [width: 1 | 2 | 4 | 8, value: ArgumentArbitrary]
export const structure = (...fields: readonly Field[]): ArgumentArbitrary =>
  fc.tuple(...fields.map(([, value]) => value)).map((values): FuzzArgument => {
    const bytes: number[] = []
    const patches: Patch[] = []
    for (const [i, [width]] of fields.entries()) {
      const value = values[i]
      if (value.is === 'number') {
        let rest = value.value
        for (let byte = 0; byte < width; byte++) {
          bytes.push(((rest % 256) + 256) % 256)
          rest = Math.floor(rest / 256)
        }
      } else {
        patches.push({ at: bytes.length, argument: value })
        for (let byte = 0; byte < width; byte++) bytes.push(0)
      }
    }
    return { is: 'in', bytes, patches }
  })

export const inBytes = (most = 64): ArgumentArbitrary => fc.array(fc.nat(255), { maxLength: most }).map((bytes): FuzzArgument => ({ is: 'in', bytes }))
export const outBytes = (bytes: number): ArgumentArbitrary => fc.oneof(
  { arbitrary: fc.constant<FuzzArgument>({ is: 'out', size: bytes }), weight: 14 }, { arbitrary: wild, weight: 1 },
  { arbitrary: fc.constant<FuzzArgument>({ is: 'edge', size: Math.max(bytes - 1, 0) }), weight: 1 },
)
/** Arrays of struct iovec (readv(2)): `give` are those to be read by the kernel. */
export const iovec = (give: boolean): ArgumentArbitrary => fc.array(fc.constantFrom(0, 1, 3, 100, 5000), { maxLength: 4 }).map((lengths): FuzzArgument => ({
  // Four of them in any case: no call looks at what comes behind.
  is: 'in', bytes: [...lengths, 0, 0, 0, 0].slice(0, 4).flatMap((length) => [...new Array<number>(8).fill(0), length & 0xff, length >> 8, 0, 0, 0, 0, 0, 0]),
  patches: lengths.map((length, i): Patch => ({ at: 16 * i, argument: give ? { is: 'in', bytes: filler(length) } : { is: 'out', size: length } })),
}))

/** Bytes that are not alike, so that what ends up where it should not shows. */
export const filler = (length: number): number[] => Array.from({ length }, (_, i) => (i * 7 + (i >> 8) + 1) & 0xff)

/** A copy of a short time, or none at all (nanosleep(2) and relatives): nothing here waits for long. */
const SHORT_NS = 1000
const STRUCTS: { readonly [name: string]: ArgumentArbitrary } = {
  timespec: fc.oneof(structure([8, constant(0)], [8, constant(0, SHORT_NS)]), structure([8, constant(0, -1)], [8, constant(1_000_000_000, -1)])),
  timeval: structure([8, constant(0)], [8, constant(0, 1)]),
  timespecs: structure([8, constant(0, 1_000_000)], [8, constant(0, 5, 0x3fff_ffff, 0x3fff_fffe, 1_000_000_000)], [8, constant(7)], [8, constant(0, 999_999_999)]),
  timevals: structure([8, constant(0, 1_000_000)], [8, constant(0, 5, 1_000_000)], [8, constant(7)], [8, constant(0)]),
  utimbuf: structure([8, constant(0, 77)], [8, constant(1, 99)]),
  sigset: structure([4, constant(0, 0x200, 0xa00, -1)], [4, constant(0, 2, -1)]),
  epoll_event: structure([4, constant(1, 4, 5, 0x8000_0001, 0x4000_0001, 0x2019)], [8, constant(3, 0x1_0000_0001)]),
  flock: structure([2, constant(0, 1, 2, 3)], [2, constant(0, 1, 2, 9)], [4, constant(0)], [8, offset], [8, constant(0, 1, 100, -1)], [8, constant(0)]),
  rlimit: structure([8, constant(0, 16, 64, 1000, -1)], [8, constant(64, 1000, -1)]),
  open_how: structure([8, flags('O').map((it) => number((it as { value: number }).value | 0o4000))], [8, mode], [8, constant(0, 1, 2, 4, 8, 0x10, 0x40)]),
}

export const fallback = {
  fd: descriptor, dirfd: directory, path: anyPath, string: anyPath, int: integer, uint: integer, long: integer, size, offset, mode, pid, uid: id, gid: id, signal,
  pointer: fc.oneof(outBytes(256), inBytes(), wild), address: fc.oneof({ arbitrary: mapping, weight: 5 }, { arbitrary: wild, weight: 1 }),
} as const

/** An argument of the type that a row of the table gives; what refers to other arguments is made when these are known (`fit`). */
export const argumentOf = (type: string): ArgumentArbitrary => {
  if (type in fallback) return fallback[type as keyof typeof fallback]
  const [, kind, inner] = /^([a-z]+)[[(](.*)[\])]/.exec(type) ?? []
  switch (kind) {
    case 'flags': return flags(inner)
    case 'enum': return choice(inner)
    case 'struct': return type.endsWith('*') ? outBytes(256) : fc.oneof({ arbitrary: STRUCTS[inner] ?? inBytes(128), weight: 9 }, { arbitrary: wild, weight: 1 })
    case 'iovec': return iovec(true)
    // Only a mark: its length is another argument's.
    case 'in': case 'out': return fc.oneof({ arbitrary: fc.constant<FuzzArgument>({ is: kind, bytes: [], size: 0 }), weight: 14 }, { arbitrary: wild, weight: 1 }, { arbitrary: fc.constant<FuzzArgument>({ is: 'edge', size: 0 }), weight: 1 }, { arbitrary: mapping, weight: 1 })
    default: return fc.oneof(integer, wild)
  }
}

const MOST_BYTES = 1 << 17
/** The number of bytes that `type` says that the argument has, of which others decide. */
export const bytesFor = (type: string, args: readonly FuzzArgument[]): number | undefined => {
  const [, , inner] = /^(in|out)\[(\d+)\]/.exec(type) ?? []
  if (inner === undefined) return undefined
  const other = Number(inner) < args.length ? args[Number(inner)] : undefined
  const count = other?.is === 'number' ? other.value : Number(inner)
  return count >= 0 && count <= MOST_BYTES ? count : 16
}

/** Buffers get the length that the others say. */
export const fit = (types: readonly string[], args: readonly FuzzArgument[]): FuzzArgument[] => args.map((argument, i) => {
  const bytes = bytesFor(types[i] ?? '', args)
  if (bytes === undefined || argument.is === 'number' || argument.is === 'mapping') return argument
  if (argument.is === 'edge') return { is: 'edge', size: bytes >> 1 }
  return types[i].startsWith('in') ? { is: 'in', bytes: filler(bytes) } : { is: 'out', size: bytes }
})

export { constant, NULL, wild, mode, signal, integer, directory, text }
