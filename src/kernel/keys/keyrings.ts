/**
 * Keys: making, finding, permissions (security/keys of Linux). A key is there as long as something holds it: a task, a user, a keyring
 * that is held. What nothing holds any more goes when the next one is made, so that quotas are right.
 */
import { CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import { EACCES, EDQUOT, EINVAL, EKEYEXPIRED, EKEYREVOKED, ENOKEY } from '../abi/errno.ts'
import { settingNumber } from '../fs/proc/settings.ts'
import type { Kernel } from '../kernel.ts'
import { hasCapability, isInGroup } from '../task/credentials.ts'
import type { Task } from '../task/task.ts'
import type { Key, Keyrings } from './key-state.ts'

export const VIEW = 1, READ = 2, WRITE = 4, SEARCH = 8, LINK = 0x10, SETATTR = 0x20, ALL = 0x3f
const POSSESSOR = 24, OWNER = 16, GROUP = 8

/** KEY_SPEC_*. */
export const THREAD_KEYRING = -1, PROCESS_KEYRING = -2, SESSION_KEYRING = -3, USER_KEYRING = -4, USER_SESSION_KEYRING = -5

/** All for the possessor, and what owners may do with keys of their own (key_create_or_update, keyring_alloc's callers). */
const KEY_PERMISSIONS = (ALL << POSSESSOR) | (VIEW << OWNER)
const RING_PERMISSIONS = (ALL << POSSESSOR) | (VIEW << OWNER)
const SESSION_PERMISSIONS = (ALL << POSSESSOR) | ((VIEW | READ) << OWNER)
const USER_PERMISSIONS = (ALL << POSSESSOR) | (ALL << OWNER)

export const keyringsOf = (task: Task): Keyrings => task.keyrings ??= { kind: 'keyrings', session: 0, thread: 0, destination: 0 }

export const isKeyring = (key: Key): boolean => key.type === 'keyring'

// ——— Quotas ———

const LINK_BYTES = 4
export const quotaBytes = (key: Key): number => key.description.length + 1 + (isKeyring(key) ? key.links.length * LINK_BYTES : key.payload?.length ?? 0)

export interface KeyUsage { keys: number, bytes: number }
export const usageOf = (kernel: Kernel, uid: number): KeyUsage => {
  const usage = { keys: 0, bytes: 0 }
  for (const key of kernel.state.keys.keys.values()) {
    if (key.uid !== uid || !key.counted) continue
    usage.keys++
    usage.bytes += quotaBytes(key)
  }
  return usage
}
export const keyLimits = (kernel: Kernel, uid: number): KeyUsage => uid === 0
  ? { keys: settingNumber(kernel, 'sys/kernel/keys/root_maxkeys', 1_000_000), bytes: settingNumber(kernel, 'sys/kernel/keys/root_maxbytes', 25_000_000) }
  : { keys: settingNumber(kernel, 'sys/kernel/keys/maxkeys', 200), bytes: settingNumber(kernel, 'sys/kernel/keys/maxbytes', 20_000) }

const hasRoom = (kernel: Kernel, uid: number, keys: number, bytes: number): boolean => {
  const usage = usageOf(kernel, uid), limits = keyLimits(kernel, uid)
  return usage.keys + keys <= limits.keys && usage.bytes + bytes <= limits.bytes
}

// ——— Being held ———

/** Serial numbers of what the keyrings lead to, themselves included. */
const reach = (kernel: Kernel, roots: Iterable<number>): Set<number> => {
  const { keys } = kernel.state.keys
  const seen = new Set<number>()
  const pending = [...roots]
  for (let serial = pending.pop(); serial !== undefined; serial = pending.pop()) {
    const key = keys.get(serial)
    if (key === undefined || seen.has(serial)) continue
    seen.add(serial)
    pending.push(...key.links)
  }
  return seen
}

/** Keyrings that a task possesses: of its thread, process and session, or of its user if it has no session keyring. */
const ownRings = (kernel: Kernel, task: Task): number[] => {
  const rings = task.keyrings
  const session = rings?.session ?? 0
  return [rings?.thread ?? 0, task.group.processKeyring, session !== 0 ? session : kernel.state.keys.users.get(task.credentials.uid)?.session ?? 0].filter((serial) => serial !== 0)
}

export const collectKeys = (kernel: Kernel): void => {
  const { keys, users } = kernel.state.keys
  const roots: number[] = []
  for (const { own, session } of users.values()) roots.push(own, session)
  for (const task of kernel.state.tasks.values()) {
    if (task.state === 'dead' || task.state === 'zombie') continue
    roots.push(task.keyrings?.session ?? 0, task.keyrings?.thread ?? 0, task.group.processKeyring)
  }
  const held = reach(kernel, roots)
  for (const serial of [...keys.keys()]) if (!held.has(serial)) keys.delete(serial)
}

// ——— Permissions ———

export const possesses = (kernel: Kernel, task: Task, key: Key): boolean => reach(kernel, ownRings(kernel, task)).has(key.serial)

export const mayUse = (kernel: Kernel, task: Task, key: Key, need: number): boolean => {
  const { fsuid } = task.credentials
  let granted = key.uid === fsuid ? key.permissions >> OWNER : isInGroup(task, key.gid) && ((key.permissions >> GROUP) & ALL) !== 0 ? key.permissions >> GROUP : key.permissions
  if (possesses(kernel, task, key)) granted |= key.permissions >>> POSSESSOR
  return (granted & need) === need
}

/** key_validate: 0, −EKEYREVOKED or −EKEYEXPIRED. */
export const validate = (kernel: Kernel, key: Key): number => key.revoked ? -EKEYREVOKED : key.expiry <= kernel.now ? -EKEYEXPIRED : 0

// ——— Making and finding ———

/** A new key, held by nothing yet; −EDQUOT. */
export const makeKey = (kernel: Kernel, task: Task, type: string, description: string, payload: Uint8Array | undefined, permissions = KEY_PERMISSIONS, counted = true): Key | number => {
  const { state } = kernel
  const { fsuid, fsgid } = task.credentials
  collectKeys(kernel)
  if (counted && !hasRoom(kernel, fsuid, 1, description.length + 1 + (payload?.length ?? 0))) return -EDQUOT
  do state.keys.lastSerial = state.keys.lastSerial >= 0x7fff_0000 ? 0x1000_0000 : state.keys.lastSerial + 1
  while (state.keys.keys.has(state.keys.lastSerial))
  const key: Key = { kind: 'key', serial: state.keys.lastSerial, type, description, uid: fsuid, gid: fsgid, permissions, payload, links: [], revoked: false, expiry: Infinity, counted }
  state.keys.keys.set(key.serial, key)
  return key
}

/** For a payload of another length: false if the owner has no room for it. */
export const mayGrow = (kernel: Kernel, key: Key, bytes: number): boolean => !key.counted || hasRoom(kernel, key.uid, 0, bytes)

/** Type and permissions that a key has from its maker: what can't be read by its type nobody may read. */
export const initialPermissions = (type: string): number => type === 'logon' ? KEY_PERMISSIONS & ~(READ << POSSESSOR)
  : type === 'keyring' ? RING_PERMISSIONS : KEY_PERMISSIONS

/** The keyrings of a user, made when first asked for; they count for nobody. */
const userRings = (kernel: Kernel, task: Task): { readonly own: number, readonly session: number } | number => {
  const { users } = kernel.state.keys
  const { uid } = task.credentials
  const known = users.get(uid)
  if (known !== undefined) return known
  const own = makeKey(kernel, task, 'keyring', `_uid.${uid}`, undefined, USER_PERMISSIONS, false)
  if (typeof own === 'number') return own
  // Before anything could take it away.
  users.set(uid, { own: own.serial, session: 0 })
  const session = makeKey(kernel, task, 'keyring', `_uid_ses.${uid}`, undefined, USER_PERMISSIONS, false)
  if (typeof session === 'number') return session
  session.links.push(own.serial)
  const made = { own: own.serial, session: session.serial }
  users.set(uid, made)
  own.uid = session.uid = uid
  return made
}

/** A new session keyring for the task (join_session_keyring). */
export const newSession = (kernel: Kernel, task: Task, description: string): Key | number => {
  const ring = makeKey(kernel, task, 'keyring', description, undefined, SESSION_PERMISSIONS)
  if (typeof ring !== 'number') keyringsOf(task).session = ring.serial
  return ring
}

const specialRing = (kernel: Kernel, task: Task, id: number, creates: boolean): Key | number => {
  const { keys } = kernel.state.keys
  const ring = (serial: number, make: () => Key | number): Key | number => keys.get(serial) ?? (creates ? make() : -ENOKEY)
  switch (id) {
    case THREAD_KEYRING: return ring(task.keyrings?.thread ?? 0, () => {
      const made = makeKey(kernel, task, 'keyring', '_tid', undefined, RING_PERMISSIONS)
      if (typeof made !== 'number') keyringsOf(task).thread = made.serial
      return made
    })
    case PROCESS_KEYRING: return ring(task.group.processKeyring, () => {
      const made = makeKey(kernel, task, 'keyring', '_pid', undefined, RING_PERMISSIONS)
      if (typeof made !== 'number') task.group.processKeyring = made.serial
      return made
    })
    case SESSION_KEYRING: {
      const session = task.keyrings?.session ?? 0
      if (session !== 0) return keys.get(session) ?? -ENOKEY
      const users = userRings(kernel, task)
      if (typeof users === 'number') return users
      if (creates) return newSession(kernel, task, '_ses')
      keyringsOf(task).session = users.session
      return keys.get(users.session) ?? -ENOKEY
    }
    case USER_KEYRING: case USER_SESSION_KEYRING: {
      const users = userRings(kernel, task)
      return typeof users === 'number' ? users : keys.get(id === USER_KEYRING ? users.own : users.session) ?? -ENOKEY
    }
    default: return -EINVAL
  }
}

/**
 * What a number stands for, with permission for `need` (lookup_user_key).
 * @param partial also keys that are revoked or have expired
 */
export const findKey = (kernel: Kernel, task: Task, id: number, creates: boolean, need: number, partial = false): Key | number => {
  const key = id < 0 ? specialRing(kernel, task, id, creates) : id === 0 ? -EINVAL : kernel.state.keys.keys.get(id) ?? -ENOKEY
  if (typeof key === 'number') return key
  if (!partial) {
    const invalid = validate(kernel, key)
    if (invalid !== 0) return invalid
  }
  return need === 0 || mayUse(kernel, task, key, need) ? key : -EACCES
}

/** Searches keyrings, breadth first, for a key that may be found: it, or −ENOKEY or why what there is does not do. */
export const searchRings = (kernel: Kernel, task: Task, roots: readonly number[], type: string, description: string): Key | number => {
  const { keys } = kernel.state.keys
  let error = -ENOKEY
  const seen = new Set<number>()
  const pending = [...roots]
  for (let serial = pending.shift(); serial !== undefined; serial = pending.shift()) {
    const key = keys.get(serial)
    if (key === undefined || seen.has(serial)) continue
    seen.add(serial)
    const invalid = validate(kernel, key)
    if (key.type === type && key.description === description) {
      if (invalid !== 0) error = invalid
      else if (!mayUse(kernel, task, key, SEARCH)) error = -EACCES
      else return key
    }
    if (invalid === 0 && mayUse(kernel, task, key, SEARCH)) pending.push(...key.links)
  }
  return error
}

/** Its own keyrings in turn: if one of them has no such key, that is what is said of all (search_cred_keyrings_rcu). */
export const searchOwn = (kernel: Kernel, task: Task, type: string, description: string): Key | number => {
  let isMissing = false
  let error = -ENOKEY
  for (const ring of ownRings(kernel, task)) {
    const found = searchRings(kernel, task, [ring], type, description)
    if (typeof found !== 'number') return found
    if (found === -ENOKEY) isMissing = true
    else error = found
  }
  return isMissing ? -ENOKEY : error
}

/** Links a key; one of the same type and description goes (__key_link). */
export const linkKey = (kernel: Kernel, ring: Key, key: Key): void => {
  const { keys } = kernel.state.keys
  const at = ring.links.findIndex((serial) => {
    const other = keys.get(serial)
    return other?.type === key.type && other.description === key.description
  })
  if (at >= 0) ring.links.splice(at, 1)
  ring.links.push(key.serial)
}

/** Whether linking would make a circle. */
export const leadsTo = (kernel: Kernel, from: Key, to: Key): boolean => reach(kernel, [from.serial]).has(to.serial)

export const isOwnerOrAdmin = (task: Task, key: Key): boolean => key.uid === task.credentials.fsuid || hasCapability(task, CAP_SYS_ADMIN)
