/** What is behind an area that isn't anonymous private memory: files and shared memory. */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { NO_FRAME } from '../../emu/mmu/mmu.ts'
import { inodeFrame, releaseInode, retainInode } from '../fs/inode.ts'
import type { IpcState } from '../ipc/ipc-state.ts'
import { segmentAttached, segmentDetached } from '../ipc/shared-memory.ts'
import type { Kernel } from '../kernel.ts'
import type { SharedMemory, Vma } from './address-space.ts'

export const makeSharedMemory = (kernel: Kernel, bytes: number, segment = -1, ipc?: IpcState): SharedMemory =>
  ({ kind: 'shared-memory', id: ++kernel.state.lastSpaceId, frames: new Map(), pages: Math.ceil(bytes / PAGE_SIZE), users: 1, segment, ipc })

export const releaseShared = (kernel: Kernel, shared: SharedMemory): void => {
  shared.users--
  if (shared.segment >= 0) segmentDetached(kernel, shared)
  if (shared.users > 0) return
  for (const frame of shared.frames.values()) kernel.memory.release(frame)
  shared.frames.clear()
}

export const retainBacking = (kernel: Kernel, vma: Vma): void => {
  const { backing } = vma
  if (backing === undefined) return
  if (backing.kind === 'shared-memory') {
    backing.users++
    if (backing.segment >= 0) segmentAttached(kernel, backing)
  }
  else retainInode(kernel, backing)
}

export const releaseBacking = (kernel: Kernel, vma: Vma): void => {
  const { backing } = vma
  if (backing === undefined) return
  if (backing.kind === 'shared-memory') releaseShared(kernel, backing)
  else releaseInode(kernel, backing)
}

/** The backing's frame for a page of it, without a reference for the caller; NO_FRAME beyond the end of it. */
export const backingFrame = (kernel: Kernel, backing: NonNullable<Vma['backing']>, index: number, forWrite: boolean): number => {
  if (backing.kind !== 'shared-memory') return inodeFrame(kernel, backing, index, forWrite)
  if (index >= backing.pages) return NO_FRAME
  let frame = backing.frames.get(index) ?? NO_FRAME
  if (frame === NO_FRAME) {
    frame = kernel.memory.allocate()
    backing.frames.set(index, frame)
  }
  return frame
}
