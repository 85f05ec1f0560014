/**
 * npm run bench [-- name …] [--alone] [--json]
 *   name     only what contains one of these
 *   --alone  don't measure native and qemu beside
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { processorRows } from './processor.ts'
import { printTable } from './table.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { alone: { type: 'boolean' }, json: { type: 'boolean' } } })
const wanted = (name: string): boolean => positionals.length === 0 || positionals.some((part) => name.includes(part))

const processor = processorRows(wanted, values.alone !== true)
if (values.json === true) console.log(JSON.stringify({ processor }))
else {
  console.log(`${cpus()[0]?.model ?? process.arch}, ${cpus().length} CPUs, Node ${process.versions.node} (V8 ${process.versions.v8})`)
  printTable('Tier 0, without the kernel', processor)
}
