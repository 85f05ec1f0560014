/** XXH64 of contents that never change: of blobs, and in the hash of a world's state, which has the same files. */
import createXXHash from 'xxhash-wasm'

export const xxhash = await createXXHash()

type Words = readonly [high: number, low: number]

const scratch = new DataView(new ArrayBuffer(8))
export const wordsOf = (hash: bigint): Words => {
  scratch.setBigUint64(0, hash)
  return [scratch.getUint32(0), scratch.getUint32(4)]
}

const known = new WeakMap<Uint8Array, Words>()

/** Seed 0, once for each array: nobody may change it afterwards. */
export const contentHash = (content: Uint8Array): Words => {
  let words = known.get(content)
  if (words === undefined) {
    words = wordsOf(xxhash.h64Raw(content))
    known.set(content, words)
  }
  return words
}

/** As it is in traces: 8 bytes, the highest first. */
export const hashBytes = ([high, low]: Words): Uint8Array => {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, high)
  view.setUint32(4, low)
  return bytes
}

/** Byte by byte, but for lengths by which most differ. */
export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
