/** Names, lines and callers against binutils and gdb, of programs as compilers make them. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unzstd, unzlib } from './symbols-support.ts'
import test from 'ava'
import type { Kernel } from '../../src/kernel/kernel.ts'
import type { Task } from '../../src/kernel/task/task.ts'
import { startRun } from '../../src/replay/run.ts'
import { runToEnd } from '../../src/replay/session.ts'
import { backtrace, type CodeLocation, locationText } from '../../src/replay/symbols.ts'
import { ElfFile } from '../../src/replay/symbols/elf-file.ts'
import { InlineTable } from '../../src/replay/symbols/inlines.ts'
import { LineTable } from '../../src/replay/symbols/line-table.ts'
import { failing } from './shrink-support.ts'
import { hostOf, MemoryConsole, replay, root, type Tree, worldOf } from './support.ts'

const has = (tool: string): boolean => spawnSync(tool, ['--version']).status === 0
const hasTools = has('gcc') && has('addr2line')
const scratch = mkdtempSync(join(tmpdir(), 'symbols-'))
test.after.always(() => { rmSync(scratch, { recursive: true, force: true }) })

const build = (name: string, compiler: string, flags: readonly string[]): string => {
  const directory = join(scratch, name)
  mkdirSync(directory, { recursive: true })
  const output = join(directory, 'crash')
  execFileSync(compiler, [...flags, '-g', '-o', output, join(root, 'guests/src/crash.c')], { stdio: 'pipe' })
  return output
}

/** The program and what it needs of the host's dynamic linking. */
const treeOf = (program: string): Tree => {
  const tree: Record<string, Uint8Array> = { 'bin/crash': readFileSync(program) }
  for (const path of ['/lib64/ld-linux-x86-64.so.2', '/lib/x86_64-linux-gnu/libc.so.6', '/lib/ld-musl-x86_64.so.1']) {
    if (existsSync(path)) tree[path.slice(1)] = readFileSync(path)
  }
  return tree
}

const crash = (program: string, args: readonly string[] = []): CodeLocation[] => {
  let frames: CodeLocation[] = []
  let world = (): Kernel | undefined => undefined
  const session = startRun({
    world: worldOf('crash', { argv: ['crash', ...args], cpus: 1 }), host: hostOf(treeOf(program), new MemoryConsole()), onEvent: (event) => {
      const kernel = world()
      if (event.type !== 'signal' || event.action !== 'core' || kernel === undefined) return
      frames = backtrace(kernel, kernel.state.tasks.get(event.tid) as Task)
    },
  })
  world = () => session.kernel
  runToEnd(session)
  return frames
}

const CALLS = ['fall', 'dive', 'dive', 'dive', 'compare']
const VARIANTS: readonly (readonly [name: string, compiler: string, flags: readonly string[]])[] = [
  ['glibc-O0', 'gcc', ['-O0']], ['glibc-pie-O2', 'gcc', ['-O2', '-pie', '-fno-inline']], ['glibc-static-O1-dwarf4', 'gcc', ['-O1', '-static', '-gdwarf-4', '-fno-omit-frame-pointer']],
  ['musl-static-O2', 'musl-gcc', ['-O2', '-static']], ['musl-O1', 'musl-gcc', ['-O1']],
]

for (const [name, compiler, flags] of VARIANTS) {
  const run = hasTools && has(compiler) ? test : test.skip
  run(`a crash's callers: ${name}`, (t) => {
    const program = build(name, compiler, flags)
    for (const args of [[], ['signal']]) {
      const frames = crash(program, args)
      const names = frames.map((frame) => frame.function)
      const text = frames.map(locationText).join('\n')
      t.deepEqual(names.slice(0, 5), CALLS, text)
      t.true(names.includes('sort') && names.includes('main'), text)
      t.is(names.includes('handle'), args.length > 0, text)
      t.regex(locationText(frames[0]), /^fall(\+0x[0-9a-f]+)? \(crash\.c:11\)$/)
      // What belongs to the program is as addr2line has it; a return address belongs to the call before.
      for (const [i, { module, offset = 0, file, line }] of frames.entries()) {
        if (module !== '/bin/crash' || file === undefined) continue
        const expected = execFileSync('addr2line', ['-e', program, (i === 0 ? offset : offset - 1).toString(16)], { encoding: 'utf8' }).trim().replace(/ \(discriminator \d+\)/, '')
        t.is(`${file}:${line}`.split('/').at(-1), expected.split('/').at(-1), text)
      }
    }
  })
}

const isWhole = hasTools ? test : test.skip
isWhole('every address of a program has the line that addr2line gives it', (t) => {
  for (const [name, flags] of [['v5', ['-O2', '-gdwarf-5']], ['v4', ['-O2', '-gdwarf-4']], ['zlib', ['-O1', '-gz=zlib']]] as const) {
    const program = build(`lines-${name}`, 'gcc', [...flags])
    const elf = new ElfFile(readFileSync(program), (format, bytes, size) => format === 'zlib' ? unzlib(bytes) : unzstd(bytes, size))
    const lines = new LineTable(elf)
    const addresses = elf.functions.filter(({ name: symbol }) => /^(fall|dive|compare|sort|handle|main)/.test(symbol))
      .flatMap(({ address, size }) => Array.from({ length: size }, (_, i) => address + i))
    t.true(addresses.length > 150)
    const expected = execFileSync('addr2line', ['-e', program, ...addresses.map((address) => address.toString(16))], { encoding: 'utf8' }).trim().split('\n')
    const actual = addresses.map((address) => {
      const found = lines.lineAt(address)
      return `${found?.file.split('/').at(-1)}:${found?.line}`
    })
    t.deepEqual(actual, expected.map((line) => line.replace(/ \(discriminator \d+\)/, '').split('/').at(-1)), name)
  }
})

isWhole('functions that were inlined, and where they were called, as addr2line has them', (t) => {
  for (const version of ['-gdwarf-5', '-gdwarf-4']) {
    const program = join(scratch, `inlines${version}`)
    execFileSync('gcc', ['-O2', version, '-pthread', '-o', program, join(root, 'guests/src/bugs/bounded-buffer.c')], { stdio: 'pipe' })
    const elf = new ElfFile(readFileSync(program), undefined)
    const lines = new LineTable(elf)
    const inlines = new InlineTable(elf, lines)
    const addresses = elf.functions.filter(({ address }) => lines.lineAt(address) !== undefined)
      .flatMap(({ address, size }) => Array.from({ length: Math.floor(size / 2) }, (_, i) => address + 2 * i))
    const short = (file: string | undefined, line: number | undefined): string => `${file?.split('/').at(-1)}:${line}`
    const actual = addresses.map((address) => {
      const at = lines.lineAt(address)
      const frames: string[] = []
      let [file, line] = [at?.file, at?.line]
      for (const call of inlines.at(address)) {
        frames.push(`${call.function} ${short(file, line)}`)
        ;[file, line] = [call.callFile, call.callLine]
      }
      return [...frames, short(file, line)].join(' < ')
    })
    const answers = execFileSync('addr2line', ['-a', '-i', '-f', '-e', program, ...addresses.map((address) => address.toString(16))], { encoding: 'utf8' }).trim().split(/^0x.*\n/m).slice(1)
    const expected = answers.map((answer) => {
      const parts = answer.trim().replace(/ \(discriminator \d+\)/g, '').split('\n')
      const pairs = Array.from({ length: parts.length / 2 }, (_, i) => [parts[2 * i], parts[2 * i + 1].split('/').at(-1)])
      // The outermost function's name is that of the symbol.
      return pairs.map(([name, place], i) => i === pairs.length - 1 ? place : `${name} ${place}`).join(' < ')
    })
    t.true(actual.filter((text) => text.includes(' < ')).length > 20, version)
    // binutils 2.40 takes some files of DWARF 5 for their neighbours with -i, and is right without.
    const plain = (texts: readonly string[]): string[] => version === '-gdwarf-4' ? [...texts] : texts.map((text) => text.replace(/[\w.-]+:(\d+)/g, '$1'))
    t.deepEqual(plain(actual), plain(expected), version)
  }
})

isWhole('a deadlock of glibc\'s mutexes: owners, the cycle, and lines', (t) => {
  const program = join(scratch, 'deadlock')
  execFileSync('gcc', ['-O1', '-g', '-pthread', '-o', program, join(root, 'guests/src/bugs/deadlock.c')], { stdio: 'pipe' })
  const { result } = replay(failing('crash', 1, 'glibc', 'pct', treeOf(program)), 'drive')
  const text = result.explanation.join('\n')
  t.is(result.outcome, 'deadlock')
  t.regex(text, /task 101 \(crash, thread of 100\): waits for mutex ([ab]), held by task 102\n +lock \(inlined, bug\.h:\d+\)\n +(forth|back)\+0x[0-9a-f]+ \(deadlock\.c:\d+\)/)
  t.regex(text, /task 100 \(crash\): waits for the end of task 101/)
  t.regex(text, / {2}cycle: task 101 waits for mutex [ab], held by task 102; task 102 waits for mutex [ab], held by task 101$/)
})

test('files that are no ELF files, or cut off, or damaged, harm nothing', (t) => {
  const bytes = readFileSync(join(root, 'guests/bin/bugs/account'))
  for (let i = 0; i < 300; i++) {
    const damaged = Uint8Array.from(bytes)
    const [at, length] = [(i * 7919) % bytes.length, i % 3 === 0 ? (i * 6007) % bytes.length : bytes.length]
    for (let j = 0; j < 64; j++) damaged[(at + j) % 0x8000] ^= i + j
    try {
      const elf = new ElfFile(damaged.subarray(0, length), undefined)
      const lines = new LineTable(elf)
      lines.lineAt(0x401200)
      new InlineTable(elf, lines).at(0x401200)
      elf.functionAt(0x401200)
    } catch (error) {
      t.is((error as Error).constructor.name, 'MalformedFile')
    }
  }
  t.pass()
})
