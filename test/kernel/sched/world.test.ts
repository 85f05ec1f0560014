/** The scheduler and the world loop: equal seeds give equal runs, different ones different interleavings; how worlds end. */
import test from 'ava'
import { type GuestOptions, type GuestResult, runGuest } from '../../support/run-guest.ts'
import { guestPath } from '../abi/native.ts'

const run = (name: string, args: readonly string[], options: Partial<GuestOptions> = {}): GuestResult =>
  runGuest({ argv: [guestPath(name), ...args], ...options })
const events = (options: Partial<GuestOptions>): { lines: string[], result: GuestResult } => {
  const lines: string[] = []
  return { result: run('sched-tour', [], { ...options, trace: (line) => { lines.push(line) } }), lines }
}

for (const strategy of ['random', 'round-robin'] as const) {
  for (const cpus of [1, 2, 5]) {
    test(`one seed, one run: ${cpus} CPUs, ${strategy}`, (t) => {
      const first = events({ strategy, cpus, seed: 'same' })
      const second = events({ strategy, cpus, seed: 'same' })
      t.is(first.result.stdout, 'shared 3000 child 6 ticks 1\n')
      t.true(first.lines.length > 300)
      for (const [i, line] of first.lines.entries()) if (line !== second.lines[i]) { t.is(second.lines[i], line, `event ${i}`); break }
      t.is(second.lines.length, first.lines.length)
    })
  }
}

test('different seeds interleave differently', (t) => {
  const slices = (seed: string): string => events({ strategy: 'random', cpus: 2, seed }).lines.filter((line) => line.includes(' slice ')).join('\n')
  t.not(slices('a'), slices('b'))
})

test('a lost update of a hundred rounds shows under some seeds and not under others', (t) => {
  const outcomes = Array.from({ length: 30 }, (_, seed) => run('sched-race', ['100'], { seed: `r${seed}`, cpus: 1 }).stdout)
  t.true(outcomes.includes('200\n'))
  t.true(outcomes.some((outcome) => outcome !== '200\n'))
})

test('round robin is the same whatever the seed', (t) => {
  const cycles = ['a', 'b'].map((seed) => events({ strategy: 'round-robin', cpus: 1, seed }).lines.filter((line) => line.includes(' slice ')))
  t.deepEqual(cycles[0], cycles[1])
})

test('affinity holds', (t) => {
  t.is(run('sched-tour', ['pinned'], { cpus: 2 }).code, 0)
  t.is(run('sched-tour', ['pinned'], { cpus: 2, strategy: 'round-robin' }).code, 0)
})

test('an hour of sleep takes no time', (t) => {
  const result = run('sched-tour', ['hour'], { cycleLimit: Infinity })
  t.is(result.stdout, 'an hour\n')
  t.true(result.cycles >= 3600e9)
})

test('what outlives the main process may finish', (t) => {
  const result = run('sched-tour', ['linger'])
  t.is(result.stdout, 'late\n')
  t.is(result.code, 7)
})

test('but not for ever', (t) => {
  const result = run('sched-tour', ['forever'], { cycleLimit: Infinity })
  t.is(result.code, 7)
  t.true(result.cycles <= 12e9)
})

test('a deadlock is told', (t) => { t.is(run('sched-tour', ['deadlock']).stop.reason, 'deadlock') })

test('the cycle limit is exact', (t) => {
  const result = run('sched-tour', ['spin'], { cycleLimit: 1_234_567, cpus: 1 })
  t.is(result.stop.reason, 'timeout')
  t.is(result.cycles, 1_234_567)
})

test('a process that eats all memory is killed, and the others go on', (t) => {
  const result = run('sched-tour', ['eat'], { memoryLimit: 64 << 20 })
  t.is(result.stdout, 'eater: signal 9\n')
  t.is(result.code, 0)
})

test('all memory is given back', (t) => {
  const result = run('sched-tour', [])
  // Pages of files, and the zero page, stay.
  t.is(result.kernel.state.tasks.size, 0)
  t.is(result.kernel.state.groups.size, 0)
  t.is(result.kernel.state.timers.heap.length, 0)
  t.is(result.kernel.state.futexes.waiters.size, 0)
  t.is(result.kernel.state.runqueue.length, 0)
  let cached = 1 + (result.kernel.state.vdso.dataFrame === 0 ? 0 : 2)
  const seen = new Set<unknown>()
  const count = (inode: unknown): void => {
    if (typeof inode !== 'object' || inode === null || seen.has(inode)) return
    seen.add(inode)
    const { pages, entries } = inode as { pages?: Map<number, number>, entries?: Map<string, unknown> }
    cached += pages?.size ?? 0
    for (const entry of entries?.values() ?? []) count(entry)
  }
  for (const { root } of result.kernel.state.fs.superblocks) count(root)
  t.is(result.kernel.memory.framesInUse, cached)
})
