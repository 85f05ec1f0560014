/** Reassembly of IPv4 fragments (RFC 791, 3.2; RFC 815). */
import type { Kernel } from '../kernel.ts'
import { arm, disarm, makeTimer, type Timer } from '../time/timer-queue.ts'
import type { NetInterface } from './device.ts'
import { fragmentTimeout } from './icmp.ts'
import { IP_LARGEST, type IpPacket } from './ipv4.ts'
import type { NetNamespace } from './namespace.ts'

export interface FragmentQueue {
  readonly kind: 'fragments'
  readonly key: string
  /** By offset. */
  readonly parts: IpPacket[]
  /** Length of the whole; −1 until the last fragment has come. */
  total: number
  readonly device: NetInterface
  readonly timer: FragmentTimer
}
export interface FragmentTimer extends Timer {
  readonly what: 'fragments'
  readonly net: NetNamespace
  queue: FragmentQueue
}

/** net.ipv4.ipfrag_time; how many packets may be incomplete. */
const SECONDS = 30, QUEUES = 256

const makeQueue = (kernel: Kernel, net: NetNamespace, key: string, device: NetInterface): FragmentQueue => {
  const timer: FragmentTimer = { ...makeTimer('net', 0), what: 'fragments', net, queue: undefined as unknown as FragmentQueue }
  timer.queue = { kind: 'fragments', key, parts: [], total: -1, device, timer }
  net.fragments.set(key, timer.queue)
  arm(kernel.state.timers, timer, kernel.now + SECONDS * kernel.config.cpuHz)
  return timer.queue
}

const drop = (kernel: Kernel, net: NetNamespace, queue: FragmentQueue): void => {
  disarm(kernel.state.timers, queue.timer)
  net.fragments.delete(queue.key)
  net.counters.ip.ReasmFails++
}

export const fireFragments = (kernel: Kernel, { net, queue }: FragmentTimer): void => {
  if (net.fragments.get(queue.key) !== queue) return
  net.counters.ip.ReasmTimeout++
  drop(kernel, net, queue)
  // Only who has sent the beginning is told (RFC 792).
  if (queue.parts.at(0)?.offset === 0) fragmentTimeout(kernel, net, queue.parts[0])
}

/** The whole packet, once its last missing fragment is there. */
export const reassemble = (kernel: Kernel, net: NetNamespace, device: NetInterface, packet: IpPacket): IpPacket | undefined => {
  net.counters.ip.ReasmReqds++
  const key = `${packet.source} ${packet.destination} ${packet.protocol} ${packet.id}`
  let queue = net.fragments.get(key)
  if (queue === undefined) {
    if (net.fragments.size >= QUEUES) {
      net.counters.ip.ReasmFails++
      return undefined
    }
    queue = makeQueue(kernel, net, key, device)
  }
  const end = packet.offset + packet.payload.length
  const last = queue.parts.at(-1)
  // A last fragment before ones that are there already is none.
  const isEarlyEnd = !packet.moreFragments && last !== undefined && last.offset + last.payload.length > end
  const isBad = isEarlyEnd || (packet.moreFragments && packet.payload.length % 8 !== 0) || end > IP_LARGEST || (!packet.moreFragments && queue.total >= 0 && queue.total !== end) ||
    (queue.total >= 0 && end > queue.total)
  const { parts } = queue
  const at = parts.findIndex(({ offset }) => offset >= packet.offset)
  const place = at < 0 ? parts.length : at
  const before = parts.at(place - 1), after = parts.at(place)
  const isRepeated = after !== undefined && after.offset === packet.offset && after.payload.length === packet.payload.length
  if (isRepeated) return undefined
  // Fragments that overlap are an attack: all is dropped, as Linux does.
  const overlaps = (place > 0 && before !== undefined && before.offset + before.payload.length > packet.offset) || (after !== undefined && end > after.offset)
  if (isBad || overlaps) {
    drop(kernel, net, queue)
    return undefined
  }
  if (!packet.moreFragments) queue.total = end
  parts.splice(place, 0, packet)
  if (queue.total < 0 || parts.reduce((sum, { payload }) => sum + payload.length, 0) < queue.total) return undefined
  const payload = new Uint8Array(queue.total)
  for (const part of parts) payload.set(part.payload, part.offset)
  disarm(kernel.state.timers, queue.timer)
  net.fragments.delete(key)
  net.counters.ip.ReasmOKs++
  return { ...parts[0], moreFragments: false, offset: 0, payload }
}
