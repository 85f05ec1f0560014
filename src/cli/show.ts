/** retrograde show: the events of a trace, as strace shows calls. */
import { writeSync } from 'node:fs'
import { Command, InvalidArgumentError } from 'commander'
import { eventJson } from '../replay/describe.ts'
import { worldOf } from '../replay/replay.ts'
import { TraceReader } from '../trace/reader.ts'
import { eventLineForTerminal, isOfProgram } from './event-lines.ts'
import { codecs, openTraceFile } from './host.ts'

interface ShowFlags {
  readonly json: boolean
  readonly all: boolean
  readonly task: number | undefined
  readonly from: number
  readonly to: number
}

const count = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('It must be a number from 0 on.')
  return value
}

/** Lines are collected, and written in large pieces that wait for the reader. */
class Lines {
  #pending = ''

  add(line: string): void {
    this.#pending += `${line}\n`
    if (this.#pending.length > 1 << 16) this.flush()
  }

  flush(): void {
    const bytes = Buffer.from(this.#pending)
    this.#pending = ''
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(1, bytes, done)
    } catch (error) {
      // The reader has seen enough.
      if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(0)
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

export const showCommand = new Command('show').description('show what happened in a trace: system calls, signals, tasks, output')
  .argument('<trace>', 'file that record wrote')
  .option('--json', 'one JSON object a line, of every event', false)
  .option('--all', 'the scheduler\'s slices, draws, host files and checkpoints too', false)
  .option('--task <tid>', 'only events of this task', count)
  .option('--from <event>', 'first event to show', count, 0)
  .option('--to <event>', 'last event to show', count, Infinity)
  .action((file: string, flags: ShowFlags) => {
    const trace = new TraceReader(openTraceFile(file), codecs)
    const { cpuHz } = worldOf(trace)
    const lines = new Lines()
    let number = flags.from
    for (const event of trace.eventsFrom(flags.from)) {
      if (number > flags.to) break
      const wanted = (flags.json || flags.all || isOfProgram(event)) && (flags.task === undefined || ('tid' in event && event.tid === flags.task))
      if (wanted) lines.add(flags.json ? JSON.stringify(eventJson(event, number)) : eventLineForTerminal(event, number, cpuHz))
      number++
    }
    lines.flush()
    if (trace.recovery !== undefined) {
      process.stderr.write(`retrograde: ${file}: the recording was cut short: ${trace.recovery.reason}; ${trace.recovery.events} events are whole\n`)
    }
  })
