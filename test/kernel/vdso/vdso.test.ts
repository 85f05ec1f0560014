import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { vdsoImage } from '../../../src/kernel/vdso/image.ts'
import { guestPath, isLinux, runNative } from '../abi/native.ts'
import { runGuest } from '../../support/run-guest.ts'

// Frequencies where a cycle is a nanosecond, a fraction of one, and nothing that divides evenly.
for (const cpuHz of [1e9, 3e9, 2_399_999_971, 777_777_777]) {
  for (const cpus of [1, 3]) {
    test(`the vDSO and the system call agree: ${cpuHz} Hz, ${cpus} CPUs`, (t) => {
      let calls = 0
      const result = runGuest({
        argv: [guestPath('vdso')], cpus, cpuHz, seed: String(cpuHz), trace: (line) => { if (line.includes(' clock_gettime(')) calls++ },
      })
      t.regex(result.stdout, /AT_SYSINFO_EHDR: there/)
      t.regex(result.stdout, /wrong: 0\n$/)
      t.is(result.code, 0, result.stdout)
      // Two calls a round and thread are system calls on purpose; two more would be if the library had not found the vDSO.
      t.true(calls >= 12_000 && calls < 12_050, `${calls} system calls`)
    })
  }
}

const against = isLinux ? test : test.skip
against('the guest finds nothing wrong with this machine either', (t) => { t.is(runNative('vdso').code, 0) })

test('the functions are found by name, the instructions they begin with are there', (t) => {
  const image = vdsoImage(-4096)
  const text = Buffer.from(image).toString('latin1')
  for (const name of ['clock_gettime', 'gettimeofday', 'time', 'clock_getres', 'getcpu']) t.true(text.includes(`\0__vdso_${name}\0`), name)
  t.true(text.includes('\0LINUX_2.6\0'))
  t.is(image.length, 4096)
})

const withReadelf = spawnSync('sh', ['-c', 'command -v readelf']).status === 0 ? test : test.skip
withReadelf('readelf has nothing to complain about', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'retrograde-vdso-'))
  t.teardown(() => { rmSync(directory, { recursive: true }) })
  writeFileSync(join(directory, 'vdso.so'), vdsoImage(-4096))
  const result = spawnSync('readelf', ['-hldW', '--use-dynamic', '-s', join(directory, 'vdso.so')], { encoding: 'utf8' })
  t.is(result.stderr, '')
  t.regex(result.stdout, /__vdso_clock_gettime/)
})
