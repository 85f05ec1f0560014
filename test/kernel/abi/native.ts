/**
 * ABI guests: programs that print what system calls answer, and print the same on Linux and here.
 *
 * What they should print is in `expected/`, recorded on Linux, so that it can be tested on any host; on x86-64 Linux they
 * are run natively as well. To record anew after changing a guest: guests/bin/NAME > test/kernel/abi/expected/NAME.txt (as root).
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type GuestOptions, runGuest } from '../../support/run-guest.ts'

const root = join(import.meta.dirname, '..', '..', '..')
export const guestPath = (name: string): string => join(root, 'guests', 'bin', name)
export const isLinux = process.platform === 'linux' && process.arch === 'x64'

export const expectedOutput = (name: string): string => readFileSync(join(import.meta.dirname, 'expected', `${name}.txt`), 'latin1')

/** Natively, time is real: on a machine that is busy with other tests a wait may take longer than a guest allows for. */
const NATIVE_RUNS = 3

/** @param wanted it is run again, a few times, if it prints something else */
export const runNative = (name: string, wanted?: string): { stdout: string, code: number | null } => {
  for (let run = 1; ; run++) {
    const result = spawnSync(guestPath(name), { encoding: 'latin1', timeout: 20_000, stdio: ['ignore', 'pipe', 'ignore'] })
    if (wanted === undefined || result.stdout === wanted || run === NATIVE_RUNS) return { stdout: result.stdout, code: result.status }
  }
}

/** Runs the guest here and compares line by line, so that a failure shows the call. */
export const compare = (t: ExecutionContext, name: string, wanted: string, options: Omit<GuestOptions, 'argv'>): void => {
  const result = runGuest({ ...options, argv: [guestPath(name)] })
  t.is(result.stop.reason, 'exited', `${name} did not end: ${result.stop.reason}`)
  const lines = result.stdout.split('\n')
  for (const [i, line] of wanted.split('\n').entries()) t.is(lines[i], line, `${name}, line ${i + 1}`)
  t.is(lines.length, wanted.split('\n').length, `${name} printed more or less than it should`)
  t.is(result.code, 0)
}
