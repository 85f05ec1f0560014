/** Files of /proc that are about the whole system, in the formats of Linux 6.1 (fs/proc/*.c; proc(5)). */
import { PAGE_SIZE } from '../../../emu/cpu/layout.ts'
import { VENDOR, cpuModel, flagNames, signatureParts } from '../../../emu/cpu/model.ts'
import { CLOCK_BOOTTIME, CLOCK_TICKS } from '../../abi/time.ts'
import { RELEASE, SYSTEM_NAME, VERSION } from '../../abi/version.ts'
import type { Kernel } from '../../kernel.ts'
import type { AddressSpace } from '../../mm/address-space.ts'
import { directoryPath, type Mount, rootPath } from '../mount-tree.ts'
import { optionText, optionTexts } from '../mounts.ts'
import type { ProcNode } from './nodes.ts'
import type { FileLock } from '../locks.ts'
import type { Task } from '../../task/task.ts'
import { namespaceOffset } from '../../time/clock.ts'
import { residentOf } from './maps.ts'
import { isAlive, subjectOf } from './subject.ts'

const twoDigits = (hundredths: number): string => `${Math.floor(hundredths / 100)}.${String(hundredths % 100).padStart(2, '0')}`
const hundredths = (kernel: Kernel, cycles: number): number => Math.floor(cycles / kernel.config.cpuHz * 100)

// ——— Time ———

interface BusyTime { readonly user: number, readonly system: number, readonly switches: number, readonly faults: number }

/** Cycles of everything that ran: live processes and those that were waited for. */
const busyTime = (kernel: Kernel): BusyTime => {
  let user = 0
  let system = 0
  let switches = 0
  let faults = 0
  const { groups, tasks } = kernel.state
  const usages = [...groups.values()].flatMap(({ usage, childUsage }) => [usage, childUsage])
  for (const task of tasks.values()) usages.push(task.usage)
  for (const usage of usages) {
    user += usage.userCycles
    system += usage.systemCycles
    switches += usage.voluntarySwitches + usage.involuntarySwitches
    faults += usage.minorFaults + usage.majorFaults
  }
  return { user, system, switches, faults }
}

const runningCount = (kernel: Kernel): number => {
  let count = 0
  for (const { state } of kernel.state.tasks.values()) if (state === 'runnable' || state === 'running') count++
  return count
}

export const uptime = (kernel: Kernel, _node: ProcNode, reader: Task): string => {
  const busy = busyTime(kernel)
  const offset = namespaceOffset(reader, CLOCK_BOOTTIME)
  const idle = Math.max(kernel.now * kernel.config.cpus - busy.user - busy.system, 0)
  return `${twoDigits(hundredths(kernel, kernel.now) + offset[0] * 100 + Math.floor(offset[1] / 10_000_000))} ${twoDigits(hundredths(kernel, idle))}\n`
}

/** Averages need a past: there is none. */
export const loadavg = (kernel: Kernel): string =>
  `0.00 0.00 0.00 ${runningCount(kernel)}/${kernel.state.tasks.size} ${kernel.state.lastPid}\n`

/** The number before the first process's. */
const FIRST_PID = 100

export const stat = (kernel: Kernel): string => {
  const { cpus, cpuHz, epochSeconds } = kernel.config
  const ticks = (cycles: number): number => Math.floor(cycles / cpuHz * CLOCK_TICKS)
  const busy = busyTime(kernel)
  const line = (name: string, share: number): string => {
    const user = ticks(busy.user / share)
    const system = ticks(busy.system / share)
    const idle = Math.max(ticks(kernel.now * cpus / share) - user - system, 0)
    return `${name} ${user} 0 ${system} ${idle} 0 0 0 0 0 0\n`
  }
  let text = line('cpu ', 1)
  for (let cpu = 0; cpu < cpus; cpu++) text += line(`cpu${cpu}`, cpus)
  return `${text}intr 0\nctxt ${busy.switches}\nbtime ${Math.floor(epochSeconds)}\nprocesses ${Math.max(kernel.state.lastPid - FIRST_PID + 1, 1)}\n` +
    `procs_running ${Math.max(runningCount(kernel), 1)}\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n`
}

export const interrupts = (kernel: Kernel): string => {
  const { cpus } = kernel.config
  let head = '           '
  for (let cpu = 0; cpu < cpus; cpu++) head += `CPU${cpu}       `
  return `${head}\n`
}

// ——— Memory ———

const KIB = 1024
const memoryLine = (name: string, kib: number): string => `${`${name}:`.padEnd(16)}${String(Math.floor(kib)).padStart(8)} kB\n`

interface MemoryUse { readonly total: number, readonly free: number, readonly anonymous: number, readonly mapped: number, readonly shared: number, readonly cached: number, readonly tables: number }

/** In pages. */
const memoryUse = (kernel: Kernel): MemoryUse => {
  const { frameLimit, framesInUse } = kernel.memory
  const spaces = new Set<AddressSpace>()
  for (const task of kernel.state.tasks.values()) if (isAlive(task)) spaces.add(task.mm)
  let anonymous = 0
  let mapped = 0
  let shared = 0
  let tables = 0
  for (const space of spaces) {
    const sum = residentOf(kernel, space)
    anonymous += sum.anonymous
    mapped += sum.file
    shared += sum.shared
    tables += space.tables.size + 3
  }
  anonymous = Math.min(anonymous, framesInUse)
  return { total: frameLimit, free: frameLimit - framesInUse, anonymous, mapped, shared, cached: framesInUse - anonymous, tables }
}

export const meminfo = (kernel: Kernel): string => {
  const use = memoryUse(kernel)
  const pages = (count: number): number => count * (PAGE_SIZE / KIB)
  return memoryLine('MemTotal', pages(use.total)) + memoryLine('MemFree', pages(use.free)) +
    memoryLine('MemAvailable', pages(use.free + use.cached)) + memoryLine('Buffers', 0) + memoryLine('Cached', pages(use.cached)) +
    memoryLine('SwapCached', 0) + memoryLine('Active', pages(use.anonymous)) + memoryLine('Inactive', pages(use.cached)) +
    memoryLine('Active(anon)', pages(use.anonymous)) + memoryLine('Inactive(anon)', 0) + memoryLine('Active(file)', 0) +
    memoryLine('Inactive(file)', pages(use.cached)) + memoryLine('Unevictable', 0) + memoryLine('Mlocked', 0) +
    memoryLine('SwapTotal', 0) + memoryLine('SwapFree', 0) + memoryLine('Zswap', 0) + memoryLine('Zswapped', 0) + memoryLine('Dirty', 0) +
    memoryLine('Writeback', 0) + memoryLine('AnonPages', pages(use.anonymous)) + memoryLine('Mapped', pages(use.mapped)) +
    memoryLine('Shmem', pages(use.shared)) + memoryLine('KReclaimable', 0) + memoryLine('Slab', 0) + memoryLine('SReclaimable', 0) +
    memoryLine('SUnreclaim', 0) + memoryLine('KernelStack', kernel.state.tasks.size * 16) + memoryLine('PageTables', pages(use.tables)) +
    memoryLine('SecPageTables', 0) + memoryLine('NFS_Unstable', 0) + memoryLine('Bounce', 0) + memoryLine('WritebackTmp', 0) +
    memoryLine('CommitLimit', pages(use.total) / 2) + memoryLine('Committed_AS', pages(use.anonymous)) +
    'VmallocTotal:   34359738367 kB\n' + memoryLine('VmallocUsed', 0) + memoryLine('VmallocChunk', 0) + memoryLine('Percpu', 0) +
    'HardwareCorrupted:     0 kB\n' + memoryLine('AnonHugePages', 0) + memoryLine('ShmemHugePages', 0) + memoryLine('ShmemPmdMapped', 0) +
    memoryLine('FileHugePages', 0) + memoryLine('FilePmdMapped', 0) + 'HugePages_Total:       0\nHugePages_Free:        0\n' +
    'HugePages_Rsvd:        0\nHugePages_Surp:        0\n' + memoryLine('Hugepagesize', 2048) +
    memoryLine('Hugetlb', 0) + memoryLine('DirectMap4k', pages(use.total)) + memoryLine('DirectMap2M', 0) + memoryLine('DirectMap1G', 0)
}

export const vmstat = (kernel: Kernel): string => {
  const use = memoryUse(kernel)
  const busy = busyTime(kernel)
  const rows: readonly (readonly [string, number])[] = [
    ['nr_free_pages', use.free], ['nr_zone_inactive_anon', 0], ['nr_zone_active_anon', use.anonymous], ['nr_zone_inactive_file', use.cached],
    ['nr_zone_active_file', 0], ['nr_zone_unevictable', 0], ['nr_mlock', 0], ['nr_inactive_anon', 0], ['nr_active_anon', use.anonymous],
    ['nr_inactive_file', use.cached], ['nr_active_file', 0], ['nr_unevictable', 0], ['nr_slab_reclaimable', 0], ['nr_slab_unreclaimable', 0],
    ['nr_anon_pages', use.anonymous], ['nr_mapped', use.mapped], ['nr_file_pages', use.cached], ['nr_dirty', 0], ['nr_writeback', 0],
    ['nr_shmem', use.shared], ['nr_kernel_stack', kernel.state.tasks.size * 16], ['nr_page_table_pages', use.tables], ['pgpgin', 0], ['pgpgout', 0],
    ['pswpin', 0], ['pswpout', 0], ['pgalloc_normal', use.total - use.free], ['pgfree', 0], ['pgactivate', 0], ['pgdeactivate', 0],
    ['pgfault', busy.faults], ['pgmajfault', 0], ['oom_kill', 0],
  ]
  return rows.map(([name, value]) => `${name} ${value}\n`).join('')
}

// ——— The processor ———

export const cpuinfo = (kernel: Kernel): string => {
  const { cpus, cpuHz } = kernel.config
  const processor = cpuModel(kernel.config.cpu)
  const flags = flagNames(processor).join(' ')
  const { family, model, stepping } = signatureParts(processor)
  const thousandths = Math.floor(cpuHz / 1000)
  const megahertz = `${Math.floor(thousandths / 1000)}.${String(thousandths % 1000).padStart(3, '0')}`
  const bogomips = twoDigits(Math.floor(cpuHz * 2 / 10_000))
  let text = ''
  for (let cpu = 0; cpu < cpus; cpu++) {
    text += `processor\t: ${cpu}\nvendor_id\t: ${VENDOR}\ncpu family\t: ${family}\nmodel\t\t: ${model}\nmodel name\t: ${processor.brand}\nstepping\t: ${stepping}\n` +
      `cpu MHz\t\t: ${megahertz}\ncache size\t: 8192 KB\nphysical id\t: 0\nsiblings\t: ${cpus}\ncore id\t\t: ${cpu}\ncpu cores\t: ${cpus}\n` +
      `apicid\t\t: ${cpu}\ninitial apicid\t: ${cpu}\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: 13\nwp\t\t: yes\nflags\t\t: ${flags}\n` +
      `bugs\t\t:\nbogomips\t: ${bogomips}\nclflush size\t: 64\ncache_alignment\t: 64\naddress sizes\t: 48 bits physical, 48 bits virtual\n` +
      'power management:\n\n'
  }
  return text
}

export const version = (): string => `${SYSTEM_NAME} version ${RELEASE} (retrograde@localhost) (gcc 12.2.0, GNU ld 2.40) ${VERSION}\n`

// ——— Mounts ———

/** Blanks and backslashes in octal, as in fstab(5). */
const escapePath = (text: string): string => text.replace(/[ \t\n\\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)

/** What a process sees of the mounts of its namespace: those below its root, with their paths from there. */
const visibleMounts = (kernel: Kernel, node: ProcNode): { readonly mount: Mount, readonly path: string }[] => {
  const task = subjectOf(kernel, node)
  if (task === undefined || !isAlive(task)) return []
  const { root, rootMount } = task.fs
  const visible: { mount: Mount, path: string }[] = []
  for (const mount of task.namespaces.mount.mounts) {
    if (mount.root.kind === 'directory') {
      const path = directoryPath(mount, mount.root, rootMount, root)
      if (path !== '') visible.push({ mount, path })
    } else if (mount.on !== undefined) {
      const path = directoryPath(mount.parent, mount.on, rootMount, root)
      if (path !== '') visible.push({ mount, path: path.length > 1 ? `${path}/${mount.name}` : `/${mount.name}` })
    }
  }
  return visible
}

export const mounts = (kernel: Kernel, node: ProcNode): string =>
  visibleMounts(kernel, node).map(({ path, mount }) =>
    `${escapePath(mount.superblock.source)} ${escapePath(path)} ${mount.superblock.type} ${optionText(mount)} 0 0\n`).join('')

const propagationText = ({ peers, master, unbindable }: Mount): string =>
  (peers !== 0 ? `shared:${peers} ` : '') + (master !== 0 ? `master:${master} ` : '') + (unbindable ? 'unbindable ' : '')

export const mountinfo = (kernel: Kernel, node: ProcNode): string =>
  visibleMounts(kernel, node).map(({ path, mount }) => {
    const { superblock } = mount
    const [ofMount, ofFileSystem] = optionTexts(mount)
    return `${mount.id} ${mount.parent.id} ${superblock.dev >> 8}:${superblock.dev & 0xff} ${escapePath(rootPath(mount))} ${escapePath(path)} ` +
      `${ofMount} ${propagationText(mount)}- ${superblock.type} ${escapePath(superblock.source)} ${ofFileSystem}\n`
  }).join('')

// ——— Locks ———

export const locks = (kernel: Kernel): string => kernel.state.fs.locks.map((lock, index) => lockLine(index + 1, lock)).join('')

const lockLine = (number: number, lock: FileLock): string => {
  const { inode, style, pid } = lock
  const device = `${(inode.superblock.dev >> 8).toString(16).padStart(2, '0')}:${(inode.superblock.dev & 0xff).toString(16).padStart(2, '0')}:${inode.ino}`
  const name = style === 'flock' ? 'FLOCK ' : pid < 0 ? 'OFDLCK' : 'POSIX '
  const range = style === 'flock' ? '0 EOF' : `${lock.start} ${lock.end === Infinity ? 'EOF' : lock.end - 1}`
  return `${number}: ${name} ADVISORY  ${lock.exclusive ? 'WRITE' : 'READ '} ${pid} ${device} ${range}\n`
}

// ——— What never changes ———

export const FILESYSTEMS = ['sysfs', 'tmpfs', 'bdev', 'proc', 'devtmpfs', 'securityfs', 'sockfs', 'pipefs', 'ramfs',
  'devpts', 'mqueue'].map((name) => `nodev\t${name}\n`).join('') + '\text2\n'
export const DEVICES = 'Character devices:\n  1 mem\n  4 tty\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n 10 misc\n128 ptm\n136 pts\n\nBlock devices:\n'
export const TTY_DRIVERS = '/dev/tty             /dev/tty        5       0 system:/dev/tty\n/dev/console         /dev/console    5       1 system:console\n' +
  '/dev/ptmx            /dev/ptmx       5       2 system\npty_slave            /dev/pts      136 0-1048575 pty:slave\npty_master           /dev/ptm      128 0-1048575 pty:master\n'
