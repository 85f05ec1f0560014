/** Address families: what each can do, and what every open socket can do as a file. */
import { EFAULT } from '../abi/errno.ts'
import { IPPROTO_UDP, SOCK_STREAM } from '../abi/sockets.ts'
import { releaseFile } from '../fs/descriptor.ts'
import type { FileOperations, OpenFile } from '../fs/file.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { type Outgoing, type Socket, socketOf, type SocketOperations } from './socket.ts'
import { inetOperations } from './inet-operations.ts'
import { netlinkOperations } from './netlink.ts'
import { packetOperations } from './packet.ts'
import { unixOperations } from './unix.ts'
import { refusalOf } from './unix-messages.ts'

/** Made when first used: families import files' modules, which import this one. */
const makeFamilies = (): Readonly<Record<Socket['kind'], SocketOperations<Socket>>> => ({ unix: unixOperations, inet: inetOperations, netlink: netlinkOperations, packet: packetOperations })
let families: ReturnType<typeof makeFamilies> | undefined

export const familyOf = (socket: Socket): SocketOperations<Socket> => (families ??= makeFamilies())[socket.kind]

const NOTHING = new Uint8Array(0)

/** What a send of so many bytes at a bad address ends with: whether the socket can send at all is looked at before the bytes are. */
export const refusalOfSend = (kernel: Kernel, task: Task, file: OpenFile, message: Omit<Outgoing, 'bytes' | 'probes'>, length: number): number => {
  const socket = socketOf(file)
  if (socket.kind === 'unix') return refusalOf(kernel, task, file, socket, message, length)
  const isUdp = socket.kind === 'inet' && socket.protocol === IPPROTO_UDP
  if (socket.type !== SOCK_STREAM && !isUdp) return -EFAULT
  const result = familyOf(socket).send(kernel, task, file, socket, { ...message, bytes: NOTHING, ...(isUdp ? { probes: length } : {}) })
  return result < 0 ? result : -EFAULT
}

/** Descriptors that came with what read(2) reads are lost. */
const dropFiles = (kernel: Kernel, files: readonly OpenFile[]): void => { for (const file of files) releaseFile(kernel, file) }

const noFiles: readonly OpenFile[] = []

export const socketOperations: FileOperations = {
  read: (kernel, task, file, length) => {
    const socket = socketOf(file)
    const incoming = familyOf(socket).receive(kernel, task, file, socket, length, 0)
    if (typeof incoming === 'number') return incoming
    dropFiles(kernel, incoming.files)
    return incoming.bytes
  },
  write: (kernel, task, file, bytes) => {
    const socket = socketOf(file)
    return familyOf(socket).send(kernel, task, file, socket, { bytes, address: undefined, files: noFiles, credentials: undefined, flags: 0 })
  },
  poll: (kernel, file) => familyOf(socketOf(file)).poll(kernel, socketOf(file)),
  queues: (_kernel, file) => [socketOf(file).readable, socketOf(file).writable],
  ioctl: (kernel, task, file, command, argument) => familyOf(socketOf(file)).ioctl(kernel, task, socketOf(file), command, argument),
  release: (kernel, file) => { familyOf(socketOf(file)).release(kernel, socketOf(file)) },
}
