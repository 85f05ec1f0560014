/** /proc/net: the tables of sockets and devices (proc(5)); what does not exist here has its heading only. */
import type { Kernel } from '../../kernel.ts'
import type { InetAddress, InetSocket } from '../../net/inet.ts'
import type { UnixSocket } from '../../net/unix.ts'
import type { ProcContent } from './tree.ts'

/** Fields that Linux shows to nobody are zero: the address. */
const unixLine = (socket: UnixSocket): string => {
  const flags = socket.listening ? '00010000' : '00000000'
  const state = socket.peer !== undefined && socket.type !== 2 ? '03' : '01'
  const name = socket.name === undefined ? '' : ` ${socket.name.startsWith('\0') ? `@${socket.name.slice(1).replaceAll('\0', '@')}` : socket.name}`
  return `0000000000000000: 00000002 00000000 ${flags} ${socket.type.toString(16).padStart(4, '0')} ${state} ${String(socket.ino).padStart(5)}${name}\n`
}

const unix = (kernel: Kernel): string =>
  `Num       RefCount Protocol Flags    Type St Inode Path\n${[...kernel.state.net.unixSockets].map(unixLine).join('')}`

const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0')
/** Addresses are shown as the word that they are on a little-endian processor. */
const address = ({ address, port }: InetAddress): string =>
  `${hex(((address & 0xff) << 24 | (address & 0xff00) << 8 | (address >>> 8 & 0xff00) | address >>> 24) >>> 0, 8)}:${hex(port, 4)}`
const NOWHERE: InetAddress = { address: 0, port: 0 }
const ESTABLISHED = 1, CLOSE = 7, LISTEN = 10

const inetLine = (socket: InetSocket, index: number, width: number): string => {
  const state = socket.listening ? LISTEN : socket.peer !== undefined || (socket.type === 2 && socket.remote !== undefined) ? ESTABLISHED : CLOSE
  const received = socket.listening ? socket.waiting.length : socket.queuedBytes
  const line = `${String(index).padStart(4)}: ${address(socket.local)} ${address(socket.remote ?? NOWHERE)} ${hex(state, 2)} 00000000:${hex(received, 8)} ` +
    `00:00000000 00000000     0        0 ${socket.ino} ${socket.type === 2 ? '2 0000000000000000 0' : '1 0000000000000000 100 0 0 10 0'}`
  return `${line.padEnd(width)}\n`
}

/** /proc/net/tcp, /proc/net/udp: lines are as long as the longest can be. */
const inet = (ports: ReadonlyMap<number, readonly InetSocket[]>, heading: string, width: number): string =>
  `${heading.padEnd(width)}\n${[...ports.values()].flat().map((socket, index) => inetLine(socket, index, width)).join('')}`

const always = (text: string): ProcContent => () => text

const SIX_SOCKETS = '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'

export const NET_FILES: readonly (readonly [name: string, content: ProcContent])[] = [
  ['arp', always('IP address       HW type     Flags       HW address            Mask     Device\n')],
  ['dev', always('Inter-|   Receive                                                |  Transmit\n' +
    ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n' +
    '    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n')],
  ['if_inet6', always('')],
  ['netlink', always('sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n')],
  ['packet', always('sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n')],
  ['raw', always('  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n')],
  ['raw6', always(`${SIX_SOCKETS} ref pointer drops\n`)],
  ['route', always(`${'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'.padEnd(127)}\n`)],
  ['sockstat', (kernel) => `sockets: used ${kernel.state.net.unixSockets.size}\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\n` +
    'UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n'],
  ['tcp', (kernel) => inet(kernel.state.net.inet.tcp, '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode', 149)],
  ['tcp6', always(`${SIX_SOCKETS}\n`)],
  ['udp', (kernel) => inet(kernel.state.net.inet.udp, '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops', 127)],
  ['udp6', always(`${SIX_SOCKETS} ref pointer drops\n`)],
  ['unix', unix],
]
