/** The vDSO as state: the frames that every process maps, made when the first one is (see vdso.ts). */
export interface VdsoState {
  readonly kind: 'vdso'
  /** Frames of the image, in order; empty until first used. */
  readonly image: number[]
  /** The frame of time data beside it; 0 until first used. */
  data: number
}
export const makeVdso = (): VdsoState => ({ kind: 'vdso', image: [], data: 0 })
