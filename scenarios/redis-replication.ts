import { heal, partition, run, scenario, waitFor, waitForExit, waitForOutput } from '../src/replay/scenario/scenario.ts'

const server = ['--port', '6379', '--bind', '0.0.0.0', '--protected-mode', 'no', '--save', '', '--appendonly', 'no', '--repl-diskless-sync-delay', '0']

/**
 * Debian's redis on two hosts. Replication is asynchronous: a write that the primary has acknowledged is not on the replica while they can't
 * see each other, and comes there when they can again.
 */
export default scenario({
  name: 'redis-replication',
  about: 'redis on two hosts: what was acknowledged during a partition is not on the replica, and comes there when it heals',
  hosts: {
    primary: { run: ['/usr/bin/redis-server', ...server], main: false },
    replica: { run: ['/usr/bin/redis-server', ...server, '--replicaof', '10.0.0.1', '6379'], main: false },
  },
  links: [{ between: { primary: '10.0.0.1/24', replica: '10.0.0.2/24' }, latencyMs: 1 }],
  steps: [
    waitForOutput('replica', 'MASTER <-> REPLICA sync: Finished with success'),
    run('primary', ['/usr/bin/redis-cli', 'set', 'key', 'one'], 'first'), waitForExit('first'), waitFor(1),
    run('replica', ['/usr/bin/redis-cli', 'get', 'key'], 'before'), waitForExit('before'),
    partition('primary', 'replica'),
    run('primary', ['/usr/bin/redis-cli', 'set', 'key', 'two'], 'second'), waitForExit('second'), waitFor(1),
    run('replica', ['/usr/bin/redis-cli', 'get', 'key'], 'during'), waitForExit('during'),
    heal('primary', 'replica'), waitFor(90),
    run('replica', ['/usr/bin/redis-cli', 'get', 'key'], 'after'), waitForExit('after'),
  ],
  holds: ({ stdout }) => {
    // redis-cli prints without quotes where no terminal is.
    const answers = stdout.replica.split('\n').filter((line) => line === 'one' || line === 'two')
    if (answers.join(' ') !== 'one one two') throw new Error(`the replica answered ${answers.join(', ')}, and not one, one, two`)
    return true
  },
  expects: 'always',
  seeds: 2,
  timeout: 1000,
})
