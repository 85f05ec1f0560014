import { scenario } from '../src/replay/scenario/scenario.ts'

/** Each philosopher takes the fork to the left and waits for the one to the right. */
export default scenario({
  name: 'philosophers',
  about: 'philosophers who each take their left fork first: deadlock',
  hosts: { table: { run: ['/guests/bugs/philosophers', '3'], mounts: ['../guests/bin:/guests'], cpus: 2 } },
  expects: 'sometimes',
  seeds: 2000,
})
