/** The vDSO as state: the pages that every process maps, made when the first program is loaded (see vdso.ts). */
import type { SharedMemory } from '../mm/address-space.ts'

export interface VdsoState {
  readonly kind: 'vdso'
  image: SharedMemory | undefined
  /** The page of time data beside it, and its frame (0: not made yet). */
  data: SharedMemory | undefined
  dataFrame: number
}
export const makeVdso = (): VdsoState => ({ kind: 'vdso', image: undefined, data: undefined, dataFrame: 0 })
