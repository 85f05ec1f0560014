/**
 * Which sequences of forms a program executes, by single-stepping: what bench/choose-forms.ts chooses from.
 *
 *   node bench/profile.ts out.json limit program [arguments]      `limit`: instructions
 */
import { writeFileSync } from 'node:fs'
import { loadEngine } from '../src/cli/host.ts'
import * as layout from '../src/emu/cpu/layout.ts'
import { Interpreter } from '../src/emu/interp/interpreter.ts'
import { RECORD_LENGTH, RECORD_SIZE } from '../src/emu/interp/records.ts'
import { EXIT_BUDGET, EXIT_FAULT, type ExitReason, VECTOR_DB } from '../src/emu/processor.ts'

const LONGEST = 64
const [out, limit, ...command] = process.argv.slice(2)
const { handlers } = loadEngine().manifest
/** Names, joined by commas → how often. */
const sequences = new Map<string, number>()
let sequence: string[] = []
let total = 0

const save = (): void => { writeFileSync(out, JSON.stringify({ total, sequences: [...sequences] })) }

const note = (interpreter: Interpreter, before: number): void => {
  const { u8, u32 } = interpreter.memory
  let at = layout.STEP_RECORDS
  if (handlers[u32[at >> 2]].startsWith('@address')) at += RECORD_SIZE
  sequence.push(handlers[u32[at >> 2]])
  if (interpreter.cpu.rip !== before + u8[at + RECORD_LENGTH] || sequence.length === LONGEST) {
    const key = sequence.join(',')
    sequences.set(key, (sequences.get(key) ?? 0) + 1)
    sequence = []
  }
  if (++total >= Number(limit)) process.exit(0)
}

const run = Interpreter.prototype.run
Interpreter.prototype.run = function (budget: number, cycle: number): ExitReason {
  const flags = layout.FLAG_OTHER >> 2
  let executed = 0
  while (executed < budget) {
    const before = this.cpu.rip
    // The trap flag makes the interpreter execute one instruction alone, whatever its block.
    this.memory.u32[flags] |= layout.TF
    const reason = run.call(this, 1, cycle + executed)
    this.memory.u32[flags] &= ~layout.TF
    executed += this.executed
    if (this.executed > 0) note(this, before)
    if (reason === EXIT_FAULT && this.fault.vector === VECTOR_DB) continue
    if (reason !== EXIT_BUDGET) {
      this.executed = executed
      return reason
    }
  }
  this.executed = executed
  return EXIT_BUDGET
}

process.on('exit', save)
process.argv.splice(2, process.argv.length, 'run', ...command)
await import('../src/cli/main.ts')
