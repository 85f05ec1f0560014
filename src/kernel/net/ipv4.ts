/** IPv4 packets (RFC 791) as bytes and as fields. */
import { addBytes, checksum, fold } from './checksum.ts'

export const IP_HEADER = 20
export const IP_LARGEST = 65_535

export interface IpPacket {
  readonly source: number
  readonly destination: number
  readonly protocol: number
  readonly ttl: number
  readonly tos: number
  readonly id: number
  readonly dontFragment: boolean
  readonly moreFragments: boolean
  /** Bytes. */
  readonly offset: number
  /** Options as they are on the wire; a multiple of four bytes. */
  readonly options: Uint8Array
  readonly payload: Uint8Array
}

export const NO_OPTIONS = new Uint8Array(0)

export const encodeIp = (packet: IpPacket): Uint8Array => {
  const { source, destination, payload, options } = packet
  const header = IP_HEADER + options.length
  const bytes = new Uint8Array(header + payload.length)
  bytes[0] = 0x40 | (header >> 2)
  bytes[1] = packet.tos
  put16(bytes, 2, bytes.length)
  put16(bytes, 4, packet.id)
  put16(bytes, 6, (packet.dontFragment ? 0x4000 : 0) | (packet.moreFragments ? 0x2000 : 0) | (packet.offset >> 3))
  bytes[8] = packet.ttl
  bytes[9] = packet.protocol
  put32(bytes, 12, source)
  put32(bytes, 16, destination)
  bytes.set(options, IP_HEADER)
  put16(bytes, 10, checksum(bytes, 0, header))
  bytes.set(payload, header)
  return bytes
}

/** undefined for what is no IPv4 packet, or a damaged one. `at` is where it begins in the frame, behind which there may be padding. */
export const decodeIp = (bytes: Uint8Array, at = 0): IpPacket | undefined => {
  if (bytes.length - at < IP_HEADER || bytes[at] >> 4 !== 4) return undefined
  const header = (bytes[at] & 0xf) * 4
  const length = get16(bytes, at + 2)
  if (header < IP_HEADER || length < header || at + length > bytes.length) return undefined
  if (fold(addBytes(0, bytes, at, at + header)) !== 0xffff) return undefined
  const fragment = get16(bytes, at + 6)
  return {
    source: get32(bytes, at + 12), destination: get32(bytes, at + 16), protocol: bytes[at + 9], ttl: bytes[at + 8], tos: bytes[at + 1],
    id: get16(bytes, at + 4), dontFragment: (fragment & 0x4000) !== 0, moreFragments: (fragment & 0x2000) !== 0, offset: (fragment & 0x1fff) * 8,
    options: header === IP_HEADER ? NO_OPTIONS : bytes.slice(at + IP_HEADER, at + header), payload: bytes.subarray(at + header, at + length),
  }
}

export const get16 = (bytes: Uint8Array, at: number): number => (bytes[at] << 8) | bytes[at + 1]
export const get32 = (bytes: Uint8Array, at: number): number => ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
export const put16 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 8
  bytes[at + 1] = value & 0xff
}
export const put32 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

// ——— Addresses ———

export const ANY = 0, LOOPBACK = 0x7f00_0001, BROADCAST = 0xffff_ffff
export const isLoopback = (address: number): boolean => (address >>> 24) === 127
export const isMulticast = (address: number): boolean => (address >>> 28) === 14
export const maskOf = (prefix: number): number => prefix === 0 ? 0 : (0xffff_ffff << (32 - prefix)) >>> 0
export const prefixOfMask = (mask: number): number => {
  let prefix = 0
  while (prefix < 32 && (mask & (0x8000_0000 >>> prefix)) !== 0) prefix++
  return prefix
}
export const isInNetwork = (address: number, network: number, prefix: number): boolean => ((address ^ network) & maskOf(prefix)) === 0
export const dotted = (address: number): string => `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`
export const parseDotted = (text: string): number | undefined => {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) return undefined
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0)
}
