/** /proc/PID/ns: namespaces as files, which setns(2) takes (namespaces(7), ioctl_ns(2); fs/nsfs.c). */
import { EINVAL, ENOTTY, EPERM } from '../abi/errno.ts'
import { O_CLOEXEC, O_RDONLY } from '../abi/fcntl.ts'
import type { Kernel } from '../kernel.ts'
import { CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS } from '../task/clone-flags.ts'
import type { AnyNamespace } from '../task/namespaces.ts'
import { isPidNamespaceBelow } from '../task/pid-namespace.ts'
import type { Task } from '../task/task.ts'
import { isUserNamespaceBelow, shownUid, type UserNamespace } from '../task/user-namespace.ts'
import { installOrRelease, makeOpenFile } from './descriptor.ts'
import type { FileOperations, OpenFile } from './file.ts'
import { makeNamespaceInode, type NamespaceInode } from './inode.ts'
import { makeSuperblock } from './mounts.ts'

export const NAMESPACE_NAMES: readonly string[] =
  ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'pid_for_children', 'time', 'time_for_children', 'user', 'uts']

const KINDS: Readonly<Record<AnyNamespace['kind'], { readonly name: string, readonly flag: number }>> = {
  'cgroup-namespace': { name: 'cgroup', flag: CLONE_NEWCGROUP }, 'ipc-namespace': { name: 'ipc', flag: CLONE_NEWIPC },
  'mount-namespace': { name: 'mnt', flag: CLONE_NEWNS }, 'net-namespace': { name: 'net', flag: CLONE_NEWNET },
  'pid-namespace': { name: 'pid', flag: CLONE_NEWPID }, 'time-namespace': { name: 'time', flag: CLONE_NEWTIME },
  'user-namespace': { name: 'user', flag: CLONE_NEWUSER }, 'uts-namespace': { name: 'uts', flag: CLONE_NEWUTS },
}

/** CLONE_NEW* of the namespace's kind. */
export const namespaceFlag = ({ kind }: AnyNamespace): number => KINDS[kind].flag

export const namespaceText = ({ kind, id }: AnyNamespace): string => `${KINDS[kind].name}:[${id}]`

/** The namespace that a link of /proc/PID/ns leads to. One of processes in which there is none yet is not there. */
export const namespaceOf = ({ namespaces, credentials }: Task, name: string): AnyNamespace | undefined => {
  switch (name) {
    case 'pid_for_children': {
      const { pidForChildren } = namespaces
      return pidForChildren.hasInit && pidForChildren.init === 0 ? undefined : pidForChildren
    }
    case 'time_for_children': return namespaces.timeForChildren
    case 'user': return credentials.user
    case 'mnt': return namespaces.mount
    case 'cgroup': case 'ipc': case 'net': case 'pid': case 'time': case 'uts': return namespaces[name]
    default: return undefined
  }
}

const NSFS_MAGIC = 0x6e73_6673

/** Its inode: always another object, but with the namespace's number. */
export const namespaceInode = (kernel: Kernel, namespace: AnyNamespace): NamespaceInode => {
  const { fs } = kernel.state
  const superblock = fs.superblocks.find(({ type }) => type === 'nsfs') ?? makeSuperblock(fs, 'anonymous', 'nsfs', 'nsfs', NSFS_MAGIC)
  return makeNamespaceInode(kernel, superblock, namespace)
}

export const openNamespace = (kernel: Kernel, inode: NamespaceInode, path: string, flags: number): OpenFile =>
  makeOpenFile(kernel, 'namespace', inode, path, flags, undefined)

/** What a descriptor of a namespace stands for; undefined: it is of something else. */
export const namespaceOfFile = ({ inode }: OpenFile): AnyNamespace | undefined => inode.kind === 'namespace' ? inode.namespace : undefined

const NS_GET_USERNS = 0xb701, NS_GET_PARENT = 0xb702, NS_GET_NSTYPE = 0xb703, NS_GET_OWNER_UID = 0xb704

const ownerOf = (namespace: AnyNamespace): UserNamespace | undefined => namespace.kind === 'user-namespace' ? namespace.parent : namespace.owner

const openFor = (kernel: Kernel, task: Task, namespace: AnyNamespace): number =>
  installOrRelease(kernel, task, openNamespace(kernel, namespaceInode(kernel, namespace), namespaceText(namespace), O_RDONLY | O_CLOEXEC), true)

export const namespaceOperations: FileOperations = {
  read: () => -EINVAL,
  ioctl: (kernel, task, file, command, argument) => {
    const namespace = namespaceOfFile(file)
    if (namespace === undefined) return -ENOTTY
    switch (command) {
      case NS_GET_USERNS: {
        const owner = ownerOf(namespace)
        return owner === undefined || !isUserNamespaceBelow(owner, task.credentials.user) ? -EPERM : openFor(kernel, task, owner)
      }
      case NS_GET_PARENT: {
        if (namespace.kind !== 'pid-namespace' && namespace.kind !== 'user-namespace') return -EINVAL
        const { parent } = namespace
        const isSeen = parent !== undefined && (parent.kind === 'pid-namespace' ? isPidNamespaceBelow(parent, task.namespaces.pid) : isUserNamespaceBelow(parent, task.credentials.user))
        return parent === undefined || !isSeen ? -EPERM : openFor(kernel, task, parent)
      }
      case NS_GET_NSTYPE: return namespaceFlag(namespace)
      case NS_GET_OWNER_UID:
        if (namespace.kind !== 'user-namespace') return -EINVAL
        kernel.user(task).setU32(argument, shownUid(task.credentials.user, namespace.owner))
        return 0
      default: return -ENOTTY
    }
  },
}
