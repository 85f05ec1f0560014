/**
 * Descriptor tables: small numbers for open file descriptions.
 *
 * Invariant: each filled slot holds one reference to its file; all slots below `lowestFree` are filled.
 */
import { EBADF, EMFILE } from '../abi/errno.ts'
import { O_ASYNC } from '../abi/fcntl.ts'
import { RLIMIT_NOFILE } from '../abi/resources.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { forgetFile } from './epoll.ts'
import { operationsOf } from './file-operations.ts'
import type { FileKind, OpenFile } from './file.ts'
import { type Inode, makeFile, releaseInode, retainInode } from './inode.ts'
import { notifyClose } from './inotify.ts'
import { dropAsync } from './async-io.ts'
import { releaseLeases } from './leases.ts'
import { releaseFlocks, releaseRecordLocks } from './locks.ts'

export interface Descriptor {
  file: OpenFile
  closeOnExec: boolean
}

export interface DescriptorTable {
  readonly kind: 'descriptor-table'
  /** Tasks that share it. */
  users: number
  readonly slots: (Descriptor | undefined)[]
  lowestFree: number
}

export const makeDescriptorTable = (): DescriptorTable => ({ kind: 'descriptor-table', users: 1, slots: [], lowestFree: 0 })

/** fork: the copy refers to the same descriptions. */
export const copyDescriptors = (_kernel: Kernel, table: DescriptorTable): DescriptorTable => {
  const copy = makeDescriptorTable()
  for (const slot of table.slots) {
    if (slot !== undefined) slot.file.references++
    copy.slots.push(slot === undefined ? undefined : { file: slot.file, closeOnExec: slot.closeOnExec })
  }
  copy.lowestFree = table.lowestFree
  return copy
}

/** execve and unshare(CLONE_FILES): the task gets a table of its own. */
export const unshareDescriptors = (kernel: Kernel, task: Task): void => {
  if (task.files.users === 1) return
  task.files.users--
  task.files = copyDescriptors(kernel, task.files)
}

// ——— Open file descriptions ———

/** A description with one reference. */
export const makeOpenFile = (kernel: Kernel, kind: FileKind, inode: Inode, path: string, flags: number, data: unknown): OpenFile => {
  retainInode(kernel, inode)
  return { kind, inode, mount: kernel.state.fs.anonymousMount, path, flags, position: 0, references: 1, owner: 0, ownerSignal: 0, ownerType: 0, watchers: undefined, data }
}

/** A description of something without a name: its inode is one of the anonymous file system. `path` is what /proc/PID/fd shows. */
/** Those that share one inode on Linux (fs/anon_inodes.c), which belongs to root and whose attributes can't be changed. */
export const ANONYMOUS_KINDS: ReadonlySet<FileKind> = new Set<FileKind>(['event', 'epoll', 'signal', 'timer', 'inotify'])

export const makeAnonymousFile = (kernel: Kernel, task: Task, kind: FileKind, path: string, flags: number, data: unknown): OpenFile => {
  const { credentials } = task
  const isShared = ANONYMOUS_KINDS.has(kind)
  const inode = makeFile(kernel, kernel.state.fs.anonymous, 0o600, isShared ? 0 : credentials.fsuid, isShared ? 0 : credentials.fsgid)
  inode.nlink = 0
  if (isShared || kind === 'pid') inode.isFixed = true
  return makeOpenFile(kernel, kind, inode, path, flags, data)
}

export const retainFile = (file: OpenFile): void => { file.references++ }

export const releaseFile = (kernel: Kernel, file: OpenFile): void => {
  if (--file.references > 0) return
  notifyClose(kernel, file)
  forgetFile(kernel, file)
  releaseFlocks(kernel, file)
  if (kernel.state.fs.leases.length > 0) releaseLeases(kernel, file)
  if ((file.flags & O_ASYNC) !== 0) dropAsync(kernel, file)
  operationsOf(file).release?.(kernel, file)
  releaseInode(kernel, file.inode)
}

// ——— Descriptors ———

/** The file of a descriptor, O_PATH files too. */
export const getAnyFile = (task: Task, fd: number): OpenFile | undefined => task.files.slots[fd]?.file

/** The file of a descriptor; undefined (EBADF) for descriptors that are not open, and for those opened with O_PATH. */
export const getFile = (task: Task, fd: number): OpenFile | undefined => {
  const file = task.files.slots[fd]?.file
  return file === undefined || file.kind === 'path' ? undefined : file
}

const findFree = (table: DescriptorTable, minimum: number): number => {
  let fd = Math.max(minimum, table.lowestFree)
  while (fd < table.slots.length && table.slots[fd] !== undefined) fd++
  return fd
}

const setSlot = (table: DescriptorTable, fd: number, descriptor: Descriptor): void => {
  // No holes: V8 keeps a packed array then.
  while (table.slots.length < fd) table.slots.push(undefined)
  table.slots[fd] = descriptor
  if (fd === table.lowestFree) table.lowestFree++
}

/** Whether a descriptor could be installed now: for calls that must know before they do what can't be undone. */
export const hasFreeDescriptor = (task: Task, minimum = 0): boolean =>
  findFree(task.files, minimum) < task.group.limits[RLIMIT_NOFILE][0]

/** The same of two. */
export const hasFreeDescriptors = (task: Task): boolean => hasFreeDescriptor(task, findFree(task.files, 0) + 1)

/** Puts the file at the lowest free descriptor ≥ minimum, taking over one reference; −EMFILE leaves that with the caller. */
export const installFile = (_kernel: Kernel, task: Task, file: OpenFile, closeOnExec: boolean, minimum = 0): number => {
  const fd = findFree(task.files, minimum)
  if (fd >= task.group.limits[RLIMIT_NOFILE][0]) return -EMFILE
  setSlot(task.files, fd, { file, closeOnExec })
  return fd
}

/** Installs a file that was just made; where that fails the file goes. */
export const installOrRelease = (kernel: Kernel, task: Task, file: OpenFile, closeOnExec: boolean): number => {
  const fd = installFile(kernel, task, file, closeOnExec)
  if (fd < 0) releaseFile(kernel, file)
  return fd
}

/** What close(2) does with the file besides dropping the reference. */
const closeFile = (kernel: Kernel, task: Task, table: DescriptorTable, file: OpenFile): void => {
  if (file.kind !== 'path') releaseRecordLocks(kernel, table, file)
  operationsOf(file).close?.(kernel, task, file)
  releaseFile(kernel, file)
}

export const closeDescriptor = (kernel: Kernel, task: Task, fd: number): number => {
  const table = task.files
  const slot = fd >= 0 ? table.slots[fd] : undefined
  if (slot === undefined) return -EBADF
  table.slots[fd] = undefined
  if (fd < table.lowestFree) table.lowestFree = fd
  closeFile(kernel, task, table, slot.file)
  return 0
}

/** dup2, dup3: `fd` refers to the file from now on; what it was before is closed. The caller has checked the limit. */
export const replaceDescriptor = (kernel: Kernel, task: Task, file: OpenFile, fd: number, closeOnExec: boolean): void => {
  const old = task.files.slots[fd]?.file
  file.references++
  setSlot(task.files, fd, { file, closeOnExec })
  if (old !== undefined) closeFile(kernel, task, task.files, old)
}

export const closeOnExec = (kernel: Kernel, task: Task): void => {
  const { slots } = task.files
  for (let fd = 0; fd < slots.length; fd++) if (slots[fd]?.closeOnExec === true) closeDescriptor(kernel, task, fd)
}

/** The task ends or takes another table: everything is closed when it was the last to use this one. */
export const leaveDescriptors = (kernel: Kernel, task: Task): void => {
  const table = task.files
  if (--table.users > 0) return
  for (let fd = 0; fd < table.slots.length; fd++) {
    const slot = table.slots[fd]
    if (slot === undefined) continue
    table.slots[fd] = undefined
    closeFile(kernel, task, table, slot.file)
  }
  table.slots.length = 0
  table.lowestFree = 0
}
