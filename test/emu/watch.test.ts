/** Watched memory: each access is told exactly, can be stopped before its instruction, and nothing else changes. */
import test from 'ava'
import fc from 'fast-check'
import { type AccessKind, type AccessWatcher, KIND_MODIFY, KIND_READ, KIND_UPDATE, KIND_WRITE } from '../../src/emu/watch.ts'
import { Box, CODE, DATA, PAGE } from '../support/processor.ts'

const PROGRAM = `
  48 bb 00 00 60 00 00 00 00 00 ; mov rbx, DATA
  8b 03                         ; 0a mov eax, [rbx]
  88 43 05                      ; 0c mov [rbx + 5], al
  01 43 08                      ; 0f add [rbx + 8], eax
  f0 ff 43 0c                   ; 12 lock inc dword [rbx + 12]
  87 43 10                      ; 16 xchg [rbx + 16], eax
  f0 48 0f b1 4b 18             ; 19 lock cmpxchg [rbx + 24], rcx
  0f 10 43 20                   ; 1f movups xmm0, [rbx + 32]
  0f 11 83 f8 0f 00 00          ; 23 movups [rbx + 0xff8], xmm0: crosses
  48 8d 73 40                   ; 2a lea rsi, [rbx + 64]
  48 8d bb 00 01 00 00          ; 2e lea rdi, [rbx + 256]
  b9 03 00 00 00                ; 35 mov ecx, 3
  f3 48 a5                      ; 3a rep movsq
  ff 33                         ; 3d push [rbx]
  8f 43 78                      ; 3f pop [rbx + 120]
  0f b1 4b 30                   ; 42 cmpxchg [rbx + 48], ecx
  90                            ; 46
  0f 05                         ; 47 syscall
`
interface Seen { at: number, size: number, kind: AccessKind, rip: number, position: number, first: boolean }

class Recorder implements AccessWatcher {
  readonly seen: Seen[] = []
  stop: (seen: Seen) => boolean = () => false
  watches(page: number): boolean { return page * PAGE >= DATA && page * PAGE < DATA + 4 * PAGE }
  access(address: number, size: number, kind: AccessKind, rip: number, position: number, first: boolean): boolean {
    const seen = { at: address - DATA, size, kind, rip: rip - CODE, position, first }
    if (first && this.stop(seen)) return false
    this.seen.push(seen)
    return true
  }
}

const EXPECTED: readonly (readonly [rip: number, at: number, size: number, kind: AccessKind])[] = [
  [0x0a, 0, 4, KIND_READ], [0x0c, 5, 1, KIND_WRITE], [0x0f, 8, 4, KIND_MODIFY], [0x12, 12, 4, KIND_UPDATE], [0x16, 16, 4, KIND_UPDATE],
  [0x19, 24, 8, KIND_UPDATE], [0x1f, 32, 16, KIND_READ], [0x23, 0xff8, 16, KIND_WRITE],
  ...[0, 8, 16].flatMap((i) => [[0x3a, 64 + i, 8, KIND_READ], [0x3a, 256 + i, 8, KIND_WRITE]] as const),
  [0x3d, 0, 8, KIND_READ], [0x3f, 120, 8, KIND_WRITE], [0x42, 48, 4, KIND_MODIFY],
]

test('every access is told with its address, size, kind and instruction', (t) => {
  const box = new Box(PROGRAM)
  const watcher = new Recorder()
  box.processor.watch(watcher)
  t.is(box.run(), 'syscall')
  t.deepEqual(watcher.seen.map(({ rip, at, size, kind }) => [rip, at, size, kind]), EXPECTED.map((row) => [...row]))
  t.is(watcher.seen[0].position, 1)
  t.true(watcher.seen.every(({ position }, i) => i === 0 || position >= watcher.seen[i - 1].position))
})

test('what is watched, stopped and continued ends as what is not, whatever the budgets', (t) => {
  const plain = new Box(PROGRAM)
  plain.run()
  const { executed } = plain.processor
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 }), (budgets) => {
    const box = new Box(PROGRAM)
    const watcher = new Recorder()
    box.processor.watch(watcher)
    let granted = false
    watcher.stop = () => {
      granted = !granted
      return granted
    }
    let cycles = 0
    let stops = 0
    for (let i = 0; i < 1000; i++) {
      const reason = box.run(budgets[i % budgets.length])
      cycles += box.processor.executed
      if (reason === 'access') stops++
      if (reason === 'syscall') break
    }
    t.is(cycles, executed)
    t.deepEqual(watcher.seen.map(({ rip, at }) => [rip, at]), EXPECTED.map(([rip, at]) => [rip, at]))
    // Each first access of an instruction or iteration, once.
    t.is(stops, EXPECTED.length - 3)
    t.is(box.state(), plain.state())
  }), { numRuns: 50 })
})

test('a stop leaves rip at the instruction and nothing of it done', (t) => {
  const box = new Box(PROGRAM)
  const watcher = new Recorder()
  box.processor.watch(watcher)
  watcher.stop = ({ rip }) => rip === 0x12
  t.is(box.run(), 'access')
  t.is(box.processor.cpu.rip, CODE + 0x12)
  t.is(box.processor.executed, 4)
  t.is(box.read(DATA + 12, 4), '00000000')
  watcher.stop = () => false
  t.is(box.run(2), 'budget')
  t.is(box.read(DATA + 12, 4), '01000000')
})

test('unwatched again, accesses are not told of', (t) => {
  const box = new Box(PROGRAM)
  const watcher = new Recorder()
  box.processor.watch(watcher)
  box.run(2)
  box.processor.watch(undefined)
  t.is(box.run(), 'syscall')
  t.is(watcher.seen.length, 1)
})
