/** Whether files are ready: what poll, select and epoll share. */
import type { Kernel } from '../kernel.ts'
import type { WaitQueue } from '../wait-queue.ts'
import { operationsOf } from './file-operations.ts'
import { type OpenFile, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from './file.ts'

const ALWAYS = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM
const NONE: readonly WaitQueue[] = []

/** POLL* bits that hold now. */
export const readiness = (kernel: Kernel, file: OpenFile): number => operationsOf(file).poll?.(kernel, file) ?? ALWAYS

/** What is woken when they may have changed. */
export const readinessQueues = (kernel: Kernel, file: OpenFile): readonly WaitQueue[] => operationsOf(file).queues?.(kernel, file) ?? NONE
