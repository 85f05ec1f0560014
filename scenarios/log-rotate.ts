import { scenario } from '../src/replay/scenario/scenario.ts'

/** A small model of MySQL's bug 791: while the binary log is rotated it is closed for a moment, and a statement that looks just then is not logged. */
export default scenario({
  name: 'log-rotate',
  about: 'MySQL bug 791 as a small model: a statement that runs while the binary log is rotated is missing from it',
  hosts: { database: { run: ['/guests/bugs/log-rotate'], mounts: ['../guests/bin:/guests'], cpus: 2 } },
  expects: 'sometimes',
  seeds: 5000,
})
