/** A report as text for a terminal: threads side by side, time goes down. */
import type { Entry, Report, Stretch } from './model.ts'

/** Marks parts of the text; a terminal may colour them, a file has none. */
export interface Paint {
  readonly strong: (text: string) => string
  readonly dim: (text: string) => string
  readonly bad: (text: string) => string
  readonly access: (text: string) => string
}

export const PLAIN: Paint = { strong: (text) => text, dim: (text) => text, bad: (text) => text, access: (text) => text }

const INDENT = 4
const MOST_INDENT = 8

const ENDS: Readonly<Record<Stretch['end'], string>> = {
  preempted: 'PREEMPTED', waits: 'waits', yields: 'yields', ends: 'has ended', 'end of the run': 'the run ends here',
}

const entryLine = ({ kind, text, at }: Entry, paint: Paint): string => {
  const where = at === undefined ? '' : `  ${paint.dim(`(${at})`)}`
  return kind === 'access' ? `${paint.access(`* ${text}`)}${where}` : kind === 'more' ? paint.dim(`  … ${text}`) : `  ${text}${where}`
}

const stretchLines = (report: Report, stretch: Stretch, index: number, paint: Paint): string[] => {
  const thread = report.threads[stretch.thread]
  const margin = ' '.repeat(INDENT * Math.min(stretch.thread, MOST_INDENT))
  const lines = [paint.strong(`${thread.host === undefined ? '' : `${thread.host}: `}task ${thread.tid}${thread.start === undefined ? '' : ` ${thread.start}`}${report.cpus > 1 ? ` on CPU ${stretch.cpu}` : ''}`) + paint.dim(` at ${(stretch.seconds * 1e6).toFixed(3)} µs, ${stretch.cycles} cycles`)]
  lines.push(...stretch.entries.map((entry) => entryLine(entry, paint)))
  const place = stretch.stop === undefined ? '' : `${stretch.stop.text.startsWith('after') ? '' : ' at'} ${stretch.stop.text}`
  const isPreempted = stretch.end === 'preempted'
  lines.push(isPreempted ? paint.bad(`  ${ENDS.preempted}${place}`) : paint.dim(`  ${ENDS[stretch.end]}${place}`))
  if (isPreempted) {
    for (const { number, text } of stretch.stop?.source?.lines ?? []) {
      const line = `    ${number === stretch.stop?.source?.line ? '>' : ' '} ${String(number).padStart(5)}  ${text}`
      lines.push(number === stretch.stop?.source?.line ? paint.bad(line) : paint.dim(line))
    }
    if (report.passing?.stretch === index) lines.push(`  ${report.passing.how}`)
  }
  return lines.map((line) => `${margin}${line}`)
}

export const reportText = (report: Report, paint: Paint = PLAIN): string => {
  const { failure, command, preemptions, threads, races, explanation, output, leftOut, leftOutAfter } = report
  const lines = [
    report.hasFailed ? paint.bad(`fails: ${failure}`) : paint.strong(failure),
    `  ${command.join(command.length > 1 && report.threads.some(({ host }) => host !== undefined) ? '; ' : ' ')}`,
    paint.dim(`  ${threads.length} task${threads.length === 1 ? '' : 's'}, ${preemptions} preemption${preemptions === 1 ? '' : 's'}; ${report.trace}, ${report.events} events, seed ${report.seed}`),
    '',
  ]
  for (const [i, stretch] of report.stretches.entries()) {
    if (leftOut > 0 && i === leftOutAfter) lines.push(paint.dim(`… ${leftOut} switches left out …`))
    lines.push(...stretchLines(report, stretch, i, paint))
  }
  if (explanation.length > 0) lines.push('', ...explanation)
  if (output !== '') lines.push('', paint.strong('output'), ...output.trimEnd().split('\n').slice(-10).map((line) => `  ${line}`))
  for (const race of races) lines.push('', ...race)
  return lines.join('\n')
}
