/**
 * How each type of field is written: one row a type. The names are those in docs/trace-format.md, 'Types of fields'.
 */
import { type Context, joinPath, RESULT } from './context.ts'
import { Malformed } from './errors.ts'
import type { Packer, Unpacker } from './msgpack.ts'

/** An errno (negative) in place of what could not be had. */
export type Errno = number
export interface Entry { readonly name: string, readonly type: number }

/** In the order in which a `stat` is written. */
export const STAT_FIELDS = ['dev', 'ino', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'size', 'blocks',
  'mtime', 'mtimeNanoseconds', 'atime', 'atimeNanoseconds', 'ctime', 'ctimeNanoseconds'] as const
const MTIME = STAT_FIELDS.indexOf('mtime')

export const SIGNAL_ACTIONS = ['handler', 'ignore', 'terminate', 'core', 'stop', 'continue'] as const
export const OUTCOMES = ['exited', 'deadlock', 'timeout', 'interrupted', 'failed'] as const

/** What a field of each type is in a decoded event. */
export interface FieldValues {
  cycle: number
  sliceCycle: number
  budget: number
  task: number
  started: number
  uint: number
  int: number
  uints: readonly number[]
  registers: ArrayLike<number>
  result: number
  /** undefined: could not be read where the register points. */
  strings: readonly (string | undefined)[]
  /** A guest address as a signed number, rounded beyond ±2^53. */
  address: number
  bytes: Uint8Array
  name: string
  text: string
  path: string
  stat: ArrayLike<number> | Errno
  listing: readonly Entry[] | Errno
  target: string | Errno
  input: Uint8Array | undefined
  action: (typeof SIGNAL_ACTIONS)[number]
  outcome: (typeof OUTCOMES)[number]
}
export type FieldType = keyof FieldValues

/** The event so far: fields may be written relative to those before them. */
export interface Partial {
  cycle: number
  cpu: number
  tid: number
  number: number
  draws: readonly number[]
  mount: number
  path: string
}

interface FieldCoder<T> {
  encode(packer: Packer, context: Context, value: T, event: Readonly<Partial>): void
  decode(unpacker: Unpacker, context: Context, event: Readonly<Partial>): T
}

/** The difference where it is exact, else the value itself as float64: the type tells which. */
export const encodeDelta = (packer: Packer, value: number, previous: number): void => {
  const delta = value - previous
  // Small differences are exact whatever the values.
  if ((delta < 128 && delta >= -32 && (delta | 0) === delta) || (Number.isSafeInteger(delta) && Number.isSafeInteger(value) && Number.isSafeInteger(previous))) packer.number(delta)
  else packer.float(value)
}

const decodeDelta = (unpacker: Unpacker, previous: number): number =>
  unpacker.isFloat() ? unpacker.float() : previous + unpacker.integer()

const lastDraw = (event: Readonly<Partial>, context: Context): number =>
  event.draws.length > 0 ? event.draws[event.draws.length - 1] : context.budget

/** `place` is the last call's, from `Context.call`. */
export const encodeRegisters = (packer: Packer, { calls }: Context, place: number, registers: ArrayLike<number>, count: number): void => {
  packer.array(count)
  for (let i = 0; i < count; i++) {
    const value = registers[i]
    const delta = value - calls[place + i]
    // Most are small: without a call for each, of which V8 would make optimized code.
    if (delta < 128 && delta >= -32 && (delta | 0) === delta && packer.length < packer.bytes.length) packer.bytes[packer.length++] = delta
    else encodeDelta(packer, value, calls[place + i])
    calls[place + i] = value
  }
}

export const encodeResult = (packer: Packer, { calls }: Context, place: number, result: number): void => {
  encodeDelta(packer, result, calls[place + RESULT])
  calls[place + RESULT] = result
}

export const encodeStrings = (packer: Packer, context: Context, strings: readonly (string | undefined)[]): void => {
  packer.array(strings.length)
  for (const text of strings) {
    const number = text === undefined ? undefined : context.stringNumbers.get(text)
    if (text === undefined) {
      packer.nil()
    } else if (number === undefined) {
      packer.byteString(text)
      context.stringNumbers.set(text, context.stringNumbers.size)
    } else {
      packer.number(number)
    }
  }
}

const enumeration = <T extends string>(names: readonly T[], what: string): FieldCoder<T> => ({
  encode: (packer, _context, value) => { packer.number(names.indexOf(value)) },
  decode: (unpacker) => {
    const at = unpacker.at
    const name = names[unpacker.unsigned()]
    if (name === undefined) throw new Malformed(at, `unknown ${what}`)
    return name
  },
})

const errnoOr = <T>(packer: Packer, value: T | Errno, write: (value: T) => void): void => {
  if (typeof value === 'number') packer.number(value)
  else write(value)
}

export const FIELD_TYPES: { readonly [T in FieldType]: FieldCoder<FieldValues[T]> } = {
  cycle: {
    encode: (packer, context, value) => {
      packer.number(value - context.cycle)
      context.cycle = value
    },
    decode: (unpacker, context) => context.cycle += unpacker.integer(),
  },
  sliceCycle: {
    encode: (packer, context, value, event) => {
      packer.number(value - (context.sliceEnds.get(event.cpu) ?? 0))
      context.cycle = value
    },
    decode: (unpacker, context, event) =>
      context.cycle = (context.sliceEnds.get(event.cpu) ?? 0) + unpacker.integer(),
  },
  budget: {
    encode: (packer, context, value, event) => {
      packer.number(value - lastDraw(event, context))
      context.budget = value
      context.task = event.tid
      context.sliceEnds.set(event.cpu, event.cycle + value)
    },
    decode: (unpacker, context, event) => {
      const value = lastDraw(event, context) + unpacker.integer()
      context.budget = value
      context.task = event.tid
      context.sliceEnds.set(event.cpu, event.cycle + value)
      return value
    },
  },
  task: {
    encode: (packer, context, value) => { packer.number(value - context.task) },
    decode: (unpacker, context) => context.task + unpacker.integer(),
  },
  started: {
    encode: (packer, _context, value, event) => { packer.number(event.cycle - value) },
    decode: (unpacker, _context, event) => event.cycle - unpacker.integer(),
  },
  uint: {
    encode: (packer, _context, value) => { packer.number(value) },
    decode: (unpacker) => unpacker.unsigned(),
  },
  int: {
    encode: (packer, _context, value) => { packer.number(value) },
    decode: (unpacker) => unpacker.integer(),
  },
  address: {
    encode: (packer, _context, value) => { packer.number(value) },
    decode: (unpacker) => unpacker.isFloat() ? unpacker.float() : unpacker.integer(),
  },
  uints: {
    encode: (packer, _context, value) => {
      packer.array(value.length)
      for (const element of value) packer.number(element)
    },
    decode: (unpacker) => {
      const value: number[] = []
      for (let count = unpacker.array(); count > 0; count--) value.push(unpacker.unsigned())
      return value
    },
  },
  registers: {
    encode: (packer, context, value, event) => {
      encodeRegisters(packer, context, context.call(event.tid, event.number), value, value.length)
    },
    decode: (unpacker, context, event) => {
      const place = context.call(event.tid, event.number)
      const { calls } = context
      const at = unpacker.at
      const count = unpacker.array()
      if (count > 6) throw new Malformed(at, `a system call has at most 6 arguments, ${count} found`)
      const value: number[] = []
      for (let i = 0; i < count; i++) value.push(calls[place + i] = decodeDelta(unpacker, calls[place + i]))
      return value
    },
  },
  result: {
    encode: (packer, context, value, event) => { encodeResult(packer, context, context.call(event.tid, event.number), value) },
    decode: (unpacker, context, event) => {
      const place = context.call(event.tid, event.number) + RESULT
      return context.calls[place] = decodeDelta(unpacker, context.calls[place])
    },
  },
  strings: {
    encode: encodeStrings,
    decode: (unpacker, context) => {
      const at = unpacker.at
      const count = unpacker.array()
      if (count > 6) throw new Malformed(at, `a system call has at most 6 strings, ${count} found`)
      const strings: (string | undefined)[] = []
      for (let i = 0; i < count; i++) {
        if (unpacker.isNil()) {
          unpacker.nil()
          strings.push(undefined)
        } else if (unpacker.isNumber()) {
          const numberAt = unpacker.at
          const text = context.strings[unpacker.unsigned()]
          if (text === undefined) throw new Malformed(numberAt, 'no string has this number yet')
          strings.push(text)
        } else {
          const text = unpacker.byteString()
          context.strings.push(text)
          strings.push(text)
        }
      }
      return strings
    },
  },
  bytes: {
    encode: (packer, _context, value) => { packer.bin(value) },
    decode: (unpacker) => unpacker.bin(),
  },
  name: {
    encode: (packer, _context, value) => { packer.byteString(value) },
    decode: (unpacker) => unpacker.byteString(),
  },
  text: {
    encode: (packer, _context, value) => { packer.text(value) },
    decode: (unpacker) => unpacker.text(),
  },
  path: {
    encode: (packer, context, value, event) => {
      const number = context.pathNumber(event.mount, value)
      if (number === undefined) {
        packer.byteString(value)
      } else {
        packer.number(number - context.lastPath)
        context.lastPath = number
      }
    },
    decode: (unpacker, context) => {
      if (!unpacker.isNumber()) return unpacker.byteString()
      const at = unpacker.at
      const number = context.lastPath + unpacker.integer()
      const path = context.paths[number]
      if (path === undefined) throw new Malformed(at, `no listing named path ${number}`)
      context.lastPath = number
      return path
    },
  },
  stat: {
    encode: (packer, context, value) => {
      if (typeof value === 'number') {
        packer.number(value)
        return
      }
      packer.array(STAT_FIELDS.length)
      const { stat } = context
      for (let i = 0; i < STAT_FIELDS.length; i++) {
        // Access and change are mostly at the time of modification.
        const delta = value[i] - (i > MTIME + 1 ? value[MTIME + (i - MTIME) % 2] : stat[i])
        if (delta < 128 && delta >= -32 && (delta | 0) === delta && packer.length < packer.bytes.length) packer.bytes[packer.length++] = delta
        else packer.number(delta)
        stat[i] = value[i]
      }
    },
    decode: (unpacker, context) => {
      if (unpacker.isNumber()) return unpacker.integer()
      const at = unpacker.at
      const count = unpacker.array()
      if (count !== STAT_FIELDS.length) throw new Malformed(at, `stat of ${count} fields`)
      const stat: number[] = []
      for (let i = 0; i < count; i++) {
        stat.push(unpacker.integer() + (i > MTIME + 1 ? stat[MTIME + (i - MTIME) % 2] : context.stat[i]))
        context.stat[i] = stat[i]
      }
      return stat
    },
  },
  listing: {
    encode: (packer, context, value, event) => {
      errnoOr(packer, value, (entries) => {
        packer.array(entries.length * 2)
        for (const entry of entries) {
          packer.byteString(entry.name)
          packer.number(entry.type)
        }
        context.addListing(event.mount, event.path, entries)
      })
    },
    decode: (unpacker, context, event) => {
      if (unpacker.isNumber()) return unpacker.integer()
      const at = unpacker.at
      const count = unpacker.array()
      if (count % 2 !== 0) throw new Malformed(at, 'a listing alternates names and types')
      const entries: Entry[] = []
      for (let i = 0; i < count; i += 2) {
        const entry = { name: unpacker.byteString(), type: unpacker.unsigned() }
        entries.push(entry)
        context.paths.push(joinPath(event.path, entry.name))
      }
      return entries
    },
  },
  target: {
    encode: (packer, _context, value) => { errnoOr(packer, value, (target) => { packer.byteString(target) }) },
    decode: (unpacker) => unpacker.isNumber() ? unpacker.integer() : unpacker.byteString(),
  },
  input: {
    encode: (packer, _context, value) => {
      if (value === undefined) packer.nil()
      else packer.bin(value)
    },
    decode: (unpacker) => {
      if (!unpacker.isNil()) return unpacker.bin()
      unpacker.nil()
      return undefined
    },
  },
  action: enumeration(SIGNAL_ACTIONS, 'signal action'),
  outcome: enumeration(OUTCOMES, 'outcome'),
}
