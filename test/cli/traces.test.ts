/** What the commands on traces say of whole, cut, damaged and foreign files. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { execute, inDirectory, isInstalled, retrograde } from '../support/cli.ts'

const run = isInstalled('/bin/busybox') ? test : test.skip
const record = (cwd: string, name: string, ...options: string[]): void => {
  retrograde(['record', '-q', '-o', name, ...options, '--', '/bin/busybox', 'sh', '-c', 'for i in 1 2 3; do echo $i; done | wc -l; exit 4'], { cwd })
}

run('replay passes the status through; show and diff read what was recorded', (t) => {
  inDirectory((cwd) => {
    // The guest looks at its directory: a trace that appears in it would be a difference.
    for (const name of ['a.rgt', 'b.rgt']) writeFileSync(join(cwd, name), '')
    execute(['touch', '-d', '2020-01-01', cwd])
    record(cwd, 'a.rgt', '--seed', '1')
    record(cwd, 'b.rgt', '--seed', '1')
    record(cwd, 'c.rgt', '--seed', '2', '--cpus', '2')
    const replayed = retrograde(['replay', 'a.rgt'], { cwd })
    t.deepEqual([replayed.status, replayed.stdout], [4, '3\n'])
    const json = JSON.parse(retrograde(['replay', '--json', 'a.rgt'], { cwd }).stdout) as { equal: boolean, exitCode: number }
    t.like(json, { equal: true, exitCode: 4 })
    const shown = retrograde(['show', 'a.rgt'], { cwd }).stdout
    t.regex(shown, /write\(1, .*\) = 2/)
    t.regex(shown, /exit_group\(4\)/)
    for (const line of retrograde(['show', '--json', 'a.rgt'], { cwd }).stdout.trim().split('\n')) t.is(typeof (JSON.parse(line) as { type: string }).type, 'string')
    t.deepEqual([retrograde(['diff', 'a.rgt', 'b.rgt'], { cwd }).status, retrograde(['diff', 'a.rgt', 'c.rgt'], { cwd }).status], [0, 3])
    t.regex(retrograde(['diff', 'a.rgt', 'c.rgt'], { cwd }).stdout, /event \d+ differs/)
  })
})

run('a trace without its index replays whole', (t) => {
  inDirectory((cwd) => {
    record(cwd, 'a.rgt', '--seed', '1')
    const bytes = readFileSync(join(cwd, 'a.rgt'))
    writeFileSync(join(cwd, 'cut.rgt'), bytes.subarray(0, bytes.length - 20))
    const { status, stderr } = retrograde(['replay', 'cut.rgt'], { cwd })
    t.regex(stderr, /state hash [0-9a-f]+ equal/)
    t.is(status, 4)
  })
})

run('what is no trace, or a damaged or newer one, gets one line', (t) => {
  inDirectory((cwd) => {
    record(cwd, 'a.rgt', '--seed', '1')
    const bytes = readFileSync(join(cwd, 'a.rgt'))
    const damaged = Uint8Array.from(bytes)
    for (let i = 4000; i < bytes.length - 100; i += 997) damaged[i] ^= 0x55
    const newer = Uint8Array.from(bytes)
    newer[8] = 99
    const files: [string, Uint8Array][] = [['damaged', damaged], ['newer', newer], ['text', Buffer.from('hello\n')], ['empty', new Uint8Array(0)], ['head', bytes.subarray(0, 40)]]
    for (const [name, content] of files) {
      writeFileSync(join(cwd, name), content)
      for (const command of [['replay', name], ['show', name], ['diff', name, 'a.rgt']]) {
        const { status, stderr } = retrograde(command, { cwd })
        t.notRegex(stderr, /\n {4}at /, `${command.join(' ')}: no stack`)
        if (command[0] === 'replay') {
          t.true(status === 125 || status === 3, `${command.join(' ')}: ${status}`)
          t.regex(stderr, new RegExp(`retrograde: .*${name}|diverged`))
        }
      }
    }
    const missing = retrograde(['replay', 'nothing.rgt'], { cwd })
    t.is(missing.status, 125)
    t.regex(missing.stderr, /nothing\.rgt: .*no such file/)
  })
})
