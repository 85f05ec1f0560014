/** Stacks of a task in the middle of a run, where its registers are in the processor. */
import { CPU_STATE, CPU_STATE_SIZE } from '../../emu/cpu/layout.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Task } from '../../kernel/task/task.ts'
import { type CodeLocation, frameRegisters, locationText, unwind } from '../symbols.ts'

const FRAME_RIP = 16
const MOST_FRAMES = 16

/** While an access of the task is told of (`AccessListener`): the engine keeps registers in memory then, but for rip. Innermost first. */
export const framesAt = (kernel: Kernel, task: Task, rip: number): CodeLocation[] => {
  const registers = [...frameRegisters(kernel.memory.u8.slice(CPU_STATE, CPU_STATE + CPU_STATE_SIZE))]
  registers[FRAME_RIP] = rip
  return unwind(kernel, task, registers, MOST_FRAMES)
}

export const frameLines = (frames: readonly CodeLocation[]): string[] => frames.map((frame) => `      ${locationText(frame)}`)
