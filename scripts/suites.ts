/**
 * node_modules/.bin/node scripts/suites.ts ltp|libc-test DIRECTORY OUT [--only NAME… (or PREFIX*)] [--cpus N] [--limit SECONDS] [--natively]
 *
 * Runs test programs that others wrote, built outside of the repository: LTP's testcases/kernel/syscalls, or libc-test's functional and
 * regression tests. Each program runs in a world of its own as root; with --natively those that fail run on this machine as well, but for
 * those that change it. Outputs and a summary go to OUT; what is in the summary already is not run again, unless it is named.
 */
import { spawn } from 'node:child_process'
import { appendFileSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'

const root = join(import.meta.dirname, '..')
const { values, positionals: [suite, directory, out] } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', multiple: true }, cpus: { type: 'string', default: '1' }, limit: { type: 'string', default: '90' }, natively: { type: 'boolean', default: false } },
})
if ((suite !== 'ltp' && suite !== 'libc-test') || directory === undefined || out === undefined) throw new Error('usage: scripts/suites.ts ltp|libc-test DIRECTORY OUT')

/** Clocks, names, swap and the like of the machine itself are no test's business. */
const CHANGES_MACHINE = /^(reboot|settimeofday|stime|adjtimex|clock_settime|clock_adjtime|swap|sethostname|setdomainname|init_module|delete_module|finit_module|kexec|acct|syslog|ioperm|iopl|vhangup|quotactl|pivot_root|fork_procs|leapsec|kill0?(2|10|12)$)/

const isProgram = (path: string): boolean => {
  const stat = statSync(path)
  if (!stat.isFile() || (stat.mode & 0o111) === 0) return false
  const bytes = Buffer.alloc(4)
  const fd = openSync(path, 'r')
  readSync(fd, bytes)
  closeSync(fd)
  return bytes.toString('latin1') === '\x7fELF'
}

const programs = (suite === 'ltp'
  ? readdirSync(join(directory, 'testcases/kernel/syscalls'), { recursive: true, encoding: 'utf8' }).map((name) => join(directory, 'testcases/kernel/syscalls', name))
  : readdirSync(directory).filter((name) => /^(functional|regression)-/.test(name)).map((name) => join(directory, name)))
  .filter(isProgram).sort((a, b) => basename(a) < basename(b) ? -1 : 1)

/** Tests that set the machine's settings for their time say so in their source. */
const setsSettings = (program: string): boolean => existsSync(`${program}.c`) && readFileSync(`${program}.c`, 'latin1').includes('save_restore')

/** Exit status, or 'time' for what took longer. */
const run = (command: readonly string[], cwd: string, seconds: number, output: string): Promise<number | string> => new Promise((resolve) => {
  const fd = openSync(output, 'w')
  const child = spawn(command[0], command.slice(1), { cwd, stdio: ['ignore', fd, fd], detached: true })
  closeSync(fd)
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, seconds * 1000)
  child.on('close', (code, signal) => {
    clearTimeout(timer)
    resolve(isLate ? 'time' : code ?? signal ?? 'lost')
  })
})

mkdirSync(out, { recursive: true })
const summary = join(out, 'summary')
const known = new Set(existsSync(summary) ? readFileSync(summary, 'utf8').split('\n').map((line) => line.split(' ')[0]) : [])
const isNamed = (name: string): boolean => values.only?.some((wanted) => wanted.endsWith('*') ? name.startsWith(wanted.slice(0, -1)) : name === wanted) === true

for (const program of programs) {
  const name = basename(program)
  if (values.only === undefined ? known.has(name) || name.startsWith('fork_procs') : !isNamed(name)) continue
  const where = dirname(program)
  const guest = suite === 'ltp'
    ? ['--env', 'TMPDIR=/tmp', '--env', `PATH=${where}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`, '--env', `LTPROOT=${directory}`, '--env', 'LTP_TIMEOUT_MUL=3', '--uid', '0', '--cwd', where]
    : ['--cwd', '/tmp']
  const start = performance.now()
  const status = await run([process.execPath, join(root, 'bin/retrograde.js'), 'run', '--seed', '1', '--cpus', values.cpus, ...guest, '--mount', `${directory}:${directory}`, '--', program],
    '/tmp', Number(values.limit), join(out, `${name}.world`))
  const seconds = (performance.now() - start) / 1000
  let native: number | string = '-'
  if (values.natively && status !== 0) {
    native = suite === 'ltp' && (CHANGES_MACHINE.test(name) || setsSettings(program)) ? 'not' : await run(['env', `PATH=${where}:${process.env.PATH ?? ''}`, program], suite === 'ltp' ? where : '/tmp', 60, join(out, `${name}.native`))
  }
  appendFileSync(summary, `${name} ${status} ${native} ${seconds.toFixed(1)}\n`)
}

/** The last line of each counts: passed, skipped (32, LTP's TCONF), or not. */
const last = new Map(readFileSync(summary, 'utf8').trim().split('\n').map((line) => [line.split(' ')[0], line.split(' ').slice(1, 3)]))
const counts = { passed: 0, skipped: 0, alike: 0, other: 0 }
for (const [, [status, native]] of last) counts[status === '0' ? 'passed' : status === '32' ? 'skipped' : status === native ? 'alike' : 'other']++
console.log(`${last.size} programs: ${counts.passed} pass, ${counts.skipped} skip themselves, ${counts.alike} fail natively as well, ${counts.other} fail here`)
