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

export const runNative = (name: string): { stdout: string, code: number | null } => {
  const result = spawnSync(guestPath(name), { encoding: 'latin1', timeout: 20_000, stdio: ['ignore', 'pipe', 'ignore'] })
  return { stdout: result.stdout, code: result.status }
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
