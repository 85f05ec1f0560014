/** The vDSO as state: the pages that every process maps, made when the first program is loaded (see vdso.ts). */
import type { SharedMemory } from '../mm/address-space.ts'

export interface VdsoState {
  readonly kind: 'vdso'
  image: SharedMemory | undefined
  /** The image for tasks in a time namespace with offsets (undefined: nobody was yet). */
  shiftedImage: SharedMemory | undefined
  /** The page of time data beside it, and its frame (0: not made yet). */
  data: SharedMemory | undefined
  dataFrame: number
}
export const makeVdso = (): VdsoState => ({ kind: 'vdso', image: undefined, shiftedImage: undefined, data: undefined, dataFrame: 0 })
