/**
 * npm run bench [-- name …] [--quick] [--alone] [--json]
 *   name     only what contains one of these: start-up, recording, traces, a guest of bench/guests, sqlite3, kernel (or kernel: once,
 *            kernel: growth files, dd, find, loopback) …
 *   --quick  programs once, a fourth of the work, and nothing but programs: for the development of the processor
 *   --alone  tier 0 only, without native and qemu beside
 */
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { processorRows } from './processor.ts'
import { sessionTables } from './session.ts'
import { programTables } from './programs.ts'
import { kernelTables } from './kernel.ts'
import { printTable } from './table.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { alone: { type: 'boolean' }, json: { type: 'boolean' }, quick: { type: 'boolean' } } })
const wanted = (name: string): boolean => positionals.length === 0 || positionals.some((part) => name.includes(part))

const isQuick = values.quick === true
const session = isQuick ? [] : sessionTables(wanted)
const programs = values.alone === true ? [] : programTables(wanted, isQuick)
const kernel = isQuick ? [] : kernelTables(wanted)
const processor = isQuick ? [] : processorRows(wanted, values.alone !== true)
if (values.json === true) console.log(JSON.stringify({ session, programs, kernel, processor }))
else {
  console.log(`${cpus()[0]?.model ?? process.arch}, ${cpus().length} CPUs, Node ${process.versions.node} (V8 ${process.versions.v8}), load ${loadavg()[0].toFixed(1)}`)
  for (const { title, rows } of session) printTable(title, rows)
  for (const { title, rows } of programs) printTable(`${title}, through the command line (processor time, start-up included)`, rows)
  for (const { title, rows } of kernel) printTable(title, rows)
  printTable('The processor, without the kernel (processor time of its thread)', processor)
}
