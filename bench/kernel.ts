/**
 * The kernel: what a system call costs, three programs that hardly do anything but call it, and how the cost of an operation grows with
 * how much there is of what it deals with. Beside the host's own kernel.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { QEMU, buildGuest, hasQemu, isNativePossible, secondsOf } from './guests.ts'
import { FILE_COUNT, makeTree } from './session.ts'
import type { Row, Tables } from './table.ts'

const RETROGRADE = join(import.meta.dirname, '../bin/retrograde.js')
const LOOPBACK = join(import.meta.dirname, '../guests/bin/bench-loopback')
const RUNS = 3
/** The first for warming up. */
const COUNTS = [100, 100, 1000, 10_000]
const [FEW, , MANY] = COUNTS.slice(1)
const LONGEST_MS = 300_000

/** What the guest prints: nanoseconds an operation, the least of its rounds, by operation and count. */
type Costs = Map<string, Map<number, number>>

const costsOf = (text: string): Costs => {
  const costs: Costs = new Map()
  for (const line of text.split('\n')) {
    const [count, what, operations, nanoseconds] = line.split(' ')
    if (nanoseconds === undefined) continue
    const cost = Number(nanoseconds) / Number(operations)
    const byCount = costs.get(what) ?? new Map<number, number>()
    costs.set(what, byCount)
    byCount.set(Number(count), Math.min(byCount.get(Number(count)) ?? Infinity, cost))
  }
  return costs
}

const run = (command: string, args: readonly string[]): string => {
  // In a process group of its own: the guest ends all of its own when something fails.
  const { stdout, stderr, status, signal } = spawnSync('setsid', ['-w', command, ...args], { encoding: 'utf8', maxBuffer: 1 << 28, timeout: LONGEST_MS, stdio: ['ignore', 'pipe', 'pipe'] })
  if (status !== 0) console.log(`${command} ${args.join(' ')}: ${signal ?? `status ${status ?? '?'}`}, ${stderr.trim()}`)
  return stdout
}
const ours = (program: string, args: readonly string[]): Costs => costsOf(run(process.execPath, [join(import.meta.dirname, 'kernel-child.ts'), program, ...args]))
const native = (program: string, args: readonly string[]): Costs => isNativePossible ? costsOf(run(program, args)) : new Map()
const qemu = (program: string, args: readonly string[]): Costs => isNativePossible && hasQemu ? costsOf(run(QEMU, [program, ...args])) : new Map()

const callRows = (program: string, name: string): Row[] => {
  const [here, there, emulated] = [ours(program, [name]), native(program, [name]), qemu(program, [name])]
  const least = (costs: Costs, what: string): number => costs.get(what)?.get(0) ?? NaN
  return [...here.keys()].map((operation) => {
    const [cost, nativeCost, qemuCost] = [here, there, emulated].map((costs) => least(costs, operation))
    return { operation, 'ours ns': cost, 'native ns': nativeCost, 'qemu ns': qemuCost, 'times native': cost / nativeCost, 'times qemu': cost / qemuCost }
  })
}

const growthRows = (program: string, name: string): Row[] => {
  const [here, there] = [ours(program, [name, ...COUNTS.map(String)]), native(program, [name, ...COUNTS.slice(1).map(String)])]
  const growth = (costs: ReadonlyMap<number, number> | undefined): number => (costs?.get(MANY) ?? NaN) / Math.max(1, costs?.get(FEW) ?? NaN)
  return [...here].map(([operation, costs]) => ({
    [`growth: ${name}`]: operation, ...Object.fromEntries(COUNTS.slice(1).map((count) => [`ns at ${count}`, costs.get(count) ?? NaN])), 'ratio': growth(costs),
    [`native at ${MANY}`]: there.get(operation)?.get(MANY) ?? NaN, 'native ratio': growth(there.get(operation)),
  }))
}

/** Wall and processor seconds of the same thing here, natively and by qemu: the least of some runs, turn by turn. */
const programRow = (name: string, command: readonly string[], host: readonly string[], emulated: readonly string[]): Row => {
  const commands = [[process.execPath, RETROGRADE, 'run', '--seed', '1', ...command], host, ...hasQemu ? [emulated] : []]
  const best = commands.map(() => ({ processor: Infinity, wall: Infinity }))
  for (let i = 0; i < RUNS; i++) {
    for (const [at, [program, ...args]] of commands.entries()) {
      const started = performance.now()
      const processor = secondsOf(program, args)
      best[at] = { processor: Math.min(best[at].processor, processor), wall: Math.min(best[at].wall, (performance.now() - started) / 1000) }
    }
  }
  const [own, there, inQemu = { processor: NaN, wall: NaN }] = best
  return {
    'program': name, 'ours s': own.processor, 'wall': own.wall, 'native s': there.processor, 'wall ': there.wall, 'qemu s': inQemu.processor, 'wall  ': inQemu.wall,
    'times native': own.processor / there.processor, 'times qemu': own.processor / inQemu.processor,
  }
}

const programRows = (wanted: (name: string) => boolean): Row[] => {
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path))
  if (busybox === undefined || !isNativePossible) return []
  const folder = mkdtempSync(join(tmpdir(), 'retrograde-bench-'))
  const rows: Row[] = []
  try {
    makeTree(folder)
    if (wanted('kernel: find')) {
      const find = (where: string): string[] => [busybox, 'find', where, '-type', 'f', '-size', '+100k']
      rows.push(programRow(`find over ${FILE_COUNT} files`, ['--mount', `${folder}:/mnt`, ...find('/mnt')], find(folder), [QEMU, ...find(folder)]))
    }
    if (wanted('kernel: dd')) {
      // What a program starts is not emulated by qemu: so each dd is started by it.
      const dd = (runner: string): string => `${runner} ${busybox} dd if=/dev/zero bs=64k count=16384 2>/dev/null | ${runner} ${busybox} dd of=/dev/null bs=64k 2>/dev/null`
      rows.push(programRow('dd of 1 GiB through a pipe', [busybox, 'sh', '-c', dd('')], [busybox, 'sh', '-c', dd('')], [busybox, 'sh', '-c', dd(QEMU)]))
    }
    if (wanted('kernel: loopback')) {
      const requests = [LOOPBACK, '100000']
      rows.push(programRow('100,000 requests over loopback TCP', requests, requests, [QEMU, ...requests]))
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  return rows
}

export const kernelTables = (wanted: (name: string) => boolean, tables: Tables): void => {
  const program = buildGuest('kernel')
  if (program === undefined) {
    console.log('kernel: skipped, there is no C compiler')
    return
  }
  const list = run(program, ['list']).trim().split('\n').map((line) => line.split(' '))
  const names = (kind: string): string[] => list.filter(([of, name]) => of === kind && wanted(`kernel: ${kind} ${name}`)).map(([, name]) => name)
  for (const name of names('once')) for (const row of callRows(program, name)) tables.add('System calls', row)
  for (const row of programRows(wanted)) tables.add('Programs that are all system calls (processor and wall time, start-up included)', row)
  for (const name of names('growth')) for (const row of growthRows(program, name)) tables.add(`Growth: ${name}`, row)
}
