/** User and group ids, supplementary groups, capabilities (credentials(7), capabilities(7); kernel/sys.c, security/commoncap.c). */
import { CAP_SETGID, CAP_SETPCAP, CAP_SETUID } from '../abi/capabilities.ts'
import { EFAULT, EINVAL, EPERM, ESRCH } from '../abi/errno.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import type { Kernel } from '../kernel.ts'
import { ALL_CAPABILITIES } from '../task/create.ts'
import {
  capabilityIntersection, capabilitySubset, capabilityUnion, fixCapabilities, fixFileCapabilities, setCredentials,
} from '../task/credentials.ts'
import { seenBy, taskBy } from '../task/pid-namespace.ts'
import { hasCapabilityIn, kernelGid, kernelUid, maySetGroups, NO_ID, shownGid, shownUid } from '../task/user-namespace.ts'
import type { CapabilitySet, Credentials, Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'


const getuid = (_kernel: Kernel, { credentials: { user, uid } }: Task): number => shownUid(user, uid)
const geteuid = (_kernel: Kernel, { credentials: { user, euid } }: Task): number => shownUid(user, euid)
const getgid = (_kernel: Kernel, { credentials: { user, gid } }: Task): number => shownGid(user, gid)
const getegid = (_kernel: Kernel, { credentials: { user, egid } }: Task): number => shownGid(user, egid)

/** An argument as the kernel's id: −1 if the user namespace has no such id; NO_ID stays. */
const uidFrom = (task: Task, argument: number): number => uint32(argument) === NO_ID ? NO_ID : kernelUid(task.credentials.user, uint32(argument))
const gidFrom = (task: Task, argument: number): number => uint32(argument) === NO_ID ? NO_ID : kernelGid(task.credentials.user, uint32(argument))
const own = (task: Task, capability: number): boolean => hasCapabilityIn(task, task.credentials.user, capability)

const applyUser = (task: Task, next: Credentials): number => {
  setCredentials(task, fixCapabilities(task.credentials, next))
  return 0
}
const applyGroup = (task: Task, next: Credentials): number => {
  setCredentials(task, next)
  return 0
}

const setuid = (_kernel: Kernel, task: Task, args: Args): number => {
  const uid = uidFrom(task, args[0])
  const old = task.credentials
  if (uid === NO_ID || uid < 0) return -EINVAL
  if (own(task, CAP_SETUID)) return applyUser(task, { ...old, uid, euid: uid, suid: uid, fsuid: uid })
  return uid === old.uid || uid === old.suid ? applyUser(task, { ...old, euid: uid, fsuid: uid }) : -EPERM
}

const setgid = (_kernel: Kernel, task: Task, args: Args): number => {
  const gid = gidFrom(task, args[0])
  const old = task.credentials
  if (gid === NO_ID || gid < 0) return -EINVAL
  if (own(task, CAP_SETGID)) return applyGroup(task, { ...old, gid, egid: gid, sgid: gid, fsgid: gid })
  return gid === old.gid || gid === old.sgid ? applyGroup(task, { ...old, egid: gid, fsgid: gid }) : -EPERM
}

const setreuid = (_kernel: Kernel, task: Task, args: Args): number => {
  const real = uidFrom(task, args[0])
  const effective = uidFrom(task, args[1])
  if (real < 0 || effective < 0) return -EINVAL
  const old = task.credentials
  const privileged = own(task, CAP_SETUID)
  if (real !== NO_ID && real !== old.uid && real !== old.euid && !privileged) return -EPERM
  if (effective !== NO_ID && effective !== old.uid && effective !== old.euid && effective !== old.suid && !privileged) return -EPERM
  const uid = real === NO_ID ? old.uid : real
  const euid = effective === NO_ID ? old.euid : effective
  const suid = real !== NO_ID || (effective !== NO_ID && effective !== old.uid) ? euid : old.suid
  return applyUser(task, { ...old, uid, euid, suid, fsuid: euid })
}

const setregid = (_kernel: Kernel, task: Task, args: Args): number => {
  const real = gidFrom(task, args[0])
  const effective = gidFrom(task, args[1])
  if (real < 0 || effective < 0) return -EINVAL
  const old = task.credentials
  const privileged = own(task, CAP_SETGID)
  if (real !== NO_ID && real !== old.gid && real !== old.egid && !privileged) return -EPERM
  if (effective !== NO_ID && effective !== old.gid && effective !== old.egid && effective !== old.sgid && !privileged) return -EPERM
  const gid = real === NO_ID ? old.gid : real
  const egid = effective === NO_ID ? old.egid : effective
  const sgid = real !== NO_ID || (effective !== NO_ID && effective !== old.gid) ? egid : old.sgid
  return applyGroup(task, { ...old, gid, egid, sgid, fsgid: egid })
}

const setresuid = (_kernel: Kernel, task: Task, args: Args): number => {
  const old = task.credentials
  const wanted = [uidFrom(task, args[0]), uidFrom(task, args[1]), uidFrom(task, args[2])]
  if (wanted.some((id) => id < 0)) return -EINVAL
  const current = [old.uid, old.euid, old.suid]
  if (!own(task, CAP_SETUID) && wanted.some((id) => id !== NO_ID && !current.includes(id))) return -EPERM
  const [uid, euid, suid] = wanted.map((id, i) => id === NO_ID ? current[i] : id)
  return applyUser(task, { ...old, uid, euid, suid, fsuid: euid })
}

const setresgid = (_kernel: Kernel, task: Task, args: Args): number => {
  const old = task.credentials
  const wanted = [gidFrom(task, args[0]), gidFrom(task, args[1]), gidFrom(task, args[2])]
  if (wanted.some((id) => id < 0)) return -EINVAL
  const current = [old.gid, old.egid, old.sgid]
  if (!own(task, CAP_SETGID) && wanted.some((id) => id !== NO_ID && !current.includes(id))) return -EPERM
  const [gid, egid, sgid] = wanted.map((id, i) => id === NO_ID ? current[i] : id)
  return applyGroup(task, { ...old, gid, egid, sgid, fsgid: egid })
}

const putIds = (kernel: Kernel, task: Task, args: Args, ids: readonly number[]): number => {
  for (const [i, id] of ids.entries()) kernel.user(task).setU32(uint64(args[i]), id)
  return 0
}
const getresuid = (kernel: Kernel, task: Task, args: Args): number => {
  const { uid, euid, suid } = task.credentials
  return putIds(kernel, task, args, [uid, euid, suid].map((id) => shownUid(task.credentials.user, id)))
}
const getresgid = (kernel: Kernel, task: Task, args: Args): number => {
  const { gid, egid, sgid } = task.credentials
  return putIds(kernel, task, args, [gid, egid, sgid].map((id) => shownGid(task.credentials.user, id)))
}

/** These two never fail: they answer what the id was. */
const setfsuid = (_kernel: Kernel, task: Task, args: Args): number => {
  const fsuid = uidFrom(task, args[0])
  const old = task.credentials
  if (fsuid >= 0 && fsuid !== NO_ID && ([old.uid, old.euid, old.suid, old.fsuid].includes(fsuid) || own(task, CAP_SETUID)) && fsuid !== old.fsuid) {
    setCredentials(task, fixFileCapabilities(old, { ...old, fsuid }))
  }
  return shownUid(old.user, old.fsuid)
}
const setfsgid = (_kernel: Kernel, task: Task, args: Args): number => {
  const fsgid = gidFrom(task, args[0])
  const old = task.credentials
  if (fsgid >= 0 && fsgid !== NO_ID && ([old.gid, old.egid, old.sgid, old.fsgid].includes(fsgid) || own(task, CAP_SETGID)) && fsgid !== old.fsgid) {
    setCredentials(task, { ...old, fsgid })
  }
  return shownGid(old.user, old.fsgid)
}

const GROUPS_LIMIT = 65_536

const getgroups = (kernel: Kernel, task: Task, args: Args): number => {
  const size = int32(args[0])
  const { groups } = task.credentials
  if (size < 0) return -EINVAL
  if (size === 0) return groups.length
  if (groups.length > size) return -EINVAL
  for (const [i, gid] of groups.entries()) kernel.user(task).setU32(uint64(args[1]) + i * 4, shownGid(task.credentials.user, gid))
  return groups.length
}

const setgroups = (kernel: Kernel, task: Task, args: Args): number => {
  const size = uint32(args[0])
  if (!own(task, CAP_SETGID) || !maySetGroups(task.credentials.user)) return -EPERM
  if (size > GROUPS_LIMIT) return -EINVAL
  const bytes = new DataView(kernel.user(task).read(uint64(args[1]), size * 4).buffer)
  const groups = Array.from({ length: size }, (_, i) => gidFrom(task, bytes.getUint32(i * 4, true)))
  if (groups.some((gid) => gid < 0 || gid === NO_ID)) return -EINVAL
  // Linux keeps them sorted.
  setCredentials(task, { ...task.credentials, groups: groups.sort((a, b) => a - b) })
  return 0
}

// ——— Capabilities ———

const VERSION_1 = 0x1998_0330, VERSION_2 = 0x2007_1026, VERSION_3 = 0x2008_0522

/** How many 32-bit words each set has in this version of the interface; undefined: unknown, and the header now says which is known. */
const words = (kernel: Kernel, task: Task, header: number): 1 | 2 | undefined => {
  const user = kernel.user(task)
  const version = user.u32(header)
  if (version === VERSION_1) return 1
  if (version === VERSION_2 || version === VERSION_3) return 2
  user.setU32(header, VERSION_3)
  return undefined
}

const capget = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  const header = uint64(args[0])
  const data = uint64(args[1])
  const count = words(kernel, task, header)
  if (count === undefined) return data === 0 ? 0 : -EINVAL
  if (data === 0) return 0
  const pid = user.i32(header + 4)
  if (pid < 0) return -EINVAL
  const target = pid === 0 ? task : taskBy(kernel, task, pid)
  if (target === undefined) return -ESRCH
  const { effective, permitted, inheritable } = target.credentials
  for (let word = 0; word < count; word++) {
    for (const [i, set] of [effective, permitted, inheritable].entries()) user.setU32(data + word * 12 + i * 4, set[word])
  }
  return 0
}

const capset = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  const header = uint64(args[0])
  const data = uint64(args[1])
  const count = words(kernel, task, header)
  if (count === undefined) return -EINVAL
  const pid = user.i32(header + 4)
  if (pid !== 0 && pid !== seenBy(task, task.tid)) return -EPERM
  const read = (index: number): CapabilitySet => {
    const low = user.u32(data + index * 4)
    return capabilityIntersection([low, count === 2 ? user.u32(data + 12 + index * 4) : 0], ALL_CAPABILITIES)
  }
  if (data === 0) return -EFAULT
  const effective = read(0)
  const permitted = read(1)
  const inheritable = read(2)
  const old = task.credentials
  if (!own(task, CAP_SETPCAP) && !capabilitySubset(inheritable, capabilityUnion(old.inheritable, old.permitted))) return -EPERM
  if (!capabilitySubset(inheritable, capabilityUnion(old.inheritable, old.bounding))) return -EPERM
  if (!capabilitySubset(permitted, old.permitted) || !capabilitySubset(effective, permitted)) return -EPERM
  const ambient = capabilityIntersection(old.ambient, capabilityIntersection(permitted, inheritable))
  setCredentials(task, { ...old, effective, permitted, inheritable, ambient })
  return 0
}

export const credentialCalls: readonly SyscallEntry[] = [
  { number: 102, name: 'getuid', args: [], handler: getuid, status: 'full' },
  { number: 104, name: 'getgid', args: [], handler: getgid, status: 'full' },
  { number: 105, name: 'setuid', args: ['uid:uid'], handler: setuid, status: 'full' },
  { number: 106, name: 'setgid', args: ['gid:gid'], handler: setgid, status: 'full' },
  { number: 107, name: 'geteuid', args: [], handler: geteuid, status: 'full' },
  { number: 108, name: 'getegid', args: [], handler: getegid, status: 'full' },
  { number: 113, name: 'setreuid', args: ['ruid:uid', 'euid:uid'], handler: setreuid, status: 'full' },
  { number: 114, name: 'setregid', args: ['rgid:gid', 'egid:gid'], handler: setregid, status: 'full' },
  { number: 115, name: 'getgroups', args: ['size:int', 'list:pointer'], handler: getgroups, status: 'full' },
  { number: 116, name: 'setgroups', args: ['size:size', 'list:pointer'], handler: setgroups, status: 'full' },
  { number: 117, name: 'setresuid', args: ['ruid:uid', 'euid:uid', 'suid:uid'], handler: setresuid, status: 'full' },
  { number: 118, name: 'getresuid', args: ['ruid:pointer', 'euid:pointer', 'suid:pointer'], handler: getresuid, status: 'full' },
  { number: 119, name: 'setresgid', args: ['rgid:gid', 'egid:gid', 'sgid:gid'], handler: setresgid, status: 'full' },
  { number: 120, name: 'getresgid', args: ['rgid:pointer', 'egid:pointer', 'sgid:pointer'], handler: getresgid, status: 'full' },
  { number: 122, name: 'setfsuid', args: ['fsuid:uid'], handler: setfsuid, status: 'full' },
  { number: 123, name: 'setfsgid', args: ['fsgid:gid'], handler: setfsgid, status: 'full' },
  { number: 125, name: 'capget', args: ['hdrp:pointer', 'datap:pointer'], handler: capget, status: 'full' },
  { number: 126, name: 'capset', args: ['hdrp:pointer', 'datap:pointer'], handler: capset, status: 'full' },
]
