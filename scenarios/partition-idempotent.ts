import broken from './partition.ts'
import { scenario } from '../src/replay/scenario/scenario.ts'

/** The same with a server that knows requests by their numbers: whatever the network loses, each is counted once. */
export default scenario({
  ...broken,
  name: 'partition-idempotent',
  about: 'the same counter with a server that knows requests by their numbers: each is counted once, over a link that loses packets too',
  hosts: { ...broken.hosts, server: { ...broken.hosts.server, run: ['/guests/scenario-service', 'server', '4000', 'ids'] } },
  links: [{ between: { server: '10.0.0.1/24', client: '10.0.0.2/24' }, latencyMs: 20, loss: 0.05, duplicate: 0.05, reorder: 0.05 }],
  expects: 'always',
  seeds: 10,
})
