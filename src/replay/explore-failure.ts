/** What counts as a failure of a schedule, and which failures are the same. Plain data: it goes between threads. */
import { CPU_STATE, RIP } from '../emu/cpu/layout.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { SYSCALLS } from '../kernel/syscalls/table.ts'
import type { TraceEvent } from '../trace/events.ts'
import { signalName } from './signal-name.ts'
import type { SessionConsole, SessionResult } from './session.ts'

export const FAILURE_KINDS = ['exit', 'signal', 'deadlock', 'hang', 'output', 'race', 'script'] as const
export type FailureKind = (typeof FAILURE_KINDS)[number]

export interface FailOn {
  readonly kinds: readonly FailureKind[]
  /** What the output must not have: 'output'. */
  readonly output: RegExp | undefined
  /** 'race': those with a frame that matches are none. */
  readonly ignore?: readonly RegExp[]
  /** 'race': objects that are atomics. */
  readonly atomics?: readonly RegExp[]
  /** 'script': a program of the host that is shown what was written, and what it says of that. `path` is plain data, `check` is made of it in each thread. */
  readonly script?: { readonly path: string, readonly check?: ScriptCheck }
}

/** A schedule as a script sees it. */
export interface ScriptReport {
  readonly outcome: string
  /** What a shell's $? would be. */
  readonly status: number
  /** stdout and stderr as they were written, as latin1. */
  readonly output: string
}

/** Its exit status, and the last line of what it wrote. */
export type ScriptCheck = (report: ScriptReport) => { readonly status: number, readonly line: string }

/** Whether what the program writes is to be kept, for a failure to be told by it. */
export const needsOutput = ({ output, script }: FailOn): boolean => output !== undefined || script !== undefined

export const DEFAULT_FAIL_ON: FailOn = { kinds: ['exit', 'signal', 'deadlock', 'hang'], output: undefined }

export interface Failure {
  readonly kind: FailureKind
  /** Exit status, or number of the signal; 0 for other kinds. */
  readonly status: number
  /** Last line that was written to stderr; for 'output' what was found; for 'race' the two places. */
  readonly line: string
  /** Where a fatal signal acted, 0 otherwise. */
  readonly rip: number
  /** In a deadlock: what each task waits for. */
  readonly waits: readonly string[]
}

/** Equal for failures that are taken for one. */
export const failureKey = (failure: Failure): string => JSON.stringify(failure)

export const failureText = ({ kind, status, line, rip, waits }: Failure): string => {
  const quoted = line === '' ? '' : `: ${line}`
  switch (kind) {
    case 'exit': return `exit status ${status}${quoted}`
    case 'signal': return `${signalName(status)}${rip === 0 ? '' : ` at 0x${rip.toString(16)}`}${quoted}`
    case 'deadlock': return `deadlock (${waits.join(', ')})${quoted}`
    case 'hang': return `no end within the cycle limit${quoted}`
    case 'output': return `output has ${line}`
    case 'race': return line
    case 'script': return `the script exited with ${status}${quoted}`
  }
}

const STDERR_TAIL = 4096
/** Output beyond is not looked at. */
const MOST_OUTPUT = 1 << 20

const latin1 = (bytes: Uint8Array): string => {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

/** Looks on while a world runs, as its console and at its events: what a failure is told by. */
export class Watch implements SessionConsole {
  #stderr = ''
  #output = ''
  #rip = 0
  readonly #keepsOutput: boolean
  readonly #input: Uint8Array
  #at = 0

  constructor(keepsOutput: boolean, input: Uint8Array) {
    this.#keepsOutput = keepsOutput
    this.#input = input
  }

  /** One that has seen what this one has. */
  copy(): Watch {
    const copy = new Watch(this.#keepsOutput, this.#input)
    copy.#stderr = this.#stderr
    copy.#output = this.#output
    copy.#rip = this.#rip
    copy.#at = this.#at
    return copy
  }

  write(fd: 1 | 2, bytes: Uint8Array): number {
    if (fd === 2) this.#stderr = (this.#stderr + latin1(bytes)).slice(-STDERR_TAIL)
    if (this.#keepsOutput && this.#output.length < MOST_OUTPUT) this.#output += latin1(bytes)
    return 0
  }

  /** Of what was written to stderr. */
  get lastLine(): string { return this.#stderr.trimEnd().split('\n').at(-1) ?? '' }

  setRaw(): void { /* no terminal */ }
  readInput(max: number): Uint8Array { return this.#input.subarray(this.#at, this.#at += Math.min(max, this.#input.length - this.#at)) }

  event(event: TraceEvent): void {
    if (event.type === 'signal' && (event.action === 'terminate' || event.action === 'core')) this.#rip = event.rip
  }

  /**
   * What of the result is a failure; undefined: nothing.
   * @param races lines about those that were found: one is a failure if nothing else is
   */
  judge(result: SessionResult, kernel: Kernel | undefined, failOn: FailOn, races: readonly string[] = []): Failure | undefined {
    return this.#judge(result, kernel, failOn) ?? (races.length === 0 ? this.#checked(result, failOn) : { kind: 'race', status: 0, line: races[0], rip: 0, waits: [] })
  }

  #checked({ outcome, exitCode }: SessionResult, { script }: FailOn): Failure | undefined {
    if (script?.check === undefined || outcome === 'interrupted' || outcome === 'failed') return undefined
    const { status, line } = script.check({ outcome, status: exitCode, output: this.#output })
    return status === 0 ? undefined : { kind: 'script', status, line, rip: 0, waits: [] }
  }

  #judge(result: SessionResult, kernel: Kernel | undefined, failOn: FailOn): Failure | undefined {
    const line = this.lastLine
    const failure = (kind: FailureKind, more: Partial<Failure> = {}): Failure | undefined =>
      failOn.kinds.includes(kind) ? { kind, status: 0, line, rip: 0, waits: [], ...more } : undefined
    const found = failOn.output?.exec(this.#output)
    if (found !== null && found !== undefined) return { kind: 'output', status: 0, line: found[0], rip: 0, waits: [] }
    switch (result.outcome) {
      case 'deadlock': return failure('deadlock', { waits: kernel === undefined ? [] : waitsOf(kernel) })
      case 'timeout': return failure('hang')
      case 'exited': {
        const status = result.status ?? 0
        const signal = status & 0x7f
        if (signal !== 0) return failure('signal', { status: signal, rip: this.#rip })
        return status === 0 ? undefined : failure('exit', { status: (status >> 8) & 0xff })
      }
      case 'interrupted': case 'failed': return undefined
    }
  }
}

const ripOf = (context: Uint8Array): number => {
  const view = new DataView(context.buffer, context.byteOffset)
  return view.getUint32(RIP - CPU_STATE + 4, true) * 2 ** 32 + view.getUint32(RIP - CPU_STATE, true)
}

/** 'philosophers in futex at 0x4031f0 (3 tasks)', in order of their text. */
const waitsOf = (kernel: Kernel): string[] => {
  kernel.save()
  const counts = new Map<string, number>()
  for (const { state, name, syscall, context } of kernel.state.tasks.values()) {
    if (state !== 'blocked' || syscall === undefined) continue
    const text = `${name} in ${SYSCALLS[syscall.number]?.name ?? syscall.number} at 0x${ripOf(context).toString(16)}`
    counts.set(text, (counts.get(text) ?? 0) + 1)
  }
  return [...counts].map(([text, count]) => count === 1 ? text : `${text} (${count} tasks)`).sort()
}
