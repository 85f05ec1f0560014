/** Files of /proc/sys that say something of the world; those that only say a number are in the tree itself. */
import { CAP_SYS_ADMIN } from '../../abi/capabilities.ts'
import { EINVAL, EPERM } from '../../abi/errno.ts'
import { RELEASE, SYSTEM_NAME, VERSION } from '../../abi/version.ts'
import type { Kernel } from '../../kernel.ts'
import { PID_LIMIT } from '../../task/pid-namespace.ts'
import type { Task } from '../../task/task.ts'
import { hasCapabilityIn } from '../../task/user-namespace.ts'
import type { ProcNode } from './nodes.ts'

export const ostype = (): string => `${SYSTEM_NAME}\n`
export const osrelease = (): string => `${RELEASE}\n`
export const version = (): string => `${VERSION}\n`

const NAME_LIMIT = 64
const firstLine = (text: string): string => text.split('\n')[0].slice(0, NAME_LIMIT)

export const hostname = (_kernel: Kernel, _node: ProcNode, reader: Task): string => `${reader.namespaces.uts.hostname}\n`
export const setHostname = (_kernel: Kernel, _node: ProcNode, writer: Task, text: string): number => {
  writer.namespaces.uts.hostname = firstLine(text)
  return 0
}
export const domainname = (_kernel: Kernel, _node: ProcNode, reader: Task): string => `${reader.namespaces.uts.domainname}\n`
export const setDomainname = (_kernel: Kernel, _node: ProcNode, writer: Task, text: string): number => {
  writer.namespaces.uts.domainname = firstLine(text)
  return 0
}

/** Of the reader's namespace of processes. */
export const lastPid = (kernel: Kernel, _node: ProcNode, reader: Task): string => {
  const { pid } = reader.namespaces
  return `${pid.level === 0 ? kernel.state.lastPid : pid.lastPid}\n`
}
export const setLastPid = (kernel: Kernel, _node: ProcNode, writer: Task, text: string): number => {
  const { pid } = writer.namespaces
  const number = Number(text.trim())
  if (!hasCapabilityIn(writer, pid.owner, CAP_SYS_ADMIN)) return -EPERM
  if (!Number.isInteger(number) || number < 0 || number >= PID_LIMIT) return -EINVAL
  if (pid.level === 0) kernel.state.lastPid = number
  else pid.lastPid = number
  return 0
}
export const ptyCount = (kernel: Kernel): string => `${kernel.state.fs.terminals.size}\n`

export const fileCount = (kernel: Kernel): string => {
  const files = new Set()
  for (const { files: table } of kernel.state.tasks.values()) for (const slot of table.slots) if (slot !== undefined) files.add(slot.file)
  return `${files.size}\t0\t9223372036854775807\n`
}

export const bootId = (kernel: Kernel): string => `${kernel.state.fs.bootId}\n`

/** A random UUID (version 4), another one each time. */
export const uuid = (kernel: Kernel): string => {
  const bytes = kernel.outside.entropy.randomBytes(16)
  const digits = Array.from(bytes, (byte, i) =>
    (i === 6 ? (byte & 0x0f) | 0x40 : i === 8 ? (byte & 0x3f) | 0x80 : byte).toString(16).padStart(2, '0')).join('')
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}\n`
}
