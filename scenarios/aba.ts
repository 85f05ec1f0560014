import { scenario } from '../src/replay/scenario/scenario.ts'

/** A lock-free stack compares the head by its address alone: a node that went and came back is taken for the same. */
export default scenario({
  name: 'aba',
  about: 'a lock-free stack without counters: a node that went and came back is taken for the one that was there',
  hosts: { machine: { run: ['/guests/race-aba'], mounts: ['../guests/bin:/guests'], cpus: 2 } },
  expects: 'sometimes',
  seeds: 2000,
})
