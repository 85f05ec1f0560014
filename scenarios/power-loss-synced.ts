import broken from './power-loss.ts'
import { scenario } from '../src/replay/scenario/scenario.ts'

/** The same with an fsync before the rename: old or new, but whole, whenever the power goes. */
export default scenario({
  ...broken,
  name: 'power-loss-synced',
  about: 'the same file with an fsync before the rename: old or new, but whole',
  hosts: { disk: { ...broken.hosts.disk, run: ['/guests/scenario-writer', 'write', '/data', '20', 'sync'] } },
  expects: 'always',
  seeds: 15,
})
