/** struct tcp_info (linux/tcp.h). */
import type { Kernel } from '../../kernel.ts'
import { type InetSocket, LISTEN } from '../inet.ts'
import { RTO_INITIAL_SECONDS } from './tcb.ts'

const SIZE = 232
const OPTION_TIMESTAMPS = 1, OPTION_SACK = 2, OPTION_SCALE = 4

export const tcpInfo = (kernel: Kernel, socket: InetSocket): Uint8Array => {
  const bytes = new Uint8Array(SIZE)
  const view = new DataView(bytes.buffer)
  const { tcb, state } = socket
  const { cpuHz } = kernel.config
  const microseconds = (cycles: number): number => Math.floor(cycles / (cpuHz / 1e6))
  const milliseconds = (cycles: number): number => Math.floor((kernel.now - cycles) / (cpuHz / 1000))
  const put = (at: number, value: number): void => { view.setUint32(at, Math.min(value, 0xffff_ffff), true) }
  const putLong = (at: number, value: number): void => { view.setBigUint64(at, BigInt(Math.floor(value)), true) }
  bytes[0] = state
  if (state === LISTEN) {
    put(24, socket.waiting.length)
    put(28, socket.backlog)
    return bytes
  }
  put(8, RTO_INITIAL_SECONDS * 1e6)
  if (tcb === undefined) return bytes
  bytes[1] = tcb.phase === 0 ? 0 : tcb.phase + (tcb.phase > 1 ? 1 : 0)
  bytes[2] = tcb.retries
  bytes[3] = tcb.probes
  bytes[4] = tcb.backoff
  bytes[5] = (tcb.hasTimestamps ? OPTION_TIMESTAMPS : 0) | (tcb.hasSack ? OPTION_SACK : 0) | (tcb.sndScale > 0 || tcb.rcvScale > 0 ? OPTION_SCALE : 0)
  bytes[6] = (tcb.sndScale & 15) | (tcb.rcvScale << 4)
  put(8, microseconds(tcb.rto))
  put(12, 40_000)
  put(16, tcb.mss)
  put(20, tcb.rcvMss)
  put(24, tcb.sent)
  put(28, tcb.sackedOut)
  put(32, tcb.lostOut)
  put(36, tcb.resentOut)
  put(44, milliseconds(tcb.lastSent))
  put(52, milliseconds(tcb.lastReceived))
  put(56, milliseconds(tcb.lastAcked))
  put(60, tcb.path?.device.mtu ?? 0)
  put(64, socket.receiveBuffer >> 1)
  put(68, microseconds(tcb.srtt))
  put(72, microseconds(tcb.rttvar))
  put(76, tcb.ssthresh === Infinity ? 0x7fff_ffff : tcb.ssthresh)
  put(80, tcb.cwnd)
  put(84, tcb.mss + (tcb.hasTimestamps ? 12 : 0))
  put(88, 3)
  put(100, tcb.totalResent)
  putLong(120, tcb.bytesAcked)
  putLong(128, tcb.bytesReceived)
  put(136, tcb.segmentsOut)
  put(140, tcb.segmentsIn)
  put(144, tcb.sendQueue.slice(tcb.sent).reduce((sum, { length }) => sum + length, 0))
  put(148, tcb.minRtt === Infinity ? 0xffff_ffff : microseconds(tcb.minRtt))
  put(152, tcb.dataIn)
  put(156, tcb.dataOut)
  putLong(200, tcb.bytesSent)
  putLong(208, tcb.bytesResent)
  put(228, tcb.sndWnd)
  return bytes
}
