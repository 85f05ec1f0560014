/** What a user waits for: start-up, recording beside running, the size of traces. Through the command line. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GUESTS, bestOf, buildGuest, secondsOf } from './guests.ts'
import type { Row, Tables } from './table.ts'

const RETROGRADE = join(import.meta.dirname, '../bin/retrograde.js')
const RUNS = 9
/** Of start-up, which takes little time and differs most. */
const START_RUNS = 25
const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path))
const FOLDERS = 100, FILES = 100
export const FILE_COUNT = FOLDERS * FILES

const cli = (...args: string[]): number => secondsOf(process.execPath, [RETROGRADE, ...args])

const wallSeconds = (args: readonly string[]): number => {
  const started = process.hrtime.bigint()
  const { status, stderr } = spawnSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
  if (status !== 0) throw new Error(`${args.join(' ')}: status ${status ?? '?'}\n${stderr}`)
  return Number(process.hrtime.bigint() - started) / 1e9
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]

/** Turn by turn, so that what else the machine does hits both, and medians. */
const besides = (a: () => number, b: () => number, runs = RUNS): [number, number] => {
  const pairs = Array.from({ length: runs }, () => [a(), b()])
  return [median(pairs.map(([first]) => first)), median(pairs.map(([, second]) => second))]
}

const startUp = (busybox: string): Row[] => {
  const program = [RETROGRADE, 'run', busybox, 'true']
  return [['wall', wallSeconds] as const, ['processor', (args: readonly string[]) => secondsOf(process.execPath, args)] as const].map(([name, measure]) => {
    const [ours, node] = besides(() => measure(program), () => measure(['-e', '0']), START_RUNS)
    return { 'start-up': `busybox true (${name} time)`, 'ms': ours * 1000, 'node -e 0': node * 1000, 'above node': (ours - node) * 1000 }
  })
}

export const makeTree = (folder: string): void => {
  for (let i = 0; i < FOLDERS; i++) {
    mkdirSync(join(folder, `d${i}`), { recursive: true })
    for (let j = 0; j < FILES; j++) writeFileSync(join(folder, `d${i}`, `f${j}`), `${i} ${j}\n`)
  }
}

const recording = (name: string, folder: string, world: readonly string[], command: readonly string[]): Row => {
  const trace = join(folder, 'trace.rgt')
  const options = ['--seed', '1', ...world]
  const [run, record] = besides(() => cli('run', ...options, ...command), () => cli('record', '-q', '-o', trace, ...options, ...command))
  const replay = bestOf(2, () => cli('replay', '-q', '--no-output', trace))
  return { recording: name, 'run s': run, 'record s': record, 'record % more': (record / run - 1) * 100, 'replay s': replay, 'trace bytes': statSync(trace).size }
}

const traceSize = (busybox: string, folder: string, tree: string): Row => {
  const size = (...command: string[]): number => {
    const trace = join(folder, 'size.rgt')
    cli('record', '-q', '-o', trace, '--seed', '1', '--mount', `${tree}:/mnt`, busybox, ...command)
    return statSync(trace).size
  }
  const all = size('find', '/mnt')
  const lines = spawnSync(process.execPath, [RETROGRADE, 'show', '--json', join(folder, 'size.rgt')], { encoding: 'utf8', maxBuffer: 1 << 28 }).stdout.split('\n')
  const calls = lines.filter((line) => line.includes('"type":"syscall"')).length
  // The program itself is in the trace too.
  const program = size('true')
  return { traces: `find over ${FILE_COUNT} files`, 'system calls': calls, 'bytes': all - program, 'bytes a call': (all - program) / calls, 'program': program }
}

export const sessionTables = (wanted: (name: string) => boolean, tables: Tables): void => {
  if (BUSYBOX === undefined) {
    console.log('start-up, recording, traces: skipped, there is no busybox')
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'retrograde-bench-'))
  try {
    if (wanted('start-up')) for (const row of startUp(BUSYBOX)) tables.add('Start-up', row)
    const tree = join(folder, 'tree')
    makeTree(tree)
    if (wanted('recording')) {
      const add = (row: Row): void => { tables.add('Recording (processor time)', row) }
      add(recording('find over files', folder, ['--mount', `${tree}:/mnt`], [BUSYBOX, 'find', '/mnt']))
      const guest = GUESTS.find(({ name }) => name === 'sha256')
      const program = guest === undefined ? undefined : buildGuest(guest.name)
      if (guest !== undefined && program !== undefined) add(recording('sha256, computing', folder, [], [program, String(guest.repetitions * 3)]))
      add(recording('sh, 300 processes', folder, [], [BUSYBOX, 'sh', '-c', 'i=0; while [ $i -lt 300 ]; do /bin/busybox true; i=$((i+1)); done']))
    }
    if (wanted('traces')) tables.add('Size of traces', traceSize(BUSYBOX, folder, tree))
  } finally {
    rmSync(folder, { recursive: true })
  }
}
