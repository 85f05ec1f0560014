/** What system calls do with IPv4 sockets: TCP or UDP by the socket's type. */
import { SOCK_STREAM } from '../abi/sockets.ts'
import { bind, encodeAddress, type InetSocket } from './inet.ts'
import { getInetOption, inetIoctl, setInetOption } from './inet-options.ts'
import type { SocketOperations } from './socket.ts'
import { releaseTcp, tcp } from './tcp.ts'
import { releaseUdp, udp } from './udp.ts'

const isTcp = (socket: InetSocket): boolean => socket.type === SOCK_STREAM

export const inetOperations: SocketOperations<InetSocket> = {
  bind,
  connect: (kernel, task, file, socket, address) => (isTcp(socket) ? tcp : udp).connect(kernel, task, file, socket, address),
  listen: (kernel, task, socket, backlog) => isTcp(socket) ? tcp.listen(kernel, task, socket, backlog) : udp.listen(),
  accept: (kernel, task, file, socket) => isTcp(socket) ? tcp.accept(kernel, task, file, socket) : udp.accept(),
  localName: (_kernel, socket) => encodeAddress(socket.local),
  peerName: (_kernel, socket) => (isTcp(socket) ? tcp : udp).peerName(socket),
  send: (kernel, task, file, socket, message) => (isTcp(socket) ? tcp : udp).send(kernel, task, file, socket, message),
  receive: (kernel, task, file, socket, length, flags) => (isTcp(socket) ? tcp : udp).receive(kernel, task, file, socket, length, flags),
  shutdown: (kernel, socket, how) => (isTcp(socket) ? tcp : udp).shutdown(kernel, socket, how),
  getOption: getInetOption,
  setOption: setInetOption,
  poll: (kernel, socket) => (isTcp(socket) ? tcp : udp).poll(kernel, socket),
  ioctl: inetIoctl,
  release: (kernel, socket) => { (isTcp(socket) ? releaseTcp : releaseUdp)(kernel, socket) },
}
