/**
 * Packets as pcapng (IETF draft-ietf-opsawg-pcapng): a section header, an interface description for each interface, then an enhanced
 * packet block for each packet. Times are nanoseconds since 1970 on the world's own clock.
 */
const SECTION_HEADER = 0x0a0d_0d0a, INTERFACE_DESCRIPTION = 1, ENHANCED_PACKET = 6
const BYTE_ORDER = 0x1a2b_3c4d
const LINKTYPE_ETHERNET = 1
const OPTION_END = 0, SHB_USERAPPL = 4, IF_NAME = 2, IF_MACADDR = 6, IF_TSRESOL = 9, EPB_FLAGS = 2
const INBOUND = 1, OUTBOUND = 2
const NANOSECONDS_EXPONENT = 9

const align = (length: number): number => (length + 3) & ~3

const option = (code: number, value: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(4 + align(value.length))
  const view = new DataView(bytes.buffer)
  view.setUint16(0, code, true)
  view.setUint16(2, value.length, true)
  bytes.set(value, 4)
  return bytes
}
const END = option(OPTION_END, new Uint8Array(0))
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const words = (...values: number[]): Uint8Array => {
  const bytes = new Uint8Array(values.length * 4)
  const view = new DataView(bytes.buffer)
  for (const [i, value] of values.entries()) view.setUint32(i * 4, value, true)
  return bytes
}

/** A block: its type, its length before and behind its content. */
const block = (type: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const length = 12 + parts.reduce((sum, part) => sum + align(part.length), 0)
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, type, true)
  view.setUint32(4, length, true)
  view.setUint32(length - 4, length, true)
  let at = 8
  for (const part of parts) {
    bytes.set(part, at)
    at += align(part.length)
  }
  return bytes
}

export const sectionHeader = (application: string): Uint8Array =>
  block(SECTION_HEADER, words(BYTE_ORDER, 1, 0xffff_ffff, 0xffff_ffff), option(SHB_USERAPPL, utf8(application)), END)

export const interfaceDescription = (name: string, mac: Uint8Array): Uint8Array => {
  const isNone = mac.every((byte) => byte === 0)
  return block(INTERFACE_DESCRIPTION, words(LINKTYPE_ETHERNET, 0), option(IF_NAME, utf8(name)), ...(isNone ? [] : [option(IF_MACADDR, mac)]),
    option(IF_TSRESOL, Uint8Array.of(NANOSECONDS_EXPONENT)), END)
}

/** @param index of its interface, as these were described */
export const enhancedPacket = (index: number, nanoseconds: bigint, frame: Uint8Array, isOutgoing: boolean): Uint8Array =>
  block(ENHANCED_PACKET, words(index, Number(nanoseconds >> 32n), Number(nanoseconds & 0xffff_ffffn), frame.length, frame.length), frame,
    option(EPB_FLAGS, words(isOutgoing ? OUTBOUND : INBOUND)), END)
