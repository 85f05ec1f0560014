/** Moving bytes between guest memory and open files: what read(2), write(2) and their many relatives share. */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { ACCESS_READ, ACCESS_WRITE } from '../../emu/mmu/mmu.ts'
import { EFAULT, EINVAL, EISDIR } from '../abi/errno.ts'
import { operationsOf } from '../fs/file-operations.ts'
import { type FileKind, type FileOperations, type OpenFile, POLLERR, POLLHUP, POLLIN } from '../fs/file.ts'
import { brokenPipe, isFull, mergedBytes, pipeOf, readablePartOfPipe } from '../fs/pipe.ts'
import { O_ACCMODE, O_DIRECT, O_RDONLY, O_WRONLY } from '../abi/fcntl.ts'
import type { Kernel } from '../kernel.ts'
import { USER_END } from '../mm/user-memory.ts'
import { SOCK_STREAM } from '../abi/sockets.ts'
import { refusalOfSend } from '../net/families.ts'
import { socketOf } from '../net/socket.ts'
import { pieceOf, readablePart } from '../net/unix-messages.ts'
import type { Task } from '../task/task.ts'
import { BLOCKED } from '../wait-queue.ts'

/** The most that one call moves (MAX_RW_COUNT). */
export const MAX_TRANSFER = 0x7fff_f000
/** What is read of at most so much per call does not make the kernel touch a huge buffer's pages for nothing. */
const STREAM_ROOM = 1 << 20
const DEVICE_ROOM = 64 << 20
const IOV_LIMIT = 1024
const IOV_SIZE = 16

export const isReadable = (file: OpenFile): boolean => (file.flags & O_ACCMODE) !== O_WRONLY && (file.flags & O_ACCMODE) !== O_ACCMODE
export const isWritable = (file: OpenFile): boolean => (file.flags & O_ACCMODE) !== O_RDONLY && (file.flags & O_ACCMODE) !== O_ACCMODE

/** A buffer that lies in user space, whether or not it is mapped (access_ok). `length` is unsigned. */
export const isUserRange = (address: number, length: number): boolean => address >= 0 && address + length <= USER_END

const roomOf = (file: OpenFile): number => file.kind === 'device' || file.kind === 'proc' || file.kind === 'mounts' ? DEVICE_ROOM : STREAM_ROOM

/** Whether there is something to read: where it goes is looked at only then. */
const isReady = (kernel: Kernel, file: OpenFile, operations: FileOperations): boolean => {
  if (file.kind === 'pipe') return pipeOf(file).buffers.length > 0
  if (file.kind === 'socket') {
    const socket = socketOf(file)
    if (socket.kind === 'unix' || socket.kind === 'inet') return socket.queue.length > 0
  }
  return   operations.poll === undefined || (operations.poll(kernel, file) & (POLLIN | POLLHUP | POLLERR)) !== 0
}

/** Nothing is there to be read: BLOCKED or −EAGAIN; nothing is taken. */
const waitToRead = (kernel: Kernel, task: Task, file: OpenFile, operations: FileOperations): number => {
  const result = operations.read?.(kernel, task, file, 1, undefined)
  return typeof result === 'number' ? result : result === undefined || result.length > 0 ? -EFAULT : 0
}

/** Nothing can be put where the guest wants it: that counts when there is something. */
const failToRead = (kernel: Kernel, task: Task, file: OpenFile, operations: FileOperations, length: number, offset: number | undefined): number => {
  // Behind the end of what has positions, nothing is to be put anywhere; asked for a position, it does not move.
  if (operations.positioned === true) {
    const next = operations.read?.(kernel, task, file, Math.min(length, PAGE_SIZE), offset ?? file.position)
    return typeof next === 'number' ? next : next?.length === 0 ? 0 : -EFAULT
  }
  if (!isReady(kernel, file, operations)) return waitToRead(kernel, task, file, operations)
  // It was woken alone, and leaves all.
  if (file.kind === 'pipe') kernel.wakeNext(pipeOf(file).readable)
  return -EFAULT
}

const readablePartOf = (file: OpenFile, room: number, wanted: number): number => {
  if (room === wanted) return room
  if (file.kind === 'pipe') return readablePartOfPipe(pipeOf(file), room, wanted)
  if (file.kind !== 'socket') return room
  const socket = socketOf(file)
  return socket.kind === 'unix' ? readablePart(socket, room, wanted) : room
}

const isDatagrams = (file: OpenFile): boolean => file.kind === 'socket' ? socketOf(file).type !== SOCK_STREAM : EVENT_KINDS.has(file.kind)
/** A smaller buffer than they need is an error, one with a bad page is found out when the event is taken. */
const EVENT_KINDS: ReadonlySet<FileKind> = new Set<FileKind>(['signal', 'event', 'timer'])

/** read(2): a count, a negative errno or BLOCKED. The access mode is checked. */
export const readInto = (kernel: Kernel, task: Task, file: OpenFile, address: number, length: number, offset: number | undefined): number => {
  const operations = operationsOf(file)
  if (operations.read === undefined) return -EINVAL
  if (!isUserRange(address, length)) return -EFAULT
  // Wherever it should go (generic_read_dir).
  if (file.kind === 'directory') return -EISDIR
  const count = Math.min(length, MAX_TRANSFER)
  if (count === 0 && file.kind === 'socket') return 0
  if (operations.readTo !== undefined) return operations.readTo(kernel, task, file, address, count, offset)
  const user = kernel.user(task)
  const wanted = Math.min(count, roomOf(file))
  // A datagram is taken, whether or not there is room for it.
  const room = isDatagrams(file) ? wanted : readablePartOf(file, user.accessible(address, wanted, ACCESS_WRITE), wanted)
  if (room === 0 && wanted > 0) return failToRead(kernel, task, file, operations, wanted, offset)
  const result = operations.read(kernel, task, file, room, offset)
  if (typeof result === 'number') return result
  user.write(address, result)
  return result.length
}

/** About as much goes into one buffer of a TCP socket (tcp_sendmsg). */
const MESSAGE = 32_768

const messageOf = (file: OpenFile): number => {
  const socket = socketOf(file)
  return socket.kind === 'unix' ? pieceOf(socket) : socket.type === SOCK_STREAM ? MESSAGE : Infinity
}

/** How much of a buffer with a bad page in it is taken: pipes take whole pages (anon_pipe_write), a message goes whole or not at all. */
const wholePieces = (file: OpenFile, room: number, wanted: number): number => {
  if (room === wanted) return room
  return file.kind === 'pipe' ? room - room % PAGE_SIZE : file.kind === 'socket' ? room - room % messageOf(file) : room
}

const EVENT_BYTES = 8

/** None of the bytes to be written can be read: sockets have other things to complain of first. */
const badAddress = (kernel: Kernel, task: Task, file: OpenFile, length: number): number => {
  if (file.kind === 'pipe') {
    // Whether there is a reader, and room, comes first (anon_pipe_write).
    const pipe = pipeOf(file)
    if (pipe.readers === 0) return brokenPipe(kernel, task)
    if (isFull(pipe)) return operationsOf(file).write?.(kernel, task, file, new Uint8Array(1), undefined) ?? -EFAULT
  }
  return file.kind === 'socket' ? refusalOfSend(kernel, task, file, { flags: 0, address: undefined, files: [], credentials: undefined }, length) : -EFAULT
}

export const writeOut = (kernel: Kernel, task: Task, file: OpenFile, address: number, length: number, offset: number | undefined): number => {
  const operations = operationsOf(file)
  if (operations.write === undefined) return -EINVAL
  if (!isUserRange(address, length)) return -EFAULT
  const count = Math.min(length, MAX_TRANSFER)
  if (operations.writeFrom !== undefined) return operations.writeFrom(kernel, task, file, address, count, offset)
  if (count > CHUNK && isByteStream(file)) return writeInChunks(kernel, task, file, [{ address, length: count }])
  const user = kernel.user(task)
  const wanted = Math.min(count, DEVICE_ROOM)
  // Other than eight bytes for an eventfd are an error wherever they are.
  if (file.kind === 'event' && count !== EVENT_BYTES) return -EINVAL
  const room = wholePieces(file, user.accessible(address, wanted, ACCESS_READ), wanted)
  if (room === 0 && count > 0) return badAddress(kernel, task, file, count)
  // All eight are read at once.
  if (file.kind === 'event' && room < count) return -EFAULT
  return operations.write(kernel, task, file, user.read(address, room), offset)
}

// ——— Large writes to what may block ———

/** A handler that blocks runs again from its start: large writes go piece by piece, so that it need not copy all of them each time. */
const CHUNK = 65_536

/** Where pieces of a write are not told apart, but for pipes' packets, which are never larger. */
const isByteStream = (file: OpenFile): boolean => file.kind === 'pipe' || file.kind === 'terminal'

/** In `task.syscall.memory`: bytes of the pieces before this one. */
interface ChunkProgress { chunked?: number }

const rememberChunks = (task: Task, chunked: number): void => {
  const { syscall } = task
  if (syscall !== undefined && (chunked > 0 || syscall.memory !== undefined)) syscall.memory = { ...(syscall.memory as object | undefined), chunked }
}

const writeInChunks = (kernel: Kernel, task: Task, file: OpenFile, segments: readonly Segment[]): number => {
  const { write } = operationsOf(file)
  if (write === undefined) return -EINVAL
  const total = sumOf(segments)
  let done = (task.syscall?.memory as ChunkProgress | undefined)?.chunked ?? 0
  while (done < total) {
    // What is merged with the end of a pipe's content is so by the length of all.
    const merged = done === 0 && task.syscall?.memory === undefined && file.kind === 'pipe' && (file.flags & O_DIRECT) === 0 ? mergedBytes(pipeOf(file), total) : 0
    const wanted = merged > 0 ? merged : Math.min(CHUNK, total - done)
    const room = wholePieces(file, accessiblePart(kernel, task, segments, done, wanted), wanted)
    if (room === 0) {
      if (done === 0) return -EFAULT
      break
    }
    const piece = gather(kernel, task, segments, done, room)
    const result = write(kernel, task, file, piece, undefined)
    if (result === BLOCKED) {
      rememberChunks(task, done)
      return result
    }
    if (result < 0) {
      if (done === 0) return result
      break
    }
    done += result
    if (result < wanted) break
  }
  rememberChunks(task, 0)
  return done
}

// ——— Vectors ———

export interface Segment { readonly address: number, length: number }

/** struct iovec[]: checked and cut to MAX_TRANSFER, or a negative errno (import_iovec). @throws BadAddress */
export const readVector = (kernel: Kernel, task: Task, address: number, count: number): Segment[] | number => {
  if (count < 0 || count > IOV_LIMIT) return -EINVAL
  const user = kernel.user(task)
  const bytes = user.read(address, count * IOV_SIZE)
  const view = new DataView(bytes.buffer)
  const segments: Segment[] = []
  let total = 0
  for (let at = 0; at < bytes.length; at += IOV_SIZE) {
    const base = view.getInt32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)
    const length = view.getInt32(at + 12, true) * 0x1_0000_0000 + view.getUint32(at + 8, true)
    if (length < 0) return -EINVAL
    const cut = Math.min(length, MAX_TRANSFER - total)
    segments.push({ address: base, length: cut })
    total += cut
  }
  // All lengths first (copy_iovec_from_user), then where they are.
  for (const { address: base, length } of segments) if (!isUserRange(base, length)) return -EFAULT
  return segments
}

/** How much of the segments can be accessed before the first bad page; they are cut there. */
const cutToAccessible = (kernel: Kernel, task: Task, segments: Segment[], most: number, access: typeof ACCESS_READ | typeof ACCESS_WRITE): number => {
  const user = kernel.user(task)
  let total = 0
  let isOver = false
  for (const segment of segments) {
    if (isOver) {
      segment.length = 0
      continue
    }
    const wanted = Math.min(segment.length, most - total)
    const room = user.accessible(segment.address, wanted, access)
    isOver = room < segment.length
    segment.length = room
    total += room
  }
  return total
}

/** Goes through the bytes [from, from + length) of the segments' concatenation, piece by piece, until one is not done whole; how many were done. */
const eachPiece = (segments: readonly Segment[], from: number, length: number, move: (address: number, count: number, done: number) => number): number => {
  let start = 0
  let done = 0
  for (const segment of segments) {
    if (done === length) break
    const skip = from + done - start
    if (skip < segment.length) {
      const count = Math.min(segment.length - skip, length - done)
      const moved = move(segment.address + skip, count, done)
      done += moved
      if (moved < count) break
    }
    start += segment.length
  }
  return done
}

/** How many of the bytes [from, from + length) of the segments' concatenation come before the first bad page. */
const accessiblePart = (kernel: Kernel, task: Task, segments: readonly Segment[], from: number, length: number): number => {
  const user = kernel.user(task)
  return eachPiece(segments, from, length, (address, count) => user.accessible(address, count, ACCESS_READ))
}

/** Bytes [from, from + length) of the segments' concatenation. */
const gather = (kernel: Kernel, task: Task, segments: readonly Segment[], from: number, length: number): Uint8Array => {
  const user = kernel.user(task)
  const bytes = new Uint8Array(length)
  eachPiece(segments, from, length, (address, count, done) => {
    bytes.set(user.read(address, count), done)
    return count
  })
  return bytes
}

const sumOf = (segments: readonly Segment[]): number => segments.reduce((sum, { length }) => sum + length, 0)

/** One transfer after the other, for files that never block, until one comes short. */
const eachSegment = (segments: readonly Segment[], offset: number | undefined, move: (address: number, length: number, offset: number | undefined) => number): number => {
  let done = 0
  for (const { address, length } of segments) {
    if (length === 0 && segments.length > 1) continue
    const result = move(address, length, offset === undefined ? undefined : offset + done)
    if (result === BLOCKED) return result
    if (result < 0) return done > 0 ? done : result
    done += result
    if (result < length) break
  }
  return done
}

export const readVectorInto = (kernel: Kernel, task: Task, file: OpenFile, segments: Segment[], offset: number | undefined): number => {
  const operations = operationsOf(file)
  const { read, readTo } = operations
  if (read === undefined) return -EINVAL
  const total = sumOf(segments)
  // Nothing is asked for: the file is not asked (vfs_readv).
  if (total === 0) return 0
  if (readTo !== undefined) return eachSegment(segments, offset, (address, length, at) => readTo(kernel, task, file, address, length, at))
  const wanted = Math.min(total, roomOf(file))
  const room = readablePartOf(file, cutToAccessible(kernel, task, segments, roomOf(file), ACCESS_WRITE), wanted)
  if (room === 0 && total > 0) return failToRead(kernel, task, file, operations, wanted, offset)
  const result = read(kernel, task, file, room, offset)
  if (typeof result === 'number') return result
  const user = kernel.user(task)
  let done = 0
  for (const { address, length } of segments) {
    if (done === result.length) break
    const piece = result.subarray(done, done + length)
    user.write(address, piece)
    done += piece.length
  }
  return result.length
}

export const writeVectorOut = (kernel: Kernel, task: Task, file: OpenFile, segments: Segment[], offset: number | undefined): number => {
  const operations = operationsOf(file)
  const { write, writeFrom } = operations
  if (write === undefined) return -EINVAL
  const total = sumOf(segments)
  if (total === 0) return 0
  if (total > CHUNK && isByteStream(file)) return writeInChunks(kernel, task, file, segments)
  // What goes into a pipe is one write, of which the parts are not told apart.
  if (writeFrom !== undefined && file.kind !== 'pipe') return eachSegment(segments, offset, (address, length, at) => writeFrom(kernel, task, file, address, length, at))
  // Each part is a write of its own (do_loop_readv_writev).
  if (file.kind === 'event') return eachSegment(segments, offset, (address, length, at) => writeOut(kernel, task, file, address, length, at))
  const room = wholePieces(file, cutToAccessible(kernel, task, segments, DEVICE_ROOM, ACCESS_READ), Math.min(total, DEVICE_ROOM))
  if (room === 0 && total > 0) return badAddress(kernel, task, file, total)
  return write(kernel, task, file, gather(kernel, task, segments, 0, room), offset)
}
