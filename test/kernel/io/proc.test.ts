/** /proc: formats as Linux 6.1 prints them (proc(5)), who may look, links, and names that come and go. */
import test from 'ava'
import { makeTestTask, type TestTask, textOf } from '../fs/fixture.ts'

const O_RDONLY = 0, O_RDWR = 2
const make = (options: Parameters<typeof makeTestTask>[0] = {}): TestTask =>
  makeTestTask({ mounts: [{ guest: '/proc', source: { kind: 'proc' } }, { guest: '/dev', source: { kind: 'dev' } }], ...options })

const readlink = (task: TestTask, path: string): string => {
  const at = task.buffer(256)
  return textOf(task.bytes(at, task.do('readlink', path, at, 256)))
}

test('stat has 52 fields, with the name in parentheses', (t) => {
  const task = make()
  task.task.name = 'a) b ('
  const text = task.readFile('/proc/self/stat')
  t.regex(text, /^100 \(a\) b \(\) R 1 100 100 0 -1 \d+ /)
  t.is(text.slice(text.lastIndexOf(')') + 2).trimEnd().split(' ').length, 50)
  t.true(text.endsWith('\n'))
})

test('status has the lines of Linux 6.1 in their order', (t) => {
  const lines = make().readFile('/proc/self/status').trimEnd().split('\n')
  t.deepEqual(lines.map((line) => line.slice(0, line.indexOf(':'))), [
    'Name', 'Umask', 'State', 'Tgid', 'Ngid', 'Pid', 'PPid', 'TracerPid', 'Uid', 'Gid', 'FDSize', 'Groups', 'NStgid', 'NSpid', 'NSpgid', 'NSsid',
    'VmPeak', 'VmSize', 'VmLck', 'VmPin', 'VmHWM', 'VmRSS', 'RssAnon', 'RssFile', 'RssShmem', 'VmData', 'VmStk', 'VmExe', 'VmLib', 'VmPTE',
    'VmSwap', 'HugetlbPages', 'CoreDumping', 'THP_enabled', 'Threads', 'SigQ', 'SigPnd', 'ShdPnd', 'SigBlk', 'SigIgn', 'SigCgt', 'CapInh', 'CapPrm',
    'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp', 'Seccomp_filters', 'Speculation_Store_Bypass', 'SpeculationIndirectBranch',
    'Cpus_allowed', 'Cpus_allowed_list', 'Mems_allowed', 'Mems_allowed_list', 'voluntary_ctxt_switches', 'nonvoluntary_ctxt_switches',
  ])
  t.is(lines[0], 'Name:\ttest')
  t.is(lines[1], 'Umask:\t0022')
  t.is(lines[2], 'State:\tR (running)')
  t.regex(lines[16], /^VmPeak:\t {4}\d{4} kB$/)
})

test('maps, smaps and statm agree', (t) => {
  const task = make()
  const maps = task.readFile('/proc/self/maps')
  t.is(maps, '00100000-00300000 rw-p 00000000 00:00 0 \n')
  const smaps = task.readFile('/proc/self/smaps')
  t.true(smaps.startsWith(maps))
  t.regex(smaps, /^Size: {15}2048 kB$/m)
  t.regex(smaps, /^Rss: {16}2048 kB$/m)
  t.regex(smaps, /^Private_Dirty: {6}2048 kB$/m)
  t.regex(smaps, /^VmFlags: rd wr mr mw ac sd $/m)
  t.is(task.readFile('/proc/self/statm'), '512 512 0 0 0 512 0\n')
})

test('a file is as it was when its start was read, and new when it is read from the start again', (t) => {
  const task = make()
  const fd = task.open('/proc/sys/kernel/hostname', O_RDWR)
  t.is(task.read(fd, 2), 'te')
  task.task.namespaces.uts.hostname = 'other'
  t.is(task.read(fd), 'st\n')
  t.is(task.read(fd), '')
  task.do('lseek', fd, 0, 0)
  t.is(task.read(fd), 'other\n')
  task.write(fd, 'written\nrest')
  t.is(task.task.namespaces.uts.hostname, 'written')
  t.is(task.readFile('/proc/sys/kernel/random/boot_id').length, 37)
})

test('descriptors: links, modes, info; opening one opens the file anew', (t) => {
  const task = make()
  task.writeFile('/file', 'content')
  const fd = task.open('/file', O_RDONLY)
  t.is(readlink(task, `/proc/self/fd/${fd}`), '/file')
  t.is(task.stat(`/proc/self/fd/${fd}`, 'lstat').mode, 0o120500)
  task.read(fd, 3)
  t.regex(task.readFile(`/proc/self/fdinfo/${fd}`), /^pos:\t3\nflags:\t0100000\nmnt_id:\t\d+\nino:\t\d+\n$/)
  const again = task.open(`/proc/self/fd/${fd}`)
  t.is(task.read(again), 'content')
  task.do('unlink', '/file')
  t.is(readlink(task, `/proc/self/fd/${fd}`), '/file (deleted)')
  task.do('close', fd)
  t.is(task.call('readlink', `/proc/self/fd/${fd}`, task.buffer(10), 10), 'ENOENT')
  const pipe = task.buffer(8)
  task.do('pipe', pipe)
  t.regex(readlink(task, `/proc/self/fd/${task.u32(pipe)}`), /^pipe:\[\d+\]$/)
  t.is(task.call('readlink', '/proc/self/fd/99', task.buffer(10), 10), 'ENOENT')
  t.is(task.call('open', '/proc/self/fd/x', 0), 'ENOENT')
})

test('self, thread-self, cwd and root; walking through them', (t) => {
  const task = make()
  task.do('mkdir', '/dir', 0o755)
  task.do('chdir', '/dir')
  t.is(readlink(task, '/proc/self'), '100')
  t.is(readlink(task, '/proc/thread-self'), '100/task/100')
  t.is(readlink(task, '/proc/self/cwd'), '/dir')
  t.is(readlink(task, '/proc/self/root'), '/')
  task.writeFile('/proc/self/cwd/made', 'here')
  t.is(task.readFile('/dir/made'), 'here')
  task.do('chdir', '/proc/self/task')
  const at = task.buffer(64)
  const length = task.do('getcwd', at, 64)
  t.is(textOf(task.bytes(at, length - 1)), '/proc/100/task')
  t.is(task.call('readlink', '/proc/self/exe', task.buffer(10), 10), 'ENOENT')
})

test('processes come and go; others\' secrets are not shown', (t) => {
  const task = make()
  const child = task.fork(1000, 1000)
  t.true(task.list('/proc').includes('101'))
  t.is(child.call('open', '/proc/100/environ', 0), 'EACCES')
  t.is(child.call('open', '/proc/100/maps', 0), 'EACCES')
  t.is(child.call('readlink', '/proc/100/cwd', child.buffer(10), 10), 'EACCES')
  t.is(child.call('open', '/proc/100/fd', 0), 'EACCES')
  t.true(child.readFile('/proc/100/stat').startsWith('100 (test)'))
  t.is(child.readFile('/proc/self/comm'), 'test\n')
  const fd = task.open('/proc/101/stat')
  task.kernel.state.tasks.delete(101)
  task.kernel.state.groups.delete(101)
  t.is(task.call('read', fd, task.buffer(10), 10), 'ESRCH')
  t.is(task.call('open', '/proc/101/stat', 0), 'ENOENT')
  t.false(task.list('/proc').includes('101'))
})

test('nothing can be made, renamed or removed', (t) => {
  const task = make()
  t.is(task.call('mkdir', '/proc/x', 0o755), 'ENOENT')
  t.is(task.call('open', '/proc/x', 0o102, 0o644), 'ENOENT')
  t.is(task.call('unlink', '/proc/meminfo'), 'EPERM')
  t.is(task.call('rename', '/proc/meminfo', '/proc/mounts'), 'EPERM')
  t.is(task.call('write', task.open('/proc/self/oom_score_adj', O_RDWR), 'abc', 3), 'EINVAL')
  t.is(task.call('write', task.open('/proc/self/oom_score_adj', O_RDWR), '-500\n', 5), 5)
  t.is(task.readFile('/proc/self/oom_score_adj'), '-500\n')
})

test('every file can be read, from the start and in the middle', (t) => {
  const task = make()
  const visit = (path: string, depth: number): number => {
    let count = 0
    for (const name of task.list(path)) {
      const child = `${path}/${name}`
      // The descriptor of the listing is gone again.
      if (/\/fd(info)?$/.test(path) && typeof task.call('fcntl', Number(name), 1) === 'string') continue
      const type = task.stat(child, 'lstat').mode & 0o170000
      if (type === 0o040000) {
        // The process's own tree once is enough.
        if (depth < 6) count += visit(child, depth + 1)
      } else if (type === 0o100000) {
        const fd = task.call('open', child, 0)
        if (fd === 'EACCES' || typeof fd === 'string') continue
        const at = task.buffer(65_536)
        const first = task.call('read', fd, at, 65_536)
        t.true(typeof first === 'number' || child.endsWith('/mem'), `${child}: ${first}`)
        // pagemap has entries of eight bytes, and is read by whole ones.
        const [length, middle] = child.endsWith('/pagemap') ? [16, 8] : [10, 5]
        t.not(task.call('pread64', fd, at, length, middle), 'EINVAL', child)
        if (length === 16) t.is(task.call('pread64', fd, at, 10, 5), 'EINVAL', child)
        // Where nothing is to be read, nothing is to be put anywhere.
        t.is(task.call('pread64', fd, 1, length, 0), first === 0 || typeof first === 'string' ? first : 'EFAULT', child)
        task.do('close', fd)
        count++
      }
    }
    return count
  }
  t.true(visit('/proc', 0) > 150)
})

test('totals and tables that tools parse', (t) => {
  const task = make({ cpus: 3 })
  t.regex(task.readFile('/proc/meminfo'), /^MemTotal: {10}65536 kB\nMemFree: {11}\d{5} kB\nMemAvailable: {6}\d{5} kB\n/)
  t.is(task.readFile('/proc/meminfo').match(/^HugePages_Total: {7}0$/m)?.length, 1)
  const stat = task.readFile('/proc/stat')
  t.regex(stat, /^cpu  \d+ 0 \d+ \d+ 0 0 0 0 0 0\ncpu0 \d+/)
  t.is(stat.match(/^cpu\d /gm)?.length, 3)
  t.regex(stat, /^btime 1700000000$/m)
  t.is(task.readFile('/proc/cpuinfo').match(/^processor\t: \d$/gm)?.length, 3)
  t.is(task.readFile('/proc/self/status').match(/^Cpus_allowed:\t7\nCpus_allowed_list:\t0-2$/m)?.length, 1)
  t.regex(task.readFile('/proc/uptime'), /^\d+\.\d\d \d+\.\d\d\n$/)
  t.regex(task.readFile('/proc/loadavg'), /^0\.00 0\.00 0\.00 \d+\/\d+ 100\n$/)
  t.regex(task.readFile('/proc/version'), /^Linux version 6\.1\.0 \(/)
  t.is(task.readFile('/proc/mounts'), 'rootfs / rootfs rw,relatime 0 0\nproc /proc proc rw,relatime 0 0\ndevtmpfs /dev devtmpfs rw,relatime 0 0\n')
  t.regex(task.readFile('/proc/self/mountinfo'), /^22 21 0:2 \/ \/ rw,relatime - rootfs rootfs rw\n23 22 0:3 \/ \/proc rw,relatime - proc proc rw\n/)
  t.regex(task.readFile('/proc/self/limits'), /^Max open files {12}1024 {17}1048576 {14}files {5}$/m)
})
