/** What ICMP says of TCP's segments (tcp_v4_err). */
import { IPPROTO_IP } from '../../abi/sockets.ts'
import type { Kernel } from '../../kernel.ts'
import { ICMP_FRAGMENTATION_NEEDED, ICMP_UNREACHABLE, type IcmpError } from '../icmp.ts'
import { findConnection, has, optionKey, SYN_RECEIVED, SYN_SENT, wakeBoth } from '../inet.ts'
import { get16, get32 } from '../ipv4.ts'
import type { NetNamespace } from '../namespace.ts'
import { finishConnection, settleSizes } from './connection.ts'
import { resend } from './output.ts'
import { near } from './tcb.ts'

const IP_RECVERR = 11, LEAST_MTU = 552

export const tcpError = (kernel: Kernel, net: NetNamespace, error: IcmpError): void => {
  const { about } = error
  if (about.payload.length < 8) return
  const socket = findConnection(net.inet, about.source, get16(about.payload, 0), about.destination, get16(about.payload, 2))
  if (socket === undefined || socket.kind !== 'inet' || socket.tcb === undefined) return
  const { tcb } = socket
  const seq = near(tcb.sndUna, get32(about.payload, 4))
  // Only what is under way can have come to grief.
  if (seq < tcb.sndUna || seq > tcb.sndNxt) return
  if (error.type === ICMP_UNREACHABLE && error.code === ICMP_FRAGMENTATION_NEEDED) {
    const mtu = Math.max(error.info, LEAST_MTU)
    if (tcb.pathMtu !== 0 && tcb.pathMtu <= mtu) return
    tcb.pathMtu = mtu
    const before = tcb.mss
    settleSizes(kernel, socket, tcb, before + (tcb.hasTimestamps ? 12 : 0))
    for (let i = 0; i < tcb.sent && tcb.mss < before; i++) if (tcb.sendQueue[i].length > tcb.mss) resend(kernel, socket, tcb, i)
    return
  }
  if (socket.state === SYN_SENT || socket.state === SYN_RECEIVED) {
    socket.error = error.errno
    net.counters.tcp.AttemptFails++
    finishConnection(kernel, socket)
  } else if (has(socket, optionKey(IPPROTO_IP, IP_RECVERR)) && error.fatal) {
    socket.error = error.errno
    wakeBoth(kernel, socket)
  } else socket.softError = error.errno
}
