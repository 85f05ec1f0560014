/** FMA3: x × y + z (Intel SDM volume 2). Which operands are factors is in the three digits of the names. */
import { type FmaSigns, lanesFma, scalarFma } from '../float/fma-emit.ts'
import { v } from '../wasm/expression.ts'
import type { Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

const SIGNS: Readonly<Record<string, FmaSigns>> = {
  fmadd: { product: [false, false], addend: [false, false] }, fmsub: { product: [false, false], addend: [true, true] },
  fnmadd: { product: [true, true], addend: [false, false] }, fnmsub: { product: [true, true], addend: [true, true] },
  // Even elements are subtracted, odd ones added; and the other way round.
  fmaddsub: { product: [false, false], addend: [true, false] }, fmsubadd: { product: [false, false], addend: [false, true] },
}
/** Operands (from 1) that are x, y and z. */
const ORDERS: Readonly<Record<string, readonly [x: number, y: number, z: number]>> = { 132: [1, 3, 2], 213: [2, 1, 3], 231: [2, 3, 1] }

const family: Record<string, Semantics> = {}
for (const [operation, signs] of Object.entries(SIGNS)) {
  for (const [order, places] of Object.entries(ORDERS)) {
    for (const [suffix, name] of [['ps', 'f32'], ['pd', 'f64']] as const) {
      family[`v${operation}${order}${suffix}`] = (e) => {
        const third = e.readLanes(2)
        const operands = [e.readLanes(0), e.readLanes(1), third]
        const [x, y, z] = places.map((place) => operands[place - 1])
        e.writeLanes(0, lanesFma(e, name, x, y, z, signs))
      }
    }
    for (const [suffix, name, size] of [['ss', 'f32', 4], ['sd', 'f64', 8]] as const) {
      family[`v${operation}${order}${suffix}`] = (e) => {
        const third = e.readPart(2, size)
        const operands = [e.readPart(0, 16), e.readPart(1, 16), third]
        const [x, y, z] = places.map((place) => operands[place - 1])
        const result = scalarFma(e, name, x, y, z, signs)
        const lanes = size === 4 ? v.i32x4ReplaceLane(operands[0], 0, v.i32x4ExtractLane(result, 0)) : v.i64x2ReplaceLane(operands[0], 0, v.i64x2ExtractLane(result, 0))
        e.writeLanes(0, [lanes])
      }
    }
  }
}

export const FMA: Family = family
