/** Plain tables for people, and all of them as JSON for machines. */
import { writeFileSync } from 'node:fs'

export type Row = Readonly<Record<string, string | number>>

/** Of the first column, and of a number. */
const NAME_WIDTH = 38, NUMBER_WIDTH = 8

export const format = (value: number, digits = 3): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(digits)))

const widthsOf = (columns: readonly string[]): number[] => columns.map((column, i) => i === 0 ? Math.max(column.length, NAME_WIDTH) : Math.max(column.length, NUMBER_WIDTH))
const line = (words: readonly string[], widths: readonly number[]): string => words.map((text, i) => i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i])).join('  ')

/** Prints each row as it is measured: the whole takes longer than anybody wants to wait, and may be ended before. */
export class Tables {
  readonly #all: { readonly title: string, readonly rows: Row[] }[] = []
  readonly #file: string | undefined
  readonly #about: Row

  /** @param file where all of it goes as JSON, written again after each row */
  constructor(about: Row, file?: string) {
    this.#about = about
    this.#file = file
    console.log(Object.entries(about).map(([name, value]) => `${name} ${value}`).join(', '))
  }

  /** Rows with one title follow each other and have the same columns. */
  add(title: string, row: Row): void {
    let table = this.#all.at(-1)
    const columns = Object.keys(table?.title === title ? table.rows[0] : row)
    const widths = widthsOf(columns)
    if (table?.title !== title) {
      table = { title, rows: [] }
      this.#all.push(table)
      console.log(`\n${title}\n${line(columns, widths)}`)
    }
    table.rows.push(row)
    console.log(line(columns.map((column) => { const value = row[column] ?? ''; return typeof value === 'number' ? format(value) : value }), widths))
    if (this.#file !== undefined) writeFileSync(this.#file, `${JSON.stringify({ about: this.#about, tables: this.#all })}\n`)
  }
}
