/** Changes to inputs: some at random in a row, as AFL's 'havoc' makes them, with words of a dictionary and pieces of other inputs. */
import type { Random } from './random.ts'

/** Numbers around which programs change what they do. */
const INTERESTING = [0, 1, -1, 16, 32, 64, 100, 127, 128, 255, 256, 512, 1000, 1024, 4096, 32_767, 32_768, 65_535, 65_536, 0x7fff_ffff, -0x8000_0000] as const
const MOST_DELTA = 35
/** In a row: 1, 2, 4 or 8. */
const MOST_STACKED = 4

export interface MutationSources {
  readonly dictionary: { readonly constants: readonly Uint8Array[], readonly texts: readonly Uint8Array[] }
  /** Inputs of which pieces may be taken. */
  readonly others: readonly Uint8Array[]
  readonly mostBytes: number
}

const replaced = (bytes: Uint8Array, from: number, removed: number, inserted: Uint8Array): Uint8Array => {
  const changed = new Uint8Array(bytes.length - removed + inserted.length)
  changed.set(bytes.subarray(0, from))
  changed.set(inserted, from)
  changed.set(bytes.subarray(from + removed), from + inserted.length)
  return changed
}

const pieceOf = (random: Random, bytes: Uint8Array): Uint8Array => {
  const length = 1 + random.below(Math.min(bytes.length, random.oneIn(4) ? bytes.length : 32))
  const from = random.below(bytes.length - length + 1)
  return bytes.slice(from, from + length)
}

/** A number of 2 or 4 bytes in place of what is there. */
const withNumber = (random: Random, bytes: Uint8Array, change: (old: number) => number): Uint8Array => {
  const size = random.oneIn(2) ? 2 : 4
  if (bytes.length < size) return bytes
  const changed = bytes.slice()
  const view = new DataView(changed.buffer)
  const at = random.below(bytes.length - size + 1)
  const little = random.oneIn(2)
  if (size === 2) view.setUint16(at, change(view.getUint16(at, little)) & 0xffff, little)
  else view.setUint32(at, change(view.getUint32(at, little)) >>> 0, little)
  return changed
}

const withByte = (random: Random, bytes: Uint8Array, change: (old: number) => number): Uint8Array => {
  if (bytes.length === 0) return Uint8Array.of(change(0) & 0xff)
  const changed = bytes.slice()
  const at = random.below(bytes.length)
  changed[at] = change(changed[at])
  return changed
}

type Mutation = (random: Random, bytes: Uint8Array, sources: MutationSources) => Uint8Array

const word: Mutation = (random, bytes, { dictionary: { constants, texts } }) => {
  const words = constants.length === 0 || (texts.length > 0 && random.oneIn(3)) ? texts : constants
  if (words.length === 0) return bytes
  const token = random.pick(words)
  if (random.oneIn(3) || token.length > bytes.length) return replaced(bytes, random.below(bytes.length + 1), 0, token)
  return replaced(bytes, random.below(bytes.length - token.length + 1), token.length, token)
}

const remove: Mutation = (random, bytes) => {
  if (bytes.length < 2) return bytes
  const { length } = pieceOf(random, bytes)
  return length === bytes.length ? bytes : replaced(bytes, random.below(bytes.length - length + 1), length, new Uint8Array(0))
}

const insert: Mutation = (random, bytes) => replaced(bytes, random.below(bytes.length + 1), 0,
  bytes.length > 0 && random.oneIn(2) ? pieceOf(random, bytes) : new Uint8Array(1 + random.below(16)).fill(random.below(256)))

const copyWithin: Mutation = (random, bytes) => {
  if (bytes.length < 2) return bytes
  const piece = pieceOf(random, bytes)
  return replaced(bytes, random.below(bytes.length - piece.length + 1), piece.length, piece)
}

const splice: Mutation = (random, bytes, { others }) => {
  if (others.length === 0) return bytes
  const other = random.pick(others)
  if (other.length === 0) return bytes
  const piece = pieceOf(random, other)
  return random.oneIn(2) ? replaced(bytes, random.below(bytes.length + 1), 0, piece)
    : replaced(bytes, random.below(Math.max(1, bytes.length - piece.length + 1)), Math.min(piece.length, bytes.length), piece)
}

/** The number that stands there in decimal digits becomes another. */
const digits: Mutation = (random, bytes) => {
  const starts: number[] = []
  const isDigit = (at: number): boolean => bytes[at] >= 0x30 && bytes[at] <= 0x39
  for (let at = 0; at < bytes.length; at++) if (isDigit(at) && !isDigit(at - 1)) starts.push(at)
  if (starts.length === 0) return bytes
  const from = random.pick(starts)
  let end = from
  while (isDigit(end)) end++
  const text = String(random.oneIn(2) ? random.pick(INTERESTING) : random.below(1000))
  return replaced(bytes, from, end - from, Uint8Array.from(text, (char) => char.charCodeAt(0)))
}

/** Each as likely as the others: what stands twice is twice as likely. */
const MUTATIONS: readonly Mutation[] = [
  (random, bytes) => withByte(random, bytes, (old) => old ^ (1 << random.below(8))),
  (random, bytes) => withByte(random, bytes, () => random.below(256)),
  (random, bytes) => withByte(random, bytes, () => random.below(256)),
  (random, bytes) => withByte(random, bytes, (old) => old + 1 + random.below(MOST_DELTA)),
  (random, bytes) => withByte(random, bytes, (old) => old - 1 - random.below(MOST_DELTA)),
  (random, bytes) => withByte(random, bytes, () => random.pick(INTERESTING)),
  (random, bytes) => withNumber(random, bytes, () => random.pick(INTERESTING)),
  (random, bytes) => withNumber(random, bytes, (old) => old + random.below(2 * MOST_DELTA + 1) - MOST_DELTA),
  word, word, word, remove, remove, insert, copyWithin, splice, digits,
]

/** Another input, never the same object. */
export const mutate = (random: Random, bytes: Uint8Array, sources: MutationSources): Uint8Array => {
  let changed = bytes
  for (let left = 1 << random.below(MOST_STACKED); left > 0; left--) changed = random.pick(MUTATIONS)(random, changed, sources)
  return changed.slice(0, sources.mostBytes)
}
