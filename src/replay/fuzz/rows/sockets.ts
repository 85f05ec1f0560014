/** Sockets: Unix, UDP and TCP over loopback. */
import * as fc from 'fast-check'
import { type ArgumentArbitrary, descriptor, iovec, outBytes } from '../arguments.ts'
import type { FuzzArgument } from '../program.ts'
import { SMALL_SIZE } from './files.ts'
import { constant, mostly, none, number, O_NONBLOCK, orNone, OWN_LENGTH, type Rows, SELF, SLOT, structure } from './row.ts'

/** bits/socket.h. Without MSG_OOB, which Unix sockets have no bytes for here (as without CONFIG_AF_UNIX_OOB). */
const MSG = constant(0x40, 0x40, 0x40 | 2, 0x40 | 0x20, 0x40 | 0x4000, 0x40 | 0x100, 0x40 | 0x80)
const SOCKET_TYPES = constant(1, 2, 5).map((it) => number((it as { value: number }).value | O_NONBLOCK))
const address = (bytes: readonly number[]): FuzzArgument => ({ is: 'in', bytes: [...bytes] })
const SUN = fc.constantFrom('s', 't', 'd/u', '\0ab', '\0b').map((name): FuzzArgument => address([1, 0, ...[...name].map((c) => c.charCodeAt(0)), 0]))
/** sockaddr_in: 127.0.0.1, any, or one that is nobody's; few ports, so that they meet. */
const SIN = fc.tuple(fc.constantFrom(7000, 7000, 7001, 7002, 0), fc.constantFrom([127, 0, 0, 1], [127, 0, 0, 1], [0, 0, 0, 0], [127, 0, 0, 2]), fc.constantFrom(2, 2, 2, 2, 2, 1, 0))
  .map(([port, ip, family]) => address([family, 0, port >> 8, port & 0xff, ...ip, 0, 0, 0, 0, 0, 0, 0, 0]))
/** Mostly the address's own. */
const SUN_LENGTH = mostly(fc.constant(OWN_LENGTH), constant(3, 4, 6, 2, 1, 0, 110, 111, -1))
const LENGTH_CELL = constant(0, 1, 2, 16, 16, 110, 128).map((it): FuzzArgument => ({ is: 'in', bytes: [(it as { value: number }).value, 0, 0, 0] }))
const UNIX = ['unix', 'unix', 'unix', 'file'] as const, INET = ['tcp', 'tcp', 'udp'] as const, ANY = ['unix', 'unix', 'tcp', 'udp'] as const

/** struct msghdr of send and receive (recvmsg(2)). SCM_RIGHTS hands over any descriptors, SCM_CREDENTIALS says who one is. */
const RIGHTS = fc.oneof(
  structure([8, constant(20, 20, 16, 24, 15)], [4, constant(1)], [4, constant(1, 1, 1, 7)], [4, descriptor], [4, constant(0, -1)]),
  structure([8, constant(24)], [4, constant(1)], [4, constant(1)], [4, SLOT], [4, SLOT]),
)
const CREDENTIALS = structure([8, constant(28)], [4, constant(1)], [4, constant(2)], [4, SELF], [4, constant(65534, 65534, 0)], [4, constant(65534, 65534, 0)], [4, constant(0)])
const VECTOR_COUNT = constant(0, 1, 1, 2, 4)
const NO_NAME = [[8, constant(0)], [8, constant(0)]] as const
const NAMED = fc.oneof(structure([8, SUN], [8, constant(4, 5, 110)], ...([[8, iovec(true)], [8, VECTOR_COUNT], [8, none], [8, constant(0)], [8, constant(0)]] as const)), structure([8, SIN], [8, constant(16, 16, 15)], ...([[8, iovec(true)], [8, VECTOR_COUNT], [8, none], [8, constant(0)], [8, constant(0)]] as const)))
const SENT = fc.oneof(
  structure(...NO_NAME, [8, iovec(true)], [8, VECTOR_COUNT], [8, none], [8, constant(0)], [8, constant(0)]),
  structure(...NO_NAME, [8, iovec(true)], [8, VECTOR_COUNT], [8, RIGHTS], [8, constant(24, 24, 24, 20, 16, 8, 0)], [8, constant(0)]),
  structure(...NO_NAME, [8, iovec(true)], [8, VECTOR_COUNT], [8, CREDENTIALS], [8, constant(32, 32, 28, 16)], [8, constant(0)]),
  NAMED,
)
const RECEIVED = fc.oneof(
  structure(...NO_NAME, [8, iovec(false)], [8, VECTOR_COUNT], [8, none], [8, constant(0)], [8, constant(0)]),
  structure([8, outBytes(128)], [8, constant(128, 128, 16, 4, 0)], [8, iovec(false)], [8, VECTOR_COUNT], [8, outBytes(64)], [8, constant(64, 64, 24, 20, 16, 8)], [8, constant(0)]),
)
/** One struct mmsghdr, and one more that is not looked at. */
const many = (one: ArgumentArbitrary): ArgumentArbitrary => one.map((argument) => argument.is === 'in' ? { ...argument, bytes: [...argument.bytes, ...new Array<number>(8 + 64).fill(0)] } : argument)
const value = (...values: readonly number[]): ArgumentArbitrary => structure([4, constant(...values)], [4, constant(0)], [8, constant(0)])
const VALUE = value(0, 1, 1, 2, 5, 64, 4096, 1_000_000, -1)
const VALUE_LENGTH = constant(4, 4, 4, 8, 16, 3, 1, 0)
/** SOL_SOCKET by number (asm-generic/socket.h), without times of packets and what needs privileges' hosts. */
const SOCKET_OPTION = constant(2, 3, 4, 6, 7, 8, 9, 10, 13, 15, 16, 18, 20, 21, 30, 38, 39, 1000)
const SET_OPTION = constant(2, 6, 7, 8, 9, 10, 13, 15, 16, 16, 18, 20, 21, 1000)
const TCP_OPTION = constant(1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 18, 1000)
/** Not TCP_MAXSEG, which says what a connection came to that is no more. */
const TCP_OPTION_TOLD = constant(1, 3, 4, 5, 6, 7, 8, 9, 12, 18, 1000)
const IP_OPTION = constant(1, 2, 8, 10, 11, 13, 15, 33, 34, 1000)

export const socketRows: Rows = {
  socketpair: { result: 'pair', makes: 'unix', weight: 3, args: { 0: constant(1, 1, 1, 1, 0, 2), 1: SOCKET_TYPES, 2: constant(0, 0, 0, 0, 6), 3: outBytes(8) } },
  accept4: { result: 'fd', makes: 'other', on: ['unix', 'tcp'], args: { 1: outBytes(110), 2: orNone(LENGTH_CELL), 3: constant(O_NONBLOCK, O_NONBLOCK | 0o2_000_000, O_NONBLOCK | 1) }, shows: [[1, 'sockaddr']] },
  accept: { result: 'fd', makes: 'other', weight: 1, on: ['unix', 'tcp'], args: { 1: outBytes(110), 2: orNone(LENGTH_CELL) } },
  listen: { on: ['unix', 'tcp', 'tcp'], args: { 1: constant(0, 1, 5, -1) } }, shutdown: { on: ANY, args: { 1: constant(0, 1, 2, 3) } },
  getsockname: { on: ANY, args: { 1: outBytes(110), 2: LENGTH_CELL }, shows: [[1, 'sockaddr'], [2, 'all']] }, getpeername: { on: ANY, args: { 1: outBytes(110), 2: LENGTH_CELL }, shows: [[1, 'sockaddr'], [2, 'all']] },
  sendmsg: { weight: 4, on: ANY, args: { 1: SENT, 2: MSG } }, recvmsg: { weight: 4, on: ANY, args: { 1: RECEIVED, 2: MSG }, shows: [[1, 'message']] },
  sendmmsg: { weight: 1, on: ANY, args: { 1: many(SENT), 2: constant(0, 1, 1), 3: MSG } }, recvmmsg: { weight: 1, on: ANY, args: { 1: many(RECEIVED), 2: constant(0, 1, 1), 3: MSG, 4: none } },
}
/** In two kinds each: of a Unix and of an internet socket. */
export const familyRows: { readonly [name: string]: readonly Rows[string][] } = {
  socket: [
    { result: 'fd', makes: 'unix', weight: 3, args: { 0: constant(1, 1, 1, 99), 1: SOCKET_TYPES, 2: constant(0, 0, 0, 1, 7) } },
    { result: 'fd', makes: 'tcp', weight: 4, args: { 0: constant(2), 1: constant(1 | O_NONBLOCK), 2: constant(0, 0, 6, 17) } },
    { result: 'fd', makes: 'udp', weight: 3, args: { 0: constant(2), 1: constant(2 | O_NONBLOCK, 2 | O_NONBLOCK, 2 | O_NONBLOCK, 3 | O_NONBLOCK, 5 | O_NONBLOCK), 2: constant(0, 0, 17, 6) } },
  ],
  bind: [{ weight: 3, on: UNIX, args: { 1: SUN, 2: SUN_LENGTH } }, { weight: 4, on: INET, args: { 1: SIN, 2: mostly(constant(16), constant(8, 15, 128, 129, 0)) } }],
  connect: [{ weight: 3, on: UNIX, args: { 1: SUN, 2: SUN_LENGTH } }, { weight: 4, on: INET, args: { 1: SIN, 2: mostly(constant(16), constant(8, 15, 128, 129, 0)) } }],
  sendto: [
    { weight: 3, on: UNIX, args: { 2: SMALL_SIZE, 3: MSG, 4: orNone(SUN), 5: SUN_LENGTH } }, { weight: 4, on: INET, args: { 2: SMALL_SIZE, 3: MSG, 4: orNone(SIN), 5: mostly(constant(16), constant(0, 8, 128)) } },
  ],
  recvfrom: [{ weight: 3, on: ANY, args: { 2: SMALL_SIZE, 3: MSG, 4: none, 5: none }, shows: [[1, 'returned']] }, { weight: 2, on: INET, args: { 2: SMALL_SIZE, 3: MSG, 4: outBytes(32), 5: LENGTH_CELL }, shows: [[1, 'returned'], [4, 'sockaddr'], [5, 'all']] }],
  setsockopt: [
    { weight: 3, on: ANY, args: { 1: constant(1, 1, 1, 1, 99), 2: SET_OPTION, 3: VALUE, 4: VALUE_LENGTH } }, { weight: 2, on: ['tcp', 'tcp', 'tcp', 'udp'], args: { 1: constant(6), 2: TCP_OPTION, 3: VALUE, 4: VALUE_LENGTH } },
    { weight: 2, on: ['tcp', 'udp', 'udp'], args: { 1: constant(0), 2: IP_OPTION, 3: VALUE, 4: VALUE_LENGTH } }, { weight: 1, on: 'udp', args: { 1: constant(17), 2: constant(1, 99), 3: VALUE, 4: VALUE_LENGTH } },
  ],
  getsockopt: [
    { weight: 3, on: ANY, args: { 1: constant(1), 2: SOCKET_OPTION, 3: outBytes(16), 4: LENGTH_CELL }, shows: [[3, 'words'], [4, 'all']] },
    { weight: 2, on: ['tcp', 'tcp', 'tcp', 'udp'], args: { 1: constant(6), 2: TCP_OPTION_TOLD, 3: outBytes(16), 4: LENGTH_CELL }, shows: [[3, 'all'], [4, 'all']] },
    { weight: 2, on: ['tcp', 'udp'], args: { 1: constant(0), 2: IP_OPTION, 3: outBytes(16), 4: LENGTH_CELL }, shows: [[3, 'all'], [4, 'all']] },
  ],
}
