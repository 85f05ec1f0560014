/** Keys and keyrings as state (keyrings(7)). What is done with them is in keyrings.ts and syscalls/keys.ts. */

export interface Key {
  readonly kind: 'key'
  readonly serial: number
  /** 'keyring', 'user', 'logon' or 'big_key'. */
  readonly type: string
  readonly description: string
  uid: number
  gid: number
  /** Four bytes of KEY_NEED_* bits: for the possessor, the owner, the group, others. */
  permissions: number
  /** Of keys that are no keyrings; undefined: it was looked for and is not there (negative). */
  payload: Uint8Array | undefined
  /** Of keyrings: serial numbers, in the order in which they were linked. */
  readonly links: number[]
  revoked: boolean
  /** Cycle at which it expires; Infinity: never. */
  expiry: number
  /** Whether it counts for its owner's quota. */
  readonly counted: boolean
}

export interface KeyState {
  readonly kind: 'keys'
  readonly keys: Map<number, Key>
  lastSerial: number
  /** Keyrings of users, by uid: _uid.N and _uid_ses.N. */
  readonly users: Map<number, { readonly own: number, readonly session: number }>
}

/** What a task has; those who never touched a key have none of this. */
export interface Keyrings {
  readonly kind: 'keyrings'
  /** Serial numbers, 0: none. */
  session: number
  thread: number
  /** KEYCTL_SET_REQKEY_KEYRING. */
  destination: number
}

export const makeKeys = (): KeyState => ({ kind: 'keys', keys: new Map(), lastSerial: 0x1000_0000, users: new Map() })
