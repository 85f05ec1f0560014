/** signalfd(2): signals as data. What can be read depends on who reads: its own signals and those of its process. */
import { EAGAIN, EINVAL, ERESTARTSYS } from '../abi/errno.ts'
import { O_NONBLOCK } from '../abi/fcntl.ts'
import { dequeue } from '../signal/pending.ts'
import { layoutOf } from '../signal/siginfo.ts'
import type { SignalInfo, SignalSet } from '../signal/signal.ts'
import type { Task } from '../task/task.ts'
import { type FileOperations, type OpenFile, POLLIN, stayingSeek } from './file.ts'

export interface SignalSource {
  readonly kind: 'signalfd'
  /** Signals that it takes. */
  mask: SignalSet
}

export const sourceOf = (file: OpenFile): SignalSource => file.data as SignalSource

/** sizeof(struct signalfd_siginfo). */
const INFO_SIZE = 128

const encode = (info: SignalInfo, bytes: Uint8Array, at: number): void => {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, INFO_SIZE)
  const put = (offset: number, value: number): void => { view.setUint32(offset, value, true) }
  const putLong = (offset: number, value: number): void => {
    put(offset, value)
    put(offset + 4, Math.floor(value / 0x1_0000_0000))
  }
  const putSender = ({ pid, uid }: { readonly pid: number, readonly uid: number }): void => {
    put(12, pid)
    put(16, uid)
  }
  /** As ssi_int, and as ssi_ptr. */
  const putValue = (low: number, high: number): void => {
    put(44, low)
    put(48, low)
    put(52, high)
  }
  put(0, info.signal)
  put(4, info.errno)
  put(8, info.code)
  const { detail } = info
  switch (detail.kind) {
    case 'kill':
      putSender(detail)
      break
    case 'queue':
      putSender(detail)
      putValue(detail.valueLow, detail.valueHigh)
      break
    case 'timer':
      put(24, detail.timer)
      put(32, detail.overrun)
      putValue(detail.valueLow, detail.valueHigh)
      break
    case 'child':
      putSender(detail)
      put(40, detail.status)
      putLong(56, detail.userTicks)
      putLong(64, detail.systemTicks)
      break
    case 'fault': case 'system-call':
      putLong(72, detail.address)
      break
    case 'poll':
      put(20, detail.fd)
      put(28, detail.band)
      break
    case 'raw': {
      // As rt_sigqueueinfo has it: which of the fields these bytes are is up to signal and code.
      const raw = new DataView(detail.bytes.buffer, detail.bytes.byteOffset, detail.bytes.byteLength)
      const word = (offset: number): number => offset - RAW_START + 4 <= raw.byteLength ? raw.getUint32(offset - RAW_START, true) : 0
      const copy = (to: number, from: number): void => {
        put(to, word(from))
        put(to + 4, word(from + 4))
      }
      const layout = layoutOf(info.signal, info.code)
      if (layout === 'kill' || layout === 'queue' || layout === 'child') putSender({ pid: word(16), uid: word(20) })
      if (layout === 'queue' || layout === 'timer') putValue(word(24), word(28))
      if (layout === 'timer') {
        put(24, word(16))
        put(32, word(20))
      } else if (layout === 'child') {
        put(40, word(24))
        copy(56, 32)
        copy(64, 40)
      } else if (layout === 'poll') {
        put(20, word(24))
        put(28, word(16))
      } else if (layout === 'fault') copy(72, 16)
    }
  }
}

/** Offset in siginfo_t from which on `bytes` of raw details are. */
const RAW_START = 12
/** What `dequeue` is to leave: all but the source's signals. */
const others = (source: SignalSource): SignalSet => [~source.mask[0] >>> 0, ~source.mask[1] >>> 0]

const take = (task: Task, source: SignalSource): SignalInfo | undefined => {
  const held = others(source)
  return dequeue(task.pending, held) ?? dequeue(task.group.pending, held)
}

export const signalOperations: FileOperations = {
  seek: stayingSeek,
  read: (kernel, task, file, length) => {
    const count = Math.floor(length / INFO_SIZE)
    if (count === 0) return -EINVAL
    const source = sourceOf(file)
    const infos: SignalInfo[] = []
    while (infos.length < count) {
      const info = take(task, source)
      if (info === undefined) break
      infos.push(info)
    }
    if (infos.length === 0) {
      if ((file.flags & O_NONBLOCK) !== 0) return -EAGAIN
      if (kernel.interrupted(task)) return -ERESTARTSYS
      return kernel.block(task, [task.group.signalWait])
    }
    const bytes = new Uint8Array(infos.length * INFO_SIZE)
    infos.forEach((info, index) => { encode(info, bytes, index * INFO_SIZE) })
    return bytes
  },
  poll: (kernel, file) => {
    const { mask } = sourceOf(file)
    const task = kernel.current
    if (task === undefined) return 0
    const own = task.pending.set
    const shared = task.group.pending.set
    return ((own[0] | shared[0]) & mask[0]) !== 0 || ((own[1] | shared[1]) & mask[1]) !== 0 ? POLLIN : 0
  },
  queues: (kernel) => kernel.current === undefined ? [] : [kernel.current.group.signalWait],
}
