/** Which system calls sequences reach, and what they are answered. */
import { ERRNO_NAMES } from '../../kernel/abi/errno.ts'
import { FUZZED } from './calls.ts'
import type { FuzzProgram } from './program.ts'

const SAFE: ReadonlySet<string> = new Set(FUZZED.filter(({ isSafe }) => isSafe).map(({ name }) => name))

const ENDING: ReadonlySet<string> = new Set(['exit', 'exit_group', 'execve', 'execveat'])

interface Row {
  calls: number
  successes: number
  readonly errors: Map<string, number>
}

export class FuzzCoverage {
  readonly #rows = new Map<string, Row>()

  /** @param lines what the guest printed: '3.1 82 = -2' */
  add({ calls }: FuzzProgram, lines: readonly string[]): void {
    const answered = new Set<number>()
    for (const line of lines) {
      const [, index, answer] = /^(\d+)\.\d+ \d+ = (\S+)/.exec(line) ?? []
      if (index === undefined) continue
      const { name } = calls[Number(index)]
      answered.add(Number(index))
      const row = this.#row(name)
      row.calls++
      const errno = /^-(\d+)$/.exec(answer)?.[1]
      const error = answer === 'waits' || answer === 'left' ? answer : errno === undefined ? undefined : ERRNO_NAMES.get(Number(errno)) ?? errno
      if (error === undefined) row.successes++
      else row.errors.set(error, (row.errors.get(error) ?? 0) + 1)
    }
    // What a process did last without an answer ended it.
    for (const process of new Set(calls.map((call) => call.process))) {
      const last = calls.findIndex((call, i) => call.process === process && !answered.has(i))
      if (last < 0 || !ENDING.has(calls[last].name)) continue
      const row = this.#row(calls[last].name)
      row.calls++
      row.successes++
    }
  }

  #row(name: string): Row {
    let row = this.#rows.get(name)
    if (row === undefined) this.#rows.set(name, row = { calls: 0, successes: 0, errors: new Map() })
    return row
  }

  /** Of those that may be made natively: call, calls made, successes, errors. */
  lines(): string[] {
    return [...SAFE].map((name) => {
      const { calls, successes, errors } = this.#rows.get(name) ?? { calls: 0, successes: 0, errors: new Map<string, number>() }
      const seen = [...errors].sort((a, b) => b[1] - a[1]).map(([error, count]) => `${error} ${count}`)
      return `${name.padEnd(24)} ${String(calls).padStart(8)} ${String(successes).padStart(8)}  ${seen.join(', ')}`
    })
  }

  /** Names of those that were never made, or never with success. */
  get unreached(): string[] { return [...SAFE].filter((name) => (this.#rows.get(name)?.successes ?? 0) === 0) }
}
