/** Plain tables for people. */
export type Row = Readonly<Record<string, string | number>>

export const format = (value: number, digits = 3): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(digits)))

export const printTable = (title: string, rows: readonly Row[]): void => {
  if (rows.length === 0) return
  const columns = Object.keys(rows[0])
  const cells = rows.map((row) => columns.map((column) => { const value = row[column] ?? ''; return typeof value === 'number' ? format(value) : value }))
  const widths = columns.map((column, i) => Math.max(column.length, ...cells.map((line) => line[i].length)))
  const line = (words: readonly string[]): string => words.map((text, i) => i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i])).join('  ')
  console.log(`\n${title}\n${line(columns)}`)
  for (const words of cells) console.log(line(words))
}
