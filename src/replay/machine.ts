/** The processor and memory of one world. */
import { Interpreter } from '../emu/interp/interpreter.ts'
import { PhysicalMemory } from '../emu/memory.ts'
import type { ExitReason } from '../emu/processor.ts'
import type { Engine } from './session.ts'

/** Counts the instructions of all runs: what a session measures work by, where virtual time jumps. */
export class MeteredInterpreter extends Interpreter {
  totalExecuted = 0

  constructor(memory: PhysicalMemory, engine: Engine) {
    super(memory, engine.module, engine.manifest, undefined, engine.tier)
  }

  override recycle(): void {
    super.recycle()
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
}

export const makeMachine = (engine: Engine, memoryLimit: number): Machine => {
  const memory = new PhysicalMemory(memoryLimit)
  return { memory, processor: new MeteredInterpreter(memory, engine) }
}
