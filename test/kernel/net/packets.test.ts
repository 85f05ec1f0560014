/** Packets as bytes and back; what damaged, hostile and random ones do: nothing bad. */
import test from 'ava'
import fc from 'fast-check'
import { checksum } from '../../../src/kernel/net/checksum.ts'
import { encodeFrame, ETHERTYPE_ARP, ETHERTYPE_IP } from '../../../src/kernel/net/ethernet.ts'
import { receiveFrame } from '../../../src/kernel/net/frame-input.ts'
import { decodeIp, encodeIp, type IpPacket, maskOf, NO_OPTIONS, prefixOfMask } from '../../../src/kernel/net/ipv4.ts'
import { cubeRoot } from '../../../src/kernel/net/tcp/congestion.ts'
import { decodeSegment, encodeSegment, type Segment } from '../../../src/kernel/net/tcp/segment.ts'
import { near, wire } from '../../../src/kernel/net/tcp/tcb.ts'
import { decodeDatagram, encodeDatagram } from '../../../src/kernel/net/udp.ts'
import { StateHasher } from '../../../src/replay/state-hash.ts'
import { runWorld } from '../../../src/kernel/world.ts'
import { makeGuestWorld } from '../../support/run-guest.ts'

const word = fc.nat(0xffff_ffff), half = fc.nat(0xffff), byte = fc.nat(255)
const bytes = (most: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: most })
const CHECKS = { numRuns: 300 }

test('checksums are those of RFC 1071', (t) => {
  // The example of its section 3.
  t.is(checksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)), 0x220d)
  fc.assert(fc.property(bytes(200), (data) => {
    const even = data.length % 2 === 0 ? data : data.subarray(1)
    const sum = checksum(even)
    return checksum(Uint8Array.of(...even, sum >> 8, sum & 255)) === 0
  }), CHECKS)
})

const segments: fc.Arbitrary<Segment> = fc.record({
  kind: fc.constant('tcp' as const), source: word, sourcePort: half, destination: word, destinationPort: half, seq: word, ack: word, flags: fc.nat(63), window: half, urgent: half,
  mss: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 0xffff })), scale: fc.integer({ min: -1, max: 14 }), sackPermitted: fc.boolean(),
  sacks: fc.array(word, { maxLength: 4 }).map((edges) => edges.slice(0, edges.length & ~1)), hasTimestamps: fc.boolean(), tsval: word, tsecr: word, data: bytes(100), ttl: byte, tos: byte,
})

test('segments, datagrams and packets come back as they were; with any bit changed they do not', (t) => {
  fc.assert(fc.property(segments, fc.nat(), (segment, where) => {
    const sent = segment.hasTimestamps ? segment : { ...segment, tsval: 0, tsecr: 0 }
    const encoded = encodeSegment(sent)
    t.deepEqual(decodeSegment(encoded, sent.source, sent.destination, sent.ttl, sent.tos), sent)
    const bit = where % (encoded.length * 8)
    encoded[bit >> 3] ^= 1 << (bit & 7)
    t.is(decodeSegment(encoded, sent.source, sent.destination, sent.ttl, sent.tos), undefined)
  }), CHECKS)
  fc.assert(fc.property(word, half, word, half, bytes(100), (source, sourcePort, destination, destinationPort, data) => {
    const datagram = { kind: 'udp' as const, source, sourcePort, destination, destinationPort, data, ttl: 64, tos: 0 }
    const packet: IpPacket = { source, destination, protocol: 17, ttl: 64, tos: 0, id: 7, dontFragment: true, moreFragments: false, offset: 0, options: NO_OPTIONS, payload: encodeDatagram(datagram) }
    t.deepEqual(decodeDatagram(packet), datagram)
    t.deepEqual(decodeIp(encodeIp(packet)), packet)
  }), CHECKS)
})

test('sequence numbers and prefixes', (t) => {
  fc.assert(fc.property(fc.nat(2 ** 48), fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 }), (at, distance) => at + distance < 0 || near(at, wire(at + distance)) === at + distance), CHECKS)
  for (let prefix = 0; prefix <= 32; prefix++) t.is(prefixOfMask(maskOf(prefix)), prefix)
  for (const value of [0.001, 1, 8, 27, 1000, 12345.678]) t.true(Math.abs(cubeRoot(value) ** 3 - value) < value * 1e-3)
})

/** A host with an open listener, a datagram socket and a raw socket, on a link of its own. */
const makeHost = (): ReturnType<typeof makeGuestWorld> => {
  const world = makeGuestWorld({
    hosts: [{ name: 'a', argv: ['/bin/sh', '-c', 'exec /bin/sleep 100000'] }], links: [{ ends: [{ host: 'a', interface: 'eth0', address: '10.0.0.1/24' }] }], cycleLimit: 1e15,
  })
  const { state } = world.kernel
  do runWorld(world.kernel, 1)
  while (state.runqueue.length > 0 || state.cpus.some(({ tid }) => tid !== 0))
  return world
}

test('a last fragment that ends before others that are there drops them all', (t) => {
  const { kernel } = makeHost()
  const [device] = kernel.state.net.links[0].ends
  const fragment = (offset: number, more: boolean): Uint8Array => encodeFrame(device.mac, Uint8Array.of(2, 0, 0, 0, 0, 9), ETHERTYPE_IP, encodeIp({
    source: 0x0a000002, destination: 0x0a000001, protocol: 17, ttl: 1, tos: 0, id: 1, dontFragment: false, moreFragments: more, offset, options: NO_OPTIONS, payload: new Uint8Array(16),
  }))
  receiveFrame(kernel, device, fragment(800, true))
  t.is(device.net.fragments.size, 1)
  receiveFrame(kernel, device, fragment(8, false))
  t.is(device.net.fragments.size, 0)
  t.is(device.net.counters.ip.ReasmFails, 1)
})

test('random and damaged frames are survived', (t) => {
  const { kernel } = makeHost()
  const [device] = kernel.state.net.links[0].ends
  const header = (protocol: number, payload: Uint8Array, destination: number, more: boolean, offset: number): Uint8Array => encodeFrame(device.mac, Uint8Array.of(2, 0, 0, 0, 0, 9), ETHERTYPE_IP,
    encodeIp({ source: 0x0a000002, destination, protocol, ttl: 1, tos: 0, id: offset & 7, dontFragment: false, moreFragments: more, offset: offset & 0xfff8, options: NO_OPTIONS, payload }))
  const frames = fc.oneof(
    bytes(100), bytes(80).map((data) => encodeFrame(device.mac, device.mac, ETHERTYPE_ARP, data)), bytes(80).map((data) => encodeFrame(device.mac, device.mac, ETHERTYPE_IP, data)),
    fc.record({ protocol: fc.constantFrom(1, 6, 17, 99), payload: bytes(120), destination: fc.constantFrom(0x0a000001, 0x0a0000ff, 0xffff_ffff, 0xe0000001, 0x7f000001, 0x01020304), more: fc.boolean(), offset: half })
      .map(({ protocol, payload, destination, more, offset }) => header(protocol, payload, destination, more, offset)),
    // Echoes and errors about what was never sent, with checksums that are right.
    fc.tuple(fc.constantFrom(0, 3, 8, 11, 12, 13), byte, bytes(60)).map(([type, code, rest]) => {
      const message = new Uint8Array(8 + (rest.length & ~1))
      message.set([type, code, 0, 0, 0, 0, 0, 0])
      message.set(rest.subarray(0, rest.length & ~1), 8)
      const sum = checksum(message)
      message.set([sum >> 8, sum & 255], 2)
      return header(1, message, 0x0a000001, false, 0)
    }),
    segments.map((segment) => header(6, encodeSegment({ ...segment, source: 0x0a000002, destination: 0x0a000001 }), 0x0a000001, false, 0)),
  )
  fc.assert(fc.property(frames, (frame) => { receiveFrame(kernel, device, frame) }), { numRuns: 3000 })
  // Time passes; what waited for more is given up.
  while (kernel.now < 200e9 && runWorld(kernel, 1).reason === 'running') { /* on */ }
  t.is(device.net.fragments.size, 0)
  t.true(device.net.counters.ip.InReceives > 500)
  new StateHasher(kernel.memory).hash(kernel.state)
})

test('fragments come together in any order, and those that overlap do not', (t) => {
  const { kernel } = makeHost()
  const [device] = kernel.state.net.links[0].ends
  const echo = (size: number): Uint8Array => {
    const message = new Uint8Array(8 + size)
    message[0] = 8
    const sum = checksum(message)
    message.set([sum >> 8, sum & 255], 2)
    return message
  }
  let id = 0
  const send = (payload: Uint8Array, offset: number, moreFragments: boolean): void => {
    const packet: IpPacket = { source: 0x0a000002, destination: 0x0a000001, protocol: 1, ttl: 9, tos: 0, id, dontFragment: false, moreFragments, offset, options: NO_OPTIONS, payload }
    receiveFrame(kernel, device, encodeFrame(device.mac, Uint8Array.of(2, 0, 0, 0, 0, 9), ETHERTYPE_IP, encodeIp(packet)))
  }
  const { icmp } = device.net.counters
  fc.assert(fc.property(fc.integer({ min: 0, max: 3000 }).map((n) => n * 2), fc.integer({ min: 1, max: 60 }), fc.array(fc.nat(), { minLength: 1, maxLength: 40 }), fc.boolean(), (size, eights, order, repeats) => {
    id = (id + 1) & 0xffff
    const whole = echo(size), pieces: [Uint8Array, number, boolean][] = []
    for (let at = 0; at < whole.length; at += eights * 8) pieces.push([whole.subarray(at, at + eights * 8), at, at + eights * 8 < whole.length])
    const before = icmp.InEchos
    const keys = pieces.map((_, i) => order[i % order.length] % 1000 * 1000 + i)
    const shuffled = pieces.map((piece, i) => [keys[i], piece] as const).sort((a, b) => a[0] - b[0])
    for (const [, piece] of shuffled) {
      send(...piece)
      if (repeats && icmp.InEchos === before) send(...piece)
    }
    t.is(icmp.InEchos, before + 1)
  }), { numRuns: 100 })
  const before = icmp.InEchos
  id = 0x7777
  const whole = echo(100)
  send(whole.subarray(0, 64), 0, true)
  send(whole.subarray(56), 56, false)
  t.is(icmp.InEchos, before)
})
