/** --races, --fail-on race and --memory on the command line. */
import { join } from 'node:path'
import test from 'ava'
import { inDirectory, retrograde, root } from '../support/cli.ts'

const guest = (name: string): string => join(root, 'guests/bin', name)

test('record and replay say what races, and their status does; some may be ignored', (t) => {
  inDirectory((cwd) => {
    const recorded = retrograde(['record', '--seed', '1', '-o', 'a.rgt', '--races', '--', guest('lost-update')], { cwd })
    t.is(recorded.status, 1)
    t.regex(recorded.stderr, /^data race: 0x[0-9a-f]+ in .*lost-update and/m)
    const replayed = retrograde(['replay', '--races', '-q', 'a.rgt'], { cwd })
    t.is(replayed.status, 1)
    t.is(replayed.stderr, recorded.stderr.replace(/^retrograde: recorded.*\n/m, ''))
    const ignored = retrograde(['replay', '--races', '-q', '--ignore', 'lost-update', 'a.rgt'], { cwd })
    t.regex(ignored.stderr, /no data races/)
    t.is(ignored.status, 0)
  })
})

test('explore: races are failures if they are asked for', (t) => {
  inDirectory((cwd) => {
    const explore = (failOn: string): { status: number | null, failures: { kind: string, details: string[] }[] } => {
      const { status, stdout } = retrograde(['explore', '--seed', '1', '-n', '20', '--json', '--fail-on', failOn, '--', guest('bugs/account')], { cwd })
      return { status, failures: (JSON.parse(stdout) as { failures: { kind: string, details: string[] }[] }).failures }
    }
    const { status, failures: [race] } = explore('race')
    t.is(status, 1)
    t.is(race.kind, 'race')
    t.true(race.details.some((line) => line.includes('deposit+0x7 (account.c:9)')))
    t.is(explore('signal').status, 0)
  })
})

test('--memory is a model, or as it was once a limit', (t) => {
  const run = (...args: string[]): number | null => retrograde(['run', '--seed', '1', ...args, '--', guest('tso'), 'dekker', 'fence']).status
  t.is(run('--memory', 'tso'), 0)
  t.is(run('--memory', '64Mi', '--memory-limit', '128Mi'), 0)
  t.not(run('--memory', 'weak'), 0)
})
