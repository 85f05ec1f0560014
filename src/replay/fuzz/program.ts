/**
 * A sequence of system calls as plain data: what the arbitraries of fast-check make, what `guests/src/fuzz-run.c` executes natively
 * and in a world, and what is printed as C source when it fails.
 */

/** The current directory of the calls in a world. */
export const DIRECTORY = '/w'
/** Where things that calls make are kept, so that other calls can use them. */
export const FD_SLOTS = 26, ADDRESS_SLOTS = 4, ID_SLOTS = 4, PROCESSES = 3
/** Which slots descriptors of a kind go to, more often than not: so that calls meet what they are made for. What is there first: guests/src/fuzz-run.c. */
export const SLOTS = {
  file: [0, 6, 7], directory: [1, 8], pipe: [2, 3, 9, 10], unix: [4, 5, 11, 12], tcp: [13, 14, 15], udp: [16, 17], epoll: [18], event: [19], timer: [20], signal: [21], inotify: [22], queue: [23], pidfd: [24], other: [25],
} as const
export type SlotKind = keyof typeof SLOTS
/** Numbers of processes that children of calls get: FIRST_CHILD + slot % CHILDREN. */
export const FIRST_CHILD = 5, CHILDREN = 3
/** Not a system call: reads a byte of memory, and writes it if the second argument is not negative. */
export const TOUCH = 9000

export type FuzzArgument =
  /** As it is, in 64 bits. */
  | { readonly is: 'number', readonly value: number }
  /** The descriptor that was put into this slot last; 900 + slot as long as there is none. */
  | { readonly is: 'fd', readonly slot: number }
  /** The mapping that was put into this slot last, and so many bytes on; nothing is mapped there as long as there is none. */
  | { readonly is: 'mapping', readonly slot: number, readonly offset: number }
  /** The pid of one of the program's processes. */
  | { readonly is: 'process', readonly number: number }
  /** What a call gave a name to last in this slot: a System V object, a timer. */
  | { readonly is: 'id', readonly slot: number }
  /** The address of a function: a handler, one that looks at siginfo_t, and what sa_restorer is for. */
  | { readonly is: 'code', readonly which: number }
  /** The address of a copy of these bytes. */
  | { readonly is: 'in', readonly bytes: readonly number[], readonly patches?: readonly Patch[] }
  /** The address of as many bytes that the call may write to. */
  | { readonly is: 'out', readonly size: number }
  /** The address of as many bytes, behind which nothing is mapped. */
  | { readonly is: 'edge', readonly size: number }

/** What is written over some bytes of an argument when the call is made: 4 bytes of a descriptor, pid or id, 8 of an address. */
export interface Patch {
  readonly at: number
  readonly argument: FuzzArgument
}

/**
 * What is kept of a result: nothing, the descriptor, address or id itself, or the two descriptors that an argument points to. 'pid': it is the number
 * of one of the processes; 'child': of a new one, whose sixth argument says what it does.
 */
export type FuzzResult = 'plain' | 'fd' | 'mapping' | 'pair' | 'hidden' | 'pid' | 'id' | 'child'
/**
 * How to print what an argument points to when the call has succeeded: as many bytes as it returned, all of it, fields of struct stat or statx, names in
 * any order, words of which some are pids, a struct sockaddr, a siginfo_t, an int that may be a pid, what a timer is set to, struct msghdr and what it
 * points to, struct ipc_perm.
 */
export type FuzzShow = 'returned' | 'all' | 'stat' | 'statx' | 'names' | 'words' | 'sockaddr' | 'siginfo' | 'integer' | 'timer' | 'message' | 'permissions'

export interface FuzzCall {
  readonly name: string
  readonly number: number
  /** Which process makes it. */
  readonly process: number
  readonly args: readonly FuzzArgument[]
  readonly result: FuzzResult
  /** Where the result is kept. */
  readonly slot: number
  readonly shows: readonly (readonly [argument: number, form: FuzzShow])[]
}

export interface FuzzProgram {
  readonly processes: number
  /** Whether one call is made after the other, whichever process makes it; else only those of one process are in order. */
  readonly ordered: boolean
  readonly calls: readonly FuzzCall[]
}

const KINDS = { number: 0, fd: 1, mapping: 2, process: 3, in: 4, out: 5, edge: 6, id: 7, code: 8 } as const
const RESULTS: readonly FuzzResult[] = ['plain', 'fd', 'mapping', 'pair', 'hidden', 'pid', 'id', 'child']
const SHOWS: readonly FuzzShow[] = ['returned', 'all', 'stat', 'statx', 'names', 'words', 'sockaddr', 'siginfo', 'integer', 'timer', 'message', 'permissions']

class Bytes {
  readonly #bytes: number[] = []
  u8(value: number): void { this.#bytes.push(value & 0xff) }
  u16(value: number): void { this.u8(value); this.u8(value >> 8) }
  u32(value: number): void { this.u16(value); this.u16(value >>> 16) }
  i64(value: number): void {
    this.u32(value % 0x1_0000_0000)
    this.u32(Math.floor(value / 0x1_0000_0000))
  }

  all(bytes: readonly number[]): void { for (const byte of bytes) this.u8(byte) }
  done(): Uint8Array { return Uint8Array.from(this.#bytes) }
}

const encodeArgument = (to: Bytes, argument: FuzzArgument): void => {
  to.u8(KINDS[argument.is])
  switch (argument.is) {
    case 'number': to.i64(argument.value); return
    case 'fd': to.u8(argument.slot); return
    case 'mapping':
      to.u8(argument.slot)
      to.i64(argument.offset)
      return
    case 'process': to.u8(argument.number); return
    case 'id': to.u8(argument.slot); return
    case 'code': to.u8(argument.which); return
    case 'in':
      to.u32(argument.bytes.length)
      to.all(argument.bytes)
      to.u8(argument.patches?.length ?? 0)
      for (const patch of argument.patches ?? []) {
        to.u32(patch.at)
        encodeArgument(to, patch.argument)
      }
      return
    case 'out': case 'edge': to.u32(argument.size)
  }
}

const AF_INET = 2
const SIZE_BYTES = 4
/** Natively, a network namespace of its own costs milliseconds. */
const WANTS_NET = 0x8000_0000
const wantsNet = ({ calls }: FuzzProgram): boolean =>
  calls.some(({ name, args }) => (name === 'socket' || name === 'socketpair') && args[0].is === 'number' && args[0].value === AF_INET)

/** What guests/src/fuzz-run.c reads: little-endian, see there. */
export const encodeFuzzProgram = (program: FuzzProgram): Uint8Array => {
  const { processes, ordered, calls } = program
  const to = new Bytes()
  to.u32(0)
  to.u8(processes)
  to.u8(ordered ? 1 : 0)
  to.u16(calls.length)
  for (const call of calls) {
    to.u16(call.number)
    to.u8(call.process)
    to.u8(RESULTS.indexOf(call.result))
    to.u8(call.slot)
    to.u8(call.args.length)
    to.u8(call.shows.length)
    for (const [argument, form] of call.shows) {
      to.u8(argument)
      to.u8(SHOWS.indexOf(form))
    }
    for (const argument of call.args) encodeArgument(to, argument)
  }
  const bytes = to.done()
  new DataView(bytes.buffer).setUint32(0, bytes.length - SIZE_BYTES + (wantsNet(program) ? WANTS_NET : 0), true)
  return bytes
}
