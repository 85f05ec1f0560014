/** What cannot be done is told in a line, with what and where, before anything is done in vain; never as a stack. And how inputs are fuzzed from the command line. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { inDirectory, retrograde, root } from '../support/cli.ts'

const FILES: Readonly<Record<string, string>> = {
  'junk.rgt': 'hello\n', 'empty.rgt': '', 'name.ts': 'export default { name: 3 }', 'syntax.ts': 'export const a = 1\nexport default scenario({', 'throws.ts': '\nthrow new Error("not today")',
  'type.ts': 'const it: { hosts: string } = undefined as never\nexport default it.hosts.length', 'import.ts': 'import x from "./none.ts"; export default x',
  'run.ts': 'export default { name: "a", hosts: { h: { run: "/bin/true" } } }', 'step.ts': 'export default { name: "a", hosts: { h: { run: ["/bin/true"] } }, steps: [{ do: "jump" }] }',
  'mount.ts': 'export default { name: "a", hosts: { h: { run: ["/bin/true"], mounts: ["x"] } } }', 'words.txt': 'a="b"\nc\n',
}

/** What is said: the first line of it, which is all. */
const CASES: readonly (readonly [command: string, message: string])[] = [
  ['replay none.rgt', 'none.rgt: can\'t be opened: no such file'], ['show junk.rgt', 'junk.rgt: is not a Retrograde trace (at byte 0)'], ['report empty.rgt', 'empty.rgt: is empty'], ['diff . junk.rgt', '.: is a directory'],
  ['shrink cut.rgt', 'cut.rgt was cut short, so that it does not show how its run ended: the file ends within a chunk; 0 events are whole'],
  ['report cut.rgt', 'cut.rgt was cut short before its program began: the file ends within a chunk'],
  ['scenario none.ts', 'none.ts: there is no such file'], ['scenario folder', 'folder: it is a directory'], ['scenario name.ts', 'name.ts: its default export is no scenario: it needs a name'],
  ['scenario syntax.ts', 'syntax.ts:2: Unexpected token `<eof>`. Expected identifier, string literal, numeric literal or [ for the computed key'], ['scenario throws.ts', 'throws.ts:2:7: not today'],
  ['scenario type.ts', 'type.ts:2:19: TypeError: Cannot read properties of undefined (reading \'hosts\')'],
  ['scenario run.ts', 'run.ts: its default export is no scenario: host h: run must be the program and its arguments, an array of strings'],
  ['scenario step.ts', 'step.ts: its default export is no scenario: step 1 is none that there is: \'jump\'; there are run, wait, waitOutput, waitExit, link, crash, restart, signal, clock'],
  ['scenario mount.ts', 'host h: the mount \'x\' must be OUTSIDE:INSIDE with an absolute INSIDE'],
  ['scenario run.ts -o junk.rgt/x', '-o junk.rgt/x: junk.rgt: is not a directory'], ['explore -o junk.rgt -- /bin/true', '-o junk.rgt: is not a directory'],
  ['explore --junit junk.rgt/x -- /bin/true', '--junit junk.rgt/x: junk.rgt: is not a directory'], ['ci --keep junk.rgt -- /bin/true', '--keep junk.rgt: is not a directory'], ['ci', 'missing required argument \'program\''],
  ['shrink cut.rgt -o junk.rgt/x', '-o junk.rgt/x: junk.rgt: is not a directory'], ['report cut.rgt --html junk.rgt/x', '--html junk.rgt/x: junk.rgt: is not a directory'],
  ['record -o junk.rgt/x -- /bin/true', 'junk.rgt/x: can\'t be made: not a directory'],
  ['fuzz --oracle none.ts', '--oracle none.ts: it is neither \'internal\' nor \'linux\', and there is no such file'], ['fuzz --oracle throws.ts', '--oracle throws.ts:2:7: not today'],
  ['fuzz --seed x', '--seed x: without --guided it must be an integer of 32 bits'], ['fuzz --guided', 'missing required argument \'program\''], ['fuzz --guided -o junk.rgt -- /bin/cat', '-o junk.rgt: is not a directory'],
  ['fuzz --guided --input argv -- /bin/cat', '--input argv: none of the program\'s arguments has @@, for which the input stands'], ['fuzz --guided --dictionary words.txt -- /bin/cat', '--dictionary words.txt, line 2: \'c\' is not name="text"'],
  ['fuzz --guided --corpus junk.rgt -- /bin/cat', '--corpus junk.rgt: is not a directory'], ['fuzz --guided --fail-on race -- /bin/cat', '--fail-on race: explore looks for races, with one input'],
  [`fuzz --guided -- ${root}/guests/bin/processor`, 'the program ended without reading its standard input'],
]

test('one line says what is wrong and where; exit status 125', (t) => {
  inDirectory((cwd) => {
    for (const [name, content] of Object.entries(FILES)) writeFileSync(join(cwd, name), content)
    mkdirSync(join(cwd, 'folder'))
    writeFileSync(join(cwd, 'cut.rgt'), readFileSync(join(root, 'traces/race-2-cpus.rgt')).subarray(0, 3000))
    for (const [command, message] of CASES) {
      const { status, stderr } = retrograde(command.split(' '), { cwd })
      t.deepEqual([stderr, status], [`retrograde: ${message}\n`, 125], command)
    }
    t.regex(retrograde(['scenario', 'import.ts'], { cwd }).stderr, /^retrograde: import\.ts: Cannot find module '.*\/none\.ts' imported from .*\/import\.ts\n$/)
  })
})

test('fuzz --guided keeps input, trace and corpus of what it finds; the same seed and corpus find the same', (t) => {
  inDirectory((cwd) => {
    copyFileSync(join(root, 'guests/bin/fuzz-magic'), join(cwd, 'magic'))
    mkdirSync(join(cwd, 'corpus'))
    for (const name of ['one', 'two']) writeFileSync(join(cwd, 'corpus', name), Buffer.from('M\u00a7z0', 'latin1'))
    const args = ['fuzz', '--guided', '--seed', '1', '--corpus', 'corpus', '-o', 'out', '--json', '-n', '20000', '--', './magic', '@@']
    const first = retrograde(args, { cwd })
    t.is(first.status, 1, first.stderr)
    const report = JSON.parse(first.stdout) as { readonly executions: number, readonly failures: readonly { readonly kind: string, readonly trace: string, readonly input: string, readonly bytes: string, readonly after: number }[] }
    const [failure] = report.failures
    t.is(failure.kind, 'signal')
    t.is(Buffer.from(failure.bytes, 'base64').toString('latin1'), 'M\u00a7z\u0003?')
    t.deepEqual(readFileSync(join(cwd, failure.input)).toString('base64'), failure.bytes)
    t.is(retrograde(['replay', failure.trace], { cwd }).status, 128 + 11)
    const kept = readdirSync(join(cwd, 'corpus'))
    t.true(kept.length > 3 && kept.includes('one'))
    t.is(new Set(kept.filter((name) => name !== 'one').map((name) => readFileSync(join(cwd, 'corpus', name)).toString('hex'))).size, kept.length - 1, 'none is there twice')
    inDirectory((other) => {
      copyFileSync(join(cwd, 'magic'), join(other, 'magic'))
      mkdirSync(join(other, 'corpus'))
      writeFileSync(join(other, 'corpus/first'), Buffer.from('M\u00a7z0', 'latin1'))
      const again = JSON.parse(retrograde(args, { cwd: other }).stdout) as typeof report
      t.deepEqual([again.executions, again.failures.map(({ bytes, after }) => [bytes, after])], [report.executions, report.failures.map(({ bytes, after }) => [bytes, after])])
    })
    t.true(existsSync(join(cwd, 'out')))
  })
})

test('help shows defaults as one would write them', (t) => {
  const { stdout } = retrograde(['run', '--help'])
  t.regex(stdout, /memory of the guest \(default: 2Gi\)/)
  t.notRegex(stdout, /default: (false|null|\[\]|Infinity|\d{6})/)
})
