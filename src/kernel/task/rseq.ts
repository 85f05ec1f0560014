/**
 * Restartable sequences (rseq(2)): a task is told on which CPU it runs, and a critical section that is interrupted by
 * preemption, migration or a signal goes on at its abort address.
 */
import { SIGSEGV } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { BadAddress, USER_END } from '../mm/user-memory.ts'
import { forceSignal, kernelInfo } from '../signal/send.ts'
import type { Task } from './task.ts'

// struct rseq: u32 cpu_id_start, u32 cpu_id, u64 rseq_cs.
const CPU_START = 0, CPU = 4, SECTION = 8
// struct rseq_cs: u32 version, u32 flags, u64 start_ip, u64 post_commit_offset, u64 abort_ip.
const VERSION = 0, START = 8, LENGTH = 16, ABORT = 24

/** The loaded task is about to go on after an interruption. */
export const updateRseq = (kernel: Kernel, task: Task): void => {
  if (task.rseq === 0) return
  const user = kernel.user(task)
  const { cpu } = kernel.processor
  try {
    user.setU32(task.rseq + CPU_START, task.cpu)
    user.setU32(task.rseq + CPU, task.cpu)
    const section = user.i64(task.rseq + SECTION)
    if (section === 0) return
    const start = user.i64(section + START), abort = user.i64(section + ABORT)
    const isValid = section < USER_END && user.u32(section + VERSION) === 0 && abort < USER_END &&
      user.u32(abort - 4) === task.rseqSignature
    if (!isValid) {
      forceSignal(kernel, task, kernelInfo(SIGSEGV))
      return
    }
    const offset = cpu.rip - start
    user.setI64(task.rseq + SECTION, 0)
    if (offset >= 0 && offset < user.i64(section + LENGTH)) cpu.rip = abort
  } catch (error) {
    if (!(error instanceof BadAddress)) throw error
    forceSignal(kernel, task, kernelInfo(SIGSEGV))
  }
}
