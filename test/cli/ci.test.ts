/** retrograde ci: what passes leaves nothing, what fails leaves a trace, and traces don't fill the disk. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { inDirectory, retrograde, root } from '../support/cli.ts'

test('a command that passes leaves no trace', (t) => {
  inDirectory((cwd) => {
    const { status, stdout } = retrograde(['ci', '--junit', 'out.xml', '--', 'sh', '-c', 'echo fine'], { cwd })
    t.is(status, 0)
    t.is(stdout, 'fine\n')
    t.deepEqual(existsSync(join(cwd, 'retrograde-traces')) ? readdirSync(join(cwd, 'retrograde-traces')) : [], [])
    t.regex(readFileSync(join(cwd, 'out.xml'), 'utf8'), /tests="1" failures="0" errors="0"/)
  })
})

test('one that fails leaves a trace that replays, and says how', (t) => {
  inDirectory((cwd) => {
    const summary = join(cwd, 'summary.md')
    const { status, stdout, stderr } = retrograde(
      ['ci', '--keep', 'traces', '--junit', 'out.xml', '--json', '--', 'sh', '-c', 'echo no >&2; exit 7'], { cwd, env: { GITHUB_STEP_SUMMARY: summary } })
    t.is(status, 1)
    t.regex(stderr, /exit status 7: no[^]*retrograde replay traces\//)
    const { runs: [run] } = JSON.parse(stdout) as { runs: { trace: string, failure: string, kind: string }[] }
    t.is(run.failure, 'exit status 7: no')
    t.deepEqual(readdirSync(join(cwd, 'traces')).map((name) => `traces/${name}`), [run.trace])
    t.is(retrograde(['replay', '--no-output', run.trace], { cwd }).status, 7)
    t.regex(readFileSync(join(cwd, 'out.xml'), 'utf8'), /failures="1"[^]*<failure type="exit" message="exit status 7: no">/)
    t.regex(readFileSync(summary, 'utf8'), /retrograde shrink traces\//)
  })
})

test('several runs, each with its schedule: the traces of those that fail', (t) => {
  inDirectory((cwd) => {
    const { status, stderr } = retrograde(['ci', '--runs', '60', '--seed', 'ci', '--', join(root, 'guests/bin/lost-update')], { cwd })
    t.is(status, 1)
    const failed = Number(/(\d+) of 60 runs failed/.exec(stderr)?.[1])
    t.true(failed > 0 && failed < 60, stderr)
    t.is(readdirSync(join(cwd, 'retrograde-traces')).length, failed)
  })
})

test('older traces make room for newer, and what is too large is not kept', (t) => {
  inDirectory((cwd) => {
    mkdirSync(join(cwd, 'keep'))
    writeFileSync(join(cwd, 'keep/old.rgt'), new Uint8Array(3 << 20))
    const first = retrograde(['ci', '--keep', 'keep', '--max-size', '3Mi', '--', 'sh', '-c', 'exit 1'], { cwd })
    t.regex(first.stderr, /1 older trace removed/)
    t.deepEqual(readdirSync(join(cwd, 'keep')).filter((name) => name === 'old.rgt'), [])
    const second = retrograde(['ci', '--keep', 'small', '--max-size', '1k', '--', 'sh', '-c', 'exit 1'], { cwd })
    t.is(second.status, 1)
    t.regex(second.stderr, /not kept: it is larger than 1000 bytes/)
    t.deepEqual(readdirSync(join(cwd, 'small')), [])
  })
})
