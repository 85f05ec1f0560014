/** add_key(2), request_key(2), keyctl(2). */
import { CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import { EACCES, EDEADLOCK, EDQUOT, EFAULT, EINVAL, ENODEV, ENOENT, ENOKEY, ENOTDIR, EOPNOTSUPP, EPERM } from '../abi/errno.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { ACCESS_READ } from '../../emu/mmu/mmu.ts'
import type { Key } from '../keys/key-state.ts'
import {
  findKey, initialPermissions, isKeyring, isOwnerOrAdmin, keyringsOf, leadsTo, LINK, linkKey, makeKey, mayGrow, mayUse, newSession, possesses, PROCESS_KEYRING, READ, SEARCH,
  searchOwn, searchRings, SESSION_KEYRING, SETATTR, THREAD_KEYRING, USER_KEYRING, USER_SESSION_KEYRING, VIEW, WRITE,
} from '../keys/keyrings.ts'
import type { Kernel } from '../kernel.ts'
import { hasCapability, isInGroup } from '../task/credentials.ts'
import type { Task } from '../task/task.ts'
import { kernelGid, kernelUid, shownGid, shownUid } from '../task/user-namespace.ts'
import { deadlineAfter } from '../time/clock.ts'
import type { Args, SyscallEntry } from './entry.ts'

const PAYLOAD_LIMIT = 1024 * 1024 - 1, TYPE_LIMIT = 32, DESCRIPTION_LIMIT = 4096
const TYPES: readonly string[] = ['keyring', 'user', 'logon', 'big_key']
const USER_LIMIT = 32_767

const readType = (kernel: Kernel, task: Task, address: number): string | number => {
  const type = kernel.user(task).string(address, TYPE_LIMIT)
  if (type === undefined || type === '') return -EINVAL
  return type.startsWith('.') ? -EPERM : type
}

const readBytes = (kernel: Kernel, task: Task, address: number, length: number): Uint8Array | number => {
  const user = kernel.user(task)
  return length > 0 && user.accessible(address, length, ACCESS_READ) < length ? -EFAULT : user.read(address, length)
}

/** What a type says to a description and a payload: 0 or −EINVAL. */
const check = (type: string, description: string, length: number): number => {
  switch (type) {
    case 'keyring': return length !== 0 ? -EINVAL : 0
    case 'logon': return description.indexOf(':') <= 0 || length === 0 || length > USER_LIMIT ? -EINVAL : 0
    case 'user': return length === 0 || length > USER_LIMIT ? -EINVAL : 0
    default: return length === 0 ? -EINVAL : 0
  }
}

const canUpdate = (key: Key): boolean => !isKeyring(key)

const update = (kernel: Kernel, key: Key, payload: Uint8Array): number => {
  if (!canUpdate(key)) return -EOPNOTSUPP
  const invalid = check(key.type, key.description, payload.length)
  if (invalid !== 0) return invalid
  if (!mayGrow(kernel, key, payload.length - (key.payload?.length ?? 0))) return -EDQUOT
  key.payload = payload
  key.expiry = Infinity
  return 0
}

const addKey = (kernel: Kernel, task: Task, args: Args): number => {
  const length = uint64(args[3])
  if (length > PAYLOAD_LIMIT) return -EINVAL
  const type = readType(kernel, task, args[0])
  if (typeof type === 'number') return type
  const description = args[1] === 0 ? '' : kernel.user(task).string(args[1], DESCRIPTION_LIMIT)
  if (description === undefined) return -EINVAL
  if (description.startsWith('.') && type === 'keyring') return -EPERM
  const payload = length === 0 ? new Uint8Array(0) : readBytes(kernel, task, args[2], length)
  if (typeof payload === 'number') return payload
  const ring = findKey(kernel, task, int32(args[4]), true, WRITE)
  if (typeof ring === 'number') return ring
  if (!TYPES.includes(type)) return -ENODEV
  if (!isKeyring(ring)) return -ENOTDIR
  if (description === '') return -EINVAL
  const invalid = check(type, description, length)
  if (invalid !== 0) return invalid
  const { keys } = kernel.state.keys
  const old = ring.links.map((serial) => keys.get(serial)).find((key) => key?.type === type && key.description === description && !key.revoked)
  if (old !== undefined && canUpdate(old)) {
    if (!mayUse(kernel, task, old, WRITE)) return -EACCES
    const error = update(kernel, old, payload)
    return error < 0 ? error : old.serial
  }
  const key = makeKey(kernel, task, type, description, type === 'keyring' ? undefined : payload, initialPermissions(type))
  if (typeof key === 'number') return key
  linkKey(kernel, ring, key)
  return key.serial
}

/** Where a key that has to be made goes, if nothing was said: by KEYCTL_SET_REQKEY_KEYRING, or the innermost keyring that there is. */
const defaultDestination = (kernel: Kernel, task: Task): Key | number => {
  const REQUESTED: readonly number[] = [0, THREAD_KEYRING, PROCESS_KEYRING, SESSION_KEYRING, USER_KEYRING, USER_SESSION_KEYRING]
  const wanted = task.keyrings?.destination ?? 0
  if (wanted > 0 && wanted < REQUESTED.length) return findKey(kernel, task, REQUESTED[wanted], true, 0)
  for (const id of [THREAD_KEYRING, PROCESS_KEYRING]) {
    const ring = findKey(kernel, task, id, false, 0)
    if (typeof ring !== 'number') return ring
  }
  return findKey(kernel, task, SESSION_KEYRING, false, 0)
}

/** Seconds for which a key that nobody could make is known not to be there. */
const NEGATIVE_SECONDS = 60

const requestKey = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  const type = readType(kernel, task, args[0])
  if (typeof type === 'number') return type
  const description = user.string(args[1], DESCRIPTION_LIMIT)
  if (description === undefined) return -EINVAL
  const callout = args[2] === 0 ? undefined : user.string(args[2], DESCRIPTION_LIMIT)
  if (args[2] !== 0 && callout === undefined) return -EINVAL
  const id = int32(args[3])
  const given = id === 0 ? undefined : findKey(kernel, task, id, true, WRITE)
  if (typeof given === 'number') return given
  if (!TYPES.includes(type)) return -ENOKEY
  const found = searchOwn(kernel, task, type, description)
  if (typeof found !== 'number') {
    // It is known not to be there.
    if (found.payload === undefined && !isKeyring(found)) return -ENOKEY
    if (given !== undefined) linkKey(kernel, given, found)
    return found.serial
  }
  if (found !== -ENOKEY || callout === undefined) return found
  const destination = given ?? defaultDestination(kernel, task)
  if (typeof destination === 'number') return destination
  if (!mayUse(kernel, task, destination, WRITE)) return -EACCES
  // There is no /sbin/request-key that could make it.
  const key = makeKey(kernel, task, type, description, undefined)
  if (typeof key === 'number') return key
  key.expiry = deadlineAfter(kernel, [NEGATIVE_SECONDS, 0])
  linkKey(kernel, destination, key)
  return -ENOENT
}

// ——— keyctl ———

type Operation = (kernel: Kernel, task: Task, args: Args) => number

const withKey = (kernel: Kernel, task: Task, id: number, need: number, then: (key: Key) => number, partial = false, creates = false): number => {
  const key = findKey(kernel, task, int32(id), creates, need, partial)
  return typeof key === 'number' ? key : then(key)
}
const withRing = (kernel: Kernel, task: Task, id: number, then: (ring: Key) => number, creates = false): number =>
  withKey(kernel, task, id, WRITE, (ring) => isKeyring(ring) ? then(ring) : -ENOTDIR, false, creates)

const joinSession: Operation = (kernel, task, args) => {
  if (args[1] === 0) {
    const ring = newSession(kernel, task, '_ses')
    return typeof ring === 'number' ? ring : ring.serial
  }
  const name = kernel.user(task).string(args[1], DESCRIPTION_LIMIT)
  if (name === undefined || name === '') return -EINVAL
  if (name.startsWith('.')) return -EPERM
  for (const key of kernel.state.keys.keys.values()) {
    if (!isKeyring(key) || key.description !== name || !mayUse(kernel, task, key, SEARCH)) continue
    keyringsOf(task).session = key.serial
    return key.serial
  }
  const ring = newSession(kernel, task, name)
  return typeof ring === 'number' ? ring : ring.serial
}

const read: Operation = (kernel, task, args) => {
  const key = findKey(kernel, task, int32(args[1]), false, 0)
  if (typeof key === 'number') return key
  if (key.payload === undefined && !isKeyring(key)) return -ENOKEY
  if (!mayUse(kernel, task, key, READ) && !possesses(kernel, task, key)) return -EACCES
  if (key.type === 'logon') return -EOPNOTSUPP
  const bytes = isKeyring(key) ? new Uint8Array(Int32Array.from(key.links).buffer) : key.payload ?? new Uint8Array(0)
  const room = uint64(args[3])
  // What does not fit is not begun, but for keyrings, which tell as many as fit.
  const told = isKeyring(key) ? bytes.subarray(0, Math.floor(Math.min(room, bytes.length) / 4) * 4) : room >= bytes.length ? bytes : bytes.subarray(0, 0)
  if (args[2] !== 0 && told.length > 0) kernel.user(task).write(args[2], told)
  return bytes.length
}

const describe: Operation = (kernel, task, args) => withKey(kernel, task, args[1], VIEW, (key) => {
  const { user } = task.credentials
  const text = `${key.type};${shownUid(user, key.uid)};${shownGid(user, key.gid)};${(key.permissions >>> 0).toString(16).padStart(8, '0')};${key.description}\0`
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0))
  if (args[2] !== 0 && uint64(args[3]) >= bytes.length) kernel.user(task).write(args[2], bytes)
  return bytes.length
}, true)

const unlink = (kernel: Kernel, ring: Key, serial: number): number => {
  const at = ring.links.indexOf(serial)
  if (at < 0) return -ENOENT
  ring.links.splice(at, 1)
  void kernel
  return 0
}

const revoke: Operation = (kernel, task, args) => {
  const id = int32(args[1])
  let key = findKey(kernel, task, id, false, WRITE)
  if (key === -EACCES) key = findKey(kernel, task, id, false, SETATTR)
  if (typeof key === 'number') return key
  key.revoked = true
  key.links.length = 0
  return 0
}

/** Gone at once, from all keyrings. */
const invalidate: Operation = (kernel, task, args) => withKey(kernel, task, args[1], SEARCH, ({ serial }) => {
  const { keys } = kernel.state.keys
  for (const ring of keys.values()) if (ring.links.includes(serial)) ring.links.splice(ring.links.indexOf(serial), 1)
  keys.delete(serial)
  return 0
})

const chown: Operation = (kernel, task, args) => withKey(kernel, task, args[1], SETATTR, (key) => {
  const { user } = task.credentials
  const uid = int32(args[2]) === -1 ? key.uid : kernelUid(user, uint32(args[2]))
  const gid = int32(args[3]) === -1 ? key.gid : kernelGid(user, uint32(args[3]))
  if (uid < 0 || gid < 0) return -EINVAL
  if (!hasCapability(task, CAP_SYS_ADMIN) && (uid !== key.uid || (gid !== key.gid && !isInGroup(task, gid)))) return -EACCES
  key.uid = uid
  key.gid = gid
  return 0
}, true)

const setPermissions: Operation = (kernel, task, args) => {
  const permissions = uint32(args[2])
  if ((permissions & ~0x3f3f_3f3f) !== 0) return -EINVAL
  return withKey(kernel, task, args[1], SETATTR, (key) => {
    if (!isOwnerOrAdmin(task, key)) return -EACCES
    key.permissions = permissions
    return 0
  }, true)
}

const setDestination: Operation = (kernel, task, args) => {
  const wanted = int32(args[1])
  const old = task.keyrings?.destination ?? 0
  if (wanted === -1) return old
  if (wanted < 0 || wanted > 5 && wanted !== 7) return -EINVAL
  if (wanted === 1 || wanted === 2) {
    const ring = findKey(kernel, task, wanted === 1 ? THREAD_KEYRING : PROCESS_KEYRING, true, 0)
    if (typeof ring === 'number') return ring
  }
  keyringsOf(task).destination = wanted
  return old
}

const search: Operation = (kernel, task, args) => {
  const type = readType(kernel, task, args[2])
  if (typeof type === 'number') return type
  const description = kernel.user(task).string(args[3], DESCRIPTION_LIMIT)
  if (description === undefined) return -EINVAL
  return withKey(kernel, task, args[1], SEARCH, (ring) => {
    const id = int32(args[4])
    const to = id === 0 ? undefined : findKey(kernel, task, id, true, WRITE)
    if (typeof to === 'number') return to
    if (!TYPES.includes(type)) return -ENOKEY
    const found = searchRings(kernel, task, [ring.serial], type, description)
    if (typeof found === 'number') return found
    if (to !== undefined) {
      if (!mayUse(kernel, task, found, LINK)) return -EACCES
      linkKey(kernel, to, found)
    }
    return found.serial
  })
}

const updateKey: Operation = (kernel, task, args) => {
  const length = uint64(args[3])
  if (length > 4096) return -EINVAL
  const payload = length === 0 ? new Uint8Array(0) : readBytes(kernel, task, args[2], length)
  if (typeof payload === 'number') return payload
  return withKey(kernel, task, args[1], WRITE, (key) => update(kernel, key, payload))
}

const OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [0, (kernel, task, args) => withKey(kernel, task, args[1], SEARCH, ({ serial }) => serial, false, int32(args[2]) !== 0)],
  [1, joinSession],
  [2, updateKey],
  [3, revoke],
  [4, chown],
  [5, setPermissions],
  [6, describe],
  [7, (kernel, task, args) => withRing(kernel, task, args[1], (ring) => {
    ring.links.length = 0
    return 0
  }, true)],
  [8, (kernel, task, args) => withRing(kernel, task, args[2], (ring) => withKey(kernel, task, args[1], LINK, (key) => {
    if (isKeyring(key) && leadsTo(kernel, key, ring)) return -EDEADLOCK
    linkKey(kernel, ring, key)
    return 0
  }, false, true), true)],
  [9, (kernel, task, args) => withRing(kernel, task, args[2], (ring) => withKey(kernel, task, args[1], 0, ({ serial }) => unlink(kernel, ring, serial), true))],
  [10, search],
  [11, read],
  [14, setDestination],
  [15, (kernel, task, args) => withKey(kernel, task, args[1], SETATTR, (key) => {
    key.expiry = uint32(args[2]) === 0 ? Infinity : deadlineAfter(kernel, [uint32(args[2]), 0])
    return 0
  }, true)],
  // Nobody makes keys for others here: KEYCTL_INSTANTIATE and its relatives need an authority, and only 0 can be assumed.
  [12, () => -EPERM], [13, () => -EPERM], [19, () => -EPERM], [20, () => -EPERM],
  [16, (_kernel, _task, args) => int32(args[1]) === 0 ? 0 : int32(args[1]) < 0 ? -EINVAL : -ENOKEY],
  // KEYCTL_GET_SECURITY: there is no label.
  [17, (kernel, task, args) => withKey(kernel, task, args[1], VIEW, () => {
    if (args[2] !== 0 && uint64(args[3]) > 0) kernel.user(task).write(args[2], new Uint8Array(1))
    return 1
  }, true)],
  [21, invalidate],
])

const keyctl = (kernel: Kernel, task: Task, args: Args): number => OPERATIONS.get(int32(args[0]))?.(kernel, task, args) ?? -EOPNOTSUPP

export const keyCalls: readonly SyscallEntry[] = [
  { number: 248, name: 'add_key', args: ['type:string', 'description:string', 'payload:in[3]', 'plen:size', 'keyring:int'], handler: addKey, status: 'full', note: 'types keyring, user, logon and big_key; others give ENODEV' },
  { number: 249, name: 'request_key', args: ['type:string', 'description:string', 'callout_info:string', 'dest_keyring:int'], handler: requestKey, status: 'full', note: 'there is no /sbin/request-key: ENOENT, and the key is known not to be there' },
  { number: 250, name: 'keyctl', args: ['operation:int', 'arg2:long', 'arg3:long', 'arg4:long', 'arg5:long'], handler: keyctl, status: 'partial', note: 'no Diffie-Hellman, public keys, persistent keyrings, watches' },
]
