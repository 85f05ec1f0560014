/**
 * ext2: an image made by mke2fs is read, changed, written back, and found sound by e2fsck where that is installed.
 * images/small.ext2.gz: `mke2fs -t ext2 -b 1024 -N 64 -d DIR small.img 512k`.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import test, { type ExecutionContext } from 'ava'
import { readInode } from '../../../src/kernel/fs/inode.ts'
import { dropMountNamespace } from '../../../src/kernel/fs/mounts.ts'
import { LOOKUP_FOLLOW, resolveInode } from '../../../src/kernel/fs/path.ts'
import { makeTestTask, type TestTask, textOf, type Tree } from './fixture.ts'

const SMALL = new Uint8Array(gunzipSync(readFileSync(join(import.meta.dirname, 'images', 'small.ext2.gz'))))
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const O_CREAT = 0o100, O_RDWR = 2, MS_RDONLY = 1

const withImage = (image: Uint8Array): TestTask => {
  const task = makeTestTask({ trees: [{ img: latin1(image) } satisfies Tree], mounts: [{ guest: '/h', source: { kind: 'host', host: '/h' } }] })
  task.do('mkdir', '/m', 0o755)
  return task
}
const mount = (task: TestTask, flags = 0): number | string => task.call('mount', '/h/img', '/m', 'ext2', flags, 0)

const imageOf = (task: TestTask): Uint8Array => {
  const inode = resolveInode(task.kernel, task.task, -100, '/h/img', LOOKUP_FOLLOW)
  if (typeof inode === 'number') throw new Error('the image is gone')
  return readInode(task.kernel, inode, 0, SMALL.length)
}

const hasFsck = spawnSync('e2fsck', ['-V']).error === undefined
/** Sound by e2fsck's measure. */
const check = (t: ExecutionContext, image: Uint8Array): void => {
  if (!hasFsck) return
  const directory = mkdtempSync(join(tmpdir(), 'ext2-'))
  try {
    const path = join(directory, 'img')
    writeFileSync(path, image)
    const result = spawnSync('e2fsck', ['-fn', path], { encoding: 'utf8' })
    t.is(result.status, 0, result.stdout)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const link = (task: TestTask, path: string): string => {
  const at = task.buffer(256)
  return textOf(task.bytes(at, task.do('readlink', path, at, 256)))
}
const NUMBERS = Array.from({ length: 5000 }, (_, index) => `${index + 1}\n`).join('')

test('what mke2fs wrote is there', (t) => {
  const task = withImage(SMALL)
  t.is(mount(task), 0)
  t.deepEqual(task.list('/m').sort(), ['dir', 'fifo', 'hello', 'link', 'longlink', 'lost+found', 'null', 'numbers', 'sparse'])
  t.is(task.readFile('/m/link'), 'hello\n')
  t.is(task.readFile('/m/numbers'), NUMBERS, 'through an indirect block')
  t.is(task.readFile('/m/dir/sub/deep'), 'deep\n')
  t.is(task.stat('/m/hello').nlink, 2)
  t.is(task.stat('/m/dir/hard').ino, task.stat('/m/hello').ino)
  t.is(link(task, '/m/longlink'), 'long/'.repeat(20))
  t.is(task.stat('/m/sparse').size, 300 * 1024 + 4)
  t.is(task.stat('/m/null').mode & 0o170000, 0o020000)
  t.is(task.stat('/m').ino, 2)
})

test('changes are in the image after umount', (t) => {
  const task = withImage(SMALL)
  mount(task)
  task.writeFile('/m/new', 'x'.repeat(100_000))
  task.do('mkdir', '/m/a', 0o700)
  for (let i = 0; i < 30; i++) task.writeFile(`/m/a/a-rather-long-name-that-fills-blocks-${i}`, String(i))
  for (let i = 0; i < 30; i += 3) task.do('unlink', `/m/a/a-rather-long-name-that-fills-blocks-${i}`)
  task.do('rename', '/m/dir/sub', '/m/a/sub')
  task.do('unlink', '/m/hello')
  task.do('symlink', 'new', '/m/short')
  task.do('symlink', 'l'.repeat(200), '/m/long')
  task.do('chown', '/m/new', 70_000, 80_000)
  task.do('truncate', '/m/numbers', 10)
  t.is(task.call('umount2', '/m', 0), 0)
  t.deepEqual(task.list('/m'), [])
  const image = imageOf(task)
  check(t, image)

  const again = withImage(image)
  t.is(mount(again), 0)
  t.is(again.readFile('/m/short'), 'x'.repeat(100_000))
  t.is(again.list('/m/a').length, 21)
  t.is(again.readFile('/m/a/a-rather-long-name-that-fills-blocks-7'), '7')
  t.is(again.readFile('/m/a/sub/deep'), 'deep\n')
  t.is(again.readFile('/m/numbers'), NUMBERS.slice(0, 10))
  t.is(again.readFile('/m/dir/hard'), 'hello\n')
  t.is(again.stat('/m/dir/hard').nlink, 1)
  t.is(again.stat('/m/dir').nlink, 2)
  t.is(again.stat('/m/a').nlink, 3)
  t.is(again.stat('/m/new').uid, 70_000)
  t.is(again.stat('/m/sparse').size, 300 * 1024 + 4)
  t.is(link(again, '/m/long'), 'l'.repeat(200))
})

test('a full volume says so, and stays sound', (t) => {
  const task = withImage(SMALL)
  mount(task)
  const fd = task.open('/m/fill', O_CREAT | O_RDWR)
  const at = task.buffer(65_536)
  let result: number | string
  do result = task.call('write', fd, at, 65_536); while (typeof result === 'number')
  t.is(result, 'ENOSPC')
  let made = 0
  while (task.call('mknod', `/m/i${made}`, 0o100644, 0) === 0) made++
  t.true(made > 10 && made < 64)
  t.is(task.call('mkdir', '/m/d', 0o755), 'ENOSPC')
  task.do('ftruncate', fd, 200_000)
  task.do('close', fd)
  t.is(task.call('umount2', '/m', 0), 0)
  check(t, imageOf(task))
})

test('read-only, busy, and what is no image', (t) => {
  const task = withImage(SMALL)
  t.is(mount(task, MS_RDONLY), 0)
  t.is(task.call('open', '/m/x', O_CREAT | O_RDWR, 0o644), 'EROFS')
  task.do('mkdir', '/n', 0o755)
  t.is(task.call('mount', '/h/img', '/n', 'ext2', 0, 0), 'EBUSY')
  const fd = task.open('/m/hello')
  t.is(task.call('umount2', '/m', 0), 'EBUSY')
  task.do('close', fd)
  t.is(task.call('umount2', '/m', 0), 0)
  t.deepEqual(imageOf(task), SMALL)
  t.is(task.call('mount', '/h', '/m', 'ext2', 0, 0), 'ENOTBLK')
  t.is(task.call('mount', '/none', '/m', 'ext2', 0, 0), 'ENOENT')
  t.is(mount(withImage(new Uint8Array(4096))), 'EINVAL')
  t.is(mount(withImage(SMALL.subarray(0, 2000))), 'EINVAL')
  const ext4 = SMALL.slice()
  ext4[1024 + 96] |= 0x40
  t.is(mount(withImage(ext4)), 'EINVAL', 'extents')
})

test('damaged images give errors, never exceptions', (t) => {
  const damage = fc.array(fc.tuple(fc.oneof(fc.integer({ min: 1024, max: 2048 }), fc.integer({ min: 2048, max: 40_000 }), fc.integer({ min: 0, max: SMALL.length - 1 })), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 40 })
  fc.assert(fc.property(damage, (changes) => {
    const image = SMALL.slice()
    for (const [at, byte] of changes) image[at] = byte
    const task = withImage(image)
    if (mount(task) !== 0) return
    const walk = (path: string, depth: number): void => {
      for (const name of depth > 3 ? [] : task.list(path)) {
        const child = `${path}/${name}`
        if ((task.stat(child, 'lstat').mode & 0o170000) === 0o040000) walk(child, depth + 1)
        else task.call('open', child, 0o4000)
      }
    }
    walk('/m', 0)
    task.call('open', '/m/made', O_CREAT | O_RDWR, 0o644)
    task.call('sync')
    task.call('umount2', '/m', 2)
  }), { numRuns: 150 })
  t.pass()
})

/** What a file of the image is, if nothing more were written to it. */
const contentIn = (image: Uint8Array, path: string): string => {
  const task = withImage(image)
  mount(task)
  return task.readFile(path)
}

test('fsync brings a file to the image, and leaves the others', (t) => {
  const task = withImage(SMALL)
  mount(task)
  const numbers = task.open('/m/numbers', O_RDWR), hello = task.open('/m/hello', O_RDWR)
  task.do('pwrite64', hello, 'HELLO', 5, 0)
  task.do('pwrite64', numbers, 'x'.repeat(60_000), 60_000, 10)
  t.is(task.call('fsync', numbers), 0)
  check(t, imageOf(task))
  t.is(contentIn(imageOf(task), '/m/numbers'), `1\n2\n3\n4\n5\n${'x'.repeat(60_000)}`)
  t.is(contentIn(imageOf(task), '/m/hello'), 'hello\n')
  t.is(task.call('fdatasync', hello), 0)
  t.is(contentIn(imageOf(task), '/m/hello'), 'HELLO\n')
  // Blocks that it gives back are free again.
  task.do('ftruncate', numbers, 3)
  t.is(task.call('fsync', numbers), 0)
  check(t, imageOf(task))
  t.is(contentIn(imageOf(task), '/m/numbers'), '1\n2')
  // A new one needs its name.
  const fresh = task.open('/m/dir/fresh', O_CREAT | O_RDWR)
  task.do('write', fresh, 'fresh', 5)
  t.is(task.call('fsync', fresh), 0)
  check(t, imageOf(task))
  t.is(contentIn(imageOf(task), '/m/dir/fresh'), 'fresh')
  // One without names is nobody's.
  task.do('unlink', '/m/dir/fresh')
  t.is(task.call('fsync', fresh), 0)
  check(t, imageOf(task))
})

test('what was not synchronized goes with the power', (t) => {
  const O_DSYNC = 0o10000
  const task = withImage(SMALL)
  mount(task)
  const fd = task.open('/m/hello', O_RDWR), direct = task.open('/m/numbers', O_RDWR | O_DSYNC)
  task.do('write', fd, 'HELLO', 5)
  task.do('fsync', fd)
  task.do('write', fd, '!', 1)
  task.do('write', direct, '9', 1)
  task.writeFile('/m/new', 'new')
  const { image } = task.task.namespaces.mount.mounts.find(({ superblock }) => superblock.volume !== undefined)?.superblock.volume ?? {}
  if (image === undefined) throw new Error('no volume is mounted')
  dropMountNamespace(task.kernel, task.task.namespaces.mount, true)
  const left = readInode(task.kernel, image, 0, SMALL.length)
  t.is(contentIn(left, '/m/hello'), 'HELLO\n')
  t.is(contentIn(left, '/m/numbers'), `9${NUMBERS.slice(1)}`)
  t.false(latin1(left).includes('new\0'))
})

test('whatever is done between, an image is sound after each fsync and has the file', (t) => {
  const step = fc.record({ what: fc.constantFrom('write', 'write', 'write', 'cut', 'make', 'remove', 'rename', 'sync'), which: fc.nat(4), at: fc.nat(40_000), length: fc.nat(9000) })
  fc.assert(fc.property(fc.array(step, { minLength: 20, maxLength: 40 }), (steps) => {
    const task = withImage(SMALL)
    mount(task)
    let synced: [string, string] | undefined
    for (const { what, which, at, length } of steps) {
      const name = `/m/f${which}`
      if (what === 'make') task.call('mknod', name, 0o100644, 0)
      else if (what === 'remove') task.call('unlink', name)
      else if (what === 'rename') task.call('rename', name, `/m/dir/g${which}`)
      else if (what === 'cut') task.call('truncate', name, at)
      else {
        const fd = task.call('open', name, O_RDWR)
        if (typeof fd === 'string') continue
        if (what === 'write') task.call('pwrite64', fd, String(which).repeat(length), length, at)
        else if (task.call('fsync', fd) === 0) synced = [name, task.readFile(name)]
        task.do('close', fd)
        if (what === 'sync' && synced !== undefined) t.is(contentIn(imageOf(task), synced[0]), synced[1])
      }
    }
    if (synced !== undefined) check(t, imageOf(task))
  }), { numRuns: 30 })
})
