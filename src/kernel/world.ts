/**
 * A world from its first instruction to its end: makes the state from the configuration, runs slices, jumps over time in
 * which every task waits.
 */
import { BASE_CPU } from '../emu/cpu/model.ts'
import { PAGE_SIZE } from '../emu/cpu/layout.ts'
import type { PhysicalMemory } from '../emu/memory.ts'
import type { Processor } from '../emu/processor.ts'
import type { WorldConfig } from './config.ts'
import { deliverInput } from './fs/console.ts'
import { setUpFileSystems } from './fs/setup.ts'
import type { FsState } from './fs/fs-state.ts'
import { findHost, FIRST_PID, makeHosts, startHost } from './hosts.ts'
import { Kernel } from './kernel.ts'
import { makeNet } from './net/namespace.ts'
import type { ConsoleInput, Outside } from './outside.ts'
import { makeDurability } from './plan/durability.ts'
import { makeFaults } from './plan/faults.ts'
import { followPlan, makePlan } from './plan/plan.ts'
import { takeTimedFaults } from './plan/timed.ts'
import { makeGuided } from './sched/guided.ts'
import { makePct } from './sched/pct.ts'
import { makePos } from './sched/pos.ts'
import { makeScript, simulatedCpus } from './sched/script.ts'
import { choose, isAlone, nextCpu } from './sched/schedule.ts'
import { runSlice } from './sched/slice.ts'
import { STRATEGIES } from './sched/strategy.ts'
import type { KernelState, VirtualCpu } from './state.ts'
import { futexTable } from './task/futex-table.ts'
import { processGroups } from './task/process-groups.ts'
import { makeClocks } from './time/clock.ts'
import { isPassive } from './net/timers.ts'
import { fireTimers } from './time/timer-actions.ts'
import { nextDeadline, timerQueue } from './time/timer-queue.ts'
import { makeKeys } from './keys/key-state.ts'
import { makeVdso } from './vdso/vdso-state.ts'
import { waitQueue } from './wait-queue.ts'
import { CodeRules } from './watch/choice-code.ts'
import { watchMemory } from './watch/memory-watch.ts'
import { TaskStores } from './watch/store-buffers.ts'

export type WorldStop =
  /** The slices that were asked for have run. */
  | { readonly reason: 'running' }
  /** The world has ended; the main program's wait status. */
  | { readonly reason: 'exited', readonly status: number }
  /** Every task waits, one at least for console input; the next timer is due at the deadline (a cycle; Infinity: none). */
  | { readonly reason: 'input', readonly deadline: number }
  /** Every task waits, and nothing can wake one. */
  | { readonly reason: 'deadlock' }
  /** config.cycleLimit was reached. */
  | { readonly reason: 'timeout' }

const RUNNING: WorldStop = { reason: 'running' }

export { WorldError } from './hosts.ts'

/** A terminal is asked for input (^C) this often while programs run, in virtual seconds. */
const CONSOLE_POLL_SECONDS = 0.01
const CONSOLE_POLL_BYTES = 4096
/** A task that nobody competes with runs this long, in virtual seconds. */
const ALONE_SECONDS = 0.01
/** How long other processes may outlive the main one, in virtual seconds. */
const LINGER_SECONDS = 10

const makeState = (config: WorldConfig): KernelState => ({
  now: 0, cycle: 0,
  tasks: new Map(), groups: new Map(), processGroups: processGroups(), runqueue: [],
  cpus: Array.from({ length: simulatedCpus(config) }, (_, index): VirtualCpu => ({ index, clock: 0, tid: 0, sliceEnd: 0 })),
  hasPriorities: false,
  keys: makeKeys(),
  lastPid: FIRST_PID - 1, lastSpaceId: 0, zeroFrame: 0,
  timers: timerQueue(), futexes: futexTable(),
  unknownSyscalls: new Set(), consoleInput: waitQueue(),
  mainPid: 0, mainStatus: undefined, mainExitCycle: 0, nextConsolePoll: 0,
  hosts: makeHosts(config), lastNamespace: 0, pidNamespaces: [],
  pct: config.pct === undefined ? undefined : makePct(config.pct),
  script: config.script === undefined ? undefined : makeScript(config),
  plan: config.plan === undefined ? undefined : makePlan(config.hosts?.length ?? 1),
  faults: config.faults === undefined ? undefined : makeFaults(config.faults),
  durability: config.plan?.some((step) => step.do === 'crash' && step.loses === true) === true ? makeDurability() : undefined,
  pos: config.strategy === 'pos' ? makePos() : undefined,
  guided: config.guided === undefined ? undefined : makeGuided(),
  tasksMade: 0,
  // Set up next: it needs a kernel to work with.
  fs: undefined as unknown as FsState,
  net: makeNet(),
  clocks: makeClocks(config.epochSeconds), vdso: makeVdso(),
})

/** Tasks are stopped before what others may notice. */
const stopAtChoices = (kernel: Kernel): void => {
  const { choicePoints, choiceCode } = kernel.config
  const watch = watchMemory(kernel, { always: new Set(choicePoints?.map((eight) => Math.floor(eight * 8 / PAGE_SIZE))) })
  watch.stops = true
  const strategy = STRATEGIES[kernel.config.strategy]
  watch.goesOn = (task) => strategy.goesOn?.(kernel, task) === true
  watch.stopsAt = choicePoints === undefined ? undefined : new Set(choicePoints)
  watch.code = choiceCode === undefined ? undefined : new CodeRules(choiceCode, kernel.state)
}

/** @throws WorldError if the program can't be run */
export const createWorld = (config: WorldConfig, memory: PhysicalMemory, processor: Processor, outside: Outside): Kernel => {
  const kernel = new Kernel(config, memory, processor, outside, makeState(config))
  const { state } = kernel
  processor.setModel(config.cpu ?? BASE_CPU)
  processor.randomWord = () => {
    const bytes = outside.entropy.randomBytes(4)
    return bytes[0] | (bytes[1] << 8) | (bytes[2] << 16) | (bytes[3] << 24)
  }
  state.zeroFrame = memory.allocate()
  Object.assign(state, { fs: setUpFileSystems(kernel) })
  for (const { host } of config.faults?.signals ?? []) if (host !== undefined) findHost(kernel, host)
  for (const host of state.hosts) startHost(kernel, host)
  if (config.memoryModel === 'tso') watchMemory(kernel, { allButStacks: true, buffers: new TaskStores(kernel) })
  if (STRATEGIES[config.strategy].stops === true) stopAtChoices(kernel)
  return kernel
}

/** Input from outside: what a terminal's user typed or what a pipe delivers, empty at its end; or the terminal's new size. */
export const provideInput = (kernel: Kernel, input: ConsoleInput): void => {
  kernel.state.cycle = kernel.state.now
  deliverInput(kernel, input)
}

/** Every task waits: time jumps to the next deadline, and what is due happens. */
export const skipToDeadline = (kernel: Kernel): void => { jumpTo(kernel, nextDeadline(kernel.state.timers)) }

const jumpTo = (kernel: Kernel, cycle: number): void => {
  const { state } = kernel
  if (cycle === Infinity) return
  if (cycle > state.now) state.now = cycle
  state.cycle = state.now
  fireTimers(kernel)
}

/** Longer than it takes TCP to find out that a peer is gone (tcp_keepalive_time and probes), in virtual seconds. */
const PATIENCE_SECONDS = 10_800

/** Only connections are left that ask each other in vain, again and again, whether there is room now: nobody has run for hours. */
const isForgotten = ({ state, config }: Kernel): boolean =>
  state.now - Math.max(...state.cpus.map(({ clock }) => clock)) > PATIENCE_SECONDS * config.cpuHz && state.timers.heap.every(({ kind }) => kind === 'net')

/** More timers are not looked through each time: those that do nothing go by and by. */
const FEW_TIMERS = 64
/** What is left of connections wakes nobody. */
const isOver = ({ state: { timers: { heap } } }: Kernel): boolean => heap.length <= FEW_TIMERS && heap.every(isPassive)

/** Nothing can run. */
const idle = (kernel: Kernel): WorldStop | undefined => {
  const { state, config } = kernel
  const deadline = nextDeadline(state.timers)
  if (state.mainStatus !== undefined) {
    if (deadline > state.mainExitCycle + LINGER_SECONDS * config.cpuHz) return { reason: 'exited', status: state.mainStatus }
  } else if (state.consoleInput.tids.length > 0) {
    return { reason: 'input', deadline }
  } else if (deadline === Infinity || isOver(kernel) || isForgotten(kernel)) {
    // Nobody reads a terminal, but its user may still type ^C.
    return config.stdio[0] === 'tty' && !state.fs.hostInput.ended ? { reason: 'input', deadline } : { reason: 'deadlock' }
  }
  jumpTo(kernel, Math.min(deadline, config.cycleLimit))
  return undefined
}

const pollConsole = (kernel: Kernel): void => {
  const { state, config } = kernel
  state.nextConsolePoll = state.now + CONSOLE_POLL_SECONDS * config.cpuHz
  const input = kernel.outside.console.read(CONSOLE_POLL_BYTES)
  if (input !== undefined) provideInput(kernel, input)
}

/** One slice, or one jump in time. */
const step = (kernel: Kernel): WorldStop | undefined => {
  const { state, config } = kernel
  if (state.mainStatus !== undefined &&
      (state.tasks.size === 0 || state.now > state.mainExitCycle + LINGER_SECONDS * config.cpuHz)) {
    return { reason: 'exited', status: state.mainStatus }
  }
  if (state.now >= config.cycleLimit) return { reason: 'timeout' }
  if (nextDeadline(state.timers) <= state.now) {
    state.cycle = state.now
    fireTimers(kernel)
  }
  if (state.plan !== undefined) followPlan(kernel)
  if (state.faults?.timed !== undefined) takeTimedFaults(kernel, state.faults.timed)
  if (config.stdio[0] === 'tty' && state.now >= state.nextConsolePoll) pollConsole(kernel)
  const cpu = nextCpu(state)
  if (cpu === undefined) return idle(kernel)
  const strategy = STRATEGIES[config.strategy]
  const before = cpu.tid
  const task = choose(kernel, cpu, strategy)
  // A CPU can be without its task only if affinity sent that elsewhere.
  if (cpu.tid === 0) return undefined
  const alone = strategy.stopsAlone !== true && isAlone(state, cpu)
  const length = alone ? Math.floor(ALONE_SECONDS * config.cpuHz) : strategy.slice(kernel, task, cpu.clock)
  const executed = runSlice(kernel, cpu, task, Math.max(1, Math.min(length, nextDeadline(state.timers) - cpu.clock, config.cycleLimit - cpu.clock)), cpu.tid !== before, alone, strategy)
  if (!alone) strategy.ended?.(kernel, task, executed, kernel.yielded)
  return undefined
}

/** Runs at most `slices` slices. */
export const runWorld = (kernel: Kernel, slices: number): WorldStop => {
  for (let done = 0; done < slices; done++) {
    const stop = step(kernel)
    if (stop !== undefined) return stop
  }
  return RUNNING
}
