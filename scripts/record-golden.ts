/**
 * npm run golden: records the traces of traces/ anew. They are replayed by test/replay/golden.test.ts on every change, so that
 * a change in what guests see is seen; when it is meant, this brings them up to date.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GOLDEN } from '../test/replay/golden.ts'
import { record, root, treeFor, worldOf } from '../test/replay/support.ts'

for (const { name, guest, world, input } of GOLDEN) {
  const { result, trace } = record(worldOf(guest, world), treeFor(guest), input, { checkpointCycles: 500_000 })
  if (result.outcome !== 'exited') throw new Error(`${name}: ${result.outcome}\n${result.explanation.join('\n')}`)
  writeFileSync(join(root, 'traces', `${name}.rgt`), trace)
  console.log(`traces/${name}.rgt: ${result.events} events, ${trace.length} bytes, status ${result.exitCode}`)
}
