/** Scheduling policies and CPU affinity (sched(7), sched_setaffinity(2)). */
import { CAP_SYS_NICE } from '../abi/capabilities.ts'
import { E2BIG, EBUSY, EINVAL, EPERM, ESRCH } from '../abi/errno.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { RLIMIT_RTPRIO } from '../abi/resources.ts'
import type { Kernel } from '../kernel.ts'
import { policyOf, SCHED_BATCH, SCHED_DEADLINE, SCHED_FIFO, SCHED_IDLE, SCHED_OTHER, SCHED_RESET_ON_FORK, SCHED_RR } from '../sched/policies.ts'
import { hasCapability } from '../task/credentials.ts'
import { isOutsideInit, taskBy } from '../task/pid-namespace.ts'
import type { Task } from '../task/task.ts'
import { writeTimespec } from '../time/clock.ts'
import { mayBeNice } from './resources.ts'
import type { Args, SyscallEntry } from './entry.ts'

const POLICIES: readonly number[] = [SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE, SCHED_DEADLINE]
const LAST_PRIORITY = 99

const isRealTime = (policy: number): boolean => policy === SCHED_FIFO || policy === SCHED_RR

const findTask = (kernel: Kernel, task: Task, pid: number): Task | undefined => pid === 0 ? task : taskBy(kernel, task, pid)

const isSameOwner = (task: Task, other: Task): boolean => {
  const { euid } = task.credentials
  return euid === other.credentials.euid || euid === other.credentials.uid
}

interface Setting { readonly policy: number, readonly priority: number, readonly nice: number, readonly resetOnFork: boolean, readonly reservation?: Task['reservation'] }

const DEADLINE_SCALE = 1024
/** sched_deadline_period_min_us, _max_us. */
const PERIOD_MINIMUM = 100_000, PERIOD_LIMIT = 2 ** 22 * 1000
/** __checkparam_dl: a period of 0 is the deadline. */
const isReservation = (reservation: Task['reservation']): boolean => {
  if (reservation === undefined) return false
  const [runtime, deadline, given] = reservation
  const period = given === 0 ? deadline : given
  if (deadline <= 0 || runtime < DEADLINE_SCALE || deadline >= 2 ** 63 || period >= 2 ** 63) return false
  return runtime <= deadline && deadline <= period && period >= PERIOD_MINIMUM && period <= PERIOD_LIMIT
}

/** The share of a CPU that it takes. */
const shareOf = (reservation: Task['reservation']): number => reservation === undefined ? 0 : reservation[0] / (reservation[2] === 0 ? reservation[1] : reservation[2])
const RESERVABLE = 0.95
const fits = (kernel: Kernel, task: Task, reservation: Task['reservation']): boolean => {
  let sum = shareOf(reservation)
  for (const other of kernel.state.tasks.values()) if (other !== task) sum += shareOf(other.reservation)
  return sum <= RESERVABLE * kernel.config.cpus
}

/** __sched_setscheduler: checks in Linux's order. */
const change = (kernel: Kernel, task: Task, other: Task, setting: Setting): number => {
  const { policy, priority, nice, resetOnFork } = setting
  if (!POLICIES.includes(policy)) return -EINVAL
  if (priority < 0 || priority > LAST_PRIORITY) return -EINVAL
  if (policy === SCHED_DEADLINE ? !isReservation(setting.reservation) : isRealTime(policy) !== (priority !== 0)) return -EINVAL
  if (!hasCapability(task, CAP_SYS_NICE)) {
    const old = policyOf(other)
    if (!isRealTime(policy) && policy !== SCHED_DEADLINE && nice < other.nice && !mayBeNice(task, other, nice)) return -EPERM
    if (isRealTime(policy)) {
      const limit = other.group.limits[RLIMIT_RTPRIO][0]
      if (policy !== old && limit === 0) return -EPERM
      if (priority > other.priority && priority > limit) return -EPERM
    }
    if (policy === SCHED_DEADLINE) return -EPERM
    if (old === SCHED_IDLE && policy !== SCHED_IDLE && !mayBeNice(task, other, other.nice)) return -EPERM
    if (!isSameOwner(task, other)) return -EPERM
    if ((other.policy & SCHED_RESET_ON_FORK) !== 0 && !resetOnFork) return -EPERM
  }
  if (policy === SCHED_DEADLINE) {
    // Who has a reservation may run everywhere, and together they leave something to others.
    const online = kernel.state.hosts[other.namespaces.host].cpus
    if (((online[0] & ~other.affinity[0]) | (online[1] & ~other.affinity[1])) !== 0) return -EPERM
    if (!fits(kernel, other, setting.reservation)) return -EBUSY
  }
  other.reservation = policy === SCHED_DEADLINE ? setting.reservation : undefined
  kernel.state.hasPriorities ||= policy !== SCHED_OTHER || nice !== 0
  other.policy = policy | (resetOnFork ? SCHED_RESET_ON_FORK : 0)
  other.priority = priority
  if (!isRealTime(policy)) other.nice = nice
  return 0
}

const setPolicy = (kernel: Kernel, task: Task, pid: number, policy: number | undefined, param: number): number => {
  if (param === 0 || pid < 0) return -EINVAL
  const priority = kernel.user(task).i32(param)
  const other = findTask(kernel, task, pid)
  if (other === undefined) return !isOutsideInit(kernel, task, pid) ? -ESRCH : policy !== undefined && !POLICIES.includes(policy & ~SCHED_RESET_ON_FORK) ? -EINVAL : -EPERM
  const wanted = policy ?? other.policy
  return change(kernel, task, other, {
    policy: wanted & ~SCHED_RESET_ON_FORK, priority, nice: other.nice, resetOnFork: (wanted & SCHED_RESET_ON_FORK) !== 0,
  })
}

const setscheduler = (kernel: Kernel, task: Task, args: Args): number =>
  int32(args[1]) < 0 ? -EINVAL : setPolicy(kernel, task, int32(args[0]), int32(args[1]), uint64(args[2]))
const setparam = (kernel: Kernel, task: Task, args: Args): number => setPolicy(kernel, task, int32(args[0]), undefined, uint64(args[1]))

const getscheduler = (kernel: Kernel, task: Task, args: Args): number =>
  int32(args[0]) < 0 ? -EINVAL : findTask(kernel, task, int32(args[0]))?.policy ?? -ESRCH

const getparam = (kernel: Kernel, task: Task, args: Args): number => {
  if (args[1] === 0 || int32(args[0]) < 0) return -EINVAL
  const other = findTask(kernel, task, int32(args[0]))
  if (other === undefined) return -ESRCH
  kernel.user(task).setU32(uint64(args[1]), other.priority)
  return 0
}

const priorityMax = (_kernel: Kernel, _task: Task, args: Args): number => {
  const policy = int32(args[0])
  return isRealTime(policy) ? LAST_PRIORITY : POLICIES.includes(policy) ? 0 : -EINVAL
}
const priorityMin = (_kernel: Kernel, _task: Task, args: Args): number => {
  const policy = int32(args[0])
  return isRealTime(policy) ? 1 : POLICIES.includes(policy) ? 0 : -EINVAL
}

/** RR_TIMESLICE; and a fair slice as a kernel with a 250 Hz tick would tell. */
const ROUND_ROBIN_NANOSECONDS = 100_000_000, FAIR_NANOSECONDS = 4_000_000
const rrGetInterval = (kernel: Kernel, task: Task, args: Args): number => {
  if (int32(args[0]) < 0) return -EINVAL
  const other = findTask(kernel, task, int32(args[0]))
  if (other === undefined) return -ESRCH
  const policy = policyOf(other)
  writeTimespec(kernel.user(task), uint64(args[1]), [0, policy === SCHED_RR ? ROUND_ROBIN_NANOSECONDS : policy === SCHED_FIFO ? 0 : FAIR_NANOSECONDS])
  return 0
}

// ——— sched_setattr ———

/** SCHED_ATTR_SIZE_VER0, VER1. */
const ATTR_SIZE_0 = 48, ATTR_SIZE = 56, ATTR_LIMIT = 4096
const SCHED_FLAG_RESET_ON_FORK = 1, SCHED_FLAG_KEEP_POLICY = 8, SCHED_FLAG_KEEP_PARAMS = 16, SCHED_FLAG_ALL = 0x7f

const unsigned = (view: DataView, at: number): number => view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000

const setattr = (kernel: Kernel, task: Task, args: Args): number => {
  const pid = int32(args[0])
  const address = uint64(args[1])
  if (address === 0 || pid < 0 || uint32(args[2]) !== 0) return -EINVAL
  const user = kernel.user(task)
  const size = user.u32(address) || ATTR_SIZE_0
  const tooBig = (): number => {
    user.setU32(address, ATTR_SIZE)
    return -E2BIG
  }
  if (size < ATTR_SIZE_0 || size > ATTR_LIMIT) return tooBig()
  const bytes = user.read(address, size)
  if (bytes.subarray(ATTR_SIZE).some((byte) => byte !== 0)) return tooBig()
  const view = new DataView(bytes.buffer)
  const policy = view.getInt32(4, true)
  const flags = view.getUint32(8, true)
  if (policy < 0 && (flags & SCHED_FLAG_KEEP_POLICY) === 0) return -EINVAL
  const other = findTask(kernel, task, pid)
  if (other === undefined) return -ESRCH
  if ((flags & ~SCHED_FLAG_ALL) !== 0 || view.getUint32(12, true) !== 0) return -EINVAL
  const keepsPolicy = (flags & SCHED_FLAG_KEEP_POLICY) !== 0
  const keepsParameters = (flags & SCHED_FLAG_KEEP_PARAMS) !== 0
  const wanted = keepsPolicy ? policyOf(other) : policy
  return change(kernel, task, other, {
    policy: wanted,
    reservation: keepsParameters ? other.reservation : [unsigned(view, 24), unsigned(view, 32), unsigned(view, 40)],
    priority: keepsParameters ? other.priority : view.getUint32(20, true),
    nice: keepsParameters ? other.nice : Math.max(-20, Math.min(19, view.getInt32(16, true))),
    resetOnFork: (flags & SCHED_FLAG_RESET_ON_FORK) !== 0,
  })
}

const getattr = (kernel: Kernel, task: Task, args: Args): number => {
  const pid = int32(args[0])
  const size = uint32(args[2])
  if (args[1] === 0 || pid < 0 || size > ATTR_LIMIT || size < ATTR_SIZE_0 || uint32(args[3]) !== 0) return -EINVAL
  const other = findTask(kernel, task, pid)
  if (other === undefined) return -ESRCH
  const view = new DataView(new ArrayBuffer(Math.min(size, ATTR_SIZE)))
  view.setUint32(0, view.byteLength, true)
  view.setUint32(4, policyOf(other), true)
  view.setUint32(8, (other.policy & SCHED_RESET_ON_FORK) !== 0 ? SCHED_FLAG_RESET_ON_FORK : 0, true)
  view.setInt32(16, isRealTime(policyOf(other)) ? 0 : other.nice, true)
  view.setUint32(20, other.priority, true)
  if (other.reservation !== undefined) {
    const [runtime, deadline, period] = other.reservation
    for (const [i, value] of [runtime, deadline, period === 0 ? deadline : period].entries()) {
      view.setUint32(24 + i * 8, value, true)
      view.setUint32(28 + i * 8, Math.floor(value / 0x1_0000_0000), true)
    }
  }
  kernel.user(task).write(uint64(args[1]), new Uint8Array(view.buffer))
  return 0
}

// ——— Affinity ———

const setaffinity = (kernel: Kernel, task: Task, args: Args): number => {
  const pid = int32(args[0])
  const size = Math.min(uint32(args[1]), 8)
  const bytes = new Uint8Array(8)
  bytes.set(kernel.user(task).read(uint64(args[2]), size))
  const other = findTask(kernel, task, pid)
  if (other === undefined) return -ESRCH
  if (!isSameOwner(task, other) && !hasCapability(task, CAP_SYS_NICE)) return -EPERM
  const view = new DataView(bytes.buffer)
  const online = kernel.state.hosts[other.namespaces.host].cpus
  const mask = [(view.getUint32(0, true) & online[0]) >>> 0, (view.getUint32(4, true) & online[1]) >>> 0] as const
  if (mask[0] === 0 && mask[1] === 0) return -EINVAL
  other.affinity = mask
  // A CPU that is not among them is left at once.
  if (other === task && (mask[task.cpu >> 5] & 1 << (task.cpu & 31)) === 0) kernel.yielded = true
  return 0
}

const getaffinity = (kernel: Kernel, task: Task, args: Args): number => {
  const size = uint32(args[1])
  if (size * 8 < kernel.config.cpus || size % 8 !== 0) return -EINVAL
  const other = findTask(kernel, task, int32(args[0]))
  if (other === undefined) return -ESRCH
  const user = kernel.user(task)
  user.setU32(uint64(args[2]), other.affinity[0])
  user.setU32(uint64(args[2]) + 4, other.affinity[1])
  return 8
}

/** The third argument, a cache, has not been used since Linux 2.6.24. */
const getcpu = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  if (args[0] !== 0) user.setU32(uint64(args[0]), task.cpu)
  if (args[1] !== 0) user.setU32(uint64(args[1]), 0)
  return 0
}

const NOTE = 'SCHED_DEADLINE comes before all others, without its runtime being enforced; SCHED_RR takes turns after slices of any length'

export const schedulingCalls: readonly SyscallEntry[] = [
  { number: 142, name: 'sched_setparam', args: ['pid:pid', 'param:pointer'], handler: setparam, status: 'full', note: NOTE },
  { number: 143, name: 'sched_getparam', args: ['pid:pid', 'param:pointer'], handler: getparam, status: 'full' },
  { number: 144, name: 'sched_setscheduler', args: ['pid:pid', 'policy:enum(SCHED)', 'param:pointer'], handler: setscheduler, status: 'full', note: NOTE },
  { number: 145, name: 'sched_getscheduler', args: ['pid:pid'], handler: getscheduler, status: 'full' },
  { number: 146, name: 'sched_get_priority_max', args: ['policy:enum(SCHED)'], handler: priorityMax, status: 'full' },
  { number: 147, name: 'sched_get_priority_min', args: ['policy:enum(SCHED)'], handler: priorityMin, status: 'full' },
  { number: 148, name: 'sched_rr_get_interval', args: ['pid:pid', 'interval:struct(timespec)*'], handler: rrGetInterval, status: 'full' },
  { number: 203, name: 'sched_setaffinity', args: ['pid:pid', 'size:size', 'mask:in[1]'], handler: setaffinity, status: 'full' },
  { number: 204, name: 'sched_getaffinity', args: ['pid:pid', 'size:size', 'mask:out[1]'], handler: getaffinity, status: 'full' },
  { number: 309, name: 'getcpu', args: ['cpu:pointer', 'node:pointer', 'cache:pointer'], handler: getcpu, status: 'full' },
  { number: 314, name: 'sched_setattr', args: ['pid:pid', 'attr:pointer', 'flags:uint'], handler: setattr, status: 'full', note: NOTE },
  { number: 315, name: 'sched_getattr', args: ['pid:pid', 'attr:pointer', 'size:size', 'flags:uint'], handler: getattr, status: 'full' },
]
