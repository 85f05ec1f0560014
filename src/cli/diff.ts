/** retrograde diff: where two traces first differ. */
import chalk from 'chalk'
import { Command, InvalidArgumentError } from 'commander'
import { eventJson } from '../replay/describe.ts'
import { configDifferences, diffTraces, IGNORABLE, type Ignorable, type NumberedEvent } from '../replay/diff.ts'
import { worldOf } from '../replay/replay.ts'
import { TraceReader } from '../trace/reader.ts'
import { integer } from './options.ts'
import { EXIT_DIVERGED } from './errors.ts'
import { eventLineForTerminal } from './event-lines.ts'
import { codecs, openTraceFile } from './host.ts'

const ignorable = (text: string, previous: readonly Ignorable[]): Ignorable[] => [...previous, ...text.split(',').map((name) => {
  const known = IGNORABLE.find((kind) => kind === name)
  if (known === undefined) throw new InvalidArgumentError(`'${name}' is none of ${IGNORABLE.join(', ')}.`)
  return known
})]

export const diffCommand = new Command('diff').description('the first event in which two traces differ, in context; exit status 3 if there is one')
  .argument('<first>', 'a trace')
  .argument('<second>', 'another')
  .option('--context <n>', 'events to show before and after', integer(0, 1_000_000), 5)
  .option('--ignore <kinds>', 'leave out what is not the program\'s: random (bytes that it got), slices (of the scheduler), time (cycles), files (of the host that were asked for)', ignorable, [])
  .option('--json', 'as JSON', false)
  .action((a: string, b: string, flags: { readonly context: number, readonly ignore: readonly Ignorable[], readonly json: boolean }) => {
    const [first, second] = [a, b].map((file) => new TraceReader(openTraceFile(file), codecs))
    const settings = configDifferences(first, second)
    const found = diffTraces(first, second, flags.context, new Set(flags.ignore))
    process.exitCode = found === undefined ? 0 : EXIT_DIVERGED
    if (flags.json) {
      const json = ({ number, event }: NumberedEvent): object => eventJson(event, number)
      process.stdout.write(`${JSON.stringify({
        settings, equal: found === undefined,
        ...found === undefined ? {} : {
          event: found.event, what: found.what, before: found.before.map(json),
          first: found.first === undefined ? null : eventJson(found.first, found.event),
          second: found.second === undefined ? null : eventJson(found.second, found.secondEvent),
          firstAfter: found.firstAfter.map(json), secondAfter: found.secondAfter.map(json),
        },
      })}\n`)
      return
    }
    const out: string[] = []
    if (settings.length > 0) out.push(chalk.dim(`their worlds differ in: ${settings.join(', ')}`))
    if (found === undefined) {
      out.push('no event differs')
    } else {
      const line = (reader: TraceReader, number: number, event: NumberedEvent['event']): string => eventLineForTerminal(event, number, worldOf(reader).cpuHz)
      out.push(`event ${found.event} differs: ${found.what}`)
      for (const { number, event } of found.before) out.push(`  ${line(first, number, event)}`)
      for (const [sign, paint, reader, number, event, after] of [
        ['-', chalk.red, first, found.event, found.first, found.firstAfter], ['+', chalk.green, second, found.secondEvent, found.second, found.secondAfter],
      ] as const) {
        out.push(paint(`${sign} ${reader.name}`))
        if (event !== undefined) out.push(`${paint(sign)} ${line(reader, number, event)}`)
        for (const { number: at, event: next } of after) out.push(`${paint(sign)} ${line(reader, at, next)}`)
      }
    }
    process.stdout.write(`${out.join('\n')}\n`)
    for (const { name, recovery } of [first, second]) if (recovery !== undefined) process.stderr.write(`retrograde: ${name}: the recording was cut short: ${recovery.reason}; ${recovery.events} events are whole\n`)
  })
