/** x87 control and status words, environments, FSAVE and FXSAVE images (Intel SDM volume 1, 8.1.8–8.1.10, 10.5). */
import { FPU_CONTROL, FPU_DP, FPU_IMAGE, FPU_IP, FPU_OPCODE, FPU_STATUS, FPU_TAG, MXCSR, RAX, VECTOR, VECTOR_STRIDE } from '../cpu/layout.ts'
import { type Expr, i32, i64, select, v } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'
import { SUMMARY, waiting } from './x87-stack.ts'

const ZERO_ADDRESS = i32.const(0)
/** Bits of the control word that can be set, and the one that always is. */
const CONTROL_MASK = 0x1f3f
const CONTROL_ONE = 0x40
const INITIAL_CONTROL = 0x37f
const ALL_EMPTY = 0xffff
const EXCEPTION_MASKS = 0x3f
const OPCODE_MASK = 0x7ff
const MXCSR_MASK = 0xffff
const USER_CS = 0x33

/** What FXSAVE writes: header, registers, XMM registers; what is behind stays as it is. */
const FXSAVE_SIZE = 512
const FXSAVE_WRITTEN = 416
const FXSAVE_ST = 32, FXSAVE_XMM = 160

const word = (address: number): Expr => i32.load(ZERO_ADDRESS, address)
const set = (f: FunctionBuilder, address: number, value: Expr): void => { f.i32Store(ZERO_ADDRESS, address, value) }

const setControl = (f: FunctionBuilder, value: Expr): void => {
  set(f, FPU_CONTROL, i32.or(i32.and(value, i32.const(CONTROL_MASK)), i32.const(CONTROL_ONE)))
}

/** Runs `body` with a counter from 0 up to `end` − 1. */
export const times = (f: FunctionBuilder, end: Expr, body: (count: Expr) => void): void => {
  const count = f.local('i32')
  f.set(count, i32.const(0))
  f.loop((again) => {
    body(count)
    f.set(count, i32.add(count, i32.const(1)))
    f.brIf(again, i32.ltU(count, end))
  })
}

export const defineX87Control = (module: ModuleBuilder): void => {
  module.function('x87_init', signature([]), (f) => {
    set(f, FPU_CONTROL, i32.const(INITIAL_CONTROL))
    set(f, FPU_STATUS, i32.const(0))
    set(f, FPU_TAG, i32.const(ALL_EMPTY))
    set(f, FPU_OPCODE, i32.const(0))
    f.i64Store(ZERO_ADDRESS, FPU_IP, i64.const(0))
    f.i64Store(ZERO_ADDRESS, FPU_DP, i64.const(0))
  })
  /** The tag word, each register that is not empty looked at: 0 valid, 1 zero, 2 special. */
  module.function('x87_full_tags', signature([], ['i32']), (f) => {
    const result = f.local('i32')
    times(f, i32.const(8), (i) => {
      const st = f.let(f.call('x87_register', i))
      const significand = f.let(i64.load(st))
      const exponent = f.let(i32.and(i32.load16U(st, 8), i32.const(0x7fff)))
      const normal = i32.and(i64.ltS(significand, i64.const(0)), i32.and(i32.ne(exponent, i32.const(0)), i32.ne(exponent, i32.const(0x7fff))))
      const zero = i32.and(i64.eqz(significand), i32.eqz(exponent))
      const tag = select(f.call('x87_is_empty', i), i32.const(3), select(normal, i32.const(0), select(zero, i32.const(1), i32.const(2))))
      // Three times the tag's lowest bit is the tag's place.
      const place = f.let(i32.divU(f.call('x87_tag', i), i32.const(3)))
      f.set(result, i32.or(result, i32.mul(tag, place)))
    })
    f.return(result)
  })
  /** The abridged tag word of FXSAVE: a bit for each register that is not empty. */
  module.function('x87_abridged_tags', signature([], ['i32']), (f) => {
    const result = f.local('i32')
    times(f, i32.const(8), (i) => {
      const used = i32.ne(i32.and(i32.shrU(word(FPU_TAG), i32.shl(i, i32.const(1))), i32.const(3)), i32.const(3))
      f.set(result, i32.or(result, i32.shl(used, i)))
    })
    f.return(result)
  })
  /** (wide): the environment in FPU_IMAGE, 28 bytes, or 14 in its 16-bit form. The code selector is Linux's once there was an instruction, the other zero. */
  module.function('x87_write_environment', signature(['i32']), (f) => {
    const [wide] = f.params
    const tags = f.let(f.call('x87_full_tags'))
    const ip = f.let(i32.load(ZERO_ADDRESS, FPU_IP))
    const dp = f.let(i32.load(ZERO_ADDRESS, FPU_DP))
    const cs = f.let(select(ip, i32.const(USER_CS), i32.const(0)))
    f.if(wide, () => {
      // The upper halves of 16-bit words are ones.
      const upper = i32.const(0xffff0000)
      const image = [i32.or(word(FPU_CONTROL), upper), i32.or(word(FPU_STATUS), upper), i32.or(tags, upper), ip,
        i32.or(i32.shl(word(FPU_OPCODE), i32.const(16)), cs), dp, upper]
      image.forEach((value, at) => { set(f, FPU_IMAGE + at * 4, value) })
    }, () => {
      const image = [word(FPU_CONTROL), word(FPU_STATUS), tags, ip, cs, dp, i32.const(0)]
      image.forEach((value, at) => { f.i32Store16(ZERO_ADDRESS, FPU_IMAGE + at * 2, value) })
    })
  })
  module.function('x87_read_environment', signature(['i32']), (f) => {
    const [wide] = f.params
    const image = (at: number): Expr => select(wide, i32.load16U(ZERO_ADDRESS, FPU_IMAGE + at * 4), i32.load16U(ZERO_ADDRESS, FPU_IMAGE + at * 2))
    setControl(f, image(0))
    set(f, FPU_STATUS, image(1))
    set(f, FPU_TAG, image(2))
    const pointer = (at: number): Expr => i64.extendI32U(select(wide, i32.load(ZERO_ADDRESS, FPU_IMAGE + at * 4), i32.load16U(ZERO_ADDRESS, FPU_IMAGE + at * 2)))
    f.i64Store(ZERO_ADDRESS, FPU_IP, pointer(3))
    f.i64Store(ZERO_ADDRESS, FPU_DP, pointer(5))
    set(f, FPU_OPCODE, select(wide, i32.and(i32.load16U(ZERO_ADDRESS, FPU_IMAGE + 18), i32.const(OPCODE_MASK)), i32.const(0)))
    f.callVoid('x87_summarize')
  })
  /** (address, stride, write): ST(0) to ST(7) to an image or from it. */
  module.function('x87_image_registers', signature(['i32', 'i32', 'i32']), (f) => {
    const [address, stride, write] = f.params
    times(f, i32.const(8), (i) => {
      const st = f.let(f.call('x87_register', i))
      const at = f.let(i32.add(address, i32.mul(i, stride)))
      f.if(write, () => { f.callVoid('x87_copy', at, st) }, () => { f.callVoid('x87_copy', st, at) })
    })
  })
  /** (pointers are 64 bits wide): the FXSAVE image. Pointers and opcode are those of a pending exception, else zero (AMD64 manual volume 2, 11.4.4). */
  module.function('x87_write_fxsave', signature(['i32']), (f) => {
    const [wide] = f.params
    f.memoryFill(i32.const(FPU_IMAGE), i32.const(0), i32.const(FXSAVE_WRITTEN))
    f.i32Store16(ZERO_ADDRESS, FPU_IMAGE, word(FPU_CONTROL))
    f.i32Store16(ZERO_ADDRESS, FPU_IMAGE + 2, word(FPU_STATUS))
    f.i32Store16(ZERO_ADDRESS, FPU_IMAGE + 4, f.call('x87_abridged_tags'))
    f.if(i32.and(word(FPU_STATUS), i32.const(SUMMARY)), () => {
      f.i32Store16(ZERO_ADDRESS, FPU_IMAGE + 6, word(FPU_OPCODE))
      for (const [at, from] of [[8, FPU_IP], [16, FPU_DP]] as const) {
        const value = i64.load(ZERO_ADDRESS, from)
        f.i64Store(ZERO_ADDRESS, FPU_IMAGE + at, select(wide, value, i64.and(value, i64.const(0xffffffff))))
      }
    })
    set(f, FPU_IMAGE + 24, word(MXCSR))
    set(f, FPU_IMAGE + 28, i32.const(MXCSR_MASK))
    f.callVoid('x87_image_registers', i32.const(FPU_IMAGE + FXSAVE_ST), i32.const(16), i32.const(1))
    times(f, i32.const(16), (i) => {
      f.v128Store(i32.shl(i, i32.const(4)), FPU_IMAGE + FXSAVE_XMM, v.load(i32.mul(i, i32.const(VECTOR_STRIDE)), VECTOR))
    })
  })
  module.function('x87_read_fxsave', signature(['i32']), (f) => {
    const [wide] = f.params
    setControl(f, i32.load16U(ZERO_ADDRESS, FPU_IMAGE))
    set(f, FPU_STATUS, i32.load16U(ZERO_ADDRESS, FPU_IMAGE + 2))
    const tags = f.local('i32')
    times(f, i32.const(8), (i) => {
      const empty = i32.eqz(i32.and(i32.shrU(i32.load8U(ZERO_ADDRESS, FPU_IMAGE + 4), i), i32.const(1)))
      f.set(tags, i32.or(tags, i32.shl(i32.mul(empty, i32.const(3)), i32.shl(i, i32.const(1)))))
    })
    set(f, FPU_TAG, tags)
    set(f, FPU_OPCODE, i32.and(i32.load16U(ZERO_ADDRESS, FPU_IMAGE + 6), i32.const(OPCODE_MASK)))
    for (const [at, to] of [[8, FPU_IP], [16, FPU_DP]] as const) {
      f.i64Store(ZERO_ADDRESS, to, select(wide, i64.load(ZERO_ADDRESS, FPU_IMAGE + at), i64.load32U(ZERO_ADDRESS, FPU_IMAGE + at)))
    }
    set(f, MXCSR, word(FPU_IMAGE + 24))
    f.callVoid('x87_image_registers', i32.const(FPU_IMAGE + FXSAVE_ST), i32.const(16), i32.const(0))
    times(f, i32.const(16), (i) => {
      f.v128Store(i32.mul(i, i32.const(VECTOR_STRIDE)), VECTOR, v.load(i32.shl(i, i32.const(4)), FPU_IMAGE + FXSAVE_XMM))
    })
    f.callVoid('x87_summarize')
  })
}

// ——— Images in guest memory ———

/** FPU_IMAGE to memory, in units of `unit` bytes; all of it was probed. */
const storeImage = (e: Emitter, bytes: number, unit: 2 | 8): void => {
  const address = e.address(0)
  times(e.f, i32.const(bytes / unit), (count) => {
    const offset = e.f.let(i32.mul(count, i32.const(unit)))
    const value = unit === 2 ? i64.load16U(offset, FPU_IMAGE) : i64.load(offset, FPU_IMAGE)
    e.store(i64.add(address, i64.extendI32U(offset)), unit, value)
  })
}

const loadImage = (e: Emitter, bytes: number, unit: 2 | 8): void => {
  const address = e.address(0)
  times(e.f, i32.const(bytes / unit), (count) => {
    const offset = e.f.let(i32.mul(count, i32.const(unit)))
    const value = e.load(i64.add(address, i64.extendI32U(offset)), unit)
    if (unit === 2) e.f.i64Store16(offset, FPU_IMAGE, value)
    else e.f.i64Store(offset, FPU_IMAGE, value)
  })
}

/**
 * All of an image must be there before anything happens. Which byte a fault reports is as on AMD processors: of the first
 * word, else the last one; the other way round for FXSAVE and FXRSTOR.
 */
const probeImage = (e: Emitter, bytes: number, write: boolean): void => {
  const address = e.address(0)
  const last = e.f.let(i64.add(address, i64.const(bytes - 1)))
  const probe = (at: Expr, size: number): void => {
    if (write) e.probeWrite(at, size)
    else e.load(at, size)
  }
  if (bytes === FXSAVE_SIZE) probe(last, 1)
  probe(address, e.size === 2 ? 2 : 4)
  if (bytes !== FXSAVE_SIZE) probe(last, 1)
}

/** Bytes of an environment; 66 makes it that of 16-bit mode. */
const environmentBytes = (e: Emitter): number => e.size === 2 ? 14 : 28
const isWide = (e: Emitter): Expr => i32.const(e.size === 2 ? 0 : 1)
const REGISTER_BYTES = 80

const checkImageAligned = (e: Emitter): void => {
  const address = e.address(0)
  e.f.if(i32.and(i32.wrap(address), i32.const(15)), () => { e.faultMisaligned(address) })
}

const fxsave: Semantics = (e) => {
  checkImageAligned(e)
  probeImage(e, FXSAVE_SIZE, true)
  e.callVoid('x87_write_fxsave', i32.const(e.size === 8 ? 1 : 0))
  storeImage(e, FXSAVE_WRITTEN, 8)
}

const fxrstor: Semantics = (e) => {
  checkImageAligned(e)
  probeImage(e, FXSAVE_SIZE, false)
  loadImage(e, FXSAVE_WRITTEN, 8)
  e.faultIf(i32.and(word(FPU_IMAGE + 24), i32.const(~MXCSR_MASK)), 13)
  e.callVoid('x87_read_fxsave', i32.const(e.size === 8 ? 1 : 0))
}

export const X87_CONTROL: Family = {
  fninit: (e) => { e.callVoid('x87_init') },
  /** Exceptions, stack fault, summary and busy. */
  fnclex: (e) => { e.setState32(FPU_STATUS, i32.and(e.state32(FPU_STATUS), i32.const(0x7f00))) },
  fnstcw: (e) => { e.write(0, i64.extendI32U(e.state32(FPU_CONTROL))) },
  fnstsw: (e) => { e.write(0, i64.extendI32U(e.state32(FPU_STATUS))) },
  fnstsw_ax: (e) => { e.setGpr(RAX, i64.extendI32U(e.state32(FPU_STATUS)), 2) },
  /** Unmasking a flag that is set makes it pending. */
  fldcw: waiting((e) => {
    const value = e.read(0)
    setControl(e.f, i32.wrap(value))
    e.callVoid('x87_summarize')
  }),
  fnstenv: (e) => {
    probeImage(e, environmentBytes(e), true)
    e.callVoid('x87_write_environment', isWide(e))
    storeImage(e, environmentBytes(e), 2)
    // All exceptions are masked now, so that none is pending.
    e.setState32(FPU_CONTROL, i32.or(e.state32(FPU_CONTROL), i32.const(EXCEPTION_MASKS)))
    e.callVoid('x87_summarize')
  },
  fldenv: waiting((e) => {
    probeImage(e, environmentBytes(e), false)
    loadImage(e, environmentBytes(e), 2)
    e.callVoid('x87_read_environment', isWide(e))
  }),
  fnsave: (e) => {
    const bytes = environmentBytes(e)
    probeImage(e, bytes + REGISTER_BYTES, true)
    e.callVoid('x87_write_environment', isWide(e))
    e.callVoid('x87_image_registers', i32.const(FPU_IMAGE + bytes), i32.const(10), i32.const(1))
    storeImage(e, bytes + REGISTER_BYTES, 2)
    e.callVoid('x87_init')
  },
  frstor: waiting((e) => {
    const bytes = environmentBytes(e)
    probeImage(e, bytes + REGISTER_BYTES, false)
    loadImage(e, bytes + REGISTER_BYTES, 2)
    e.callVoid('x87_read_environment', isWide(e))
    e.callVoid('x87_image_registers', i32.const(FPU_IMAGE + bytes), i32.const(10), i32.const(0))
  }),
  fxsave, fxrstor,
}
