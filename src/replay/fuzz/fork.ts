/** One world for all sequences of system calls: each starts from a snapshot of where the guest asks for its program, and costs what it executes. */
import type { Kernel } from '../../kernel/kernel.ts'
import { createWorld, provideInput, runWorld, type WorldStop } from '../../kernel/world.ts'
import { type BytesPosition, SeededEntropy } from '../entropy.ts'
import { makeMachine } from '../machine.ts'
import { exitCodeOf } from '../session.ts'
import { takeSnapshot, type Snapshot } from '../snapshot.ts'
import { type EventSink, Tap, type TapPosition } from '../tap.ts'
import { encodeFuzzProgram, type FuzzProgram } from './program.ts'
import { type FuzzHost, type FuzzOutcome, type FuzzWorld, linesOf, MEMORY, messageOf, NO_FILES, worldOf } from './run.ts'

const SLICES = 32
const NO_SINK: EventSink = { event: () => { /* nobody looks */ }, syscall: () => { /* nobody looks */ }, blob: () => 0, wantsStrings: false }

interface Ready {
  readonly kernel: Kernel
  readonly snapshot: Snapshot
  readonly bytes: BytesPosition
  readonly tap: Tap
  readonly position: TapPosition
}

export class FuzzFork {
  readonly #host: FuzzHost
  readonly #world: FuzzWorld
  #ready: Ready | undefined
  #entropy: SeededEntropy
  #output: Uint8Array[] = []

  constructor(host: FuzzHost, world: FuzzWorld) {
    this.#host = host
    this.#world = world
    this.#entropy = new SeededEntropy(world.seed)
  }

  #make(): Ready {
    const { engine, guest } = this.#host
    this.#entropy = new SeededEntropy(this.#world.seed)
    const machine = makeMachine(engine, MEMORY)
    const tap = new Tap({
      entropy: { decide: (kind, bound) => this.#entropy.decide(kind, bound), randomBytes: (count) => this.#entropy.randomBytes(count) }, files: NO_FILES,
      readInput: () => undefined, setRaw: () => { /* no terminal */ },
      write: (_fd, bytes) => {
        this.#output.push(bytes.slice())
        return 0
      },
    }, NO_SINK, () => 0)
    const kernel = createWorld(worldOf(guest, this.#world), machine.memory, machine.processor, tap)
    tap.kernel = kernel
    let stop: WorldStop
    do stop = runWorld(kernel, 1)
    while (stop.reason === 'running')
    if (stop.reason !== 'input') throw new Error(`the guest does not ask for its program: ${stop.reason}`)
    return { kernel, snapshot: takeSnapshot(kernel, machine), bytes: this.#entropy.bytesPosition, tap, position: tap.position() }
  }

  /** What the calls answer. @param seed what the schedule is drawn from */
  run(program: FuzzProgram, seed: string): FuzzOutcome {
    try {
      const { kernel, snapshot, bytes, tap, position } = this.#ready ??= this.#make()
      snapshot.restore()
      this.#output = []
      this.#entropy = new SeededEntropy(seed, seed, bytes)
      tap.goTo(position)
      provideInput(kernel, encodeFuzzProgram(program))
      for (;;) {
        const stop = runWorld(kernel, SLICES)
        if (stop.reason === 'running') continue
        if (stop.reason === 'input') throw new Error('the guest asks for more than its program')
        return { outcome: stop.reason, exitCode: exitCodeOf(stop.reason, stop.reason === 'exited' ? stop.status : kernel.state.mainStatus), lines: linesOf(this.#output), broken: undefined }
      }
    } catch (error) {
      // After Retrograde's own failure nothing is used again.
      this.#ready = undefined
      return { outcome: 'failed', exitCode: exitCodeOf('failed', undefined), lines: linesOf(this.#output), broken: messageOf(error) }
    }
  }
}
