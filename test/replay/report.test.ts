/** Reports of what a shrunk schedule does: as data, as text, as a page. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { collectReport } from '../../src/replay/report/collect.ts'
import { reportHtml } from '../../src/replay/report/html.ts'
import type { Report } from '../../src/replay/report/model.ts'
import { reportText } from '../../src/replay/report/text.ts'
import { passingNeighbour } from '../../src/replay/shrink-trace.ts'
import { TraceReader } from '../../src/trace/reader.ts'
import { memorySource } from '../trace/support.ts'
import { failing, finish, shrunk } from './shrink-support.ts'
import { loadEngine, root } from './support.ts'

const report = (guest: string): Report => {
  const { trace } = shrunk(failing(guest))
  const options = { trace: new TraceReader(memorySource(trace), traceCodecs), engine: loadEngine(), clock: { wallTimeMs: () => performance.now() }, codecs: traceCodecs }
  const dropped = finish(passingNeighbour(options))
  return finish(collectReport({
    ...options, passing: dropped === undefined ? undefined : { dropped, how: 'the nearest that passes' },
    // Where the guest was built is not where it is tested.
    readSource: (path) => path.includes('/bugs/') ? readFileSync(join(root, 'guests/src/bugs', path.slice(path.lastIndexOf('/') + 1)), 'utf8') : undefined,
  }))
}

const account = report('bugs/account')

test('a report of a lost update: the accesses, the line, the race, the passing neighbour', (t) => {
  const { preemptions, threads, stretches, variables, races, passing, explanation, output } = account
  t.is(preemptions, 1)
  t.deepEqual(threads.map(({ start }) => start).slice(0, 2), ['main', 'deposit'])
  t.deepEqual(variables.map(({ name }) => name), ['balance'])
  const preempted = stretches.findIndex(({ end }) => end === 'preempted')
  t.is(passing?.stretch, preempted)
  t.regex(stretches[preempted].stop?.text ?? '', /^after (deposit|withdraw)\+0x[0-9a-f]+ \(account\.c:\d+\)$/)
  const source = stretches[preempted].stop?.source
  t.regex(source?.lines.find(({ number }) => number === source.line)?.text ?? '', /balance/)
  // Read by one, changed by the other, written by the first.
  const accesses = stretches.slice(preempted).flatMap(({ thread, entries }) => entries.filter(({ kind }) => kind === 'access').map(({ text }) => `${thread} ${text.split(':')[0]}`))
  t.regex(accesses.join(', '), /^(\d) reads balance, (?!\1)\d (changes|reads|writes) balance, (.*, )?\1 writes balance/)
  t.true(races.length > 0)
  t.regex(explanation.join('\n'), /was killed by SIGABRT[^]*main\+0x[0-9a-f]+ \(account\.c:\d+\)/)
  t.regex(output, /balance == 110/)
})

test('as text, threads side by side', (t) => {
  const text = reportText(account)
  t.regex(text, /^fails: SIGABRT/)
  t.regex(text, / {4}\* reads balance: 100 {2}\(account\.c:\d+\)\n {4} {2}PREEMPTED after/)
  t.regex(text, /> +\d+ .*balance.*\n/)
})

test('a deadlock names its cycle and who holds the locks', (t) => {
  const { explanation, variables } = report('bugs/philosophers')
  t.true(variables.every(({ name, isLock }) => isLock && name.startsWith('forks')))
  t.regex(explanation.join('\n'), /mutex forks\+0x28 is held by task 10\d, which took it at lock \(inlined, bug\.h:\d+\) in eat\+0x[0-9a-f]+ \(philosophers\.c:\d+\)/)
  t.regex(explanation.at(-1) ?? '', /^ {2}cycle: task \d+ waits for mutex forks(\+0x\d+)?, held by task \d+; task/)
})

const browser = ['chromium', 'chromium-browser', 'google-chrome'].find((name) => spawnSync(name, ['--version']).status === 0)

;(browser === undefined ? test.skip : test)('the page in Chromium', (t) => {
  const scratch = mkdtempSync(join(tmpdir(), 'report-'))
  try {
    const hostile = { ...account, command: ['<script>document.title = "bad"</script>', '"\u0007'], failure: `<b>${account.failure}</b>` }
    const page = join(scratch, 'report.html')
    writeFileSync(page, reportHtml(hostile))
    const chromium = (...flags: string[]): string => execFileSync(browser as string,
      ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${join(scratch, 'profile')}`, '--window-size=1400,1200', ...flags, `file://${page}`], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 60_000 })
    const dom = chromium('--dump-dom')
    t.is(dom.match(/class="head"/g)?.length, account.threads.length + 1)
    t.is(dom.match(/<section class="stretch/g)?.length, account.stretches.length)
    t.regex(dom, /<section class="stretch preempted">.*reads balance: 100/)
    t.false(/<script|<b>SIGABRT|https?:/.test(dom))
    chromium(`--screenshot=${join(scratch, 'page.png')}`)
    t.true(statSync(join(scratch, 'page.png')).size > 20_000)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
})
