/** Descriptors and locks. */
import test from 'ava'
import { closeOnExec, leaveDescriptors } from '../../../src/kernel/fs/descriptor.ts'
import { makeTestTask, type TestTask } from './fixture.ts'

const O_CREAT = 0o100, O_RDWR = 2, O_CLOEXEC = 0o2000000
const F_DUPFD = 0, F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, F_GETLK = 5, F_SETLK = 6, F_SETLKW = 7, F_OFD_SETLK = 37, F_OFD_SETLKW = 38, F_DUPFD_CLOEXEC = 1030
const F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2

test('the lowest free number', (t) => {
  const task = makeTestTask()
  t.deepEqual([task.open('/'), task.open('/'), task.open('/')], [0, 1, 2])
  task.do('close', 1)
  t.is(task.open('/'), 1)
  t.is(task.call('close', 7), 'EBADF')
  t.is(task.call('close', -1), 'EBADF')
  t.is(task.do('fcntl', 0, F_DUPFD, 10), 10)
  t.is(task.do('fcntl', 0, F_DUPFD, 10), 11)
  t.is(task.do('dup', 0), 3)
  t.is(task.call('fcntl', 0, F_DUPFD, 1024), 'EINVAL')
  task.task.group.limits[7] = [12, 12]
  t.is(task.call('fcntl', 0, F_DUPFD, 10), 'EMFILE')
  for (let fd = 4; fd < 10; fd++) t.is(task.open('/'), fd)
  t.is(task.call('open', '/', 0), 'EMFILE')
  t.is(task.call('open', '/none', 0), 'EMFILE', 'the descriptor is sought before the file')
  t.is(task.call('dup', 0), 'EMFILE')
})

test('dup2 and dup3', (t) => {
  const task = makeTestTask()
  task.writeFile('/f', 'text')
  const fd = task.open('/f')
  t.is(task.do('dup2', fd, 7), 7)
  t.is(task.do('dup2', fd, fd), fd)
  t.is(task.call('dup2', 50, 50), 'EBADF')
  t.is(task.call('dup2', fd, 1024), 'EBADF')
  t.is(task.call('dup2', fd, -1), 'EBADF')
  t.is(task.call('dup3', fd, fd, 0), 'EINVAL')
  t.is(task.call('dup3', fd, 8, 1), 'EINVAL')
  t.is(task.do('dup3', fd, 8, O_CLOEXEC), 8)
  t.is(task.do('fcntl', 8, F_GETFD), 1)
  t.is(task.do('fcntl', 7, F_GETFD), 0)
  t.is(task.read(7, 2) + task.read(8, 2), 'text')
  t.is(task.open('/'), 1, 'numbers below are free')
})

test('close-on-exec and close_range', (t) => {
  const task = makeTestTask()
  for (let i = 0; i < 6; i++) task.open('/', i % 2 === 0 ? O_CLOEXEC : 0)
  closeOnExec(task.kernel, task.task)
  t.is(task.call('fcntl', 0, F_GETFD), 'EBADF')
  t.is(task.call('fcntl', 1, F_GETFD), 0)
  task.do('fcntl', 1, F_SETFD, 1)
  t.is(task.call('fcntl', 1, F_GETFD), 1)
  t.is(task.do('fcntl', 1, F_DUPFD_CLOEXEC, 0), 0)
  t.is(task.call('close_range', 3, 2, 0), 'EINVAL')
  t.is(task.call('close_range', 0, 1, 8), 'EINVAL')
  t.is(task.call('close_range', 3, 0xffffffff, 4), 0)
  t.is(task.call('fcntl', 5, F_GETFD), 1)
  t.is(task.call('close_range', 3, 0xffffffff, 0), 0)
  t.is(task.call('fcntl', 5, F_GETFD), 'EBADF')
  t.is(task.call('fcntl', 1, F_GETFD), 1)
})

test('status flags', (t) => {
  const task = makeTestTask()
  const fd = task.open('/f', O_CREAT | O_RDWR)
  t.is(task.do('fcntl', fd, F_SETFL, 0o6001), 0)
  t.is(task.do('fcntl', fd, F_GETFL), 0o106002)
  t.is(task.call('fcntl', fd, 999), 'EINVAL')
  t.is(task.call('fcntl', 99, F_GETFL), 'EBADF')
  const path = task.open('/f', 0o10000000)
  t.is(task.do('fcntl', path, F_GETFL), 0o10000000)
  t.is(task.call('fcntl', path, F_SETFL, 0), 'EBADF')
})

const request = (type: number, start: number, length: number, whence = 0): Uint8Array => {
  const view = new DataView(new ArrayBuffer(32))
  view.setInt16(0, type, true)
  view.setInt16(2, whence, true)
  view.setBigInt64(8, BigInt(start), true)
  view.setBigInt64(16, BigInt(length), true)
  return new Uint8Array(view.buffer)
}
const lock = (task: TestTask, fd: number, command: number, type: number, start: number, length: number): number | string =>
  task.call('fcntl', fd, command, request(type, start, length))

/** What F_GETLK says is in the way of a write lock of the whole file. */
const blocker = (task: TestTask, fd: number): string => {
  const at = task.put(request(F_WRLCK, 0, 0))
  task.do('fcntl', fd, F_GETLK, at)
  const type = task.u16(at)
  return type === F_UNLCK ? 'none' : `${type === F_WRLCK ? 'write' : 'read'} ${task.i64(at + 8)}+${task.i64(at + 16)} by ${task.u32(at + 24) | 0}`
}

test('record locks', (t) => {
  const a = makeTestTask()
  const fd = a.open('/f', O_CREAT | O_RDWR)
  const b = a.fork()
  const pid = a.task.group.tgid
  t.is(lock(a, fd, F_SETLK, F_WRLCK, 10, 20), 0)
  t.is(blocker(a, fd), 'none', 'one does not stand in one\'s own way')
  t.is(blocker(b, fd), `write 10+20 by ${pid}`)
  t.is(lock(b, fd, F_SETLK, F_RDLCK, 0, 11), 'EAGAIN')
  t.is(lock(b, fd, F_SETLK, F_RDLCK, 0, 10), 0)
  t.is(lock(a, fd, F_SETLK, F_UNLCK, 15, 5), 0)
  t.is(lock(b, fd, F_SETLK, F_WRLCK, 15, 5), 0)
  t.is(lock(a, fd, F_SETLK, F_RDLCK, 5, 10), 0)
  t.is(lock(b, fd, F_SETLK, F_UNLCK, 0, 0), 0)
  t.is(blocker(b, fd), `read 5+10 by ${pid}`)
  t.is(lock(a, fd, F_SETLK, F_RDLCK, 15, 5), 0)
  t.is(lock(a, fd, F_SETLK, F_RDLCK, 20, 10), 0)
  t.is(blocker(b, fd), `read 5+25 by ${pid}`, 'neighbours of one type become one')
  t.is(lock(a, fd, F_SETLK, F_WRLCK, 0, 0), 0)
  t.is(blocker(b, fd), `write 0+0 by ${pid}`)
  t.is(a.call('fcntl', fd, F_SETLK, request(F_WRLCK, -1, 0)), 'EINVAL')
  t.is(a.call('fcntl', fd, F_SETLK, request(5, 0, 0)), 'EINVAL')
  t.is(a.call('fcntl', a.open('/f'), F_SETLK, request(F_WRLCK, 0, 0)), 'EBADF')
  // Closing any descriptor of the file drops them all.
  a.do('close', a.open('/f'))
  t.is(blocker(b, fd), 'none')
})

test('waiting for a lock, and deadlock', (t) => {
  const a = makeTestTask()
  const fd = a.open('/f', O_CREAT | O_RDWR)
  const b = a.fork()
  lock(a, fd, F_SETLK, F_WRLCK, 0, 1)
  lock(b, fd, F_SETLK, F_WRLCK, 1, 1)
  t.is(lock(b, fd, F_SETLKW, F_WRLCK, 0, 1), 'blocked')
  t.is(b.task.state, 'blocked')
  t.is(lock(a, fd, F_SETLKW, F_WRLCK, 1, 1), 'EDEADLK')
  lock(a, fd, F_SETLK, F_UNLCK, 0, 0)
  t.is(b.task.state, 'runnable')
  t.is(b.retry(), 0)
  t.is(blocker(a, fd), `write 0+2 by ${b.task.group.tgid}`)
  leaveDescriptors(b.kernel, b.task)
  t.is(blocker(a, fd), 'none')
})

test('locks of open file descriptions', (t) => {
  const task = makeTestTask()
  const one = task.open('/f', O_CREAT | O_RDWR)
  const two = task.open('/f', O_RDWR)
  t.is(lock(task, one, F_OFD_SETLK, F_WRLCK, 0, 0), 0)
  t.is(lock(task, two, F_OFD_SETLK, F_RDLCK, 5, 1), 'EAGAIN')
  t.is(lock(task, two, F_SETLK, F_RDLCK, 5, 1), 'EAGAIN', 'they see those of processes')
  t.is(blocker(task, two), 'write 0+0 by -1')
  t.is(lock(task, two, F_OFD_SETLKW, F_WRLCK, 0, 0), 'blocked')
  task.task.syscall = undefined
  task.kernel.wakeTask(task.task, 'signal')
  const twin = task.do('dup', one)
  task.do('close', one)
  t.is(lock(task, two, F_OFD_SETLK, F_WRLCK, 0, 0), 'EAGAIN')
  task.do('close', twin)
  t.is(lock(task, two, F_OFD_SETLK, F_WRLCK, 0, 0), 0)
})

test('flock', (t) => {
  const a = makeTestTask()
  const SH = 1, EX = 2, NB = 4, UN = 8
  const one = a.open('/f', O_CREAT | O_RDWR)
  const two = a.open('/f')
  t.is(a.call('flock', one, SH | NB), 0)
  t.is(a.call('flock', two, SH | NB), 0)
  t.is(a.call('flock', two, EX | NB), 'EAGAIN')
  t.is(a.call('flock', two, SH | NB), 0)
  t.is(a.call('flock', one, UN), 0)
  t.is(a.call('flock', two, EX), 0)
  t.is(a.call('flock', one, 3), 'EINVAL')
  t.is(a.call('flock', 99, SH), 'EBADF')
  const b = a.fork()
  t.is(b.call('flock', two, EX | NB), 0, 'a child has the same description')
  t.is(b.call('flock', one, EX), 'blocked')
  a.do('close', two)
  t.is(b.task.state, 'blocked', 'the child still has it open')
  b.task.syscall = undefined
  b.kernel.wakeTask(b.task, 'signal')
  b.do('close', two)
  t.is(b.call('flock', one, EX), 0)
})
