/** Waiting in socket calls: O_NONBLOCK, MSG_DONTWAIT, SO_RCVTIMEO and SO_SNDTIMEO. */
import { EAGAIN, EINTR, ERESTARTSYS } from '../abi/errno.ts'
import { O_NONBLOCK } from '../abi/fcntl.ts'
import { MSG_DONTWAIT } from '../abi/sockets.ts'
import type { OpenFile } from '../fs/file.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { WaitQueue } from '../wait-queue.ts'

interface SocketWait { socketDeadline?: number }

/**
 * What a call does that can't go on: BLOCKED, or the error that ends it.
 * @param timeout cycles, 0: none
 * @param expired the error when the timeout is over
 */
export const waitOn = (
  kernel: Kernel, task: Task, file: OpenFile, flags: number, queue: WaitQueue, timeout: number, expired = -EAGAIN,
): number => {
  if ((file.flags & O_NONBLOCK) !== 0 || (flags & MSG_DONTWAIT) !== 0) return -EAGAIN
  let deadline = Infinity
  const { syscall } = task
  if (timeout > 0 && syscall !== undefined) {
    const memory = (syscall.memory ?? {}) as SocketWait
    deadline = memory.socketDeadline ?? kernel.now + timeout
    syscall.memory = { ...memory, socketDeadline: deadline }
    if (kernel.now >= deadline) return expired
  }
  // With a timeout the call is not made again: it would wait anew.
  if (kernel.interrupted(task)) return timeout > 0 ? -EINTR : -ERESTARTSYS
  return kernel.block(task, [queue], deadline)
}
