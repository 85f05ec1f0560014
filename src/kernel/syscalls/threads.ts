/** What C libraries tell the kernel of their threads (set_tid_address(2), set_robust_list(2), arch_prctl(2), rseq(2), membarrier(2)). */
import { EBUSY, EINVAL, ENODEV, EPERM, ESRCH } from '../abi/errno.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { CAP_SYS_PTRACE } from '../abi/capabilities.ts'
import type { Kernel } from '../kernel.ts'
import { USER_END } from '../mm/user-memory.ts'
import { mayAccessTask } from '../task/credentials.ts'
import { updateRseq } from '../task/rseq.ts'
import { isOutsideInit, seenBy, taskBy } from '../task/pid-namespace.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

const setTidAddress = (_kernel: Kernel, task: Task, args: Args): number => {
  task.clearChildTid = args[0]
  return seenBy(task, task.tid)
}

/** struct robust_list_head. */
const ROBUST_HEAD_SIZE = 24

const setRobustList = (_kernel: Kernel, task: Task, args: Args): number => {
  if (uint64(args[1]) !== ROBUST_HEAD_SIZE) return -EINVAL
  task.robustList = args[0]
  task.robustListLength = ROBUST_HEAD_SIZE
  return 0
}

const getRobustList = (kernel: Kernel, task: Task, args: Args): number => {
  const pid = int32(args[0])
  const target = pid === 0 ? task : taskBy(kernel, task, pid)
  if (target === undefined) return isOutsideInit(kernel, task, pid) ? -EPERM : -ESRCH
  if (!mayAccessTask(task, target, CAP_SYS_PTRACE)) return -EPERM
  const user = kernel.user(task)
  user.setI64(args[2], ROBUST_HEAD_SIZE)
  user.setI64(args[1], target.robustList)
  return 0
}

const schedYield = (kernel: Kernel): number => {
  kernel.yielded = true
  return 0
}

const ARCH_SET_GS = 0x1001, ARCH_SET_FS = 0x1002, ARCH_GET_FS = 0x1003, ARCH_GET_GS = 0x1004, ARCH_GET_CPUID = 0x1011, ARCH_SET_CPUID = 0x1012

const archPrctl = (kernel: Kernel, task: Task, args: Args): number => {
  const { cpu } = kernel.processor
  const address = args[1]
  switch (int32(args[0])) {
    case ARCH_SET_FS: case ARCH_SET_GS:
      if (!(address >= 0 && address < USER_END)) return -EPERM
      if (int32(args[0]) === ARCH_SET_FS) cpu.fsBase = address
      else cpu.gsBase = address
      return 0
    case ARCH_GET_FS: kernel.user(task).setI64(address, cpu.fsBase); return 0
    case ARCH_GET_GS: kernel.user(task).setI64(address, cpu.gsBase); return 0
    case ARCH_GET_CPUID: return 1
    case ARCH_SET_CPUID: return -ENODEV
    // Shadow stacks, AMX: a processor without them says so.
    default: return -EINVAL
  }
}

const MEMBARRIER_QUERY = 0, MEMBARRIER_GLOBAL = 1, MEMBARRIER_GLOBAL_EXPEDITED = 2, MEMBARRIER_REGISTER_GLOBAL_EXPEDITED = 4,
  MEMBARRIER_PRIVATE_EXPEDITED = 8, MEMBARRIER_REGISTER_PRIVATE_EXPEDITED = 16, MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE = 32,
  MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 64
const MEMBARRIER_ALL = MEMBARRIER_GLOBAL | MEMBARRIER_GLOBAL_EXPEDITED | MEMBARRIER_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_PRIVATE_EXPEDITED |
  MEMBARRIER_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE | MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE

/** CPUs take turns, and each sees what others did before: a barrier is always there. */
/** Who makes a private barrier must have said before that it would. */
const REGISTRATIONS: ReadonlyMap<number, number> = new Map([
  [MEMBARRIER_PRIVATE_EXPEDITED, MEMBARRIER_REGISTER_PRIVATE_EXPEDITED], [MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE, MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE],
])

const membarrier = (_kernel: Kernel, task: Task, args: Args): number => {
  const command = int32(args[0])
  if (uint32(args[1]) !== 0) return -EINVAL
  if (command === MEMBARRIER_QUERY) return MEMBARRIER_ALL
  if ((command & MEMBARRIER_ALL) === 0 || (command & (command - 1)) !== 0) return -EINVAL
  const needed = REGISTRATIONS.get(command)
  if (needed !== undefined && (task.mm.membarriers & needed) === 0) return -EPERM
  if ((command & (MEMBARRIER_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE)) !== 0) task.mm.membarriers |= command
  return 0
}

const RSEQ_SIZE = 32
const RSEQ_UNREGISTER = 1

const rseq = (kernel: Kernel, task: Task, args: Args): number => {
  const address = args[0], size = uint32(args[1]), flags = int32(args[2]), signature = uint32(args[3])
  if ((flags & RSEQ_UNREGISTER) !== 0) {
    if (flags !== RSEQ_UNREGISTER || task.rseq === 0 || task.rseq !== address || size !== RSEQ_SIZE) return -EINVAL
    if (task.rseqSignature !== signature) return -EPERM
    const user = kernel.user(task)
    user.setU32(address, 0)
    // RSEQ_CPU_ID_UNINITIALIZED
    user.setU32(address + 4, 0xffff_ffff)
    task.rseq = 0
    return 0
  }
  if (flags !== 0) return -EINVAL
  if (task.rseq !== 0) return task.rseq !== address || size !== RSEQ_SIZE ? -EINVAL : task.rseqSignature !== signature ? -EPERM : -EBUSY
  if (address === 0 || address % RSEQ_SIZE !== 0 || size !== RSEQ_SIZE) return -EINVAL
  kernel.user(task).read(address, RSEQ_SIZE)
  task.rseq = address
  task.rseqSignature = signature
  updateRseq(kernel, task)
  return 0
}

export const threadCalls: readonly SyscallEntry[] = [
  { number: 24, name: 'sched_yield', args: [], handler: schedYield, status: 'full' },
  { number: 158, name: 'arch_prctl', args: ['code:enum(ARCH_)', 'address:address'], handler: archPrctl, status: 'full' },
  { number: 218, name: 'set_tid_address', args: ['address:pointer'], handler: setTidAddress, status: 'full' },
  { number: 273, name: 'set_robust_list', args: ['head:pointer', 'size:size'], handler: setRobustList, status: 'full' },
  { number: 274, name: 'get_robust_list', args: ['pid:pid', 'head:pointer', 'size:pointer'], handler: getRobustList, status: 'full' },
  { number: 324, name: 'membarrier', args: ['command:int', 'flags:uint', 'cpu:int'], handler: membarrier, status: 'full' },
  { number: 334, name: 'rseq', args: ['area:pointer', 'size:uint', 'flags:int', 'signature:uint'], handler: rseq, status: 'full' },
]
