/**
 * npm run golden: records the traces of traces/ anew. They are replayed by test/replay/golden.test.ts on every change, so that
 * a change in what guests see is seen; when it is meant, this brings them up to date.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { NodePlatform } from '../src/platform/node.ts'
import { traceCodecs } from '../src/platform/trace-files.ts'
import { runScenario } from '../src/replay/scenario/run.ts'
import type { Scenario } from '../src/replay/scenario/scenario.ts'
import { GOLDEN } from '../test/replay/golden.ts'
import { SCENARIO_GOLDEN } from '../test/replay/scenario-golden.ts'
import { loadEngine, record, root, treeFor, worldOf } from '../test/replay/support.ts'

for (const { name, guest, world, input } of GOLDEN) {
  const { result, trace } = record(worldOf(guest, world), treeFor(guest), input, { checkpointCycles: 500_000 })
  if (result.outcome !== 'exited') throw new Error(`${name}: ${result.outcome}\n${result.explanation.join('\n')}`)
  writeFileSync(join(root, 'traces', `${name}.rgt`), trace)
  console.log(`traces/${name}.rgt: ${result.events} events, ${trace.length} bytes, status ${result.exitCode}`)
}

// Those of scenarios/: runs that fail, or that hold where the bug was mended.
for (const { name, seed } of SCENARIO_GOLDEN) {
  const { default: scenario } = await import(pathToFileURL(join(root, 'scenarios', `${name}.ts`)).href) as { readonly default: Scenario }
  const result = runScenario({
    scenario, folder: join(root, 'scenarios'), outside: new NodePlatform(), engine: { ...loadEngine(), tier: undefined }, clock: { wallTimeMs: () => performance.now() }, codecs: traceCodecs, version: 'golden',
  }, seed)
  if (result.broken !== undefined) throw new Error(result.broken)
  if ((result.failure === undefined) !== (scenario.expects !== 'sometimes')) throw new Error(`${name}: seed ${seed} ${result.failure ?? 'holds'}: look for another with 'retrograde scenario scenarios/${name}.ts'`)
  writeFileSync(join(root, 'traces', `scenario-${name}.rgt`), result.trace)
  console.log(`traces/scenario-${name}.rgt: ${result.trace.length} bytes, ${(result.failure ?? 'holds').slice(0, 80)}`)
}
