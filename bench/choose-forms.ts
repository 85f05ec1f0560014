/**
 * Writes src/emu/interp/hot-forms.ts: the forms and pairs that deserve a case in `run`, from profiles (bench/profile.ts).
 *
 *   node bench/choose-forms.ts profile.json …      after a build: what forms do with flags is in dist/tier0.json
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadEngine } from '../src/cli/host.ts'
import { Improver } from '../src/emu/interp/improve.ts'
import { NO_FLAGS, PAIR, type Tier0Manifest } from '../src/emu/interp/manifest.ts'
import { RECORD_SIZE } from '../src/emu/interp/records.ts'

/** Compiling `run` takes V8 time and memory that grow faster than its cases: see docs/performance.md. */
const FORMS = 285, PAIRS = Number(process.env.PAIRS ?? 200)
/** Whatever the profiles say: all that compiled code is made of. */
const ALWAYS = ['@block', '@goto', '@linked', 'ret', 'call j8', 'jmp j8', ...['r8', 'm8', 'n8'].flatMap((operand) => [`call_indirect ${operand}`, `jmp_indirect ${operand}`]),
  ...Array.from({ length: 16 }, (_, i) => `j_${i} j8`),
  ...['add', 'sub', 'mul', 'div'].flatMap((name) => ['x8 x8', 'x8 m8', 'x8 n8'].map((operands) => `${name}sd ${operands}`)),
  ...['add', 'sub', 'mul'].flatMap((name) => ['x4 x4', 'x4 m4', 'x4 n4'].map((operands) => `${name}ss ${operands}`)),
  'comisd x8 x8', 'ucomisd x8 x8', 'comiss x4 x4', 'ucomiss x4 x4', 'cvtsi2sd x8 r4', 'cvtsi2sd x8 r8', 'cvttsd2si r4 x8', 'cvttsd2si r8 x8', 'sqrtsd x8 x8',
  'movsd_vector x8 m8', 'movsd_vector x8 n8', 'movsd_vector m8 x8', 'movsd_vector n8 x8', 'movss x4 m4', 'movss x4 n4', 'movss m4 x4']

type Counts = Map<string, number>
const add = (counts: Counts, key: string, by: number): void => { counts.set(key, (counts.get(key) ?? 0) + by) }
const sorted = (counts: Counts): [string, number][] => [...counts].sort((a, b) => b[1] - a[1])

/** [forms, weight]: each program counts the same. */
const sequences = process.argv.slice(2).flatMap((file) => {
  const { total, sequences: list } = JSON.parse(readFileSync(file, 'utf8')) as { total: number, sequences: [string, number][] }
  return list.map(([names, count]): [string[], number] => [names.split(','), count / total])
})

const forms: Counts = new Map()
for (const [names, weight] of sequences) for (const name of names) add(forms, name, weight)
const hot = [...new Set([...ALWAYS, ...sorted(forms).map(([name]) => name)])].slice(0, FORMS)

// Then pairs, of the forms as the translator will have them: with those that were found, which of them are used?
const manifest = loadEngine().manifest
const withPairs = (pairs: readonly string[]): Tier0Manifest => {
  const known = new Set(manifest.handlers)
  const handlers = manifest.handlers.filter((name) => !name.includes(PAIR))
  return { ...manifest, handlers: [...handlers, ...pairs.filter((pair) => pair.split(PAIR).every((name) => known.has(name)))] }
}
const isCase = new Set(manifest.handlers.slice(0, manifest.flagUse.length))
const count = (pairs: readonly string[], adjacent: boolean): Counts => {
  const { handlers, flagUse } = withPairs(pairs)
  const improver = new Improver({ ...manifest, handlers, flagUse })
  const indices = new Map(handlers.map((name, index) => [name, index]))
  const counts: Counts = new Map()
  const words = new Uint32Array(64 * RECORD_SIZE / 4)
  for (const [names, weight] of sequences) {
    names.forEach((name, i) => { words[i * RECORD_SIZE / 4] = indices.get(name) ?? 0 })
    improver.improve(words, names.map((_, i) => i * RECORD_SIZE))
    const improved = names.map((_, i) => handlers[words[i * RECORD_SIZE / 4]])
    for (let i = 0; i < improved.length; i++) {
      if (adjacent) {
        if (i > 0 && isCase.has(improved[i - 1]) && isCase.has(improved[i])) add(counts, improved[i - 1] + PAIR + improved[i], weight)
      } else if (improved[i].includes(PAIR)) {
        add(counts, improved[i], weight)
        i++
      }
    }
  }
  return counts
}
let pairs = sorted(count([], true)).slice(0, PAIRS * 8).map(([name]) => name)
for (const size of [PAIRS * 4, PAIRS * 2, PAIRS]) pairs = sorted(count(pairs, false)).slice(0, size).map(([name]) => name)

const total = [...forms.values()].reduce((a, b) => a + b)
const share = (counts: Counts, names: readonly string[]): string => `${(names.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0) / total * 100).toFixed(1)} %`
console.log(`${hot.length} forms: ${share(forms, hot)} of the instructions; ${pairs.length} pairs: ${share(count(pairs, false), pairs)} of the turns saved; flags left out: ${NO_FLAGS}`)

const list = (names: readonly string[]): string => {
  const lines: string[] = []
  for (const name of names) {
    const word = `'${name}',`
    if (lines.length > 0 && (lines.at(-1) as string).length + word.length < 138) lines[lines.length - 1] += ` ${word}`
    else lines.push(`  ${word}`)
  }
  return `[\n${lines.join('\n')}\n]`
}
writeFileSync(join(import.meta.dirname, '../src/emu/interp/hot-forms.ts'), `/** What has a case of its own in \`run\`. Written by bench/choose-forms.ts, from what programs were seen to execute. */
export const HOT_FORMS: readonly string[] = ${list(hot)}

/** Two forms that follow each other and get a common case. */
export const HOT_PAIRS: readonly string[] = ${list(pairs)}
`)
