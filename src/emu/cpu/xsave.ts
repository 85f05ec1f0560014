/**
 * The image that XSAVE makes in its standard form (Intel SDM volume 1, 13.4): the FXSAVE image, a header, the upper halves of the
 * YMM registers. What signal frames and ptrace show of a processor that has XSAVE.
 */
import { FXSAVE_SIZE, readFxsave, writeFxsave } from './fxsave.ts'
import * as layout from './layout.ts'

/** Components that XCR0 enables: x87, SSE, AVX. */
export const XCR0 = 7
const LEGACY = 3
export const XSAVE_HEADER = FXSAVE_SIZE
export const XSAVE_AVX = XSAVE_HEADER + 64
export const XSAVE_BYTES = XSAVE_AVX + 16 * 16
const MXCSR = 24, MXCSR_RESERVED_BYTE = 26

const relative = (address: number): number => address - layout.CPU_STATE
const copyUppers = (block: Uint8Array, base: number, image: Uint8Array, out: boolean): void => {
  for (let i = 0; i < 16; i++) {
    const register = base + relative(layout.VECTOR) + i * layout.VECTOR_STRIDE + 16
    const at = XSAVE_AVX + i * 16
    if (out) image.set(block.subarray(register, register + 16), at)
    else block.set(image.subarray(at, at + 16), register)
  }
}

/** The legacy components as in use, as Linux has it in frames, AVX if anything of it is not zero. @param block the CPU block, `base` where it begins in it */
export const writeXsave = (block: Uint8Array, base: number, image: Uint8Array): void => {
  image.fill(0, 0, XSAVE_BYTES)
  writeFxsave(block, base, image)
  copyUppers(block, base, image, true)
  image[XSAVE_HEADER] = image.subarray(XSAVE_AVX, XSAVE_BYTES).some((byte) => byte !== 0) ? XCR0 : LEGACY
}

/** Whether XRSTOR would take the image: nothing but known components, in the standard form, reserved bits of MXCSR zero. */
export const isValidXsave = (image: Uint8Array): boolean => {
  if ((image[XSAVE_HEADER] & ~XCR0) !== 0) return false
  for (let at = XSAVE_HEADER + 1; at < XSAVE_HEADER + 24; at++) if (image[at] !== 0) return false
  return image[MXCSR_RESERVED_BYTE] === 0 && image[MXCSR_RESERVED_BYTE + 1] === 0
}

/** Loads the components that the header names, and makes the others as after a reset (but for MXCSR, which is in any case the image's). */
export const readXsave = (image: Uint8Array, block: Uint8Array, base: number): void => {
  const whole = image.slice(0, XSAVE_BYTES)
  const present = image[XSAVE_HEADER]
  if ((present & 1) === 0) {
    whole.fill(0, 0, MXCSR)
    whole.fill(0, 32, 160)
    whole[0] = 0x7f
    whole[1] = 0x03
  }
  if ((present & 2) === 0) whole.fill(0, 160, 416)
  if ((present & 4) === 0) whole.fill(0, XSAVE_AVX)
  readFxsave(whole, block, base)
  copyUppers(block, base, whole, false)
}
