/**
 * System V shared memory segments (shmget(2)).
 *
 * A segment's memory counts the areas that map it, and the segment itself as one more until it is destroyed: so the number
 * of attachments is known without a list.
 */
import type { Kernel } from '../kernel.ts'
import { releaseShared } from '../mm/backing.ts'
import type { SharedSegment } from './ipc-state.ts'
import { findObject, now, removeObject } from './table.ts'

export const attachments = (segment: SharedSegment): number => segment.memory.users - (segment.destroyed ? 0 : 1)

const segmentOf = (kernel: Kernel, id: number): SharedSegment | undefined => {
  const segment = findObject(kernel.state.ipc.shm, id)
  return typeof segment === 'number' ? undefined : segment
}

/** An area began to map it: shmat, fork, or an area that was split. */
export const segmentAttached = (kernel: Kernel, id: number): void => {
  const segment = segmentOf(kernel, id)
  if (segment === undefined) return
  segment.attachTime = now(kernel)
  segment.lastPid = kernel.current?.group.tgid ?? segment.lastPid
}

/** An area is gone. The last one takes a segment with it that was removed. */
export const segmentDetached = (kernel: Kernel, id: number): void => {
  const segment = segmentOf(kernel, id)
  if (segment === undefined) return
  segment.detachTime = now(kernel)
  segment.lastPid = kernel.current?.group.tgid ?? segment.lastPid
  if (segment.destroyed && segment.memory.users === 0) removeObject(kernel.state.ipc.shm, segment)
}

/** IPC_RMID: its key is free at once, its memory when nothing maps it any more. */
export const destroySegment = (kernel: Kernel, segment: SharedSegment): void => {
  if (segment.destroyed) return
  segment.destroyed = true
  segment.permission.key = 0
  const isUnused = segment.memory.users === 1
  if (isUnused) removeObject(kernel.state.ipc.shm, segment)
  const { detachTime, lastPid } = segment
  releaseShared(kernel, segment.memory)
  segment.detachTime = detachTime
  segment.lastPid = lastPid
}
