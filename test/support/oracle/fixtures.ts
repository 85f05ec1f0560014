/**
 * Cases with the oracle's answers in a file, for hosts without one (test/emu/fixtures/cases.msgpack.gz).
 *
 * msgpack, gzipped: { format: 2, host, cases: [[title, bytes], …] }. The bytes of a case, numbers little-endian:
 *   initial state: a bit for each of its 116 words of 8 bytes, then those words that are not zero
 *   u8 patches; for each: u32 address, u16 bytes, content
 *   u8 ending (0 fault, 1 system call), u8 vector, u16 error code, u64 fault address
 *   final state: a bit for each word, then those that changed
 *   u8 changed words of memory; for each: u32 address, its 8 bytes
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { pack, unpack } from 'msgpackr'
import { type Case, type Patch, type Result, STATE_SIZE } from './machine.ts'

export interface Fixture extends Case {
  readonly title: string
  readonly result: Result
}

const WORDS = STATE_SIZE / 8
const BITMAP = Math.ceil(WORDS / 8)
/** Cases that change more memory than this are left out of files. */
export const MOST_CHANGES = 12

const zeros = new Uint8Array(STATE_SIZE)

const putState = (out: Buffer, at: number, state: Uint8Array, before: Uint8Array): number => {
  let end = at + BITMAP
  for (let i = 0; i < WORDS; i++) {
    const word = state.subarray(i * 8, i * 8 + 8)
    if (Buffer.compare(word, before.subarray(i * 8, i * 8 + 8)) === 0) continue
    out[at + (i >> 3)] |= 1 << (i & 7)
    out.set(word, end)
    end += 8
  }
  return end
}

const encode = ({ state, patches }: Case, result: Result): Uint8Array => {
  const out = Buffer.alloc(8192)
  let at = putState(out, 0, state, zeros)
  at = out.writeUInt8(patches.length, at)
  for (const { address, bytes } of patches) {
    at = out.writeUInt32LE(address, at)
    at = out.writeUInt16LE(bytes.length, at)
    out.set(bytes, at)
    at += bytes.length
  }
  at = out.writeUInt8(result.ending === 'fault' ? 0 : 1, at)
  at = out.writeUInt8(result.vector, at)
  at = out.writeUInt16LE(result.errorCode, at)
  at = out.writeBigUInt64LE(result.address, at)
  at = putState(out, at, result.state, state)
  at = out.writeUInt8(result.changes.length / 3, at)
  for (const word of result.changes) at = out.writeUInt32LE(word, at)
  return out.subarray(0, at)
}

const decode = (title: string, bytes: Uint8Array): Fixture => {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const state = (before: Uint8Array): Uint8Array => {
    const result = before.slice()
    const bitmap = at
    at += BITMAP
    for (let i = 0; i < WORDS; i++) {
      if ((view[bitmap + (i >> 3)] & (1 << (i & 7))) === 0) continue
      result.set(view.subarray(at, at + 8), i * 8)
      at += 8
    }
    return result
  }
  const initial = state(zeros)
  const patches: Patch[] = []
  for (let count = view.readUInt8(at++); count > 0; count--) {
    const address = view.readUInt32LE(at)
    const length = view.readUInt16LE(at + 4)
    patches.push({ address, bytes: new Uint8Array(view.subarray(at + 6, at + 6 + length)) })
    at += 6 + length
  }
  const ending = view.readUInt8(at) === 0 ? 'fault' : 'syscall'
  const vector = view.readUInt8(at + 1)
  const errorCode = view.readUInt16LE(at + 2)
  const address = view.readBigUInt64LE(at + 4)
  at += 12
  const final = state(initial)
  const changes: number[] = []
  for (let count = view.readUInt8(at++) * 3; count > 0; count--, at += 4) changes.push(view.readUInt32LE(at))
  return { title, state: initial, patches, result: { ending, vector, errorCode, address, state: final, changes } }
}

export const packFixtures = (host: string, cases: readonly { title: string, test: Case, result: Result }[]): Uint8Array =>
  gzipSync(pack({ format: 2, host, cases: cases.map(({ title, test, result }) => [title, encode(test, result)]) }), { level: 9 })

export const unpackFixtures = (file: Uint8Array): { host: string, cases: Fixture[] } => {
  const { format, host, cases } = unpack(gunzipSync(file)) as { format: number, host: string, cases: [string, Uint8Array][] }
  if (format !== 2) throw new Error(`fixtures of format ${format}: this reads format 2`)
  return { host, cases: cases.map(([title, bytes]) => decode(title, bytes)) }
}
