/** prctl(2): a table of operations by number. What is not in it is EINVAL, as on Linux without the option. */
import { CAP_LAST, CAP_SETPCAP } from '../abi/capabilities.ts'
import { EBADF, EINVAL, ENODEV, ENOMEM, ENXIO, EPERM } from '../abi/errno.ts'
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { int32, uint64 } from '../abi/numbers.ts'
import { SIGNAL_COUNT } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { nameRange, pageUp } from '../mm/map.ts'
import { isMapped, vmaIndex } from '../mm/vma.ts'
import {
  capabilityDifference, capabilityHas, capabilityOf, capabilityUnion, NO_CAPABILITIES, SECURE_KEEP_CAPS,
  SECURE_NO_CAP_AMBIENT_RAISE, setCredentials,
} from '../task/credentials.ts'
import { SECCOMP_MODE_FILTER, SECCOMP_MODE_STRICT } from '../task/seccomp.ts'
import { hasCapabilityIn } from '../task/user-namespace.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'
import { addFilter, setStrict } from './seccomp.ts'

type Operation = (kernel: Kernel, task: Task, args: Args) => number

/** Arguments from this index on must be zero. */
const isRestZero = (args: Args, from: number): boolean => {
  for (let i = from; i < 5; i++) if (args[i] !== 0) return false
  return true
}
const isCapability = (value: number): boolean => value >= 0 && value <= CAP_LAST

const setDeathSignal: Operation = (_kernel, task, args) => {
  const signal = uint64(args[1])
  if (signal > SIGNAL_COUNT) return -EINVAL
  task.parentDeathSignal = signal
  return 0
}
const putInt = (kernel: Kernel, task: Task, address: number, value: number): number => {
  kernel.user(task).setU32(uint64(address), value)
  return 0
}

const setDumpable: Operation = (_kernel, task, args) => {
  if (args[1] !== 0 && args[1] !== 1) return -EINVAL
  task.group.dumpable = args[1]
  return 0
}

const SECURE_KEEP_CAPS_LOCKED = 32
const setKeepCapabilities: Operation = (_kernel, task, args) => {
  const { credentials } = task
  if (uint64(args[1]) > 1) return -EINVAL
  if ((credentials.secureBits & SECURE_KEEP_CAPS_LOCKED) !== 0) return -EPERM
  const secureBits = args[1] === 1 ? credentials.secureBits | SECURE_KEEP_CAPS : credentials.secureBits & ~SECURE_KEEP_CAPS
  setCredentials(task, { ...credentials, secureBits })
  return 0
}

const NAME_LENGTH = 15
const setName: Operation = (kernel, task, args) => {
  const user = kernel.user(task)
  let name = ''
  for (let i = 0; i < NAME_LENGTH; i++) {
    const byte = user.u8(uint64(args[1]) + i)
    if (byte === 0) break
    name += String.fromCharCode(byte)
  }
  task.name = name
  return 0
}
const getName: Operation = (kernel, task, args) => {
  kernel.user(task).write(uint64(args[1]), Uint8Array.from({ length: NAME_LENGTH + 1 }, (_, i) => i < task.name.length ? task.name.charCodeAt(i) : 0))
  return 0
}

const readBounding: Operation = (_kernel, task, args) =>
  isCapability(uint64(args[1])) ? capabilityHas(task.credentials.bounding, args[1]) ? 1 : 0 : -EINVAL
const dropBounding: Operation = (_kernel, task, args) => {
  if (!hasCapabilityIn(task, task.credentials.user, CAP_SETPCAP)) return -EPERM
  if (!isCapability(uint64(args[1]))) return -EINVAL
  setCredentials(task, { ...task.credentials, bounding: capabilityDifference(task.credentials.bounding, capabilityOf(args[1])) })
  return 0
}

const SECURE_ALL_BITS = 0x55, SECURE_ALL_LOCKS = 0xaa
const setSecureBits: Operation = (_kernel, task, args) => {
  const { credentials } = task
  const old = credentials.secureBits
  const bits = uint64(args[1])
  if (bits > (SECURE_ALL_BITS | SECURE_ALL_LOCKS)) return -EPERM
  const isLocked = ((old & SECURE_ALL_LOCKS) >> 1 & (old ^ bits)) !== 0 || (old & SECURE_ALL_LOCKS & ~bits) !== 0
  if (isLocked || !hasCapabilityIn(task, task.credentials.user, CAP_SETPCAP)) return -EPERM
  setCredentials(task, { ...credentials, secureBits: bits })
  return 0
}

const AMBIENT_IS_SET = 1, AMBIENT_RAISE = 2, AMBIENT_LOWER = 3, AMBIENT_CLEAR_ALL = 4
const ambient: Operation = (_kernel, task, args) => {
  const { credentials } = task
  if (args[1] === AMBIENT_CLEAR_ALL) {
    if (!isRestZero(args, 2)) return -EINVAL
    setCredentials(task, { ...credentials, ambient: NO_CAPABILITIES })
    return 0
  }
  if (!isCapability(uint64(args[2])) || !isRestZero(args, 3)) return -EINVAL
  const capability = args[2]
  if (args[1] === AMBIENT_IS_SET) return capabilityHas(credentials.ambient, capability) ? 1 : 0
  if (args[1] === AMBIENT_RAISE) {
    if (!capabilityHas(credentials.permitted, capability) || !capabilityHas(credentials.inheritable, capability) ||
        (credentials.secureBits & SECURE_NO_CAP_AMBIENT_RAISE) !== 0) return -EPERM
    setCredentials(task, { ...credentials, ambient: capabilityUnion(credentials.ambient, capabilityOf(capability)) })
    return 0
  }
  if (args[1] !== AMBIENT_LOWER) return -EINVAL
  setCredentials(task, { ...credentials, ambient: capabilityDifference(credentials.ambient, capabilityOf(capability)) })
  return 0
}

const setNoNewPrivileges: Operation = (_kernel, task, args) => {
  if (args[1] !== 1 || !isRestZero(args, 2)) return -EINVAL
  task.noNewPrivileges = true
  return 0
}

const setSlack: Operation = (_kernel, task, args) => {
  task.timerSlack = args[1] <= 0 ? task.defaultTimerSlack : args[1]
  return 0
}

const PR_TSC_ENABLE = 1
/** Forbidding RDTSC (PR_TSC_SIGSEGV) is beyond the processor. */
const setTsc: Operation = (_kernel, _task, args) => args[1] === PR_TSC_ENABLE ? 0 : -EINVAL

const killOnMemoryError: Operation = (_kernel, _task, args) =>
  !isRestZero(args, 3) || (args[1] === 0 ? args[2] !== 0 : args[1] !== 1 || uint64(args[2]) > 2) ? -EINVAL : 0

const setSubreaper: Operation = (_kernel, task, args) => {
  task.group.childSubreaper = args[1] !== 0
  return 0
}

const SPECULATION_LAST = 2
const getSpeculation: Operation = (_kernel, _task, args) => !isRestZero(args, 2) ? -EINVAL : uint64(args[1]) > SPECULATION_LAST ? -ENODEV : 0
const setSpeculation: Operation = (_kernel, _task, args) => !isRestZero(args, 3) ? -EINVAL : uint64(args[1]) > SPECULATION_LAST ? -ENODEV : -ENXIO

/** A name that /proc/PID/maps shows: printable, without what that file's readers would trip over. */
const isAreaName = (name: string): boolean => /^[ -~]*$/.test(name) && !/[\\`$[\]]/.test(name)
const AREA_NAME_LIMIT = 80
const setAreaName: Operation = (kernel, task, args) => {
  if (args[1] !== 0) return -EINVAL
  let name: string | undefined
  if (args[4] !== 0) {
    name = kernel.user(task).string(uint64(args[4]), AREA_NAME_LIMIT)
    if (name === undefined || !isAreaName(name)) return -EINVAL
  }
  const start = uint64(args[2])
  const end = start + pageUp(uint64(args[3]))
  if (start % PAGE_SIZE !== 0 || end >= 2 ** 64) return -EINVAL
  if (end === start) return 0
  const space = task.mm
  if (!isMapped(space, start, end)) return -ENOMEM
  let covered = start
  for (let index = vmaIndex(space, start); index < space.vmas.length && space.vmas[index].start < end; index++) {
    const vma = space.vmas[index]
    if (vma.start > covered) return -ENOMEM
    if (vma.backing !== undefined && vma.backing.kind !== 'shared-memory') return -EBADF
    covered = vma.end
  }
  nameRange(kernel, space, start, end, name === undefined ? '' : `[anon:${name}]`)
  return covered < end ? -ENOMEM : 0
}

const PR_SET_MM_AUXV = 12, PR_SET_MM_MAP = 14, PR_SET_MM_MAP_SIZE = 15
/** Rewriting what /proc tells of an address space is for checkpoint tools with CAP_SYS_RESOURCE, which none has here. */
const setMm: Operation = (_kernel, _task, args) =>
  args[4] !== 0 || (args[3] !== 0 && args[1] !== PR_SET_MM_AUXV && args[1] !== PR_SET_MM_MAP && args[1] !== PR_SET_MM_MAP_SIZE) ? -EINVAL : -EPERM

/** AddressSpace.futureFlags: PR_SET_THP_DISABLE. There are no huge pages either way. */
const NO_HUGE_PAGES = 1 << 16

const OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [1, setDeathSignal],
  [2, (kernel, task, args) => putInt(kernel, task, args[1], task.parentDeathSignal)],
  [3, (_kernel, task) => task.group.dumpable],
  [4, setDumpable],
  [7, (_kernel, task) => (task.credentials.secureBits & SECURE_KEEP_CAPS) !== 0 ? 1 : 0],
  [8, setKeepCapabilities],
  // PR_GET_TIMING, PR_SET_TIMING: statistical.
  [13, () => 0],
  [14, (_kernel, _task, args) => args[1] === 0 ? 0 : -EINVAL],
  [15, setName],
  [16, getName],
  [21, (_kernel, task) => task.seccomp?.mode ?? 0],
  [22, (kernel, task, args) => args[1] === SECCOMP_MODE_STRICT ? setStrict(task) : args[1] === SECCOMP_MODE_FILTER ? addFilter(kernel, task, uint64(args[2]), 0) : -EINVAL],
  [23, readBounding],
  [24, dropBounding],
  [25, (kernel, task, args) => putInt(kernel, task, args[1], PR_TSC_ENABLE)],
  [26, setTsc],
  [27, (_kernel, task) => task.credentials.secureBits],
  [28, setSecureBits],
  [29, setSlack],
  [30, (_kernel, task) => task.timerSlack],
  // PR_TASK_PERF_EVENTS_DISABLE, _ENABLE: there are none.
  [31, () => 0],
  [32, () => 0],
  [33, killOnMemoryError],
  [34, (_kernel, _task, args) => isRestZero(args, 1) ? 2 : -EINVAL],
  [35, setMm],
  [36, setSubreaper],
  [37, (kernel, task, args) => putInt(kernel, task, args[1], task.group.childSubreaper ? 1 : 0)],
  [38, setNoNewPrivileges],
  [39, (_kernel, task, args) => isRestZero(args, 1) ? task.noNewPrivileges ? 1 : 0 : -EINVAL],
  [40, (kernel, task, args) => {
    kernel.user(task).setI64(uint64(args[1]), task.clearChildTid)
    return 0
  }],
  [41, (_kernel, task, args) => {
    if (!isRestZero(args, 2)) return -EINVAL
    task.mm.futureFlags = args[1] !== 0 ? task.mm.futureFlags | NO_HUGE_PAGES : task.mm.futureFlags & ~NO_HUGE_PAGES
    return 0
  }],
  [42, (_kernel, task, args) => isRestZero(args, 1) ? (task.mm.futureFlags & NO_HUGE_PAGES) !== 0 ? 1 : 0 : -EINVAL],
  [47, ambient],
  [52, getSpeculation],
  [53, setSpeculation],
  [0x5356_4d41, setAreaName],
])

const prctl = (kernel: Kernel, task: Task, args: Args): number => OPERATIONS.get(int32(args[0]))?.(kernel, task, args) ?? -EINVAL

export const prctlCalls: readonly SyscallEntry[] = [
  { number: 157, name: 'prctl', args: ['option:enum(PR)', 'arg2:long', 'arg3:long', 'arg4:long', 'arg5:long'], handler: prctl, status: 'partial', note: 'PR_SET_MM gives EPERM, PR_TSC_SIGSEGV and system call user dispatch EINVAL' },
]
