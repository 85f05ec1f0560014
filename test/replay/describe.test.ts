import test from 'ava'
import fc from 'fast-check'
import { SYSCALLS } from '../../src/kernel/syscalls/table.ts'
import { type Call, callText, errnoText, eventJson, eventLine, eventText, statusText } from '../../src/replay/describe.ts'
import { quote } from '../../src/replay/quote.ts'
import { namesOf } from '../../src/replay/names.ts'
import { anyEvent } from '../trace/support.ts'

const call = (name: string, args: readonly number[], ...strings: (string | undefined)[]): string => {
  const number = SYSCALLS.findIndex((entry) => entry?.name === name)
  return callText({ number, args, strings } satisfies Call)
}

test('system calls read as in strace', (t) => {
  t.is(call('openat', [-100, 0x1234, 0, 0], '/etc/passwd'), 'openat(AT_FDCWD, "/etc/passwd", O_RDONLY)')
  t.is(call('openat', [3, 0x1234, 0o1101, 0o644], 'a"b\n'), 'openat(3, "a\\"b\\n", O_WRONLY|O_CREAT|O_TRUNC, 0644)')
  t.is(call('openat', [-100, 0x1234, 0o2000000, 0], undefined), 'openat(AT_FDCWD, 0x1234, O_RDONLY|O_CLOEXEC)')
  t.is(call('mmap', [0, 8192, 3, 0x22, -1, 0]), 'mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)')
  t.is(call('mprotect', [0x1000, 4096, 0]), 'mprotect(0x1000, 4096, PROT_NONE)')
  t.is(call('kill', [100, 9]), 'kill(100, SIGKILL)')
  t.is(call('futex', [0x7f00, 129, 1, 0, 0, 0]).replace(/,.*?,.*/, ''), 'futex(0x7f00')
  t.regex(call('futex', [0x7f00, 129, 1, 0, 0, 0]), /FUTEX_WAKE\|FUTEX_PRIVATE_FLAG/)
  t.regex(call('fcntl', [3, 2, 1]), /^fcntl\(3, F_SETFD, 1\)$/)
  t.regex(call('ioctl', [0, 0x5413, 0x7000]), /^ioctl\(0, TIOCGWINSZ, 0x7000\)$/)
  t.regex(call('clone', [17, 0, 0, 0, 0]), /^clone\(SIGCHLD,/)
  t.regex(call('lseek', [3, -5, 1]), /^lseek\(3, -5, SEEK_CUR\)$/)
})

test('results, statuses, strings', (t) => {
  t.is(errnoText(-2), '-1 ENOENT')
  t.is(statusText(0x300), 'exit 3')
  t.is(statusText(0x8b), 'killed by SIGSEGV (core)')
  t.is(quote('\xff\0'), '"\\xff\\x00"')
  t.is(eventText({ type: 'syscall', cycle: 10, tid: 1, started: 4, number: 9999, args: [1, -1], strings: [], result: -38 }), 'syscall_9999(0x1, 0xffffffffffffffff) = -1 ENOSYS <6 cycles>')
})

test('any event is one line, whatever it holds', (t) => {
  fc.assert(fc.property(anyEvent, fc.nat(), (event, number) => {
    // eslint-disable-next-line no-control-regex -- what a terminal would act upon must not get through
    t.notRegex(eventLine(event, number, 1e9), /[\x00-\x1f\x7f-\x9f]/)
    t.is((JSON.parse(JSON.stringify(eventJson(event, number))) as { event: number }).event, number)
  }), { numRuns: 500 })
})

test('all flags and numbers that the table of system calls names have names', (t) => {
  const groups = new Set(SYSCALLS.flatMap((entry) => entry?.args ?? []).flatMap((spec) => /:(?:flags|enum)\((\w+)\)/.exec(spec)?.[1] ?? []))
  t.true(groups.size > 30)
  t.deepEqual([...groups].filter((group) => namesOf(group).length === 0), [])
})
