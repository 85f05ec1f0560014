/** What is held against a sequence of system calls: Retrograde itself, Linux, or a property of the user's. */
import { ERRNO_NAMES } from '../../kernel/abi/errno.ts'
import type { FuzzProgram } from './program.ts'
import type { FuzzOutcome } from './run.ts'
import { callText } from './source.ts'

/** What a property of a user's is given. */
export interface FuzzResultForProperty extends FuzzOutcome {
  readonly program: FuzzProgram
}
/** Throws or answers false if it does not hold; for `retrograde fuzz --oracle FILE.ts`, which takes the file's default export. */
export type FuzzPropertyFunction = (result: FuzzResultForProperty) => boolean | undefined

/** '3.1 82 = -2 …' as 'ENOENT …'. */
const answerOf = (line: string | undefined): string => {
  if (line === undefined) return 'nothing'
  const text = line.replace(/^\S+ \S+ = /, '')
  return text.replace(/^-(\d+)/, (_all, errno: string) => ERRNO_NAMES.get(Number(errno)) ?? `-${errno}`)
}

/** In what the answers differ from Linux's; undefined if they don't. */
export const disagreement = (program: FuzzProgram, here: readonly string[], linux: readonly string[]): string | undefined => {
  const at = linux.findIndex((line, i) => line !== here[i])
  if (at < 0) return here.length > linux.length ? `here, there is more: ${here[linux.length]}` : undefined
  const number = /^(\d+)\./.exec(linux[at])?.[1]
  if (number === undefined) return `on Linux '${linux[at]}', here '${here[at] ?? 'nothing'}'`
  return `call ${number}, ${callText(program.calls[Number(number)])}: Linux answers ${answerOf(linux[at])}, Retrograde ${answerOf(here[at])}`
}
