/** AVX and AVX2: loads and stores under a mask, gathers (Intel SDM volume 2). */
import { PAGE_MASK, PAGE_SIZE } from '../cpu/layout.ts'
import { type Expr, i32, i64, select, v } from '../wasm/expression.ts'
import type { Local } from '../wasm/function.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

type ElementBytes = 4 | 8

/** All ones where the sign bit of an element is set. */
const spread = (mask: Expr, bytes: ElementBytes): Expr => bytes === 4 ? v.i32x4ShrS(mask, i32.const(31)) : v.i64x2ShrS(mask, i32.const(63))
/** The sign bit of an element (i32, zero or not). */
const signAt = (mask: readonly Expr[], bytes: ElementBytes, element: number): Expr => {
  const perLane = 16 / bytes
  const bits = bytes === 4 ? v.i32x4Bitmask : v.i64x2Bitmask
  return i32.and(bits(mask[Math.floor(element / perLane)]), i32.const(1 << (element % perLane)))
}
const extract = (lanes: readonly Expr[], bytes: ElementBytes, element: number): Expr =>
  bytes === 4 ? i64.extendI32U(v.i32x4ExtractLane(lanes[element >> 2], element & 3)) : v.i64x2ExtractLane(lanes[element >> 1], element & 1)
const replace = (lanes: readonly Local[], bytes: ElementBytes, element: number, value: Expr): [Local, Expr] => {
  const lane = lanes[Math.floor(element / (16 / bytes))]
  return [lane, bytes === 4 ? v.i32x4ReplaceLane(lane, element & 3, i32.wrap(value)) : v.i64x2ReplaceLane(lane, element & 1, value)]
}
const addressOf = (e: Emitter, address: Expr, offset: number): Expr => e.f.let(i64.add(address, i64.const(offset)))

/** Host address of all of a vector, if the soft TLB has its one page; else 0. */
const whole = (e: Emitter, address: Expr, size: number, write: boolean): Expr => {
  const fits = i32.leU(i32.and(i32.wrap(address), i32.const(PAGE_MASK)), i32.const(PAGE_SIZE - size))
  return e.f.let(select(fits, e.hostIfCached(address, write), i32.const(0)))
}

/** Elements that the mask leaves out are zero, and can't fault. */
const load = (bytes: ElementBytes): Semantics => (e) => {
  const { f, size } = e
  const mask = e.readLanes(1)
  const address = e.address(2)
  const host = whole(e, address, size, false)
  const quick = (): Expr[] => mask.map((lane, i) => v.v128And(v.load(host, i * 16), spread(lane, bytes)))
  if (e.otherwisePlain(host)) {
    e.writeLanes(0, quick())
    return
  }
  const result = mask.map(() => f.local('v128'))
  f.if(host, () => { quick().forEach((lane, i) => { f.set(result[i], lane) }) }, () => {
    for (let element = 0; element < size / bytes; element++) {
      f.if(signAt(mask, bytes, element), () => { f.set(...replace(result, bytes, element, e.load(addressOf(e, address, element * bytes), bytes))) })
    }
  })
  e.writeLanes(0, result)
}

/** Nothing is stored if one of the elements that the mask names can't be. */
const store = (bytes: ElementBytes): Semantics => (e) => {
  const { f, size } = e
  const mask = e.readLanes(1)
  const values = e.readLanes(2)
  const address = e.address(0)
  const host = whole(e, address, size, true)
  const quick = (): void => {
    mask.forEach((lane, i) => { f.v128Store(host, i * 16, v.v128Bitselect(values[i], v.load(host, i * 16), spread(lane, bytes))) })
  }
  if (e.otherwisePlain(host)) {
    quick()
    return
  }
  f.if(host, quick, () => {
    const each = (body: (element: number, at: Expr) => void): void => {
      for (let element = 0; element < size / bytes; element++) {
        f.if(signAt(mask, bytes, element), () => { body(element, addressOf(e, address, element * bytes)) })
      }
    }
    each((_, at) => { e.probeWrite(at, bytes) })
    each((element, at) => { e.store(at, bytes, extract(values, bytes, element)) })
  })
}

/**
 * Elements are fetched from the first to the last; one that can't be leaves those before it in the destination, and their mask cleared.
 * What the rest of both registers is then the manual does not say: here it is as before, as on AMD processors.
 * @param a32 addresses without the segment's base are 32-bit
 */
const gather = (indexBytes: ElementBytes, bytes: ElementBytes, a32: boolean): Semantics => (e) => {
  const { f } = e
  const count = e.size / Math.max(indexBytes, bytes)
  const used = count * bytes
  const lanes = (at: number): Local[] => e.readLanes(at).slice(0, Math.ceil(used / 16)).map((lane) => {
    const copy = f.local('v128')
    f.set(copy, lane)
    return copy
  })
  const { lanes: indices, shift } = e.vsibIndex()
  const result = lanes(0)
  const mask = lanes(2)
  const base = e.address(1)
  const segment = a32 ? f.let(e.segmentBase()) : undefined
  const write = (put: (at: number, lanes: readonly Expr[]) => void): void => {
    put(0, result)
    put(2, mask)
  }
  /** What is not reached yet stays, the upper half of the register as well. */
  const soFar = (at: number, all: readonly Expr[]): void => {
    if (all.length === 1) e.writeVector(at, all[0])
    else e.writeLanes(at, all)
  }
  const addressAt = (element: number): Expr => {
    const index = extract(indices, indexBytes, element)
    const scaled = i64.shl(indexBytes === 4 ? i64.extend32S(index) : index, i64.extendI32U(shift))
    if (segment === undefined) return f.let(i64.add(base, scaled))
    return f.let(i64.add(i64.and(i64.add(i64.sub(base, segment), scaled), i64.const(0xffffffff)), segment))
  }
  for (let element = 0; element < count; element++) {
    f.if(signAt(mask, bytes, element), () => {
      if (element > 0) e.soFar(() => { write(soFar) })
      f.set(...replace(result, bytes, element, e.load(addressAt(element), bytes)))
    })
    f.set(...replace(mask, bytes, element, i64.const(0)))
  }
  // Two dwords fill half of a lane.
  if (used === 8) for (const [lane] of [result, mask]) f.set(lane, v.v128And(lane, v.const(-1n, 0n)))
  write((at, all) => { e.writeLanes(at, all) })
}

const family: Record<string, Semantics> = {}
for (const [index, indexBytes] of [['d', 4], ['q', 8]] as const) {
  for (const [element, bytes] of [['d', 4], ['q', 8]] as const) {
    family[`vgather${index}${element}`] = gather(indexBytes, bytes, false)
    family[`vgather${index}${element}_far_a32`] = gather(indexBytes, bytes, true)
  }
}

export const VEX_MASKED: Family = { ...family, vmaskload4: load(4), vmaskload8: load(8), vmaskstore4: store(4), vmaskstore8: store(8) }
