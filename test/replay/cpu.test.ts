/** Worlds with processors of each level: what programs find there, and that a replay has the same. */
import test from 'ava'
import type { CpuName } from '../../src/emu/cpu/model.ts'
import { record, replay, treeFor, worldOf } from './support.ts'

const LEVEL2 = ['pni', 'pclmulqdq', 'ssse3', 'cx16', 'sse4_1', 'sse4_2', 'popcnt', 'aes', 'rdtscp']
const LEVEL3 = [...LEVEL2, 'fma', 'movbe', 'xsave', 'avx', 'f16c', 'rdrand', 'fsgsbase', 'bmi1', 'avx2', 'bmi2', 'rdseed', 'adx', 'clflushopt', 'clwb', 'sha_ni', 'rdpid']
const EXPECTED: readonly (readonly [cpu: CpuName | undefined, extensions: readonly string[], zeros: readonly [number, number]])[] = [
  [undefined, [], [77, 77]], ['x86-64-v1', [], [77, 77]], ['x86-64-v2', LEVEL2, [77, 77]], ['x86-64-v3', LEVEL3, [64, 64]],
]

for (const [cpu, extensions, [tzcnt, lzcnt]] of EXPECTED) {
  test(`${cpu ?? 'no'} processor is told of, CPUID, /proc/cpuinfo and instructions agree, and a replay finds the same`, (t) => {
    const recorded = record(worldOf('processor', { cpus: 2, ...(cpu === undefined ? {} : { cpu }) }), treeFor('processor'), [])
    t.is(recorded.result.outcome, 'exited', String(recorded.result.error))
    const lines = recorded.output.trim().split('\n')
    const others = lines.filter((line) => line.includes(' '))
    t.deepEqual(lines.filter((line) => !line.includes(' ')).sort(), [...extensions].sort())
    t.deepEqual(others.slice(0, 2), [`tzcnt of zero: ${tzcnt}`, `lzcnt of zero: ${lzcnt}`])
    t.deepEqual(others.filter((line) => line.startsWith('on CPU')), extensions.length === 0 ? [] : ['on CPU 0', 'on CPU 1'])
    // From the world's entropy: the seed decides.
    const random = others.filter((line) => line.startsWith('random'))
    t.is(random.length, extensions.includes('rdrand') ? 4 : 0)
    t.is(new Set(random).size, random.length)
    t.true(others.every((line) => /^([tl]zcnt of zero|on CPU|random)/.test(line)), recorded.output)
    for (const mode of ['drive', 'from-seed'] as const) {
      const { result } = replay(recorded.trace, mode)
      t.is(result.divergence, undefined)
      t.is(result.hash, recorded.result.hash)
    }
  })
}
