import { scenario } from '../src/replay/scenario/scenario.ts'

/**
 * Double-checked initialisation on processors that delay stores (x86-TSO): the object is published before it is filled, and whoever looks at
 * it without the lock finds it half made. The compiler is free to order it so; the store buffer makes the window longer.
 */
export default scenario({
  name: 'double-checked',
  about: 'double-checked locking under TSO: the object is seen before it is filled',
  hosts: { machine: { run: ['/guests/bugs/double-checked'], mounts: ['../guests/bin:/guests'], cpus: 2 } },
  memory: 'tso',
  expects: 'sometimes',
  seeds: 3000,
})
