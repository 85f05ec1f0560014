/** Bringing pages in before they are touched (MAP_POPULATE, mlock, MADV_POPULATE_*), and what is locked. */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE, type Access, NO_FRAME } from '../../emu/mmu/mmu.ts'
import { CAP_IPC_LOCK } from '../abi/capabilities.ts'
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../abi/mman.ts'
import { RLIMIT_MEMLOCK } from '../abi/resources.ts'
import type { Kernel } from '../kernel.ts'
import { hasCapability } from '../task/credentials.ts'
import type { Task } from '../task/task.ts'
import { type AddressSpace, VMA_LOCKED, VMA_SHARED, type Vma } from './address-space.ts'
import { resolvePage } from './fault.ts'
import { findVma } from './vma.ts'

/** Private writable pages are made the process's own at once; what can't be accessed is not populated (populate_vma_page_range). */
const accessFor = (vma: Vma): Access | undefined =>
  (vma.prot & PROT_WRITE) !== 0 && (vma.flags & VMA_SHARED) === 0 ? ACCESS_WRITE
    : (vma.prot & (PROT_READ | PROT_WRITE)) !== 0 ? ACCESS_READ : (vma.prot & PROT_EXEC) !== 0 ? ACCESS_EXECUTE : undefined

/**
 * Populates a mapped range.
 * @param access undefined: as each area's protection says
 * @returns the first address that could not be had, or `end`
 * @throws OutOfFrames
 */
export const populateRange = (kernel: Kernel, space: AddressSpace, start: number, end: number, access?: Access): number => {
  for (let address = start; address < end; address += PAGE_SIZE) {
    const vma = findVma(space, address)
    const wanted = access ?? (vma === undefined ? undefined : accessFor(vma))
    if (vma === undefined || wanted === undefined) return address
    if (resolvePage(kernel, space, address / PAGE_SIZE, wanted) === NO_FRAME) return address
  }
  return end
}

export const lockedBytes = (space: AddressSpace): number => {
  let sum = 0
  for (const vma of space.vmas) if ((vma.flags & VMA_LOCKED) !== 0) sum += vma.end - vma.start
  return sum
}

/** Whether the task may lock memory at all (can_do_mlock). */
export const mayLock = (task: Task): boolean => task.group.limits[RLIMIT_MEMLOCK][0] !== 0 || hasCapability(task, CAP_IPC_LOCK)

/** Whether `bytes` more may be locked (mlock_future_check). */
export const mayLockMore = (task: Task, bytes: number): boolean =>
  lockedBytes(task.mm) + bytes <= task.group.limits[RLIMIT_MEMLOCK][0] || hasCapability(task, CAP_IPC_LOCK)
