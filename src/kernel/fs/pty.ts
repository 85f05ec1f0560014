/**
 * Pseudoterminals (pty(7)): the master's side, and devices below /dev/pts.
 * A pty lives from the opening of /dev/ptmx until its master is closed; slaves that are still open then are hung up.
 */
import { CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import { EAGAIN, EBUSY, EIO, ENOSPC, ERESTARTSYS } from '../abi/errno.ts'
import { O_CLOEXEC, O_NONBLOCK } from '../abi/fcntl.ts'
import type { Kernel } from '../kernel.ts'
import { hasCapability } from '../task/credentials.ts'
import type { Task } from '../task/task.ts'
import { installFile, makeOpenFile, releaseFile } from './descriptor.ts'
import { deviceNumber, PTS_MAJOR } from './devices.ts'
import { type OpenFile, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from './file.ts'
import { type DirectoryInode, type Inode, makeDevice, touchModified } from './inode.ts'
import { endWrite, rememberWritten, writtenSoFar } from './progress.ts'
import { makeTerminal, type Terminal, type TerminalData, terminalOf } from './tty.ts'
import { receive } from './tty-input.ts'
import { adoptOnOpen, hangUp } from './tty-jobs.ts'

/** Bytes that each direction holds until somebody reads them (Linux's tty buffer limit). */
export const PTY_ROOM = 65_536
/** /proc/sys/kernel/pty/max. */
const PTY_LIMIT = 4096
/** Group 'tty', which owns terminals on most distributions. */
const TTY_GROUP = 5

/** Directories that show pseudoterminals: `pts` of each mounted /dev. */
const ptsDirectories = (kernel: Kernel): DirectoryInode[] =>
  kernel.state.fs.superblocks.flatMap(({ kind, type, root }) => {
    if (kind !== 'dev' || root === undefined) return []
    const pts = type === 'devpts' ? root : root.entries.get('pts')
    return pts?.kind === 'directory' ? [pts] : []
  })

export const showTerminal = (kernel: Kernel, directory: DirectoryInode, terminal: Terminal, name: string, uid: number): void => {
  const inode = makeDevice(kernel, directory.superblock, 'character', 0o620, terminal.rdev, uid, TTY_GROUP)
  directory.entries.set(name, inode)
  directory.version++
  touchModified(kernel, directory)
}

/** The device inode of a terminal, if a /dev is mounted. */
export const terminalInode = (kernel: Kernel, terminal: Terminal): Inode | undefined => {
  for (const directory of ptsDirectories(kernel)) {
    for (const inode of directory.entries.values()) if (inode.kind === 'character' && inode.rdev === terminal.rdev) return inode
  }
  return undefined
}

/** Opens /dev/ptmx: makes a new pseudoterminal. */
export const openMaster = (kernel: Kernel, task: Task, inode: Inode, path: string, flags: number): OpenFile | number => {
  const { terminals } = kernel.state.fs
  // The host's terminal has the number 0 below /dev/pts.
  let number = terminals.has(-1) ? 1 : 0
  while (terminals.has(number)) number++
  if (number >= PTY_LIMIT) return -ENOSPC
  const terminal = makeTerminal(number, deviceNumber(PTS_MAJOR, number))
  terminal.masters = 1
  terminals.set(number, terminal)
  for (const directory of ptsDirectories(kernel)) showTerminal(kernel, directory, terminal, String(number), task.credentials.fsuid)
  return makeOpenFile(kernel, 'terminal', inode, path, flags, { terminal, side: 'master', hangups: 0 } satisfies TerminalData)
}

/** Opens the side that programs use, of a pty or of the host's terminal. */
export const openSlave = (kernel: Kernel, task: Task, terminal: Terminal, inode: Inode, path: string, flags: number): OpenFile | number => {
  if (terminal.number >= 0 && (terminal.locked || terminal.masters === 0)) return -EIO
  if (terminal.exclusive && !hasCapability(task, CAP_SYS_ADMIN)) return -EBUSY
  terminal.slaves++
  terminal.slaveClosed = false
  adoptOnOpen(task, terminal, flags)
  return makeOpenFile(kernel, 'terminal', inode, path, flags, { terminal, side: 'slave', hangups: terminal.hangups } satisfies TerminalData)
}

/** TIOCGPTPEER. */
export const openPeer = (kernel: Kernel, task: Task, terminal: Terminal, flags: number): number => {
  const inode = terminalInode(kernel, terminal) ?? makeDevice(kernel, kernel.state.fs.anonymous, 'character', 0o620, terminal.rdev)
  // The peer can be opened while it is locked.
  const { locked } = terminal
  terminal.locked = false
  const file = openSlave(kernel, task, terminal, inode, `/dev/pts/${terminal.number}`, flags & ~O_CLOEXEC)
  terminal.locked = locked
  if (typeof file === 'number') return file
  const fd = installFile(kernel, task, file, (flags & O_CLOEXEC) !== 0)
  if (fd < 0) releaseFile(kernel, file)
  return fd
}

export const releaseSlave = (kernel: Kernel, terminal: Terminal): void => {
  if (--terminal.slaves > 0) return
  terminal.slaveClosed = true
  terminal.exclusive = false
  kernel.wake(terminal.masterReadable)
  kernel.wake(terminal.masterWritable)
}

const takeOutput = (kernel: Kernel, terminal: Terminal, length: number): Uint8Array => {
  const bytes = new Uint8Array(Math.min(length, terminal.outputBytes))
  let done = 0
  while (done < bytes.length) {
    const chunk = terminal.output[0]
    const count = Math.min(chunk.length, bytes.length - done)
    bytes.set(chunk.subarray(0, count), done)
    done += count
    if (count === chunk.length) terminal.output.shift()
    else terminal.output[0] = chunk.subarray(count)
  }
  terminal.outputBytes -= done
  if (done > 0) kernel.wake(terminal.writable)
  return bytes
}

/** TIOCPKT: each read starts with a byte that says whether data or a change follows; changes are not reported. */
const withPacketByte = (terminal: Terminal, bytes: Uint8Array): Uint8Array => {
  if (!terminal.packet) return bytes
  const packet = new Uint8Array(bytes.length + 1)
  packet.set(bytes, 1)
  return packet
}

const backlogBytes = (terminal: Terminal): number => terminal.backlog.reduce((sum, chunk) => sum + chunk.length, 0)

export const masterOperations = {
  read(kernel: Kernel, task: Task, file: OpenFile, length: number): Uint8Array | number {
    const terminal = terminalOf(file)
    if (length === 0) return new Uint8Array(0)
    if (terminal.outputBytes > 0) return withPacketByte(terminal, takeOutput(kernel, terminal, terminal.packet ? length - 1 : length))
    if (terminal.slaveClosed) return -EIO
    if ((file.flags & O_NONBLOCK) !== 0) return -EAGAIN
    if (kernel.interrupted(task)) return -ERESTARTSYS
    return kernel.block(task, [terminal.masterReadable])
  },

  write(kernel: Kernel, task: Task, file: OpenFile, bytes: Uint8Array): number {
    const terminal = terminalOf(file)
    let done = writtenSoFar(task)
    const count = Math.min(bytes.length - done, PTY_ROOM - backlogBytes(terminal))
    if (count > 0) {
      receive(kernel, terminal, bytes.subarray(done, done + count))
      done += count
    }
    if (done === bytes.length) return endWrite(task, done, 0)
    if ((file.flags & O_NONBLOCK) !== 0) return endWrite(task, done, -EAGAIN)
    if (kernel.interrupted(task)) return endWrite(task, done, -ERESTARTSYS)
    rememberWritten(task, done)
    return kernel.block(task, [terminal.masterWritable])
  },

  poll(_kernel: Kernel, file: OpenFile): number {
    const terminal = terminalOf(file)
    let events = 0
    if (terminal.outputBytes > 0) events |= POLLIN | POLLRDNORM
    if (terminal.slaveClosed) events |= POLLHUP
    if (backlogBytes(terminal) < PTY_ROOM) events |= POLLOUT | POLLWRNORM
    return events
  },

  release(kernel: Kernel, file: OpenFile): void {
    const terminal = terminalOf(file)
    if (--terminal.masters > 0) return
    hangUp(kernel, terminal)
    kernel.state.fs.terminals.delete(terminal.number)
    for (const directory of ptsDirectories(kernel)) {
      if (directory.entries.delete(String(terminal.number))) directory.version++
    }
  },
}
