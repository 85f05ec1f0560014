/**
 * The part of a signal frame with x87, SSE and AVX state (arch/x86/kernel/fpu/signal.c): an FXSAVE image, or, where the processor has
 * XSAVE, its standard image with a description in the bytes that FXSAVE leaves to software, and a word behind that it is all there.
 */
import * as layout from '../../emu/cpu/layout.ts'
import { FXSAVE_SIZE, isValidFxsave, readFxsave, writeFxsave } from '../../emu/cpu/fxsave.ts'
import { cpuModel, hasFeature } from '../../emu/cpu/model.ts'
import { XCR0, XSAVE_AVX, XSAVE_BYTES, XSAVE_HEADER, isValidXsave, readXsave, writeXsave } from '../../emu/cpu/xsave.ts'
import type { Kernel } from '../kernel.ts'
import type { UserMemory } from '../mm/user-memory.ts'

// struct _fpx_sw_bytes, from here on in the image.
const SOFTWARE = 464
const MAGIC1 = 0, EXTENDED_SIZE = 4, FEATURES = 8, STATE_SIZE = 16
const FP_XSTATE_MAGIC1 = 0x46505853, FP_XSTATE_MAGIC2 = 0x46505845
const MAGIC2_SIZE = 4

export const hasXsave = (kernel: Kernel): boolean => hasFeature(cpuModel(kernel.config.cpu), 'xsave')
export const fpuFrameSize = (kernel: Kernel): number => hasXsave(kernel) ? XSAVE_BYTES + MAGIC2_SIZE : FXSAVE_SIZE

/** AT_MINSIGSTKSZ: the largest frame, padding included (init_sigframe_size; with the 32-bit frames that Linux reckons with). */
export const minimumSignalStack = (kernel: Kernel): number => hasXsave(kernel) ? 0x6f0 : 0x530

// Scratch: filled and written before anything else can run.
const image = new Uint8Array(XSAVE_BYTES + MAGIC2_SIZE)
const view = new DataView(image.buffer)

/** State of the loaded task. */
export const writeFpuFrame = (kernel: Kernel, user: UserMemory, at: number): void => {
  const { u8 } = kernel.processor.memory
  if (!hasXsave(kernel)) {
    writeFxsave(u8, layout.CPU_STATE, image)
    user.write(at, image.subarray(0, FXSAVE_SIZE))
    return
  }
  writeXsave(u8, layout.CPU_STATE, image)
  view.setUint32(SOFTWARE + MAGIC1, FP_XSTATE_MAGIC1, true)
  view.setUint32(SOFTWARE + EXTENDED_SIZE, XSAVE_BYTES + MAGIC2_SIZE, true)
  view.setUint32(SOFTWARE + FEATURES, XCR0, true)
  view.setUint32(SOFTWARE + STATE_SIZE, XSAVE_BYTES, true)
  view.setUint32(XSAVE_BYTES, FP_XSTATE_MAGIC2, true)
  user.write(at, image)
}

/** @returns false if it is not usable */
export const readFpuFrame = (kernel: Kernel, user: UserMemory, at: number): boolean => {
  const { u8 } = kernel.processor.memory
  const legacy = user.read(at, FXSAVE_SIZE)
  const features = hasXsave(kernel) ? extendedFeatures(legacy, user, at) : 0
  if (features === 0) {
    if (!isValidFxsave(legacy)) return false
    readFxsave(legacy, u8, layout.CPU_STATE)
    for (let i = 0; i < 16; i++) u8.fill(0, layout.VECTOR + i * layout.VECTOR_STRIDE + 16, layout.VECTOR + (i + 1) * layout.VECTOR_STRIDE)
    return true
  }
  const extended = user.read(at, XSAVE_BYTES)
  if (!isValidXsave(extended)) return false
  // Components that the frame does not claim to have are as after a reset.
  extended[XSAVE_HEADER] &= features
  readXsave(extended, u8, layout.CPU_STATE)
  return true
}

/** Components that the frame has beyond an FXSAVE image, by its own account; 0 if it is no more than that (check_xstate_in_sigframe). */
const extendedFeatures = (legacy: Uint8Array, user: UserMemory, at: number): number => {
  const software = new DataView(legacy.buffer, legacy.byteOffset + SOFTWARE)
  const size = software.getUint32(STATE_SIZE, true)
  if (software.getUint32(MAGIC1, true) !== FP_XSTATE_MAGIC1 || size < XSAVE_AVX || size > XSAVE_BYTES || size > software.getUint32(EXTENDED_SIZE, true)) return 0
  return user.u32(at + size) === FP_XSTATE_MAGIC2 ? software.getUint32(FEATURES, true) & XCR0 : 0
}
