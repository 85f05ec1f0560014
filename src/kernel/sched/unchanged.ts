/**
 * Whether a locked instruction, before which a task was stopped, will leave memory as it is: CMPXCHG that does not find what it expects, XCHG
 * of what is there already. To others that is a read (Kokologiannakis, Ren, Vafeiadis: 'Dynamic Partial Order
 * Reductions for Spinloops', FMCAD 2021, do likewise).
 */
import { CPU_STATE, GPR, PAGE_SIZE, RAX } from '../../emu/cpu/layout.ts'
import { KIND_UPDATE } from '../../emu/watch.ts'
import type { Kernel } from '../kernel.ts'
import { PTE_FRAME, PTE_READ } from '../mm/address-space.ts'
import { getEntry } from '../mm/page-table.ts'
import type { Task } from '../task/task.ts'

const byteAt = (kernel: Kernel, { mm }: Task, address: number): number => {
  const entry = getEntry(mm, Math.floor(address / PAGE_SIZE))
  return (entry & PTE_READ) === 0 ? 0 : kernel.memory.u8[(entry & PTE_FRAME) * PAGE_SIZE + address % PAGE_SIZE]
}

/** Whether `size` bytes of memory are what the register has. */
const equals = (kernel: Kernel, task: Task, address: number, register: number, size: number): boolean => {
  const { context } = task
  for (let i = 0; i < size; i++) if (byteAt(kernel, task, address + i) !== context[GPR + register * 8 - CPU_STATE + i]) return false
  return true
}

/** What a lock is when it is free. */
export const isZero = (kernel: Kernel, task: Task, address: number, size: number): boolean => {
  for (let i = 0; i < size; i++) if (byteAt(kernel, task, address + i) !== 0) return false
  return true
}

const isPrefix = (byte: number): boolean => byte === 0xf0 || byte === 0x66 || byte === 0xf2 || byte === 0xf3 || byte === 0x2e || byte === 0x3e || byte === 0x64 || byte === 0x65

/** Registers of the task are taken from its context (`kernel.save`). */
export const leavesUnchanged = (kernel: Kernel, task: Task): boolean => {
  const { nextAction } = task
  if (nextAction?.kind !== 'access' || nextAction.access !== KIND_UPDATE) return false
  const { address, size, rip } = nextAction
  let at = rip
  while (isPrefix(byteAt(kernel, task, at))) at++
  const rex = byteAt(kernel, task, at) >> 4 === 4 ? byteAt(kernel, task, at++) : 0
  const opcode = byteAt(kernel, task, at++)
  const register = (modrm: number): number => ((modrm >> 3) & 7) + ((rex & 4) << 1)
  if (opcode === 0x86 || opcode === 0x87) {
    const other = register(byteAt(kernel, task, at))
    // AH and the like.
    return (size > 1 || rex !== 0 || other < 4) && equals(kernel, task, address, other, size)
  }
  if (opcode !== 0x0f) return false
  const second = byteAt(kernel, task, at++)
  // CMPXCHG Eb and Ev
  if (second === 0xb0 || second === 0xb1) return !equals(kernel, task, address, RAX, size)
  return false
}
