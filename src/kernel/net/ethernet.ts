/** Ethernet II frames (RFC 894). */
export const ETHERNET_HEADER = 14
export const ETHERTYPE_IP = 0x0800, ETHERTYPE_ARP = 0x0806, ETHERTYPE_ANY = 0x0003
export const BROADCAST_MAC = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
export const NO_MAC = new Uint8Array(6)

export const isSameMac = (a: Uint8Array, b: Uint8Array): boolean => {
  for (let i = 0; i < 6; i++) if (a[i] !== b[i]) return false
  return true
}
export const isBroadcastMac = (mac: Uint8Array): boolean => isSameMac(mac, BROADCAST_MAC)
/** Broadcasts included. */
export const isGroupMac = (mac: Uint8Array): boolean => (mac[0] & 1) !== 0

/** RFC 1112, 6.4: the low 23 bits of the group. */
export const multicastMac = (group: number): Uint8Array =>
  Uint8Array.of(0x01, 0x00, 0x5e, (group >>> 16) & 0x7f, (group >>> 8) & 0xff, group & 0xff)

export const encodeFrame = (destination: Uint8Array, source: Uint8Array, type: number, payload: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(ETHERNET_HEADER + payload.length)
  frame.set(destination, 0)
  frame.set(source, 6)
  frame[12] = type >>> 8
  frame[13] = type & 0xff
  frame.set(payload, ETHERNET_HEADER)
  return frame
}
export const frameType = (frame: Uint8Array): number => (frame[12] << 8) | frame[13]
