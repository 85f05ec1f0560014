/**
 * Credentials (credentials(7), capabilities(7)): what a task may do, and how identities and capabilities change together.
 * A change makes a new object (see `Credentials`): `setCredentials` puts it in place.
 */
import {
  CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_LINUX_IMMUTABLE, CAP_MAC_OVERRIDE, CAP_MKNOD,
} from '../abi/capabilities.ts'
import { type Inode, S_ISGID, S_ISUID } from '../fs/inode.ts'
import { hasCapabilityIn, hasGid, hasUid, kernelUid } from './user-namespace.ts'
import type { CapabilitySet, Credentials, Task } from './task.ts'

export const NO_CAPABILITIES: CapabilitySet = [0, 0]

// ——— Sets of capabilities ———

export const capabilityHas = (set: CapabilitySet, capability: number): boolean => (set[capability >> 5] & (1 << (capability & 31))) !== 0
export const capabilityUnion = (a: CapabilitySet, b: CapabilitySet): CapabilitySet => [(a[0] | b[0]) >>> 0, (a[1] | b[1]) >>> 0]
export const capabilityIntersection = (a: CapabilitySet, b: CapabilitySet): CapabilitySet => [(a[0] & b[0]) >>> 0, (a[1] & b[1]) >>> 0]
export const capabilityDifference = (a: CapabilitySet, b: CapabilitySet): CapabilitySet => [(a[0] & ~b[0]) >>> 0, (a[1] & ~b[1]) >>> 0]
export const capabilitySubset = (a: CapabilitySet, of: CapabilitySet): boolean => (a[0] & ~of[0]) === 0 && (a[1] & ~of[1]) === 0
export const capabilityOf = (capability: number): CapabilitySet =>
  capability < 32 ? [(1 << capability) >>> 0, 0] : [0, (1 << (capability - 32)) >>> 0]

/** Those that go with the file system user id (CAP_FS_MASK). */
const FILE_SYSTEM_CAPABILITIES = [CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_LINUX_IMMUTABLE,
  CAP_MKNOD, CAP_MAC_OVERRIDE].map(capabilityOf).reduce(capabilityUnion)

/** Whether the task has the capability in effect over everything: not one that has it in a nested user namespace only. */
export const hasCapability = ({ credentials }: Task, capability: number): boolean =>
  credentials.user.level === 0 && capabilityHas(credentials.effective, capability)

/** The group is the task's for file access, or one of its supplementary groups. */
export const isInGroup = (task: Task, gid: number): boolean => task.credentials.fsgid === gid || task.credentials.groups.includes(gid)
/** The same by effective group id (in_egroup_p): for IPC. */
export const isInEffectiveGroup = (task: Task, gid: number): boolean => task.credentials.egid === gid || task.credentials.groups.includes(gid)

// ——— PR_SET_SECUREBITS ———

export const SECURE_NOROOT = 1, SECURE_NO_SETUID_FIXUP = 4, SECURE_KEEP_CAPS = 16, SECURE_NO_CAP_AMBIENT_RAISE = 64

/** Whether the new credentials can do no more than the old ones: those of a namespace that one owns can't (cred_cap_issubset). */
const gainsNothing = (old: Credentials, next: Credentials): boolean => {
  if (old.user === next.user) return capabilitySubset(next.permitted, old.permitted)
  for (let at = next.user; at.parent !== undefined; at = at.parent) if (at.parent === old.user && at.owner === old.euid) return true
  return false
}

/** Puts new credentials in place: a process that changes who it is stops being dumpable and forgets its death signal (commit_creds). */
export const setCredentials = (task: Task, next: Credentials): void => {
  const old = task.credentials
  if (old.euid !== next.euid || old.egid !== next.egid || old.fsuid !== next.fsuid || old.fsgid !== next.fsgid ||
      !gainsNothing(old, next)) {
    task.group.dumpable = 0
    task.parentDeathSignal = 0
  }
  task.credentials = next
}

/** Root of the credentials' user namespace, −1 if it has none. */
const rootOf = (c: Credentials): number => kernelUid(c.user, 0)
const hasRoot = (c: Credentials): boolean => {
  const root = rootOf(c)
  return c.uid === root || c.euid === root || c.suid === root
}

/** Capabilities follow the user ids (cap_emulate_setxuid). */
export const fixCapabilities = (old: Credentials, next: Credentials): Credentials => {
  if ((old.secureBits & SECURE_NO_SETUID_FIXUP) !== 0) return next
  let { permitted, effective, ambient } = next
  if (hasRoot(old) && !hasRoot(next)) {
    if ((old.secureBits & SECURE_KEEP_CAPS) === 0) {
      permitted = NO_CAPABILITIES
      effective = NO_CAPABILITIES
    }
    ambient = NO_CAPABILITIES
  }
  const root = rootOf(next)
  if (old.euid === root && next.euid !== root) effective = NO_CAPABILITIES
  if (old.euid !== root && next.euid === root) effective = permitted
  return { ...next, permitted, effective, ambient }
}

/** Those for file access follow the file system user id. */
export const fixFileCapabilities = (old: Credentials, next: Credentials): Credentials => {
  if ((old.secureBits & SECURE_NO_SETUID_FIXUP) !== 0) return next
  const root = rootOf(next)
  if (old.fsuid === root && next.fsuid !== root) {
    return { ...next, effective: capabilityDifference(next.effective, FILE_SYSTEM_CAPABILITIES) }
  }
  if (old.fsuid !== root && next.fsuid === root) {
    return { ...next, effective: capabilityUnion(next.effective, capabilityIntersection(next.permitted, FILE_SYSTEM_CAPABILITIES)) }
  }
  return next
}

/**
 * What a program runs as (bprm_fill_uid and cap_bprm_creds_from_file).
 * @param setId the file has set-user-id or set-group-id bits that count (not of a script, nor on a nosuid mount)
 * @returns whether the program must not trust its environment (AT_SECURE)
 */
export const execCredentials = (task: Task, inode: Inode, setId: boolean): boolean => {
  const old = task.credentials
  let { euid, egid } = old
  const { user } = old
  const root = rootOf(old)
  if (setId && !task.noNewPrivileges && hasUid(user, inode.uid) && hasGid(user, inode.gid)) {
    if ((inode.mode & S_ISUID) !== 0) euid = inode.uid
    // Without execute permission for the group the bit means mandatory locking.
    if ((inode.mode & S_ISGID) !== 0 && (inode.mode & 0o010) !== 0) egid = inode.gid
  }
  const isSetId = euid !== old.uid || egid !== old.gid
  let permitted: CapabilitySet = NO_CAPABILITIES
  let isEffective = false
  if ((old.secureBits & SECURE_NOROOT) === 0) {
    if (euid === root || old.uid === root) permitted = capabilityUnion(old.bounding, old.inheritable)
    isEffective = euid === root
  }
  const ambient = isSetId ? NO_CAPABILITIES : old.ambient
  permitted = capabilityUnion(permitted, ambient)
  const grew = !capabilitySubset(permitted, ambient)
  const secure = isSetId || (old.uid !== root && (isEffective || grew))
  setCredentials(task, {
    ...old, euid, suid: euid, fsuid: euid, egid, sgid: egid, fsgid: egid,
    permitted, effective: isEffective ? permitted : ambient, ambient, secureBits: old.secureBits & ~SECURE_KEEP_CAPS,
  })
  task.group.dumpable = euid === old.uid && egid === old.gid && !secure ? 1 : 0
  if (secure) task.parentDeathSignal = 0
  return secure
}

/** Whether a task may look into another one or change its limits (Linux's ptrace_may_access with real credentials). */
export const mayAccessTask = (task: Task, other: Task, capability: number): boolean => {
  if (task.group === other.group) return true
  const { uid, gid } = task.credentials
  const o = other.credentials
  const isSame = uid === o.euid && uid === o.suid && uid === o.uid && gid === o.egid && gid === o.sgid && gid === o.gid
  const isPrivileged = hasCapabilityIn(task, o.user, capability)
  if (!isSame && !isPrivileged) return false
  return (other.group.dumpable === 1 && o.user === task.credentials.user && capabilitySubset(o.permitted, task.credentials.permitted)) || isPrivileged
}
