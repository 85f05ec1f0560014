/** Who may do what with a file: mode bits and capabilities (path_resolution(7), capabilities(7); fs/namei.c, generic_permission). */
import { EACCES, EPERM } from '../abi/errno.ts'
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID } from '../abi/capabilities.ts'
import type { Kernel } from '../kernel.ts'
import { hasGid, hasUid } from '../task/user-namespace.ts'
import type { Credentials, Task } from '../task/task.ts'
import { type DirectoryInode, ensureAttributes, type Inode, S_ISGID, S_ISUID, S_ISVTX, typeBits, S_IFDIR } from './inode.ts'

export const MAY_EXEC = 1, MAY_WRITE = 2, MAY_READ = 4

/** Whether the effective set has the capability, over everything. Here it is asked of credentials: access(2) asks for others than the task's. */
export const capable = (credentials: Credentials, capability: number): boolean => credentials.user.level === 0 && isEffective(credentials, capability)

/** The same over an inode: in a nested user namespace, its owners must be known there (capable_wrt_inode_uidgid). */
export const capableOver = (credentials: Credentials, inode: Inode, capability: number): boolean =>
  isEffective(credentials, capability) && (credentials.user.level === 0 || (hasUid(credentials.user, inode.uid) && hasGid(credentials.user, inode.gid)))

const isEffective = (credentials: Credentials, capability: number): boolean =>
  capability < 32 ? (credentials.effective[0] & (1 << capability)) !== 0 : (credentials.effective[1] & (1 << (capability - 32))) !== 0

const SEARCH_CAPABILITIES = 1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH

export const isInGroup = (credentials: Credentials, gid: number): boolean =>
  credentials.fsgid === gid || credentials.groups.includes(gid)

const IMMUTABLE = 0x10

/** 0 or −EACCES for MAY_* bits; −EPERM where nobody may write. */
export const checkAccess = (kernel: Kernel, credentials: Credentials, inode: Inode, wanted: number): number => {
  ensureAttributes(kernel, inode)
  // Not even by root (FS_IMMUTABLE_FL).
  if (inode.flags !== undefined && (inode.flags & IMMUTABLE) !== 0 && (wanted & MAY_WRITE) !== 0) return -EPERM
  const { mode } = inode
  const granted = credentials.fsuid === inode.uid ? mode >> 6 : isInGroup(credentials, inode.gid) ? mode >> 3 : mode
  if ((wanted & ~granted & 7) === 0) return 0
  if (typeBits(inode) === S_IFDIR) {
    if ((wanted & MAY_WRITE) === 0 && capableOver(credentials, inode, CAP_DAC_READ_SEARCH)) return 0
    return capableOver(credentials, inode, CAP_DAC_OVERRIDE) ? 0 : -EACCES
  }
  if (wanted === MAY_READ && capableOver(credentials, inode, CAP_DAC_READ_SEARCH)) return 0
  // Even root can execute only what somebody may execute.
  if (((wanted & MAY_EXEC) === 0 || (mode & 0o111) !== 0) && capableOver(credentials, inode, CAP_DAC_OVERRIDE)) return 0
  return -EACCES
}

/** Whether a directory may be walked through. Does not ask the host for attributes if the answer is yes in any case. */
export const maySearch = (kernel: Kernel, credentials: Credentials, directory: DirectoryInode): boolean =>
  (credentials.user.level === 0 && (credentials.effective[0] & SEARCH_CAPABILITIES) !== 0) || checkAccess(kernel, credentials, directory, MAY_EXEC) === 0

/** Owner, or privileged to act as one. */
export const ownsInode = (kernel: Kernel, credentials: Credentials, inode: Inode): boolean => {
  if (capable(credentials, CAP_FOWNER)) return true
  ensureAttributes(kernel, inode)
  return credentials.fsuid === inode.uid || capableOver(credentials, inode, CAP_FOWNER)
}

/** Entries of a sticky directory go only by their owner, the directory's, or root: 0 or −EPERM (fs/namei.c, may_delete). */
export const checkSticky = (kernel: Kernel, credentials: Credentials, directory: DirectoryInode, inode: Inode): number => {
  if (capable(credentials, CAP_FOWNER)) return 0
  ensureAttributes(kernel, directory)
  if ((directory.mode & S_ISVTX) === 0) return 0
  ensureAttributes(kernel, inode)
  return credentials.fsuid === inode.uid || credentials.fsuid === directory.uid || capableOver(credentials, inode, CAP_FOWNER) ? 0 : -EPERM
}

/** Writing and truncating take away set-id bits (fs/attr.c, setattr_should_drop_suidgid). */
export const dropSetId = (task: Task, inode: Inode): void => {
  const { credentials } = task
  if (inode.kind !== 'file' || (inode.mode & (S_ISUID | S_ISGID)) === 0 || capableOver(credentials, inode, CAP_FSETID)) return
  const dropsGroup = (inode.mode & 0o010) !== 0 || !isInGroup(credentials, inode.gid)
  inode.mode &= ~(dropsGroup ? S_ISUID | S_ISGID : S_ISUID)
}
