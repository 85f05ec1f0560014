/** Reading, writing, sizes, holes, limits and partial transfers. */
import test from 'ava'
import { MEMORY_END, NOWHERE, makeTestTask, textOf } from './fixture.ts'

const O_CREAT = 0o100, O_APPEND = 0o2000, O_RDWR = 2, O_WRONLY = 1, O_TMPFILE = 0o20200000, O_EXCL = 0o200, O_TRUNC = 0o1000
const SEEK_SET = 0, SEEK_CUR = 1, SEEK_END = 2, SEEK_DATA = 3, SEEK_HOLE = 4

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0))
const vector = (...parts: [number, number][]): Uint8Array => {
  const view = new DataView(new ArrayBuffer(parts.length * 16))
  parts.forEach(([address, length], index) => {
    view.setBigInt64(index * 16, BigInt(address), true)
    view.setBigInt64(index * 16 + 8, BigInt(length), true)
  })
  return new Uint8Array(view.buffer)
}

test('positions', (t) => {
  const task = makeTestTask()
  const fd = task.open('/f', O_CREAT | O_RDWR)
  t.is(task.write(fd, 'hello world'), 11)
  t.is(task.do('lseek', fd, 6, SEEK_SET), 6)
  t.is(task.read(fd, 3), 'wor')
  t.is(task.do('lseek', fd, -1, SEEK_CUR), 8)
  t.is(task.do('lseek', fd, -5, SEEK_END), 6)
  t.is(task.call('lseek', fd, -7, SEEK_CUR), 'EINVAL')
  t.is(task.call('lseek', fd, 0, 5), 'EINVAL')
  t.is(task.do('pwrite64', fd, bytes('W'), 1, 6), 1)
  const at = task.buffer(16)
  t.is(task.do('pread64', fd, at, 16, 6), 5)
  t.is(textOf(task.bytes(at, 5)), 'World')
  t.is(task.call('pread64', fd, at, 16, -1), 'EINVAL')
  t.is(task.do('pread64', fd, at, 16, 100), 0)
  t.is(task.read(fd), 'World', 'the position did not move')
  const twin = task.do('dup', fd)
  task.do('lseek', twin, 0, SEEK_SET)
  t.is(task.read(fd, 5), 'hello', 'descriptors share it')
})

test('appending', (t) => {
  const task = makeTestTask()
  task.writeFile('/f', 'one')
  const fd = task.open('/f', O_WRONLY | O_APPEND)
  task.write(fd, 'two')
  // Linux: pwrite on an append-only description appends, whatever the offset (pwrite(2), BUGS).
  task.do('pwrite64', fd, bytes('!'), 1, 0)
  t.is(task.readFile('/f'), 'onetwo!')
})

test('access modes', (t) => {
  const task = makeTestTask()
  task.writeFile('/f', 'x')
  const at = task.buffer(8)
  t.is(task.call('write', task.open('/f'), at, 1), 'EBADF')
  t.is(task.call('read', task.open('/f', O_WRONLY), at, 1), 'EBADF')
  t.is(task.call('read', task.open('/', 0), at, 1), 'EISDIR')
  t.is(task.call('ftruncate', task.open('/f'), 0), 'EINVAL')
  t.is(task.call('truncate', '/', 0), 'EISDIR')
  t.is(task.call('truncate', '/f', -1), 'EINVAL')
  t.is(task.call('read', task.open('/f', 3), at, 1), 'EBADF', 'access mode 3 is for ioctl only')
  t.is(task.do('fcntl', task.open('/f', O_RDWR | O_CREAT | O_TRUNC | 0o2000000), 3), O_RDWR | 0o100000, 'F_GETFL shows no creation flags')
})

test('bad addresses lose nothing', (t) => {
  const task = makeTestTask()
  task.writeFile('/f', 'abcdefgh')
  const fd = task.open('/f', O_RDWR)
  t.is(task.call('read', fd, NOWHERE, 8), 'EFAULT')
  t.is(task.do('read', fd, MEMORY_END - 3, 8), 3)
  t.is(textOf(task.bytes(MEMORY_END - 3, 3)), 'abc')
  t.is(task.read(fd), 'defgh')
  t.is(task.do('read', fd, NOWHERE, 8), 0, 'nothing to copy at the end')
  t.is(task.call('write', fd, NOWHERE, 4), 'EFAULT')
  t.is(task.do('write', fd, MEMORY_END - 3, 8), 3)
  t.is(task.readFile('/f'), 'abcdefghabc')
  t.is(task.call('read', fd, -4096, 8), 'EFAULT')
})

test('vectors', (t) => {
  const task = makeTestTask()
  const fd = task.open('/f', O_CREAT | O_RDWR)
  const a = task.put(bytes('abc'))
  const b = task.put(bytes('defg'))
  t.is(task.do('writev', fd, vector([a, 3], [0, 0], [b, 4]), 3), 7)
  t.is(task.do('pwritev', fd, vector([b, 1]), 1, 0), 1)
  t.is(task.readFile('/f'), 'dbcdefg')
  const at = task.buffer(64)
  t.is(task.do('preadv', fd, vector([at, 2], [at + 16, 3]), 2, 1), 5)
  t.is(textOf(task.bytes(at, 2)) + textOf(task.bytes(at + 16, 3)), 'bcdef')
  task.do('lseek', fd, 0, SEEK_SET)
  t.is(task.do('readv', fd, vector([at, 2], [NOWHERE, 3]), 2), 2)
  t.is(task.read(fd), 'cdefg')
  t.is(task.call('readv', fd, vector([at, -1]), 1), 'EINVAL')
  t.is(task.call('readv', fd, at, 1025), 'EINVAL')
  t.is(task.call('readv', fd, NOWHERE, 1), 'EFAULT')
  t.is(task.do('readv', fd, NOWHERE, 0), 0)
  t.is(task.do('preadv2', fd, vector([at, 7]), 1, -1, 0, 0), 0)
  t.is(task.do('preadv2', fd, vector([at, 7]), 1, 2, 0, 0), 5)
  t.is(task.call('preadv2', fd, vector([at, 7]), 1, 0, 0, 0x4000), 'EOPNOTSUPP')
  t.is(task.do('pwritev2', fd, vector([a, 1]), 1, 0, 0, 16), 1)
  t.is(task.readFile('/f'), 'dbcdefga', 'RWF_APPEND')
})

test('holes', (t) => {
  const task = makeTestTask()
  const fd = task.open('/f', O_CREAT | O_RDWR)
  task.do('pwrite64', fd, bytes('x'), 1, 100_000)
  t.is(task.stat('/f').size, 100_001)
  t.is(task.stat('/f').blocks, 8)
  t.is(task.do('lseek', fd, 0, SEEK_DATA), 98_304)
  t.is(task.do('lseek', fd, 0, SEEK_HOLE), 0)
  t.is(task.do('lseek', fd, 98_304, SEEK_HOLE), 100_001)
  t.is(task.call('lseek', fd, 100_001, SEEK_DATA), 'ENXIO')
  const at = task.buffer(16)
  t.is(task.do('pread64', fd, at, 4, 99_998), 3)
  t.deepEqual([...task.bytes(at, 3)], [0, 0, 120])
  // Cutting and growing again leaves zeros.
  task.do('pwrite64', fd, bytes('abcdef'), 6, 0)
  task.do('ftruncate', fd, 3)
  task.do('ftruncate', fd, 8)
  t.is(task.readFile('/f'), 'abc\0\0\0\0\0')
  t.is(task.call('lseek', fd, 2 ** 62, SEEK_SET), 'EINVAL')
})

test('fallocate', (t) => {
  const task = makeTestTask()
  const fd = task.open('/f', O_CREAT | O_RDWR)
  const KEEP = 1, PUNCH = 2, COLLAPSE = 8, ZERO = 16, INSERT = 32
  t.is(task.call('fallocate', fd, 0, 0, 8192), 0)
  t.is(task.stat('/f').size, 8192)
  t.is(task.stat('/f').blocks, 16)
  t.is(task.call('fallocate', fd, KEEP, 8192, 8192), 0)
  t.is(task.stat('/f').size, 8192)
  t.is(task.stat('/f').blocks, 32)
  task.do('pwrite64', fd, bytes('y'.repeat(8192)), 8192, 0)
  t.is(task.call('fallocate', fd, PUNCH, 0, 4096), 'EOPNOTSUPP')
  t.is(task.call('fallocate', fd, PUNCH | KEEP, 10, 4100), 0)
  const text = task.readFile('/f')
  t.is(text, 'y'.repeat(10) + '\0'.repeat(4100) + 'y'.repeat(4082))
  t.is(task.call('fallocate', fd, ZERO, 8190, 4), 0)
  t.is(task.readFile('/f').slice(8188), 'yy\0\0\0\0')
  t.is(task.call('fallocate', fd, COLLAPSE, 0, 100), 'EINVAL')
  t.is(task.call('fallocate', fd, COLLAPSE, 0, 4096), 0)
  t.is(task.stat('/f').size, 8194 - 4096)
  t.is(task.call('fallocate', fd, INSERT, 0, 4096), 0)
  t.is(task.readFile('/f').slice(4096), text.slice(4096, 8190) + '\0\0\0\0')
  t.is(task.call('fallocate', fd, 0, -1, 1), 'EINVAL')
  t.is(task.call('fallocate', fd, 0, 0, 0), 'EINVAL')
  t.is(task.call('fallocate', fd, 0x100, 0, 1), 'EOPNOTSUPP')
  t.is(task.call('fallocate', task.open('/f'), 0, 0, 1), 'EBADF')
  t.is(task.call('fallocate', fd, 0, 0, 1 << 30), 'ENOSPC')
})

test('RLIMIT_FSIZE', (t) => {
  const task = makeTestTask()
  const fd = task.open('/f', O_CREAT | O_RDWR)
  task.task.group.limits[1] = [10, 10]
  const SIGXFSZ_BIT = 1 << 24
  t.is(task.do('write', fd, bytes('0123456789abc'), 13), 10)
  t.is(task.task.pending.set[0] & SIGXFSZ_BIT, 0)
  t.is(task.call('write', fd, bytes('x'), 1), 'EFBIG')
  t.is(task.task.pending.set[0] & SIGXFSZ_BIT, SIGXFSZ_BIT)
  t.is(task.call('ftruncate', fd, 11), 'EFBIG')
  t.is(task.call('truncate', '/f', 5), 0)
})

test('memory that is full', (t) => {
  const task = makeTestTask({ memoryLimit: 8 << 20 })
  const fd = task.open('/f', O_CREAT | O_RDWR)
  const at = task.buffer(1 << 20)
  let total = 0
  let result: number | string
  for (;;) {
    result = task.call('write', fd, at, 1 << 20)
    if (typeof result === 'string') break
    total += result
  }
  t.is(result, 'ENOSPC')
  t.true(total > 4 << 20 && total < 8 << 20)
  t.is(task.stat('/f').size, total)
  task.do('ftruncate', fd, 0)
  t.is(task.write(fd, 'room again'), 10)
})

test('set-id bits go when a file is written', (t) => {
  const root = makeTestTask()
  root.do('mkdir', '/d', 0o777)
  root.do('chmod', '/d', 0o777)
  const user = root.fork(1000, 1000)
  user.writeFile('/d/f', 'x')
  user.do('chmod', '/d/f', 0o6775)
  t.is(root.stat('/d/f').mode & 0o7777, 0o6775)
  user.write(user.open('/d/f', O_WRONLY), 'y')
  t.is(root.stat('/d/f').mode & 0o7777, 0o775)
  user.do('chmod', '/d/f', 0o6765)
  root.write(root.open('/d/f', O_WRONLY), 'y')
  t.is(root.stat('/d/f').mode & 0o7777, 0o6765, 'not for CAP_FSETID')
  root.do('chown', '/d/f', 1, 1)
  t.is(root.stat('/d/f').mode & 0o7777, 0o2765, 'but the set-user-id bit by chown, even of root; set-group-id without x is no set-id')
})

test('temporary files without a name', (t) => {
  const task = makeTestTask()
  const fd = task.open('/', O_TMPFILE | O_RDWR, 0o600)
  task.write(fd, 'draft')
  t.deepEqual(task.list('/'), [])
  t.is(task.call('linkat', fd, '', -100, '/published', 0x1000), 0)
  t.is(task.readFile('/published'), 'draft')
  const hidden = task.open('/', O_TMPFILE | O_RDWR | O_EXCL, 0o600)
  t.is(task.call('linkat', hidden, '', -100, '/x', 0x1000), 'ENOENT')
  t.is(task.call('open', '/', O_TMPFILE, 0o600), 'EINVAL')
  t.is(task.call('open', '/published', O_TMPFILE | O_RDWR, 0o600), 'ENOTDIR')
})

test('a file without a name lives while it is open, and then gives its pages back', (t) => {
  const task = makeTestTask()
  const { memory } = task.kernel
  const fd = task.open('/f', O_CREAT | O_RDWR)
  task.write(fd, 'x'.repeat(50_000))
  const used = memory.framesInUse
  task.do('unlink', '/f')
  task.do('lseek', fd, 0, SEEK_SET)
  t.is(task.read(fd, 5), 'xxxxx')
  task.do('close', fd)
  t.is(memory.framesInUse, used - 13)
})

test('sendfile and copy_file_range', (t) => {
  const task = makeTestTask()
  task.writeFile('/from', '0123456789')
  const from = task.open('/from')
  const to = task.open('/to', O_CREAT | O_RDWR)
  t.is(task.do('sendfile', to, from, 0, 4), 4)
  t.is(task.read(from, 2), '45')
  const offset = task.put(new Uint8Array([8, 0, 0, 0, 0, 0, 0, 0]))
  t.is(task.do('sendfile', to, from, offset, 100), 2)
  t.is(task.i64(offset), 10)
  t.is(task.readFile('/to'), '012389')
  t.is(task.call('sendfile', from, to, 0, 1), 'EBADF')
  t.is(task.call('sendfile', task.open('/to', O_WRONLY | O_APPEND), from, 0, 1), 'EINVAL')
  const off = (value: number): number => task.put(new Uint8Array([value, 0, 0, 0, 0, 0, 0, 0]))
  t.is(task.do('copy_file_range', from, off(2), to, off(0), 3, 0), 3)
  t.is(task.readFile('/to'), '234389')
  t.is(task.call('copy_file_range', to, off(0), to, off(2), 3, 0), 'EINVAL')
  t.is(task.do('copy_file_range', to, off(0), to, off(3), 3, 0), 3)
  t.is(task.readFile('/to'), '234234')
  t.is(task.call('copy_file_range', from, 0, to, 0, 3, 1), 'EINVAL')
  t.is(task.call('copy_file_range', task.open('/'), 0, to, 0, 3, 0), 'EISDIR')
})

test('memfd and its seals', (t) => {
  const task = makeTestTask()
  const WRITE = 8, SHRINK = 2, GROW = 4, SEAL = 1, ADD = 1033, GET = 1034
  const fd = task.do('memfd_create', 'name', 2)
  task.write(fd, 'sealed')
  t.is(task.do('fcntl', fd, GET), 0)
  t.is(task.call('fcntl', fd, ADD, SHRINK | GROW), 0)
  t.is(task.call('ftruncate', fd, 2), 'EPERM')
  t.is(task.call('ftruncate', fd, 20), 'EPERM')
  t.is(task.call('write', fd, bytes('more'), 4), 'EPERM')
  t.is(task.do('pwrite64', fd, bytes('S'), 1, 0), 1)
  t.is(task.call('fcntl', fd, ADD, WRITE | SEAL), 0)
  t.is(task.call('pwrite64', fd, bytes('S'), 1, 0), 'EPERM')
  t.is(task.call('fcntl', fd, ADD, 0), 'EPERM')
  t.is(task.do('fcntl', fd, GET), WRITE | SHRINK | GROW | SEAL)
  const plain = task.do('memfd_create', 'plain', 0)
  t.is(task.do('fcntl', plain, GET), SEAL)
  t.is(task.call('fcntl', task.open('/f', O_CREAT | O_RDWR), GET), 'EINVAL')
  t.is(task.call('memfd_create', 'x'.repeat(250), 0), 'EINVAL')
})

test('times', (t) => {
  const task = makeTestTask()
  const second = 1e9
  const { state } = task.kernel
  const epoch = 1_700_000_000
  task.writeFile('/f', 'x')
  state.now = 10 * second
  task.readFile('/f')
  t.is(task.stat('/f').atime, epoch + 10, 'the first time after a change')
  state.now = 20 * second
  task.readFile('/f')
  t.is(task.stat('/f').atime, epoch + 10, 'relatime')
  task.do('chmod', '/f', 0o600)
  t.is(task.stat('/f').ctime, epoch + 20)
  t.is(task.stat('/f').mtime, epoch)
  state.now = 30 * second
  task.write(task.open('/f', O_WRONLY), 'y')
  t.is(task.stat('/f').mtime, epoch + 30)
  const words = (...values: number[]): Uint8Array => new Uint8Array(new BigInt64Array(values.map(BigInt)).buffer)
  task.do('utimensat', -100, '/f', words(5, 6, 7, 0x3ffffffe), 0)
  t.deepEqual([task.stat('/f').atime, task.stat('/f').mtime], [5, epoch + 30])
  t.is(task.call('utimensat', -100, '/f', words(5, 1e9, 7, 0), 0), 'EINVAL')
  t.is(task.call('utimensat', -100, '/none', words(0, 0x3ffffffe, 0, 0x3ffffffe), 0), 0, 'nothing to do, nothing looked up')
  t.is(task.call('utimes', '/f', words(1, 1_000_000, 1, 0)), 'EINVAL')
  task.do('utime', '/f', words(11, 12))
  t.deepEqual([task.stat('/f').atime, task.stat('/f').mtime], [11, 12])
  const other = task.fork(1000, 1000)
  t.is(other.call('utime', '/f', words(1, 2)), 'EPERM')
  t.is(other.call('utime', '/f', 0), 'EACCES')
})

test('there is an end to inodes, and what is removed makes room', (t) => {
  const task = makeTestTask({ memoryLimit: 4 << 20 })
  const wanted = 512
  let made = 0
  while (made < 2000 && task.call('mknod', `/f${made}`, 0o100644, 0) === 0) made++
  t.true(made > wanted - 20 && made <= wanted, String(made))
  t.is(task.call('mkdir', '/d', 0o755), 'ENOSPC')
  t.is(task.call('open', '/new', O_CREAT | O_RDWR, 0o644), 'ENOSPC')
  t.is(task.call('symlink', 'x', '/s'), 'ENOSPC')
  t.is(task.call('link', '/f0', '/l'), 0, 'a link is no inode')
  task.do('unlink', '/f0')
  t.is(task.call('mkdir', '/d', 0o755), 'ENOSPC', 'it still has a name')
  task.do('unlink', '/l')
  t.is(task.call('mkdir', '/d', 0o755), 0)
  t.is(task.call('mkdir', '/e', 0o755), 'ENOSPC')
  task.do('rmdir', '/d')
  t.is(task.call('symlink', 'x', '/s'), 0)
})

test('holes of any size', (t) => {
  const task = makeTestTask()
  const fd = task.open('/f', O_CREAT | O_RDWR)
  const huge = 2 ** 43
  task.do('ftruncate', fd, huge)
  task.do('pwrite64', fd, bytes('a'.repeat(5000)), 5000, 2 ** 40 + 100)
  t.is(task.stat('/f').size, huge)
  t.is(task.do('lseek', fd, 0, SEEK_DATA), 2 ** 40)
  t.is(task.call('fallocate', fd, 3, 50, huge - 100), 0)
  t.is(task.stat('/f').blocks, 0)
  task.do('pwrite64', fd, bytes('b'), 1, 2 ** 41)
  t.is(task.call('fallocate', fd, 8, 4096, 4096), 0)
  t.is(task.stat('/f').size, huge - 4096)
  t.is(task.do('lseek', fd, 0, SEEK_DATA), 2 ** 41 - 4096)
  t.is(task.call('fallocate', fd, 32, 0, 8192), 0)
  t.is(task.do('lseek', fd, 0, SEEK_DATA), 2 ** 41 + 4096)
  t.is(task.call('fallocate', fd, 0, 0, huge), 'ENOSPC')
})
