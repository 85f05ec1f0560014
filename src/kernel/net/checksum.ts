/** The Internet checksum (RFC 1071): ones' complement of the ones' complement sum of 16-bit words, most significant byte first. */

/** Adds bytes to a running sum; only the last piece may have an odd length. */
export const addBytes = (sum: number, bytes: Uint8Array, start = 0, end = bytes.length): number => {
  let total = sum
  const even = start + ((end - start) & ~1)
  for (let at = start; at < even; at += 2) total += (bytes[at] << 8) | bytes[at + 1]
  if (even < end) total += bytes[even] << 8
  return total
}

/** Folds a sum below 2^53 to 16 bits. */
export const fold = (sum: number): number => {
  let total = sum
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x1_0000)
  return total
}

export const checksum = (bytes: Uint8Array, start = 0, end = bytes.length): number => ~fold(addBytes(0, bytes, start, end)) & 0xffff

/** Of a TCP or UDP packet with its pseudo header. 0 if `bytes` hold a right checksum. */
export const transportChecksum = (source: number, destination: number, protocol: number, bytes: Uint8Array): number => {
  const pseudo = (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + bytes.length
  return ~fold(addBytes(pseudo, bytes)) & 0xffff
}
