import { scenario } from '../src/replay/scenario/scenario.ts'

/** Two threads add to a balance without a lock: some schedules lose a deposit. */
export default scenario({
  name: 'lost-update',
  about: 'two threads add to one balance without a lock; some schedules lose a deposit',
  hosts: { bank: { run: ['/guests/lost-update'], mounts: ['../guests/bin:/guests'], cpus: 2 } },
  expects: 'sometimes',
  seeds: 200,
})
