/** AVX and AVX2: loads and stores under a mask, gathers (Intel SDM volume 2, appendix A, table A-4). */
import { type Row, feature, row } from '../rows.ts'

const masked = (opcode: string, storeOpcode: string, w: 'w0' | 'w1', bytes: 4 | 8): Row[] => {
  const prefix = `vex.66.0f38.${w}`
  return [row(`${prefix} ${opcode}`, `vmaskload${bytes}`, 'Vx Hx Mx'), row(`${prefix} ${storeOpcode}`, `vmaskstore${bytes}`, 'Mx Hx Vx')]
}

/** Of floats as of integers. */
const gathers: Row[] = ([['90', 'd'], ['91', 'q'], ['92', 'd'], ['93', 'q']] as const).flatMap(([opcode, index]) =>
  ([['w0', 'd'], ['w1', 'q']] as const).flatMap(([w, element]) => [
    row(`a32 vex.66.0f38.${w} ${opcode}`, `vgather${index}${element}_far_a32`, 'Vx Tn Hx'), row(`vex.66.0f38.${w} ${opcode}`, `vgather${index}${element}`, 'Vx Tn Hx'),
  ]))

export const VEX_MASKED_ROWS: readonly Row[] = [
  ...feature('avx', [...masked('2c', '2e', 'w0', 4), ...masked('2d', '2f', 'w0', 8)]),
  ...feature('avx2', [...masked('8c', '8e', 'w0', 4), ...masked('8c', '8e', 'w1', 8), ...gathers]),
]
