/** Value types and their binary encoding (Wasm Core Specification, 5.3.1). */
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128'

export const VALUE_TYPE_CODE: Readonly<Record<ValueType, number>> = {
  i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b,
}

export interface Signature {
  readonly params: readonly ValueType[]
  readonly results: readonly ValueType[]
}

export const signature = (params: readonly ValueType[], results: readonly ValueType[] = []): Signature => ({ params, results })
