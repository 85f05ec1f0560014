/**
 * The hosts of a world. A host is a set of namespaces with file systems, virtual CPUs and a first program of its own; all hosts
 * are in one kernel, so that nothing that watches, stores or repeats a world needs to know of them.
 *
 * Without `WorldConfig.hosts` there is one, described by the configuration itself.
 */
import { ENOENT, ERRNO_NAMES } from './abi/errno.ts'
import type { HostConfig, WorldConfig } from './config.ts'
import { AT_FDCWD, type Image, readImage } from './exec/image.ts'
import { execProgram } from './exec/exec.ts'
import { makeDescriptorTable } from './fs/descriptor.ts'
import type { DirectoryInode } from './fs/inode.ts'
import { dropMountNamespace } from './fs/mounts.ts'
import { openStandardFiles, rootContext, setUpMounts } from './fs/setup.ts'
import { LOOKUP_DIRECTORY, LOOKUP_FOLLOW, resolve } from './fs/path.ts'
import { makeIpc } from './ipc/ipc-state.ts'
import type { Kernel } from './kernel.ts'
import { hostNet, powerOff } from './net/hosts.ts'
import { createSpace } from './mm/space.ts'
import { signalActions } from './signal/signal.ts'
import { allCpus, initialCredentials, makeGroup, makeTask } from './task/create.ts'
import { endAbruptly, OUTSIDE_PID } from './task/exit.ts'
import { FIRST_IDS, type Namespaces, nextNamespaceId } from './task/namespaces.ts'
import { enterPidNamespace, makePidNamespace, type PidNamespace } from './task/pid-namespace.ts'
import { allocatePid } from './task/pids.ts'
import { addGroup } from './task/process-groups.ts'
import type { Task } from './task/task.ts'
import { firstUserNamespace, type UserNamespace } from './task/user-namespace.ts'

export interface HostState {
  readonly kind: 'host'
  readonly name: string
  readonly index: number
  /** Those of its first program. Undefined while it is down. */
  namespaces: Namespaces | undefined
  /** The virtual CPUs that are its own, as a mask. */
  readonly cpus: readonly [low: number, high: number]
  /** The first program's number (the kernel's), 0 while it is down, and its wait status when it has ended. */
  mainPid: number
  mainStatus: number | undefined
  /** How often it was started. */
  starts: number
  /** Roots of file systems that outlive a crash: the rootfs, then by mount of the configuration. */
  readonly disks: (DirectoryInode | undefined)[]
}

/** The program of a host can't be run, or there is no such host. */
export class WorldError extends Error {
  readonly errno: number

  constructor(message: string, errno: number) {
    super(message)
    this.name = 'WorldError'
    this.errno = errno
  }
}

/** Number of the first process, below which none is given: programs treat 1 and 2 specially. */
export const FIRST_PID = 100

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The hosts as the configuration describes them: one that is the configuration itself if it names none. */
export const hostsOf = (config: WorldConfig): readonly HostConfig[] => config.hosts ?? [{
  name: config.hostname, cpus: config.cpus, program: config.program, argv: config.argv, env: config.env, cwd: config.cwd, mounts: config.mounts, files: config.files,
  ...(config.attributes === undefined ? {} : { attributes: config.attributes }), uid: config.uid, gid: config.gid,
}]

/** All mounts in the order in which `HostFiles` counts them: host after host. */
export const mountsOf = (config: WorldConfig): WorldConfig['mounts'] => config.hosts === undefined ? config.mounts : config.hosts.flatMap(({ mounts }) => mounts)

/** Masks of the hosts' CPUs: each has the next ones. */
const cpuMasks = (hosts: readonly HostConfig[]): (readonly [number, number])[] => {
  let next = 0
  return hosts.map(({ cpus }) => {
    const first = next
    next += cpus
    const [allLow, allHigh] = allCpus(next)
    const [belowLow, belowHigh] = allCpus(first)
    return [(allLow & ~belowLow) >>> 0, (allHigh & ~belowHigh) >>> 0]
  })
}

/** The hosts, not started yet. */
export const makeHosts = (config: WorldConfig): HostState[] => {
  const hosts = hostsOf(config)
  const masks = cpuMasks(hosts)
  return hosts.map(({ name }, index) => ({
    kind: 'host', name, index, namespaces: undefined, cpus: masks[index], mainPid: 0, mainStatus: undefined, starts: 0, disks: [],
  }))
}

/** The number of a namespace that is made: Linux's first ones for the first host. */
const namespaceId = (kernel: Kernel, kind: keyof typeof FIRST_IDS, isFirst: boolean): number =>
  isFirst ? FIRST_IDS[kind] : nextNamespaceId(kernel)

/** Numbers of processes: those of the kernel if there is one host, else numbers of its own that begin alike. */
const pidsOf = (kernel: Kernel, isFirst: boolean, user: UserNamespace): PidNamespace => {
  const id = namespaceId(kernel, 'pid', isFirst)
  if (kernel.config.hosts === undefined) return makePidNamespace(id, undefined, user, false, 0)
  const outermost = makePidNamespace(0, undefined, user, false, 0)
  const pids = makePidNamespace(id, outermost, user, false, FIRST_PID - 1)
  kernel.state.pidNamespaces.push(pids)
  return pids
}

const makeNamespaces = (kernel: Kernel, host: HostState, config: HostConfig): { readonly namespaces: Namespaces, readonly user: UserNamespace } => {
  const isFirst = host.index === 0 && host.starts === 0
  const user = firstUserNamespace(namespaceId(kernel, 'user', isFirst))
  const id = (kind: keyof typeof FIRST_IDS): number => namespaceId(kernel, kind, isFirst)
  const pid = pidsOf(kernel, isFirst, user)
  const base = hostsOf(kernel.config).slice(0, host.index).reduce((sum, { mounts }) => sum + mounts.length, 0)
  const mount = setUpMounts(kernel, id('mount'), user, pid, config, base, host.disks)
  const time = { kind: 'time-namespace' as const, id: id('time'), owner: user, monotonic: [0, 0] as const, boottime: [0, 0] as const, frozen: true }
  return {
    user,
    namespaces: {
      kind: 'namespaces', host: host.index, pid, pidForChildren: pid, mount,
      uts: { kind: 'uts-namespace', id: id('uts'), owner: user, hostname: config.name, domainname: '(none)' },
      ipc: { kind: 'ipc-namespace', id: id('ipc'), owner: user, ipc: makeIpc() },
      net: { kind: 'net-namespace', id: id('net'), owner: user, net: hostNet(kernel, host.index, isFirst) },
      cgroup: { kind: 'cgroup-namespace', id: id('cgroup'), owner: user },
      time, timeForChildren: time,
    },
  }
}

/** The first task of a host: leader of its group, session and process group, child of nobody in the world. */
const makeFirstTask = (kernel: Kernel, namespaces: Namespaces, user: UserNamespace, { uid, gid }: HostConfig): Task => {
  const { state } = kernel
  const pid = allocatePid(kernel)
  const pids = namespaces.pid
  if (pids.level > 0) enterPidNamespace(pids, pid, 0)
  const group = makeGroup(kernel, { tgid: pid, parent: OUTSIDE_PID, processGroup: pid, session: pid, pids })
  const task = makeTask(kernel, {
    tid: pid, group, mm: createSpace(kernel), files: makeDescriptorTable(), fs: rootContext(namespaces.mount),
    actions: signalActions(), credentials: initialCredentials(uid, gid, user), namespaces, name: 'init',
  })
  state.tasks.set(pid, task)
  addGroup(kernel, group)
  return task
}

const errnoName = (error: number): string => ERRNO_NAMES.get(-error) ?? String(-error)

/** As execvp does: a name without a slash is looked for in PATH. */
const findProgram = (kernel: Kernel, task: Task, { program, argv, env }: HostConfig, where: string): Image => {
  const tryPath = (path: string): Image | number => readImage(kernel, task, AT_FDCWD, path, 0, path, argv, env)
  let failure = -ENOENT
  if (program.includes('/') || program === '') {
    const image = tryPath(program)
    if (typeof image !== 'number') return image
    failure = image
  } else {
    const path = env.find((variable) => variable.startsWith('PATH='))?.slice(5) ?? DEFAULT_PATH
    for (const directory of path.split(':')) {
      const image = tryPath(directory === '' ? program : `${directory}/${program}`)
      if (typeof image !== 'number') return image
      if (image !== -ENOENT) failure = image
    }
  }
  throw new WorldError(`can't run ${program}${where}: ${errnoName(failure)}`, -failure)
}

/** Gives a host its namespaces, file systems and first task, which has no program yet. */
export const boot = (kernel: Kernel, host: HostState): Task => {
  const config = hostsOf(kernel.config)[host.index]
  const { namespaces, user } = makeNamespaces(kernel, host, config)
  host.namespaces = namespaces
  host.starts++
  host.mainStatus = undefined
  const task = makeFirstTask(kernel, namespaces, user, config)
  host.mainPid = task.tid
  if (host.index === 0) kernel.state.mainPid = task.tid
  return task
}

/**
 * Starts a host that is down: its first program runs from its beginning, on what its disks hold.
 * @throws WorldError if the program can't be run
 */
export const startHost = (kernel: Kernel, host: HostState): void => {
  if (host.namespaces !== undefined) throw new WorldError(`host ${host.name} is running`, 0)
  const config = hostsOf(kernel.config)[host.index]
  const where = kernel.config.hosts === undefined ? '' : ` on ${host.name}`
  beginProgram(kernel, boot(kernel, host), config, where)
}

/** Runs a program in a first task. @throws WorldError */
const beginProgram = (kernel: Kernel, task: Task, config: HostConfig, where: string): void => {
  const { state } = kernel
  const before = kernel.current
  kernel.current = task
  const cwd = resolve(kernel, task, AT_FDCWD, config.cwd, LOOKUP_FOLLOW | LOOKUP_DIRECTORY)
  if (typeof cwd === 'number') throw new WorldError(`can't start in ${config.cwd}${where}: ${errnoName(cwd)}`, -cwd)
  if (cwd.inode?.kind === 'directory') {
    task.fs.cwd = cwd.inode
    task.fs.cwdMount = cwd.mount
  }
  openStandardFiles(kernel, task)
  const image = findProgram(kernel, task, config, where)
  kernel.outside.observer.onTaskStart(state.cycle, task.tid, OUTSIDE_PID, task.tid)
  kernel.load(task)
  execProgram(kernel, task, image)
  kernel.save()
  kernel.current = before
  kernel.makeRunnable(task)
}

/**
 * Starts a further program on a host that is up, as if from a terminal of its own: in a session of its own, child of nobody in the world.
 * @returns its process's number
 * @throws WorldError if it can't be run
 */
export const runOnHost = (kernel: Kernel, host: HostState, { program, argv, env }: Pick<HostConfig, 'program' | 'argv' | 'env'>): number => {
  const { namespaces } = host
  if (namespaces === undefined) throw new WorldError(`can't run ${program} on ${host.name}: it is down`, 0)
  const config = { ...hostsOf(kernel.config)[host.index], program, argv, env }
  const task = makeFirstTask(kernel, namespaces, namespaces.uts.owner, config)
  beginProgram(kernel, task, config, kernel.config.hosts === undefined ? '' : ` on ${host.name}`)
  return task.tid
}

export const findHost = (kernel: Kernel, name: string): HostState => {
  const host = kernel.state.hosts.find((one) => one.name === name)
  if (host === undefined) throw new WorldError(`there is no host ${name}; there are ${kernel.state.hosts.map((one) => one.name).join(', ')}`, ENOENT)
  return host
}

/**
 * The host loses its power: all of its tasks are gone at once, with what was in its memory; what was written to its disks stays.
 * To be called between slices.
 */
export const killHost = (kernel: Kernel, name: string): void => {
  const host = findHost(kernel, name)
  const { namespaces } = host
  if (namespaces === undefined) return
  kernel.save()
  powerOff(kernel, namespaces.net.net)
  host.namespaces = undefined
  host.mainPid = 0
  endAbruptly(kernel, host.index)
  dropMountNamespace(kernel, namespaces.mount, true)
  const at = kernel.state.pidNamespaces.indexOf(namespaces.pid)
  if (at >= 0) kernel.state.pidNamespaces.splice(at, 1)
}

/** Starts a host again that was killed. */
export const restartHost = (kernel: Kernel, name: string): void => { startHost(kernel, findHost(kernel, name)) }

/** Whether the world waits for the host's first program to end. */
const isAwaited = (kernel: Kernel, { index }: HostState): boolean => hostsOf(kernel.config)[index].main !== false

/** The first program of a host has ended: the world's status when that was the last it waited for. */
export const mainEnded = (kernel: Kernel, tgid: number, status: number): void => {
  const { state } = kernel
  const host = state.hosts.find(({ mainPid }) => mainPid === tgid)
  if (host !== undefined) {
    host.mainStatus = status
    settle(kernel)
    return
  }
  for (const run of state.plan?.runs.values() ?? []) if (run.tgid === tgid) run.status ??= status
}

/** Ends the world if nothing is waited for any more: no step of a plan, no first program. */
export const settle = (kernel: Kernel): void => {
  const { state, config } = kernel
  const { plan } = state
  if (plan !== undefined && plan.next < (config.plan?.length ?? 0)) return
  const awaited = state.hosts.filter((host) => isAwaited(kernel, host))
  // Servers alone: the plan decides, or all of them.
  const waitedFor = awaited.length === 0 && plan === undefined ? state.hosts : awaited
  if (waitedFor.some(({ mainStatus }) => mainStatus === undefined)) return
  const statuses = [...waitedFor, ...plan?.runs.values() ?? []].map((one) => 'mainStatus' in one ? one.mainStatus : one.status)
  state.mainStatus = statuses.find((one) => one !== undefined && one !== 0) ?? 0
  state.mainExitCycle = state.now
}
