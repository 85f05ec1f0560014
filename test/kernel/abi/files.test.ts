/**
 * File system calls. These guests want to be root and to work on a tmpfs, since file systems differ in what they answer.
 * Expected output was recorded by `guests/bin/NAME /dev/shm` as root on Linux 6.18.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { runGuest } from '../../support/run-guest.ts'
import { compare, expectedOutput, guestPath, isLinux } from './native.ts'

const TMPFS_MAGIC = 0x0102_1994
const SHARED_MEMORY = '/dev/shm'
const isTmpfs = (path: string): boolean => {
  try {
    return statfsSync(path).type === TMPFS_MAGIC
  } catch {
    return false
  }
}
/** Root in a container may have less than it takes: capabilities to mount and to make devices. */
const NEEDED = 1 << 21 | 1 << 27
const isPrivileged = (): boolean => {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0'
  return (parseInt(effective.slice(-8), 16) & NEEDED) === NEEDED
}
/** Linux learns new flags and changes the order of checks. */
const isRecent = (): boolean => {
  const [major, minor] = release().split('.').map(Number)
  return major > 6 || (major === 6 && minor >= 17)
}
const canRunNatively = isLinux && isRecent() && process.getuid?.() === 0 && isPrivileged() && isTmpfs(SHARED_MEMORY)

for (const name of ['abi-files', 'abi-names', 'abi-locks', 'abi-attributes', 'abi-aio']) {
  test(`${name} prints what it prints on Linux`, (t) => { compare(t, name, expectedOutput(name), { cpus: 2, strategy: 'random', seed: name }) })
  const against = canRunNatively ? test : test.skip
  against(`${name} prints on this machine what is expected`, (t) => {
    const native = spawnSync(guestPath(name), [SHARED_MEMORY], { encoding: 'latin1', timeout: 30_000, stdio: ['ignore', 'pipe', 'ignore'] })
    t.is(native.status, 0)
    t.deepEqual(native.stdout.split('\n'), expectedOutput(name).split('\n'))
  })
}

for (const [seed, uid] of [[1, 0], [2, 0], [3, 0], [1, 1000], [2, 1000]] as const) {
  const against = canRunNatively ? test : test.skip
  against(`random calls: seed ${seed}, user ${uid}`, (t) => {
    const args = [String(seed), '2000', String(uid)]
    const place = mkdtempSync(join(SHARED_MEMORY, 'fuzz-files-'))
    try {
      chmodSync(place, 0o755)
      const native = spawnSync(guestPath('fuzz-files'), [place, ...args], { encoding: 'latin1', timeout: 30_000, stdio: ['ignore', 'pipe', 'ignore'] })
      const here = runGuest({ argv: [guestPath('fuzz-files'), '/tmp', ...args] })
      const lines = here.stdout.split('\n')
      for (const [index, line] of native.stdout.split('\n').entries()) t.is(lines[index], line, `line ${index + 1}`)
      t.is(here.code, 0)
    } finally {
      rmSync(place, { recursive: true, force: true })
    }
  })
}
