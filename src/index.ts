/**
 * The library: what the command line does, as calls.
 *
 * A session is made by `startRun`, `startRecording` or `startReplay` and driven by `advance()`, which comes back every few milliseconds, or by
 * `runToEnd`. Worlds are plain data (`WorldConfig`); `prepareWorld` makes one as the command line does. `loadEngine` loads the processor that
 * `npm run build` left in dist/.
 */
export { loadEngine, openTraceFile, createTraceFile, platform, codecs, buildVersion } from './cli/host.ts'
export { prepareWorld, type WorldFlags } from './cli/options.ts'
export type { FaultConfig, HostConfig, LinkConfig, PlanStep, WorldConfig } from './kernel/config.ts'
export { startRecording } from './replay/record.ts'
export { startReplay } from './replay/replay.ts'
export { startRun } from './replay/run.ts'
export {
  type Divergence, type Engine, type Outcome, type Progress, type RecordOptions, type RecordResult, type ReplayOptions, type ReplayResult, type RunOptions, runToEnd, type Session,
  type SessionConsole, type SessionHost, type SessionResult,
} from './replay/session.ts'
export { TraceReader } from './trace/reader.ts'
export type { TraceEvent } from './trace/events.ts'
export { describeDivergence, eventJson, eventLine, eventText } from './replay/describe.ts'
export { arbitraryFaults, arbitraryPackets, arbitraryProgram, arbitrarySchedule, arbitrarySyscalls, type SyscallConstraints } from './replay/fuzz/arbitraries.ts'
export { disagreement, type FuzzPropertyFunction, type FuzzResultForProperty } from './replay/fuzz/oracle.ts'
export { encodeFuzzProgram, type FuzzArgument, type FuzzCall, type FuzzProgram } from './replay/fuzz/program.ts'
export { type FuzzHost, type FuzzOutcome, FuzzRunner, type FuzzWorld } from './replay/fuzz/run.ts'
export { callText, fuzzProgramToC } from './replay/fuzz/source.ts'
export { Exploration, type ExploreOptions, type ExploreStrategy } from './replay/explore.ts'
export { exploreAll } from './replay/explore-all.ts'
export { ScheduleRunner } from './replay/explore-schedule.ts'
export { runScenario, type ScenarioOptions, type ScenarioResult, ScenarioSession, shrinkFaults } from './replay/scenario/run.ts'
export {
  BrokenModel, checkModel, type CheckedModel, type CheckModelOptions, type CommandRun, type ModelCommand, modelCommands, type ModelCommandsConstraints, type ModelRun, recordModel, request, runModel,
  type StepsResult,
} from './replay/scenario/model.ts'
export * from './replay/scenario/scenario.ts'
export { Dictionary } from './replay/fuzz/guided/dictionary.ts'
export { type Finding, GuidedFuzz, type GuidedOptions } from './replay/fuzz/guided/guided.ts'
export { recordCase, type RecordCaseOptions } from './replay/fuzz/guided/record-case.ts'
export { foundText, type FoundFailure, type InputKind, TargetError } from './replay/fuzz/guided/target.ts'
export { makeMachine, type Machine } from './replay/machine.ts'
