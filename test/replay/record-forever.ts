/** Records a guest that never ends to the file that is named: `kill.test.ts` kills it. */
import { createTraceFile, traceCodecs } from '../../src/platform/trace-files.ts'
import { startRecording } from '../../src/replay/record.ts'
import { runToEnd } from '../../src/replay/session.ts'
import { hostOf, MemoryConsole, treeFor, worldOf } from './support.ts'

runToEnd(startRecording({
  world: worldOf('replay-forever'), host: hostOf(treeFor('replay-forever'), new MemoryConsole()), codecs: traceCodecs, version: 'test',
  openTrace: () => createTraceFile(process.argv[2]),
}))
