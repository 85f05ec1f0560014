import test from 'ava'
import fc from 'fast-check'
import type { WorldConfig } from '../../src/kernel/config.ts'
import type { Plain } from '../../src/trace/msgpack.ts'
import { ConfigError, configFromPlain, configToPlain } from '../../src/replay/world-config.ts'

const CONFIG: WorldConfig = {
  program: '/bin/sh', argv: ['sh', '-c', 'exit \xff'], env: ['PATH=/bin'], cwd: '/',
  mounts: [{ guest: '/', source: { kind: 'host', host: '/' } }, { guest: '/proc', source: { kind: 'proc' } }, { guest: '/w', source: { kind: 'host-rw', host: '/tmp/x' } }],
  files: [{ path: '/etc/hostname', mode: 0o644, content: Uint8Array.of(97) }, { path: '/etc/mtab', mode: 0o777, symlink: '/proc/mounts' }],
  hostname: 'h', cpus: 2, seed: 'süß ☃', strategy: 'random', cpuHz: 1e9, epochSeconds: 1_700_000_000.5, uid: 0, gid: 0,
  stdio: ['tty', 'pipe', 'null'], terminal: { rows: 24, columns: 80 }, memoryLimit: Infinity, cycleLimit: Infinity,
}

test('a configuration comes back as it was', (t) => {
  t.deepEqual(configFromPlain(configToPlain(CONFIG)), CONFIG)
})

test('the strategy pct has parameters, others have none', (t) => {
  const pct: WorldConfig = { ...CONFIG, strategy: 'pct', pct: { depth: 3, steps: 1000 } }
  t.deepEqual(configFromPlain(configToPlain(pct)), pct)
  const bad: Record<string, Plain>[] = [{ strategy: 'random' }, { pct: { depth: 0, steps: 1 } }, { pct: { depth: 1e9, steps: 1 } }, { pct: { depth: 2, steps: 0.5 } }, { pct: { depth: 2 } }, { pct: null }]
  for (const change of bad) t.throws(() => configFromPlain({ ...configToPlain(pct), ...change }), { instanceOf: ConfigError, message: /pct/ })
})

test('a configuration in which anything is changed is refused by name, or still one', (t) => {
  const plain = configToPlain(CONFIG)
  const junk: fc.Arbitrary<Plain> = fc.constantFrom<Plain>(null, true, -1, 1.5, NaN, 2 ** 60, 'x\0y', '☃', [], {}, [[]], [null], Uint8Array.of(1))
  fc.assert(fc.property(fc.constantFrom(...Object.keys(plain)), junk, (key, value) => {
    try {
      const config = configFromPlain({ ...plain, [key]: value })
      t.deepEqual(configFromPlain(configToPlain(config)), config)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      t.true(error.message.includes(key))
    }
  }), { numRuns: 1000 })
  for (const key of Object.keys(plain)) {
    const { [key]: _, ...rest } = plain
    t.throws(() => configFromPlain(rest), { instanceOf: ConfigError, message: new RegExp(key) })
  }
})
