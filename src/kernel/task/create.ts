/** New tasks and thread groups: every field in one order, so that all of them have one shape. */
import { CPU_STATE_SIZE } from '../../emu/cpu/layout.ts'
import { CAP_LAST } from '../abi/capabilities.ts'
import { DEFAULT_LIMITS } from '../abi/resources.ts'
import { SS_DISABLE, SIGCHLD } from '../abi/signals.ts'
import type { DescriptorTable } from '../fs/descriptor.ts'
import type { PathContext } from '../fs/path.ts'
import type { Kernel } from '../kernel.ts'
import type { AddressSpace } from '../mm/address-space.ts'
import { pendingSignals, type SignalActions } from '../signal/signal.ts'
import { makeTimer } from '../time/timer-queue.ts'
import { waitQueue } from '../wait-queue.ts'
import type { Namespaces } from './namespaces.ts'
import type { PidNamespace } from './pid-namespace.ts'
import { firstUserNamespace, type UserNamespace } from './user-namespace.ts'
import type { CapabilitySet, Credentials, Task, ThreadGroup, Usage } from './task.ts'

export const noUsage = (): Usage => ({
  userCycles: 0, systemCycles: 0, minorFaults: 0, majorFaults: 0, voluntarySwitches: 0, involuntarySwitches: 0, residentPeak: 0,
})

export const addUsage = (to: Usage, from: Usage): void => {
  to.userCycles += from.userCycles
  to.systemCycles += from.systemCycles
  to.minorFaults += from.minorFaults
  to.majorFaults += from.majorFaults
  to.voluntarySwitches += from.voluntarySwitches
  to.involuntarySwitches += from.involuntarySwitches
  to.residentPeak = Math.max(to.residentPeak, from.residentPeak)
}

const NO_CAPABILITIES: CapabilitySet = [0, 0]
export const ALL_CAPABILITIES: CapabilitySet = [0xffff_ffff, 2 ** (CAP_LAST - 31) - 1]

/** For what the kernel does itself. */
const FIRST_USER_NAMESPACE = firstUserNamespace()

/** Credentials of a login as this user: all capabilities for root, none for others. */
export const initialCredentials = (uid: number, gid: number, user: UserNamespace = FIRST_USER_NAMESPACE): Credentials => {
  const capabilities = uid === 0 ? ALL_CAPABILITIES : NO_CAPABILITIES
  return {
    uid, euid: uid, suid: uid, fsuid: uid, gid, egid: gid, sgid: gid, fsgid: gid, groups: [gid], user,
    effective: capabilities, permitted: capabilities, inheritable: NO_CAPABILITIES, bounding: ALL_CAPABILITIES,
    ambient: NO_CAPABILITIES, secureBits: 0,
  }
}

/** The mask of CPUs 0 … count − 1. */
export const allCpus = (count: number): readonly [number, number] =>
  count >= 32 ? [0xffff_ffff, 2 ** (count - 32) - 1] : [2 ** count - 1, 0]

export interface TaskParts {
  readonly tid: number
  readonly group: ThreadGroup
  readonly mm: AddressSpace
  readonly files: DescriptorTable
  readonly fs: PathContext
  readonly actions: SignalActions
  readonly credentials: Credentials
  readonly namespaces: Namespaces
  readonly name: string
}

export const makeTask = (kernel: Kernel, parts: TaskParts): Task => ({
  tid: parts.tid,
  index: kernel.state.tasksMade++,
  group: parts.group,
  state: 'blocked',
  context: new Uint8Array(CPU_STATE_SIZE),
  cpu: 0,
  affinity: kernel.state.hosts[parts.namespaces.host].cpus,
  mm: parts.mm,
  files: parts.files,
  fs: parts.fs,
  actions: parts.actions,
  credentials: parts.credentials,
  namespaces: parts.namespaces,
  signalMask: [0, 0],
  savedMask: undefined,
  pending: pendingSignals(),
  signalStack: { address: 0, size: 0, flags: SS_DISABLE },
  waitSet: undefined,
  syscall: undefined,
  restart: undefined,
  restartCode: 0,
  blockedOn: [],
  sleep: makeTimer('sleep', parts.tid),
  uninterruptible: false,
  readyAt: 0,
  wokenBy: undefined,
  clearChildTid: 0,
  robustList: 0,
  robustListLength: 0,
  rseq: 0,
  rseqSignature: 0,
  name: parts.name,
  exitStatus: 0,
  usage: noUsage(),
  startCycle: kernel.now,
  vforkParent: 0,
  vforkDone: waitQueue(),
  parentDeathSignal: 0,
  noNewPrivileges: false,
  seccomp: undefined,
  timerSlack: 50_000,
  defaultTimerSlack: 50_000,
  policy: 0,
  priority: 0,
  reservation: undefined,
  keyrings: undefined,
  nice: 0,
  semaphoreUndo: 0,
  ioPriority: 0,
  personality: 0,
  memoryPolicy: 0,
  faultVector: 0,
  faultError: 0,
  faultAddress: 0,
  debug: undefined,
  trace: undefined,
  nextAction: undefined,
  stores: [],
  signalDue: false,
})

export interface GroupParts {
  readonly tgid: number
  readonly parent: number
  readonly processGroup: number
  readonly session: number
  readonly pids: PidNamespace
}

export const makeGroup = (kernel: Kernel, parts: GroupParts): ThreadGroup => ({
  tgid: parts.tgid,
  pids: parts.pids,
  threads: [parts.tgid],
  processKeyring: 0,
  parent: parts.parent,
  children: [],
  processGroup: parts.processGroup,
  session: parts.session,
  childChange: waitQueue(),
  signalWait: waitQueue(),
  pending: pendingSignals(),
  exitSignal: SIGCHLD,
  exiting: false,
  execTid: 0,
  threadExit: waitQueue(),
  exitStatus: 0,
  endsLast: false,
  zombie: false,
  tracees: [],
  traceeExits: [],
  ended: waitQueue(),
  stopSignal: 0,
  stopReport: 0,
  continueReport: false,
  didExec: false,
  limits: DEFAULT_LIMITS.map(([soft, hard]): [number, number] => [soft, hard]),
  realTimer: makeTimer('real', parts.tgid),
  realInterval: 0,
  realFar: undefined,
  realExpired: 0,
  cpuTimers: { virtual: Infinity, virtualInterval: 0, profile: Infinity, profileInterval: 0 },
  posixTimers: new Map(),
  posixCpuTimers: new Set(),
  nextPosixTimer: 0,
  startCycle: kernel.now,
  usage: noUsage(),
  childUsage: noUsage(),
  dumpable: 1,
  childSubreaper: false,
  controllingTerminal: 0,
  oomScoreAdjust: 0,
})
