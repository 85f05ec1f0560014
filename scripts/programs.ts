/**
 * npm run programs [-- --only NAME… [--update]] [--patience N] [--list]: do programs of Debian run here as they do natively?
 *
 * Each of programs-list.ts runs natively, is recorded, and is replayed from its trace and from its seed. All four must agree on
 * output and exit status. Rows are printed as they come, and go to the table of docs/programs.md; with --only they do so with --update alone. What isn't installed is
 * named with its package. Patience multiplies the limits of time, for machines that others use, too.
 * Exit status 1 if one differs or fails.
 */
import { spawn } from 'node:child_process'
import { accessSync, chmodSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ProgramCase } from './program-case.ts'
import { PROGRAMS } from './programs-list.ts'

const root = join(import.meta.dirname, '..')
const DOCUMENT = join(root, 'docs/programs.md')
const LAUNCHER = [process.execPath, join(root, 'bin/retrograde.js')]
const PATH = '/usr/local/bin:/usr/bin:/bin'
/** Both sides get this and nothing of the machine's. */
const ENVIRONMENT = { PATH, HOME: '/tmp', LANG: 'C', TZ: 'UTC', RETROGRADE: root }
const LIMIT = 90
const SAME = 'same output and exit status as native'
/** Debian's nobody and nogroup: that of base-passwd, the same everywhere. */
const NOBODY = 65534
const MINUTE_AGO = Math.floor(Date.now() / 1000) - 60

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true }, update: { type: 'boolean', default: false }, patience: { type: 'string', default: '1' }, list: { type: 'boolean', default: false } } })

interface Outcome { readonly stdout: string, readonly stderr: string, readonly status: number, readonly seconds: number, readonly timedOut: boolean }
interface Result { readonly test: ProgramCase, readonly status: string, readonly good: boolean | undefined, readonly cycles?: number, readonly bytes?: number, readonly native?: number, readonly recorded?: number, readonly replayed?: number }

/** In a process group of its own, so that what runs over its time goes with its children. */
const run = (command: readonly string[], cwd: string, limit: number, user?: number): Promise<Outcome> => new Promise((resolve, reject) => {
  const start = performance.now()
  const child = spawn(command[0], command.slice(1), { cwd, env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'], detached: true, ...(user === undefined ? {} : { uid: user, gid: user }) })
  const output = ['', '']
  child.stdout.setEncoding('latin1').on('data', (text: string) => output[0] += text)
  child.stderr.setEncoding('latin1').on('data', (text: string) => output[1] += text)
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, limit * 1000)
  child.on('error', reject).on('close', (code) => {
    clearTimeout(timer)
    resolve({ stdout: output[0], stderr: output[1], status: code ?? -1, seconds: (performance.now() - start) / 1000, timedOut })
  })
})

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.F_OK)
    return true
  } catch { return false }
}
const isInstalled = (program: string): boolean => program.startsWith('/') ? isExecutable(program) : PATH.split(':').some((folder) => isExecutable(join(folder, program)))
const missing = (test: ProgramCase): string[] => [...new Set(test.needs.filter(([program]) => !isInstalled(program)).map(([, aptPackage]) => aptPackage))]

const withDirectory = async <T>(test: ProgramCase, body: (directory: string) => Promise<T>): Promise<T> => {
  // Not in /tmp, which the guest has for itself. Always of the same length: it may show in sizes.
  const outer = mkdtempSync('/var/tmp/retrograde-program-')
  const directory = join(outer, 'work')
  try {
    mkdirSync(directory)
    for (const [name, content] of Object.entries(test.files ?? {})) {
      mkdirSync(dirname(join(directory, name)), { recursive: true })
      writeFileSync(join(directory, name), content)
      // The guest's clock starts at a whole second: what was written in this one would be from the future.
      utimesSync(join(directory, name), MINUTE_AGO, MINUTE_AGO)
    }
    chmodSync(outer, 0o755)
    chmodSync(directory, 0o777)
    return await body(directory)
  } finally {
    rmSync(outer, { recursive: true, force: true })
  }
}

const escape = (text: string): string => text.replace(/[^ -~]/g, ' ').replace(/[|`]/g, (sign) => sign === '|' ? '\\|' : '\'').trim().slice(0, 160)

const lastLine = (text: string): string => escape(text.trim().split('\n').at(-1) ?? '')

/** The first line that isn't the same. */
const difference = (wanted: Outcome, got: Outcome): string | undefined => {
  for (const [name, a, b] of [['stdout', wanted.stdout, got.stdout], ['stderr', wanted.stderr, got.stderr]]) {
    if (a === b) continue
    const [first, second] = [a.split('\n'), b.split('\n')]
    const at = first.findIndex((line, i) => line !== second[i])
    const line = at < 0 ? first.length : at
    return `line ${line + 1} of ${name} is \`${escape(second[line] ?? '(missing)')}\`, natively \`${escape(first[line] ?? '(missing)')}\``
  }
  return wanted.status === got.status ? undefined : `exit status ${got.status}, natively ${wanted.status}`
}

/** What the host `client` printed. */
const ofClient = (outcome: Outcome): Outcome => ({ ...outcome, stdout: outcome.stdout.split('\n').flatMap((line) => line.startsWith('client | ') ? [`${line.slice(9)}\n`] : []).join('') })
const inScenario = (test: ProgramCase, outcome: Outcome): Outcome => test.scenario === undefined ? outcome : ofClient(outcome)

const recordScenario = async (name: string, trace: string, directory: string, limit: number): Promise<Outcome> => {
  const output = join(dirname(trace), 'scenario')
  const outcome = await run([...LAUNCHER, 'scenario', join(root, `scenarios/${name}.ts`), '--seed', '1', '-o', output], directory, limit)
  if (outcome.status === 0) renameSync(join(output, `${name}-seed-1.rgt`), trace)
  return ofClient(outcome.status === 0 ? outcome : { ...outcome, status: 125, stderr: `retrograde: ${lastLine(outcome.stdout)}\n` })
}

/** Servers say more, and elsewhere. */
const comparable = (test: ProgramCase, outcome: Outcome): Outcome => test.scenario === undefined ? outcome : { ...outcome, stderr: '', status: 0 }

const check = (test: ProgramCase): Promise<Result> => withDirectory(test, async (directory) => {
  const limit = (test.limit ?? LIMIT) * Number(values.patience)
  const user = test.unprivileged === true ? NOBODY : undefined
  const fail = (status: string, more: Partial<Result> = {}): Result => ({ test, status, good: false, ...more })
  if (test.prepare !== undefined) {
    const prepared = await run(['/bin/sh', '-c', test.prepare], directory, 60)
    if (prepared.status !== 0) return { test, status: `not run: its preparation fails (${lastLine(prepared.stderr)})`, good: undefined }
  }
  const trace = join(dirname(directory), 'trace.rgt')
  // First in the guest, whose writes stay in memory: the native run finds the same directory.
  const command = ['/bin/sh', '-c', test.script]
  const { scenario } = test
  const recorded = await (scenario === undefined ? run([...LAUNCHER, 'record', '-q', '-o', trace, '--seed', '1', '--epoch', 'now', '--cpus', String(test.cpus ?? 2),
    ...(user === undefined ? [] : ['--uid', String(user)]), '--', ...command], directory, limit) : recordScenario(scenario, trace, directory, limit))
  const native = await run(command, directory, limit, user)
  const times = { native: native.seconds, recorded: recorded.seconds }
  if (native.timedOut) return { test, status: 'not run: natively over its time', good: undefined }
  if (recorded.timedOut) return fail(`fails: over ${limit} s`, { native: native.seconds })
  if (recorded.status === 125) return fail(`fails: ${escape(/^retrograde: .*$/m.exec(recorded.stderr)?.[0] ?? recorded.stderr)}`, times)
  const bytes = statSync(trace).size
  const replayed = inScenario(test, await run([...LAUNCHER, 'replay', trace], directory, limit))
  const fromSeed = await run([...LAUNCHER, 'replay', '--json', '--from-seed', trace], directory, limit)
  const all = { ...times, bytes, replayed: replayed.seconds }
  if (replayed.timedOut || fromSeed.timedOut) return fail(`fails: a replay takes over ${limit} s`, all)
  const json = /^\{.*\}$/m.exec(fromSeed.stdout)?.[0]
  const summary = json === undefined ? undefined : JSON.parse(json) as { equal?: boolean, cycle?: number }
  const more = { ...all, cycles: summary?.cycle }
  if (replayed.stdout !== recorded.stdout || replayed.status !== recorded.status || !/state hash [0-9a-f]+ equal/.test(replayed.stderr)) return fail(`fails: the replay diverges (${lastLine(replayed.stderr)})`, more)
  if (summary?.equal !== true || fromSeed.status !== recorded.status) return fail(`fails: the replay from the seed diverges (${escape(fromSeed.stdout)})`, more)
  const differs = difference(comparable(test, native), comparable(test, recorded))
  return differs === undefined ? { test, status: SAME, good: true, ...more } : fail(`differs: ${differs}`, more)
})

const seconds = (value: number | undefined): string => value === undefined ? '' : value < 10 ? value.toFixed(2) : value.toFixed(0)
const row = ({ test, status, cycles, native, recorded, replayed, bytes }: Result): string =>
  `| ${test.name} | ${test.does} | ${status} | ${cycles === undefined ? '' : (cycles / 1e6).toFixed(cycles < 1e8 ? 1 : 0)} | ${seconds(native)} | ${seconds(recorded)} | ${seconds(replayed)} | ${bytes === undefined ? '' : (bytes / 2 ** 20).toFixed(1)} |`

/** @param rows by the names of programs */
const documentOf = (rows: ReadonlyMap<string, string>, notes: string): string => {
  const all = PROGRAMS.flatMap(({ name }) => rows.get(name) ?? [])
  const good = all.filter((line) => line.includes(`| ${SAME} |`)).length
  const missed = all.filter((line) => /\| not (?:run|installed): /.test(line)).length
  const packages = [...new Set(PROGRAMS.flatMap((test) => test.needs.map(([, name]) => name)))].sort()
  return `# Programs

Written by \`npm run programs\`, ${new Date().toISOString().slice(0, 10)}, on Debian ${readFileSync('/etc/debian_version', 'latin1').trim()} (Linux ${release()}), ${cpus().length} CPUs
of ${cpus()[0]?.model.trim() ?? 'an unknown model'}, shared with other work: the times are of one run and rough (rows may be of different runs).

Debian's own binaries, each running the short script that \`scripts/programs-list.ts\` has for it: natively, under \`retrograde record
--seed 1 --cpus 2\`, and twice in \`retrograde replay\`, from the trace and from its seed. *Same* means that standard output, standard error and exit
status were the same bytes natively, recorded and replayed, and that both replays came to the recorded state hash.

**${good} of ${all.length} the same as natively, ${all.length - good - missed} not, ${missed} not run.**

- *Mcycles*: millions of virtual cycles at the end: an instruction takes one; a guest that waits skips ahead, so those that sleep show
  the time they slept (1 s is 1000 Mcycles).
- *native*, *record*, *replay*: seconds of wall time, the start of Node (about a third of a second) included. *MiB*: the trace, which holds the
  programs and libraries that were read.

| program | what it does | status | Mcycles | native | record | replay | MiB |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |
${all.join('\n')}

The scripts need these packages, and skip by name what is missing: \`${packages.join(' ')}\`; esbuild comes with \`npm install\`.
${notes}`
}

/** The document as it is, with this row in the place of an older one. What people wrote below the table stays. */
const writeDocument = (result: Result): void => {
  const old = existsSync(DOCUMENT) ? readFileSync(DOCUMENT, 'utf8') : ''
  const rows = new Map([...old.matchAll(/^\| ([^|]+) \|.*\|$/gm)].map(([line, name]) => [name, line]))
  rows.set(result.test.name, row(result))
  writeFileSync(DOCUMENT, documentOf(rows, /\n## [^]*$/.exec(old)?.[0] ?? ''))
}

const chosen = values.only === undefined ? PROGRAMS : PROGRAMS.filter(({ name }) => values.only?.includes(name))
if (values.only !== undefined && chosen.length === 0) {
  console.error(`no such program; there are: ${PROGRAMS.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
if (values.list) {
  for (const test of chosen) console.log(`${test.name}: ${test.does}${missing(test).length === 0 ? '' : ` (apt install ${missing(test).join(' ')})`}`)
  process.exit(0)
}
const results: Result[] = []
for (const test of chosen) {
  const packages = missing(test)
  const result = packages.length > 0 ? { test, status: `not installed: apt install ${packages.join(' ')}`, good: undefined } : await check(test)
  results.push(result)
  console.log(row(result))
  // As they come: all together take long.
  if (values.only === undefined || values.update) writeDocument(result)
}
process.exit(results.some(({ good }) => good === false) ? 1 : 0)
