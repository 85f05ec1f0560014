import { scenario } from '../src/replay/scenario/scenario.ts'

/** The age of an entry is measured by CLOCK_REALTIME, in unsigned arithmetic: when the clock goes back the entry is half a billion years old. */
export default scenario({
  name: 'clock-jumps',
  about: 'a cache measures the age of its entries by the wrong clock: a jump backward makes them too old',
  hosts: { cache: { run: ['/guests/clock-jumps', 'session', '400'], mounts: ['../guests/bin:/guests'] } },
  faults: { clock: [{ every: 100_000_000, seconds: 86_400, most: 4 }] },
  holds: ({ exitCode, stderr }) => {
    if (exitCode !== 0) throw new Error(stderr.cache.trim().split('\n').at(-1))
    return true
  },
  expects: 'sometimes',
})
