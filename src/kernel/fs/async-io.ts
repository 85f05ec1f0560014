/**
 * Signal-driven I/O (fcntl(2), O_ASYNC; fs/fcntl.c, send_sigio): a description tells its owner by signal when it may be read or written.
 * Its wait queues know it, so that whatever wakes readers or writers tells the owner as well.
 */
import { O_ACCMODE, O_ASYNC, O_WRONLY } from '../abi/fcntl.ts'
import { POLL_IN, POLL_OUT, SIGIO } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { kernelInfo, sendSignal } from '../signal/send.ts'
import { processGroupMembers } from '../task/process-groups.ts'
import type { SignalInfo } from '../signal/signal.ts'
import type { WaitQueue } from '../wait-queue.ts'
import { type OpenFile, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDBAND, POLLRDNORM, POLLWRBAND, POLLWRNORM } from './file.ts'
import { readiness, readinessQueues } from './readiness.ts'

/** A description in O_ASYNC mode, and the descriptor by which that was set. */
export interface AsyncFile { readonly file: OpenFile, readonly fd: number }

/** Files that can do it; F_SETFL ignores O_ASYNC for the others. */
const canBeAsync = ({ kind }: OpenFile): boolean =>
  kind === 'pipe' || kind === 'socket' || kind === 'terminal' || kind === 'inotify' || kind === 'stream'

const F_OWNER_TID = 0

/** Sends what F_SETSIG asks for, or SIGIO, to the file's owner. `code` is POLL_*. */
export const signalOwner = (kernel: Kernel, { file, fd }: AsyncFile, code: number, band: number): void => {
  const { owner, ownerSignal, ownerType } = file
  if (owner === 0) return
  const { tasks, groups } = kernel.state
  const target = ownerType === F_OWNER_TID ? tasks.get(owner) : groups.get(owner)
  for (const to of owner < 0 ? processGroupMembers(kernel, -owner) : target === undefined ? [] : [target]) {
    const info: SignalInfo = { signal: ownerSignal, errno: 0, code, detail: { kind: 'poll', band, fd } }
    if (ownerSignal === 0 || sendSignal(kernel, to, ownerSignal, info) < 0) sendSignal(kernel, to, SIGIO, kernelInfo(SIGIO))
  }
}

const IN = POLLIN | POLLRDNORM, OUT = POLLOUT | POLLWRNORM | POLLWRBAND

/** A queue was woken on which such descriptions are listed. */
export const tellOwners = (kernel: Kernel, queue: WaitQueue): void => {
  for (const entry of [...queue.async ?? []]) {
    const queues = readinessQueues(kernel, entry.file)
    const ready = readiness(kernel, entry.file)
    const side = queues.length === 2 ? queues.indexOf(queue) : -1
    const writes = entry.file.kind === 'pipe' && (entry.file.flags & O_ACCMODE) === O_WRONLY
    if (writes) {
      if ((ready & (POLLOUT | POLLERR)) !== 0) signalOwner(kernel, entry, POLL_OUT, OUT)
    } else if (side !== 1 && (ready & (POLLIN | POLLPRI | POLLRDBAND | POLLHUP | POLLERR)) !== 0) signalOwner(kernel, entry, POLL_IN, IN)
    else if (side !== 0 && (ready & POLLOUT) !== 0) signalOwner(kernel, entry, POLL_OUT, OUT)
  }
}

export const dropAsync = (kernel: Kernel, file: OpenFile): void => {
  for (const queue of readinessQueues(kernel, file)) {
    const at = queue.async?.findIndex((entry) => entry.file === file) ?? -1
    if (at >= 0) queue.async?.splice(at, 1)
    if (queue.async?.length === 0) delete queue.async
  }
}

/** Turns it on or off; files that can't do it stay as they are. */
export const setAsync = (kernel: Kernel, file: OpenFile, fd: number, on: boolean): void => {
  if (!canBeAsync(file) || ((file.flags & O_ASYNC) !== 0) === on) return
  file.flags ^= O_ASYNC
  if (on) addAsync(kernel, file, fd)
  else dropAsync(kernel, file)
}

const addAsync = (kernel: Kernel, file: OpenFile, fd: number): void => {
  dropAsync(kernel, file)
  for (const queue of readinessQueues(kernel, file)) (queue.async ??= []).push({ file, fd })
}
