/**
 * npm run bench [-- name …] [--quick] [--alone] [--json FILE]
 *   name     only what contains one of these: start-up, recording, traces, a guest of bench/guests, sqlite3, kernel (or kernel: once,
 *            kernel: growth files, dd, find, loopback) …
 *   --quick  programs once, a fourth of the work, and nothing but programs: for the development of the processor
 *   --alone  tier 0 only, without native and qemu beside
 *   --json   all rows into a file as well
 */
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { processorTable } from './processor.ts'
import { sessionTables } from './session.ts'
import { programTables } from './programs.ts'
import { kernelTables } from './kernel.ts'
import { Tables } from './table.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { alone: { type: 'boolean' }, json: { type: 'string' }, quick: { type: 'boolean' } } })
const wanted = (name: string): boolean => positionals.length === 0 || positionals.some((part) => name.includes(part))

const isQuick = values.quick === true
const tables = new Tables({
  processor: cpus()[0]?.model ?? process.arch, CPUs: cpus().length, Node: process.versions.node, V8: process.versions.v8,
  load: Number(loadavg()[0].toFixed(1)), started: new Date().toISOString(),
}, values.json)
if (!isQuick) sessionTables(wanted, tables)
if (values.alone !== true) programTables(wanted, isQuick, tables)
if (!isQuick) kernelTables(wanted, tables)
if (!isQuick) processorTable(wanted, values.alone !== true, tables)
