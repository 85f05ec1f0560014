/**
 * The namespaces that a task is in (namespaces(7)), but for that of users, which goes with its credentials.
 *
 * The object is never changed in place: unshare(2), setns(2) and clone(2) make a new one, so that tasks share it and a fork
 * without namespaces costs nothing.
 */
import type { MountNamespace } from '../fs/mount-tree.ts'
import type { IpcState } from '../ipc/ipc-state.ts'
import type { Kernel } from '../kernel.ts'
import type { NetNamespace } from '../net/namespace.ts'
import type { PidNamespace } from './pid-namespace.ts'
import type { UserNamespace } from './user-namespace.ts'

export interface UtsNamespace {
  readonly kind: 'uts-namespace'
  readonly id: number
  readonly owner: UserNamespace
  hostname: string
  domainname: string
}

export interface IpcNamespace {
  readonly kind: 'ipc-namespace'
  readonly id: number
  readonly owner: UserNamespace
  readonly ipc: IpcState
}

export interface NetworkNamespace {
  readonly kind: 'net-namespace'
  readonly id: number
  readonly owner: UserNamespace
  readonly net: NetNamespace
}

/** There are no cgroups: a name for what programs ask to be in. */
export interface CgroupNamespace { readonly kind: 'cgroup-namespace', readonly id: number, readonly owner: UserNamespace }

/** time_namespaces(7): what is added to CLOCK_MONOTONIC and CLOCK_BOOTTIME, in seconds and nanoseconds. */
export interface TimeNamespace {
  readonly kind: 'time-namespace'
  readonly id: number
  readonly owner: UserNamespace
  monotonic: readonly [seconds: number, nanoseconds: number]
  boottime: readonly [seconds: number, nanoseconds: number]
  /** A task is in it: offsets stay as they are. */
  frozen: boolean
}

export interface Namespaces {
  readonly kind: 'namespaces'
  /** Index of the host in `KernelState.hosts`. */
  readonly host: number
  readonly pid: PidNamespace
  readonly pidForChildren: PidNamespace
  readonly mount: MountNamespace
  readonly uts: UtsNamespace
  readonly ipc: IpcNamespace
  readonly net: NetworkNamespace
  readonly cgroup: CgroupNamespace
  readonly time: TimeNamespace
  readonly timeForChildren: TimeNamespace
}

export type AnyNamespace = PidNamespace | MountNamespace | UtsNamespace | IpcNamespace | NetworkNamespace | CgroupNamespace | TimeNamespace | UserNamespace

/** Inode numbers of the first ones, as Linux has them. */
export const FIRST_IDS = {
  time: 4_026_531_834, cgroup: 4_026_531_835, pid: 4_026_531_836, user: 4_026_531_837, uts: 4_026_531_838, ipc: 4_026_531_839, net: 4_026_531_840,
  mount: 4_026_531_841,
} as const
/** Those made later have numbers from here on. */
const LATER_IDS = 4_026_532_000

export const nextNamespaceId = (kernel: Kernel): number => {
  kernel.state.lastNamespace = Math.max(kernel.state.lastNamespace, LATER_IDS) + 1
  return kernel.state.lastNamespace
}
