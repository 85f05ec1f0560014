/** pipe(2), and moving data through pipes: splice(2), tee(2), vmsplice(2). */
import { EAGAIN, EBADF, EINVAL, ERESTARTSYS, ESPIPE } from '../abi/errno.ts'
import { O_APPEND, O_CLOEXEC, O_DIRECT, O_NONBLOCK } from '../abi/fcntl.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { closeDescriptor, getFile, installFile, releaseFile } from '../fs/descriptor.ts'
import { operationsOf } from '../fs/file-operations.ts'
import type { OpenFile } from '../fs/file.ts'
import {
  brokenPipe, forgetBytes, isFull, makePipeFiles, passBuffers, peekBytes, type Pipe, pipeOf, putBytes,
} from '../fs/pipe.ts'
import { canSpliceFrom, canSpliceTo } from '../fs/splice.ts'
import type { Kernel } from '../kernel.ts'
import { BadAddress } from '../mm/user-memory.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'
import { isReadable, isWritable, readVector, type Segment } from './transfer.ts'

const PAGE = 4096

const makePipe = (kernel: Kernel, task: Task, address: number, flags: number): number => {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) !== 0) return -EINVAL
  const closeOnExec = (flags & O_CLOEXEC) !== 0
  const [reader, writer] = makePipeFiles(kernel, task, flags & (O_NONBLOCK | O_DIRECT))
  const readFd = installFile(kernel, task, reader, closeOnExec)
  const writeFd = readFd < 0 ? readFd : installFile(kernel, task, writer, closeOnExec)
  if (writeFd < 0) {
    if (readFd < 0) releaseFile(kernel, reader)
    else closeDescriptor(kernel, task, readFd)
    releaseFile(kernel, writer)
    return writeFd
  }
  const user = kernel.user(task)
  try {
    user.setU32(address, readFd)
    user.setU32(address + 4, writeFd)
  } catch (error) {
    closeDescriptor(kernel, task, readFd)
    closeDescriptor(kernel, task, writeFd)
    throw error
  }
  return 0
}

const SPLICE_F_MOVE = 1, SPLICE_F_NONBLOCK = 2, SPLICE_F_MORE = 4, SPLICE_F_GIFT = 8
const SPLICE_FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT

/** Waits for a pipe: BLOCKED, or why not. */
const waitFor = (kernel: Kernel, task: Task, queue: Pipe['readable'], nonBlocking: boolean): number => {
  if (nonBlocking) return -EAGAIN
  return kernel.interrupted(task) ? -ERESTARTSYS : kernel.block(task, [queue])
}

/** Waits until `from` has data and `to` has room; 0 when it has, or the end (no writers) as undefined. */
const readyToMove = (kernel: Kernel, task: Task, from: Pipe, to: Pipe, nonBlocking: boolean): number | undefined => {
  const isEmpty = from.buffers.length === 0
  if (isEmpty && from.writers > 0) return waitFor(kernel, task, from.readable, nonBlocking)
  // Even where there is nothing more to come (opipe_prep, link_pipe).
  if (to.readers === 0) return brokenPipe(kernel, task)
  if (isFull(to)) return waitFor(kernel, task, to.writable, nonBlocking)
  return isEmpty ? undefined : 0
}

const roomIn = (pipe: Pipe): number => (pipe.slots - pipe.buffers.length) * PAGE

const spliceFromPipe = (kernel: Kernel, task: Task, from: Pipe, out: OpenFile, offset: number | undefined, length: number, nonBlocking: boolean): number => {
  const { write } = operationsOf(out)
  if (write === undefined || !canSpliceTo(out)) return -EINVAL
  if (from.buffers.length === 0) return from.writers === 0 ? 0 : waitFor(kernel, task, from.readable, nonBlocking)
  const written = write(kernel, task, out, peekBytes(from, length), offset)
  if (written > 0) forgetBytes(kernel, from, written)
  return written
}

const spliceToPipe = (kernel: Kernel, task: Task, input: OpenFile, offset: number | undefined, to: Pipe, length: number, nonBlocking: boolean): number => {
  if (to.readers === 0) return brokenPipe(kernel, task)
  if (isFull(to)) return waitFor(kernel, task, to.writable, nonBlocking)
  const { read } = operationsOf(input)
  if (read === undefined || !canSpliceFrom(input)) return -EINVAL
  const bytes = read(kernel, task, input, Math.min(length, roomIn(to)), offset)
  return typeof bytes === 'number' ? bytes : putBytes(kernel, to, bytes, false, false, true)
}

const splice = (kernel: Kernel, task: Task, args: Args): number => {
  const [, offsetIn, , offsetOut] = [args[0], args[1], args[2], args[3]]
  const length = Math.min(uint64(args[4]), 0x7fff_f000)
  const flags = uint32(args[5])
  if (length === 0) return 0
  if ((flags & ~SPLICE_FLAGS) !== 0) return -EINVAL
  const input = getFile(task, int32(args[0]))
  const out = getFile(task, int32(args[2]))
  if (input === undefined || out === undefined) return -EBADF
  const user = kernel.user(task)
  if ((input.kind === 'pipe' && offsetIn !== 0) || (out.kind === 'pipe' && offsetOut !== 0)) return -ESPIPE
  if (!isReadable(input) || !isWritable(out)) return -EBADF
  const isNonBlocking = (flags & SPLICE_F_NONBLOCK) !== 0
  if (input.kind === 'pipe' && out.kind === 'pipe') {
    const from = pipeOf(input)
    const to = pipeOf(out)
    if (from === to) return -EINVAL
    const state = readyToMove(kernel, task, from, to, isNonBlocking || ((input.flags | out.flags) & O_NONBLOCK) !== 0)
    if (state === undefined) return 0
    return state !== 0 ? state : passBuffers(kernel, from, to, length, false)
  }
  if (input.kind === 'pipe') {
    if ((out.flags & O_APPEND) !== 0) return -EINVAL
    if (offsetOut !== 0 && operationsOf(out).positioned !== true) return -EINVAL
    const offset = offsetOut === 0 ? undefined : user.i64(offsetOut)
    if (offset !== undefined && offset < 0) return -EINVAL
    const moved = spliceFromPipe(kernel, task, pipeOf(input), out, offset, length, isNonBlocking || (input.flags & O_NONBLOCK) !== 0)
    if (offset !== undefined && moved > 0) user.setI64(offsetOut, offset + moved)
    return moved
  }
  if (out.kind === 'pipe') {
    if (offsetIn !== 0 && operationsOf(input).positioned !== true) return -EINVAL
    const offset = offsetIn === 0 ? undefined : user.i64(offsetIn)
    if (offset !== undefined && offset < 0) return -EINVAL
    const moved = spliceToPipe(kernel, task, input, offset, pipeOf(out), length, isNonBlocking || (out.flags & O_NONBLOCK) !== 0)
    if (offset !== undefined && moved > 0) user.setI64(offsetIn, offset + moved)
    return moved
  }
  return -EINVAL
}

const tee = (kernel: Kernel, task: Task, args: Args): number => {
  const length = Math.min(uint64(args[2]), 0x7fff_f000)
  const flags = uint32(args[3])
  if ((flags & ~SPLICE_FLAGS) !== 0) return -EINVAL
  if (length === 0) return 0
  const input = getFile(task, int32(args[0]))
  const out = getFile(task, int32(args[1]))
  if (input === undefined || out === undefined) return -EBADF
  if (!isReadable(input) || !isWritable(out)) return -EBADF
  if (input.kind !== 'pipe' || out.kind !== 'pipe' || pipeOf(input) === pipeOf(out)) return -EINVAL
  const from = pipeOf(input)
  const to = pipeOf(out)
  const isNonBlocking = (flags & SPLICE_F_NONBLOCK) !== 0 || ((input.flags | out.flags) & O_NONBLOCK) !== 0
  const state = readyToMove(kernel, task, from, to, isNonBlocking)
  if (state === undefined) return 0
  return state !== 0 ? state : passBuffers(kernel, from, to, length, true)
}

/** A page of memory is a page of the pipe. */
const inPages = ({ address, length }: Segment): Segment[] => {
  const pieces: Segment[] = []
  for (let done = 0; done < length && pieces.length < MOST_PAGES;) {
    const size = Math.min(length - done, PAGE - (address + done) % PAGE)
    pieces.push({ address: address + done, length: size })
    done += size
  }
  return pieces
}
/** More than a pipe has room for (/proc/sys/fs/pipe-max-size). */
const MOST_PAGES = 257

const vmsplice = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = uint32(args[3])
  const count = uint64(args[2])
  if ((flags & ~SPLICE_FLAGS) !== 0) return -EINVAL
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  if (!isReadable(file) && !isWritable(file)) return -EBADF
  const vectors = readVector(kernel, task, args[1], count)
  if (typeof vectors === 'number') return vectors
  const user = kernel.user(task)
  const isNonBlocking = (flags & SPLICE_F_NONBLOCK) !== 0 || (file.flags & O_NONBLOCK) !== 0
  if (vectors.every(({ length }) => length === 0)) return 0
  if (file.kind !== 'pipe') return -EBADF
  const pipe = pipeOf(file)
  if (isWritable(file)) {
    if (pipe.readers === 0) return brokenPipe(kernel, task)
    if (isFull(pipe)) return waitFor(kernel, task, pipe.writable, isNonBlocking)
    return moveVectors(vectors.flatMap(inPages), (address, size) => putBytes(kernel, pipe, user.read(address, Math.min(size, roomIn(pipe))), false, false, true))
  }
  if (pipe.buffers.length === 0) return pipe.writers === 0 ? 0 : waitFor(kernel, task, pipe.readable, isNonBlocking)
  return moveVectors(vectors, (address, size) => {
    const bytes = peekBytes(pipe, size)
    user.write(address, bytes)
    forgetBytes(kernel, pipe, bytes.length)
    return bytes.length
  })
}

/** Moves until a vector is not done whole; a bad address behind what was moved only ends it. */
const moveVectors = (vectors: readonly Segment[], move: (address: number, size: number) => number): number => {
  let done = 0
  try {
    for (const { address, length: size } of vectors) {
      if (size === 0) continue
      const moved = move(address, size)
      done += moved
      if (moved < size) break
    }
  } catch (error) {
    if (!(error instanceof BadAddress) || done === 0) throw error
  }
  return done
}

export const pipeCalls: readonly SyscallEntry[] = [
  { number: 22, name: 'pipe', args: ['fildes:out[8]'], handler: (kernel, task, args) => makePipe(kernel, task, args[0], 0), status: 'full' },
  { number: 275, name: 'splice', args: ['fd_in:fd', 'off_in:pointer', 'fd_out:fd', 'off_out:pointer', 'len:size', 'flags:flags(SPLICE)'], handler: splice, status: 'full' },
  { number: 276, name: 'tee', args: ['fdin:fd', 'fdout:fd', 'len:size', 'flags:flags(SPLICE)'], handler: tee, status: 'full' },
  { number: 278, name: 'vmsplice', args: ['fd:fd', 'iov:iovec[2]', 'nr_segs:size', 'flags:flags(SPLICE)'], handler: vmsplice, status: 'full' },
  { number: 293, name: 'pipe2', args: ['fildes:out[8]', 'flags:flags(O)'], handler: (kernel, task, args) => makePipe(kernel, task, args[0], int32(args[1])), status: 'full' },
]
