/** The row of the system-call table, and how arguments are described: decoding for `show`, docs and fuzzing come from it. */
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'

/**
 * An argument as `name:type`. Types (as few as tell a person, a decoder and a fuzzer what they need):
 * fd, dirfd, path, string, int, uint, long, size, offset, mode, pid, uid, gid, signal, pointer, address,
 * in[N] / out[N] (buffer whose length is argument N, or a literal byte count),
 * flags(NAME) / enum(NAME) (a named table in `src/kernel/abi/`), struct(NAME) and struct(NAME)* for output,
 * iovec[N], argv, cmd (its table depends on the call).
 */
export type ArgumentSpec = `${string}:${string}`

export type Args = ArrayLike<number>
/**
 * rdi, rsi, rdx, r10, r8, r9 come as signed numbers: see `int32`, `uint32` in `../abi/numbers.ts` for narrower C types.
 * Returns the result, a negative errno, or BLOCKED (from `kernel.block`). Wild pointers throw `BadAddress` from `UserMemory`,
 * which the dispatcher turns into −EFAULT.
 */
export type SyscallHandler = (kernel: Kernel, task: Task, args: Args) => number

export interface SyscallEntry {
  readonly number: number
  readonly name: string
  readonly args: readonly ArgumentSpec[]
  readonly handler: SyscallHandler
  /** 'full': every documented flag; 'partial': see note; 'absent': answers ENOSYS as Linux without the option does. */
  readonly status: 'full' | 'partial' | 'absent'
  /** What is missing, for docs/linux-compat.md. */
  readonly note?: string
}
