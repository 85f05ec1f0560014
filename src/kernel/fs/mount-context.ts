/**
 * The file system contexts of fsopen(2) and fspick(2), and mounts that are in no tree yet (fsmount(2), open_tree(2)): both are
 * descriptors. A context goes through phases, and each call fits one (fs/fsopen.c).
 */
import { EBUSY, EINVAL, EOPNOTSUPP } from '../abi/errno.ts'
import { MS_DIRSYNC, MS_LAZYTIME, MS_MANDLOCK, MS_RDONLY, MS_SYNCHRONOUS, O_PATH } from '../abi/fcntl.ts'
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { makeOpenFile } from './descriptor.ts'
import type { FileOperations, OpenFile } from './file.ts'
import type { DirectoryInode } from './inode.ts'
import { isTop, makeMount, type Mount, mountPath } from './mount-tree.ts'
import { makeRoot, reconfigure, takeOff } from './mounts.ts'

export interface MountContext {
  readonly kind: 'mount-context'
  readonly type: string
  phase: 'create' | 'mount' | 'reconfigure' | 'done'
  source: string
  /** MS_* of the file system. */
  flags: number
  readonly options: string[]
  /** What was made, or (fspick) what is to be changed. */
  root: DirectoryInode | undefined
}

export const contextOf = (file: OpenFile): MountContext => file.data as MountContext

/** common_set_sb_flag, common_clear_sb_flag. */
const SET: Readonly<Record<string, number>> = { dirsync: MS_DIRSYNC, lazytime: MS_LAZYTIME, mand: MS_MANDLOCK, ro: MS_RDONLY, sync: MS_SYNCHRONOUS }
const CLEARED: Readonly<Record<string, number>> = { async: MS_SYNCHRONOUS, nolazytime: MS_LAZYTIME, nomand: MS_MANDLOCK, rw: MS_RDONLY }

/** File systems that take text only, a page of it (legacy_fs_context_ops). */
export const takesTextOnly = ({ type }: MountContext): boolean => type === 'ext2' || type === 'ramfs' || type === 'devpts'

/** A parameter: a flag (no value) or a string. */
export const setParameter = (context: MountContext, key: string, value: string | undefined): number => {
  if (context.phase !== 'create' && context.phase !== 'reconfigure') return -EBUSY
  if (key in SET) {
    context.flags |= SET[key]
    return 0
  }
  if (key in CLEARED) {
    context.flags &= ~CLEARED[key]
    return 0
  }
  if (key === 'source') {
    if (value === undefined || context.source !== '') return -EINVAL
    context.source = value
    return 0
  }
  if (key.includes(',') || value?.includes(',') === true) return -EINVAL
  const option = value === undefined ? key : `${key}=${value}`
  if (context.options.join(',').length + option.length + 2 > PAGE_SIZE) return -EINVAL
  context.options.push(option)
  return 0
}

/** FSCONFIG_CMD_CREATE: the file system, not mounted yet. */
export const createFileSystem = (kernel: Kernel, task: Task, context: MountContext): number => {
  if (context.phase !== 'create') return -EBUSY
  const root = makeRoot(kernel, task, context.type, context.source === '' ? 'none' : context.source, context.flags, context.options.join(','))
  if (typeof root === 'number') return root
  root.superblock.root = root
  if (task.credentials.user.level > 0) root.superblock.owner = task.credentials.user
  context.root = root
  context.phase = 'mount'
  return 0
}

export const reconfigureFileSystem = (kernel: Kernel, context: MountContext): number => {
  const { phase, root, flags } = context
  if (phase !== 'reconfigure' || root === undefined) return -EBUSY
  return reconfigure(kernel, root.superblock, flags)
}

/** A binary value, a path or a descriptor: no file system here has such a parameter, but of flags nobody asks for the value (vfs_parse_sb_flag). */
export const setOther = (context: MountContext, key: string): number => {
  if (takesTextOnly(context)) return -EOPNOTSUPP
  return key in SET || key in CLEARED ? setParameter(context, key, undefined) : context.phase !== 'create' && context.phase !== 'reconfigure' ? -EBUSY : -EINVAL
}

/** An O_PATH descriptor of a mount; one that is in no tree goes with it if it was not mounted by then. */
export const openMount = (kernel: Kernel, mount: Mount): OpenFile => {
  const file = makeOpenFile(kernel, 'path', mount.root, mountPath(mount), O_PATH, mount)
  file.mount = mount
  return file
}

export const contextOperations: FileOperations = {
  release: (kernel, file) => {
    const { phase, root } = contextOf(file)
    // Made, and mounted by nobody.
    if (phase === 'mount' && root !== undefined) takeOff(kernel, makeMount(kernel.state.fs, root.superblock, root, 0))
  },
}

export const pathOperations: FileOperations = {
  release: (kernel, file) => {
    const mount = file.data as Mount | undefined
    if (mount !== undefined && isTop(mount) && mount.namespace === undefined) takeOff(kernel, mount)
  },
}
