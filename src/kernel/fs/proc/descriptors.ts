/** /proc/PID/fd and fdinfo. */
import { ENOENT } from '../../abi/errno.ts'
import { O_CLOEXEC } from '../../abi/fcntl.ts'
import type { Kernel } from '../../kernel.ts'
import type { Descriptor } from '../descriptor.ts'
import { epollOf } from '../epoll.ts'
import type { EventCounter } from '../eventfd.ts'
import type { OpenFile } from '../file.ts'
import { inotifyOf } from '../inotify.ts'
import { sourceOf } from '../signalfd.ts'
import { fileTimerOf, getFileTimer } from '../timerfd.ts'
import type { ProcNode } from './nodes.ts'
import { isAlive, subjectOf } from './subject.ts'

const slotOf = (kernel: Kernel, node: ProcNode): Descriptor | undefined => {
  const subject = subjectOf(kernel, node)
  return subject === undefined || !isAlive(subject) ? undefined : subject.files.slots[node.fd]
}

/** Paths of files that were removed say so (`fs/open-paths.ts`). */
export const target = (kernel: Kernel, node: ProcNode): string | number => {
  const file = slotOf(kernel, node)?.file
  return file === undefined ? -ENOENT : file.path
}

const hex = (value: number, width: number): string => (value >>> 0).toString(16).padStart(width, '0')

const extra = (kernel: Kernel, file: OpenFile): string => {
  switch (file.kind) {
    case 'event': {
      const { low, high } = file.data as EventCounter
      const count = high === 0 ? low.toString(16) : high.toString(16) + hex(low, 8)
      return `eventfd-count: ${count.padStart(16)}\n`
    }
    case 'epoll':
      return [...epollOf(file).items.values()].flat().map(({ fd, events, dataLow, dataHigh, file: watched }) => {
        const data = dataHigh === 0 ? dataLow.toString(16) : dataHigh.toString(16) + hex(dataLow, 8)
        return `tfd: ${String(fd).padStart(8)} events: ${(events >>> 0).toString(16).padStart(8)} data: ${data.padStart(16)}  ` +
          `pos:${watched.position} ino:${watched.inode.ino.toString(16)} sdev:${watched.inode.superblock.dev.toString(16)}\n`
      }).join('')
    case 'signal': {
      const { mask } = sourceOf(file)
      return `sigmask:\t${hex(mask[1], 8)}${hex(mask[0], 8)}\n`
    }
    case 'timer': {
      const timer = fileTimerOf(file)
      const { value, interval } = getFileTimer(kernel, timer)
      return `clockid: ${timer.clock}\nticks: ${timer.ticks}\nsettime flags: 00\nit_value: (${value[0]}, ${value[1]})\nit_interval: (${interval[0]}, ${interval[1]})\n`
    }
    case 'inotify':
      return inotifyOf(file).watches.map(({ descriptor, inode, mask }) =>
        `inotify wd:${descriptor.toString(16)} ino:${inode.ino.toString(16)} sdev:${inode.superblock.dev.toString(16)} mask:${(mask >>> 0).toString(16)} ignored_mask:0 \n`).join('')
    default: return ''
  }
}

export const info = (kernel: Kernel, node: ProcNode): string | number => {
  const slot = slotOf(kernel, node)
  if (slot === undefined) return -ENOENT
  const { file, closeOnExec } = slot
  const flags = (file.flags | (closeOnExec ? O_CLOEXEC : 0)).toString(8)
  return `pos:\t${file.position}\nflags:\t0${flags}\nmnt_id:\t${file.mount.id}\nino:\t${file.inode.ino}\n${extra(kernel, file)}`
}
