/** Open files of /proc: text that is made when reading starts at offset 0, and stays as it is until then. */
import { EACCES, EINVAL, EIO, ENOENT, ESRCH } from '../../abi/errno.ts'
import { SEEK_CUR, SEEK_SET } from '../../abi/fcntl.ts'
import { ACCESS_READ, ACCESS_WRITE } from '../../../emu/mmu/mmu.ts'
import type { Kernel } from '../../kernel.ts'
import { forceWrite } from '../../mm/force-write.ts'
import type { Task } from '../../task/task.ts'
import { makeOpenFile } from '../descriptor.ts'
import type { FileOperations, OpenFile } from '../file.ts'
import { POLLERR, POLLIN, POLLPRI, POLLRDNORM } from '../file.ts'
import type { ProcInode } from '../inode.ts'
import type { MountNamespace } from '../mount-tree.ts'
import type { ProcNode } from './nodes.ts'
import { isAlive, mayLook, subjectOf } from './subject.ts'
import { type ProcFile, rowOf } from './tree.ts'

interface ProcData {
  content: Uint8Array | undefined
  /** Of a file that shows mounts: the namespace, and its changes when it was opened or read from its start. */
  readonly mounts?: MountNamespace
  seenChanges?: number
}

const nodeOf = (file: OpenFile): ProcNode => (file.inode as ProcInode).node
const fileRow = (file: OpenFile): ProcFile | undefined => {
  const row = rowOf(nodeOf(file))
  return row.kind === 'file' ? row : undefined
}

/** Opens a file of /proc; permission bits are checked. */
export const openProc = (kernel: Kernel, task: Task, inode: ProcInode, path: string, flags: number): OpenFile | number => {
  const { node } = inode
  const row = rowOf(node)
  if (row.kind !== 'file') return -EACCES
  if (node.tgid !== 0) {
    const subject = subjectOf(kernel, node)
    if (subject === undefined) return -ENOENT
    if (row.guarded === true && !mayLook(task, subject)) return -EACCES
  }
  if (row.polled === true) {
    const mounts = (subjectOf(kernel, node) ?? task).namespaces.mount
    return makeOpenFile(kernel, 'mounts', inode, path, flags, { content: undefined, mounts, seenChanges: mounts.changed.wakes } satisfies ProcData)
  }
  return makeOpenFile(kernel, 'proc', inode, path, flags, { content: undefined } satisfies ProcData)
}

/** Strings are latin1, so that file names survive. */
export const toBytes = (text: string | Uint8Array): Uint8Array => {
  if (typeof text !== 'string') return text
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

const toText = (bytes: Uint8Array): string => {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

const readMemory = (kernel: Kernel, file: OpenFile, at: number, length: number): Uint8Array | number => {
  const subject = subjectOf(kernel, nodeOf(file))
  if (subject === undefined || !isAlive(subject)) return new Uint8Array(0)
  const user = kernel.user(subject)
  const count = user.accessible(at, length, ACCESS_READ)
  return count === 0 && length > 0 ? -EIO : user.read(at, count)
}

const writeMemory = (kernel: Kernel, file: OpenFile, at: number, bytes: Uint8Array): number => {
  const subject = subjectOf(kernel, nodeOf(file))
  if (subject === undefined || !isAlive(subject)) return 0
  const user = kernel.user(subject)
  const count = user.accessible(at, bytes.length, ACCESS_WRITE)
  // Debuggers put breakpoints where the process itself may not write.
  if (count < bytes.length && forceWrite(kernel, subject.mm, at, bytes)) return bytes.length
  if (count === 0 && bytes.length > 0) return -EIO
  user.write(at, bytes.subarray(0, count))
  return count
}

export const procOperations: FileOperations = {
  positioned: true,
  read: (kernel, task, file, length, offset) => {
    const row = fileRow(file)
    if (row === undefined) return -EINVAL
    const at = offset ?? file.position
    let bytes: Uint8Array | number
    if (row.memory === true) bytes = readMemory(kernel, file, at, length)
    else if (row.piece !== undefined) {
      const subject = subjectOf(kernel, nodeOf(file))
      bytes = subject === undefined || !isAlive(subject) ? new Uint8Array(0) : row.piece(kernel, subject, task, at, length)
    }
    else {
      const data = file.data as ProcData
      if (at === 0 || data.content === undefined) {
        const node = nodeOf(file)
        if (node.tgid !== 0 && subjectOf(kernel, node) === undefined) return -ESRCH
        const content = row.content(kernel, node, task)
        if (typeof content === 'number') return content
        data.content = toBytes(content)
        if (data.mounts !== undefined) data.seenChanges = data.mounts.changed.wakes
      }
      bytes = data.content.subarray(Math.min(at, data.content.length), at + length)
    }
    if (typeof bytes !== 'number' && offset === undefined) file.position = at + bytes.length
    return bytes
  },
  write: (kernel, task, file, bytes, offset) => {
    const row = fileRow(file)
    if (row?.memory === true) {
      const at = offset ?? file.position
      const count = writeMemory(kernel, file, at, bytes)
      if (count > 0 && offset === undefined) file.position = at + count
      return count
    }
    if (row?.write === undefined) return -EINVAL
    const node = nodeOf(file)
    if (node.tgid !== 0 && subjectOf(kernel, node) === undefined) return -ESRCH
    const error = row.write(kernel, node, task, toText(bytes))
    if (error < 0) return error
    if (offset === undefined) file.position += bytes.length
    return bytes.length
  },
  seek: (_kernel, _task, file, offset, whence) => {
    const position = whence === SEEK_SET ? offset : whence === SEEK_CUR ? file.position + offset : -1
    if (position < 0) return -EINVAL
    file.position = position
    return position
  },
}

/** /proc/PID/mounts and mountinfo: what is mounted and taken off shows as POLLPRI until it is read (mounts_poll). */
export const mountsOperations: FileOperations = {
  ...procOperations,
  poll: (_kernel, file) => {
    const { mounts, seenChanges } = file.data as ProcData
    return POLLIN | POLLRDNORM | (mounts !== undefined && mounts.changed.wakes !== seenChanges ? POLLERR | POLLPRI : 0)
  },
  queues: (_kernel, file) => {
    const { mounts } = file.data as ProcData
    return mounts === undefined ? [] : [mounts.changed]
  },
}
