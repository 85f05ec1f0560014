/** Memory of other processes (process_vm_readv(2)), and where pages are (numa(7)): there is one node. */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { ACCESS_READ, ACCESS_WRITE } from '../../emu/mmu/mmu.ts'
import { CAP_SYS_NICE, CAP_SYS_PTRACE } from '../abi/capabilities.ts'
import { E2BIG, EFAULT, EINVAL, ENODEV, ENOENT, EPERM, ESRCH } from '../abi/errno.ts'
import { PROT_READ } from '../abi/mman.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import type { Kernel } from '../kernel.ts'
import { pageUp } from '../mm/map.ts'
import { getEntry } from '../mm/page-table.ts'
import { USER_END, type UserMemory } from '../mm/user-memory.ts'
import { findVma, vmaIndex } from '../mm/vma.ts'
import { hasCapability, mayAccessTask } from '../task/credentials.ts'
import { taskBy } from '../task/pid-namespace.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

// ——— process_vm_readv, process_vm_writev ———

const IOVEC_LIMIT = 1024
const COPY_LIMIT = 0x7fff_f000

interface Piece { address: number, length: number }

const readVector = (user: UserMemory, address: number, count: number): Piece[] | number => {
  if (count > IOVEC_LIMIT) return -EINVAL
  const pieces: Piece[] = []
  let left = COPY_LIMIT
  for (let i = 0; i < count; i++) {
    const length = user.i64(address + i * 16 + 8)
    if (length < 0) return -EINVAL
    pieces.push({ address: uint64(user.i64(address + i * 16)), length: Math.min(length, left) })
    left -= Math.min(length, left)
  }
  return pieces
}

const copyProcess = (kernel: Kernel, task: Task, args: Args, isWrite: boolean): number => {
  const user = kernel.user(task)
  if (args[5] !== 0) return -EINVAL
  const local = readVector(user, uint64(args[1]), uint64(args[2]))
  if (typeof local === 'number') return local
  if (local.some((piece) => piece.length > 0 && piece.address + piece.length > USER_END)) return -EFAULT
  const wanted = local.reduce((sum, piece) => sum + piece.length, 0)
  if (wanted === 0) return 0
  const remote = readVector(user, uint64(args[3]), uint64(args[4]))
  if (typeof remote === 'number') return remote
  if (remote.every((piece) => piece.length === 0)) return 0
  const other = taskBy(kernel, task, int32(args[0]))
  if (other === undefined || other.state === 'zombie' || other.state === 'dead') return -ESRCH
  if (!mayAccessTask(task, other, CAP_SYS_PTRACE)) return -EPERM
  const there = kernel.user(other)
  let done = 0
  let at = 0
  for (const piece of remote) {
    while (piece.length > 0 && at < local.length) {
      const here = local[at]
      if (here.length === 0) {
        at++
        continue
      }
      const count = Math.min(here.length, piece.length, PAGE_SIZE - piece.address % PAGE_SIZE, PAGE_SIZE - here.address % PAGE_SIZE)
      // A page that may only be written is not read for others, though processors could (check_vma_flags).
      if (!isWrite && ((findVma(other.mm, piece.address)?.prot ?? 0) & PROT_READ) === 0) return done > 0 ? done : -EFAULT
      const [source, from, target, to] = isWrite ? [user, here.address, there, piece.address] : [there, piece.address, user, here.address]
      if (source.accessible(from, count, ACCESS_READ) < count || target.accessible(to, count, ACCESS_WRITE) < count) return done > 0 ? done : -EFAULT
      target.write(to, source.read(from, count))
      done += count
      here.address += count
      here.length -= count
      piece.address += count
      piece.length -= count
    }
  }
  return done
}

const processVmReadv = (kernel: Kernel, task: Task, args: Args): number => copyProcess(kernel, task, args, false)
const processVmWritev = (kernel: Kernel, task: Task, args: Args): number => copyProcess(kernel, task, args, true)

// ——— Memory policies, with node 0 alone ———

const MPOL_DEFAULT = 0, MPOL_BIND = 2, MPOL_INTERLEAVE = 3, MPOL_LOCAL = 4, MPOL_LAST = 5
const MODE_FLAGS = 0xe000
const MPOL_F_NODE = 1, MPOL_F_ADDR = 2, MPOL_F_MEMS_ALLOWED = 4
const MPOL_MF_ALL = 7, MPOL_MF_MOVE_ALL = 4
/** Bits in a page: longer masks of nodes are refused. */
const MASK_BITS = PAGE_SIZE * 8

/** The nodes named: undefined, none; true, node 0 among them; or a negative errno. */
const readNodes = (kernel: Kernel, task: Task, address: number, maxNode: number): boolean | number => {
  // Linux counts one bit too many.
  const bits = maxNode - 1
  if (address === 0 || bits <= 0) return false
  if (bits > MASK_BITS) return -EINVAL
  const bytes = kernel.user(task).read(address, Math.ceil(bits / 64) * 8)
  for (let bit = 1; bit < bits; bit++) if ((bytes[bit >> 3] & 1 << (bit & 7)) !== 0) return -EINVAL
  return (bytes[0] & 1) !== 0
}

const checkPolicy = (mode: number, named: boolean): number => {
  const kind = mode & ~MODE_FLAGS
  if (kind > MPOL_LAST) return -EINVAL
  if (kind === MPOL_DEFAULT || kind === MPOL_LOCAL) return named ? -EINVAL : 0
  return (kind === MPOL_BIND || kind === MPOL_INTERLEAVE || kind === MPOL_LAST) && !named ? -EINVAL : 0
}

const setMempolicy = (kernel: Kernel, task: Task, args: Args): number => {
  const mode = uint32(args[0])
  const named = readNodes(kernel, task, uint64(args[1]), uint64(args[2]))
  if (typeof named === 'number') return named
  const wrong = checkPolicy(mode, named)
  if (wrong < 0) return wrong
  task.memoryPolicy = mode
  return 0
}

const getMempolicy = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  const flags = uint64(args[4])
  const maxNode = uint64(args[2])
  if (flags > 7 || (args[1] !== 0 && maxNode < 1)) return -EINVAL
  const putNodes = (first: boolean): void => {
    const bytes = new Uint8Array(Math.ceil(Math.min(maxNode, MASK_BITS) / 64) * 8)
    if (first) bytes[0] = 1
    if (args[1] !== 0) user.write(uint64(args[1]), bytes)
  }
  if ((flags & MPOL_F_MEMS_ALLOWED) !== 0) {
    if ((flags & (MPOL_F_NODE | MPOL_F_ADDR)) !== 0) return -EINVAL
    if (args[0] !== 0) user.setU32(uint64(args[0]), 0)
    putNodes(true)
    return 0
  }
  let policy = task.memoryPolicy
  if ((flags & MPOL_F_ADDR) !== 0) {
    if (findVma(task.mm, uint64(args[3])) === undefined) return -EFAULT
    policy = MPOL_DEFAULT
  } else if (args[3] !== 0) {
    return -EINVAL
  }
  if ((flags & MPOL_F_NODE) !== 0) {
    if ((flags & MPOL_F_ADDR) === 0 && (policy & ~MODE_FLAGS) !== MPOL_INTERLEAVE) return -EINVAL
    policy = 0
  }
  if (args[0] !== 0) user.setU32(uint64(args[0]), policy)
  putNodes((task.memoryPolicy & ~MODE_FLAGS) !== MPOL_DEFAULT && (task.memoryPolicy & ~MODE_FLAGS) !== MPOL_LOCAL)
  return 0
}

const mbind = (kernel: Kernel, task: Task, args: Args): number => {
  const start = uint64(args[0])
  const flags = uint64(args[5])
  const named = readNodes(kernel, task, uint64(args[3]), uint64(args[4]))
  if (typeof named === 'number') return named
  if (flags > MPOL_MF_ALL) return -EINVAL
  if ((flags & MPOL_MF_MOVE_ALL) !== 0 && !hasCapability(task, CAP_SYS_NICE)) return -EPERM
  if (start % PAGE_SIZE !== 0) return -EINVAL
  const end = start + pageUp(uint64(args[1]))
  if (end >= 2 ** 64) return -EINVAL
  if (end === start) return 0
  const wrong = checkPolicy(uint32(args[2]), named)
  if (wrong < 0) return wrong
  const { vmas } = task.mm
  let covered = start
  for (let index = vmaIndex(task.mm, start); index < vmas.length && vmas[index].start <= covered && covered < end; index++) covered = vmas[index].end
  return covered < end ? -EFAULT : 0
}

const migratePages = (kernel: Kernel, task: Task, args: Args): number => {
  const old = readNodes(kernel, task, uint64(args[2]), uint64(args[1]))
  if (typeof old === 'number') return old
  const next = readNodes(kernel, task, uint64(args[3]), uint64(args[1]))
  if (typeof next === 'number') return next
  const pid = int32(args[0])
  const other = pid === 0 ? task : taskBy(kernel, task, pid)
  if (other === undefined) return -ESRCH
  if (!mayAccessTask(task, other, CAP_SYS_PTRACE)) return -EPERM
  return next ? 0 : -EINVAL
}

const PAGES_LIMIT = 0x1000_0000
const movePages = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  const flags = int32(args[5])
  if ((flags & ~6) !== 0) return -EINVAL
  if ((flags & MPOL_MF_MOVE_ALL) !== 0 && !hasCapability(task, CAP_SYS_NICE)) return -EPERM
  const pid = int32(args[0])
  const other = pid === 0 ? task : taskBy(kernel, task, pid)
  if (other === undefined) return -ESRCH
  if (!mayAccessTask(task, other, CAP_SYS_PTRACE)) return -EPERM
  const count = uint64(args[1])
  if (count > PAGES_LIMIT) return -E2BIG
  for (let i = 0; i < count; i++) {
    const address = uint64(user.i64(uint64(args[2]) + i * 8))
    if (args[3] !== 0 && user.i32(uint64(args[3]) + i * 4) !== 0) return -ENODEV
    const vma = findVma(other.mm, address)
    const status = vma === undefined ? -EFAULT : getEntry(other.mm, Math.floor(address / PAGE_SIZE)) === 0 ? -ENOENT : 0
    user.setU32(uint64(args[4]) + i * 4, status)
  }
  return 0
}

const NODE_NOTE = 'there is one node, 0'

export const memoryRemoteCalls: readonly SyscallEntry[] = [
  { number: 237, name: 'mbind', args: ['addr:address', 'len:size', 'mode:int', 'nodemask:pointer', 'maxnode:size', 'flags:uint'], handler: mbind, status: 'partial', note: `${NODE_NOTE}; policies of areas are not kept` },
  { number: 238, name: 'set_mempolicy', args: ['mode:int', 'nodemask:pointer', 'maxnode:size'], handler: setMempolicy, status: 'full', note: NODE_NOTE },
  { number: 239, name: 'get_mempolicy', args: ['mode:pointer', 'nodemask:pointer', 'maxnode:size', 'addr:address', 'flags:uint'], handler: getMempolicy, status: 'full', note: NODE_NOTE },
  { number: 256, name: 'migrate_pages', args: ['pid:pid', 'maxnode:size', 'old_nodes:pointer', 'new_nodes:pointer'], handler: migratePages, status: 'full', note: NODE_NOTE },
  { number: 279, name: 'move_pages', args: ['pid:pid', 'count:size', 'pages:pointer', 'nodes:pointer', 'status:pointer', 'flags:int'], handler: movePages, status: 'full', note: NODE_NOTE },
  { number: 310, name: 'process_vm_readv', args: ['pid:pid', 'local_iov:iovec[2]', 'liovcnt:size', 'remote_iov:iovec[4]', 'riovcnt:size', 'flags:uint'], handler: processVmReadv, status: 'full' },
  { number: 311, name: 'process_vm_writev', args: ['pid:pid', 'local_iov:iovec[2]', 'liovcnt:size', 'remote_iov:iovec[4]', 'riovcnt:size', 'flags:uint'], handler: processVmWritev, status: 'full' },
]
