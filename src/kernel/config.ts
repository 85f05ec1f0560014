/** The configuration of a world: plain data, recorded in the head of a trace. With the seed and the inputs it determines everything. */
import type { CpuName } from '../emu/cpu/model.ts'

export type StdioKind = 'tty' | 'pipe' | 'file' | 'null'

export type MountSource =
  /** Host files, read-only below, writes stay in memory (copy-on-write). `host` is for messages; contents come through HostFiles by the mount's index. */
  | { readonly kind: 'host', readonly host: string }
  /** A host directory whose changes are written back to the host when the world ends well (`--mount H:G:rw`). */
  | { readonly kind: 'host-rw', readonly host: string }
  | { readonly kind: 'tmpfs' } | { readonly kind: 'proc' } | { readonly kind: 'sys' } | { readonly kind: 'dev' }

/** Mounts are applied in order; their mount points are made as needed. A host mount may be of a single file. */
export interface MountConfig {
  readonly guest: string
  readonly source: MountSource
}

/** A file made in the world at the start, for the generated /etc and the like. */
export interface GeneratedFile {
  readonly path: string
  /** Permissions; a directory's with S_IFDIR, which may be there already. */
  readonly mode: number
  /** Content, or the target of a symbolic link. */
  readonly content?: Uint8Array
  readonly symlink?: string
}

/** An extended attribute of a file that is there at the start: what images have, as `HostFiles` knows of none. */
export interface FileAttribute {
  readonly path: string
  readonly name: string
  readonly value: Uint8Array
}

/** See sched/pct.ts. */
export interface PctConfig {
  /** How many ordering constraints a bug may need: change points and one. */
  readonly depth: number
  /** Instructions while more than one task could run, as estimated: where change points are. */
  readonly steps: number
}

/** A task runs until it has had so many cycles. See sched/script.ts. */
export interface ScheduleSegment {
  /** `Task.index`: by order of creation, from 0. */
  readonly task: number
  /** Cycles of its own (user and system) since it was made, at which another takes its place; Infinity: when it waits, ends or yields. */
  readonly until: number
  /** The virtual CPU; 0 if one task runs at a time. */
  readonly cpu: number
}

export interface ScriptConfig {
  readonly segments: readonly ScheduleSegment[]
  /** One task of all runs at a time, whatever the number of CPUs that programs see: segments come in their order. */
  readonly oneAtATime: boolean
}

/** One of several hosts of a world (hosts.ts). Links between them are the network's (net/). */
export interface HostConfig {
  /** Also what uname(2) says. */
  readonly name: string
  /** Virtual CPUs of its own. */
  readonly cpus: number
  readonly program: string
  readonly argv: readonly string[]
  readonly env: readonly string[]
  readonly cwd: string
  readonly uid: number
  readonly gid: number
  readonly mounts: readonly MountConfig[]
  readonly files: readonly GeneratedFile[]
  readonly attributes?: readonly FileAttribute[]
  /** False: the world does not wait for the program to end (a server). If that is so for all, it waits for all. */
  readonly main?: boolean
}

/** See sched/guided.ts. */
export interface GuidedConfig {
  /** `Task.index` of who goes on, each time that there is a choice. */
  readonly choices: readonly number[]
}

/** Where the strategy 'guided' stops less: see watch/choice-code.ts. Pairs of addresses in order: where it begins, and ends. */
export interface ChoiceCode {
  /** No access and no system call is a choice. */
  readonly quiet: readonly number[]
  /** Of accesses those with LOCK alone, and no futex call. */
  readonly sync: readonly number[]
  /** The same, but each function is stopped at its first such access alone. */
  readonly once: readonly number[]
}

/** One end of a link: an interface of a host, which it makes. */
export interface LinkEnd {
  /** The host's name. */
  readonly host: string
  /** 'eth0'. */
  readonly interface: string
  /** '10.0.0.1/24'; without it the host's programs give it one. */
  readonly address?: string
  /** '02:00:00:00:00:01'; else one is made up. */
  readonly mac?: string
  /** Of the default route, which leads here. */
  readonly gateway?: string
}

/** A cable between two interfaces, or a hub for more (net/link.ts). Probabilities are of each frame; what is left out is none. */
export interface LinkConfig {
  readonly ends: readonly LinkEnd[]
  readonly latencyCycles?: number
  readonly bytesPerSecond?: number
  readonly loss?: number
  readonly duplicate?: number
  readonly reorder?: number
  readonly corrupt?: number
}

/** What a system call may meet by chance (plan/faults.ts): a transfer cut short, EINTR, ENOMEM, ENOSPC, EIO, EAGAIN of what makes tasks. */
export type FaultKind = 'short' | 'eintr' | 'enomem' | 'enospc' | 'eio' | 'clone'

/**
 * A fault by the call that meets it. Calls are counted by their task, each system call by itself, and those that are cut short or
 * interrupted are left out, as they are made again, mostly: so others stay where they are when one is taken out of a list.
 */
export interface CallFault {
  readonly fault: FaultKind
  /** `Task.index`: by order of creation, from 0. */
  readonly task: number
  /** The system call's number, and how many of these the task had made. */
  readonly call: number
  readonly count: number
  /** How often this one had been cut short or interrupted, 0 if left out. */
  readonly again?: number
  /** Of 'short': how much is asked for. */
  readonly value?: number
}

/** A signal at a cycle; `value` says which of `FaultConfig.signals`, the first if left out. */
export interface TimedSignal { readonly fault: 'signal', readonly cycle: number, readonly value?: number }

/** CLOCK_REALTIME jumps by so many milliseconds at a cycle. */
export interface TimedJump { readonly fault: 'clock', readonly cycle: number, readonly value: number }

export type ListedFault = CallFault | TimedSignal | TimedJump

/** A signal that arrives at instructions that are drawn (plan/timed.ts). */
export interface SignalFault {
  readonly signal: number
  /** Cycles from one to the next, on average. */
  readonly every: number
  /** To this host's first program (without it the first host's), or to what a step has started under this name. */
  readonly host?: string
  readonly name?: string
  /** So many at most. */
  readonly most?: number
}

/** CLOCK_REALTIME, which all hosts have in common, jumps at instructions that are drawn (plan/timed.ts). */
export interface ClockFault {
  /** Cycles from one to the next, on average. */
  readonly every: number
  /** By how much at most; by any order of magnitude, from a millisecond on. */
  readonly seconds: number
  /** Both if left out. */
  readonly direction?: 'forward' | 'backward'
  /** So many at most. */
  readonly most?: number
}

export interface FaultConfig {
  /** Probability of each, from 0 to 1, each time that a call could meet it. */
  readonly rates?: { readonly [K in FaultKind]?: number }
  readonly signals?: readonly SignalFault[]
  readonly clock?: readonly ClockFault[]
  /** In place of rates, and of drawing when signals arrive and the clock jumps: these and no others. */
  readonly list?: readonly ListedFault[]
  /** Not before this cycle. */
  readonly after?: number
  /** Names of the hosts that have them; without it all. */
  readonly hosts?: readonly string[]
}

/** See plan/plan.ts. */
export type PlanStep =
  /** Starts a program on a host that is up; `name` is how other steps call it. */
  | { readonly do: 'run', readonly host: string, readonly name: string, readonly program: string, readonly argv: readonly string[], readonly env: readonly string[] }
  /** Virtual time. */
  | { readonly do: 'wait', readonly seconds: number }
  /** Until a program of the host has printed the text, after what the last such step found. */
  | { readonly do: 'waitOutput', readonly host: string, readonly text: string }
  /** Until a program that was started has ended. */
  | { readonly do: 'waitExit', readonly name: string }
  | { readonly do: 'link', readonly link: number, readonly change: { readonly up?: boolean, readonly loss?: number, readonly duplicate?: number, readonly reorder?: number, readonly corrupt?: number, readonly latencyCycles?: number, readonly bytesPerSecond?: number } }
  /** A host loses its power, with `loses` also what was written to its disks and not synchronised (plan/durability.ts); and is started again. */
  | { readonly do: 'crash', readonly host: string, readonly loses?: boolean }
  | { readonly do: 'restart', readonly host: string }
  /** To the host's first program, or to the one that a step has started under this name. */
  | { readonly do: 'signal', readonly host: string, readonly name?: string, readonly signal: number }
  /** CLOCK_REALTIME of all hosts jumps by so much. */
  | { readonly do: 'clock', readonly seconds: number }

export interface WorldConfig {
  /** What is done to the world, one step after the other. It does not end before the last. */
  readonly plan?: readonly PlanStep[]
  readonly faults?: FaultConfig
  /**
   * The hosts, if there are several: programs, mounts and files are theirs, and those of the world itself mean nothing; `cpus` is the sum of theirs.
   * The first one has the standard input (and the terminal, if there is one); all have the standard output and error output.
   */
  readonly hosts?: readonly HostConfig[]
  /** What hosts see each other by. */
  readonly links?: readonly LinkConfig[]
  /** Packets over loopback are in the trace as well as those on links. */
  readonly packets?: boolean
  readonly program: string
  readonly argv: readonly string[]
  readonly env: readonly string[]
  readonly cwd: string
  readonly mounts: readonly MountConfig[]
  readonly files: readonly GeneratedFile[]
  readonly attributes?: readonly FileAttribute[]
  readonly hostname: string
  /** Number of virtual CPUs, 1–64. */
  readonly cpus: number
  /** What they are (emu/cpu/model.ts); x86-64-v1 if it is not said. */
  readonly cpu?: CpuName
  /** Random bytes and decisions are drawn from it. */
  readonly seed: string
  /** Decisions of the scheduler are drawn from this instead: worlds that differ in it alone are the same up to the first. */
  readonly scheduleSeed?: string
  readonly strategy: 'round-robin' | 'random' | 'pct' | 'pct-access' | 'script' | 'pos' | 'guided'
  /** Of the strategy 'pct', which needs it; no other has it. */
  readonly pct?: PctConfig
  /** Of the strategy 'script', which needs it; no other has it. */
  readonly script?: ScriptConfig
  /** Of the strategy 'guided', which needs it; no other has it. */
  readonly guided?: GuidedConfig
  /** Of strategies that stop tasks before they access shared memory: only at these addresses, in eights, in order. Without it everywhere. */
  readonly choicePoints?: readonly number[]
  /** Of the strategy 'guided'. */
  readonly choiceCode?: ChoiceCode
  /** sc: each store is seen by all at once; tso: with store buffers, as processors have them (watch/store-buffers.ts). */
  readonly memoryModel?: 'sc' | 'tso'
  /** Cycles in a virtual second. */
  readonly cpuHz: number
  /** CLOCK_REALTIME at cycle 0, seconds since 1970. */
  readonly epochSeconds: number
  readonly uid: number
  readonly gid: number
  /** What the three descriptors are outside, and the terminal's size if one is a terminal. */
  readonly stdio: readonly [StdioKind, StdioKind, StdioKind]
  readonly terminal: { readonly rows: number, readonly columns: number }
  /** Guest memory in bytes, at most. */
  readonly memoryLimit: number
  /** The world ends (as if killed) at this cycle. */
  readonly cycleLimit: number
}
