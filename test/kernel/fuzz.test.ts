/**
 * System calls with arguments that mean nothing: each must answer as a system call does (a result, an errno, or to wait), and
 * never with a JavaScript exception.
 */
import test from 'ava'
import * as fc from 'fast-check'
import { OutOfFrames } from '../../src/emu/memory.ts'
import { EAFNOSUPPORT } from '../../src/kernel/abi/errno.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { mapFile } from '../../src/kernel/syscalls/memory.ts'
import { BadAddress } from '../../src/kernel/mm/user-memory.ts'
import { REGISTERS_SET } from '../../src/kernel/syscalls/call.ts'
import type { SyscallEntry } from '../../src/kernel/syscalls/entry.ts'
import { SYSCALLS } from '../../src/kernel/syscalls/table.ts'
import type { Task } from '../../src/kernel/task/task.ts'
import { BLOCKED } from '../../src/kernel/wait-queue.ts'
import { makeGuestWorld } from '../support/run-guest.ts'
import { guestPath } from './abi/native.ts'

/** Calls that end or replace the task: what they do is tested by guests. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'exit', 'exit_group', 'execve', 'execveat', 'fork', 'vfork', 'clone', 'clone3', 'rt_sigreturn', 'kill', 'tkill', 'tgkill',
  'rt_sigqueueinfo', 'rt_tgsigqueueinfo', 'pidfd_send_signal', 'restart_syscall', 'wait4', 'waitid', 'reboot',
])
const ENTRIES = SYSCALLS.filter((entry): entry is SyscallEntry => entry !== undefined && !LEFT_OUT.has(entry.name))

const PAGES = 16
/** A world that has been made but did not run: its task has a few pages to point to. */
const makeWorld = (): { kernel: Kernel, task: Task, buffer: number } => {
  const { kernel } = makeGuestWorld({ argv: [guestPath('vdso')], memoryLimit: 64 << 20 })
  const task = [...kernel.state.tasks.values()][0]
  kernel.current = task
  task.state = 'running'
  kernel.state.runqueue.length = 0
  const buffer = mapFile(kernel, task, 0, PAGES * 4096, 3, 0x22, undefined, 0)
  kernel.user(task).write(buffer, Uint8Array.from('/tmp/fuzz\0/dev/null\0name', (char) => char.charCodeAt(0)))
  // One file of each kind, at descriptors 3 to 20 or so.
  const open = (name: string, ...args: number[]): void => {
    const result = SYSCALLS.find((entry) => entry?.name === name)?.handler(kernel, task, [...args, 0, 0, 0, 0, 0].slice(0, 6)) ?? -1
    if (result < 0 && result !== -EAFNOSUPPORT) throw new Error(`${name}: ${result}`)
  }
  const scratch = buffer + 8192
  const path = (text: string): number => {
    kernel.user(task).write(scratch, Uint8Array.from(`${text}\0`, (char) => char.charCodeAt(0)))
    return scratch
  }
  for (const name of ['/tmp', '/dev/null', '/dev/zero', '/dev/tty', '/proc/self/maps', '/dev/ptmx']) {
    if (name !== '/dev/tty') open('open', path(name), name === '/tmp' || name.startsWith('/proc') ? 0 : 2, 0)
  }
  open('open', path('/tmp/file'), 0o102, 0o644)
  open('pipe', scratch)
  open('eventfd2', 1, 0)
  open('memfd_create', path('name'), 2)
  open('epoll_create1', 0)
  open('timerfd_create', 1, 0)
  open('signalfd4', -1, scratch, 8, 0)
  open('inotify_init1', 0)
  open('socketpair', 1, 1, 0, scratch)
  open('socket', 2, 1, 0)
  open('socket', 2, 2, 0)
  open('mq_open', path('queue'), 0o102, 0o600, 0)
  open('pidfd_open', task.tid, 0)
  return { kernel, task, buffer }
}

const small = fc.integer({ min: -3, max: 40 })
const bits = fc.nat({ max: 31 }).map((shift) => 2 ** shift)
const wild = fc.constantFrom(0, -1, 8, -4096, 2 ** 47, 2 ** 47 - 4096, -(2 ** 63), 2 ** 62, 2 ** 31, -(2 ** 31), 2 ** 32 - 1, 4095, 4096, 65_536)
const pointer = fc.tuple(fc.constantFrom(0, 10, 20, 4090, 4096, PAGES * 4096 - 4, PAGES * 4096), fc.constant('buffer' as const))
const argument = fc.oneof(small, bits, wild, pointer, pointer)
const call = fc.tuple(fc.nat({ max: ENTRIES.length - 1 }), fc.array(argument, { minLength: 6, maxLength: 6 }), fc.uint8Array({ minLength: 64, maxLength: 64 }))

test('whatever the arguments, a system call answers as one', (t) => {
  t.timeout(120_000)
  fc.assert(fc.property(fc.array(call, { minLength: 1, maxLength: 60 }), (calls) => {
    const { kernel, task, buffer } = makeWorld()
    for (const [index, parts, bytes] of calls) {
      const entry = ENTRIES[index]
      const args = parts.map((part) => typeof part === 'number' ? part : part[0] + buffer)
      try {
        kernel.user(task).write(buffer + 4096, bytes)
      } catch (error) {
        if (!(error instanceof BadAddress)) throw error
      }
      task.syscall = { number: entry.number, args: args as [number, number, number, number, number, number], started: 0, memory: undefined, realtime: false }
      let result = 0
      try {
        result = entry.handler(kernel, task, args)
      } catch (error) {
        if (!(error instanceof BadAddress) && !(error instanceof OutOfFrames)) throw new Error(`${entry.name}(${args.join(', ')})`, { cause: error })
      }
      task.syscall = undefined
      if (result === BLOCKED) {
        kernel.wakeTask(task, 'event')
        kernel.state.runqueue.length = 0
      } else if (result !== REGISTERS_SET && !Number.isInteger(result)) {
        throw new Error(`${entry.name}(${args.join(', ')}) = ${result}`)
      }
      task.state = 'running'
      if (kernel.state.tasks.get(task.tid) !== task) break
    }
  }), { numRuns: 150, includeErrorInReport: true })
  t.pass()
})
