import { PAGE_SIZE } from '../../emu/cpu/layout.ts'

/** C integer types out of the signed numbers in which system-call arguments arrive. */
export const int32 = (value: number): number => value | 0
export const uint32 = (value: number): number => value >>> 0
const TWO_64 = 2 ** 64
/** unsigned long: exact up to 2^53. */
export const uint64 = (value: number): number => value < 0 ? value + TWO_64 : value
/** Whether an address is that of a page; of the argument as it came, as above 2^53 `uint64` is not exact. */
export const isAligned = (argument: number): boolean => argument % PAGE_SIZE === 0
