/** retrograde show: the events of a trace, as strace shows calls. */
import { Command, InvalidArgumentError } from 'commander'
import type { Kernel } from '../kernel/kernel.ts'
import { describeDivergence, eventJson, eventTextInWorld } from '../replay/describe.ts'
import { startReplay, worldOf } from '../replay/replay.ts'
import { type ReplayResult, runToEnd, type Session } from '../replay/session.ts'
import type { TraceEvent } from '../trace/events.ts'
import { TraceReader } from '../trace/reader.ts'
import { eventLineForTerminal, isOfProgram } from './event-lines.ts'
import { codecs, loadEngine, openTraceFile, platform } from './host.ts'

interface ShowFlags {
  readonly json: boolean
  readonly all: boolean
  readonly data: boolean
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
    const problem = platform.write(1, Buffer.from(this.#pending))
    this.#pending = ''
    // The reader has seen enough.
    if (problem?.error === 'EPIPE') process.exit(0)
    if (problem !== undefined) throw new Error(`standard output: ${problem.error}`)
  }
}

/** The events of the world as it is made again: guest memory can be looked at. */
const showReplayed = (trace: TraceReader, { from, to }: ShowFlags, show: (event: TraceEvent, number: number, text?: string) => void): void => {
  let world = (): Kernel | undefined => undefined
  const session: Session<ReplayResult> = startReplay({
    trace, engine: loadEngine(), clock: platform, codecs, mode: 'drive', untilEvent: to,
    onEvent: (event, number) => {
      if (number < from) return
      // Before the program is loaded there is no world to look at.
      const kernel = world()
      show(event, number, kernel === undefined ? undefined : eventTextInWorld(event, kernel))
    },
  })
  world = () => session.kernel
  const { divergence } = runToEnd(session)
  if (divergence !== undefined) process.stderr.write(`retrograde: the replay diverged, no more can be shown: ${describeDivergence(divergence).join('\n')}\n`)
}

export const showCommand = new Command('show').description('show what happened in a trace: system calls, signals, tasks, output')
  .argument('<trace>', 'file that record wrote')
  .option('--json', 'one JSON object a line, of every event', false)
  .option('--all', 'the scheduler\'s slices, draws, host files and checkpoints too', false)
  .option('--data', 'what buffers and structures hold as well: replays the trace to see them', false)
  .option('--task <tid>', 'only events of this task', count)
  .option('--from <event>', 'first event to show', count, 0)
  .option('--to <event>', 'last event to show', count, Infinity)
  .action((file: string, flags: ShowFlags) => {
    const trace = new TraceReader(openTraceFile(file), codecs)
    const { cpuHz } = worldOf(trace)
    const lines = new Lines()
    const show = (event: TraceEvent, number: number, text?: string): void => {
      const wanted = (flags.json || flags.all || isOfProgram(event)) && (flags.task === undefined || ('tid' in event && event.tid === flags.task))
      if (!wanted) return
      if (flags.json) lines.add(JSON.stringify({ ...eventJson(event, number), ...(text === undefined ? {} : { text }) }))
      else lines.add(eventLineForTerminal(event, number, cpuHz, text))
    }
    if (flags.data) {
      showReplayed(trace, flags, show)
    } else {
      let number = flags.from
      for (const event of trace.eventsFrom(flags.from)) {
        if (number > flags.to) break
        show(event, number)
        number++
      }
    }
    lines.flush()
    if (trace.recovery !== undefined) {
      process.stderr.write(`retrograde: ${file}: the recording was cut short: ${trace.recovery.reason}; ${trace.recovery.events} events are whole\n`)
    }
  })
