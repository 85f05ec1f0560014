/** Failures that are found replay to one state on Node 24 and 26, and their shrunk forms fail alike: scripts/proof.ts with few of them. */
import { join } from 'node:path'
import test from 'ava'
import { execute, root } from '../support/cli.ts'

test('failures that are found are proved', (t) => {
  const { status, stdout } = execute([process.execPath, join(root, 'scripts/proof.ts'), '--times', '6', '--only', 'lost-update', 'bugs/deadlock'], { cwd: root })
  t.is(status, 0, stdout)
  t.regex(stdout, /^2 failures, 0 of them wrong$/m)
  t.is(stdout.split('\n').filter((line) => /^ok .*: one state;/.test(line)).length, 2, stdout)
})
