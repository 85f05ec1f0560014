/** C integer types out of the signed numbers in which system-call arguments arrive. */
export const int32 = (value: number): number => value | 0
export const uint32 = (value: number): number => value >>> 0
const TWO_64 = 2 ** 64
/** unsigned long: exact up to 2^53. */
export const uint64 = (value: number): number => value < 0 ? value + TWO_64 : value
