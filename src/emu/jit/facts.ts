/** What is known of a form before it is emitted: found by emitting it once for nothing. */
import type { Tier0Manifest } from '../interp/manifest.ts'
import { REGION } from '../interp/tier0-emitter.ts'
import { FunctionBuilder } from '../wasm/function.ts'
import { ModuleBuilder } from '../wasm/module.ts'
import type { KeptInstruction } from './instruction.ts'
import { RegionCode } from './region-code.ts'
import { marked } from './registers.ts'
import type { Access } from './groups.ts'
import { type AccessFacts, type FlagFacts, Tier1Emitter, Unsupported } from './tier1-emitter.ts'

export interface Facts extends Readonly<FlagFacts>, Readonly<AccessFacts> {
  readonly isSupported: boolean
  /** Runtime functions. */
  readonly calls: ReadonlySet<string>
  /** Registers that it touches at all, and those that it may write: numbers of registers.ts. */
  readonly touches: Set<number>
  readonly writesTo: Set<number>
  readonly clearsUppers: boolean
  /** In order. */
  readonly accesses: readonly Access[]
  /** They are not always the same: found when one was emitted otherwise. */
  isIrregular: boolean
}

const UNSUPPORTED: Facts = { isSupported: false, reads: false, writes: false, conditional: false, loads: false, stores: false, leaves: true, calls: new Set(),
  touches: new Set(), writesTo: new Set(), clearsUppers: false, accesses: [], isIrregular: false }
/** What these do to flags depends on their immediate count. */
const COUNTED = /^(ro[lr]|rc[lr]|sh[lr]d?|sar)$/

/** Notes which functions are called. */
class TrialModule extends ModuleBuilder {
  onCall: (name: string) => void = () => {}
  override functionIndex(name: string): number {
    this.onCall(name)
    return super.functionIndex(name)
  }
}

export class FactsTable {
  readonly #module = new TrialModule()
  readonly #known = new Map<string, Facts>()

  constructor(manifest: Tier0Manifest) {
    for (const [name, type] of Object.entries(manifest.runtime)) this.#module.importFunction('tier0', name, type)
    this.#module.regions(REGION, 1, true)
  }

  of(insn: KeptInstruction): Facts { return insn.facts ??= this.#ofForm(insn) }

  #ofForm(insn: KeptInstruction): Facts {
    const key = COUNTED.test(insn.name) ? `${insn.form} ${insn.immediate}` : insn.form
    let facts = this.#known.get(key)
    if (facts === undefined) {
      facts = this.#find(insn)
      this.#known.set(key, facts)
    }
    return facts
  }

  #find(insn: KeptInstruction): Facts {
    const called = new Set<string>()
    const code = new RegionCode(new FunctionBuilder(this.#module, 'trial', REGION), [], undefined)
    const emitter = new Tier1Emitter(code, marked(insn), 0)
    this.#module.onCall = (name) => {
      called.add(name)
      emitter.noteCall(name)
    }
    try {
      insn.semantics(emitter)
      // What has been put off may call, too.
      code.settleFlags()
    } catch (error) {
      if (error instanceof Unsupported) return UNSUPPORTED
      throw error
    }
    // Only what ends a block knows how to go on from there.
    if (insn.endsBlock !== emitter.hasEnded && !insn.isRepeated) return UNSUPPORTED
    const { touches, writes } = code.registers.trial ?? { touches: new Set(), writes: new Set() }
    return { isSupported: true, ...emitter.flagFacts, ...emitter.accessFacts, calls: called, touches, writesTo: writes, clearsUppers: code.hasClearedUppers,
      accesses: emitter.accesses, isIrregular: false }
  }
}
