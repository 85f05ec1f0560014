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
import type { SyscallEntry } from './entry.ts'

const LISTS: readonly (readonly SyscallEntry[])[] = [
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
