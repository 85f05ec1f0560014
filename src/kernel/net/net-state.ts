/** The network's part of the kernel's state. */
import { type InetState, makeInet } from './inet.ts'
import type { UnixSocket } from './unix.ts'

export interface NetState {
  readonly kind: 'net'
  /** Names in the abstract namespace (unix(7)), as byte strings without the leading NUL. */
  readonly abstractNames: Map<string, UnixSocket>
  /** All Unix sockets, in the order in which they were made. */
  readonly unixSockets: Set<UnixSocket>
  /** The last name that autobind gave. */
  lastAutobind: number
  /** IPv4: sockets by port. */
  readonly inet: InetState
  /** Numbers of netlink sockets. */
  readonly netlinkPorts: Set<number>
}
export const makeNet = (): NetState => ({ kind: 'net', abstractNames: new Map(), unixSockets: new Set(), lastAutobind: 0, inet: makeInet(), netlinkPorts: new Set() })
