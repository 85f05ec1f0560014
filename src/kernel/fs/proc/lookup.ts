/** Names in /proc: directories' entries are brought up to date before they are used; links that lead elsewhere. */
import { EACCES, EINVAL, ENOENT } from '../../abi/errno.ts'
import { O_ACCMODE, O_PATH, O_RDONLY, O_RDWR, O_WRONLY } from '../../abi/fcntl.ts'
import type { Kernel } from '../../kernel.ts'
import { isVisibleIn, kernelPid, shownPid } from '../../task/pid-namespace.ts'
import type { Task } from '../../task/task.ts'
import { type DirectoryInode, type Inode, makeDirectory, makeProc, type ProcInode, S_IFDIR, S_IFLNK, S_IFREG } from '../inode.ts'
import { directoryPath, type Mount } from '../mount-tree.ts'
import { namespaceInode, namespaceOf, namespaceText } from '../namespace-files.ts'
import { executableOf } from './maps.ts'
import type { ProcNode } from './nodes.ts'
import { isAlive, mayLook, subjectOf } from './subject.ts'
import { dynamicRow, type ProcFolder, type ProcRow, rowOf } from './tree.ts'

const TYPES = { file: S_IFREG, link: S_IFLNK, folder: S_IFDIR } as const

/** A process may always look at its own descriptors (proc_fd_permission): they are shown to it as its own. */
const isOwnDescriptors = (node: ProcNode, subject: Task, reader: Task | undefined): boolean =>
  reader?.group === subject.group && /\/fd(info)?$/.test(node.entry)

/** Owner of a process's nodes: its effective ids, or root for one that can't be dumped. */
const setOwner = (kernel: Kernel, inode: Inode, node: ProcNode, reader: Task | undefined): void => {
  const subject = node.tgid === 0 ? undefined : subjectOf(kernel, node)
  if (subject === undefined) return
  if (reader !== undefined && isOwnDescriptors(node, subject, reader)) {
    inode.uid = reader.credentials.fsuid
    inode.gid = reader.credentials.fsgid
    return
  }
  const isOwn = subject.group.dumpable === 1
  inode.uid = isOwn ? subject.credentials.euid : 0
  inode.gid = isOwn ? subject.credentials.egid : 0
}

const make = (kernel: Kernel, directory: DirectoryInode, name: string, row: ProcRow, node: ProcNode): Inode => {
  if (row.kind !== 'folder') return makeProc(kernel, directory.superblock, node, row.mode)
  const inode = makeDirectory(kernel, directory.superblock, directory, name, row.mode)
  inode.node = node
  for (const child of row.children.values()) if (child.kind === 'folder') inode.nlink++
  return inode
}

const nodeFor = (parent: ProcNode, name: string, row: ProcRow, more: Partial<ProcNode> = {}): ProcNode => ({
  type: TYPES[row.kind], entry: parent.entry === '' ? name : `${parent.entry}/${name}`, tgid: parent.tgid, tid: parent.tid, fd: parent.fd, pids: parent.pids, ...more,
})

const isNumber = (name: string): boolean => /^(0|[1-9][0-9]{0,8})$/.test(name)

/** Numbers that the folder has names for now. */
const dynamicNames = (kernel: Kernel, node: ProcNode, row: ProcFolder): number[] => {
  switch (row.dynamic) {
    case 'processes': return [...kernel.state.groups.keys()].filter((pid) => isVisibleIn(node.pids, pid)).map((pid) => shownPid(node.pids, pid)).sort((a, b) => a - b)
    case 'threads': return [...kernel.state.groups.get(node.tgid)?.threads ?? []].map((tid) => shownPid(node.pids, tid))
    case undefined: return []
    default: {
      const subject = subjectOf(kernel, node)
      if (subject === undefined || !isAlive(subject)) return []
      return subject.files.slots.flatMap((slot, fd) => slot === undefined ? [] : [fd])
    }
  }
}

const hasDynamic = (kernel: Kernel, node: ProcNode, row: ProcFolder, number: number): boolean => {
  switch (row.dynamic) {
    // A thread's number works, too, though it is not listed (proc(5)).
    case 'processes': {
      const pid = kernelPid(node.pids, number)
      return kernel.state.groups.has(pid) || kernel.state.tasks.has(pid)
    }
    case 'threads': return kernel.state.groups.get(node.tgid)?.threads.includes(kernelPid(node.pids, number)) ?? false
    case undefined: return false
    default: {
      const subject = subjectOf(kernel, node)
      return subject !== undefined && isAlive(subject) && subject.files.slots[number] !== undefined
    }
  }
}

/** What can be done with the open file is what the link's mode says; nothing with O_PATH and with neither access (tid_fd_update_inode). */
const linkMode = (flags: number): number => {
  if ((flags & O_PATH) !== 0) return 0
  switch (flags & O_ACCMODE) {
    case O_RDONLY: return 0o500
    case O_WRONLY: return 0o300
    case O_RDWR: return 0o700
    default: return 0
  }
}

const refreshNumber = (kernel: Kernel, task: Task | undefined, directory: DirectoryInode, parent: ProcNode, row: ProcFolder, number: number): void => {
  const { dynamic } = row
  if (dynamic === undefined) return
  const name = String(number)
  if (!hasDynamic(kernel, parent, row, number)) {
    if (directory.entries.delete(name)) directory.version++
    return
  }
  let inode = directory.entries.get(name)
  const pid = kernelPid(parent.pids, number)
  const ids = dynamic === 'processes' ? { tgid: kernel.state.tasks.get(pid)?.group.tgid ?? pid, tid: pid }
    : dynamic === 'threads' ? { tid: pid } : { fd: number }
  const known = inode?.kind === 'directory' ? inode.node : inode?.kind === 'proc' ? inode.node : undefined
  if (inode === undefined || (ids.tgid !== undefined && known?.tgid !== ids.tgid)) {
    const child = dynamicRow(dynamic)
    inode = make(kernel, directory, name, child.row, nodeFor(parent, child.name, child.row, ids))
    directory.entries.set(name, inode)
    directory.version++
  }
  if (dynamic === 'descriptors') inode.mode = linkMode(subjectOf(kernel, parent)?.files.slots[number]?.file.flags ?? 0)
  setOwner(kernel, inode, inode.kind === 'directory' || inode.kind === 'proc' ? inode.node ?? parent : parent, task)
}

const refreshStatic = (kernel: Kernel, task: Task | undefined, directory: DirectoryInode, parent: ProcNode, row: ProcFolder, name: string): void => {
  const child = row.children.get(name)
  if (child === undefined) return
  let inode = directory.entries.get(name)
  if (child.shown !== undefined && !child.shown(kernel, task)) {
    if (directory.entries.delete(name)) directory.version++
    return
  }
  if (inode === undefined) {
    inode = make(kernel, directory, name, child, nodeFor(parent, name, child))
    directory.entries.set(name, inode)
  }
  setOwner(kernel, inode, inode.kind === 'directory' ? inode.node ?? parent : parent, task)
}

/** Brings one name, or all (`name` undefined), of a directory up to date. */
export const refreshProc = (kernel: Kernel, task: Task | undefined, directory: DirectoryInode, name: string | undefined): void => {
  const { node } = directory
  if (node === undefined) return
  const row = rowOf(node)
  if (row.kind !== 'folder') return
  const subject = node.tgid === 0 ? undefined : subjectOf(kernel, node)
  if (node.tgid !== 0 && (subject === undefined || (row.guarded === true && (task === undefined || !mayLook(task, subject))))) {
    if (directory.entries.size > 0) directory.version++
    directory.entries.clear()
    return
  }
  if (name !== undefined) {
    if (isNumber(name)) refreshNumber(kernel, task, directory, node, row, Number(name))
    else refreshStatic(kernel, task, directory, node, row, name)
    return
  }
  // In the order in which Linux lists them: processes behind the rest in /proc, descriptors alone.
  const numbers = dynamicNames(kernel, node, row)
  for (const child of row.children.keys()) refreshStatic(kernel, task, directory, node, row, child)
  const wanted = new Set(numbers.map(String))
  const numbered = [...directory.entries].filter(([entry]) => isNumber(entry))
  for (const [entry] of numbered) directory.entries.delete(entry)
  for (const [entry, inode] of numbered) if (wanted.has(entry)) directory.entries.set(entry, inode)
  for (const number of numbers) refreshNumber(kernel, task, directory, node, row, number)
  sortEntries(directory)
}

/** Names in the rows' order, then numbers going up. */
const sortEntries = (directory: DirectoryInode): void => {
  const entries = [...directory.entries]
  const names = entries.filter(([name]) => !isNumber(name))
  const numbers = entries.filter(([name]) => isNumber(name)).sort(([a], [b]) => Number(a) - Number(b))
  directory.entries.clear()
  for (const [name, inode] of [...names, ...numbers]) directory.entries.set(name, inode)
}

/** What readlink(2) of a link says: a path, or a negative errno. */
export const procLink = (kernel: Kernel, task: Task | undefined, inode: ProcInode): string | number => {
  const row = rowOf(inode.node)
  if (row.kind !== 'link') return -EINVAL
  if (task === undefined) return -ENOENT
  if (inode.node.tgid !== 0) {
    const subject = subjectOf(kernel, inode.node)
    if (subject === undefined) return -ENOENT
    if (!mayLook(task, subject)) return -EACCES
  }
  return row.target(kernel, inode.node, task)
}

/** Where a link jumps to; undefined if it is followed by its text; a negative errno. */
export const procJump = (kernel: Kernel, task: Task | undefined, inode: ProcInode): { readonly inode: Inode, readonly mount: Mount, readonly path: string } | number | undefined => {
  const row = rowOf(inode.node)
  if (row.kind !== 'link' || row.magic !== true) return undefined
  const subject = subjectOf(kernel, inode.node)
  if (subject === undefined || task === undefined) return -ENOENT
  if (!mayLook(task, subject)) return -EACCES
  if (!isAlive(subject)) return -ENOENT
  const name = inode.node.entry.slice(inode.node.entry.lastIndexOf('/') + 1)
  if (inode.node.entry.endsWith(`/ns/${name}`)) {
    const namespace = namespaceOf(subject, name)
    if (namespace === undefined) return -ENOENT
    return { inode: namespaceInode(kernel, namespace), mount: kernel.state.fs.anonymousMount, path: namespaceText(namespace) }
  }
  switch (name) {
    case 'cwd': return { inode: subject.fs.cwd, mount: subject.fs.cwdMount, path: directoryPath(subject.fs.cwdMount, subject.fs.cwd) }
    case 'root': return { inode: subject.fs.root, mount: subject.fs.rootMount, path: directoryPath(subject.fs.rootMount, subject.fs.root) }
    case 'exe': {
      const executable = executableOf(subject.mm)
      return executable === undefined ? -ENOENT : { inode: executable, mount: subject.fs.rootMount, path: subject.mm.executable }
    }
    default: {
      const file = subject.files.slots[inode.node.fd]?.file
      return file === undefined ? -ENOENT : { inode: file.inode, mount: file.mount, path: file.path }
    }
  }
}
