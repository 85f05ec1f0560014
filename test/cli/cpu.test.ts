/** --cpu: what the guest's processor is, and what it is where nothing is said. */
import { join } from 'node:path'
import test from 'ava'
import { retrograde, root } from '../support/cli.ts'

const guest = join(root, 'guests/bin/processor')
const names = (...options: string[]): string[] => retrograde(['run', '--seed', '1', ...options, '--', guest]).stdout.split('\n').filter((line) => /^\w+$/.test(line))

test('the level that is asked for; v2 if none is', (t) => {
  t.deepEqual(names('--cpu', 'x86-64-v1'), [])
  t.true(names('--cpu', 'x86-64-v3').includes('avx2'))
  const usual = names()
  t.true(usual.includes('sse4_2'))
  t.false(usual.includes('avx2'))
})

test('another is refused', (t) => {
  const { status, stderr } = retrograde(['run', '--cpu', 'z80', '--', guest])
  t.is(status, 125)
  t.regex(stderr, /x86-64-v1, x86-64-v2, x86-64-v3/)
})
