/** What is in a frame, in a line: in the manner of tcpdump. */
import { ETHERTYPE_ARP, ETHERTYPE_IP, ETHERNET_HEADER, frameType } from '../kernel/net/ethernet.ts'
import { decodeIp, dotted, get16, get32, type IpPacket } from '../kernel/net/ipv4.ts'

const LETTERS: readonly (readonly [bit: number, letter: string])[] = [[2, 'S'], [1, 'F'], [4, 'R'], [8, 'P'], [32, 'U'], [16, '.']]
const ICMP: { readonly [type: number]: string } = { 0: 'echo reply', 3: 'unreachable', 8: 'echo request', 11: 'time exceeded' }

const ipText = ({ source, destination, protocol, payload, offset, moreFragments }: IpPacket): string => {
  const from = dotted(source), to = dotted(destination)
  if (offset > 0) return `IP ${from} > ${to}: fragment of protocol ${protocol} at ${offset}, ${payload.length} bytes`
  const rest = moreFragments ? ', fragmented' : ''
  switch (protocol) {
    case 1: return `IP ${from} > ${to}: ICMP ${ICMP[payload[0]] ?? `type ${payload[0]}`}${payload[0] === 3 ? ` code ${payload[1]}` : ''}, ${payload.length} bytes${rest}`
    case 6: {
      const flags = LETTERS.filter(([bit]) => (payload[13] & bit) !== 0).map(([, letter]) => letter).join('')
      const ack = (payload[13] & 16) !== 0 ? `, ack ${get32(payload, 8)}` : ''
      return `IP ${from}.${get16(payload, 0)} > ${to}.${get16(payload, 2)}: TCP [${flags}], seq ${get32(payload, 4)}${ack}, win ${get16(payload, 14)}, length ${payload.length - (payload[12] >> 4) * 4}${rest}`
    }
    case 17: return `IP ${from}.${get16(payload, 0)} > ${to}.${get16(payload, 2)}: UDP, length ${get16(payload, 4) - 8}${rest}`
    default: return `IP ${from} > ${to}: protocol ${protocol}, ${payload.length} bytes${rest}`
  }
}

export const packetText = (frame: Uint8Array): string => {
  if (frame.length < ETHERNET_HEADER) return `${frame.length} bytes`
  const type = frameType(frame)
  if (type === ETHERTYPE_ARP && frame.length >= ETHERNET_HEADER + 28) {
    const at = ETHERNET_HEADER
    const sender = dotted(get32(frame, at + 14)), target = dotted(get32(frame, at + 24))
    return get16(frame, at + 6) === 1 ? `ARP who has ${target}, tell ${sender}` : `ARP ${sender} is at ${Array.from(frame.subarray(at + 8, at + 14), (byte) => byte.toString(16).padStart(2, '0')).join(':')}`
  }
  const packet = type === ETHERTYPE_IP ? decodeIp(frame, ETHERNET_HEADER) : undefined
  if (packet !== undefined && packet.payload.length >= 8) return ipText(packet)
  return `type 0x${type.toString(16)}, ${frame.length} bytes`
}
