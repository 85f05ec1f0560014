/** The processor and memory of one world. */
import { Interpreter } from '../emu/interp/interpreter.ts'
import { PhysicalMemory } from '../emu/memory.ts'
import { MemoryVersions } from '../emu/memory-versions.ts'
import type { ExitReason } from '../emu/processor.ts'
import type { Engine } from './session.ts'

/** Counts the instructions of all runs: what a session measures work by, where virtual time jumps. */
export class MeteredInterpreter extends Interpreter {
  totalExecuted = 0
  /** Of snapshots. */
  readonly versions: MemoryVersions

  constructor(memory: PhysicalMemory, engine: Engine) {
    super(memory, engine.module, engine.manifest, undefined, engine.tier, engine.stopwatch)
    this.versions = new MemoryVersions(memory, (frame) => { this.parkCode(frame) })
  }

  override recycle(): void {
    super.recycle()
    this.versions.clear()
    this.totalExecuted = 0
  }

  override run(budget: number, cycle: number, floor = cycle): ExitReason {
    const reason = super.run(budget, cycle, floor)
    this.totalExecuted += this.executed
    return reason
  }
}

export interface Machine {
  readonly memory: PhysicalMemory
  readonly processor: MeteredInterpreter
  readonly versions: MemoryVersions
}

export const makeMachine = (engine: Engine, memoryLimit: number): Machine => {
  const memory = new PhysicalMemory(memoryLimit)
  const processor = new MeteredInterpreter(memory, engine)
  return { memory, processor, versions: processor.versions }
}
