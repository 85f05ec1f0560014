import test from 'ava'
import { Interpreter } from '../../src/emu/interp/interpreter.ts'
import { PhysicalMemory } from '../../src/emu/memory.ts'
import type { HostConfig, WorldConfig } from '../../src/kernel/config.ts'
import { killHost, restartHost } from '../../src/kernel/hosts.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { createWorld, runWorld, WorldError, type WorldStop } from '../../src/kernel/world.ts'
import { prefixOutput } from '../../src/replay/host-output.ts'
import { configFromPlain, configToPlain } from '../../src/replay/world-config.ts'
import { StateHasher } from '../../src/replay/state-hash.ts'
import { guest, loadEngine, memoryFiles, record, replay, worldOf } from '../replay/support.ts'

const GUEST = 'host-tour'
const tree = { [`bin/${GUEST}`]: guest(GUEST), 'data/none': new Uint8Array(0) }

const host = (name: string, args: readonly string[], cpus = 1, more: Partial<HostConfig> = {}): HostConfig => {
  const { program, env, cwd, mounts, files } = worldOf(GUEST)
  return { name, cpus, program, argv: [GUEST, ...args], env, cwd, uid: 0, gid: 0, mounts, files, ...more }
}
const worldWith = (hosts: readonly HostConfig[]): WorldConfig => worldOf(GUEST, { hosts, cpus: hosts.reduce((sum, { cpus }) => sum + cpus, 0) })

/** A world that is driven by hand. */
const make = (config: WorldConfig): { kernel: Kernel, lines: string[], until: (reason: WorldStop['reason']) => WorldStop } => {
  const { module, manifest } = loadEngine()
  const memory = new PhysicalMemory(config.memoryLimit)
  const lines: string[] = []
  const ignore = (): void => { /* nobody watches */ }
  const kernel = createWorld(config, memory, new Interpreter(memory, module, manifest), {
    entropy: { decide: (_kind, bound) => 7 % bound, randomBytes: (count) => new Uint8Array(count) },
    files: { ...memoryFiles(tree) },
    console: { write: (_fd, bytes, index) => { lines.push(`${index} ${Buffer.from(bytes).toString()}`); return 0 }, read: () => new Uint8Array(0), setRaw: ignore },
    observer: { onSlice: ignore, onSyscall: ignore, onSignal: ignore, onTaskStart: ignore, onTaskExit: ignore, onExec: ignore, onUnknownSyscall: ignore },
  })
  return {
    kernel, lines,
    until: (reason) => {
      for (let i = 0; i < 100_000; i++) {
        const stop = runWorld(kernel, 1)
        if (stop.reason === reason) return stop
        if (stop.reason !== 'running') throw new Error(`the world stopped: ${stop.reason}`)
      }
      throw new Error(`the world never came to ${reason}`)
    },
  }
}

test('hosts have names, numbers, CPUs and files of their own; a recording replays', (t) => {
  const world = worldWith([host('alpha', ['0'], 2), host('beta', ['3'])])
  const { output, trace, result } = record(world, tree)
  const lines = output.trim().split('\n').sort()
  t.deepEqual(lines, [
    'alpha: pid 100, child 101 saw 100, cpus 3, start 1, /tmp kept 0',
    'beta: pid 100, child 101 saw 100, cpus 4, start 1, /tmp kept 0',
  ])
  t.is(result.exitCode, 3, 'the first status that is not 0')
  for (const mode of ['drive', 'from-seed'] as const) {
    const again = replay(trace, mode)
    t.is(again.result.divergence, undefined)
    t.is(again.output, output)
  }
})

test('the world waits for main programs only', (t) => {
  const { until, lines } = make(worldWith([host('server', ['serve'], 1, { main: false }), host('client', ['0'])]))
  const stop = until('exited')
  t.is(stop.reason === 'exited' ? stop.status : -1, 0)
  t.is(lines.length, 2)
})

test('a host that is killed loses its memory and keeps its disk; the other one does not notice', (t) => {
  const { kernel, lines, until } = make(worldWith([host('a', ['serve']), host('b', ['serve'])]))
  until('deadlock')
  const before = kernel.memory.framesInUse
  const tasks = kernel.state.tasks.size
  killHost(kernel, 'b')
  t.is(kernel.state.tasks.size, tasks - 1)
  t.true(kernel.memory.framesInUse < before)
  // What is left is still plain data, and nothing of the dead is listed.
  new StateHasher(kernel.memory).hash(kernel.state)
  restartHost(kernel, 'b')
  until('deadlock')
  t.deepEqual(lines.filter((line) => line.startsWith('1 ')), [
    '1 b: pid 100, child 101 saw 100, cpus 2, start 1, /tmp kept 0\n', '1 b: pid 100, child 101 saw 100, cpus 2, start 2, /tmp kept 0\n',
  ])
  t.is(lines.filter((line) => line.startsWith('0 ')).length, 1)
  killHost(kernel, 'a')
  killHost(kernel, 'b')
  killHost(kernel, 'b')
  t.is(kernel.state.tasks.size, 0)
  t.throws(() => { restartHost(kernel, 'c') }, { instanceOf: WorldError, message: 'there is no host c; there are a, b' })
})

test('a program that is not there is told with its host', (t) => {
  t.throws(() => make(worldWith([host('a', ['0']), host('b', ['0'], 1, { program: '/bin/none' })])), { message: "can't run /bin/none on b: ENOENT" })
})

test('the configuration survives the head of a trace, and a bad one is refused', (t) => {
  const world = worldWith([host('a', ['0'], 2, { main: false }), host('b', [])])
  t.deepEqual(configFromPlain(configToPlain(world)), world)
  t.throws(() => configFromPlain(configToPlain({ ...world, cpus: 2 })), { message: /bad 'hosts'/ })
  t.throws(() => configFromPlain(configToPlain(worldWith([host('a', []), host('a', [])]))), { message: /bad 'hosts'/ })
})

test('lines of several hosts have their names in front', (t) => {
  const written: string[] = []
  const output = prefixOutput(['one', 'three'], (fd, bytes) => {
    written.push(`${fd} ${Buffer.from(bytes).toString()}`)
    return 0
  })
  for (const [index, text] of [[0, 'a\nb'], [1, 'c\n'], [0, 'd\n'], [1, 'e']] as const) t.is(output.write(1, Buffer.from(text), index), 0)
  output.flush()
  t.deepEqual(written, ['1 one   | a\n', '1 three | c\n', '1 one   | bd\n', '1 three | e\n'])
})
