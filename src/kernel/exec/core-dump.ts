/**
 * Core dumps (core(5); fs/binfmt_elf.c, elf_core_dump): the process's memory and registers as an ELF file in its working directory, for
 * debuggers. What can be read from the mapped files themselves is left out.
 */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { ACCESS_READ } from '../../emu/mmu/mmu.ts'
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../abi/mman.ts'
import { AT_FDCWD, O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } from '../abi/fcntl.ts'
import { RLIMIT_CORE } from '../abi/resources.ts'
import { releaseFile } from '../fs/descriptor.ts'
import { writeInode } from '../fs/inode.ts'
import { openPath, plainHow } from '../fs/open.ts'
import type { Kernel } from '../kernel.ts'
import { VMA_DONTDUMP, VMA_SHARED, type Vma } from '../mm/address-space.ts'
import type { SignalInfo } from '../signal/signal.ts'
import { readRegisters } from '../syscalls/ptrace.ts'
import { seenBy } from '../task/pid-namespace.ts'
import type { Task } from '../task/task.ts'
import { shownGid, shownUid } from '../task/user-namespace.ts'

const ELF_HEADER = 64, PROGRAM_HEADER = 56, NOTE_HEADER = 12
const ET_CORE = 4, EM_X86_64 = 62, PT_LOAD = 1, PT_NOTE = 4
const NT_PRSTATUS = 1, NT_PRPSINFO = 3, NT_AUXV = 6
const PRSTATUS_SIZE = 336, PRPSINFO_SIZE = 136

const set64 = (view: DataView, at: number, value: number): void => {
  view.setUint32(at, value % 0x1_0000_0000, true)
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true)
}

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

const note = (type: number, content: Uint8Array): Uint8Array => {
  const padded = Math.ceil(content.length / 4) * 4
  const bytes = new Uint8Array(NOTE_HEADER + 8 + padded)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 5, true)
  view.setUint32(4, content.length, true)
  view.setUint32(8, type, true)
  bytes.set(bytesOf('CORE'), NOTE_HEADER)
  bytes.set(content, NOTE_HEADER + 8)
  return bytes
}

/** struct elf_prstatus. */
const status = (kernel: Kernel, task: Task, dumper: Task, { signal, code, errno }: SignalInfo): Uint8Array => {
  const bytes = new Uint8Array(PRSTATUS_SIZE)
  const view = new DataView(bytes.buffer)
  view.setInt32(0, signal, true)
  view.setInt32(4, code, true)
  view.setInt32(8, errno, true)
  view.setInt16(12, signal, true)
  for (const [i, pid] of [task.tid, task.group.parent, task.group.processGroup, task.group.session].entries()) view.setInt32(32 + i * 4, seenBy(dumper, pid), true)
  bytes.set(readRegisters(kernel, dumper, task), 112)
  return bytes
}

/** struct elf_prpsinfo. */
const processInfo = (kernel: Kernel, task: Task): Uint8Array => {
  const bytes = new Uint8Array(PRPSINFO_SIZE)
  const view = new DataView(bytes.buffer)
  const { credentials: { user, uid, gid }, group, mm } = task
  bytes[1] = 0x52
  view.setUint32(16, shownUid(user, uid), true)
  view.setUint32(20, shownGid(user, gid), true)
  for (const [i, pid] of [group.tgid, group.parent, group.processGroup, group.session].entries()) view.setInt32(24 + i * 4, seenBy(task, pid), true)
  bytes.set(bytesOf(task.name.slice(0, 15)), 40)
  const [start, end] = mm.argumentArea
  const length = Math.min(end - start, 79)
  const memory = kernel.user(task)
  bytes.set(memory.read(start, memory.accessible(start, length, ACCESS_READ)).map((byte) => byte === 0 ? 0x20 : byte), 56)
  return bytes
}

/** Whether the area's memory is in the dump: what is not just a file's. */
const isDumped = (vma: Vma): boolean => (vma.prot & PROT_READ) !== 0 && (vma.flags & VMA_DONTDUMP) === 0 &&
  (vma.backing === undefined || ((vma.flags & VMA_SHARED) === 0 && (vma.prot & PROT_WRITE) !== 0) || (vma.backing.kind === 'shared-memory' && (vma.flags & VMA_SHARED) !== 0))

/** What core_pattern says: %p is the pid, %e the name, %s the signal. */
const pathFrom = (pattern: string, task: Task, signal: number): string =>
  pattern.replace(/%(.)/g, (_all, letter: string) => letter === 'p' ? String(seenBy(task, task.group.tgid)) : letter === 'e' ? task.name : letter === 's' ? String(signal) : letter === '%' ? '%' : '')

/** Writes the dump if the process is to have one. @returns whether it was written */
export const dumpCore = (kernel: Kernel, task: Task, info: SignalInfo): boolean => {
  const limit = task.group.limits[RLIMIT_CORE][0]
  const pattern = (kernel.state.fs.settings.get('sys/kernel/core_pattern') ?? 'core').trim()
  if (limit < PAGE_SIZE || task.group.dumpable !== 1 || pattern === '' || pattern.startsWith('|')) return false
  kernel.save()
  const { mm } = task
  const threads = [task, ...task.group.threads.flatMap((tid) => {
    const other = kernel.state.tasks.get(tid)
    return other === undefined || other === task || other.state === 'zombie' || other.state === 'dead' ? [] : [other]
  })]
  const notes = [note(NT_PRSTATUS, status(kernel, task, task, info)), note(NT_PRPSINFO, processInfo(kernel, task)), note(NT_AUXV, mm.auxv),
    ...threads.slice(1).map((thread) => note(NT_PRSTATUS, status(kernel, thread, task, info)))]
  const notesSize = notes.reduce((sum, { length }) => sum + length, 0)
  const areas = mm.vmas.filter(({ prot }) => prot !== 0)
  const headerSize = ELF_HEADER + (areas.length + 1) * PROGRAM_HEADER
  const header = new Uint8Array(headerSize + notesSize)
  const view = new DataView(header.buffer)
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  view.setUint16(16, ET_CORE, true)
  view.setUint16(18, EM_X86_64, true)
  view.setUint32(20, 1, true)
  set64(view, 32, ELF_HEADER)
  view.setUint16(52, ELF_HEADER, true)
  view.setUint16(54, PROGRAM_HEADER, true)
  view.setUint16(56, areas.length + 1, true)
  const putHeader = (index: number, type: number, flags: number, offset: number, address: number, fileSize: number, size: number, align: number): void => {
    const at = ELF_HEADER + index * PROGRAM_HEADER
    view.setUint32(at, type, true)
    view.setUint32(at + 4, flags, true)
    for (const [i, value] of [offset, address, 0, fileSize, size, align].entries()) set64(view, at + 8 + i * 8, value)
  }
  putHeader(0, PT_NOTE, 0, headerSize, 0, notesSize, 0, 4)
  let at = headerSize
  for (const bytes of notes) {
    header.set(bytes, at)
    at += bytes.length
  }
  const file = openPath(kernel, task, AT_FDCWD, pathFrom(pattern, task, info.signal), plainHow(O_CREAT | O_WRONLY | O_TRUNC | O_NOFOLLOW, 0o600))
  if (typeof file === 'number') return false
  const { inode } = file
  if (inode.kind !== 'file') {
    releaseFile(kernel, file)
    return false
  }
  let offset = Math.ceil((headerSize + notesSize) / PAGE_SIZE) * PAGE_SIZE
  const memory = kernel.user(task)
  for (const [i, vma] of areas.entries()) {
    const size = vma.end - vma.start
    const dumped = isDumped(vma) ? size : 0
    const flags = ((vma.prot & PROT_READ) !== 0 ? 4 : 0) | ((vma.prot & PROT_WRITE) !== 0 ? 2 : 0) | ((vma.prot & PROT_EXEC) !== 0 ? 1 : 0)
    putHeader(i + 1, PT_LOAD, flags, offset, vma.start, dumped, size, PAGE_SIZE)
    // Pages that nobody touched are holes.
    for (let page = vma.start; page < vma.start + dumped && offset + (page - vma.start) + PAGE_SIZE <= limit; page += PAGE_SIZE) {
      if (memory.accessible(page, PAGE_SIZE, ACCESS_READ) !== PAGE_SIZE) continue
      const bytes = memory.read(page, PAGE_SIZE)
      if (bytes.some((byte) => byte !== 0)) writeInode(kernel, inode, offset + page - vma.start, bytes)
    }
    offset += dumped
  }
  writeInode(kernel, inode, 0, header)
  releaseFile(kernel, file)
  return true
}
