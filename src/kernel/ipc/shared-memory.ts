/**
 * System V shared memory segments (shmget(2)).
 *
 * A segment's memory counts the areas that map it, and the segment itself as one more until it is destroyed: so the number
 * of attachments is known without a list.
 */
import type { Kernel } from '../kernel.ts'
import type { SharedMemory } from '../mm/address-space.ts'
import { releaseShared } from '../mm/backing.ts'
import type { SharedSegment } from './ipc-state.ts'
import { findObject, now, removeObject } from './table.ts'

export const attachments = (segment: SharedSegment): number => segment.memory.users - (segment.destroyed ? 0 : 1)

const segmentOf = ({ segment: id, ipc }: SharedMemory): SharedSegment | undefined => {
  const segment = ipc === undefined ? 0 : findObject(ipc.shm, id)
  return typeof segment === 'number' ? undefined : segment
}

const remove = (segment: SharedSegment): void => {
  const { ipc } = segment.memory
  if (ipc !== undefined) removeObject(ipc.shm, segment)
}

/** An area began to map it: shmat, fork, or an area that was split. */
export const segmentAttached = (kernel: Kernel, memory: SharedMemory): void => {
  const segment = segmentOf(memory)
  if (segment === undefined) return
  segment.attachTime = now(kernel)
  segment.lastPid = kernel.current?.group.tgid ?? segment.lastPid
}

/** An area is gone. The last one takes a segment with it that was removed. */
export const segmentDetached = (kernel: Kernel, memory: SharedMemory): void => {
  const segment = segmentOf(memory)
  if (segment === undefined) return
  segment.detachTime = now(kernel)
  segment.lastPid = kernel.current?.group.tgid ?? segment.lastPid
  if (segment.destroyed && segment.memory.users === 0) remove(segment)
}

/** IPC_RMID: its key is free at once, its memory when nothing maps it any more. */
export const destroySegment = (kernel: Kernel, segment: SharedSegment): void => {
  if (segment.destroyed) return
  segment.destroyed = true
  segment.permission.key = 0
  const isUnused = segment.memory.users === 1
  if (isUnused) remove(segment)
  const { detachTime, lastPid } = segment
  releaseShared(kernel, segment.memory)
  segment.detachTime = detachTime
  segment.lastPid = lastPid
}
