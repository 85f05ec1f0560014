/** What system calls do with IPv4 sockets, by their protocol. What an operation sent over loopback is delivered when it is done. */
import { EOPNOTSUPP } from '../abi/errno.ts'
import { IPPROTO_ICMP, SOCK_RAW, SOCK_STREAM } from '../abi/sockets.ts'
import { drainBacklog } from './backlog.ts'
import { bind, encodeAddress, type InetSocket } from './inet.ts'
import { getInetOption, inetIoctl, setInetOption } from './inet-options.ts'
import { bindRaw, raw } from './raw.ts'
import type { SocketOperations } from './socket.ts'
import { tcp } from './tcp/calls.ts'
import { udp } from './udp.ts'

const isTcp = (socket: InetSocket): boolean => socket.type === SOCK_STREAM
const datagrams = (socket: InetSocket): typeof raw => socket.type === SOCK_RAW || socket.protocol === IPPROTO_ICMP ? raw : udp

export const inetOperations: SocketOperations<InetSocket> = {
  bind: (kernel, task, socket, address) => socket.type === SOCK_RAW ? bindRaw(socket, address) : bind(kernel, task, socket, address),
  connect: (kernel, task, file, socket, address) => {
    const result = (isTcp(socket) ? tcp : datagrams(socket)).connect(kernel, task, file, socket, address)
    drainBacklog(kernel)
    return result
  },
  listen: (kernel, task, socket, backlog) => isTcp(socket) ? tcp.listen(kernel, task, socket, backlog) : -EOPNOTSUPP,
  accept: (kernel, task, file, socket) => isTcp(socket) ? tcp.accept(kernel, task, file, socket) : -EOPNOTSUPP,
  localName: (_kernel, socket) => encodeAddress(socket.local),
  peerName: (_kernel, socket) => (isTcp(socket) ? tcp : datagrams(socket)).peerName(socket),
  send: (kernel, task, file, socket, message) => {
    const result = (isTcp(socket) ? tcp : datagrams(socket)).send(kernel, task, file, socket, message)
    drainBacklog(kernel)
    return result
  },
  receive: (kernel, task, file, socket, length, flags) => {
    const result = (isTcp(socket) ? tcp : datagrams(socket)).receive(kernel, task, file, socket, length, flags)
    drainBacklog(kernel)
    return result
  },
  shutdown: (kernel, socket, how) => {
    const result = (isTcp(socket) ? tcp : datagrams(socket)).shutdown(kernel, socket, how)
    drainBacklog(kernel)
    return result
  },
  getOption: getInetOption,
  setOption: (kernel, task, socket, level, option, value) => {
    const result = setInetOption(kernel, task, socket, level, option, value)
    drainBacklog(kernel)
    return result
  },
  poll: (kernel, socket) => (isTcp(socket) ? tcp : datagrams(socket)).poll(kernel, socket),
  ioctl: inetIoctl,
  release: (kernel, socket) => {
    ;(isTcp(socket) ? tcp : datagrams(socket)).release(kernel, socket)
    drainBacklog(kernel)
  },
}
