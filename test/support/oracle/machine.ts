/**
 * The machine that both sides of the differential test run a case on: a few pages at fixed addresses, and a state of
 * the registers as one block of bytes. See oracle.c for the binary protocol, which has the same block.
 */
export const PAGE = 4096

export interface Region {
  readonly address: number
  readonly bytes: number
  readonly readable: boolean
  readonly writable: boolean
  readonly executable: boolean
}

/** Code: a page that can be written (code that changes itself), and one that can't; nothing is mapped around them. */
export const CODE = 0x1000_0000
export const CODE_END = CODE + 2 * PAGE
/** Data: two pages, then a read-only one; nothing is mapped around them. */
export const DATA = 0x2000_0000
export const DATA_READ_ONLY = DATA + 2 * PAGE
export const DATA_END = DATA + 3 * PAGE
/** The last page that a process can have, but for one that Linux keeps free. */
export const TOP = 0x7fff_ffff_e000

export const REGIONS: readonly Region[] = [
  { address: CODE, bytes: PAGE, readable: true, writable: true, executable: true },
  { address: CODE + PAGE, bytes: PAGE, readable: true, writable: false, executable: true },
  { address: DATA, bytes: 2 * PAGE, readable: true, writable: true, executable: false },
  { address: DATA_READ_ONLY, bytes: PAGE, readable: true, writable: false, executable: false },
]

/** What code pages are filled with: INT3, so that whatever is jumped to ends the case. */
export const FILL = 0xcc

/** Offsets in a state block. */
export const STATE_GPR = 0, STATE_RIP = 128, STATE_RFLAGS = 136, STATE_FS = 144, STATE_GS = 152, STATE_FX = 160
/** The upper halves of the YMM registers. */
export const STATE_UPPER = 672
export const STATE_SIZE = 928
/** Offsets in an FXSAVE image (Intel SDM volume 1, table 10-2). */
export const FX_FCW = 0, FX_FSW = 2, FX_FTW = 4, FX_FOP = 6, FX_FIP = 8, FX_FDP = 16, FX_MXCSR = 24, FX_MXCSR_MASK = 28, FX_ST = 32, FX_XMM = 160
export const FX_USED = 416

export interface Patch {
  readonly address: number
  readonly bytes: Uint8Array
}

/** Initial registers, and what the memory has beyond its fixed content: the code first. */
export interface Case {
  readonly state: Uint8Array
  readonly patches: readonly Patch[]
}

/** How a case ended. 'timeout': it runs on for longer than is worth waiting for. */
export type Ending = 'fault' | 'syscall' | 'timeout'

export interface Result {
  readonly ending: Ending
  /** Exception vector, error code and CR2 (of page faults, else 0n), for 'fault'. */
  readonly vector: number
  readonly errorCode: number
  readonly address: bigint
  readonly state: Uint8Array
  /** Changed 8-byte words of memory in order of address: address, then the word's halves. */
  readonly changes: readonly number[]
}

/** A fixed pseudo-random sequence, the same everywhere (the constants are xorshift32's). */
export const sequence = (seed: number): (() => number) => {
  let x = seed | 0 || 1
  return () => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return x >>> 0
  }
}

/** Random 32-bit numbers from three seeds, each of which makes another sequence (Chris Doty-Humphrey's sfc32). */
export const generator = (a: number, b: number, c: number): (() => number) => {
  let counter = 1
  const next = (): number => {
    const result = (a + b + counter++) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + result | 0
    return result >>> 0
  }
  for (let i = 0; i < 15; i++) next()
  return next
}

/** The fixed content of a region before a case's patches. */
export const initialContent = (region: Region): Uint8Array => {
  const content = new Uint8Array(region.bytes)
  if (region.executable) return content.fill(FILL)
  const view = new DataView(content.buffer)
  const next = sequence(region.address)
  for (let at = 0; at < content.length; at += 8) {
    const kind = next() % 8
    const low = next()
    const high = next()
    // Small numbers, floats, and addresses of code and data, beside noise: what is loaded by chance is of some use.
    if (kind === 0) { view.setInt32(at, low << 24 >> 24, true); view.setInt32(at + 4, low << 24 >> 31, true) }
    else if (kind === 1) view.setFloat64(at, (low - 0x8000_0000) / 2 ** (high % 40), true)
    else if (kind === 2) { view.setFloat32(at, (low - 0x8000_0000) / 2 ** (high % 40), true); view.setFloat32(at + 4, (high | 0) / 2 ** (low % 40), true) }
    else if (kind === 3) view.setUint32(at, DATA + low % (3 * PAGE), true)
    else if (kind === 4) view.setUint32(at, CODE + low % (2 * PAGE), true)
    else { view.setUint32(at, low, true); view.setUint32(at + 4, high, true) }
  }
  return content
}
