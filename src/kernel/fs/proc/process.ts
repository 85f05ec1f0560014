/** Files of /proc/PID and /proc/PID/task/TID, in the formats of Linux 6.1 (fs/proc/array.c, base.c; proc(5)). */
import { PAGE_SIZE } from '../../../emu/cpu/layout.ts'
import { ACCESS_READ } from '../../../emu/mmu/mmu.ts'
import { CAP_SYS_RESOURCE, CAP_SYS_TIME } from '../../abi/capabilities.ts'
import { EACCES, EINVAL, ENOENT, EPERM, ESRCH } from '../../abi/errno.ts'
import { SIG_DFL, SIG_IGN, SIGNAL_COUNT } from '../../abi/signals.ts'
import { CLOCK_TICKS } from '../../abi/time.ts'
import type { Kernel } from '../../kernel.ts'
import { addUsage, noUsage } from '../../task/create.ts'
import { hasCapability } from '../../task/credentials.ts'
import { type PidNamespace, shownPid } from '../../task/pid-namespace.ts'
import { hasCapabilityIn, type IdKind, shownGid, showIdMap, showSetgroups, shownUid, writeIdMap, writeSetgroups } from '../../task/user-namespace.ts'
import { namespaceOf, namespaceText } from '../namespace-files.ts'
import type { CapabilitySet, Task, ThreadGroup, Usage } from '../../task/task.ts'
import type { SignalSet } from '../../signal/signal.ts'
import { controllingTerminal } from '../tty-jobs.ts'
import { pathOf } from '../path.ts'
import { executableOf, residentOf, sizesOf } from './maps.ts'
import type { ProcNode } from './nodes.ts'
import { isAlive, mayLook, subjectOf } from './subject.ts'

const KIB = 1024
const UNLIMITED = '18446744073709551615'

const STATES: Readonly<Record<Task['state'], string>> = {
  runnable: 'R', running: 'R', blocked: 'S', stopped: 'T', zombie: 'Z', dead: 'X',
}
const STATE_NAMES: Readonly<Record<string, string>> = {
  R: 'R (running)', S: 'S (sleeping)', D: 'D (disk sleep)', T: 'T (stopped)', Z: 'Z (zombie)', X: 'X (dead)',
}
export const stateOf = (task: Task): string => task.state === 'blocked' && task.uninterruptible ? 'D' : STATES[task.state]

const ticks = (kernel: Kernel, cycles: number): number => Math.floor(cycles / kernel.config.cpuHz * CLOCK_TICKS)

/** Of /proc/PID the whole group's use, of task/TID the thread's. */
const isThreadNode = (node: ProcNode): boolean => node.entry.startsWith('PID/task/')

const usageOf = (kernel: Kernel, subject: Task, node: ProcNode): Usage => {
  if (isThreadNode(node)) return subject.usage
  const sum = noUsage()
  addUsage(sum, subject.group.usage)
  for (const tid of subject.group.threads) {
    const task = kernel.state.tasks.get(tid)
    if (task !== undefined) addUsage(sum, task.usage)
  }
  return sum
}

const threadCount = (task: Task): number => task.group.zombie ? 1 : Math.max(task.group.threads.length, 1)

/** Signals 1–31 as stat shows them. */
const oldMask = (set: SignalSet): number => set[0] & 0x7fff_ffff

const handled = (task: Task): { ignored: SignalSet, caught: SignalSet } => {
  const ignored: SignalSet = [0, 0]
  const caught: SignalSet = [0, 0]
  for (let signal = 1; signal <= SIGNAL_COUNT; signal++) {
    const { handler } = task.actions.table[signal]
    if (handler === SIG_DFL) continue
    const set = handler === SIG_IGN ? ignored : caught
    const word = (signal - 1) >> 5
    set[word] = (set[word] | (1 << ((signal - 1) & 31))) >>> 0
  }
  return { ignored, caught }
}

const PF_FORKNOEXEC = 0x40, PF_RANDOMIZE = 0x40_0000

/** The kernel's scale of priorities less 100: 20 + nice, or −1 − the real-time priority. */
const priorityOf = (task: Task): number => task.policy === 1 || task.policy === 2 ? -1 - task.priority : 20 + task.nice

export const stat = (kernel: Kernel, node: ProcNode, reader: Task): string | number => {
  const task = subjectOf(kernel, node)
  if (task === undefined) return -ESRCH
  const { group } = task
  const alive = isAlive(task)
  const { mm } = task
  const usage = usageOf(kernel, task, node)
  const isLeader = task.tid === group.tgid
  const state = stateOf(task)
  const terminal = controllingTerminal(kernel, group)
  const visible = alive && mayLook(reader, task)
  const shown = (value: number): number => visible ? value : 0
  const { ignored, caught } = handled(task)
  const pid = (number: number): number => shownPid(node.pids, number)
  const fields: (string | number)[] = [
    pid(task.tid), `(${task.name})`, state, parentIn(node.pids, group), pid(group.processGroup), pid(group.session), group.controllingTerminal,
    terminal === undefined ? -1 : terminal.foreground === 0 ? -1 : pid(terminal.foreground),
    PF_RANDOMIZE | (group.didExec ? 0 : PF_FORKNOEXEC), usage.minorFaults, group.childUsage.minorFaults, usage.majorFaults,
    group.childUsage.majorFaults, ticks(kernel, usage.userCycles), ticks(kernel, usage.systemCycles),
    ticks(kernel, group.childUsage.userCycles), ticks(kernel, group.childUsage.systemCycles), priorityOf(task), task.nice,
    threadCount(task), 0, ticks(kernel, isLeader ? group.startCycle : task.startCycle),
    alive ? sizesOf(mm).total : 0, alive ? mm.residentPages : 0, UNLIMITED,
    visible ? mm.codeStart : alive ? 1 : 0, visible ? mm.codeEnd : alive ? 1 : 0, shown(mm.stackStart), 0, 0,
    oldMask(task.pending.set), oldMask(task.signalMask), oldMask(ignored), oldMask(caught),
    visible && state !== 'R' ? 1 : 0, 0, 0, isLeader ? group.exitSignal : -1, task.cpu,
    task.policy === 1 || task.policy === 2 ? task.priority : 0, task.policy, 0, 0, 0, shown(mm.dataStart), shown(mm.dataEnd), shown(mm.heapStart),
    shown(mm.argumentArea[0]), shown(mm.argumentArea[1]), shown(mm.environmentArea[0]), shown(mm.environmentArea[1]),
    mayLook(reader, task) && !alive ? group.exitStatus : 0,
  ]
  return `${fields.join(' ')}\n`
}

const mask64 = (set: readonly [number, number]): string => (set[1] >>> 0).toString(16).padStart(8, '0') + (set[0] >>> 0).toString(16).padStart(8, '0')
const capabilities = (name: string, set: CapabilitySet): string => `${name}:\t${mask64(set)}\n`

const kib = (name: string, bytes: number): string => `${name}:\t${String(Math.floor(bytes / KIB)).padStart(8)} kB\n`

const memoryLines = (kernel: Kernel, task: Task): string => {
  const { mm } = task
  const sizes = sizesOf(mm)
  const resident = residentOf(kernel, mm)
  const rss = (resident.anonymous + resident.file + resident.shared) * PAGE_SIZE
  return kib('VmPeak', sizes.total) + kib('VmSize', sizes.total) + kib('VmLck', sizes.locked) + kib('VmPin', 0) +
    kib('VmHWM', Math.max(mm.residentPeak * PAGE_SIZE, rss)) + kib('VmRSS', rss) + kib('RssAnon', resident.anonymous * PAGE_SIZE) +
    kib('RssFile', resident.file * PAGE_SIZE) + kib('RssShmem', resident.shared * PAGE_SIZE) + kib('VmData', sizes.data) +
    kib('VmStk', sizes.stack) + kib('VmExe', sizes.text) + kib('VmLib', sizes.library) + kib('VmPTE', (mm.tables.size + 3) * PAGE_SIZE) +
    kib('VmSwap', 0) + kib('HugetlbPages', 0) + 'CoreDumping:\t0\nTHP_enabled:\t0\n'
}

/** The affinity mask as Cpus_allowed shows it, and as a list of ranges. */
const cpuMask = (kernel: Kernel, task: Task): { mask: string, list: string } => {
  const { cpus } = kernel.config
  const ranges: string[] = []
  const isAllowed = (cpu: number): boolean => cpu < cpus && (task.affinity[cpu >> 5] & (1 << (cpu & 31))) !== 0
  let low = 0
  let high = 0
  for (let cpu = 0; cpu < cpus; cpu++) {
    if (!isAllowed(cpu)) continue
    if (cpu < 32) low |= 1 << cpu
    else high |= 1 << (cpu - 32)
    let last = cpu
    if (cpu === 0 || !isAllowed(cpu - 1)) {
      while (isAllowed(last + 1)) last++
      ranges.push(last > cpu ? `${cpu}-${last}` : String(cpu))
    }
  }
  const digits = Math.ceil(cpus / 4)
  const mask = cpus > 32 ? `${(high >>> 0).toString(16).padStart(digits - 8, '0')},${(low >>> 0).toString(16).padStart(8, '0')}` : (low >>> 0).toString(16).padStart(digits, '0')
  return { mask, list: ranges.join(',') }
}

/** Newlines and backslashes of names are escaped. */
const escapeName = (name: string): string => name.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const FIRST_TABLE = 64
const MEMORY_NODES = `${'00000000,'.repeat(31)}00000001`

/** The parent's number: small ones stand for a parent that is nobody. */
const parentIn = (pids: PidNamespace, { parent }: ThreadGroup): number => parent <= 1 ? parent : shownPid(pids, parent)

/** The number in the namespace that is looked from, then those in the ones nested in that, to the process's own. */
const allNumbers = (from: PidNamespace, task: Task, pid: number): string => {
  const numbers: number[] = []
  for (let at: PidNamespace | undefined = task.group.pids; at !== undefined && at.level >= from.level; at = at.parent) numbers.unshift(shownPid(at, pid))
  return numbers.join('\t')
}

export const status = (kernel: Kernel, node: ProcNode, reader: Task): string | number => {
  const task = subjectOf(kernel, node)
  if (task === undefined) return -ESRCH
  const { group, credentials: c } = task
  const alive = isAlive(task)
  const { ignored, caught } = handled(task)
  const { mask, list } = cpuMask(kernel, task)
  const { pids } = node
  const { user } = reader.credentials
  const pid = (number: number): number => shownPid(pids, number)
  const all = (number: number): string => allNumbers(pids, task, number)
  let table = FIRST_TABLE
  while (alive && table < task.files.slots.length) table *= 2
  const umask = alive ? `Umask:\t${task.fs.umask.toString(8).padStart(4, '0')}\n` : ''
  const queued = group.pending.queue.length + task.pending.queue.length
  return `Name:\t${escapeName(task.name)}\n${umask}State:\t${STATE_NAMES[stateOf(task)]}\nTgid:\t${pid(group.tgid)}\nNgid:\t0\n` +
    `Pid:\t${pid(task.tid)}\nPPid:\t${parentIn(pids, group)}\nTracerPid:\t${pid(task.trace?.tracer ?? 0)}\nUid:\t${[c.uid, c.euid, c.suid, c.fsuid].map((id) => shownUid(user, id)).join('\t')}\n` +
    `Gid:\t${[c.gid, c.egid, c.sgid, c.fsgid].map((id) => shownGid(user, id)).join('\t')}\nFDSize:\t${alive ? table : 0}\nGroups:\t${c.groups.map((id) => shownGid(user, id)).join(' ')} \n` +
    `NStgid:\t${all(group.tgid)}\nNSpid:\t${all(task.tid)}\nNSpgid:\t${all(group.processGroup)}\nNSsid:\t${all(group.session)}\n` +
    (alive ? memoryLines(kernel, task) : '') +
    `Threads:\t${threadCount(task)}\nSigQ:\t${queued}/${group.limits[11][0]}\nSigPnd:\t${mask64(task.pending.set)}\n` +
    `ShdPnd:\t${mask64(group.pending.set)}\nSigBlk:\t${mask64(task.signalMask)}\nSigIgn:\t${mask64(ignored)}\nSigCgt:\t${mask64(caught)}\n` +
    capabilities('CapInh', c.inheritable) + capabilities('CapPrm', c.permitted) + capabilities('CapEff', c.effective) +
    capabilities('CapBnd', c.bounding) + capabilities('CapAmb', c.ambient) +
    `NoNewPrivs:\t${task.noNewPrivileges ? 1 : 0}\nSeccomp:\t${task.seccomp?.mode ?? 0}\nSeccomp_filters:\t${task.seccomp?.filters.length ?? 0}\nSpeculation_Store_Bypass:\tnot vulnerable\n` +
    `SpeculationIndirectBranch:\tunknown\nCpus_allowed:\t${mask}\nCpus_allowed_list:\t${list}\nMems_allowed:\t${MEMORY_NODES}\n` +
    `Mems_allowed_list:\t0\nvoluntary_ctxt_switches:\t${task.usage.voluntarySwitches}\nnonvoluntary_ctxt_switches:\t${task.usage.involuntarySwitches}\n`
}

export const statm = (kernel: Kernel, node: ProcNode): string | number => {
  const task = subjectOf(kernel, node)
  if (task === undefined) return -ESRCH
  if (!isAlive(task)) return '0 0 0 0 0 0 0\n'
  const sizes = sizesOf(task.mm)
  const resident = residentOf(kernel, task.mm)
  const shared = resident.file + resident.shared
  return `${sizes.total / PAGE_SIZE} ${shared + resident.anonymous} ${shared} ${sizes.text / PAGE_SIZE} 0 ${(sizes.data + sizes.stack) / PAGE_SIZE} 0\n`
}

const NOTHING = new Uint8Array(0)

const readRange = (kernel: Kernel, task: Task, start: number, end: number): Uint8Array => {
  const user = kernel.user(task)
  return user.read(start, user.accessible(start, end - start, ACCESS_READ))
}

/**
 * argv as it stands in the process's memory. A program that has written over its end (setproctitle) gets its title, up to
 * the first NUL, into the environment's place (Linux's get_mm_cmdline).
 */
export const cmdline = (kernel: Kernel, node: ProcNode): Uint8Array | number => {
  const task = subjectOf(kernel, node)
  if (task === undefined) return -ESRCH
  if (!isAlive(task)) return NOTHING
  const [start, end] = task.mm.argumentArea
  if (end <= start) return NOTHING
  const bytes = readRange(kernel, task, start, end)
  if (bytes.length === 0 || bytes[bytes.length - 1] === 0) return bytes
  const title = readRange(kernel, task, start, task.mm.environmentArea[1])
  const nul = title.indexOf(0)
  return nul < 0 ? title : title.subarray(0, Math.max(nul + 1, 0))
}

export const environ = (kernel: Kernel, node: ProcNode): Uint8Array | number => {
  const task = subjectOf(kernel, node)
  if (task === undefined) return -ESRCH
  return isAlive(task) ? readRange(kernel, task, task.mm.environmentArea[0], task.mm.environmentArea[1]) : NOTHING
}

export const auxv = (kernel: Kernel, node: ProcNode): Uint8Array => {
  const task = subjectOf(kernel, node)
  return task !== undefined && isAlive(task) ? task.mm.auxv : NOTHING
}

/** A task whose parts are shown; what needs more than its name fails when it is gone. */
const withTask = (kernel: Kernel, node: ProcNode, text: (task: Task) => string): string | number => {
  const task = subjectOf(kernel, node)
  return task === undefined ? -ESRCH : text(task)
}

export const comm = (kernel: Kernel, node: ProcNode): string | number => withTask(kernel, node, (task) => `${escapeName(task.name)}\n`)
const NAME_LIMIT = 15
export const setComm = (kernel: Kernel, node: ProcNode, writer: Task, text: string): number => {
  const task = subjectOf(kernel, node)
  if (task === undefined) return -ESRCH
  if (task.group !== writer.group) return -EINVAL
  const name = text.slice(0, NAME_LIMIT)
  const nul = name.indexOf('\0')
  task.name = nul < 0 ? name : name.slice(0, nul)
  return 0
}

export const personality = (kernel: Kernel, node: ProcNode): string | number =>
  withTask(kernel, node, (task) => `${(task.personality >>> 0).toString(16).padStart(8, '0')}\n`)

export const syscall = (kernel: Kernel, node: ProcNode): string | number => withTask(kernel, node, (task) => {
  if (task.syscall === undefined || task.state !== 'blocked') return 'running\n'
  const view = new DataView(task.context.buffer, task.context.byteOffset)
  const register = (value: number): string => `0x${value < 0 ? BigInt.asUintN(64, BigInt(value)).toString(16) : value.toString(16)}`
  // rsp is the fifth register of the block.
  const stackPointer = view.getUint32(32, true) + view.getUint32(36, true) * 0x1_0000_0000
  return `${task.syscall.number} ${task.syscall.args.map(register).join(' ')} ${register(stackPointer)} 0x0\n`
})

const LIMIT_NAMES: readonly (readonly [name: string, unit: string])[] = [
  ['Max cpu time', 'seconds'], ['Max file size', 'bytes'], ['Max data size', 'bytes'], ['Max stack size', 'bytes'],
  ['Max core file size', 'bytes'], ['Max resident set', 'bytes'], ['Max processes', 'processes'], ['Max open files', 'files'],
  ['Max locked memory', 'bytes'], ['Max address space', 'bytes'], ['Max file locks', 'locks'], ['Max pending signals', 'signals'],
  ['Max msgqueue size', 'bytes'], ['Max nice priority', ''], ['Max realtime priority', ''], ['Max realtime timeout', 'us'],
]

export const limits = (kernel: Kernel, node: ProcNode): string | number => withTask(kernel, node, (task) => {
  const show = (limit: number): string => (limit === Infinity ? 'unlimited' : String(limit)).padEnd(20)
  return `Limit                     Soft Limit           Hard Limit           Units     \n${LIMIT_NAMES.map(([name, unit], i) => {
    const [soft, hard] = task.group.limits[i]
    return `${name.padEnd(25)} ${show(soft)} ${show(hard)} ${unit === '' ? '' : unit.padEnd(10)}\n`
  }).join('')}`
})

export const schedstat = (kernel: Kernel, node: ProcNode): string | number => withTask(kernel, node, (task) => {
  const { usage } = task
  const run = Math.floor((usage.userCycles + usage.systemCycles) / kernel.config.cpuHz * 1e9)
  return `${run} 0 ${usage.voluntarySwitches + usage.involuntarySwitches}\n`
})

/** Bytes are not counted. */
export const io = (kernel: Kernel, node: ProcNode): string | number => withTask(kernel, node, () =>
  'rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n')

// ——— The out-of-memory killer's opinion ———

const OOM_ADJUST_MAX = 15, OOM_ADJUST_SCALE = 17, OOM_SCORE_MAX = 1000

export const oomScore = (kernel: Kernel, node: ProcNode): string | number => withTask(kernel, node, (task) => {
  const used = isAlive(task) ? task.mm.residentPages / kernel.memory.frameLimit * OOM_SCORE_MAX : 0
  return `${Math.max(Math.floor((OOM_SCORE_MAX + used + task.group.oomScoreAdjust) * 2 / 3), 0)}\n`
})
export const oomScoreAdjust = (kernel: Kernel, node: ProcNode): string | number => withTask(kernel, node, (task) => `${task.group.oomScoreAdjust}\n`)
export const oomAdjust = (kernel: Kernel, node: ProcNode): string | number => withTask(kernel, node, (task) => {
  const { oomScoreAdjust: adjust } = task.group
  return `${adjust === OOM_SCORE_MAX ? OOM_ADJUST_MAX : Math.trunc(adjust * OOM_ADJUST_SCALE / OOM_SCORE_MAX)}\n`
})

const parseInteger = (text: string): number | undefined => {
  const match = /^\s*([+-]?\d+)\s*$/.exec(text)
  return match === null ? undefined : Number(match[1])
}

const adjust = (kernel: Kernel, node: ProcNode, writer: Task, value: number): number => {
  const task = subjectOf(kernel, node)
  if (task === undefined) return -ESRCH
  if (value < task.group.oomScoreAdjust && !hasCapability(writer, CAP_SYS_RESOURCE)) return -EACCES
  task.group.oomScoreAdjust = value
  return 0
}
export const setOomScoreAdjust = (kernel: Kernel, node: ProcNode, writer: Task, text: string): number => {
  const value = parseInteger(text)
  return value === undefined || value < -OOM_SCORE_MAX || value > OOM_SCORE_MAX ? -EINVAL : adjust(kernel, node, writer, value)
}
export const setOomAdjust = (kernel: Kernel, node: ProcNode, writer: Task, text: string): number => {
  const value = parseInteger(text)
  if (value === undefined || value < -OOM_ADJUST_SCALE || value > OOM_ADJUST_MAX) return -EINVAL
  return adjust(kernel, node, writer, value === OOM_ADJUST_MAX ? OOM_SCORE_MAX : Math.trunc(value * OOM_SCORE_MAX / OOM_ADJUST_SCALE))
}

export const timerSlack = (kernel: Kernel, node: ProcNode): string | number => withTask(kernel, node, (task) => `${task.timerSlack}\n`)
export const setTimerSlack = (kernel: Kernel, node: ProcNode, _writer: Task, text: string): number => {
  const value = parseInteger(text)
  const task = subjectOf(kernel, node)
  if (task === undefined) return -ESRCH
  if (value === undefined || value < 0) return -EINVAL
  task.timerSlack = value === 0 ? task.defaultTimerSlack : value
  return 0
}

// ——— Namespaces ———

export const namespace = (kernel: Kernel, node: ProcNode, name: string): string | number => {
  const task = subjectOf(kernel, node)
  const found = task === undefined || !isAlive(task) ? undefined : namespaceOf(task, name)
  return found === undefined ? -ENOENT : namespaceText(found)
}

export const idMap = (kind: IdKind) => (kernel: Kernel, node: ProcNode, reader: Task): string | number =>
  withTask(kernel, node, (task) => showIdMap(task.credentials.user, kind, reader.credentials.user))
export const setIdMap = (kind: IdKind) => (kernel: Kernel, node: ProcNode, writer: Task, text: string): number => {
  const task = subjectOf(kernel, node)
  return task === undefined ? -ESRCH : writeIdMap(writer.credentials, task.credentials.user, kind, text)
}
export const setgroups = (kernel: Kernel, node: ProcNode): string | number => withTask(kernel, node, (task) => showSetgroups(task.credentials.user))
export const setSetgroups = (kernel: Kernel, node: ProcNode, writer: Task, text: string): number => {
  const task = subjectOf(kernel, node)
  return task === undefined ? -ESRCH : writeSetgroups(writer.credentials, task.credentials.user, text)
}

export const timeOffsets = (kernel: Kernel, node: ProcNode): string | number => withTask(kernel, node, (task) => {
  const { monotonic, boottime } = task.namespaces.timeForChildren
  return ([['monotonic', monotonic], ['boottime', boottime]] as const).map(([name, [seconds, nanoseconds]]) =>
    `${name.padEnd(10)} ${String(seconds).padStart(10)} ${String(nanoseconds).padStart(9)}\n`).join('')
})
export const setTimeOffsets = (kernel: Kernel, node: ProcNode, writer: Task, text: string): number => {
  const task = subjectOf(kernel, node)
  if (task === undefined) return -ESRCH
  const { timeForChildren: time } = task.namespaces
  if (!hasCapabilityIn(writer, time.owner, CAP_SYS_TIME)) return -EPERM
  if (time.frozen) return -EACCES
  for (const line of text.trim().split('\n')) {
    const match = /^\s*(monotonic|boottime|1|7)\s+(-?\d+)\s+(\d+)\s*$/.exec(line)
    if (match === null || Number(match[3]) >= 1e9) return -EINVAL
    const offset = [Number(match[2]), Number(match[3])] as const
    if (match[1] === 'monotonic' || match[1] === '1') time.monotonic = offset
    else time.boottime = offset
  }
  return 0
}

// ——— Links ———

const linkText = (kernel: Kernel, node: ProcNode, text: (task: Task) => string | number): string | number => {
  const task = subjectOf(kernel, node)
  return task === undefined || !isAlive(task) ? -ENOENT : text(task)
}
export const cwd = (kernel: Kernel, node: ProcNode, reader: Task): string | number =>
  linkText(kernel, node, (task) => pathOf(task.fs.cwdMount, task.fs.cwd, reader.fs.rootMount, reader.fs.root))
export const root = (kernel: Kernel, node: ProcNode, reader: Task): string | number =>
  linkText(kernel, node, (task) => pathOf(task.fs.rootMount, task.fs.root, reader.fs.rootMount, reader.fs.root))
export const exe = (kernel: Kernel, node: ProcNode): string | number => linkText(kernel, node, (task) => {
  return executableOf(task.mm) === undefined ? -ENOENT : task.mm.executable
})
