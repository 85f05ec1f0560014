/** --races: what raced in a trace. */
import { traceRaces } from '../replay/detect/trace-races.ts'
import { TraceReader } from '../trace/reader.ts'
import { buildVersion, codecs, type EngineFlags, loadEngine, openTraceFile, platform } from './host.ts'

/** Says so on stderr. @returns whether there are races */
export const reportRaces = async (file: string, flags: EngineFlags, { ignore, atomics }: { readonly ignore: readonly RegExp[], readonly atomics: readonly RegExp[] }): Promise<boolean> => {
  const search = traceRaces({ trace: new TraceReader(openTraceFile(file), codecs), engine: loadEngine(flags), clock: platform, codecs, mode: 'drive', version: buildVersion() }, { ignore, atomics })
  for (;;) {
    const { done, value } = search.next()
    if (done === true) {
      const { failures, warnings } = value
      for (const { details } of failures) process.stderr.write(`${details.join('\n')}\n`)
      for (const { details } of warnings) process.stderr.write(`warning: ${details.join('\n')}\n`)
      if (failures.length === 0) process.stderr.write('retrograde: no data races\n')
      return failures.length > 0
    }
    // Signals are only seen between turns of the event loop.
    await new Promise((resolve) => { setImmediate(resolve) })
  }
}
