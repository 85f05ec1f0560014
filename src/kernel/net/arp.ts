/** ARP (RFC 826) and the table of neighbours (Linux's net/core/neighbour.c, with its times). */
import type { Kernel } from '../kernel.ts'
import { arm, disarm, makeTimer, type Timer } from '../time/timer-queue.ts'
import { localDevice, type NetInterface, isUp, addressFor, IFF_NOARP } from './device.ts'
import { BROADCAST_MAC, encodeFrame, ETHERNET_HEADER, ETHERTYPE_ARP, ETHERTYPE_IP, NO_MAC } from './ethernet.ts'
import { get16, get32, isInNetwork, put16, put32 } from './ipv4.ts'
import { unreachableNeighbour } from './icmp.ts'
import { sendFrame } from './link.ts'
import { notifyNeighbour } from './notify.ts'

/**
 * NUD_*: INCOMPLETE asks, REACHABLE was confirmed lately, STALE was not, DELAY is used again and waits whether that confirms it, PROBE asks again,
 * FAILED did not answer, PERMANENT was set by hand.
 */
export type NeighbourState = 'incomplete' | 'reachable' | 'stale' | 'delay' | 'probe' | 'failed' | 'permanent'

export interface Neighbour {
  readonly kind: 'neighbour'
  readonly address: number
  readonly device: NetInterface
  mac: Uint8Array
  state: NeighbourState
  /** Requests without an answer. */
  tries: number
  /** Cycle at which it was confirmed. */
  confirmed: number
  /** Packets that wait for the hardware address: Ethernet payloads. */
  readonly waiting: Uint8Array[]
  readonly timer: ArpTimer
}

export interface ArpTimer extends Timer {
  readonly what: 'arp'
  neighbour: Neighbour
}

/** Seconds between requests, and how many there are; how long a neighbour counts as reachable; packets that wait at most. */
const RETRANSMIT_SECONDS = 1, TRIES = 3, REACHABLE_SECONDS = 30, DELAY_SECONDS = 5, WAITING_LIMIT = 101
const REQUEST = 1, REPLY = 2
const PACKET_SIZE = 28

const makeNeighbour = (device: NetInterface, address: number): Neighbour => {
  const timer: ArpTimer = { ...makeTimer('net', 0), what: 'arp', neighbour: undefined as unknown as Neighbour }
  timer.neighbour = { kind: 'neighbour', address, device, mac: NO_MAC, state: 'incomplete', tries: 0, confirmed: 0, waiting: [], timer }
  device.neighbours.set(address, timer.neighbour)
  return timer.neighbour
}

const sendArp = (kernel: Kernel, device: NetInterface, operation: number, source: number, targetMac: Uint8Array, target: number, to: Uint8Array): void => {
  const packet = new Uint8Array(PACKET_SIZE)
  put16(packet, 0, 1)
  put16(packet, 2, ETHERTYPE_IP)
  packet[4] = 6
  packet[5] = 4
  put16(packet, 6, operation)
  packet.set(device.mac, 8)
  put32(packet, 14, source)
  packet.set(targetMac, 18)
  put32(packet, 24, target)
  sendFrame(kernel, device, encodeFrame(to, device.mac, ETHERTYPE_ARP, packet))
}

const ask = (kernel: Kernel, neighbour: Neighbour): void => {
  const { device, address } = neighbour
  neighbour.tries++
  sendArp(kernel, device, REQUEST, addressFor(device, address), NO_MAC, address, neighbour.state === 'probe' ? neighbour.mac : BROADCAST_MAC)
  arm(kernel.state.timers, neighbour.timer, kernel.now + RETRANSMIT_SECONDS * kernel.config.cpuHz)
}

/** It is used as it was known; whoever answers to what is sent confirms it, else it is asked for. */
const delay = (kernel: Kernel, neighbour: Neighbour): void => {
  neighbour.state = 'delay'
  neighbour.tries = 0
  arm(kernel.state.timers, neighbour.timer, kernel.now + DELAY_SECONDS * kernel.config.cpuHz)
}

/** Sends an IP packet to a neighbour, when its hardware address is known. */
export const sendToNeighbour = (kernel: Kernel, device: NetInterface, address: number, packet: Uint8Array): void => {
  const neighbour = device.neighbours.get(address) ?? makeNeighbour(device, address)
  switch (neighbour.state) {
    case 'reachable':
      if (kernel.now - neighbour.confirmed > REACHABLE_SECONDS * kernel.config.cpuHz) delay(kernel, neighbour)
      break
    case 'stale': delay(kernel, neighbour); break
    case 'delay': case 'probe': case 'permanent': break
    case 'incomplete': case 'failed': {
      neighbour.waiting.push(packet)
      if (neighbour.waiting.length > WAITING_LIMIT) neighbour.waiting.shift()
      if (neighbour.timer.place < 0) {
        neighbour.state = 'incomplete'
        neighbour.tries = 0
        ask(kernel, neighbour)
      }
      return
    }
  }
  sendFrame(kernel, device, encodeFrame(neighbour.mac, device.mac, ETHERTYPE_IP, packet))
}

export const fireArp = (kernel: Kernel, timer: ArpTimer): void => {
  const { neighbour } = timer
  if (neighbour.device.neighbours.get(neighbour.address) !== neighbour) return
  if (neighbour.state === 'delay') neighbour.state = 'probe'
  if (neighbour.tries < TRIES && isUp(neighbour.device)) {
    ask(kernel, neighbour)
    return
  }
  neighbour.state = 'failed'
  notifyNeighbour(kernel, neighbour)
  for (const packet of neighbour.waiting.splice(0)) unreachableNeighbour(kernel, neighbour.device, packet)
}

const learn = (kernel: Kernel, neighbour: Neighbour, mac: Uint8Array, state: 'reachable' | 'stale'): void => {
  if (neighbour.state === 'permanent') return
  neighbour.mac = mac.slice()
  neighbour.tries = 0
  if (state === 'reachable' || neighbour.state === 'incomplete' || neighbour.state === 'failed') {
    neighbour.state = state
    neighbour.confirmed = kernel.now
    disarm(kernel.state.timers, neighbour.timer)
    notifyNeighbour(kernel, neighbour)
  }
  const { device } = neighbour
  for (const packet of neighbour.waiting.splice(0)) sendFrame(kernel, device, encodeFrame(neighbour.mac, device.mac, ETHERTYPE_IP, packet))
}

/** A packet that came from the neighbour shows that it is there (as TCP's acknowledgements do). */
export const confirmNeighbour = (kernel: Kernel, device: NetInterface, address: number): void => {
  const neighbour = device.neighbours.get(address)
  if (neighbour === undefined || neighbour.state === 'incomplete' || neighbour.state === 'failed' || neighbour.state === 'permanent') return
  neighbour.confirmed = kernel.now
  if (neighbour.state === 'probe' || neighbour.state === 'delay' || neighbour.state === 'stale') {
    disarm(kernel.state.timers, neighbour.timer)
    neighbour.state = 'reachable'
  }
}

export const receiveArp = (kernel: Kernel, device: NetInterface, frame: Uint8Array): void => {
  const at = ETHERNET_HEADER
  if (frame.length < at + PACKET_SIZE || get16(frame, at) !== 1 || get16(frame, at + 2) !== ETHERTYPE_IP || frame[at + 4] !== 6 || frame[at + 5] !== 4) return
  if ((device.flags & IFF_NOARP) !== 0) return
  const operation = get16(frame, at + 6)
  const mac = frame.subarray(at + 8, at + 14)
  const source = get32(frame, at + 14), target = get32(frame, at + 24)
  const known = device.neighbours.get(source)
  if (operation === REQUEST) {
    const owner = localDevice(device.net, target)
    if (owner === undefined) {
      if (known !== undefined && source !== 0) learn(kernel, known, mac, 'stale')
      return
    }
    // Who asks is likely to be asked (neigh_event_ns); a probe for a duplicate address has no source.
    if (source !== 0) learn(kernel, known ?? makeNeighbour(device, source), mac, 'stale')
    sendArp(kernel, device, REPLY, target, mac, source, mac)
  } else if (operation === REPLY && known !== undefined) learn(kernel, known, mac, 'reachable')
}

// ——— By hand (ip neigh, arp) ———

export const setNeighbour = (kernel: Kernel, device: NetInterface, address: number, mac: Uint8Array, state: 'permanent' | 'reachable' | 'stale'): void => {
  const neighbour = device.neighbours.get(address) ?? makeNeighbour(device, address)
  disarm(kernel.state.timers, neighbour.timer)
  neighbour.mac = mac.slice()
  neighbour.state = state
  neighbour.confirmed = kernel.now
  for (const packet of neighbour.waiting.splice(0)) sendFrame(kernel, device, encodeFrame(neighbour.mac, device.mac, ETHERTYPE_IP, packet))
  notifyNeighbour(kernel, neighbour)
}

export const removeNeighbour = (kernel: Kernel, device: NetInterface, address: number): boolean => {
  const neighbour = device.neighbours.get(address)
  if (neighbour === undefined) return false
  disarm(kernel.state.timers, neighbour.timer)
  device.neighbours.delete(address)
  return true
}

/** The interface went down: what is known is forgotten, but what was set by hand. */
export const forgetNeighbours = (kernel: Kernel, device: NetInterface): void => {
  for (const { address, state } of [...device.neighbours.values()]) if (state !== 'permanent') removeNeighbour(kernel, device, address)
}

/** Several interfaces may have one network: whose neighbours an address belongs to. */
export const isOnLink = (device: NetInterface, address: number): boolean => device.addresses.some(({ peer, prefix }) => isInNetwork(address, peer, prefix))
