/** Debian's busybox-static, which nobody here wrote: run, recorded, and replayed both ways, beside the native run. */
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { execute, inDirectory, isInstalled, retrograde } from '../support/cli.ts'
import { COMMANDS } from './busybox-commands.ts'

const BUSYBOX = '/bin/busybox'
const LINES = ['the quick brown fox', 'jumps over the lazy dog', 'abcdcd abab', 'this line has a needle? no', 'then another', '',
  'alpha beta gamma', 'delta epsilon', 'zeta eta theta', 'iota kappa lambda mu', 'nu xi omicron', 'pi rho sigma tau', 'upsilon phi chi']

/** The same files for each run, with a fixed time that is long past. */
const makeFiles = (directory: string): void => {
  const write = (name: string, content: string): void => { writeFileSync(join(directory, name), content) }
  mkdirSync(join(directory, 'dir/deep'), { recursive: true })
  mkdirSync(join(directory, 'empty'))
  write('words.txt', `${LINES.join('\n')}\n`)
  write('numbers.txt', `${Array.from({ length: 200 }, (_, i) => ((i * 7919) % 1009 - 300) / 8).join('\n')}\n`)
  write('big.txt', `${Array.from({ length: 4000 }, (_, i) => `${i} ${LINES[i % LINES.length]} ${i * i}`).join('\n')}\n`)
  write('dir/deep/needle.txt', 'a needle in here\n')
  write('dir/data.bin', 'x'.repeat(3000))
  symlinkSync('words.txt', join(directory, 'link'))
  for (const name of ['words.txt', 'numbers.txt', 'big.txt', 'dir/deep/needle.txt', 'dir/data.bin', 'dir/deep', 'dir', 'empty', '.']) {
    utimesSync(join(directory, name), 1_500_000_000, 1_500_000_000)
  }
}

/** busybox's shell runs its own applets. */
const commandLine = (script: string): string[] => [BUSYBOX, 'sh', '-c', script]

for (const [title, script] of COMMANDS) {
  const run = isInstalled(BUSYBOX) ? test : test.skip
  run(`busybox: ${title}`, (t) => {
    const native = inDirectory((directory) => {
      makeFiles(directory)
      return execute(commandLine(script), { cwd: directory })
    })
    inDirectory((directory) => {
      makeFiles(directory)
      const trace = join(directory, '..', `${directory.split('/').at(-1) ?? ''}.rgt`)
      const recorded = retrograde(['record', '-q', '-o', trace, '--', ...commandLine(script)], { cwd: directory })
      t.deepEqual({ ...recorded, stderr: recorded.stderr }, native, 'as native')
      for (const mode of [[], ['--from-seed']]) {
        const replayed = retrograde(['replay', ...mode, trace], { cwd: '/' })
        t.is(replayed.stdout, native.stdout, `output of replay ${mode.join('')}`)
        t.is(replayed.status, native.status)
        t.regex(replayed.stderr, /state hash [0-9a-f]+ equal/)
      }
      execute(['rm', '-f', trace])
    })
  })
}
