/** Every system call that is known, by number. Lists come from the files beside this one; a number may be listed once only. */
import { pollCalls } from './poll.ts'
import { epollCalls } from './epoll.ts'
import { eventFileCalls } from './event-files.ts'
import { ioctlCalls } from './ioctl.ts'
import { pipeCalls } from './pipes.ts'
import { futexCalls } from './futex.ts'
import { ptraceCalls } from './ptrace.ts'
import { pidfdCalls } from './pidfd.ts'
import { namespaceCalls } from './namespaces.ts'
import { identityCalls } from './identity.ts'
import { processCalls } from './process.ts'
import { signalCalls } from './signals.ts'
import { threadCalls } from './threads.ts'
import { memoryCalls } from './memory.ts'
import { memoryAdviceCalls } from './memory-advice.ts'
import { memoryRemoteCalls } from './memory-remote.ts'
import { timeCalls } from './time.ts'
import { credentialCalls } from './credentials.ts'
import { prctlCalls } from './prctl.ts'
import { seccompCalls } from './seccomp.ts'
import { resourceCalls } from './resources.ts'
import { schedulingCalls } from './scheduling.ts'
import { systemCalls } from './system.ts'
import { keyCalls } from './keys.ts'
import { administrationCalls } from './administration.ts'
import { shmCalls } from './shm.ts'
import { semCalls } from './sem.ts'
import { msgCalls } from './msg.ts'
import { mqCalls } from './mq.ts'
import { obsoleteCalls } from './obsolete.ts'
import { AIO_CALLS } from './aio.ts'
import { ATTRIBUTE_CALLS } from './attributes.ts'
import { DESCRIPTOR_CALLS } from './descriptors.ts'
import { DIRECTORY_CALLS } from './directories.ts'
import { FILE_CALLS } from './files.ts'
import { HANDLE_CALLS } from './handles.ts'
import { MOUNT_CALLS } from './mounts.ts'
import { MOUNT_API_CALLS } from './mount-api.ts'
import { READ_WRITE_CALLS } from './read-write.ts'
import { XATTR_CALLS } from './xattr.ts'
import { socketCalls } from './sockets.ts'
import { inotifyCalls } from './inotify.ts'
import type { SyscallEntry } from './entry.ts'

const LISTS: readonly (readonly SyscallEntry[])[] = [
  READ_WRITE_CALLS,
  FILE_CALLS,
  DESCRIPTOR_CALLS,
  DIRECTORY_CALLS,
  ATTRIBUTE_CALLS,
  MOUNT_CALLS,
  MOUNT_API_CALLS,
  XATTR_CALLS,
  HANDLE_CALLS,
  AIO_CALLS,
  memoryCalls,
  memoryAdviceCalls,
  memoryRemoteCalls,
  timeCalls,
  credentialCalls,
  prctlCalls,
  seccompCalls,
  resourceCalls,
  schedulingCalls,
  systemCalls,
  administrationCalls,
  keyCalls,
  shmCalls,
  semCalls,
  msgCalls,
  mqCalls,
  obsoleteCalls,
  threadCalls,
  signalCalls,
  processCalls,
  identityCalls,
  futexCalls,
  ptraceCalls,
  pidfdCalls,
  namespaceCalls,
  pollCalls,
  epollCalls,
  eventFileCalls,
  ioctlCalls,
  pipeCalls,
  socketCalls,
  inotifyCalls,
]

const byNumber: (SyscallEntry | undefined)[] = []
for (const list of LISTS) {
  for (const entry of list) {
    if (byNumber[entry.number] !== undefined) throw new Error(`system call ${entry.number} is listed as ${entry.name} and ${byNumber[entry.number]?.name}`)
    byNumber[entry.number] = entry
  }
}

export const SYSCALLS: readonly (SyscallEntry | undefined)[] = byNumber
