/** --tier and --stats: how code is executed, and what that came to. */
import { type Command, InvalidArgumentError } from 'commander'
import { tierOptions } from '../emu/jit/jit.ts'
import type { ProcessorStatistics } from '../emu/statistics.ts'
import { millions } from './drive.ts'

const tier = (text: string): string => {
  try {
    tierOptions(text)
    return text
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

export const withEngineOptions = (command: Command): Command => command
  .option('--tier <0|1|mixed>', 'interpret (0), compile whatever can be (1), or what is hot (mixed, the default); what happens is the same', tier)
  .option('--stats', 'say at the end what the processor did and how long it took', false)

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
const percent = (part: number, whole: number): string => `${(whole === 0 ? 0 : part / whole * 100).toFixed(1)} %`
const perSecond = (instructions: number, ms: number): string => ms === 0 ? '' : `${Math.round(instructions / ms / 1000).toLocaleString('en')} M/s`

/** @param ms of the whole session: what the processor did not take is the kernel's, recording's, or waiting */
export const statisticsLines = (statistics: ProcessorStatistics, ms: number): string[] => {
  const { instructions, tier0, tier1, tlbMisses, lookups, translatedInstructions, compilation } = statistics
  const rows: [string, ...string[]][] = [['', 'time', 'share', '', '']]
  const row = (name: string, time: number, count: string, rate: string): void => { rows.push([name, seconds(time), percent(time, ms), count, rate]) }
  const tierCount = (part: number): string => `${millions(part)} instructions, ${percent(part, instructions)}`
  row('tier 0 (estimated)', tier0.ms, tierCount(tier0.instructions), perSecond(tier0.instructions, tier0.ms))
  row('tier 1 (estimated)', tier1.ms, tierCount(tier1.instructions), perSecond(tier1.instructions, tier1.ms))
  row('TLB misses', tlbMisses.ms, millions(tlbMisses.count), '')
  row('look-ups, translation', lookups.ms, `${millions(lookups.count)}, ${millions(translatedInstructions)} instructions`, '')
  if (compilation !== undefined) {
    const { regions, modules, bytes } = compilation
    row('compilation', compilation.ms, `${regions} regions of ${millions(compilation.instructions)} instructions, ${modules} modules of ${millions(bytes)} bytes`, '')
  }
  row('kernel and the rest', ms - statistics.ms, '', '')
  row('all', ms, `${millions(instructions)} instructions`, perSecond(instructions, ms))
  const widths = rows[0].map((_, column) => Math.max(...rows.map((each) => each[column].length)))
  const lines = rows.map((each) => each.map((text, column) => column === 0 || column === 3 ? text.padEnd(widths[column]) : text.padStart(widths[column])).join('  ').trimEnd())
  if (compilation !== undefined) {
    const { entries, chains, exits } = compilation
    const reasons = Object.entries(exits).filter(([, count]) => count > 0).map(([reason, count]) => `${reason} ${millions(count)}`)
    lines.push(`regions entered from tier 0 ${millions(entries)} times, left for other code ${millions(chains)} times; left within: ${reasons.join(', ') || 'never'}`)
  }
  return lines
}

export const printStatistics = (statistics: ProcessorStatistics, ms: number): void => {
  process.stderr.write(`retrograde: what the processor did\n${statisticsLines(statistics, ms).map((line) => `  ${line}\n`).join('')}`)
}
