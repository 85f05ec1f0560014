/** All rows, indexed by opcode map and opcode. Add a table here when you add a file of rows. */
import type { Row } from '../rows.ts'
import { BMI_ROWS } from './bmi.ts'
import { FMA_ROWS } from './fma.ts'
import { VEX_MASKED_ROWS } from './vex-masked.ts'
import { INTEGER_ROWS } from './integer.ts'
import { CONTROL_ROWS } from './control.ts'
import { EXTENSION_ROWS } from './extensions.ts'
import { MMX_ROWS } from './mmx.ts'
import { SSE_FLOAT_ROWS } from './sse-float.ts'
import { SSE_INTEGER_ROWS } from './sse-integer.ts'
import { SSE_MOVE_ROWS } from './sse-move.ts'
import { VEX_FLOAT_ROWS } from './vex-float.ts'
import { VEX_INTEGER_ROWS } from './vex-integer.ts'
import { VEX_MOVE_ROWS } from './vex-move.ts'
import { X87_ROWS } from './x87.ts'
import { XSAVE_ROWS } from './xsave.ts'

export const ALL_ROWS: readonly Row[] = [
  ...EXTENSION_ROWS,
  ...INTEGER_ROWS, ...CONTROL_ROWS,
  ...SSE_MOVE_ROWS, ...SSE_INTEGER_ROWS, ...SSE_FLOAT_ROWS, ...MMX_ROWS,
  ...X87_ROWS,
  ...VEX_MOVE_ROWS, ...VEX_INTEGER_ROWS, ...VEX_FLOAT_ROWS, ...BMI_ROWS, ...FMA_ROWS, ...VEX_MASKED_ROWS, ...XSAVE_ROWS,
]

const build = (isVex: boolean): (readonly Row[] | undefined)[][] => {
  const tables: Row[][][] = [[], [], [], []]
  for (const row of ALL_ROWS) {
    if (row.isVex !== isVex) continue
    const count = row.registerInOpcode ? 8 : 1
    for (let i = 0; i < count; i++) (tables[row.map][row.opcode + i] ??= []).push(row)
  }
  return tables
}

/** TABLES[map][opcode]: the rows to try in order. */
export const TABLES: readonly (readonly (readonly Row[] | undefined)[])[] = build(false)
/** The same for what has a VEX prefix. */
export const VEX_TABLES = build(true)
