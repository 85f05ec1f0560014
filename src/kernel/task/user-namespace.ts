/**
 * User namespaces (user_namespaces(7); kernel/user_namespace.c): what user and group numbers stand for, and whom capabilities are over.
 *
 * Numbers in the kernel's state are those of the first namespace ('kernel ids'); they are translated where they pass to or
 * from a program. In a namespace of level 0 they are the same.
 */
import { EINVAL, EPERM } from '../abi/errno.ts'
import { CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import type { CapabilitySet, Credentials, Task } from './task.ts'

/** `count` ids from `inside` on are the kernel's ids from `outside` on. */
export interface IdExtent { readonly inside: number, readonly outside: number, readonly count: number }

export interface UserNamespace {
  readonly kind: 'user-namespace'
  /** Inode number that /proc/PID/ns shows. */
  readonly id: number
  /** 0: a first one, whose root is root. */
  readonly level: number
  readonly parent: UserNamespace | undefined
  /** Kernel ids of the user that made it: that user's processes outside have all capabilities over it. */
  readonly owner: number
  readonly group: number
  uids: readonly IdExtent[]
  gids: readonly IdExtent[]
  projects: readonly IdExtent[]
  /** /proc/PID/setgroups. */
  setgroups: boolean
}

/** Inode number of the first one, as Linux has it. */
export const FIRST_USER_NAMESPACE_ID = 4_026_531_837

export const firstUserNamespace = (id = FIRST_USER_NAMESPACE_ID): UserNamespace =>
  ({ kind: 'user-namespace', id, level: 0, parent: undefined, owner: 0, group: 0, uids: [], gids: [], projects: [], setgroups: true })

export const OVERFLOW_ID = 65_534
/** What stands for no id, as (uid_t) −1. */
export const NO_ID = 0xffff_ffff

const toKernel = (extents: readonly IdExtent[], id: number): number => {
  for (const { inside, outside, count } of extents) if (id >= inside && id < inside + count) return id - inside + outside
  return -1
}
const fromKernel = (extents: readonly IdExtent[], id: number): number => {
  for (const { inside, outside, count } of extents) if (id >= outside && id < outside + count) return id - outside + inside
  return -1
}

/** The kernel's id of what a program calls so; −1: nothing. */
export const kernelUid = ({ level, uids }: UserNamespace, uid: number): number => level === 0 ? uid : toKernel(uids, uid)
export const kernelGid = ({ level, gids }: UserNamespace, gid: number): number => level === 0 ? gid : toKernel(gids, gid)
/** What a program is shown: the overflow id for what is not in its namespace. */
export const shownUid = ({ level, uids }: UserNamespace, uid: number): number => {
  if (level === 0) return uid
  const shown = fromKernel(uids, uid)
  return shown < 0 ? OVERFLOW_ID : shown
}
export const shownGid = ({ level, gids }: UserNamespace, gid: number): number => {
  if (level === 0) return gid
  const shown = fromKernel(gids, gid)
  return shown < 0 ? OVERFLOW_ID : shown
}
export const hasUid = ({ level, uids }: UserNamespace, uid: number): boolean => level === 0 || fromKernel(uids, uid) >= 0
export const hasGid = ({ level, gids }: UserNamespace, gid: number): boolean => level === 0 || fromKernel(gids, gid) >= 0

/** Whether the namespace is `ancestor` or below it. */
export const isUserNamespaceBelow = (namespace: UserNamespace, ancestor: UserNamespace): boolean => {
  for (let at: UserNamespace | undefined = namespace; at !== undefined; at = at.parent) if (at === ancestor) return true
  return false
}

const has = (set: CapabilitySet, capability: number): boolean => (set[capability >> 5] & (1 << (capability & 31))) !== 0

/** Whether the credentials have the capability over what belongs to the namespace (cap_capable). */
export const isCapableIn = (credentials: Credentials, namespace: UserNamespace, capability: number): boolean => {
  const { user } = credentials
  for (let at: UserNamespace | undefined = namespace; at !== undefined; at = at.parent) {
    if (at === user) return has(credentials.effective, capability)
    if (at.level <= user.level) return false
    if (at.parent === user && at.owner === credentials.euid) return true
  }
  return false
}
export const hasCapabilityIn = (task: Task, namespace: UserNamespace, capability: number): boolean =>
  isCapableIn(task.credentials, namespace, capability)

/** Nested deeper: ENOSPC. */
export const USER_NAMESPACE_DEPTH = 32

export const makeUserNamespace = (id: number, { user, euid, egid }: Credentials): UserNamespace => ({
  kind: 'user-namespace', id, level: user.level + 1, parent: user, owner: euid, group: egid, uids: [], gids: [], projects: [], setgroups: user.setgroups,
})

// ——— /proc/PID/uid_map, gid_map, projid_map, setgroups ———

export type IdKind = 'uids' | 'gids' | 'projects'
const EXTENT_LIMIT = 340

/** The map as a reader in the namespace `seenFrom` sees it. */
export const showIdMap = (namespace: UserNamespace, kind: IdKind, seenFrom: UserNamespace): string => {
  const line = (inside: number, outside: number, count: number): string =>
    `${String(inside).padStart(10)} ${String(outside).padStart(10)} ${String(count).padStart(10)}\n`
  if (namespace.level === 0) return line(0, 0, NO_ID)
  const lower = seenFrom === namespace ? namespace.parent : seenFrom
  return namespace[kind].map(({ inside, outside, count }) => {
    const shown = lower === undefined || lower.level === 0 ? outside : fromKernel(lower[kind], outside)
    return line(inside, shown < 0 ? NO_ID : shown, count)
  }).join('')
}

interface Line { readonly inside: number, readonly outside: number, readonly count: number }

const parseMap = (text: string): Line[] | undefined => {
  const lines: Line[] = []
  for (const row of text.replace(/\n$/, '').split('\n')) {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s*$/.exec(row)
    if (match === null) return undefined
    const [inside, outside, count] = [Number(match[1]), Number(match[2]), Number(match[3])]
    if (count === 0 || inside + count > NO_ID || outside + count > NO_ID) return undefined
    const overlaps = (a: number, b: number, size: number): boolean => a < b + size && b < a + count
    if (lines.some((other) => overlaps(inside, other.inside, other.count) || overlaps(outside, other.outside, other.count))) return undefined
    lines.push({ inside, outside, count })
  }
  return lines.length > EXTENT_LIMIT ? undefined : lines
}

const isPermitted = (writer: Credentials, namespace: UserNamespace, parent: UserNamespace, kind: IdKind, lines: readonly Line[]): boolean => {
  if (kind === 'projects') return true
  const [first] = lines
  if (lines.length === 1 && first.count === 1 && namespace.owner === writer.euid) {
    if (kind === 'uids' && kernelUid(parent, first.outside) === writer.euid) return true
    if (kind === 'gids' && kernelGid(parent, first.outside) === writer.egid && !namespace.setgroups) return true
  }
  return isCapableIn(writer, parent, kind === 'uids' ? CAP_SETUID : CAP_SETGID)
}

/** What is written to a map, once: 0 or a negative errno (map_write). */
export const writeIdMap = (writer: Credentials, namespace: UserNamespace, kind: IdKind, text: string): number => {
  const { parent } = namespace
  if (parent === undefined || (writer.user !== namespace && writer.user !== parent)) return -EPERM
  if (namespace[kind].length !== 0) return -EPERM
  if (kind !== 'projects' && !isCapableIn(writer, namespace, CAP_SYS_ADMIN)) return -EPERM
  const lines = parseMap(text)
  if (lines === undefined) return -EINVAL
  if (!isPermitted(writer, namespace, parent, kind, lines)) return -EPERM
  const extents: IdExtent[] = []
  for (const { inside, outside, count } of lines) {
    const low = parent.level === 0 ? outside : toKernel(parent[kind], outside)
    const high = parent.level === 0 ? outside + count - 1 : toKernel(parent[kind], outside + count - 1)
    if (low < 0 || high !== low + count - 1) return -EPERM
    extents.push({ inside, outside: low, count })
  }
  namespace[kind] = extents
  return 0
}

export const showSetgroups = ({ setgroups }: UserNamespace): string => setgroups ? 'allow\n' : 'deny\n'

export const writeSetgroups = (writer: Credentials, namespace: UserNamespace, text: string): number => {
  const word = text.trim()
  if (!isCapableIn(writer, namespace, CAP_SYS_ADMIN)) return -EPERM
  if (word !== 'allow' && word !== 'deny') return -EINVAL
  if (word === 'allow') return namespace.setgroups ? 0 : -EPERM
  if (namespace.gids.length !== 0 || namespace.level === 0) return -EPERM
  namespace.setgroups = false
  return 0
}

/** setgroups(2) needs a map of groups and that it was not denied. */
export const maySetGroups = (namespace: UserNamespace): boolean => namespace.level === 0 || (namespace.gids.length > 0 && namespace.setgroups)
