/**
 * Links: what joins Ethernet interfaces. A frame that an interface sends reaches every other end, after the time that the link
 * takes: it waits until the frames before it have left (bandwidth), and travels (latency). Losses, duplicates, late and damaged frames are
 * drawn by the world's entropy, one draw for each kind that the link has at all.
 *
 * A link of two ends is a cable, one of more a hub. Frames under way are timers of the kernel's queue.
 */
import type { Kernel } from '../kernel.ts'
import { arm, makeTimer, type Timer } from '../time/timer-queue.ts'
import { receiveFrame } from './frame-input.ts'
import { isUp, type NetInterface } from './device.ts'
import { tellDelivered, tellSent } from './tell.ts'

export interface LinkQuality {
  readonly latencyCycles: number
  /** Infinity: any number of frames at once. */
  readonly bytesPerSecond: number
  /** Probabilities. */
  readonly loss: number
  readonly duplicate: number
  /** Of a frame to travel twice as long, and be overtaken. */
  readonly reorder: number
  /** Of a frame to arrive with a bit flipped. */
  readonly corrupt: number
}
export const PERFECT: LinkQuality = { latencyCycles: 0, bytesPerSecond: Infinity, loss: 0, duplicate: 0, reorder: 0, corrupt: 0 }

export interface Link extends LinkQuality {
  readonly kind: 'link'
  readonly index: number
  /** Those that are there; a host that is down has none. */
  readonly ends: NetInterface[]
  /** How many ends there are when all are there. */
  readonly size: number
  up: boolean
  latencyCycles: number
  bytesPerSecond: number
  loss: number
  duplicate: number
  reorder: number
  corrupt: number
  /** By end: the cycle at which the last frame it sent has left. */
  readonly busyUntil: number[]
}

/** A frame under way. */
export interface Flight extends Timer {
  readonly what: 'frame'
  readonly frame: Uint8Array
  readonly to: NetInterface
  readonly link: Link
  /** Number of the packet in the trace. */
  readonly packet: number
  readonly damaged: boolean
}

export const makeLink = (kernel: Kernel, quality: LinkQuality, ends: readonly NetInterface[], size = ends.length): Link => {
  const { links } = kernel.state.net
  const link: Link = { kind: 'link', index: links.length, ends: [], size, up: true, ...quality, busyUntil: [] }
  links.push(link)
  for (const end of ends) attach(link, end)
  return link
}

export const attach = (link: Link, device: NetInterface): void => {
  link.ends.push(device)
  link.busyUntil.push(0)
  device.link = link
}

export const detach = (device: NetInterface): void => {
  const { link } = device
  const at = link?.ends.indexOf(device) ?? -1
  if (link !== undefined && at >= 0) {
    link.ends.splice(at, 1)
    link.busyUntil.splice(at, 1)
  }
  device.link = undefined
}

/** Changes a link while the world runs: a partition is `up: false`. Frames under way on a link that is cut are lost. */
export const setLink = (kernel: Kernel, index: number, change: Partial<LinkQuality> & { readonly up?: boolean }): void => {
  Object.assign(kernel.state.net.links[index], change)
}

/** Draws are among so many. */
const PARTS = 1_000_000
const happens = (kernel: Kernel, probability: number): boolean =>
  probability > 0 && kernel.outside.entropy.decide('packet', PARTS) < probability * PARTS

const fly = (kernel: Kernel, link: Link, to: NetInterface, frame: Uint8Array, packet: number, leaves: number): void => {
  if (happens(kernel, link.loss)) return
  const copies = happens(kernel, link.duplicate) ? 2 : 1
  for (let copy = 0; copy < copies; copy++) {
    // Late enough to be behind frames that were sent after it.
    const late = happens(kernel, link.reorder) ? Math.max(link.latencyCycles, kernel.config.cpuHz / 1000) : 0
    const damaged = happens(kernel, link.corrupt)
    let arriving = frame
    if (damaged) {
      arriving = frame.slice()
      const bit = kernel.outside.entropy.decide('packet', frame.length * 8)
      arriving[bit >> 3] ^= 1 << (bit & 7)
    }
    const flight: Flight = { ...makeTimer('net', 0), what: 'frame', frame: arriving, to, link, packet, damaged }
    arm(kernel.state.timers, flight, leaves + link.latencyCycles + late)
  }
}

/** Sends a frame, which must not be changed any more. */
export const sendFrame = (kernel: Kernel, device: NetInterface, frame: Uint8Array): void => {
  const { link } = device
  device.sent.packets++
  device.sent.bytes += frame.length
  const packet = tellSent(kernel, device, frame)
  if (link === undefined || !link.up) {
    device.sent.dropped++
    return
  }
  const end = link.ends.indexOf(device)
  const starts = Math.max(kernel.now, link.busyUntil[end])
  const leaves = link.bytesPerSecond === Infinity ? starts : starts + Math.ceil(frame.length * kernel.config.cpuHz / link.bytesPerSecond)
  link.busyUntil[end] = leaves
  for (const other of link.ends) if (other !== device) fly(kernel, link, other, frame, packet, leaves)
}

export const arrive = (kernel: Kernel, flight: Flight): void => {
  const { to, link, frame } = flight
  if (!link.up || to.link !== link || !isUp(to)) return
  tellDelivered(kernel, to, flight.packet, flight.damaged ? frame : undefined)
  to.received.packets++
  to.received.bytes += frame.length
  receiveFrame(kernel, to, frame)
}
