/** fast-check's arbitraries of this project: sequences of system calls, schedules, packets. For `retrograde fuzz` and for users' own properties. */
import * as fc from 'fast-check'
import type { FaultConfig, FaultKind, WorldConfig } from '../../kernel/config.ts'
import { FAULT_KINDS } from '../../kernel/plan/faults.ts'
import { callOf, FUZZED, type FuzzedCall } from './calls.ts'
import { type FuzzCall, type FuzzProgram, PROCESSES } from './program.ts'
import { themesOf } from './themes.ts'

export interface SyscallConstraints {
  /** Names of system calls; without it all that there are. */
  readonly only?: readonly string[]
  /** Only those that may be made natively: they don't wait, and don't leave their directory and processes. */
  readonly safe?: boolean
  readonly minLength?: number
  readonly maxLength?: number
  /** From 1 to PROCESSES. */
  readonly processes?: number
  /** Of sequences, as fast-check has it: 'max' makes them as long as they may be as often as not. */
  readonly size?: fc.SizeForArbitrary
}

const chosen = ({ only, safe }: SyscallConstraints): FuzzedCall[] => {
  const unknown = only?.find((name) => !FUZZED.some((call) => call.name === name))
  if (unknown !== undefined) throw new RangeError(`no system call to fuzz is called '${unknown}'`)
  return FUZZED.filter((call) => (only === undefined || only.includes(call.name)) && (safe !== true || call.isSafe))
}

/** A sequence of system calls, some of which use what others made. @throws RangeError for a name that is none */
export const arbitrarySyscalls = (constraints: SyscallConstraints = {}): fc.Arbitrary<FuzzCall[]> => {
  const calls = chosen(constraints)
  return sequenceOf(calls, constraints)
}

/** First a few that make what others work on. */
const MOST_MADE = 5

const sequenceOf = (calls: readonly FuzzedCall[], constraints: SyscallConstraints): fc.Arbitrary<FuzzCall[]> => {
  const weighed = (some: readonly FuzzedCall[]): fc.Arbitrary<FuzzCall> => fc.oneof(...some.map((call) => ({ arbitrary: callOf(call, constraints.processes ?? 1), weight: call.row.weight ?? 2 })))
  const makers = calls.filter(({ row }) => row.makes !== undefined || row.names !== undefined || row.result === 'mapping')
  const sequence = arrayOf(weighed(calls), constraints)
  const most = Math.min(MOST_MADE, (constraints.maxLength ?? 30) - 1)
  return makers.length === 0 || most <= 0 ? sequence : fc.tuple(fc.array(weighed(makers), { maxLength: most, size: 'max' }), arrayOf(weighed(calls), { ...constraints, maxLength: (constraints.maxLength ?? 30) - most })).map(([made, rest]) => [...made, ...rest])
}

const arrayOf = (one: fc.Arbitrary<FuzzCall>, constraints: SyscallConstraints): fc.Arbitrary<FuzzCall[]> => {
  return fc.array(one, { minLength: constraints.minLength ?? 1, maxLength: constraints.maxLength ?? 30, ...constraints.size === undefined ? {} : { size: constraints.size } })
}

/**
 * A program of up to three processes that share files, pipes and sockets. `ordered`: one call after the other, else as the schedule has it.
 * @throws RangeError for a name that is no system call's
 */
export const arbitraryProgram = ({ ordered = true, ...constraints }: SyscallConstraints & { readonly ordered?: boolean } = {}): fc.Arbitrary<FuzzProgram> => {
  const calls = chosen(constraints)
  const themes = constraints.only === undefined ? themesOf(calls) : [calls]
  const sequences = Array.from({ length: constraints.processes ?? PROCESSES }, (_, i) => fc.oneof(...themes.map((theme) => sequenceOf(theme, { ...constraints, processes: i + 1 }))))
  return fc.integer({ min: 1, max: sequences.length }).chain((processes) => sequences[processes - 1].map((calls) => ({ processes, ordered, calls })))
}

/** In what worlds of one program differ. */
export const arbitrarySchedule = (): fc.Arbitrary<Pick<WorldConfig, 'seed' | 'cpus' | 'strategy'>> =>
  fc.record({ seed: fc.nat().map(String), cpus: fc.integer({ min: 1, max: 4 }), strategy: fc.constantFrom('random' as const, 'round-robin' as const) })

/** Faults that system calls meet: kinds and how often, as `WorldConfig.faults` takes them; they shrink to none. */
export const arbitraryFaults = (): fc.Arbitrary<FaultConfig> =>
  fc.record({
    rates: fc.record(Object.fromEntries(FAULT_KINDS.map((kind) => [kind, fc.constantFrom(0, 0.001, 0.01, 0.1, 0.5)])) as { readonly [K in FaultKind]: fc.Arbitrary<number> }, { requiredKeys: [] }),
    after: fc.constantFrom(0, 100_000, 10_000_000),
    clock: fc.array(fc.record({ every: fc.constantFrom(1_000_000, 100_000_000), seconds: fc.constantFrom(1, 3600, 100_000_000), most: fc.constantFrom(1, 5) }), { maxLength: 1 }),
  })

/** Frames of Ethernet with IPv4 in them, more or less right: what a network stack must take without falling over. */
export const arbitraryPackets = (): fc.Arbitrary<Uint8Array[]> => {
  const header = fc.record({
    version: fc.oneof({ arbitrary: fc.constant(0x45), weight: 8 }, { arbitrary: fc.nat(255), weight: 1 }), length: fc.option(fc.nat(0xffff)), ttl: fc.nat(255),
    fragment: fc.oneof({ arbitrary: fc.constant(0), weight: 6 }, { arbitrary: fc.nat(0xffff), weight: 1 }), protocol: fc.constantFrom(1, 6, 17, 6, 17, 255),
    ends: fc.constantFrom([127, 0, 0, 1, 127, 0, 0, 1], [10, 0, 0, 1, 10, 0, 0, 2], [10, 0, 0, 2, 10, 0, 0, 1]), payload: fc.uint8Array({ maxLength: 120 }), isRight: fc.boolean(),
  }).map(({ version, length, ttl, fragment, protocol, ends, payload, isRight }) => {
    const frame = new Uint8Array(14 + 20 + payload.length)
    frame.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0])
    const total = length ?? 20 + payload.length
    const ip = frame.subarray(14)
    ip.set([version, 0, total >> 8, total & 0xff, 0, 1, fragment >> 8, fragment & 0xff, ttl, protocol, 0, 0, ...ends])
    ip.set(payload, 20)
    if (isRight) {
      // RFC 791: the one's complement of the one's complement sum of the header.
      let sum = 0
      for (let i = 0; i < 20; i += 2) sum += (ip[i] << 8) | ip[i + 1]
      sum = (sum & 0xffff) + (sum >> 16)
      sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff
      ip.set([sum >> 8, sum & 0xff], 10)
    }
    return frame
  })
  return fc.array(fc.oneof({ arbitrary: header, weight: 9 }, { arbitrary: fc.uint8Array({ maxLength: 80 }), weight: 1 }), { maxLength: 20 })
}
