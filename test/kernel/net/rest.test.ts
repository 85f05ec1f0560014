/** What ends and does not end: worlds whose tasks wait for each other, hosts whose power goes. */
import { join } from 'node:path'
import test from 'ava'
import { killHost, restartHost } from '../../../src/kernel/hosts.ts'
import { runWorld, type WorldStop } from '../../../src/kernel/world.ts'
import { makeGuestWorld, runGuest } from '../../support/run-guest.ts'

const REST = join(import.meta.dirname, '../../../guests/bin/net-rest')
const links = [{ ends: [{ host: 'server', interface: 'eth0', address: '10.0.0.1/24' }, { host: 'client', interface: 'eth0', address: '10.0.0.2/24' }], latencyCycles: 1e6 }]

test('a world in which all wait is a deadlock, whatever is left of connections', (t) => {
  // Over loopback: after a connection that is over (TIME_WAIT), and with one that keeps itself alive.
  for (const how of ['time-wait', 'keep-alive', 'full']) {
    const { stop, cycles } = runGuest({ argv: [REST, how], cycleLimit: 1e15 })
    t.is(stop.reason, 'deadlock', how)
    t.true(cycles < 1e9, `${how}: ${cycles}`)
  }
  // Between hosts probes are answered for ever.
  const { stop } = runGuest({ hosts: [{ name: 'server', argv: [REST, 'serve'] }, { name: 'client', argv: [REST, 'connect'] }], links, cycleLimit: 1e15 })
  t.is(stop.reason, 'deadlock')
})

test('who is connected to a host whose power goes finds out: by a reset when it is back, by keep-alive when not', (t) => {
  const run = (back: boolean): string => {
    const { kernel, outputs } = makeGuestWorld({ hosts: [{ name: 'server', argv: [REST, 'serve'], main: false }, { name: 'client', argv: [REST, 'connect', '5'] }], links, cycleLimit: 1e15 })
    const until = (cycle: number): WorldStop => {
      for (;;) {
        const stop = runWorld(kernel, 1)
        if (stop.reason !== 'running' || kernel.now >= cycle) return stop
      }
    }
    until(1e9)
    killHost(kernel, 'server')
    if (back) restartHost(kernel, 'server')
    t.is(until(Infinity).reason, 'exited')
    return outputs[1].join('')
  }
  t.is(run(true), 'errno 104\n')
  t.is(run(false), 'errno 110\n')
})
