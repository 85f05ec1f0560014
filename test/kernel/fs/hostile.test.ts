/** Whatever a guest passes, system calls answer with a number: an exception would be a fault of the kernel's own. */
import fc from 'fast-check'
import test from 'ava'
import { ATTRIBUTE_CALLS } from '../../../src/kernel/syscalls/attributes.ts'
import { DESCRIPTOR_CALLS } from '../../../src/kernel/syscalls/descriptors.ts'
import { DIRECTORY_CALLS } from '../../../src/kernel/syscalls/directories.ts'
import { FILE_CALLS } from '../../../src/kernel/syscalls/files.ts'
import { MOUNT_CALLS } from '../../../src/kernel/syscalls/mounts.ts'
import { READ_WRITE_CALLS } from '../../../src/kernel/syscalls/read-write.ts'
import { XATTR_CALLS } from '../../../src/kernel/syscalls/xattr.ts'
import { BLOCKED } from '../../../src/kernel/wait-queue.ts'
import { makeTestTask, MEMORY_END, NOWHERE, type Tree } from './fixture.ts'

const CALLS = [READ_WRITE_CALLS, FILE_CALLS, DESCRIPTOR_CALLS, DIRECTORY_CALLS, ATTRIBUTE_CALLS, MOUNT_CALLS, XATTR_CALLS].flat()
const HOST: Tree = { dir: { file: 'text', sub: { deep: 'x'.repeat(5000) } }, link: '→ dir/file', loop: '→ loop', big: 'y'.repeat(20_000) }

const path = fc.oneof(
  fc.constantFrom('/', '.', '..', '', '/h', '/h/dir', '/h/dir/file', '/h/link', '/h/loop', '/h/dir/sub/deep', '/a', '/a/', 'a/b', '/a/b/c', '/tmp', '/tmp/f',
    '/tmp/../tmp/g', '/proc', '/proc/self', '/proc/self/fd/0', '/proc/self/fd/3', '/proc/self/cwd', '/proc/1', '/dev/null', '/dev/zero', '/dev/tty', '/dev/pts/0'),
  fc.string({ maxLength: 8, unit: fc.constantFrom('a', 'b', '/', '.', '\x80', ' ') }),
  fc.constant('n'.repeat(256)), fc.constant('/a'.repeat(2100)),
)
const number = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -3, max: 12 }) },
  { weight: 3, arbitrary: fc.constantFrom(-100, 0o100, 0o102, 0o1101, 0o2000, 0o200000, 0o10000000, 0o20200002, 0x100, 0x1000, 0x400, 4096, 8192, 65_536) },
  { weight: 2, arbitrary: fc.constantFrom(-1, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 47, 2 ** 53, 2 ** 62, 2 ** 63 - 1024, -(2 ** 63), 1e15) },
  fc.constantFrom(NOWHERE, MEMORY_END - 5, MEMORY_END, 0x10_0000, 0x10_1000, 0x10_0ffc),
  fc.integer({ min: 0, max: 100_000 }),
)
const argument = fc.oneof({ weight: 5, arbitrary: number }, { weight: 4, arbitrary: path }, fc.uint8Array({ minLength: 1, maxLength: 160 }))
const call = fc.record({ entry: fc.constantFrom(...CALLS), args: fc.array(argument, { minLength: 6, maxLength: 6 }), typed: fc.boolean() })

/** Arguments that are paths by their type become paths mostly. */
const fit = (spec: string, value: number | string | Uint8Array, typed: boolean): number | string | Uint8Array => {
  if (!typed) return value
  const type = spec.slice(spec.indexOf(':') + 1)
  if (type === 'path' || type === 'string') return typeof value === 'string' ? value : '/tmp/f'
  if (type === 'fd' || type === 'dirfd') return typeof value === 'number' ? value : 3
  return value
}

test('random calls', (t) => {
  fc.assert(fc.property(fc.array(call, { minLength: 5, maxLength: 60 }), fc.constantFrom(0, 1000), (calls, uid) => {
    const task = makeTestTask({
      trees: [HOST], memoryLimit: 16 << 20, uid, gid: uid,
      mounts: [
        { guest: '/h', source: { kind: 'host', host: '/host' } }, { guest: '/tmp', source: { kind: 'tmpfs' } }, { guest: '/proc', source: { kind: 'proc' } },
        { guest: '/dev', source: { kind: 'dev' } },
      ],
    })
    task.do('open', '/', 0o200000)
    task.do('open', '/dev/zero', 2)
    task.do('open', '/h/big', 0)
    task.do('open', '/tmp/f', 0o102, 0o666)
    for (const { entry, args, typed } of calls) {
      const result = task.raw(entry.name, ...args.map((value, index) => entry.args[index] === undefined ? value : fit(entry.args[index], value, typed)))
      if (typeof result !== 'number' || Number.isNaN(result)) throw new Error(`${entry.name} returned ${String(result)}`)
      if (result === BLOCKED) {
        task.kernel.wakeTask(task.task, 'signal')
        task.kernel.state.runqueue.length = 0
        task.task.state = 'running'
        task.task.syscall = undefined
      }
    }
  }), { numRuns: 400 })
  t.pass()
})
