/** F_NOTIFY (fcntl(2), 'File and directory change notification'): a signal when something happens in a directory, by the watches of inotify. */
import { ENOTDIR } from '../abi/errno.ts'
import { IN_ACCESS, IN_ATTRIB, IN_CREATE, IN_DELETE, IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO, IN_RENAMED } from '../abi/inotify.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { OpenFile } from './file.ts'
import { addWatch, dropWatch, type InotifyWatch, makeInotify } from './inotify.ts'

/** DN_*, and the events that they are. */
const EVENTS: readonly (readonly [number, number])[] = [
  [0x1, IN_ACCESS], [0x2, IN_MODIFY], [0x4, IN_CREATE | IN_MOVED_TO], [0x8, IN_DELETE | IN_MOVED_FROM], [0x10, IN_RENAMED], [0x20, IN_ATTRIB],
]
const DN_MULTISHOT = 0x8000_0000
const F_OWNER_PID = 1

const watchOf = (file: OpenFile): InotifyWatch | undefined => file.inode.watches?.find(({ signal }) => signal?.file === file)

/** The descriptor of a directory goes. */
export const dropDirectoryWatch = (kernel: Kernel, file: OpenFile): void => {
  const watch = watchOf(file)
  if (watch !== undefined) dropWatch(kernel, watch)
}

/** What is asked for adds to what was; no events at all end it. */
export const watchDirectory = (kernel: Kernel, task: Task, file: OpenFile, fd: number, wanted: number): number => {
  const events = EVENTS.reduce((mask, [dn, event]) => (wanted & dn) !== 0 ? mask | event : mask, 0)
  if (events === 0) {
    dropDirectoryWatch(kernel, file)
    return 0
  }
  if (file.inode.kind !== 'directory') return -ENOTDIR
  file.owner = task.group.tgid
  file.ownerType = F_OWNER_PID
  const repeats = (wanted & DN_MULTISHOT) !== 0
  const known = watchOf(file)
  if (known !== undefined) {
    known.mask |= events
    known.repeats = known.repeats === true || repeats
    known.signal = { file, fd }
    return 0
  }
  const instance = makeInotify()
  addWatch(kernel, instance, file.inode, events)
  const [watch] = instance.watches
  watch.signal = { file, fd }
  watch.repeats = repeats
  return 0
}
