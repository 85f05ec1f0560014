/** Host directories: asked for once, changed in memory only; mounts and generated files of a configuration. */
import test from 'ava'
import { asked, makeTestTask, REFUSED, type TestTask, type Tree } from './fixture.ts'

const O_DIRECTORY = 0o200000, O_RDWR = 2

const HOST: Tree = { bin: { tool: '#!', 'zz': '' }, etc: { passwd: 'host passwd', alternatives: { editor: '→ /bin/ed' } }, lib: '→ usr/lib', usr: { lib: { 'libc.so': 'code' } }, big: 'x'.repeat(10_000) }

const withRoot = (more: Partial<Parameters<typeof makeTestTask>[0]> = {}): TestTask =>
  makeTestTask({ trees: [HOST], mounts: [{ guest: '/', source: { kind: 'host', host: '/host' } }], ...more })

test('each thing is asked for once', (t) => {
  const task = withRoot()
  t.is(task.readFile('/etc/passwd'), 'host passwd')
  t.is(task.readFile('/etc/passwd'), 'host passwd')
  t.is(task.call('open', '/etc/none', 0), 'ENOENT')
  t.is(task.call('open', '/etc/none', 0), 'ENOENT')
  t.is(task.readFile('/lib/libc.so'), 'code')
  t.deepEqual(task.list('/bin'), ['tool', 'zz'])
  t.is(task.call('open', '/bin/none', 0), 'ENOENT')
  t.is(task.stat('/bin/tool').size, 2)
  t.is(task.stat('/bin/tool').size, 2)
  t.is(new Set(asked).size, asked.length, asked.join(', '))
  t.false(asked.includes('lstat bin/none'), 'a directory that was listed is known')
})

test('writing copies, and the host does not change', (t) => {
  const task = withRoot()
  const fd = task.open('/big', O_RDWR)
  task.do('lseek', fd, 5000, 0)
  task.write(fd, 'MIDDLE')
  t.is(task.readFile('/big'), 'x'.repeat(5000) + 'MIDDLE' + 'x'.repeat(4994))
  task.do('truncate', '/big', 6)
  task.do('truncate', '/big', 10)
  t.is(task.readFile('/big'), 'xxxxxx\0\0\0\0', 'what was cut does not come back')
  t.is(HOST.big, 'x'.repeat(10_000))
})

test('what is only read takes no memory of the guest', (t) => {
  const task = withRoot()
  const { memory } = task.kernel
  const before = memory.framesInUse
  t.is(task.readFile('/big'), 'x'.repeat(10_000))
  t.is(memory.framesInUse, before)
  const fd = task.open('/big', O_RDWR)
  task.do('pwrite64', fd, new Uint8Array([65]), 1, 5000)
  t.is(memory.framesInUse, before + 1)
  t.is(task.readFile('/big'), 'x'.repeat(5000) + 'A' + 'x'.repeat(4999))
})

test('files that the host refuses to read', (t) => {
  const task = makeTestTask({ trees: [{ secret: REFUSED }], mounts: [{ guest: '/', source: { kind: 'host', host: '/host' } }] })
  t.is(task.call('open', '/secret', 0), 'EACCES')
  t.is(task.call('open', '/secret', 0), 'EACCES')
  t.is(asked.filter((call) => call.startsWith('readFile')).length, 1)
  t.is(task.stat('/secret').size, REFUSED.length)
})

test('removing, renaming, making anew', (t) => {
  const task = withRoot()
  task.do('unlink', '/etc/passwd')
  t.is(task.call('open', '/etc/passwd', 0), 'ENOENT')
  t.deepEqual(task.list('/etc'), ['alternatives'])
  task.writeFile('/etc/passwd', 'new')
  t.is(task.readFile('/etc/passwd'), 'new')
  task.do('rename', '/bin', '/sbin')
  t.is(task.readFile('/sbin/tool'), '#!')
  t.is(task.call('open', '/bin/tool', 0), 'ENOENT')
  t.deepEqual(task.list('/'), ['etc', 'lib', 'usr', 'big', 'sbin'])
  t.is(task.call('rmdir', '/usr/lib'), 'ENOTEMPTY')
  task.do('unlink', '/usr/lib/libc.so')
  t.is(task.call('rmdir', '/usr/lib'), 0)
  t.is(task.call('open', '/lib', O_DIRECTORY), 'ENOENT')
})

test('a whiteout made before the listing holds', (t) => {
  const task = withRoot()
  task.do('unlink', '/bin/tool')
  task.writeFile('/bin/aa', '')
  t.deepEqual(task.list('/bin'), ['zz', 'aa'])
})

test('mounts in mounts, files over them', (t) => {
  const task = makeTestTask({
    trees: [HOST, { editor: '→ /usr/bin/vi' }, {}, {}, HOST.bin as Tree],
    mounts: [
      { guest: '/usr', source: { kind: 'host', host: '/usr' } },
      { guest: '/etc/alternatives', source: { kind: 'host', host: '/etc/alternatives' } },
      { guest: '/tmp', source: { kind: 'tmpfs' } },
      { guest: '/usr/new/deep', source: { kind: 'tmpfs' } },
      { guest: '/opt/bin', source: { kind: 'host', host: '/bin' } },
    ],
    files: [
      { path: '/etc/passwd', mode: 0o644, content: Uint8Array.of(114, 10) },
      { path: '/usr/etc/passwd', mode: 0o600, content: Uint8Array.of(33) },
      { path: '/bin', mode: 0o777, symlink: 'usr/bin' },
    ],
  })
  t.deepEqual(task.list('/'), ['usr', 'etc', 'tmp', 'opt', 'bin'])
  t.deepEqual(task.list('/etc'), ['alternatives', 'passwd'])
  t.deepEqual(task.list('/etc/alternatives'), ['editor'])
  t.is(task.readFile('/usr/etc/passwd'), '!', 'a generated file hides the host\'s')
  t.is(task.stat('/usr/etc/passwd').mode, 0o100600)
  t.deepEqual(task.list('/usr/etc'), ['passwd', 'alternatives'])
  t.is(task.stat('/tmp').mode, 0o041777)
  t.is(task.readFile('/opt/bin/tool'), '#!')
  task.do('chdir', '/usr/new/deep')
  t.is(task.call('chdir', '../..'), 0)
  const at = task.buffer(64)
  const length = task.do('getcwd', at, 64)
  t.is(String.fromCharCode(...task.bytes(at, length - 1)), '/usr')
  t.is(task.call('rmdir', '/usr/new/deep'), 'EBUSY')
  t.is(task.call('rename', '/tmp', '/x'), 'EBUSY')
  task.writeFile('/tmp/f', '')
  t.is(task.call('rename', '/tmp/f', '/f'), 'EXDEV')
  t.is(task.call('link', '/tmp/f', '/f'), 'EXDEV')
})

test('a single file as a mount', (t) => {
  const task = makeTestTask({
    trees: [HOST, { '': 'unused' }],
    mounts: [{ guest: '/', source: { kind: 'host', host: '/' } }],
  })
  t.is(task.readFile('/etc/passwd'), 'host passwd')
  const single = makeTestTask({
    trees: ['content of one file' as unknown as Tree], mounts: [{ guest: '/deep/in/file', source: { kind: 'host', host: '/some/file' } }],
  })
  t.is(single.readFile('/deep/in/file'), 'content of one file')
  t.is(single.call('unlink', '/deep/in/file'), 'EBUSY')
})

test('mount and umount', (t) => {
  const task = makeTestTask()
  task.do('mkdir', '/m', 0o755)
  task.writeFile('/m/below', '')
  t.is(task.call('mount', 'none', '/m', 'tmpfs', 0, 'mode=700,uid=5,size=1m'), 0)
  t.is(task.stat('/m').mode, 0o040700)
  t.is(task.stat('/m').uid, 5)
  t.deepEqual(task.list('/m'), [])
  const fd = task.open('/m/f', 0o102, 0o600)
  t.is(task.call('umount2', '/m', 0), 'EBUSY')
  task.do('close', fd)
  t.is(task.call('umount2', '/m', 0), 0)
  t.deepEqual(task.list('/m'), ['below'])
  t.is(task.call('umount2', '/m', 0), 'EINVAL')
  t.is(task.call('mount', 'none', '/m', 'nofs', 0, 0), 'ENODEV')
  t.is(task.call('mount', 'none', '/none', 'tmpfs', 0, 0), 'ENOENT')
  t.is(task.call('mount', 'none', '/m/below', 'tmpfs', 0, 0), 'ENOTDIR')
  t.is(task.call('mount', 'none', '/m', 'tmpfs', 0, 'bogus=1'), 'EINVAL')
  task.do('mkdir', '/b', 0o755)
  t.is(task.call('mount', '/m', '/b', 0, 4096, 0), 0)
  t.deepEqual(task.list('/b'), ['below'])
  t.is(task.call('umount2', '/b', 0), 0)
  t.deepEqual(task.list('/b'), [])
  t.is(task.call('mount', 'none', '/m', 'tmpfs', 1, 0), 0)
  t.is(task.call('open', '/m/x', 0o102, 0o600), 'EROFS')
  t.is(task.call('mkdir', '/m/x', 0o700), 'EROFS')
  t.is(task.call('mount', 'none', '/m', 0, 32, 0), 0)
  task.writeFile('/m/x', '')
  const user = task.fork(1000, 1000)
  t.is(user.call('mount', 'none', '/b', 'tmpfs', 0, 0), 'EPERM')
  t.is(user.call('umount2', '/m', 0), 'EPERM')
})

test('pivot_root', (t) => {
  const task = makeTestTask()
  task.do('mkdir', '/new', 0o755)
  task.writeFile('/old-file', 'old')
  t.is(task.call('pivot_root', '/new', '/new'), 'EBUSY', 'not a mount')
  task.do('mount', 'none', '/new', 'tmpfs', 0, 0)
  task.do('mkdir', '/new/old', 0o755)
  task.writeFile('/new/file', 'new')
  t.is(task.call('pivot_root', '/new', '/'), 'EBUSY')
  task.do('mkdir', '/elsewhere', 0o755)
  t.is(task.call('pivot_root', '/new', '/elsewhere'), 'EBUSY')
  t.is(task.fork(1000, 1000).call('pivot_root', '/new', '/new/old'), 'EPERM')
  t.is(task.call('pivot_root', '/new', '/new/old'), 0)
  t.is(task.readFile('/file'), 'new')
  t.is(task.readFile('/old/old-file'), 'old')
  t.is(task.call('chdir', '/old/..'), 0)
  t.is(task.readFile('file'), 'new')
  t.is(task.call('umount2', '/old', 2), 0)
  t.is(task.call('open', '/old/old-file', 0), 'ENOENT')
})
