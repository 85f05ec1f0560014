/** The tree of /proc: each node's name, mode and content, once. To add a file: a line here and the function that makes its text. */
import { EINVAL, ENOENT } from '../../abi/errno.ts'
import type { Kernel } from '../../kernel.ts'
import type { Task } from '../../task/task.ts'
import { shownPid } from '../../task/pid-namespace.ts'
import { config } from './config.ts'
import { NAMESPACE_NAMES } from '../namespace-files.ts'
import type { ProcNode } from './nodes.ts'
import * as maps from './maps.ts'
import * as net from './net.ts'
import * as processes from './process.ts'
import * as descriptors from './descriptors.ts'
import * as system from './system.ts'
import * as sysctl from './sysctl.ts'
import { SYSFS_ENTRY, sysfsTree } from './sysfs.ts'
import * as sysvipc from './sysvipc.ts'

/** Longer settings are refused. */
const SETTING_LIMIT = 1024

/** Content: text (latin1) or bytes, or a negative errno. `reader` is who reads. */
export type ProcContent = (kernel: Kernel, node: ProcNode, reader: Task) => string | Uint8Array | number

interface ProcRowBase {
  /** Whether it is there now; without: always. */
  readonly shown?: (kernel: Kernel, reader: Task | undefined) => boolean
}
export interface ProcFile extends ProcRowBase {
  readonly kind: 'file'
  readonly mode: number
  readonly content: ProcContent
  /** What is written in one go: 0 or a negative errno. */
  readonly write?: (kernel: Kernel, node: ProcNode, writer: Task, text: string) => number
  /** Readers must be allowed to look into the process (ptrace(2), 'access mode checking'). */
  readonly guarded?: boolean
  /** Not a text: memory of the process. */
  readonly memory?: boolean
  /** Not a text: bytes that are made for the place that is read. */
  readonly piece?: (kernel: Kernel, subject: Task, reader: Task, at: number, length: number) => Uint8Array | number
  /** poll(2) tells of changes: the tree of mounts. */
  readonly polled?: boolean
}
export interface ProcLink extends ProcRowBase {
  readonly kind: 'link'
  readonly mode: number
  /** What readlink says. */
  readonly target: (kernel: Kernel, node: ProcNode, reader: Task) => string | number
  /** Following it leads to an inode whatever its text. */
  readonly magic?: boolean
}
export interface ProcFolder extends ProcRowBase {
  readonly kind: 'folder'
  readonly mode: number
  readonly children: ReadonlyMap<string, ProcRow>
  /** Names that come and go. */
  readonly dynamic?: 'processes' | 'threads' | 'descriptors' | 'descriptor-infos'
  readonly guarded?: boolean
}
export type ProcRow = ProcFile | ProcLink | ProcFolder

const file = (mode: number, content: ProcContent, more: Partial<ProcFile> = {}): ProcFile => ({ kind: 'file', mode, content, ...more })
const link = (target: ProcLink['target'], mode = 0o777): ProcLink => ({ kind: 'link', mode, target })
const magic = (target: ProcLink['target']): ProcLink => ({ kind: 'link', mode: 0o777, target, magic: true })
const folder = (children: Readonly<Record<string, ProcRow>>, more: Partial<ProcFolder> = {}): ProcFolder =>
  ({ kind: 'folder', mode: 0o555, children: new Map(Object.entries(children)), ...more })
/** A file that always says the same. */
const fixed = (text: string, mode = 0o444): ProcFile => file(mode, () => text)
const settingKey = (node: ProcNode): string => node.tgid === 0 ? node.entry : `${node.tgid}:${node.entry}`
/** A sysctl that its owner can set: what was written is shown, and has no effect. */
const setting = (text: string): ProcFile => file(0o644, (kernel, node) => kernel.state.fs.settings.get(settingKey(node)) ?? text, {
  write: (kernel, node, _writer, written) => {
    const line = written.split(/[\n\0]/, 1)[0].trim()
    if (line.length > SETTING_LIMIT) return -EINVAL
    kernel.state.fs.settings.set(settingKey(node), `${line}\n`)
    return 0
  },
})

const netSettings = (settings: typeof net.IPV4_SETTINGS): Record<string, ProcRow> => Object.fromEntries(Object.entries(settings).map(([name, each]) =>
  [name, file(0o644, net.readSetting(each), { write: (_kernel, _node, writer, text) => net.writeSetting(each, writer, text) ? 0 : -EINVAL })]))

/** A setting of each network namespace: written, shown, without effect. */
const netSetting = (text: string): ProcFile => file(0o644, (kernel, node, reader) => kernel.state.fs.settings.get(`${reader.namespaces.net.net.number}:${node.entry}`) ?? text, {
  write: (kernel, node, writer, written) => {
    const value = written.trim()
    if (!/^-?\d+$/.test(value)) return -EINVAL
    kernel.state.fs.settings.set(`${writer.namespaces.net.net.number}:${node.entry}`, `${value}\n`)
    return 0
  },
})
const interfaceSettings = (): ProcFolder => folder({
  tag: netSetting('0\n'), forwarding: netSetting('0\n'), accept_local: netSetting('0\n'), accept_redirects: netSetting('1\n'), accept_source_route: netSetting('0\n'), arp_accept: netSetting('0\n'),
  arp_announce: netSetting('0\n'), arp_filter: netSetting('0\n'), arp_ignore: netSetting('0\n'), arp_notify: netSetting('0\n'), disable_policy: netSetting('0\n'), disable_xfrm: netSetting('0\n'),
  log_martians: netSetting('0\n'), proxy_arp: netSetting('0\n'), rp_filter: netSetting('0\n'), route_localnet: netSetting('0\n'), secure_redirects: netSetting('1\n'), send_redirects: netSetting('1\n'), shared_media: netSetting('1\n'),
})

const namespaces = (): ProcFolder => folder(Object.fromEntries(NAMESPACE_NAMES.map((name) =>
  [name, magic((kernel, node) => processes.namespace(kernel, node, name))])), { mode: 0o511, guarded: true })

type DynamicKind = NonNullable<ProcFolder['dynamic']>
interface DynamicRow { readonly name: string, readonly row: ProcRow }
interface Tables { readonly rows: ReadonlyMap<string, ProcRow>, readonly dynamic: Readonly<Record<DynamicKind, DynamicRow>> }

/** Made when first asked for: modules of the contents are among those that import this one. */
let made: Tables | undefined
const tables = (): Tables => made ??= makeTables()

const makeTables = (): Tables => {
  /** What a process and each of its threads have. */
  const threadEntries: Readonly<Record<string, ProcRow>> = {
    fd: folder({}, { mode: 0o500, dynamic: 'descriptors', guarded: true }),
    fdinfo: folder({}, { dynamic: 'descriptor-infos', guarded: true }),
    ns: namespaces(),
    net: folder(Object.fromEntries(net.NET_FILES.map(([name, content]) => [name, file(0o444, content)]))),
    environ: file(0o400, processes.environ, { guarded: true }),
    auxv: file(0o400, processes.auxv, { guarded: true }),
    status: file(0o444, processes.status),
    personality: file(0o400, processes.personality, { guarded: true }),
    limits: file(0o444, processes.limits),
    comm: file(0o644, processes.comm, { write: processes.setComm }),
    syscall: file(0o400, processes.syscall, { guarded: true }),
    cmdline: file(0o444, processes.cmdline),
    stat: file(0o444, processes.stat),
    statm: file(0o444, processes.statm),
    maps: file(0o444, maps.maps, { guarded: true }),
    pagemap: file(0o400, () => '', { guarded: true, piece: maps.pagemap }),
    mem: file(0o600, () => '', { guarded: true, memory: true }),
    cwd: magic(processes.cwd),
    root: magic(processes.root),
    exe: magic(processes.exe),
    mounts: file(0o444, system.mounts, { polled: true }),
    mountinfo: file(0o444, system.mountinfo, { polled: true }),
    smaps: file(0o444, maps.smaps, { guarded: true }),
    smaps_rollup: file(0o444, maps.smapsRollup, { guarded: true }),
    wchan: fixed('0'),
    schedstat: file(0o444, processes.schedstat),
    cpuset: fixed('/\n'),
    cgroup: fixed('0::/\n'),
    oom_score: file(0o444, processes.oomScore),
    oom_adj: file(0o644, processes.oomAdjust, { write: processes.setOomAdjust }),
    oom_score_adj: file(0o644, processes.oomScoreAdjust, { write: processes.setOomScoreAdjust }),
    loginuid: setting('4294967295'),
    sessionid: fixed('4294967295'),
    io: file(0o400, processes.io, { guarded: true }),
    uid_map: file(0o644, processes.idMap('uids'), { write: processes.setIdMap('uids') }),
    gid_map: file(0o644, processes.idMap('gids'), { write: processes.setIdMap('gids') }),
    projid_map: file(0o644, processes.idMap('projects'), { write: processes.setIdMap('projects') }),
    setgroups: file(0o644, processes.setgroups, { write: processes.setSetgroups }),
    timens_offsets: file(0o644, processes.timeOffsets, { write: processes.setTimeOffsets }),
  }

  const threadTree = folder(threadEntries)
  const processTree = folder({
    task: folder({}, { dynamic: 'threads' }),
    ...threadEntries,
    coredump_filter: setting('00000033\n'),
    timerslack_ns: file(0o666, processes.timerSlack, { write: processes.setTimerSlack }),
    clear_refs: file(0o200, () => '', { write: () => 0 }),
  })

  const sysTree = folder({
    kernel: folder({
      hostname: file(0o644, sysctl.hostname, { write: sysctl.setHostname }),
      domainname: file(0o644, sysctl.domainname, { write: sysctl.setDomainname }),
      ostype: file(0o444, sysctl.ostype),
      osrelease: file(0o444, sysctl.osrelease),
      version: file(0o444, sysctl.version),
      pid_max: setting('32768\n'),
      ngroups_max: fixed('65536\n'),
      cap_last_cap: fixed('40\n'),
      'threads-max': setting('255000\n'),
      randomize_va_space: setting('0\n'),
      overflowuid: setting('65534\n'),
      overflowgid: setting('65534\n'),
      core_pattern: setting('core\n'),
      core_uses_pid: setting('0\n'),
      core_pipe_limit: setting('0\n'),
      ctrl_alt_del: setting('0\n'),
      panic: setting('0\n'),
      printk: setting('7\t4\t1\t7\n'),
      sysrq: setting('0\n'),
      tainted: setting('0\n'),
      msgmax: setting('8192\n'),
      msgmnb: setting('16384\n'),
      msgmni: setting('32000\n'),
      sem: setting('32000\t1024000000\t500\t32000\n'),
      shmall: setting('18446744073692774399\n'),
      shmmax: setting('18446744073692774399\n'),
      shmmni: setting('4096\n'),
      msg_next_id: setting('-1\n'),
      sem_next_id: setting('-1\n'),
      shm_next_id: setting('-1\n'),
      shm_rmid_forced: setting('0\n'),
      dmesg_restrict: setting('0\n'),
      kptr_restrict: setting('0\n'),
      perf_event_paranoid: setting('2\n'),
      unprivileged_bpf_disabled: setting('2\n'),
      unprivileged_userns_clone: setting('0\n'),
      sched_child_runs_first: setting('0\n'),
      sched_rt_period_us: setting('1000000\n'),
      sched_rt_runtime_us: setting('950000\n'),
      sched_rr_timeslice_ms: setting('100\n'),
      ns_last_pid: file(0o666, sysctl.lastPid, { write: sysctl.setLastPid }),
      pty: folder({ max: setting('4096\n'), nr: file(0o444, sysctl.ptyCount), reserve: setting('1024\n') }),
      random: folder({
        boot_id: file(0o444, sysctl.bootId),
        uuid: file(0o444, sysctl.uuid),
        entropy_avail: fixed('256\n'),
        poolsize: fixed('256\n'),
        urandom_min_reseed_secs: setting('60\n'),
        write_wakeup_threshold: setting('256\n'),
      }),
      yama: folder({ ptrace_scope: setting('0\n') }),
      keys: folder({ maxkeys: setting('200\n'), maxbytes: setting('20000\n'), root_maxkeys: setting('1000000\n'), root_maxbytes: setting('25000000\n'), gc_delay: setting('300\n'), persistent_keyring_expiry: setting('259200\n') }),
    }),
    vm: folder({
      overcommit_memory: setting('0\n'),
      overcommit_ratio: setting('50\n'),
      overcommit_kbytes: setting('0\n'),
      max_map_count: setting('65530\n'),
      mmap_min_addr: setting('65536\n'),
      swappiness: setting('60\n'),
      nr_hugepages: setting('0\n'),
      min_free_kbytes: setting('67584\n'),
      drop_caches: file(0o200, () => '', { write: () => 0 }),
      legacy_va_layout: setting('0\n'),
      panic_on_oom: setting('0\n'),
      oom_kill_allocating_task: setting('0\n'),
      vfs_cache_pressure: setting('100\n'),
      dirty_ratio: setting('20\n'),
      dirty_background_ratio: setting('10\n'),
    }),
    fs: folder({
      'file-max': setting('9223372036854775807\n'),
      'file-nr': file(0o444, sysctl.fileCount),
      'inode-nr': fixed('1024\t0\n'),
      nr_open: setting('1048576\n'),
      'pipe-max-size': setting('1048576\n'),
      'pipe-user-pages-hard': setting('0\n'),
      'pipe-user-pages-soft': setting('16384\n'),
      'aio-max-nr': setting('65536\n'),
      'aio-nr': fixed('0\n'),
      'lease-break-time': setting('45\n'),
      'leases-enable': setting('1\n'),
      'mount-max': setting('100000\n'),
      protected_fifos: setting('0\n'),
      protected_hardlinks: setting('0\n'),
      protected_regular: setting('0\n'),
      protected_symlinks: setting('0\n'),
      suid_dumpable: setting('0\n'),
      epoll: folder({ max_user_watches: setting('1769472\n') }),
      inotify: folder({ max_queued_events: setting('16384\n'), max_user_instances: setting('128\n'), max_user_watches: setting('65536\n') }),
      mqueue: folder({ msg_max: setting('10\n'), msgsize_max: setting('8192\n'), queues_max: setting('256\n') }),
    }),
    net: folder({
      core: folder({
        ...netSettings(net.CORE_SETTINGS), rmem_default: setting('212992\n'), rmem_max: setting('212992\n'),
        wmem_default: setting('212992\n'), wmem_max: setting('212992\n'), netdev_max_backlog: setting('1000\n'),
      }),
      unix: folder({ max_dgram_qlen: setting('10\n') }),
      ipv4: folder({
        conf: folder({ all: interfaceSettings(), default: interfaceSettings(), lo: interfaceSettings() }),
        ...netSettings(net.IPV4_SETTINGS), tcp_syncookies: setting('1\n'), tcp_rmem: setting('4096\t131072\t6291456\n'), tcp_wmem: setting('4096\t16384\t4194304\n'),
        tcp_congestion_control: file(0o644, net.readCongestion, { write: (_kernel, _node, writer, text) => net.writeCongestion(writer, text) ? 0 : -ENOENT }),
        tcp_available_congestion_control: fixed('cubic reno\n'),
      }),
    }),
    user: folder({ max_user_namespaces: setting('31000\n') }),
  })

  const rootTree = folder({
    self: link((_kernel, { pids }, reader) => shownPid(pids, reader.group.tgid) === 0 ? -ENOENT : String(shownPid(pids, reader.group.tgid))),
    'thread-self': link((_kernel, { pids }, reader) => shownPid(pids, reader.tid) === 0 ? -ENOENT
      : `${shownPid(pids, reader.group.tgid)}/task/${shownPid(pids, reader.tid)}`),
    cmdline: fixed('quiet\n'),
    'config.gz': file(0o444, config),
    consoles: fixed('ttyS0                -W- (EC p a)    4:64\n'),
    cpuinfo: file(0o444, system.cpuinfo),
    devices: fixed(system.DEVICES),
    diskstats: fixed(''),
    execdomains: fixed('0-0\tLinux           \t[kernel]\n'),
    filesystems: fixed(system.FILESYSTEMS),
    interrupts: file(0o444, system.interrupts),
    loadavg: file(0o444, system.loadavg),
    locks: file(0o444, system.locks),
    meminfo: file(0o444, system.meminfo),
    misc: fixed(''),
    modules: fixed(''),
    mounts: link(() => 'self/mounts'),
    net: link(() => 'self/net'),
    partitions: fixed('major minor  #blocks  name\n\n'),
    stat: file(0o444, system.stat),
    swaps: fixed('Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n'),
    sys: sysTree,
    sysvipc: folder({ msg: file(0o444, sysvipc.messages), sem: file(0o444, sysvipc.semaphores), shm: file(0o444, sysvipc.segments) }),
    tty: folder({ drivers: fixed(system.TTY_DRIVERS), ldiscs: fixed('n_tty       0\n') }),
    uptime: file(0o444, system.uptime),
    version: file(0o444, system.version),
    vmstat: file(0o444, system.vmstat),
    zoneinfo: fixed(''),
  }, { dynamic: 'processes' })

  const descriptorLink: ProcLink = { kind: 'link', mode: 0o700, target: descriptors.target, magic: true }
  const descriptorInfo = file(0o400, descriptors.info)

  /** Rows of names that come and go, by what the folder holds. */
  const dynamic: Readonly<Record<DynamicKind, DynamicRow>> = {
    processes: { name: 'PID', row: processTree },
    threads: { name: 'TID', row: threadTree },
    descriptors: { name: 'FD', row: descriptorLink },
    'descriptor-infos': { name: 'FD', row: descriptorInfo },
  }

  const rows = new Map<string, ProcRow>()
  const index = (path: string, row: ProcRow): void => {
    rows.set(path, row)
    if (row.kind !== 'folder') return
    const prefix = path === '' ? '' : `${path}/`
    for (const [name, child] of row.children) index(prefix + name, child)
    if (row.dynamic !== undefined) index(prefix + dynamic[row.dynamic].name, dynamic[row.dynamic].row)
  }
  index('', rootTree)
  index(SYSFS_ENTRY, sysfsTree())
  return { rows, dynamic }
}

/** The row of a node. */
export const rowOf = (node: ProcNode): ProcRow => {
  const row = tables().rows.get(node.entry)
  if (row === undefined) throw new Error(`/proc has no node ${node.entry}`)
  return row
}

/** What a folder has for each of its names that come and go. */
export const dynamicRow = (kind: DynamicKind): DynamicRow => tables().dynamic[kind]
