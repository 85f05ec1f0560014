/**
 * The FXSAVE64 image (Intel SDM volume 1, 10.5.1.1) of a CPU block, and back: what signal frames and ptrace show.
 * The block has the full x87 tag word and physical registers; the image has one bit a register and registers in stack order.
 */
import * as layout from './layout.ts'

export const FXSAVE_SIZE = 512
/** Bits of MXCSR that may be set. */
export const MXCSR_MASK = 0xffff

const CONTROL = 0, STATUS = 2, TAG = 4, OPCODE = 6, IP = 8, DP = 16, MXCSR = 24, MASK = 28, ST = 32, XMM = 160
const SLOT = 16
const ST_BYTES = 10
const EMPTY = 3
const CONTROL_MASK = 0x1f3f, CONTROL_ONE = 0x40, EXCEPTIONS = 0x3f, SUMMARY = 0x80, BUSY = 0x8000

const relative = (address: number): number => address - layout.CPU_STATE
const word = (bytes: Uint8Array, at: number): number => bytes[at] | (bytes[at + 1] << 8)
const setWord = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
}
const top = (status: number): number => (status >> 11) & 7

/** @param block the CPU block, `base` where it begins in it */
export const writeFxsave = (block: Uint8Array, base: number, image: Uint8Array): void => {
  const at = (address: number): number => base + relative(address)
  image.fill(0, 0, FXSAVE_SIZE)
  const status = word(block, at(layout.FPU_STATUS))
  const tags = word(block, at(layout.FPU_TAG))
  let present = 0
  for (let i = 0; i < 8; i++) if (((tags >> (i * 2)) & 3) !== EMPTY) present |= 1 << i
  setWord(image, CONTROL, word(block, at(layout.FPU_CONTROL)))
  setWord(image, STATUS, status)
  image[TAG] = present
  // As AMD's processors, and our FXSAVE: only with an exception pending.
  if ((status & SUMMARY) !== 0) {
    setWord(image, OPCODE, word(block, at(layout.FPU_OPCODE)))
    image.set(block.subarray(at(layout.FPU_IP), at(layout.FPU_IP) + 8), IP)
    image.set(block.subarray(at(layout.FPU_DP), at(layout.FPU_DP) + 8), DP)
  }
  image.set(block.subarray(at(layout.MXCSR), at(layout.MXCSR) + 4), MXCSR)
  setWord(image, MASK, MXCSR_MASK)
  for (let i = 0; i < 8; i++) {
    const register = at(layout.FPU_REGISTERS) + ((top(status) + i) & 7) * SLOT
    image.set(block.subarray(register, register + ST_BYTES), ST + i * SLOT)
  }
  for (let i = 0; i < 16; i++) {
    const register = at(layout.VECTOR) + i * layout.VECTOR_STRIDE
    image.set(block.subarray(register, register + SLOT), XMM + i * SLOT)
  }
}

/** Tag of a register that is not empty: 0 valid, 1 zero, 2 special (volume 1, 8.1.7). */
const tagOf = (image: Uint8Array, at: number): number => {
  const exponent = word(image, at + 8) & 0x7fff
  if (exponent === 0x7fff) return 2
  let significand = 0
  for (let i = 0; i < 8; i++) significand |= image[at + i]
  if (exponent === 0) return significand === 0 ? 1 : 2
  return (image[at + 7] & 0x80) !== 0 ? 0 : 2
}

/** Whether FXRSTOR would take the image: reserved bits of MXCSR must be zero. */
export const isValidFxsave = (image: Uint8Array): boolean => word(image, MXCSR + 2) === 0

export const readFxsave = (image: Uint8Array, block: Uint8Array, base: number): void => {
  const at = (address: number): number => base + relative(address)
  const status = word(image, STATUS)
  let tags = 0
  for (let i = 0; i < 8; i++) {
    const slot = ST + i * SLOT
    const physical = (top(status) + i) & 7
    const register = at(layout.FPU_REGISTERS) + physical * SLOT
    block.set(image.subarray(slot, slot + ST_BYTES), register)
    tags |= ((image[TAG] & (1 << physical)) === 0 ? EMPTY : tagOf(image, slot)) << (physical * 2)
  }
  // Reserved bits can't be loaded, and the exception summary is what flags and masks make of it.
  const control = (word(image, CONTROL) & CONTROL_MASK) | CONTROL_ONE
  const pending = (status & ~control & EXCEPTIONS) !== 0
  setWord(block, at(layout.FPU_CONTROL), control)
  setWord(block, at(layout.FPU_STATUS), pending ? status | SUMMARY | BUSY : status & ~(SUMMARY | BUSY))
  setWord(block, at(layout.FPU_TAG), tags)
  setWord(block, at(layout.FPU_OPCODE), word(image, OPCODE) & 0x7ff)
  block.set(image.subarray(IP, IP + 8), at(layout.FPU_IP))
  block.set(image.subarray(DP, DP + 8), at(layout.FPU_DP))
  block.set(image.subarray(MXCSR, MXCSR + 4), at(layout.MXCSR))
  for (let i = 0; i < 16; i++) block.set(image.subarray(XMM + i * SLOT, XMM + (i + 1) * SLOT), at(layout.VECTOR) + i * layout.VECTOR_STRIDE)
}

/** x87, MXCSR and vector registers as after FNINIT and with registers zero: how signal handlers start. */
export const resetFpu = (block: Uint8Array, base: number): void => {
  const at = (address: number): number => base + relative(address)
  block.fill(0, at(layout.MXCSR), at(layout.FPU_DP) + 8)
  block.fill(0, at(layout.FPU_REGISTERS), at(layout.FPU_REGISTERS) + 8 * SLOT)
  block.fill(0, at(layout.VECTOR), at(layout.VECTOR) + 16 * layout.VECTOR_STRIDE)
  setWord(block, at(layout.MXCSR), 0x1f80)
  setWord(block, at(layout.FPU_CONTROL), 0x37f)
  setWord(block, at(layout.FPU_TAG), 0xffff)
}
