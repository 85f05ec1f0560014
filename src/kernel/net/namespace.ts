/**
 * Network namespaces (network_namespaces(7)): all that one host, or one container, has of the network: interfaces, addresses,
 * routes, neighbours, sockets by name and port, counters, settings.
 */
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { hasCapabilityIn } from '../task/user-namespace.ts'
import type { BacklogItem } from './backlog.ts'
import { IFF_UP, type NetInterface, makeLoopback, RT_SCOPE_HOST } from './device.ts'
import { type FragmentQueue } from './fragments.ts'
import { type InetTables, makeInetTables } from './inet.ts'
import { LOOPBACK } from './ipv4.ts'
import type { Link } from './link.ts'
import type { NetlinkSocket } from './netlink.ts'
import type { PacketSocket } from './packet.ts'
import type { Route } from './route.ts'
import { makeTimeWaits, type TimeWaits } from './tcp/time-wait.ts'
import type { UnixSocket } from './unix.ts'

/** Names and order of /proc/net/snmp and netstat; the values are all that there is. */
const makeCounters = () => ({
  ip: { InReceives: 0, InHdrErrors: 0, InAddrErrors: 0, ForwDatagrams: 0, InUnknownProtos: 0, InDiscards: 0, InDelivers: 0, OutRequests: 0,
    OutDiscards: 0, OutNoRoutes: 0, ReasmTimeout: 0, ReasmReqds: 0, ReasmOKs: 0, ReasmFails: 0, FragOKs: 0, FragFails: 0, FragCreates: 0 },
  icmp: { InMsgs: 0, InErrors: 0, InCsumErrors: 0, InDestUnreachs: 0, InTimeExcds: 0, InParmProbs: 0, InSrcQuenchs: 0, InRedirects: 0, InEchos: 0,
    InEchoReps: 0, InTimestamps: 0, InTimestampReps: 0, InAddrMasks: 0, InAddrMaskReps: 0, OutMsgs: 0, OutErrors: 0, OutDestUnreachs: 0, OutTimeExcds: 0,
    OutParmProbs: 0, OutSrcQuenchs: 0, OutRedirects: 0, OutEchos: 0, OutEchoReps: 0, OutTimestamps: 0, OutTimestampReps: 0, OutAddrMasks: 0, OutAddrMaskReps: 0 },
  tcp: { ActiveOpens: 0, PassiveOpens: 0, AttemptFails: 0, EstabResets: 0, InSegs: 0, OutSegs: 0, RetransSegs: 0, InErrs: 0, OutRsts: 0, InCsumErrors: 0 },
  udp: { InDatagrams: 0, NoPorts: 0, InErrors: 0, OutDatagrams: 0, RcvbufErrors: 0, SndbufErrors: 0, InCsumErrors: 0, IgnoredMulti: 0, MemErrors: 0 },
  tcpExt: { TW: 0, DelayedACKs: 0, ListenOverflows: 0, ListenDrops: 0, TCPFastRetrans: 0, TCPSackRecovery: 0, TCPRenoRecovery: 0, TCPTimeouts: 0, TCPLossProbes: 0,
    TCPAbortOnData: 0, TCPAbortOnClose: 0, TCPAbortOnTimeout: 0, TCPOFOQueue: 0, TCPKeepAlive: 0, PAWSEstab: 0, TCPSynRetrans: 0, TCPReqQFullDrop: 0 },
})
export type NetCounters = ReturnType<typeof makeCounters>

/** What /proc/sys/net holds in numbers, and acts. */
const makeSettings = () => ({
  forwarding: 0, defaultTtl: 64, firstPort: 32_768, lastPort: 60_999, unprivilegedPort: 1024, ignoreEcho: 0, pingFirstGroup: 0, pingLastGroup: 0x7fff_ffff,
  somaxconn: 4096, synRetries: 6, synackRetries: 5, retries2: 15, finTimeout: 60, keepaliveTime: 7200, keepaliveInterval: 75, keepaliveProbes: 9,
  timestamps: 1, sack: 1, windowScaling: 1, congestion: 'cubic' as 'cubic' | 'reno', rmemMax: 212_992, wmemMax: 212_992,
})
export type NetSettings = ReturnType<typeof makeSettings>

export interface NetNamespace {
  readonly kind: 'net-namespace'
  readonly number: number
  /** Name of the host, if there are several. */
  owner: string
  readonly interfaces: NetInterface[]
  readonly loopback: NetInterface
  lastIndex: number
  /** The main table; routes to the host's own addresses follow from these. */
  readonly routes: Route[]
  /** Counted up whenever a route or address changes: what was looked up before is looked up again. */
  routeGeneration: number
  /** MTUs of the ways to hosts, as far as ICMP told of smaller ones than the interface's, and until which cycle that counts. */
  readonly pathMtus: Map<number, { readonly mtu: number, readonly until: number }>
  readonly fragments: Map<string, FragmentQueue>
  /** The last identification of a packet. */
  lastId: number
  /** Names in the abstract namespace (unix(7)), as byte strings without the leading NUL. */
  readonly abstractNames: Map<string, UnixSocket>
  /** All Unix sockets, in the order in which they were made. */
  readonly unixSockets: Set<UnixSocket>
  /** The last name that autobind gave. */
  lastAutobind: number
  readonly inet: InetTables
  readonly timeWaits: TimeWaits
  readonly packetSockets: Set<PacketSocket>
  /** By number (nl_pid). */
  readonly netlinkSockets: Map<number, NetlinkSocket>
  readonly counters: NetCounters
  readonly settings: NetSettings
}

/** The network's part of the kernel's state. */
export interface NetState {
  readonly kind: 'net'
  readonly initial: NetNamespace
  /** Links between interfaces, by index. */
  readonly links: Link[]
  lastNamespace: number
  /** The last number given to an interface. */
  lastInterface: number
  /** Packets sent that are in the trace. */
  packets: number
  /** What loopback is to deliver before the kernel goes on (see backlog.ts): empty whenever nothing is going on. */
  readonly backlog: BacklogItem[]
  draining: boolean
}

const newNamespace = (number: number, interfaceNumber: number): NetNamespace => {
  const net: NetNamespace = {
    kind: 'net-namespace', number, owner: '', interfaces: [], loopback: undefined as unknown as NetInterface, lastIndex: 0, routes: [], routeGeneration: 1, pathMtus: new Map(), fragments: new Map(), lastId: 0,
    abstractNames: new Map(), unixSockets: new Set(), lastAutobind: 0, inet: makeInetTables(), timeWaits: makeTimeWaits(), packetSockets: new Set(),
    netlinkSockets: new Map(), counters: makeCounters(), settings: makeSettings(),
  }
  Object.assign(net, { loopback: makeLoopback(net, interfaceNumber) })
  return net
}

/** lo goes up with its address, as hosts' start-up does. */
export const startLoopback = (net: NetNamespace): void => {
  net.loopback.flags |= IFF_UP
  if (net.loopback.addresses.length === 0) net.loopback.addresses.push({ address: LOOPBACK, prefix: 8, peer: LOOPBACK, broadcast: 0, label: 'lo', scope: RT_SCOPE_HOST })
  net.routeGeneration++
}

export const makeNet = (): NetState => {
  const initial = newNamespace(1, 0)
  startLoopback(initial)
  return { kind: 'net', initial, links: [], lastNamespace: 1, lastInterface: 0, packets: 0, backlog: [], draining: false }
}

/** A namespace as clone(CLONE_NEWNET) makes it: lo is there and down. */
export const makeNetNamespace = (kernel: Kernel): NetNamespace => {
  const { net } = kernel.state
  return newNamespace(++net.lastNamespace, ++net.lastInterface)
}

/** The namespace in which a task makes sockets. */
export const netOf = (task: Task): NetNamespace => task.namespaces.net.net

/** Whether the task may do what is for the privileged of the namespace (CAP_NET_ADMIN, CAP_NET_RAW …). */
export const hasNetCapability = (task: Task, capability: number): boolean => hasCapabilityIn(task, task.namespaces.net.owner, capability)
