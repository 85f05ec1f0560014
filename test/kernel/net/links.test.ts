/** Streams over links that lose, reorder, duplicate and damage frames: what arrives is what was sent, and both ends come to rest. */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { LinkConfig } from '../../../src/kernel/config.ts'
import { setLink } from '../../../src/kernel/net/link.ts'
import { runWorld } from '../../../src/kernel/world.ts'
import { type GuestResult, makeGuestWorld, runGuest } from '../../support/run-guest.ts'

const STREAM = join(import.meta.dirname, '../../../guests/bin/net-stream')
const BYTES = 150_000

const ends = [{ host: 'server', interface: 'eth0', address: '10.0.0.1/24' }, { host: 'client', interface: 'eth0', address: '10.0.0.2/24' }]
const hosts = (bytes: number): { name: string, argv: string[] }[] =>
  [{ name: 'server', argv: [STREAM, 'serve', '7000', String(bytes)] }, { name: 'client', argv: [STREAM, '10.0.0.1', '7000', String(bytes)] }]

const stream = (seed: string, link: Partial<LinkConfig>, bytes = BYTES): GuestResult =>
  runGuest({ seed, hosts: hosts(bytes), links: [{ ends, latencyCycles: 2e6, bytesPerSecond: 12.5e6, ...link }], cycleLimit: 1000e9 })

const expectWhole = (t: ExecutionContext, { outputs, stop }: GuestResult, bytes = BYTES): void => {
  t.deepEqual(outputs, [`got ${bytes}, sent ${bytes}\n`, `got ${bytes}, sent ${bytes}\n`])
  t.deepEqual(stop, { reason: 'exited', status: 0 })
}

const KINDS: Readonly<Record<string, Partial<LinkConfig>>> = {
  'a perfect link': {}, 'a slow link with small buffers behind it': { bytesPerSecond: 100_000, latencyCycles: 50e6 }, 'loss': { loss: 0.05 }, 'much loss': { loss: 0.2 }, 'reordering': { reorder: 0.2 },
  'duplicates': { duplicate: 0.3 }, 'damage': { corrupt: 0.05 }, 'all of it': { loss: 0.05, reorder: 0.1, duplicate: 0.1, corrupt: 0.03 },
}
for (const [name, link] of Object.entries(KINDS)) {
  test(`${name}: the stream is whole`, (t) => { for (const seed of ['a', 'b']) expectWhole(t, stream(seed, link)) })
}

test('both ends come to rest: no connection and no timer is left', (t) => {
  const wait = (argv: readonly string[]): string[] => ['/bin/sh', '-c', `${argv.join(' ')}; exec /bin/sleep 2000`]
  const world = makeGuestWorld({
    seed: 'c', hosts: hosts(20_000).map(({ name, argv }) => ({ name, argv: wait(argv) })),
    links: [{ ends, latencyCycles: 2e6, loss: 0.1, duplicate: 0.1, reorder: 0.1 }], cycleLimit: 1900e9,
  })
  while (runWorld(world.kernel, 1000).reason === 'running') { /* until the limit */ }
  const { links } = world.kernel.state.net
  t.deepEqual(world.outputs.map((lines) => lines.join('')), ['got 20000, sent 20000\n', 'got 20000, sent 20000\n'])
  for (const { net } of links[0].ends) {
    t.is(net.inet.connections.size, 0)
    t.is(net.timeWaits.all.size, 0)
    t.is(net.inet.tcp.size, 0, 'ports are free')
  }
  t.deepEqual(world.kernel.state.timers.heap.filter(({ kind }) => kind === 'net'), [])
})

test('a partition is survived, and one that lasts ends the connection', (t) => {
  const run = (seconds: number): readonly string[] => {
    const { kernel, outputs } = makeGuestWorld({ seed: 'd', hosts: hosts(3_000_000), links: [{ ends, latencyCycles: 2e6, bytesPerSecond: 12.5e6 }], cycleLimit: 10_000e9 })
    const until = (cycle: number): boolean => {
      while (kernel.now < cycle) if (runWorld(kernel, 10).reason !== 'running') return false
      return true
    }
    t.true(until(0.15e9))
    setLink(kernel, 0, { up: false })
    if (until((0.15 + seconds) * 1e9)) setLink(kernel, 0, { up: true })
    until(Infinity)
    return outputs.map((lines) => lines.join(''))
  }
  t.deepEqual(run(20), ['got 3000000, sent 3000000\n', 'got 3000000, sent 3000000\n'])
  // 15 timeouts are a quarter of an hour (tcp_retries2). ETIMEDOUT, or EHOSTUNREACH where ARP went unanswered.
  for (const output of run(4000)) t.regex(output, /^(recv|send): errno (110|113) after|^error (110|113)/)
})

test('the same seed makes the same packets', (t) => {
  const packets = (seed: string): string[] => {
    const lines: string[] = []
    runGuest({ seed, hosts: hosts(20_000), links: [{ ends, latencyCycles: 2e6, loss: 0.1 }], cycleLimit: 1000e9, onPacket: (text, name, _frame, cycle) => { lines.push(`${cycle} ${name} ${text}`) } })
    return lines
  }
  const first = packets('e')
  t.true(first.length > 50)
  t.deepEqual(packets('e'), first)
  t.notDeepEqual(packets('f'), first)
})
