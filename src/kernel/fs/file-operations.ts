/** What each kind of open file can do: the table from kind to operations. */
import { socketOperations } from '../net/families.ts'
import { streamOperations } from './console.ts'
import { deviceOperations } from './devices.ts'
import { directoryOperations } from './directory.ts'
import { epollOperations } from './epoll.ts'
import { eventOperations } from './eventfd.ts'
import type { FileKind, FileOperations, OpenFile } from './file.ts'
import { inotifyOperations } from './inotify.ts'
import { processOperations } from './pidfd.ts'
import { messageQueueOperations } from '../ipc/message-queues.ts'
import { loopOperations } from './loop.ts'
import { contextOperations, pathOperations } from './mount-context.ts'
import { namespaceOperations } from './namespace-files.ts'
import { pipeOperations } from './pipe.ts'
import { mountsOperations, procOperations } from './proc/open.ts'
import { regularOperations } from './regular.ts'
import { signalOperations } from './signalfd.ts'
import { timerOperations } from './timerfd.ts'
import { terminalOperations } from './tty.ts'

/** Made when first used: the kinds' modules import this one, too. */
const makeTable = (): Record<FileKind, FileOperations> => ({
  regular: regularOperations,
  directory: directoryOperations,
  path: pathOperations,
  fscontext: contextOperations,
  pipe: pipeOperations,
  stream: streamOperations,
  device: deviceOperations,
  loop: loopOperations,
  terminal: terminalOperations,
  proc: procOperations,
  mounts: mountsOperations,
  event: eventOperations,
  epoll: epollOperations,
  timer: timerOperations,
  signal: signalOperations,
  socket: socketOperations,
  pid: processOperations,
  inotify: inotifyOperations,
  mqueue: messageQueueOperations,
  namespace: namespaceOperations,
})
let table: Record<FileKind, FileOperations> | undefined

export const operationsOf = (file: OpenFile): FileOperations => (table ??= makeTable())[file.kind]
