/** The files of scenarios/: what they expect comes about, and what fails is small and replays. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { NodePlatform } from '../src/platform/node.ts'
import { traceCodecs } from '../src/platform/trace-files.ts'
import { runScenario, type ScenarioOptions, shrinkFaults } from '../src/replay/scenario/run.ts'
import { type Scenario, scenario } from '../src/replay/scenario/scenario.ts'
import { loadEngine, replay, root } from './replay/support.ts'
import { SCENARIO_GOLDEN } from './replay/scenario-golden.ts'

const folder = join(root, 'scenarios')
const optionsOf = (it: Scenario): ScenarioOptions => ({
  scenario: it, folder, outside: new NodePlatform(), engine: { ...loadEngine(), tier: undefined }, clock: { wallTimeMs: () => performance.now() }, codecs: traceCodecs, version: 'test',
})
const load = async (name: string): Promise<Scenario> => (await import(pathToFileURL(join(folder, `${name}.ts`)).href) as { readonly default: Scenario }).default
const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path))

test('each file is a scenario by its own name, and all but those of big programs have a golden trace', async (t) => {
  const names = readdirSync(folder).map((file) => file.replace(/\.ts$/, ''))
  t.true(names.length >= 9)
  for (const name of names) t.is((await load(name)).name, name)
  // Their traces hold the programs: 5 to 9 MB.
  t.deepEqual(names.filter((name) => !SCENARIO_GOLDEN.some((golden) => golden.name === name)).sort(), ['git-clone', 'redis-replication', 'ssh'])
})

for (const name of ['lost-update', 'partition', 'power-loss']) {
  test(`${name} shows its bug`, async (t) => {
    const it = await load(name)
    for (let seed = 1; seed <= 60; seed++) {
      const result = runScenario(optionsOf(it), String(seed))
      t.is(result.broken, undefined)
      if (result.failure === undefined) continue
      const again = runScenario(optionsOf(it), String(seed))
      // Not its bytes: where chunks end depends on the clock on the wall.
      t.deepEqual({ ...again, trace: undefined }, { ...result, trace: undefined }, 'a seed is one world')
      for (const mode of ['drive', 'from-seed'] as const) t.is(replay(result.trace, mode).result.divergence, undefined)
      return
    }
    t.fail('60 seeds did not show it')
  })
}

for (const name of ['partition-idempotent', 'power-loss-synced']) {
  test(`${name} holds`, async (t) => {
    const it = await load(name)
    for (const seed of ['a', 'b', 'c']) t.is(runScenario(optionsOf(it), seed).failure, undefined)
  })
}

for (const [name, program] of [['redis-replication', '/usr/bin/redis-server'], ['git-clone', '/usr/lib/git-core/git-daemon'], ['ssh', '/usr/sbin/sshd']]) {
  (existsSync(program) ? test : test.skip)(`${name} holds`, async (t) => {
    const result = runScenario({ ...optionsOf(await load(name)), engine: loadEngine() }, '1')
    t.is(result.failure, undefined)
    t.is(result.broken, undefined)
  })
}

const shell = (script: string, more: Partial<Scenario>): Scenario => scenario({ name: 'shell', about: '', hosts: { host: { run: [busybox ?? '', 'sh', '-c', script] } }, ...more })
const withBusybox = busybox === undefined ? test.skip : test

withBusybox('programs that loop over short transfers and EINTR do not mind them', (t) => {
  // By its path, as the scripts and the dynamic linker of others do mind.
  const it = shell(`${busybox} seq 1 20000 > /all; ${busybox} gzip -c /all | ${busybox} gunzip -c | ${busybox} md5sum`, { faults: { rates: { short: 0.2 } } })
  const plain = runScenario(optionsOf({ ...it, faults: {} }), '1')
  for (const seed of ['1', '2']) {
    const result = runScenario(optionsOf(it), seed)
    t.is(result.failure, undefined)
    t.is(result.stdout.host, plain.stdout.host)
    t.true(result.faults.length > 10, `${result.faults.length} faults`)
    t.is(replay(result.trace, 'drive').result.divergence, undefined)
    // What was drawn, as a list, is the same run.
    const listed = runScenario(optionsOf(it), seed, result.faults)
    t.deepEqual([listed.faults, listed.stdout, listed.cycle], [result.faults, result.stdout, result.cycle])
  }
})

withBusybox('of many faults those are left that a failure needs', (t) => {
  const it = shell('for i in 1 2 3 4 5 6 7 8; do echo $i > /f$i 2>/dev/null; done; test -s /f3', { faults: { rates: { enospc: 0.5, short: 0.3 } } })
  for (let seed = 1; seed < 20; seed++) {
    const result = runScenario(optionsOf(it), String(seed))
    if (result.failure === undefined || result.faults.length < 3) continue
    const steps = shrinkFaults(optionsOf(it), result, 100)
    let step = steps.next()
    while (step.done !== true) step = steps.next()
    // A fault is known by its call: leaving one out moves no other.
    t.is(step.value.faults.length, 1, `${step.value.faults.length} of ${result.faults.length}`)
    t.is(step.value.faults[0].fault, 'enospc')
    t.is(step.value.failure, 'a program ended with 1')
    t.is(replay(step.value.trace, 'from-seed').result.divergence, undefined)
    return
  }
  t.fail('no seed had faults that mattered')
})

withBusybox('a scenario that can\'t be is told', (t) => {
  const it = shell('true', {})
  t.throws(() => runScenario(optionsOf({ ...it, steps: [{ do: 'crash', host: 'none' }] }), '1'), { message: /names the host 'none'; there are host/ })
  t.throws(() => runScenario(optionsOf({ ...it, steps: [{ do: 'link', between: ['host', 'host2'], up: false }] }), '1'), { message: /no link between/ })
  t.throws(() => runScenario(optionsOf({ ...it, faults: { hosts: ['none'] } }), '1'), { message: /names the host 'none'; there are host/ })
  t.throws(() => runScenario(optionsOf({ ...it, faults: { signals: [{ signal: 9, every: 1000, host: 'none' }] } }), '1'), { message: /names the host 'none'; there are host/ })
  t.throws(() => runScenario(optionsOf({ ...it, faults: { signals: [{ signal: 9, every: 1000, name: 'none' }] } }), '1'), { message: /sends signals to 'none', which no step runs/ })
  t.throws(() => runScenario(optionsOf({ ...it, hosts: { host: { run: ['/none'] } } }), '1'), { message: /none/ })
})

withBusybox('the clock jumps, signals arrive, programs are started and waited for', (t) => {
  const result = runScenario(optionsOf(shell('trap "echo got it; date +%Y; exit 3" TERM; echo ready; while :; do sleep 1; done', {
    steps: [
      { do: 'waitOutput', host: 'host', text: 'ready' }, { do: 'run', host: 'host', name: 'other', argv: [busybox ?? '', 'echo', 'from another'] }, { do: 'waitExit', name: 'other' },
      { do: 'clock', seconds: 10 * 365 * 86_400 }, { do: 'signal', host: 'host', signal: 15 },
    ],
  })), '1')
  t.is(result.exitCode, 3)
  t.is(result.stdout.host, 'ready\nfrom another\ngot it\n2035\n')
})

withBusybox('kill -9 at instructions that are drawn: a file that is half written, with as few kills as it needs', (t) => {
  const it = shell('sleep 1; test ! -f /first || test -f /second', {
    steps: [{ do: 'run', host: 'host', name: 'writer', argv: [busybox ?? '', 'sh', '-c', 'i=0; while [ $i -lt 30 ]; do i=$((i+1)); done; echo 1 > /first; i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; echo 2 > /second'] }],
    faults: { signals: [{ signal: 9, every: 400_000, name: 'writer', most: 3 }] },
  })
  let whole = 0
  for (let seed = 1; seed <= 40; seed++) {
    const result = runScenario(optionsOf(it), String(seed))
    t.is(result.broken, undefined)
    if (result.failure === undefined) {
      whole++
      continue
    }
    const listed = runScenario(optionsOf(it), String(seed), result.faults)
    t.deepEqual([listed.faults, listed.failure, listed.cycle], [result.faults, result.failure, result.cycle])
    t.is(runScenario(optionsOf(it), String(seed), []).failure, undefined, 'without kills it is whole')
    const steps = shrinkFaults(optionsOf(it), result, 20)
    let step = steps.next()
    while (step.done !== true) step = steps.next()
    t.is(step.value.faults.length, 1)
    t.is(step.value.faults[0].fault, 'signal')
    for (const trace of [result.trace, step.value.trace]) for (const mode of ['drive', 'from-seed'] as const) t.is(replay(trace, mode).result.divergence, undefined)
    return
  }
  t.fail(`no file was half written in 40 seeds, ${whole} were whole`)
})

withBusybox('signals at instructions that are drawn: a handler counts them; a seed is one run', (t) => {
  const it = shell('n=0; trap "n=\\$((n+1))" USR1; i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; echo $n', { faults: { after: 3_000_000, signals: [{ signal: 10, every: 200_000 }] } })
  const counts = ['1', '2', '3'].map((seed) => {
    const result = runScenario(optionsOf(it), seed)
    const count = Number(result.stdout.host)
    // The shell runs its trap between commands: two signals before one of them are one.
    t.true(count > 10 && count <= result.faults.length, `${count} of ${result.faults.length}`)
    for (const mode of ['drive', 'from-seed'] as const) t.is(replay(result.trace, mode).result.divergence, undefined)
    return result.faults.map((fault) => 'cycle' in fault ? fault.cycle : 'none').join()
  })
  t.is(new Set(counts).size, 3)
  t.is(runScenario(optionsOf(it), '1', []).stdout.host, '0\n')
})

/** Guests that need no busybox. */
const guests = (run: readonly string[], more: Partial<Scenario>): Scenario => scenario({ name: 'guest', about: '', hosts: { host: { run, mounts: ['../guests/bin:/guests'] } }, ...more })
const timersAfter = (seconds: number): readonly string[] => runScenario(optionsOf(guests(['/guests/clock-jumps', 'timers'], { steps: [{ do: 'waitOutput', host: 'host', text: 'ready' }, ...(seconds === 0 ? [] : [{ do: 'clock', seconds } as const])] })), '1').stdout.host.trim().split('\n').slice(1)
const timerLines = (absolute: number, cancelled: string): string[] => [
  `absolute sleep: woken after ${absolute} s`, 'relative sleep: woken after 10 s', `futex: timed out after ${absolute} s`, `message queue: timed out after ${absolute} s`,
  `timerfd: done after ${absolute} s`, 'relative timerfd: done after 10 s', cancelled, `periodic timerfd: done after ${absolute} s`,
]

test('what waits for a time of CLOCK_REALTIME comes when it shows that, and TFD_TIMER_CANCEL_ON_SET cancels', (t) => {
  t.deepEqual(timersAfter(0), timerLines(10, 'timerfd that is cancelled: done after 10 s'))
  t.deepEqual(timersAfter(-5), timerLines(15, 'timerfd that is cancelled: cancelled after 0 s: done after 15 s'))
  t.deepEqual(timersAfter(4), timerLines(6, 'timerfd that is cancelled: cancelled after 0 s: done after 6 s'))
  t.deepEqual(timersAfter(3600), timerLines(0, 'timerfd that is cancelled: cancelled after 0 s: nothing after 20 s'))
})

test('a wait until then that a signal interrupts goes on until then, whenever that is now', (t) => {
  const waits = (seconds: number): string => runScenario(optionsOf(guests(['/guests/clock-restart'], { steps: [{ do: 'waitOutput', host: 'host', text: 'ready' }, { do: 'clock', seconds }] })), '1').stdout.host
  t.is(waits(0), 'ready\nfutex: Operation timed out after 10 s\n')
  t.is(waits(3600), 'ready\nfutex: Operation timed out after 2 s\n')
  t.is(waits(-5), 'ready\nfutex: Operation timed out after 15 s\n')
})

test('jumps of the clock that are drawn break a program that measures time by it; one is left of them', (t) => {
  const it = guests(['/guests/clock-jumps', 'session', '400'], { faults: { clock: [{ every: 40_000_000, seconds: 100_000 }] } })
  const [forward] = [runScenario(optionsOf({ ...it, faults: { clock: [{ every: 40_000_000, seconds: 100_000, direction: 'forward', most: 5 }] } }), '1')]
  t.is(forward.failure, undefined)
  t.is(forward.faults.length, 5)
  t.true(forward.faults.every((fault) => fault.fault === 'clock' && fault.value > 0))
  for (let seed = 1; seed < 20; seed++) {
    const result = runScenario(optionsOf(it), String(seed))
    if (result.failure === undefined || result.faults.length < 2) continue
    const listed = runScenario(optionsOf(it), String(seed), result.faults)
    t.deepEqual([listed.faults, listed.failure, listed.cycle], [result.faults, result.failure, result.cycle])
    const steps = shrinkFaults(optionsOf(it), result, 100)
    let step = steps.next()
    while (step.done !== true) step = steps.next()
    t.is(step.value.faults.length, 1)
    t.true(step.value.faults[0].fault === 'clock' && step.value.faults[0].value < 0)
    for (const trace of [result.trace, step.value.trace]) for (const mode of ['drive', 'from-seed'] as const) t.is(replay(trace, mode).result.divergence, undefined)
    return
  }
  t.fail('no seed broke it')
})
