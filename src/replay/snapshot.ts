/**
 * Snapshots: a world as it is between two slices, to go back to as often as one likes. Many may be alive; the world is in one of
 * their futures at a time.
 *
 * What the outside is asked from then on is the caller's business: a snapshot has the tap's position, but not that of the sources.
 */
import type { MemorySnapshot, MemoryVersions } from '../emu/memory-versions.ts'
import type { WorldConfig } from '../kernel/config.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { WatchMemory } from '../kernel/watch/memory-watch.ts'
import type { Machine } from './machine.ts'
import { StateImage } from './snapshot-state.ts'

export class Snapshot {
  readonly #kernel: Kernel
  readonly #machine: Machine
  readonly #versions: MemoryVersions
  readonly #config: WorldConfig
  readonly #state: StateImage
  readonly #executed: number
  readonly #watch: WatchMemory | undefined
  readonly #yielded: boolean
  #memory: MemorySnapshot | undefined

  constructor(kernel: Kernel, machine: Machine) {
    this.#kernel = kernel
    this.#machine = machine
    this.#versions = machine.versions
    this.#config = kernel.config
    this.#watch = kernel.watch?.save()
    this.#yielded = kernel.yielded
    kernel.save()
    this.#state = new StateImage(kernel.state)
    this.#memory = this.#versions.take()
    this.#executed = machine.processor.totalExecuted
    // Pages that it may write to directly are held now.
    machine.processor.flushTlb()
  }

  /** Puts the world back. */
  restore(): void {
    if (this.#memory === undefined) throw new Error('the snapshot was dropped')
    this.#state.restore()
    this.#versions.restore(this.#memory)
    this.#kernel.config = this.#config
    this.#kernel.forgetLoaded()
    // The strategy may look at it before the next slice begins.
    this.#kernel.yielded = this.#yielded
    if (this.#watch !== undefined) this.#kernel.watch?.load(this.#watch)
    this.#machine.processor.totalExecuted = this.#executed
    this.#machine.processor.flushTlb()
  }

  /** Frees what it holds; it can't be restored any more. */
  drop(): void {
    if (this.#memory !== undefined) this.#versions.drop(this.#memory)
    this.#memory = undefined
  }
}

/** Between two slices. */
export const takeSnapshot = (kernel: Kernel, machine: Machine): Snapshot => new Snapshot(kernel, machine)
export const restoreSnapshot = (snapshot: Snapshot): void => { snapshot.restore() }
