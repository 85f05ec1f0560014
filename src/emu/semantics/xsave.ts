/**
 * XSAVE, XSAVEOPT, XSAVEC, XRSTOR, XGETBV (Intel SDM volume 1, chapter 13), with x87 (component 0), SSE (1) and AVX state (2), all of
 * which XCR0 enables.
 *
 * Whether a component is in use (XINUSE) is found by looking whether it is as after a reset: that depends on nothing but the state.
 * XSAVEOPT does not know what was changed since an XRSTOR.
 */
import { FPU_CONTROL, FPU_DP, FPU_IMAGE, FPU_IP, FPU_OPCODE, FPU_REGISTERS, FPU_STATUS, FPU_TAG, MXCSR, RAX, RCX, RDX, VECTOR, VECTOR_STRIDE } from '../cpu/layout.ts'
import { XCR0, XSAVE_AVX, XSAVE_BYTES, XSAVE_HEADER } from '../cpu/xsave.ts'
import { type Expr, i32, i64, select, v } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'
import { times } from './x87-control.ts'

const ZERO_ADDRESS = i32.const(0)
const X87 = 1, SSE = 2, AVX = 4
/** XCOMP_BV, and its bit that says that the format is compacted. */
const XCOMP = XSAVE_HEADER + 8
const COMPACTED = 1n << 63n
/** Places in the legacy area: up to MXCSR, registers of x87, XMM registers. */
const AT_MXCSR = 24, AT_ST = 32, AT_XMM = 160, AT_END = 416
const INITIAL_MXCSR = 0x1f80, MXCSR_RESERVED = 0xffff0000
/** x87 state is put aside here while an image that does not have it is loaded: two parts of the processor's state, behind the image. */
const ASIDE = FPU_IMAGE + XSAVE_BYTES
const X87_PARTS = [[FPU_CONTROL, FPU_DP + 8 - FPU_CONTROL], [FPU_REGISTERS, 128]] as const

const word = (address: number): Expr => i32.load(ZERO_ADDRESS, address)
const has = (mask: Expr, bits: number): Expr => i32.and(mask, i32.const(bits))

export const defineXsave = (module: ModuleBuilder): void => {
  /** XINUSE. */
  module.function('xsave_in_use', signature([], ['i32']), (f) => {
    const x87 = f.local('v128')
    const sse = f.local('v128')
    const avx = f.local('v128')
    times(f, i32.const(16), (i) => {
      const at = f.let(i32.mul(i, i32.const(VECTOR_STRIDE)))
      f.set(sse, v.v128Or(sse, v.load(at, VECTOR)))
      f.set(avx, v.v128Or(avx, v.load(at, VECTOR + 16)))
    })
    times(f, i32.const(8), (i) => { f.set(x87, v.v128Or(x87, v.load(i32.shl(i, i32.const(4)), FPU_REGISTERS))) })
    const differs = [i32.xor(word(FPU_CONTROL), i32.const(0x37f)), word(FPU_STATUS), i32.xor(word(FPU_TAG), i32.const(0xffff)), word(FPU_OPCODE),
      i64.ne(i64.or(i64.load(ZERO_ADDRESS, FPU_IP), i64.load(ZERO_ADDRESS, FPU_DP)), i64.const(0)), v.v128AnyTrue(x87)].reduce((a, b) => i32.or(a, b))
    f.return(i32.or(i32.ne(differs, i32.const(0)), i32.or(i32.shl(v.v128AnyTrue(sse), i32.const(1)), i32.shl(v.v128AnyTrue(avx), i32.const(2)))))
  })
  /** (out): upper halves of YMM to the image, or from it. */
  module.function('xsave_uppers', signature(['i32']), (f) => {
    times(f, i32.const(16), (i) => {
      const image = f.let(i32.shl(i, i32.const(4)))
      const register = f.let(i32.mul(i, i32.const(VECTOR_STRIDE)))
      f.if(f.params[0], () => { f.v128Store(image, FPU_IMAGE + XSAVE_AVX, v.load(register, VECTOR + 16)) },
        () => { f.v128Store(register, VECTOR + 16, v.load(image, FPU_IMAGE + XSAVE_AVX)) })
    })
  })
}

/** Components that the operands ask for (RFBM), bound. */
const requested = (e: Emitter): Expr => e.f.let(i32.and(i32.wrap(e.gpr(RAX)), i32.const(XCR0)))
const isWide = (e: Emitter): Expr => i32.const(e.size === 8 ? 1 : 0)
/** Bytes [from, to) of the image, which are a multiple of 8. */
const transfer = (e: Emitter, from: number, to: number, move: (offset: Expr, address: Expr) => void): void => {
  const address = e.address(0)
  times(e.f, i32.const((to - from) / 8), (count) => {
    const offset = e.f.let(i32.add(i32.shl(count, i32.const(3)), i32.const(from)))
    move(offset, i64.add(address, i64.extendI32U(offset)))
  })
}
const store = (e: Emitter, from: number, to: number): void => { transfer(e, from, to, (offset, address) => { e.store(address, 8, i64.load(offset, FPU_IMAGE)) }) }
const load = (e: Emitter, from: number, to: number): void => { transfer(e, from, to, (offset, address) => { e.f.i64Store(offset, FPU_IMAGE, e.load(address, 8)) }) }
const headerAddress = (e: Emitter, at: number): Expr => e.f.let(i64.add(e.address(0), i64.const(at)))

const checkAligned = (e: Emitter): void => {
  e.faultIf(i32.and(i32.wrap(e.address(0)), i32.const(63)), 13)
}

/** @param optimizes components that are not in use are not written */
const save = (optimizes: boolean, compacts: boolean): Semantics => (e) => {
  const { f } = e
  checkAligned(e)
  const mask = requested(e)
  const address = e.address(0)
  // The byte that a fault reports: the first, the last of the header, the last of all; as on AMD processors.
  e.probeWrite(address, 1)
  e.probeWrite(headerAddress(e, XSAVE_AVX - 1), 1)
  f.if(has(mask, AVX), () => { e.probeWrite(headerAddress(e, XSAVE_BYTES - 1), 1) })
  const before = compacts ? i64.const(0) : e.load(headerAddress(e, XSAVE_HEADER), 8)
  e.callVoid('x87_write_fxsave', isWide(e))
  e.callVoid('xsave_uppers', i32.const(1))
  const inUse = f.local('i32')
  f.set(inUse, e.call('xsave_in_use'))
  // To XSAVEC, MXCSR is a part of SSE state.
  if (compacts) f.set(inUse, i32.or(inUse, i32.shl(i32.ne(e.state32(MXCSR), i32.const(INITIAL_MXCSR)), i32.const(1))))
  const written = f.let(optimizes ? i32.and(mask, inUse) : mask)
  f.if(has(written, X87), () => {
    store(e, 0, AT_MXCSR)
    store(e, AT_ST, AT_XMM)
  })
  f.if(has(compacts ? written : mask, compacts ? SSE : SSE | AVX), () => { store(e, AT_MXCSR, AT_ST) })
  f.if(has(written, SSE), () => { store(e, AT_XMM, AT_END) })
  f.if(has(written, AVX), () => { store(e, XSAVE_AVX, XSAVE_BYTES) })
  const used = i64.extendI32U(i32.and(mask, inUse))
  const kept = i64.and(before, i64.extendI32S(i32.xor(mask, i32.const(-1))))
  e.store(headerAddress(e, XSAVE_HEADER), 8, i64.or(used, kept))
  if (compacts) e.store(headerAddress(e, XCOMP), 8, i64.or(i64.extendI32U(mask), i64.const(COMPACTED)))
}

const xrstor: Semantics = (e) => {
  const { f } = e
  checkAligned(e)
  const mask = requested(e)
  e.load(e.address(0), 1)
  // Components, their format, and words that are zero.
  const [present, format, ...reserved] = Array.from({ length: 8 }, (_, i) => e.load(headerAddress(e, XSAVE_HEADER + i * 8), 8))
  const isCompacted = f.let(i64.ltS(format, i64.const(0)))
  const wrong = [
    i64.and(present, i64.const(~XCR0)), i64.and(format, i64.const(~(COMPACTED | BigInt(XCR0)))),
    // What is present must have a place in the compacted format; the other has no places.
    select(isCompacted, i64.and(present, i64.xor(format, i64.const(-1))), format), reserved[0],
    // The standard format leaves the rest of the header to software.
    select(isCompacted, reserved.slice(1).reduce((a, b) => i64.or(a, b)), i64.const(0)),
  ].reduce((a, b) => i64.or(a, b))
  e.faultIf(i64.ne(wrong, i64.const(0)), 13)
  const loaded = f.let(i32.and(mask, i32.wrap(present)))
  e.callVoid('x87_write_fxsave', isWide(e))
  e.callVoid('xsave_uppers', i32.const(1))
  const zero = (from: number, to: number): void => { f.memoryFill(i32.const(FPU_IMAGE + from), i32.const(0), i32.const(to - from)) }
  /** A component that is asked for comes from memory, or is as after a reset. */
  const component = (bit: number, fromMemory: () => void, initial: () => void): void => {
    f.if(has(mask, bit), () => { f.if(has(loaded, bit), fromMemory, initial) })
  }
  component(X87, () => {
    load(e, 0, AT_MXCSR)
    load(e, AT_ST, AT_XMM)
  }, () => {
    zero(0, AT_MXCSR)
    zero(AT_ST, AT_XMM)
    f.i32Store16(ZERO_ADDRESS, FPU_IMAGE, i32.const(0x37f))
  })
  component(SSE, () => { load(e, AT_XMM, AT_END) }, () => { zero(AT_XMM, AT_END) })
  component(AVX, () => { load(e, XSAVE_AVX, XSAVE_BYTES) }, () => { zero(XSAVE_AVX, XSAVE_BYTES) })
  f.if(select(isCompacted, has(mask, SSE), has(mask, SSE | AVX)), () => {
    f.if(i32.and(isCompacted, i32.eqz(has(loaded, SSE))), () => { f.i32Store(ZERO_ADDRESS, FPU_IMAGE + AT_MXCSR, i32.const(INITIAL_MXCSR)) },
      () => { load(e, AT_MXCSR, AT_ST) })
    e.faultIf(i32.and(word(FPU_IMAGE + AT_MXCSR), i32.const(MXCSR_RESERVED)), 13)
  })
  const keepsX87 = f.let(i32.eqz(has(mask, X87)))
  f.if(keepsX87, () => { copyX87(f, true) })
  e.callVoid('x87_read_fxsave', isWide(e))
  f.if(keepsX87, () => { copyX87(f, false) })
  e.callVoid('xsave_uppers', i32.const(0))
}

const copyX87 = (f: FunctionBuilder, out: boolean): void => {
  let aside = ASIDE
  for (const [address, bytes] of X87_PARTS) {
    const [to, from] = out ? [aside, address] : [address, aside]
    // MXCSR is before the first part.
    f.memoryCopy(i32.const(to), i32.const(from), i32.const(bytes))
    aside += bytes
  }
}

export const XSAVE: Family = {
  xsave: save(false, false), xsaveopt: save(true, false), xsavec: save(true, true), xrstor,
  /** XCR0, and with ECX = 1 its components in use. */
  xgetbv: (e) => {
    const index = e.f.let(i32.wrap(e.gpr(RCX)))
    e.faultIf(i32.gtU(index, i32.const(1)), 13)
    const value = select(index, i32.and(e.call('xsave_in_use'), i32.const(XCR0)), i32.const(XCR0))
    e.setGpr(RAX, i64.extendI32U(value), 4)
    e.setGpr(RDX, i64.const(0), 4)
  },
}
