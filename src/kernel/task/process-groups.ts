/**
 * Thread groups by what they are members of: process groups and sessions are found without a look at all processes.
 *
 * Invariant: `members` has each group of `state.groups` under its `processGroup`, in the order in which they joined; `sessions` says how
 * many have which `session`; neither has empty entries. So these fields change here only.
 */
import type { Kernel } from '../kernel.ts'
import type { ThreadGroup } from './task.ts'

export interface ProcessGroups {
  /** tgids by process group. */
  readonly members: Map<number, Set<number>>
  /** How many thread groups are in a session. */
  readonly sessions: Map<number, number>
}
export const processGroups = (): ProcessGroups => ({ members: new Map(), sessions: new Map() })

const join = ({ members, sessions }: ProcessGroups, { tgid, processGroup, session }: ThreadGroup): void => {
  const set = members.get(processGroup)
  if (set === undefined) members.set(processGroup, new Set([tgid]))
  else set.add(tgid)
  sessions.set(session, (sessions.get(session) ?? 0) + 1)
}

const leave = ({ members, sessions }: ProcessGroups, { tgid, processGroup, session }: ThreadGroup): void => {
  const set = members.get(processGroup)
  set?.delete(tgid)
  if (set?.size === 0) members.delete(processGroup)
  const left = (sessions.get(session) ?? 0) - 1
  if (left > 0) sessions.set(session, left)
  else sessions.delete(session)
}

/** A new group, by its number and by what it is a member of. */
export const addGroup = (kernel: Kernel, group: ThreadGroup): void => {
  kernel.state.groups.set(group.tgid, group)
  join(kernel.state.processGroups, group)
}

/** It was reaped. */
export const removeGroup = (kernel: Kernel, group: ThreadGroup): void => {
  if (kernel.state.groups.delete(group.tgid)) leave(kernel.state.processGroups, group)
}

export const moveToProcessGroup = (kernel: Kernel, group: ThreadGroup, processGroup: number, session = group.session): void => {
  leave(kernel.state.processGroups, group)
  group.processGroup = processGroup
  group.session = session
  join(kernel.state.processGroups, group)
}

/** Whether a process group or a session has this number. */
export const isNumberOfProcessGroup = ({ state: { processGroups: { members, sessions } } }: Kernel, number: number): boolean =>
  members.has(number) || sessions.has(number)

export const processGroupMembers = (kernel: Kernel, processGroup: number): ThreadGroup[] => {
  const { groups, processGroups: { members } } = kernel.state
  const found: ThreadGroup[] = []
  for (const tgid of members.get(processGroup) ?? []) {
    const group = groups.get(tgid)
    if (group !== undefined) found.push(group)
  }
  return found
}

/** A process group is in one session; undefined if there is no such group. */
export const sessionOfProcessGroup = ({ state: { groups, processGroups: { members } } }: Kernel, processGroup: number): number | undefined => {
  for (const tgid of members.get(processGroup) ?? []) return groups.get(tgid)?.session
  return undefined
}
