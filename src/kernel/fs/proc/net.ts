/** /proc/net: the tables of sockets and devices of a process's network namespace (proc(5)); what does not exist here has its heading only. */
import type { Kernel } from '../../kernel.ts'
import type { Neighbour } from '../../net/arp.ts'
import { isUp, type NetInterface } from '../../net/device.ts'
import { ESTABLISHED, CLOSE, type InetAddress, type InetSocket } from '../../net/inet.ts'
import { dotted, maskOf } from '../../net/ipv4.ts'
import { type NetNamespace, netOf } from '../../net/namespace.ts'
import { listRoutes } from '../../net/route.ts'
import type { TcpTimer } from '../../net/tcp/tcb.ts'
import type { TimeWait } from '../../net/tcp/time-wait.ts'
import type { UnixSocket } from '../../net/unix.ts'
import type { Task } from '../../task/task.ts'
import type { ProcNode } from './nodes.ts'
import { subjectOf } from './subject.ts'
import type { ProcContent } from './tree.ts'

/** The namespace of the process whose directory it is. */
const netOfNode = (kernel: Kernel, node: ProcNode, reader: Task): NetNamespace => netOf(subjectOf(kernel, node) ?? reader)
const ofNet = (content: (net: NetNamespace, kernel: Kernel) => string): ProcContent => (kernel, node, reader) => content(netOfNode(kernel, node, reader), kernel)

// ——— Sockets ———

/** Fields that Linux shows to nobody are zero: the address. */
const unixLine = (socket: UnixSocket): string => {
  const flags = socket.listening ? '00010000' : '00000000'
  const state = socket.peer !== undefined && socket.type !== 2 ? '03' : '01'
  const name = socket.name === undefined ? '' : ` ${socket.name.startsWith('\0') ? `@${socket.name.slice(1).replaceAll('\0', '@')}` : socket.name}`
  return `0000000000000000: 00000002 00000000 ${flags} ${socket.type.toString(16).padStart(4, '0')} ${state} ${String(socket.ino).padStart(5)}${name}\n`
}

const unix = (net: NetNamespace): string => `Num       RefCount Protocol Flags    Type St Inode Path\n${[...net.unixSockets].map(unixLine).join('')}`

const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0')
/** The word that an address is on a little-endian processor. */
const word = (address: number): string => hex(((address & 0xff) << 24 | (address & 0xff00) << 8 | (address >>> 8 & 0xff00) | address >>> 24) >>> 0, 8)
const address = ({ address: value, port }: InetAddress): string => `${word(value)}:${hex(port, 4)}`
const NOWHERE: InetAddress = { address: 0, port: 0 }
const TICKS = 100
const LOWER = 16

interface Row { readonly local: InetAddress, readonly remote: InetAddress, readonly state: number, readonly sent: number, readonly received: number, readonly timer: string, readonly retries: number,
  readonly uid: number, readonly probes: number, readonly ino: number, readonly rest: string }

const line = ({ local, remote, state, sent, received, timer, retries, uid, probes, ino, rest }: Row, index: number, width: number, digits: number): string =>
  `${(`${String(index).padStart(digits)}: ${address(local)} ${address(remote)} ${hex(state, 2)} ${hex(sent, 8)}:${hex(received, 8)} ${timer} ${hex(retries, 8)} ` +
    `${String(uid).padStart(5)} ${String(probes).padStart(8)} ${ino} ${rest}`).padEnd(width)}\n`

const POINTER = '0000000000000000'
const timerText = (kernel: Kernel, kind: number, deadline: number): string =>
  `${hex(kind, 2)}:${hex(kind === 0 ? 0 : Math.max(Math.ceil((deadline - kernel.now) * TICKS / kernel.config.cpuHz), 0), 8)}`
const isSet = (timer: TcpTimer): boolean => timer.wanted !== Infinity

const tcpRow = (kernel: Kernel, socket: InetSocket | TimeWait): Row => {
  const { local, state } = socket
  if (socket.kind === 'time-wait') {
    return { local, remote: socket.remote, state, sent: 0, received: 0, timer: timerText(kernel, 3, socket.deadline), retries: 0, uid: 0, probes: 0, ino: 0, rest: `3 ${POINTER}` }
  }
  const { tcb } = socket
  const common = { local, remote: socket.remote ?? NOWHERE, state, uid: socket.uid, ino: socket.ino }
  if (tcb === undefined) return { ...common, sent: 0, received: socket.waiting.length, timer: timerText(kernel, 0, 0), retries: 0, probes: 0, rest: `1 ${POINTER} 100 0 0 10 0` }
  const kind = isSet(tcb.retransmitTimer) ? (tcb.sent > 0 ? 1 : 4) : isSet(tcb.keepAliveTimer) ? 2 : 0
  const deadline = kind === 2 ? tcb.keepAliveTimer.wanted : tcb.retransmitTimer.wanted
  const ticks = (cycles: number): number => Math.floor(cycles * TICKS / kernel.config.cpuHz)
  return {
    ...common, sent: tcb.writeSeq - tcb.sndUna, received: socket.queuedBytes, timer: timerText(kernel, kind, deadline), retries: tcb.retries, probes: tcb.probes,
    rest: `${kind === 0 ? 1 : 2} ${POINTER} ${ticks(tcb.rto)} 4 ${tcb.quickAcks * 2 + (tcb.interactive ? 1 : 0)} ${tcb.cwnd} ${tcb.ssthresh === Infinity ? -1 : tcb.ssthresh}`,
  }
}

const SOCKET_HEADING = 'sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'
const TCP_WIDTH = 149, UDP_WIDTH = 127

const tcp = (net: NetNamespace, kernel: Kernel): string => {
  const rows = [...[...net.inet.listeners.values()].flat(), ...[...net.inet.connections.values()].flat()]
  return `${`  ${SOCKET_HEADING}`.padEnd(TCP_WIDTH)}\n${rows.map((socket, index) => line(tcpRow(kernel, socket), index, TCP_WIDTH, 4)).join('')}`
}

const datagramRow = (socket: InetSocket): Row => ({
  local: socket.local, remote: socket.remote ?? NOWHERE, state: socket.state === ESTABLISHED ? ESTABLISHED : CLOSE, sent: 0, received: socket.queuedBytes, timer: '00:00000000', retries: 0,
  uid: socket.uid, probes: 0, ino: socket.ino, rest: `2 ${POINTER} 0`,
})
const datagrams = (sockets: readonly InetSocket[], indent: string): string => {
  const rows = sockets.map((socket) => line(datagramRow(socket), socket.local.port, indent === '   ' ? UDP_WIDTH : 0, indent.length + 2)).join('')
  return `${`${indent}${SOCKET_HEADING} ref pointer drops`.padEnd(indent === '   ' ? UDP_WIDTH : 0)}\n${rows}`
}
const socketsOf = (ports: NetNamespace['inet']['udp']): InetSocket[] => [...ports.values()].flatMap((set) => [...set]).filter((socket): socket is InetSocket => socket.kind === 'inet')

const packet = (net: NetNamespace): string => `sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n${[...net.packetSockets].map((socket) =>
  `${POINTER} 3      ${String(socket.type).padEnd(4)} ${socket.protocol.toString(LOWER).padStart(4, '0')}   ${String(socket.device).padEnd(5)} 1 ${String(socket.queuedBytes).padEnd(6)} 0      ${socket.ino}\n`).join('')}`

const netlink = (net: NetNamespace): string => `sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n${[...net.netlinkSockets.values()].map((socket) =>
  `${POINTER} 0   ${String(socket.port).padEnd(10)} ${socket.groups.toString(LOWER).padStart(8, '0')} 0        0        0     2        0        ${socket.ino}\n`).join('')}`

const sockstat = (net: NetNamespace): string => {
  const { inet } = net
  const connections = [...inet.connections.values()].flat()
  const live = connections.filter((socket): socket is InetSocket => socket.kind === 'inet')
  const listeners = [...inet.listeners.values()].flat().length
  const udp = socketsOf(inet.udp).length
  const used = net.unixSockets.size + live.length + listeners + udp + inet.raw.size + net.netlinkSockets.size + net.packetSockets.size
  return `sockets: used ${used}\nTCP: inuse ${live.length + listeners} orphan ${live.filter(({ closed }) => closed).length} tw ${net.timeWaits.all.size} alloc ${live.length + listeners} mem 0\n` +
    `UDP: inuse ${udp} mem 0\nUDPLITE: inuse 0\nRAW: inuse ${inet.raw.size}\nFRAG: inuse ${net.fragments.size} memory 0\n`
}

// ——— Interfaces, routes, neighbours ———

const deviceLine = ({ name, received, sent }: NetInterface): string => {
  const left = [String(received.packets).padStart(7), String(received.errors).padStart(4), String(received.dropped).padStart(4), '   0', '    0', '         0', String(received.multicast).padStart(9)]
  const right = [String(sent.packets).padStart(7), String(sent.errors).padStart(4), String(sent.dropped).padStart(4), '   0', '    0', '      0', '         0']
  return `${name.padStart(6)}: ${String(received.bytes).padStart(7)} ${left.join(' ')} ${String(sent.bytes).padStart(8)} ${right.join(' ')}\n`
}
const devices = (net: NetNamespace): string => 'Inter-|   Receive                                                |  Transmit\n' +
  ` face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n${net.interfaces.map(deviceLine).join('')}`

const RTF_UP = 1, RTF_GATEWAY = 2, RTF_HOST = 4, RTF_REJECT = 0x200
const ROUTE_WIDTH = 127
const routes = (net: NetNamespace): string => {
  const rows = listRoutes(net).filter(({ device }) => device === undefined || isUp(device)).map(({ device, destination, gateway, prefix, metric, type }) => {
    const flags = (type === 'unicast' ? RTF_UP : RTF_UP | RTF_REJECT) | (gateway !== 0 ? RTF_GATEWAY : 0) | (prefix === 32 ? RTF_HOST : 0)
    return [device?.name ?? '*', word(destination), word(gateway), hex(flags, 4), 0, 0, metric, word(maskOf(prefix)), 0, 0, 0].join('\t')
  })
  return ['Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT', ...rows].map((row) => `${row.padEnd(ROUTE_WIDTH)}\n`).join('')
}

const ATF_COM = 2, ATF_PERM = 4
const macText = (mac: Uint8Array): string => Array.from(mac, (byte) => byte.toString(LOWER).padStart(2, '0')).join(':')
const arpLine = ({ address: value, state, mac, device }: Neighbour): string => {
  const flags = state === 'permanent' ? ATF_COM | ATF_PERM : state === 'incomplete' || state === 'failed' ? 0 : ATF_COM
  return `${dotted(value).padEnd(16)} 0x${device.type.toString(LOWER).padEnd(10)}0x${flags.toString(LOWER).padEnd(10)}${macText(mac).padEnd(21)} *        ${device.name}\n`
}
const arp = (net: NetNamespace): string =>
  `IP address       HW type     Flags       HW address            Mask     Device\n${net.interfaces.flatMap(({ neighbours }) => [...neighbours.values()]).map(arpLine).join('')}`

// ——— Counters ———

const table = (name: string, counters: Readonly<Record<string, number>>): string => `${name}: ${Object.keys(counters).join(' ')}\n${name}: ${Object.values(counters).join(' ')}\n`

const snmp = (net: NetNamespace): string => {
  const { ip, icmp, tcp: segments, udp } = net.counters
  const { ActiveOpens, PassiveOpens, AttemptFails, EstabResets, ...others } = segments
  const current = [...net.inet.connections.values()].flat().filter(({ state }) => state === ESTABLISHED || state === 8).length
  const messages = { InType0: icmp.InEchoReps, InType3: icmp.InDestUnreachs, InType8: icmp.InEchos, InType11: icmp.InTimeExcds, OutType0: icmp.OutEchoReps, OutType3: icmp.OutDestUnreachs, OutType11: icmp.OutTimeExcds }
  const none = Object.fromEntries(Object.keys(udp).map((name) => [name, 0]))
  return table('Ip', { Forwarding: net.settings.forwarding !== 0 ? 1 : 2, DefaultTTL: net.settings.defaultTtl, ...ip }) + table('Icmp', icmp) +
    table('IcmpMsg', Object.fromEntries(Object.entries(messages).filter(([, count]) => count > 0))) +
    table('Tcp', { RtoAlgorithm: 1, RtoMin: 200, RtoMax: 120_000, MaxConn: -1, ActiveOpens, PassiveOpens, AttemptFails, EstabResets, CurrEstab: current, ...others }) +
    table('Udp', udp) + table('UdpLite', none)
}

const netstat = (net: NetNamespace): string => {
  const sum = (which: 'received' | 'sent'): number => net.interfaces.reduce((total, device) => total + device[which].bytes, 0)
  return table('TcpExt', net.counters.tcpExt) + table('IpExt', { InNoRoutes: 0, InTruncatedPkts: 0, InMcastPkts: 0, OutMcastPkts: 0, InBcastPkts: 0, OutBcastPkts: 0, InOctets: sum('received'), OutOctets: sum('sent') })
}

const always = (text: string): ProcContent => () => text

const SIX_SOCKETS = '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'

export const NET_FILES: readonly (readonly [name: string, content: ProcContent])[] = [
  ['arp', ofNet(arp)],
  ['dev', ofNet(devices)],
  ['if_inet6', always('')],
  ['netlink', ofNet(netlink)],
  ['netstat', ofNet(netstat)],
  ['packet', ofNet(packet)],
  ['raw', ofNet((net) => datagrams([...net.inet.raw], '  '))],
  ['raw6', always(`${SIX_SOCKETS} ref pointer drops\n`)],
  ['route', ofNet(routes)],
  ['snmp', ofNet(snmp)],
  ['sockstat', ofNet(sockstat)],
  ['tcp', ofNet(tcp)],
  ['tcp6', always(`${SIX_SOCKETS}\n`)],
  ['udp', ofNet((net) => datagrams(socketsOf(net.inet.udp), '   '))],
  ['udp6', always(`${SIX_SOCKETS} ref pointer drops\n`)],
  ['icmp', ofNet((net) => datagrams(socketsOf(net.inet.ping), '   '))],
  ['unix', ofNet(unix)],
]

// ——— Settings (/proc/sys/net/ipv4) ———

/** A setting that acts: numbers of the namespace's settings, and what they may be. */
interface Setting { readonly fields: readonly (keyof NetNamespace['settings'])[], readonly least: number, readonly most: number }
const numbers = (least: number, most: number, ...fields: Setting['fields']): Setting => ({ fields, least, most })

export const IPV4_SETTINGS: Readonly<Record<string, Setting>> = {
  ip_forward: numbers(0, 1, 'forwarding'), ip_default_ttl: numbers(1, 255, 'defaultTtl'), ip_local_port_range: numbers(1, 65_535, 'firstPort', 'lastPort'),
  ip_unprivileged_port_start: numbers(0, 65_535, 'unprivilegedPort'), icmp_echo_ignore_all: numbers(0, 1, 'ignoreEcho'), ping_group_range: numbers(0, 0xffff_fffe, 'pingFirstGroup', 'pingLastGroup'),
  tcp_syn_retries: numbers(1, 127, 'synRetries'), tcp_synack_retries: numbers(0, 255, 'synackRetries'), tcp_retries2: numbers(0, 255, 'retries2'), tcp_keepalive_time: numbers(1, 32_767, 'keepaliveTime'),
  tcp_keepalive_intvl: numbers(1, 32_767, 'keepaliveInterval'), tcp_keepalive_probes: numbers(1, 127, 'keepaliveProbes'), tcp_timestamps: numbers(0, 1, 'timestamps'), tcp_sack: numbers(0, 1, 'sack'),
  tcp_window_scaling: numbers(0, 1, 'windowScaling'), tcp_fin_timeout: numbers(0, 0x7fff_ffff, 'finTimeout'),
}
export const CORE_SETTINGS: Readonly<Record<string, Setting>> = { somaxconn: numbers(0, 65_535, 'somaxconn') }

export const readSetting = ({ fields }: Setting): ProcContent => (_kernel, _node, reader) => `${fields.map((field) => netOf(reader).settings[field]).join('\t')}\n`

/** @returns whether the text was what it may be */
export const writeSetting = ({ fields, least, most }: Setting, writer: Task, text: string): boolean => {
  const values = text.trim().split(/\s+/).map(Number)
  if (values.length > fields.length || !values.every((value) => Number.isSafeInteger(value) && value >= least && value <= most)) return false
  const { settings } = netOf(writer)
  for (const [i, value] of values.entries()) Object.assign(settings, { [fields[i]]: value })
  return true
}

const ALGORITHMS = ['cubic', 'reno'] as const
export const readCongestion: ProcContent = (_kernel, _node, reader) => `${netOf(reader).settings.congestion}\n`
export const writeCongestion = (writer: Task, text: string): boolean => {
  const wanted = ALGORITHMS.find((name) => name === text.trim())
  if (wanted !== undefined) netOf(writer).settings.congestion = wanted
  return wanted !== undefined
}
