/**
 * Writes that block in the middle: how many bytes are gone already is remembered in the system call, since the handler
 * runs again from its start with all of the guest's bytes (wait-queue.ts).
 */
import type { Task } from '../task/task.ts'

interface Progress { written?: number }

/** Bytes that earlier tries of the call have written. */
export const writtenSoFar = (task: Task): number => (task.syscall?.memory as Progress | undefined)?.written ?? 0

/** To be called before blocking, and with 0 when the call ends, so that the next write of the same system call starts anew. */
export const rememberWritten = (task: Task, written: number): void => {
  const { syscall } = task
  if (syscall === undefined) return
  if (written === 0 && syscall.memory === undefined) return
  syscall.memory = { ...(syscall.memory as object | undefined), written }
}

/** Ends a write: what it wrote if it wrote anything, else the error. */
export const endWrite = (task: Task, written: number, error: number): number => {
  rememberWritten(task, 0)
  return written > 0 ? written : error
}
