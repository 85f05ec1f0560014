/** Every system call that is known, by number. Lists come from the files beside this one; a number may be listed once only. */
import { pollCalls } from './poll.ts'
import { epollCalls } from './epoll.ts'
import { eventFileCalls } from './event-files.ts'
import { ioctlCalls } from './ioctl.ts'
import { pipeCalls } from './pipes.ts'
import { futexCalls } from './futex.ts'
import { identityCalls } from './identity.ts'
import { processCalls } from './process.ts'
import { signalCalls } from './signals.ts'
import { threadCalls } from './threads.ts'
import { MEMORY_SYSCALLS } from './memory.ts'
import { MEMORY_ADVICE_SYSCALLS } from './memory-advice.ts'
import { MEMORY_REMOTE_SYSCALLS } from './memory-remote.ts'
import { TIME_SYSCALLS } from './time.ts'
import { CREDENTIAL_SYSCALLS } from './credentials.ts'
import { PRCTL_SYSCALLS } from './prctl.ts'
import { RESOURCE_SYSCALLS } from './resources.ts'
import { SCHEDULING_SYSCALLS } from './scheduling.ts'
import { SYSTEM_SYSCALLS } from './system.ts'
import { OBSOLETE_SYSCALLS } from './obsolete.ts'
import { ATTRIBUTE_CALLS } from './attributes.ts'
import { DESCRIPTOR_CALLS } from './descriptors.ts'
import { DIRECTORY_CALLS } from './directories.ts'
import { FILE_CALLS } from './files.ts'
import { MOUNT_CALLS } from './mounts.ts'
import { READ_WRITE_CALLS } from './read-write.ts'
import { XATTR_CALLS } from './xattr.ts'
import type { SyscallEntry } from './entry.ts'

const LISTS: readonly (readonly SyscallEntry[])[] = [
  READ_WRITE_CALLS,
  FILE_CALLS,
  DESCRIPTOR_CALLS,
  DIRECTORY_CALLS,
  ATTRIBUTE_CALLS,
  MOUNT_CALLS,
  XATTR_CALLS,
  MEMORY_SYSCALLS,
  MEMORY_ADVICE_SYSCALLS,
  MEMORY_REMOTE_SYSCALLS,
  TIME_SYSCALLS,
  CREDENTIAL_SYSCALLS,
  PRCTL_SYSCALLS,
  RESOURCE_SYSCALLS,
  SCHEDULING_SYSCALLS,
  SYSTEM_SYSCALLS,
  OBSOLETE_SYSCALLS,
  threadCalls,
  signalCalls,
  processCalls,
  identityCalls,
  futexCalls,
  pollCalls,
  epollCalls,
  eventFileCalls,
  ioctlCalls,
  pipeCalls,
]

const byNumber: (SyscallEntry | undefined)[] = []
for (const list of LISTS) {
  for (const entry of list) {
    if (byNumber[entry.number] !== undefined) throw new Error(`system call ${entry.number} is listed as ${entry.name} and ${byNumber[entry.number]?.name}`)
    byNumber[entry.number] = entry
  }
}

export const SYSCALLS: readonly (SyscallEntry | undefined)[] = byNumber
