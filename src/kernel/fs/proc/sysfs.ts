/**
 * /sys (sysfs(5)), with what programs look for there: processors and their node, loop devices, huge pages. It is a tree of rows
 * as /proc is, under a name of its own in the table of rows.
 */
import type { Kernel } from '../../kernel.ts'
import type { Task } from '../../task/task.ts'
import { LOOP_COUNT, loopFacts } from '../loop.ts'
import type { ProcContent, ProcFile, ProcFolder, ProcRow } from './tree.ts'

/** The entry of its root, which no file of /proc has. */
export const SYSFS_ENTRY = '%sysfs'

const file = (content: ProcContent, more: Partial<ProcFile> = {}): ProcFile => ({ kind: 'file', mode: 0o444, content, ...more })
const fixed = (text: string): ProcFile => file(() => `${text}\n`)
const folder = (children: Readonly<Record<string, ProcRow>>, more: Partial<ProcFolder> = {}): ProcFolder =>
  ({ kind: 'folder', mode: 0o755, children: new Map(Object.entries(children)), ...more })

// ——— Processors ———

/** CPUs of the reader's host: the numbers of the first and the last. */
const cpusOf = (kernel: Kernel, reader: Task | undefined): readonly [number, number] => {
  const online = kernel.state.hosts[reader?.namespaces.host ?? 0].cpus
  const has = (cpu: number): boolean => (online[cpu >> 5] & (1 << (cpu & 31))) !== 0
  let first = 0
  while (first < 63 && !has(first)) first++
  let last = 63
  while (last > first && !has(last)) last--
  return [first, last]
}
const range = ([first, last]: readonly [number, number]): string => first === last ? `${first}\n` : `${first}-${last}\n`
const cpuList: ProcContent = (kernel, _node, reader) => range(cpusOf(kernel, reader))
const cpuMask: ProcContent = (kernel, _node, reader) => {
  const [low, high] = kernel.state.hosts[reader.namespaces.host].cpus
  const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')
  return high === 0 ? `${hex(low)}\n` : `${hex(high)},${hex(low)}\n`
}

/** A mask of one CPU, in words of 32 bits, the highest first. */
const maskOf = (cpu: number): string => cpu < 32 ? (2 ** cpu).toString(16).padStart(8, '0') : `${(2 ** (cpu - 32)).toString(16).padStart(8, '0')},00000000`

const CPU_LIMIT = 64
const cpuFolder = (cpu: number): ProcFolder => folder({
  topology: folder({
    core_id: fixed(String(cpu)), physical_package_id: fixed('0'), die_id: fixed('0'), thread_siblings_list: fixed(String(cpu)), core_cpus_list: fixed(String(cpu)),
    core_siblings_list: file(cpuList), package_cpus_list: file(cpuList), core_siblings: file(cpuMask), package_cpus: file(cpuMask),
    thread_siblings: fixed(maskOf(cpu)), core_cpus: fixed(maskOf(cpu)),
  }),
}, {
  shown: (kernel, reader) => {
    const [first, last] = cpusOf(kernel, reader)
    return cpu >= first && cpu <= last
  },
})

const cpuTree = (): ProcFolder => folder({
  online: file(cpuList), possible: file(cpuList), present: file(cpuList), offline: fixed(''), kernel_max: fixed(String(CPU_LIMIT - 1)), isolated: fixed(''),
  smt: folder({ active: fixed('0'), control: fixed('notsupported') }),
  ...Object.fromEntries(Array.from({ length: CPU_LIMIT }, (_, cpu) => [`cpu${cpu}`, cpuFolder(cpu)])),
})

const memoryInfo: ProcContent = (kernel) => {
  const { frameLimit, framesInUse } = kernel.memory
  return `Node 0 MemTotal:       ${frameLimit * 4} kB\nNode 0 MemFree:        ${(frameLimit - framesInUse) * 4} kB\nNode 0 MemUsed:        ${framesInUse * 4} kB\n`
}
const nodeTree = (): ProcFolder => folder({
  online: fixed('0'), possible: fixed('0'), has_cpu: fixed('0'), has_memory: fixed('0'), has_normal_memory: fixed('0'),
  node0: folder({ cpulist: file(cpuList), cpumap: file(cpuMask), distance: fixed('10'), meminfo: file(memoryInfo) }),
})

// ——— Loop devices ———

/** At a gigabyte a second. */
const SECTORS_A_MILLISECOND = 2048

const loopTree = (number: number): ProcFolder => {
  const fact = (text: (facts: NonNullable<ReturnType<typeof loopFacts>>) => string | number, without = '0'): ProcFile => file((kernel) => {
    const facts = loopFacts(kernel, number)
    return `${facts === undefined ? without : text(facts)}\n`
  })
  const flag = (bit: number): ProcFile => fact(({ flags }) => (flags & bit) === 0 ? 0 : 1)
  return folder({
    dev: fixed(`7:${number}`), uevent: fixed(`MAJOR=7\nMINOR=${number}\nDEVNAME=loop${number}\nDEVTYPE=disk`),
    size: fact(({ size }) => size / 512), ro: flag(1), removable: fixed('0'), range: fixed('1'), hidden: fixed('0'), capability: fixed('0'), inflight: fixed('       0        0'),
    stat: fact(({ read, written }) => ` ${[Math.ceil(read / 8), 0, read, 0, Math.ceil(written / 8), 0, written, 0, 0, Math.ceil((read + written) / SECTORS_A_MILLISECOND), 0].map((value) => String(value).padStart(7)).join(' ')}`,
      `${' '.repeat(8)}0`.repeat(11)),
    queue: folder({
      logical_block_size: fact(({ blockSize }) => blockSize, '512'), physical_block_size: fact(({ blockSize }) => blockSize, '512'), hw_sector_size: fact(({ blockSize }) => blockSize, '512'),
      minimum_io_size: fact(({ blockSize }) => blockSize, '512'), optimal_io_size: fixed('0'), dma_alignment: fixed('511'), read_ahead_kb: fixed('128'), rotational: fixed('0'),
      max_sectors_kb: fixed('1280'), scheduler: fixed('[none]'), discard_granularity: fixed('4096'),
    }),
    bdi: folder({ read_ahead_kb: fixed('128') }),
    loop: folder({
      autoclear: flag(4), backing_file: fact(({ path }) => path, ''), dio: flag(16), offset: fact(({ offset }) => offset), partscan: flag(8),
      sizelimit: fact(({ sizeLimit }) => sizeLimit),
    }, { shown: (kernel) => loopFacts(kernel, number) !== undefined }),
  })
}
const loops = (name: (number: number) => string): Record<string, ProcRow> =>
  Object.fromEntries(Array.from({ length: LOOP_COUNT }, (_, number) => [name(number), loopTree(number)]))

export const sysfsTree = (): ProcFolder => folder({
  block: folder(loops((number) => `loop${number}`)),
  class: folder({ block: folder(loops((number) => `loop${number}`)) }),
  dev: folder({ block: folder(loops((number) => `7:${number}`)), char: folder({}) }),
  devices: folder({ system: folder({ cpu: cpuTree(), node: nodeTree() }) }),
  fs: folder({ cgroup: folder({}) }),
  kernel: folder({
    debug: folder({}), security: folder({}), tracing: folder({}),
    mm: folder({
      // Memory may be marked as mergeable; nothing is merged.
      ksm: folder({
        run: fixed('0'), pages_shared: fixed('0'), pages_sharing: fixed('0'), pages_unshared: fixed('0'), pages_volatile: fixed('0'), full_scans: fixed('0'), pages_to_scan: fixed('100'),
        sleep_millisecs: fixed('20'), merge_across_nodes: fixed('1'), max_page_sharing: fixed('256'), stable_node_chains: fixed('0'), stable_node_dups: fixed('0'),
      }),
      transparent_hugepage: folder({ enabled: fixed('always madvise [never]'), defrag: fixed('always defer defer+madvise madvise [never]'), shmem_enabled: fixed('always within_size advise [never] deny force') }),
    }),
  }),
  module: folder({}),
})
