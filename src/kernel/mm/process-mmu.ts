/** An address space as the processor sees it. Not state: made when needed, holds nothing that can't be made again. */
import { OutOfFrames } from '../../emu/memory.ts'
import { type Access, type Mmu, NO_FRAME } from '../../emu/mmu/mmu.ts'
import type { Kernel } from '../kernel.ts'
import { type AddressSpace, PTE_FRAME, PTE_PRIVATE, PTE_WRITE } from './address-space.ts'
import { faultCode, resolvePage } from './fault.ts'
import { getEntry } from './page-table.ts'
import { UserMemory } from './user-memory.ts'

export class ProcessMmu implements Mmu {
  readonly space: AddressSpace
  /** The kernel's own access; running out of frames is thrown there, for the call to fail with ENOMEM. */
  readonly user: UserMemory
  readonly #kernel: Kernel

  constructor(kernel: Kernel, space: AddressSpace) {
    this.#kernel = kernel
    this.space = space
    this.user = new UserMemory(kernel.memory, {
      resolve: (page, access) => resolvePage(kernel, space, page, access),
      faultCode: (page) => faultCode(space, page),
      isWritable: (page) => this.isWritable(page),
    })
  }

  resolve(page: number, access: Access): number {
    try {
      return resolvePage(this.#kernel, this.space, page, access)
    } catch (error) {
      if (!(error instanceof OutOfFrames)) throw error
      // The instruction faults; the kernel then makes room and lets it run again.
      this.#kernel.outOfFrames = true
      return NO_FRAME
    }
  }

  faultCode(page: number): number { return faultCode(this.space, page) }

  isWritable(page: number): boolean {
    const entry = getEntry(this.space, page)
    return (entry & PTE_WRITE) !== 0 &&
      ((entry & PTE_PRIVATE) === 0 || this.#kernel.memory.references(entry & PTE_FRAME) === 1)
  }
}
