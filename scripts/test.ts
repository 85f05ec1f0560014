/**
 * npm test: lint, type check, then ava, and a closing line `N passed, N failed, N skipped` for CI.
 * Arguments are passed to ava: npm test -- test/emu/flags.test.ts
 */
import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import chalk from 'chalk'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = (name: string): string => join(root, 'node_modules', '.bin', name)
const args = process.argv.slice(2)

let passed = 0
let failed = 0
const skipped: string[] = []
const failures: string[] = []

const check = (title: string, command: string, parameters: readonly string[]): void => {
  const result = spawnSync(bin(command), parameters, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (result.status === 0) {
    passed++
    console.log(`${chalk.green('✔')} ${title}`)
  } else {
    failed++
    failures.push(title)
    console.log(`${chalk.red('✘')} ${title}`)
  }
}

if (args.length === 0) {
  check('lint: layers, nondeterminism, style', 'eslint', ['--max-warnings', '0', 'src', 'test', 'scripts', 'bench', 'bin'])
  check('types', 'tsc', ['--noEmit', '-p', '.'])
}

// TAP is what ava gives to machines; we show it as lines for people.
const ava = spawn(process.execPath, [join(root, 'node_modules', 'ava', 'entrypoints', 'cli.mjs'), '--tap', ...args],
  { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
let detail = false
for await (const line of createInterface({ input: ava.stdout })) {
  const result = /^(not )?ok \d+ - (.*?)(?: # (SKIP|TODO).*)?$/.exec(line)
  if (result === null) {
    // Diagnostics of a failure, and what tests log.
    if (/^\s*#? {4,}\*? ?/.test(line) && line.trim() !== '') { if (detail) console.log(line) }
    else if (detail && /^ {2}/.test(line)) console.log(line)
    continue
  }
  const [, not, title, directive] = result
  detail = false
  if (directive !== undefined) {
    skipped.push(title)
    console.log(`${chalk.yellow('-')} ${title} (skipped)`)
  } else if (not !== undefined) {
    failed++
    failures.push(title)
    detail = true
    console.log(`${chalk.red('✘')} ${title}`)
  } else {
    passed++
    console.log(`${chalk.green('✔')} ${title}`)
  }
}
const status = await new Promise<number>((resolve) => {
  if (ava.exitCode !== null) resolve(ava.exitCode)
  else ava.on('close', (code) => { resolve(code ?? 1) })
})
if (status !== 0 && failed === 0) {
  failed++
  failures.push(`ava ended with status ${status}`)
}
if (skipped.length > 0) console.log(`\nskipped:\n${skipped.map((title) => `  ${title}`).join('\n')}`)
if (failures.length > 0) console.log(`\nfailed:\n${failures.map((title) => `  ${title}`).join('\n')}`)
console.log(`${passed} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`)
process.exit(failed > 0 ? 1 : 0)
