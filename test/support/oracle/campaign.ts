/** Runs generated cases on both sides, row by row, and shrinks what disagrees. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { differences, flagsText, notComparable, ripOf } from './compare.ts'
import { Emulator } from './emulator.ts'
import { type Built, ROWS, type Recipe, build, recipes } from './generate.ts'
import { REGISTER_NAMES, ZERO } from '../../../src/emu/cpu/layout.ts'
import { DECODE_OK, Decoder } from '../../../src/emu/decode/decoder.ts'
import { formName } from '../../../src/emu/interp/forms.ts'
import { type Case, type Result, STATE_FX, STATE_RFLAGS, STATE_UPPER, FX_MXCSR } from './machine.ts'
import { NativeOracle, isOnHost } from './native.ts'
import { EAGER_TIER } from '../../../src/emu/jit/jit.ts'

/** Budgets of `run` that cases take turns with: how the work is cut up must not show. */
const CHUNKS = [300_000, 1, 3, 300_000, 2, 7]
/** For tier 1, which does nothing with too few. */
const TIER1_CHUNKS = [300_000, 64, 300_000, 23]

/** Time for making a mismatch smaller. */
const SHRINK_MS = 4000

export interface Mismatch {
  readonly row: number
  readonly seed: number
  /** Index of the case among those of its row and seed: with these three it is found again. */
  readonly path: number
  readonly report: string
}

export interface Coverage {
  /** Cases that were compared, by row. */
  readonly compared: number[]
  /** Of these, those that did not fault in their first instruction. */
  readonly completed: number[]
  /** Forms that the first instructions were of (src/emu/interp/forms.ts). */
  readonly forms: Set<string>
  readonly skipped: Map<string, number>
  /** Names of what the host's processor does not have. */
  readonly lacking: Set<string>
}

export class Campaign {
  readonly oracle: NativeOracle
  /** Every so many cases is executed by tier 1, as far as that can be, instead of tier 0: compiling takes its time. */
  readonly #tier1Every: number
  readonly #tier0 = new Emulator()
  readonly #tier1 = new Emulator(undefined, EAGER_TIER)
  readonly coverage: Coverage = { compared: ROWS.map(() => 0), completed: ROWS.map(() => 0), forms: new Set(), skipped: new Map(), lacking: new Set() }
  readonly #decoder = new Decoder()
  #turn = 0

  private constructor(oracle: NativeOracle, tier1Every: number) {
    this.oracle = oracle
    this.#tier1Every = tier1Every
  }

  static async start(tier1Every = 5): Promise<Campaign> { return new Campaign(await NativeOracle.start(), tier1Every) }
  async stop(): Promise<void> { await this.oracle.stop() }

  #isTier1(turn: number): boolean { return turn % this.#tier1Every === this.#tier1Every - 1 }

  #chunk(turn: number): number {
    return this.#isTier1(turn) ? TIER1_CHUNKS[Math.floor(turn / this.#tier1Every) % TIER1_CHUNKS.length] : CHUNKS[turn % CHUNKS.length]
  }

  #ours(test: Case, turn: number): Result { return (this.#isTier1(turn) ? this.#tier1 : this.#tier0).run(test, this.#chunk(turn)) }

  /** `count` cases that begin with the row; undefined if all agree. */
  async row(row: number, seed: number, count: number, agreed?: (test: Built, result: Result) => void,
    change: (recipe: Recipe) => Recipe = (recipe) => recipe): Promise<Mismatch | undefined> {
    if (!isOnHost(ROWS[row])) {
      this.coverage.lacking.add(ROWS[row].name)
      return undefined
    }
    const arbitrary = recipes(row)
    const tests = fc.sample(arbitrary, { seed, numRuns: count }).map((recipe) => build(change(recipe))).filter((test) => this.#isSafe(test))
    const results = await this.oracle.run(tests)
    for (let i = 0; i < tests.length; i++) {
      const turn = this.#turn++
      let found: string[]
      try {
        const ours = this.#ours(tests[i], turn)
        const reason = notComparable(tests[i], results[i], ours)
        if (reason !== undefined) {
          this.coverage.skipped.set(reason, (this.coverage.skipped.get(reason) ?? 0) + 1)
          continue
        }
        found = differences(tests[i], results[i], ours)
      } catch (error) {
        found = [(error as Error).message]
      }
      this.coverage.compared[row]++
      this.#countForm(tests[i].code)
      if (found.length === 0) {
        if (ripOf(results[i]) !== tests[i].start) this.coverage.completed[row]++
        agreed?.(tests[i], results[i])
        continue
      }
      return { row, seed, path: i, report: await this.#shrink(row, seed, i, turn) }
    }
    return undefined
  }

  #countForm(code: Uint8Array): void {
    if (this.#decoder.decode(code, 0, code.length, 0) !== DECODE_OK) return
    const { row, operands, operandCount, index } = this.#decoder.instruction
    this.coverage.forms.add(formName(row.name, operands.slice(0, operandCount).map(({ kind, size }) =>
      ({ kind: kind === 'm' && index !== ZERO ? 'n' : kind, size }))))
  }

  #isSafe(test: Case): boolean { return this.oracle.catchesSyscalls || !/0f05|cd80|0f34/.test(Buffer.from(test.patches[test.patches.length - 1].bytes).toString('hex')) }

  async #differ(recipe: Recipe, turn: number): Promise<string[]> {
    const test = build(recipe)
    if (!this.#isSafe(test)) return []
    const [oracle] = await this.oracle.run([test])
    try {
      const ours = this.#ours(test, turn)
      return notComparable(test, oracle, ours) === undefined ? differences(test, oracle, ours) : []
    } catch (error) {
      return [(error as Error).message]
    }
  }

  async #shrink(row: number, seed: number, path: number, turn: number): Promise<string> {
    // fast-check's own time limit would leave a run of the oracle behind that is still under way.
    const deadline = performance.now() + SHRINK_MS
    const property = fc.asyncProperty(recipes(row), async (recipe) => performance.now() > deadline || (await this.#differ(recipe, turn)).length === 0)
    const details = await fc.check(property, { seed, path: String(path), numRuns: 1 })
    const smallest = (details.counterexample?.[0] ?? fc.sample(recipes(row), { seed, numRuns: path + 1 })[path])
    const test = build(smallest)
    const found = await this.#differ(smallest, turn)
    return describe(test, found, `row ${row} ('${ROWS[row].text}' ${ROWS[row].name}), seed ${seed}, path ${path}, tier ${this.#isTier1(turn) ? 1 : 0}, budget ${this.#chunk(turn)}`)
  }
}

/** A case and what differs, for people. */
export const describe = (test: Built, found: readonly string[], title: string): string => {
  const view = new DataView(test.state.buffer)
  const lines = [`${title}`, ...disassemble(test.code, test.start)]
  const registers = REGISTER_NAMES.map((name, i) => `${name}=${view.getBigUint64(i * 8, true).toString(16)}`).filter((text) => !text.endsWith('=0'))
  lines.push(`  ${registers.join(' ')}`, `  flags ${flagsText(view.getUint32(STATE_RFLAGS, true))}; mxcsr ${view.getUint32(STATE_FX + FX_MXCSR, true).toString(16)}`)
  lines.push(`  fx ${Buffer.from(test.state.subarray(STATE_FX, STATE_FX + 416)).toString('hex').replace(/(00)+$/, '')}`)
  lines.push(`  upper ${Buffer.from(test.state.subarray(STATE_UPPER)).toString('hex').replace(/(00)+$/, '')}`)
  for (const patch of test.patches.slice(0, -1)) lines.push(`  [${patch.address.toString(16)}] ${Buffer.from(patch.bytes).toString('hex')}`)
  lines.push(...found.map((text) => `  → ${text}`))
  return lines.join('\n')
}

/** Hex, and what objdump makes of it where there is one. */
export const disassemble = (code: Uint8Array, start: number): string[] => {
  const hex = Buffer.from(code).toString('hex')
  const folder = mkdtempSync(join(tmpdir(), 'retrograde-'))
  try {
    writeFileSync(join(folder, 'code'), code)
    const text = execFileSync('objdump', ['-D', '-b', 'binary', '-m', 'i386:x86-64', '-M', 'intel', `--adjust-vma=${start}`, join(folder, 'code')],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return [`  ${hex}`, ...text.split('\n').filter((line) => /^\s*[0-9a-f]+:\t/.test(line)).map((line) => `  ${line.trim()}`)]
  } catch {
    return [`  ${hex}`]
  } finally {
    rmSync(folder, { recursive: true })
  }
}
