/** The beginning and the end of TCP connections, whoever is the cause. */
import { IPPROTO_TCP } from '../../abi/sockets.ts'
import type { Kernel } from '../../kernel.ts'
import { disarm } from '../../time/timer-queue.ts'
import { CLOSE, type InetSocket, leavePort, optionKey, removeConnection, SHUT_BOTH, wakeBoth } from '../inet.ts'
import { mtuTo } from '../ip-output.ts'
import { BUFFER_LOCKED } from './data.ts'
import { TCP_CONGESTION, TCP_MAXSEG } from './option-numbers.ts'
import { pathOf, segmentSizeOf } from './output.ts'
import { INITIAL_WINDOW_SEGMENTS, type Tcb } from './tcb.ts'

/** RFC 6528: a hash of both ends and the time. There is no secret: nobody outside of the world guesses. */
export const initialSequence = (kernel: Kernel, { local, remote }: InetSocket): number => {
  let hash = 0x811c_9dc5
  for (const word of [local.address, local.port, remote?.address ?? 0, remote?.port ?? 0]) {
    hash = Math.imul(hash ^ word, 0x85eb_ca6b)
    hash ^= hash >>> 13
    hash = Math.imul(hash, 0xc2b2_ae35)
    hash ^= hash >>> 16
  }
  // One every 64 ns.
  return ((hash >>> 0) + Math.floor(kernel.now / (kernel.config.cpuHz / 15_625_000))) >>> 0
}

/** TCP_CONGESTION as it was set, else the namespace's. */
export const algorithmOf = (socket: InetSocket): 'cubic' | 'reno' => {
  const chosen = socket.options.get(optionKey(IPPROTO_TCP, TCP_CONGESTION))
  return chosen === undefined ? socket.net.settings.congestion : chosen === 1 ? 'reno' : 'cubic'
}

/** Windows up to tcp_rmem's 6 MiB can be told. */
const SCALE = 7
export const scaleOf = (socket: InetSocket): number => socket.net.settings.windowScaling !== 0 ? SCALE : 0

const TIMESTAMPS = 12, DEFAULT_SIZE = 536, SEND_MAXIMUM = 4_194_304
/** sk_buff and skb_shared_info, about. */
const HEAD = 640, META = 256

const powerOfTwo = (least: number): number => { let power = 1; while (power < least) power *= 2; return power }

/** The size of segments, and of buffers that hold a window of them (tcp_sync_mss, tcp_init_buffer_space). */
export const settleSizes = (kernel: Kernel, socket: InetSocket, tcb: Tcb, peerSize: number): void => {
  const path = pathOf(socket, tcb)
  if (typeof path === 'number') return
  const known = mtuTo(kernel, socket.net, path.device, socket.remote?.address ?? 0)
  const mtu = tcb.pathMtu > 0 ? Math.min(tcb.pathMtu, known) : known
  const wanted = socket.options.get(optionKey(IPPROTO_TCP, TCP_MAXSEG)) ?? 0
  const size = Math.min(segmentSizeOf(mtu), peerSize > 0 ? peerSize : DEFAULT_SIZE, wanted > 0 ? wanted : Infinity)
  tcb.mss = Math.max(size - (tcb.hasTimestamps ? TIMESTAMPS : 0), 48)
  if (socket.options.has(BUFFER_LOCKED)) return
  const each = powerOfTwo(tcb.mss + HEAD) + META
  socket.sendBuffer = Math.max(socket.sendBuffer, Math.min(each * 2 * INITIAL_WINDOW_SEGMENTS, SEND_MAXIMUM))
}

/** tcp_done: there is no connection any more. Bytes that have come can still be read. */
export const finishConnection = (kernel: Kernel, socket: InetSocket): void => {
  const { net, tcb, listener } = socket
  if (socket.state === CLOSE) return
  socket.state = CLOSE
  socket.shut = SHUT_BOTH
  removeConnection(socket, net.inet)
  if (!socket.bound || socket.closed) {
    leavePort(socket, net.inet.tcp)
    socket.hasLeftPort = true
  }
  listener?.halfOpen.delete(socket)
  if (tcb !== undefined) {
    const { timers } = kernel.state
    for (const timer of [tcb.retransmitTimer, tcb.acknowledgeTimer, tcb.keepAliveTimer]) {
      timer.wanted = Infinity
      disarm(timers, timer)
    }
    tcb.sendQueue.length = 0
    tcb.sent = 0
    tcb.queued = 0
    tcb.sackedOut = 0
    tcb.lostOut = 0
    tcb.resentOut = 0
    tcb.early.length = 0
  }
  if (socket.closed) {
    socket.queue.length = 0
    socket.queuedBytes = 0
  } else wakeBoth(kernel, socket)
}
