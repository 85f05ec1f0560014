/** Runs generated cases on both sides, row by row, and shrinks what disagrees. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { agree, differences, flagsText, notComparable, ripOf } from './compare.ts'
import { Emulator } from './emulator.ts'
import { type Built, ROWS, type Recipe, build, buildVariants, drawVariant, recipes } from './generate.ts'
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
  /** Index of the sequence among those of its row and seed, and of the state among those of the sequence: with these it is found again. */
  readonly path: number
  readonly variant: number
  readonly report: string
}

/** A case among others: the number of its sequence's turn says in which tier and by which budgets it is executed. */
interface Prepared {
  readonly row: number
  readonly seed: number
  readonly path: number
  readonly variant: number
  readonly turn: number
  readonly test: Built
}

/** Cases that the oracle is asked about at once. */
const BATCH = 450

export interface Coverage {
  /** Cases that were compared, by row. */
  readonly compared: number[]
  /** Of these, those that did not fault in their first instruction. */
  readonly completed: number[]
  /** Forms that the first instructions were of (src/emu/interp/forms.ts). */
  readonly forms: Set<string>
  readonly skipped: Map<string, number>
  /** Of those compared, how many had tier 1; how many sequences they are of. */
  byTier1: number
  sequences: number
  /** Names of what the host's processor does not have. */
  readonly lacking: Set<string>
}

export class Campaign {
  readonly oracle: NativeOracle
  /** Every so many cases is executed by tier 1, as far as that can be, instead of tier 0: compiling takes its time. */
  readonly #tier1Every: number
  readonly #tier0 = new Emulator()
  readonly #tier1 = new Emulator(undefined, EAGER_TIER)
  readonly coverage: Coverage = { compared: ROWS.map(() => 0), completed: ROWS.map(() => 0), forms: new Set(), skipped: new Map(), byTier1: 0, sequences: 0, lacking: new Set() }
  readonly #decoder = new Decoder()
  #turn = 0

  private constructor(oracle: NativeOracle, tier1Every: number) {
    this.oracle = oracle
    this.#tier1Every = tier1Every
  }

  static async start(tier1Every = 5): Promise<Campaign> { return new Campaign(await NativeOracle.start(), tier1Every) }
  async stop(): Promise<void> { await this.oracle.stop() }

  #isTier1(turn: number): boolean { return turn % this.#tier1Every === this.#tier1Every - 1 }

  #chunk(turn: number, variant: number): number {
    return this.#isTier1(turn) ? TIER1_CHUNKS[(Math.floor(turn / this.#tier1Every) + variant) % TIER1_CHUNKS.length] : CHUNKS[(turn + variant) % CHUNKS.length]
  }

  #ours(test: Built, turn: number, variant: number): Result { return (this.#isTier1(turn) ? this.#tier1 : this.#tier0).run(test, this.#chunk(turn, variant)) }

  /** `count` cases that begin with the row; undefined if all agree, else the first that doesn't. */
  async row(row: number, seed: number, count: number, agreed?: (test: Built, result: Result) => void,
    change: (recipe: Recipe) => Recipe = (recipe) => recipe): Promise<Mismatch | undefined> {
    const batch = this.#prepare(row, seed, count, 1, change)
    const [found] = this.#compare(batch, await this.oracle.run(batch.map(({ test }) => test)), agreed)
    return found === undefined ? undefined : { ...found, report: await this.#shrink(found) }
  }

  /**
   * `count` sequences that begin with each of the rows, each with some states. The oracle has its turn at a batch while we have ours at the one before.
   * Of each row that disagrees one case is reported, if `isNew` says so.
   */
  async rows(rows: readonly number[], seedOf: (row: number) => number, count: number, variants: number, isNew: (row: number) => boolean): Promise<{ mismatches: Mismatch[], differing: number }> {
    const differing: Prepared[] = []
    let before: { batch: Prepared[], results: Result[] } | undefined
    const compare = (): void => { if (before !== undefined) differing.push(...this.#compare(before.batch, before.results)) }
    for (let next = 0; next < rows.length;) {
      const batch: Prepared[] = []
      while (next < rows.length && batch.length < BATCH) batch.push(...this.#prepare(rows[next], seedOf(rows[next++]), count, variants))
      const answers = this.oracle.run(batch.map(({ test }) => test))
      compare()
      before = { batch, results: await answers }
    }
    compare()
    const mismatches: Mismatch[] = []
    for (const found of differing) {
      if (!isNew(found.row) || mismatches.some(({ row }) => row === found.row)) continue
      mismatches.push({ ...found, report: await this.#shrink(found) })
    }
    return { mismatches, differing: differing.length }
  }

  #prepare(row: number, seed: number, count: number, variants: number, change?: (recipe: Recipe) => Recipe): Prepared[] {
    const prepared: Prepared[] = []
    if (!isOnHost(ROWS[row])) {
      this.coverage.lacking.add(ROWS[row].name)
      return prepared
    }
    for (let path = 0; path < count; path++) {
      const turn = this.#turn++
      const cases = change === undefined ? buildVariants(row, seed, path, variants) : [build(change(drawVariant(row, seed, path, 0)))]
      if (this.#isSafe(cases[0])) cases.forEach((test, variant) => { prepared.push({ row, seed, path, variant, turn, test }) })
    }
    return prepared
  }

  #compare(batch: readonly Prepared[], results: readonly Result[], agreed?: (test: Built, result: Result) => void): Prepared[] {
    const differing: Prepared[] = []
    for (let i = 0; i < batch.length; i++) {
      const { row, variant, turn, test } = batch[i]
      let isSame = false
      try {
        const ours = this.#ours(test, turn, variant)
        isSame = agree(results[i], ours)
        if (!isSame) {
          const reason = notComparable(test, results[i], ours)
          if (reason !== undefined) {
            this.coverage.skipped.set(reason, (this.coverage.skipped.get(reason) ?? 0) + 1)
            continue
          }
          isSame = differences(test, results[i], ours).length === 0
        }
      } catch {
        // What was thrown is reported when the case is made smaller.
      }
      this.coverage.compared[row]++
      if (this.#isTier1(turn)) this.coverage.byTier1++
      if (variant === 0) {
        this.coverage.sequences++
        this.#countForm(test.code)
      }
      if (!isSame) {
        differing.push(batch[i])
        continue
      }
      if (ripOf(results[i]) !== test.start) this.coverage.completed[row]++
      agreed?.(test, results[i])
    }
    return differing
  }

  #countForm(code: Uint8Array): void {
    if (this.#decoder.decode(code, 0, code.length, 0) !== DECODE_OK) return
    const { row, operands, operandCount, index } = this.#decoder.instruction
    this.coverage.forms.add(formName(row.name, operands.slice(0, operandCount).map(({ kind, size }) =>
      ({ kind: kind === 'm' && index !== ZERO ? 'n' : kind, size }))))
  }

  #isSafe(test: Case): boolean { return this.oracle.catchesSyscalls || !/0f05|cd80|0f34/.test(Buffer.from(test.patches[test.patches.length - 1].bytes).toString('hex')) }

  /** What differs when the case is executed, or executed again. */
  async #differ(test: Built, { turn, variant }: Prepared): Promise<string[]> {
    if (!this.#isSafe(test)) return []
    const [oracle] = await this.oracle.run([test])
    for (let round = 0; round < 2; round++) {
      try {
        const ours = this.#ours(test, turn, variant)
        if (agree(oracle, ours)) continue
        const found = notComparable(test, oracle, ours) === undefined ? differences(test, oracle, ours) : []
        if (found.length > 0) return found
      } catch (error) {
        return [(error as Error).message]
      }
    }
    return []
  }

  async #shrink(prepared: Prepared): Promise<string> {
    const { row, seed, path, variant, turn } = prepared
    // fast-check's own time limit would leave a run of the oracle behind that is still under way.
    const deadline = performance.now() + SHRINK_MS
    const property = fc.asyncProperty(recipes(row), async (recipe) => performance.now() > deadline || (await this.#differ(build(recipe), prepared)).length === 0)
    const details = await fc.check(property, { seed, examples: [[drawVariant(row, seed, path, variant)]], numRuns: 1 })
    const smallest = details.counterexample?.[0]
    const test = smallest === undefined ? prepared.test : build(smallest)
    const found = await this.#differ(test, prepared)
    return describe(test, found.length === 0 ? ['alone it does not differ: what was executed before has a part in it'] : found,
      `row ${row} ('${ROWS[row].text}' ${ROWS[row].name}), seed ${seed}, path ${path}.${variant}, tier ${this.#isTier1(turn) ? 1 : 0}, budget ${this.#chunk(turn, variant)}`)
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
