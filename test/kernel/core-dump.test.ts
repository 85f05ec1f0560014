import test from 'ava'
import { SIGABRT } from '../../src/kernel/abi/signals.ts'
import { runGuest } from '../support/run-guest.ts'
import { isInstalled } from '../support/cli.ts'

const BUSYBOX = '/bin/busybox'
const run = isInstalled(BUSYBOX) ? test : test.skip
const script = (text: string): { stdout: string, code: number } => runGuest({ argv: [BUSYBOX, 'sh', '-c', text], cwd: '/tmp' })

run('a core dump is an ELF file with notes, if the limit allows one', (t) => {
  const { stdout } = script(`ulimit -c unlimited; sh -c 'kill -ABRT $$'; echo $?; dd if=core bs=1 count=18 2>/dev/null | od -An -tx1; rm core; ulimit -c 0; sh -c 'kill -ABRT $$'; ls`)
  t.is(stdout, `${128 + SIGABRT}\n 7f 45 4c 46 02 01 01 00 00 00 00 00 00 00 00 00\n 04 00\n`)
})

run('core_pattern names it', (t) => {
  const { stdout } = script(`ulimit -c unlimited; echo /tmp/dump.%s > /proc/sys/kernel/core_pattern; sleep 9 & kill -ABRT $!; wait $!; ls /tmp`)
  t.is(stdout, 'dump.6\n')
})
