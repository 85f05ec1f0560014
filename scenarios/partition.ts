import { heal, partition, scenario, waitFor, waitForOutput } from '../src/replay/scenario/scenario.ts'

/** A request whose answer is lost in a partition is made again, and counted twice: the server does not know that it has seen it. */
export default scenario({
  name: 'partition',
  about: 'a counter behind TCP between two hosts: requests that are repeated after a partition are counted twice',
  hosts: {
    server: { run: ['/guests/scenario-service', 'server', '4000'], mounts: ['../guests/bin:/guests'], main: false },
    client: { run: ['/guests/scenario-service', 'client', '10.0.0.1', '4000', '20'], mounts: ['../guests/bin:/guests'] },
  },
  links: [{ between: { server: '10.0.0.1/24', client: '10.0.0.2/24' }, latencyMs: 20 }],
  steps: [
    waitForOutput('client', 'request 3 answered'), waitFor(0.1), partition('server', 'client'), waitFor(1.5), heal('server', 'client'),
    waitForOutput('client', 'request 8 answered'), waitFor(0.07), partition('server', 'client'), waitFor(3), heal('server', 'client'),
  ],
  holds: ({ exitCode, stdout }) => {
    if (exitCode !== 0) throw new Error(stdout.client.trim().split('\n').at(-1))
    return true
  },
  expects: 'sometimes',
  seeds: 40,
})
