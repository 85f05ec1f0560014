/** /proc/net: the tables of sockets and devices (proc(5)); what does not exist here has its heading only. */
import type { Kernel } from '../../kernel.ts'
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
  ['tcp', always(`${'  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'.padEnd(149)}\n`)],
  ['tcp6', always(`${SIX_SOCKETS}\n`)],
  ['udp', always(`${'   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops'.padEnd(127)}\n`)],
  ['udp6', always(`${SIX_SOCKETS} ref pointer drops\n`)],
  ['unix', unix],
]
