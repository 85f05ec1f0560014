/**
 * The numeric instructions as tables: name → opcode (Wasm Core Specification, 5.4.7 and 5.4.8).
 * One table per shape of operands, so that `expression.ts` can make a typed function of each row.
 */

export const I32_BINARY = {
  add: 0x6a, sub: 0x6b, mul: 0x6c, divS: 0x6d, divU: 0x6e, remS: 0x6f, remU: 0x70, and: 0x71, or: 0x72, xor: 0x73,
  shl: 0x74, shrS: 0x75, shrU: 0x76, rotl: 0x77, rotr: 0x78,
} as const

export const I32_COMPARE = {
  eq: 0x46, ne: 0x47, ltS: 0x48, ltU: 0x49, gtS: 0x4a, gtU: 0x4b, leS: 0x4c, leU: 0x4d, geS: 0x4e, geU: 0x4f,
} as const

export const I32_UNARY = {
  clz: 0x67, ctz: 0x68, popcnt: 0x69, eqz: 0x45, extend8S: 0xc0, extend16S: 0xc1,
} as const

export const I64_BINARY = {
  add: 0x7c, sub: 0x7d, mul: 0x7e, divS: 0x7f, divU: 0x80, remS: 0x81, remU: 0x82, and: 0x83, or: 0x84, xor: 0x85,
  shl: 0x86, shrS: 0x87, shrU: 0x88, rotl: 0x89, rotr: 0x8a,
} as const

export const I64_COMPARE = {
  eq: 0x51, ne: 0x52, ltS: 0x53, ltU: 0x54, gtS: 0x55, gtU: 0x56, leS: 0x57, leU: 0x58, geS: 0x59, geU: 0x5a,
} as const

export const I64_UNARY = {
  clz: 0x79, ctz: 0x7a, popcnt: 0x7b, extend8S: 0xc2, extend16S: 0xc3, extend32S: 0xc4,
} as const

export const F32_COMPARE = {
  eq: 0x5b, ne: 0x5c, lt: 0x5d, gt: 0x5e, le: 0x5f, ge: 0x60,
} as const

export const F32_UNARY = {
  abs: 0x8b, neg: 0x8c, ceil: 0x8d, floor: 0x8e, trunc: 0x8f, nearest: 0x90, sqrt: 0x91,
} as const

export const F32_BINARY = {
  add: 0x92, sub: 0x93, mul: 0x94, div: 0x95, min: 0x96, max: 0x97, copysign: 0x98,
} as const

export const F64_COMPARE = {
  eq: 0x61, ne: 0x62, lt: 0x63, gt: 0x64, le: 0x65, ge: 0x66,
} as const

export const F64_UNARY = {
  abs: 0x99, neg: 0x9a, ceil: 0x9b, floor: 0x9c, trunc: 0x9d, nearest: 0x9e, sqrt: 0x9f,
} as const

export const F64_BINARY = {
  add: 0xa0, sub: 0xa1, mul: 0xa2, div: 0xa3, min: 0xa4, max: 0xa5, copysign: 0xa6,
} as const

/** Conversions: name → [opcode, from, to]. Saturating truncations carry the 0xfc prefix in bits 8 and up. */
export const CONVERT = {
  i32WrapI64: [0xa7, 'i64', 'i32'], i64ExtendI32S: [0xac, 'i32', 'i64'], i64ExtendI32U: [0xad, 'i32', 'i64'],
  i64Eqz: [0x50, 'i64', 'i32'],
  f32ConvertI32S: [0xb2, 'i32', 'f32'], f32ConvertI32U: [0xb3, 'i32', 'f32'],
  f32ConvertI64S: [0xb4, 'i64', 'f32'], f32ConvertI64U: [0xb5, 'i64', 'f32'], f32DemoteF64: [0xb6, 'f64', 'f32'],
  f64ConvertI32S: [0xb7, 'i32', 'f64'], f64ConvertI32U: [0xb8, 'i32', 'f64'],
  f64ConvertI64S: [0xb9, 'i64', 'f64'], f64ConvertI64U: [0xba, 'i64', 'f64'], f64PromoteF32: [0xbb, 'f32', 'f64'],
  i32ReinterpretF32: [0xbc, 'f32', 'i32'], i64ReinterpretF64: [0xbd, 'f64', 'i64'],
  f32ReinterpretI32: [0xbe, 'i32', 'f32'], f64ReinterpretI64: [0xbf, 'i64', 'f64'],
  i32TruncSatF32S: [0xfc00, 'f32', 'i32'], i32TruncSatF32U: [0xfc01, 'f32', 'i32'],
  i32TruncSatF64S: [0xfc02, 'f64', 'i32'], i32TruncSatF64U: [0xfc03, 'f64', 'i32'],
  i64TruncSatF32S: [0xfc04, 'f32', 'i64'], i64TruncSatF32U: [0xfc05, 'f32', 'i64'],
  i64TruncSatF64S: [0xfc06, 'f64', 'i64'], i64TruncSatF64U: [0xfc07, 'f64', 'i64'],
} as const

/** Loads: name → [opcode, result type, natural alignment as a power of two]. 0xfd in bits 8 and up: SIMD prefix. */
export const LOAD = {
  i32Load: [0x28, 'i32', 2], i64Load: [0x29, 'i64', 3], f32Load: [0x2a, 'f32', 2], f64Load: [0x2b, 'f64', 3],
  i32Load8S: [0x2c, 'i32', 0], i32Load8U: [0x2d, 'i32', 0], i32Load16S: [0x2e, 'i32', 1], i32Load16U: [0x2f, 'i32', 1],
  i64Load8S: [0x30, 'i64', 0], i64Load8U: [0x31, 'i64', 0], i64Load16S: [0x32, 'i64', 1], i64Load16U: [0x33, 'i64', 1],
  i64Load32S: [0x34, 'i64', 2], i64Load32U: [0x35, 'i64', 2], v128Load: [0xfd00, 'v128', 4],
  v128Load32Zero: [0xfd5c, 'v128', 2], v128Load64Zero: [0xfd5d, 'v128', 3],
} as const

/** Stores: name → [opcode, value type, natural alignment as a power of two]. */
export const STORE = {
  i32Store: [0x36, 'i32', 2], i64Store: [0x37, 'i64', 3], f32Store: [0x38, 'f32', 2], f64Store: [0x39, 'f64', 3],
  i32Store8: [0x3a, 'i32', 0], i32Store16: [0x3b, 'i32', 1],
  i64Store8: [0x3c, 'i64', 0], i64Store16: [0x3d, 'i64', 1], i64Store32: [0x3e, 'i64', 2], v128Store: [0xfd0b, 'v128', 4],
} as const

export const SIMD_BINARY = {
  i8x16Eq: 0x23, i8x16Ne: 0x24, i8x16LtS: 0x25, i8x16LtU: 0x26, i8x16GtS: 0x27, i8x16GtU: 0x28, i8x16LeS: 0x29,
  i8x16LeU: 0x2a, i8x16GeS: 0x2b, i8x16GeU: 0x2c, i16x8Eq: 0x2d, i16x8Ne: 0x2e, i16x8LtS: 0x2f, i16x8LtU: 0x30,
  i16x8GtS: 0x31, i16x8GtU: 0x32, i16x8LeS: 0x33, i16x8LeU: 0x34, i16x8GeS: 0x35, i16x8GeU: 0x36, i32x4Eq: 0x37,
  i32x4Ne: 0x38, i32x4LtS: 0x39, i32x4LtU: 0x3a, i32x4GtS: 0x3b, i32x4GtU: 0x3c, i32x4LeS: 0x3d, i32x4LeU: 0x3e,
  i32x4GeS: 0x3f, i32x4GeU: 0x40, f32x4Eq: 0x41, f32x4Ne: 0x42, f32x4Lt: 0x43, f32x4Gt: 0x44, f32x4Le: 0x45,
  f32x4Ge: 0x46, f64x2Eq: 0x47, f64x2Ne: 0x48, f64x2Lt: 0x49, f64x2Gt: 0x4a, f64x2Le: 0x4b, f64x2Ge: 0x4c,
  v128And: 0x4e, v128AndNot: 0x4f, v128Or: 0x50, v128Xor: 0x51, i8x16Swizzle: 0xe, i8x16NarrowI16x8S: 0x65,
  i8x16NarrowI16x8U: 0x66, i16x8NarrowI32x4S: 0x85, i16x8NarrowI32x4U: 0x86, i8x16Add: 0x6e, i8x16AddSatS: 0x6f,
  i8x16AddSatU: 0x70, i8x16Sub: 0x71, i8x16SubSatS: 0x72, i8x16SubSatU: 0x73, i8x16MinS: 0x76, i8x16MinU: 0x77,
  i8x16MaxS: 0x78, i8x16MaxU: 0x79, i8x16AvgrU: 0x7b, i16x8Add: 0x8e, i16x8AddSatS: 0x8f, i16x8AddSatU: 0x90,
  i16x8Sub: 0x91, i16x8SubSatS: 0x92, i16x8SubSatU: 0x93, i16x8Mul: 0x95, i16x8MinS: 0x96, i16x8MinU: 0x97,
  i16x8MaxS: 0x98, i16x8MaxU: 0x99, i16x8AvgrU: 0x9b, i16x8Q15mulrSatS: 0x82, i16x8ExtmulLowI8x16S: 0x9c,
  i16x8ExtmulHighI8x16S: 0x9d, i16x8ExtmulLowI8x16U: 0x9e, i16x8ExtmulHighI8x16U: 0x9f, i32x4Add: 0xae,
  i32x4Sub: 0xb1, i32x4Mul: 0xb5, i32x4MinS: 0xb6, i32x4MinU: 0xb7, i32x4MaxS: 0xb8, i32x4MaxU: 0xb9,
  i32x4DotI16x8S: 0xba, i32x4ExtmulLowI16x8S: 0xbc, i32x4ExtmulHighI16x8S: 0xbd, i32x4ExtmulLowI16x8U: 0xbe,
  i32x4ExtmulHighI16x8U: 0xbf, i64x2Add: 0xce, i64x2Sub: 0xd1, i64x2Mul: 0xd5, i64x2Eq: 0xd6, i64x2Ne: 0xd7,
  i64x2LtS: 0xd8, i64x2GtS: 0xd9, i64x2LeS: 0xda, i64x2GeS: 0xdb, i64x2ExtmulLowI32x4S: 0xdc,
  i64x2ExtmulHighI32x4S: 0xdd, i64x2ExtmulLowI32x4U: 0xde, i64x2ExtmulHighI32x4U: 0xdf, f32x4Add: 0xe4,
  f32x4Sub: 0xe5, f32x4Mul: 0xe6, f32x4Div: 0xe7, f32x4Min: 0xe8, f32x4Max: 0xe9, f32x4Pmin: 0xea, f32x4Pmax: 0xeb,
  f64x2Add: 0xf0, f64x2Sub: 0xf1, f64x2Mul: 0xf2, f64x2Div: 0xf3, f64x2Min: 0xf4, f64x2Max: 0xf5, f64x2Pmin: 0xf6,
  f64x2Pmax: 0xf7,
} as const

export const SIMD_UNARY = {
  v128Not: 0x4d, f32x4DemoteF64x2Zero: 0x5e, f64x2PromoteLowF32x4: 0x5f, i8x16Abs: 0x60, i8x16Neg: 0x61,
  i8x16Popcnt: 0x62, i16x8Abs: 0x80, i16x8Neg: 0x81, i16x8ExtendLowI8x16S: 0x87, i16x8ExtendHighI8x16S: 0x88,
  i16x8ExtendLowI8x16U: 0x89, i16x8ExtendHighI8x16U: 0x8a, i16x8ExtaddPairwiseI8x16S: 0x7c,
  i16x8ExtaddPairwiseI8x16U: 0x7d, i32x4ExtaddPairwiseI16x8S: 0x7e, i32x4ExtaddPairwiseI16x8U: 0x7f, i32x4Abs: 0xa0,
  i32x4Neg: 0xa1, i32x4ExtendLowI16x8S: 0xa7, i32x4ExtendHighI16x8S: 0xa8, i32x4ExtendLowI16x8U: 0xa9,
  i32x4ExtendHighI16x8U: 0xaa, i64x2Abs: 0xc0, i64x2Neg: 0xc1, i64x2ExtendLowI32x4S: 0xc7,
  i64x2ExtendHighI32x4S: 0xc8, i64x2ExtendLowI32x4U: 0xc9, i64x2ExtendHighI32x4U: 0xca, f32x4Ceil: 0x67,
  f32x4Floor: 0x68, f32x4Trunc: 0x69, f32x4Nearest: 0x6a, f64x2Ceil: 0x74, f64x2Floor: 0x75, f64x2Trunc: 0x7a,
  f64x2Nearest: 0x94, f32x4Abs: 0xe0, f32x4Neg: 0xe1, f32x4Sqrt: 0xe3, f64x2Abs: 0xec, f64x2Neg: 0xed,
  f64x2Sqrt: 0xef, i32x4TruncSatF32x4S: 0xf8, i32x4TruncSatF32x4U: 0xf9, f32x4ConvertI32x4S: 0xfa,
  f32x4ConvertI32x4U: 0xfb, i32x4TruncSatF64x2SZero: 0xfc, i32x4TruncSatF64x2UZero: 0xfd,
  f64x2ConvertLowI32x4S: 0xfe, f64x2ConvertLowI32x4U: 0xff,
} as const

/** v128 → i32. */

export const SIMD_TEST = {
  v128AnyTrue: 0x53, i8x16AllTrue: 0x63, i8x16Bitmask: 0x64, i16x8AllTrue: 0x83, i16x8Bitmask: 0x84,
  i32x4AllTrue: 0xa3, i32x4Bitmask: 0xa4, i64x2AllTrue: 0xc3, i64x2Bitmask: 0xc4,
} as const

/** v128 and an i32 count, taken modulo the lane width. */

export const SIMD_SHIFT = {
  i8x16Shl: 0x6b, i8x16ShrS: 0x6c, i8x16ShrU: 0x6d, i16x8Shl: 0x8b, i16x8ShrS: 0x8c, i16x8ShrU: 0x8d, i32x4Shl: 0xab,
  i32x4ShrS: 0xac, i32x4ShrU: 0xad, i64x2Shl: 0xcb, i64x2ShrS: 0xcc, i64x2ShrU: 0xcd,
} as const

/** Splats: name → [opcode, scalar type]. */
export const SIMD_SPLAT = {
  i8x16Splat: [0x0f, 'i32'], i16x8Splat: [0x10, 'i32'], i32x4Splat: [0x11, 'i32'],
  i64x2Splat: [0x12, 'i64'], f32x4Splat: [0x13, 'f32'], f64x2Splat: [0x14, 'f64'],
} as const

/** Lane extraction: name → [opcode, scalar type]. */
export const SIMD_EXTRACT = {
  i8x16ExtractLaneS: [0x15, 'i32'], i8x16ExtractLaneU: [0x16, 'i32'], i16x8ExtractLaneS: [0x18, 'i32'], i16x8ExtractLaneU: [0x19, 'i32'],
  i32x4ExtractLane: [0x1b, 'i32'], i64x2ExtractLane: [0x1d, 'i64'], f32x4ExtractLane: [0x1f, 'f32'], f64x2ExtractLane: [0x21, 'f64'],
} as const

/** Lane replacement: name → [opcode, scalar type]. */
export const SIMD_REPLACE = {
  i8x16ReplaceLane: [0x17, 'i32'], i16x8ReplaceLane: [0x1a, 'i32'], i32x4ReplaceLane: [0x1c, 'i32'],
  i64x2ReplaceLane: [0x1e, 'i64'], f32x4ReplaceLane: [0x20, 'f32'], f64x2ReplaceLane: [0x22, 'f64'],
} as const
