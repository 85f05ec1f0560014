/**
 * Pipes and FIFOs (pipe(7), fifo(7)): a ring of page-sized buffers, as in Linux's fs/pipe.c.
 *
 * A write of at most PIPE_BUF bytes goes into one buffer (or onto the end of the last one), which is what makes it atomic;
 * with O_DIRECT each write is a packet of its own, that one read takes.
 * Invariant: no buffer is empty, and there are at most `slots`.
 */
import { tellOwners } from './async-io.ts'
import { ACCESS_READ } from '../../emu/mmu/mmu.ts'
import { EAGAIN, EBUSY, EFAULT, EINVAL, ENOTTY, ENXIO, EPERM, EPIPE, ERESTARTSYS } from '../abi/errno.ts'
import { O_ACCMODE, O_DIRECT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from '../abi/fcntl.ts'
import { SIGPIPE } from '../abi/signals.ts'
import { CAP_SYS_RESOURCE } from '../abi/capabilities.ts'
import type { Kernel } from '../kernel.ts'
import { sendSignal, userInfo } from '../signal/send.ts'
import { hasCapability } from '../task/credentials.ts'
import type { Task } from '../task/task.ts'
import { waitQueue, type WaitQueue } from '../wait-queue.ts'
import { reopenStream } from './console.ts'
import { makeOpenFile } from './descriptor.ts'
import {
  type FileOperations, type OpenFile, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM,
} from './file.ts'
import { type FifoInode, makeFifo, touchModified } from './inode.ts'
import { endWrite, rememberWritten, writtenSoFar } from './progress.ts'

const PAGE = 4096
/** Writes up to this size are not mixed with others'. */
export const PIPE_BUF = 4096
export const DEFAULT_SLOTS = 16
/** What is kept in one piece until all of it is read. */
const LARGEST_PIECE = 1 << 16
/** /proc/sys/fs/pipe-max-size: F_SETPIPE_SZ of unprivileged tasks. */
export const PIPE_MAX_SIZE = 1 << 20

export interface PipeBuffer {
  /** Up to a page, which grows as writes are merged with it; or what a write brought, of which each of its pages is a buffer. */
  bytes: Uint8Array
  /** What is still to be read: [start, end). */
  start: number
  end: number
  readonly packet: boolean
  /** A page that was spliced: nothing is written onto its end (PIPE_BUF_FLAG_CAN_MERGE is not set). */
  readonly isFixed: boolean
}

export interface Pipe {
  readonly kind: 'pipe'
  readonly buffers: PipeBuffer[]
  /** Capacity in buffers. */
  slots: number
  /** Open descriptions that can read, and that can write. */
  readers: number
  writers: number
  /** How often it was opened for reading, for writing: opening a FIFO waits for the other to move. */
  readerOpens: number
  writerOpens: number
  readonly readable: WaitQueue
  readonly writable: WaitQueue
  readonly opening: WaitQueue
}

export interface PipeData {
  readonly pipe: Pipe
  /** No POLLHUP for want of writers while `writerOpens` is this: a FIFO that was opened before its first writer came. */
  readonly quietUntil: number
}

export const makePipe = (): Pipe => ({
  kind: 'pipe', buffers: [], slots: DEFAULT_SLOTS, readers: 0, writers: 0, readerOpens: 0, writerOpens: 0,
  readable: waitQueue(), writable: waitQueue(), opening: waitQueue(),
})

export const pipeOf = (file: OpenFile): Pipe => (file.data as PipeData).pipe
const canRead = (file: OpenFile): boolean => (file.flags & O_ACCMODE) !== O_WRONLY
const canWrite = (file: OpenFile): boolean => (file.flags & O_ACCMODE) !== O_RDONLY
export const isFull = (pipe: Pipe): boolean => pipe.buffers.length >= pipe.slots
export const bytesIn = (pipe: Pipe): number => {
  let sum = 0
  for (const { start, end } of pipe.buffers) sum += end - start
  return sum
}

/** A reader leaves something: the next may have it. */
const passOnReading = (kernel: Kernel, pipe: Pipe): void => { if (pipe.buffers.length > 0) kernel.wakeNext(pipe.readable) }
/** A writer leaves room. */
const passOnWriting = (kernel: Kernel, pipe: Pipe): void => { if (!isFull(pipe)) kernel.wakeNext(pipe.writable) }

/** The first `length` bytes without a copy, if they lie behind each other; of a packet what it has. */
const viewOf = ({ buffers }: Pipe, length: number): Uint8Array | undefined => {
  const [{ bytes, start, end, packet }] = buffers
  let last = end
  for (let i = 1; !packet && last - start < length; i++) {
    const next = buffers[i]
    if (next.packet || next.bytes !== bytes || next.start !== last) return undefined
    last = next.end
  }
  return bytes.subarray(start, Math.min(last, start + length))
}

/** Takes `length` bytes off the front; of a packet what is left is lost, unless they go by `splices`. Into `result`, if it is given. */
const dropBytes = (pipe: Pipe, length: number, result?: Uint8Array, splices = false): number => {
  let done = 0
  let gone = 0
  while (done < length) {
    const buffer = pipe.buffers[gone]
    const count = Math.min(buffer.end - buffer.start, length - done)
    result?.set(buffer.bytes.subarray(buffer.start, buffer.start + count), done)
    done += count
    buffer.start += count
    const isEnd = buffer.packet && !splices
    if (isEnd || buffer.start === buffer.end) gone++
    if (isEnd) break
  }
  if (gone === 1) pipe.buffers.shift()
  else if (gone > 0) pipe.buffers.splice(0, gone)
  return done
}

/** Takes up to `length` bytes, which nobody may change; a packet is taken whole, and what does not fit is lost. */
export const takeBytes = (kernel: Kernel, pipe: Pipe, length: number): Uint8Array => {
  const wasFull = isFull(pipe)
  const most = Math.min(length, bytesIn(pipe))
  const view = most === 0 ? undefined : viewOf(pipe, most)
  const result = view ?? new Uint8Array(most)
  const done = view === undefined ? dropBytes(pipe, most, result) : dropBytes(pipe, view.length)
  tellOfRoom(kernel, pipe, wasFull)
  return result.subarray(0, done)
}

/** Something was taken. */
const tellOfRoom = (kernel: Kernel, pipe: Pipe, wasFull: boolean): void => {
  if (wasFull && !isFull(pipe)) kernel.wake(pipe.writable)
  // Owners are told of each read.
  else if (pipe.writable.async !== undefined) tellOwners(kernel, pipe.writable)
}

/** The first bytes, left where they are. */
export const peekBytes = (pipe: Pipe, length: number): Uint8Array => {
  const bytes = new Uint8Array(Math.min(length, bytesIn(pipe)))
  let done = 0
  for (const { bytes: page, start, end } of pipe.buffers) {
    if (done === bytes.length) break
    const count = Math.min(end - start, bytes.length - done)
    bytes.set(page.subarray(start, start + count), done)
    done += count
  }
  return bytes
}

/** The first bytes went elsewhere by splice(2) and relatives, which leave the rest of a packet (splice_from_pipe_feed). */
export const forgetBytes = (kernel: Kernel, pipe: Pipe, length: number): void => {
  const wasFull = isFull(pipe)
  dropBytes(pipe, length, undefined, true)
  tellOfRoom(kernel, pipe, wasFull)
}

/** The first bytes of a pipe go into another one, too, or instead; buffers stay what they are, but for parts of them (splice_pipe_to_pipe, link_pipe). */
export const passBuffers = (kernel: Kernel, from: Pipe, to: Pipe, length: number, keeps: boolean): number => {
  const wasFull = isFull(from)
  let done = 0
  let gone = 0
  for (const buffer of from.buffers) {
    if (done === length || isFull(to)) break
    const { bytes, start, end, packet } = buffer
    const count = Math.min(end - start, length - done)
    done += count
    if (!keeps && count === end - start) {
      to.buffers.push(buffer)
      gone++
      continue
    }
    to.buffers.push({ bytes: bytes.slice(start, start + count), start: 0, end: count, packet, isFixed: true })
    if (!keeps) buffer.start += count
  }
  from.buffers.splice(0, gone)
  if (done === 0) return 0
  kernel.wake(to.readable)
  if (!keeps) tellOfRoom(kernel, from, wasFull)
  return done
}

/** How much of what is there goes into the first `room` bytes of a buffer with a bad page behind them: a page of the pipe goes whole or not at all (anon_pipe_read). */
export const readablePartOfPipe = (pipe: Pipe, room: number, wanted: number): number => {
  let done = 0
  for (const { start, end } of pipe.buffers) {
    const count = Math.min(end - start, wanted - done)
    if (done + count > room) return done
    done += count
  }
  return room
}

/** How many of the first bytes of a write go onto the end of the last buffer: what is beyond whole pages, if it fits there. */
export const mergedBytes = (pipe: Pipe, length: number): number => {
  const last = pipe.buffers.at(-1)
  const rest = length % PAGE
  // Pages of a large write end at their own page's end or beyond.
  return last !== undefined && !last.packet && !last.isFixed && last.end + rest <= PAGE ? rest : 0
}

/** Small ones are cheap to make, and most of what goes through pipes in small pieces is read before more comes. */
const LEAST_ROOM = 64

/** Room for at least `count` bytes of a page. */
const roomFor = (count: number): Uint8Array => {
  let size = LEAST_ROOM
  while (size < count) size *= 2
  return new Uint8Array(size)
}

/** Writes go onto the end of a page that has room. */
const merge = (buffer: PipeBuffer, bytes: Uint8Array): void => {
  const end = buffer.end + bytes.length
  if (end > buffer.bytes.length) {
    const larger = roomFor(end)
    larger.set(buffer.bytes.subarray(0, buffer.end))
    buffer.bytes = larger
  }
  buffer.bytes.set(bytes, buffer.end)
  buffer.end = end
}

/** Puts as many bytes as fit; returns how many. `own`: the pipe may keep the array, which nobody else will change. */
export const putBytes = (kernel: Kernel, pipe: Pipe, bytes: Uint8Array, packet: boolean, own = false, isFixed = false): number => {
  let done = 0
  const last = pipe.buffers.at(-1)
  const rest = packet || isFixed ? 0 : mergedBytes(pipe, bytes.length)
  if (last !== undefined && rest > 0) {
    merge(last, bytes.subarray(0, rest))
    done = rest
  }
  while (done < bytes.length && !isFull(pipe)) {
    const count = Math.min(PAGE, bytes.length - done)
    if (own && count === PAGE) {
      pipe.buffers.push({ bytes, start: done, end: done + PAGE, packet, isFixed })
    } else {
      const page = roomFor(count)
      page.set(bytes.subarray(done, done + count))
      pipe.buffers.push({ bytes: page, start: 0, end: count, packet, isFixed })
    }
    done += count
  }
  if (done > 0) kernel.wake(pipe.readable)
  return done
}

const read = (kernel: Kernel, task: Task, file: OpenFile, length: number): Uint8Array | number => {
  if (length === 0) return new Uint8Array(0)
  const pipe = pipeOf(file)
  if (pipe.buffers.length > 0) {
    const bytes = takeBytes(kernel, pipe, length)
    passOnReading(kernel, pipe)
    return bytes
  }
  if (pipe.writers === 0) return new Uint8Array(0)
  if ((file.flags & O_NONBLOCK) !== 0) return -EAGAIN
  if (kernel.interrupted(task)) return -ERESTARTSYS
  return kernel.blockExclusively(task, pipe.readable)
}

/** Nobody will read: SIGPIPE and EPIPE. */
export const brokenPipe = (kernel: Kernel, task: Task): number => {
  sendSignal(kernel, task, SIGPIPE, userInfo(SIGPIPE, task))
  return -EPIPE
}

/** Nothing more fits after so many bytes. */
const waitForRoom = (kernel: Kernel, task: Task, file: OpenFile, done: number): number => {
  if ((file.flags & O_NONBLOCK) !== 0) return endWrite(task, done, -EAGAIN)
  if (kernel.interrupted(task)) return endWrite(task, done, -ERESTARTSYS)
  rememberWritten(task, done)
  return kernel.blockExclusively(task, pipeOf(file).writable)
}

const write = (kernel: Kernel, task: Task, file: OpenFile, bytes: Uint8Array): number => {
  if (bytes.length === 0) return 0
  const pipe = pipeOf(file)
  let done = writtenSoFar(task)
  if (pipe.readers === 0) return endWrite(task, done, brokenPipe(kernel, task))
  const taken = putBytes(kernel, pipe, bytes.subarray(done), (file.flags & O_DIRECT) !== 0)
  if (taken > 0) touchModified(kernel, file.inode)
  done += taken
  if (done === bytes.length) {
    passOnWriting(kernel, pipe)
    return endWrite(task, done, 0)
  }
  return waitForRoom(kernel, task, file, done)
}

/** As `write`, but only what fits now is taken from the guest, and it is copied once. */
const writeFrom = (kernel: Kernel, task: Task, file: OpenFile, address: number, length: number): number => {
  if (length === 0) return 0
  const pipe = pipeOf(file)
  const packet = (file.flags & O_DIRECT) !== 0
  const user = kernel.user(task)
  let done = writtenSoFar(task)
  // What is merged is so by the length of all; it is put by itself, and so are the pages that fit.
  for (;;) {
    const left = length - done
    const merged = packet || done > 0 ? 0 : mergedBytes(pipe, length)
    const fits = merged > 0 ? merged : (pipe.slots - pipe.buffers.length) * PAGE
    if (pipe.readers === 0) return endWrite(task, done, brokenPipe(kernel, task))
    // Where nothing fits, nobody looks at the memory.
    if (fits <= 0) break
    const wanted = Math.min(left, fits, LARGEST_PIECE)
    const room = user.accessible(address + done, wanted, ACCESS_READ)
    // Whole pages are taken before a bad one (anon_pipe_write).
    const good = room === wanted ? room : room - room % PAGE
    if (good === 0) {
      passOnWriting(kernel, pipe)
      return endWrite(task, done, -EFAULT)
    }
    done += putBytes(kernel, pipe, user.read(address + done, good), packet, true)
    touchModified(kernel, file.inode)
    if (done === length || good < wanted) {
      passOnWriting(kernel, pipe)
      return endWrite(task, done, 0)
    }
  }
  return waitForRoom(kernel, task, file, done)
}

const poll = (_kernel: Kernel, file: OpenFile): number => {
  const { pipe, quietUntil } = file.data as PipeData
  let events = 0
  if (canRead(file)) {
    if (pipe.buffers.length > 0) events |= POLLIN | POLLRDNORM
    if (pipe.writers === 0 && quietUntil !== pipe.writerOpens) events |= POLLHUP
  }
  if (canWrite(file)) {
    if (!isFull(pipe)) events |= POLLOUT | POLLWRNORM
    if (pipe.readers === 0) events |= POLLERR
  }
  return events
}

const FIONREAD = 0x541b

export const pipeOperations: FileOperations = {
  read, write, writeFrom, poll,
  queues: (_kernel, file) => {
    const { readable, writable } = pipeOf(file)
    return canRead(file) ? canWrite(file) ? [readable, writable] : [readable] : [writable]
  },
  ioctl: (kernel, task, file, command, argument) => {
    if (command !== FIONREAD) return -ENOTTY
    kernel.user(task).setU32(argument, bytesIn(pipeOf(file)))
    return 0
  },
  release: (kernel, file) => {
    const pipe = pipeOf(file)
    if (canRead(file)) pipe.readers--
    if (canWrite(file)) pipe.writers--
    if ((pipe.readers === 0) !== (pipe.writers === 0)) {
      kernel.wakeAll(pipe.readable)
      kernel.wakeAll(pipe.writable)
    }
    if (pipe.readers === 0 && pipe.writers === 0) {
      pipe.buffers.length = 0
      if (file.inode.kind === 'fifo') file.inode.pipe = undefined
    }
  },
}

/** F_GETPIPE_SZ. */
export const pipeSize = (pipe: Pipe): number => pipe.slots * PAGE

/** F_SETPIPE_SZ: rounded up to a power of two of pages; the new size or a negative errno. */
export const setPipeSize = (kernel: Kernel, task: Task, pipe: Pipe, size: number): number => {
  if (size < 0 || size > 2 ** 31) return -EINVAL
  let slots = 1
  while (slots * PAGE < size) slots *= 2
  if (slots * PAGE > PIPE_MAX_SIZE && slots > pipe.slots && !hasCapability(task, CAP_SYS_RESOURCE)) return -EPERM
  if (slots < pipe.buffers.length) return -EBUSY
  const wasFull = isFull(pipe)
  pipe.slots = slots
  if (wasFull && !isFull(pipe)) kernel.wake(pipe.writable)
  // Owners are told of each read.
  else if (pipe.writable.async !== undefined) tellOwners(kernel, pipe.writable)
  return slots * PAGE
}

const openEnd = (kernel: Kernel, inode: FifoInode, pipe: Pipe, path: string, flags: number, quietUntil: number): OpenFile =>
  makeOpenFile(kernel, 'pipe', inode, path, flags, { pipe, quietUntil } satisfies PipeData)

/** pipe2(2): the reading end and the writing end. */
export const makePipeFiles = (kernel: Kernel, task: Task, flags: number): [OpenFile, OpenFile] => {
  const { fsuid, fsgid } = task.credentials
  const inode = makeFifo(kernel, kernel.state.fs.anonymous, 0o600, fsuid, fsgid)
  const pipe = makePipe()
  inode.pipe = pipe
  pipe.readers = pipe.writers = pipe.readerOpens = pipe.writerOpens = 1
  const path = `pipe:[${inode.ino}]`
  // Packets are the writer's affair (create_pipe_files).
  return [openEnd(kernel, inode, pipe, path, O_RDONLY | (flags & ~O_DIRECT), -1), openEnd(kernel, inode, pipe, path, O_WRONLY | flags, -1)]
}

/** What opening a FIFO remembers while it waits for the other side. */
interface Opening { fifo?: { readonly pipe: Pipe, readonly opens: number } }

/** Opens a FIFO (fifo(7)), waiting for its other side: the description, a negative errno or BLOCKED. */
export const openFifo = (kernel: Kernel, task: Task, inode: FifoInode, path: string, flags: number): OpenFile | number => {
  const stream = reopenStream(kernel, inode, path, flags)
  if (stream !== undefined) return stream
  const pipe = inode.pipe ??= makePipe()
  const access = flags & O_ACCMODE
  // Neither reading nor writing: mode 3 is for ioctl, of which a FIFO has none.
  if (access === O_ACCMODE) return -EINVAL
  const { syscall } = task
  const waiting = (syscall?.memory as Opening | undefined)?.fifo
  const reads = access !== O_WRONLY
  const writes = access !== O_RDONLY
  if (waiting === undefined) {
    // Pipes that are opened again through /proc/PID/fd wait for nobody.
    const waits = access !== O_RDWR && inode.superblock.kind !== 'anonymous'
    if (waits && writes && (flags & O_NONBLOCK) !== 0 && pipe.readers === 0) {
      if (pipe.writers === 0) inode.pipe = undefined
      return -ENXIO
    }
    if (reads) {
      pipe.readers++
      pipe.readerOpens++
    }
    if (writes) {
      pipe.writers++
      pipe.writerOpens++
    }
    kernel.wake(pipe.opening)
    if (!waits || (reads ? pipe.writers : pipe.readers) > 0) return openEnd(kernel, inode, pipe, path, flags, -1)
    if ((flags & O_NONBLOCK) !== 0) return openEnd(kernel, inode, pipe, path, flags, pipe.writerOpens)
  } else if ((reads ? waiting.pipe.writerOpens : waiting.pipe.readerOpens) !== waiting.opens) {
    if (syscall !== undefined) syscall.memory = undefined
    return openEnd(kernel, inode, waiting.pipe, path, flags, -1)
  }
  if (kernel.interrupted(task)) {
    if (reads) pipe.readers--
    else pipe.writers--
    if (syscall !== undefined) syscall.memory = undefined
    kernel.wakeAll(reads ? pipe.writable : pipe.readable)
    if (pipe.readers === 0 && pipe.writers === 0) inode.pipe = undefined
    return -ERESTARTSYS
  }
  if (waiting === undefined && syscall !== undefined) {
    syscall.memory = { fifo: { pipe, opens: reads ? pipe.writerOpens : pipe.readerOpens } } satisfies Opening
  }
  return kernel.block(task, [pipe.opening])
}
