/** What the options of run make of the world that the guest sees. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { execute, inDirectory, isInstalled, retrograde } from '../support/cli.ts'

const BUSYBOX = '/bin/busybox'
const run = isInstalled(BUSYBOX) ? test : test.skip
const sh = (script: string): string[] => ['--', BUSYBOX, 'sh', '-c', script]

run('the guest writes to copies: the host\'s files stay', (t) => {
  inDirectory((cwd) => {
    writeFileSync(join(cwd, 'kept'), 'old\n')
    const { stdout, status } = retrograde(['run', ...sh('echo new >kept; echo more >made; rm -f /usr/bin/env; cat kept; ls')], { cwd })
    t.is(status, 0)
    t.is(stdout, 'new\nkept\nmade\n')
    t.is(readFileSync(join(cwd, 'kept'), 'utf8'), 'old\n')
    t.deepEqual(execute(['ls', cwd]).stdout, 'kept\n')
    t.is(execute(['ls', '/usr/bin/env']).status, 0)
  })
})

run('nothing else of the host can be reached', (t) => {
  inDirectory((cwd) => {
    const { stdout } = retrograde(['run', ...sh('ls /home /var /boot /srv /opt /mnt 2>&1 | grep -v "No such"; cat /etc/shadow 2>&1; ls -A /tmp | wc -l; cat /etc/hostname')], { cwd })
    t.regex(stdout, /No such file/)
    t.regex(stdout, /^0$/m)
    t.regex(stdout, /^retrograde$/m)
  })
})

run('what daemons and lscpu look for is there: /run, the numbers of processors', (t) => {
  const { stdout } = retrograde(['run', '--cpus', '3', ...sh('echo 1 > /var/run/pid && cat /run/pid; cat /sys/devices/system/cpu/online; nproc')])
  t.is(stdout, '1\n0-2\n3\n')
})

run('--rootfs: only that directory', (t) => {
  inDirectory((cwd) => {
    mkdirSync(join(cwd, 'root/bin'), { recursive: true })
    execute(['cp', BUSYBOX, join(cwd, 'root/bin/busybox')])
    writeFileSync(join(cwd, 'root/hello'), 'from the root file system\n')
    const shell = ['--', '/bin/busybox', 'sh', '-c', 'cat /hello; echo /*']
    const fromDirectory = retrograde(['run', '--rootfs', 'root', ...shell], { cwd })
    t.deepEqual([fromDirectory.stdout, fromDirectory.stderr], ['from the root file system\n/bin /dev /hello /proc /sys\n', ''])
    for (const [flags, name] of [['cf', 'root.tar'], ['czf', 'root.tar.gz']]) {
      t.is(execute(['tar', '-C', join(cwd, 'root'), `-${flags}`, join(cwd, name), '.']).status, 0)
      const fromTar = retrograde(['run', '--rootfs', name, ...shell], { cwd })
      t.deepEqual([fromTar.stdout, fromTar.stderr], [fromDirectory.stdout, ''])
    }
  })
})

run('--rootfs: an image, as docker save and as skopeo write it', (t) => {
  inDirectory((cwd) => {
    const script = 'mkdir -p l1/bin l1/etc l2/etc image; cp /bin/busybox l1/bin; ln -s busybox l1/bin/sh; ln -s busybox l1/bin/id; echo "web:x:33:44::/srv:/bin/sh" > l1/etc/passwd; ' +
      'echo old > l1/etc/motd; echo gone > l1/etc/gone; echo new > l2/etc/motd; : > l2/etc/.wh.gone; tar -C l1 -czf l1.tar.gz .; tar -C l2 -cf image/l2.tar .; mv l1.tar.gz image/l1.tar.gz'
    t.is(execute(['sh', '-c', script], { cwd }).status, 0)
    const config = {
      os: 'linux', architecture: 'amd64',
      config: { Entrypoint: ['sh', '-c'], Cmd: ['cat /etc/motd; ls /etc; id; pwd; echo $A $HOME'], Env: ['PATH=/bin', 'A=1'], WorkingDir: '/work', User: 'web' },
    }
    writeFileSync(join(cwd, 'image/c.json'), JSON.stringify(config))
    writeFileSync(join(cwd, 'image/manifest.json'), JSON.stringify([{ Config: 'c.json', RepoTags: ['t:1'], Layers: ['l1.tar.gz', 'l2.tar'] }]))
    t.is(execute(['tar', '-C', join(cwd, 'image'), '-cf', join(cwd, 'saved.tar'), '.']).status, 0)
    const expected = 'new\nmotd\npasswd\nuid=33(web) gid=44 groups=44\n/work\n1 /srv\n'
    for (const rootfs of ['saved.tar', 'image']) t.deepEqual(retrograde(['run', '--rootfs', rootfs], { cwd }), { status: 0, stdout: expected, stderr: '' })
    t.is(retrograde(['run', '--rootfs', 'image', '--', 'echo other'], { cwd }).stdout, 'other\n')
    t.is(retrograde(['run', '--rootfs', 'image', '--entrypoint', '', '--uid', '0', '--', '/bin/id'], { cwd }).stdout, 'uid=0 gid=0 groups=0\n')
    writeFileSync(join(cwd, 'image/l2.tar'), 'nonsense')
    const broken = retrograde(['run', '--rootfs', 'image'], { cwd })
    t.is(broken.status, 125)
    t.regex(broken.stderr, /--rootfs image: layer 2 of 2 \(l2\.tar\) can't be unpacked/)
  })
})

run('--mount, --env, --clear-env, --cwd, --stdin', (t) => {
  inDirectory((cwd) => {
    mkdirSync(join(cwd, 'shared'))
    writeFileSync(join(cwd, 'shared/file'), 'shared\n')
    writeFileSync(join(cwd, 'input'), 'a line\n')
    const result = retrograde(['run', '--mount', 'shared:/data', '--clear-env', '--env', 'A=1', '--cwd', '/data', '--stdin', 'input',
      ...sh('pwd; cat file; echo $A; read x; echo "<$x>"; env | grep -v -e PWD -e SHLVL -e PATH')], { cwd })
    t.deepEqual([result.stdout, result.stderr], ['/data\nshared\n1\n<a line>\nA=1\n', ''])
  })
})

run('--mount …:rw writes back', (t) => {
  inDirectory((cwd) => {
    mkdirSync(join(cwd, 'shared/sub'), { recursive: true })
    writeFileSync(join(cwd, 'shared/file'), 'old\n')
    writeFileSync(join(cwd, 'shared/gone'), 'x\n')
    const { status, stderr } = retrograde(['run', '--mount', 'shared:/data:rw', ...sh('cd /data; echo new >file; mkdir made; echo deep >made/f; rm gone; ln -s file link; chmod 600 file')], { cwd })
    t.deepEqual([status, stderr], [0, ''])
    t.is(execute(['sh', '-c', 'cat file made/f; readlink link; stat -c %a file; ls'], { cwd: join(cwd, 'shared') }).stdout, 'new\ndeep\nfile\n600\nfile\nlink\nmade\nsub\n')
  })
})

run('exit statuses: the guest\'s, of signals, of limits, of mistakes', (t) => {
  t.is(retrograde(['run', ...sh('exit 17')]).status, 17)
  t.is(retrograde(['run', ...sh('kill -9 $$')]).status, 137)
  const timeout = retrograde(['run', '--timeout', '10M', ...sh('while :; do :; done')])
  t.is(timeout.status, 124)
  t.regex(timeout.stderr, /cycle limit/)
  const missing = retrograde(['run', '--', './no-such-program'])
  t.is(missing.status, 125)
  t.regex(missing.stderr, /^retrograde: .*no-such-program/)
  t.notRegex(missing.stderr, /at .*\.js/)
  for (const args of [['run', '--cpus', '0', '--', 'true'], ['run', '--mount', 'nonsense', '--', 'true'], ['run', '--rootfs', '/nonexistent', '--', 'true'], ['run'], ['nonsense']]) {
    const { status, stderr } = retrograde(args)
    t.is(status, 125, args.join(' '))
    t.notRegex(stderr, /\n {4}at /)
  }
})

run('deadlock is named', (t) => {
  const { status, stderr } = retrograde(['run', ...sh('mkfifo /tmp/p; read x </tmp/p')])
  t.is(status, 125)
  t.regex(stderr, /deadlock/)
})

run('one seed, one result; the clock of a given seed is fixed', (t) => {
  const once = (...options: string[]): string => retrograde(['run', ...options, ...sh('date +%s; head -c 8 /dev/urandom | od -An -tx1; echo $$')]).stdout
  t.is(once('--seed', '5'), once('--seed', '5'))
  t.not(once('--seed', '5'), once('--seed', '6'))
  t.regex(once('--seed', '5', '--epoch', '2030-01-01T00:00:00Z'), /^1893456000\n/)
})

const withGcc = isInstalled('/usr/bin/musl-gcc') ? test : test.skip
withGcc('an unknown system call answers ENOSYS and is named once', (t) => {
  inDirectory((cwd) => {
    writeFileSync(join(cwd, 'u.c'), `#include <errno.h>
#include <stdio.h>
#include <unistd.h>
int main(void) { for (int i = 0; i < 3; i++) { long r = syscall(9999); printf("%ld %d\\n", r, errno); } return 0; }`)
    t.is(execute(['musl-gcc', '-static', '-o', 'u', 'u.c'], { cwd }).status, 0)
    const { stdout, stderr } = retrograde(['run', '--', './u'], { cwd })
    t.is(stdout, execute(['./u'], { cwd }).stdout)
    t.is(stderr, 'retrograde: unknown system call 9999: answered ENOSYS\n')
  })
})
