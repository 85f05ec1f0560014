/** Events as lines for a terminal. */
import chalk from 'chalk'
import { eventText } from '../replay/describe.ts'
import type { TraceEvent } from '../trace/events.ts'

/** What a reader of strace does not expect to see: shown by --all. */
const BEHIND_THE_SCENES: ReadonlySet<TraceEvent['type']> = new Set(['slice', 'draw', 'random', 'lstat', 'readdir', 'readlink', 'readFile', 'checkpoint', 'interface'])
export const isOfProgram = (event: TraceEvent): boolean => !BEHIND_THE_SCENES.has(event.type)

const colour = (event: TraceEvent, text: string): string => {
  switch (event.type) {
    case 'syscall': {
      const open = text.indexOf('(')
      const call = chalk.bold(text.slice(0, open)) + text.slice(open)
      return event.result < 0 && event.result > -4096 ? call.replace(/ = (-\d+ .*)$/, (_, error: string) => ` = ${chalk.red(error)}`) : call
    }
    case 'signal': return chalk.magenta(text)
    case 'taskStart': case 'taskExit': case 'exec': return chalk.green(text)
    case 'end': return event.outcome === 'exited' && event.status === 0 ? chalk.green(text) : chalk.yellow(text)
    case 'unknownSyscall': return chalk.red(text)
    case 'output': case 'input': case 'resize': return chalk.blue(text)
    case 'packet': return chalk.cyan(text)
    default: return chalk.dim(text)
  }
}

/** Number, virtual seconds, task, what happened; colours where chalk finds a terminal. */
export const eventLineForTerminal = (event: TraceEvent, number: number, cpuHz: number, text = eventText(event)): string => {
  const time = 'cycle' in event ? (event.cycle / cpuHz).toFixed(9) : ''
  const task = 'tid' in event ? String(event.tid) : ''
  return `${chalk.dim(String(number).padStart(8))} ${chalk.dim(time.padStart(14))} ${chalk.cyan(task.padStart(6))}  ${colour(event, text)}`
}
