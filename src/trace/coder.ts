/** Events to bytes and back, by the tables. */
import type { Context } from './context.ts'
import { Malformed } from './errors.ts'
import { EVENTS, type TraceEvent, type WireName } from './events.ts'
import { encodeRegisters, encodeResult, encodeStrings, FIELD_TYPES, type FieldType, type Partial } from './fields.ts'
import type { Packer, Unpacker } from './msgpack.ts'

export const NO_STRINGS: readonly (string | undefined)[] = []

type Loose = Record<string, unknown>
/** The table's rows are typed one by one; walking it by name is not. */
interface LooseCoder {
  encode(packer: Packer, context: Context, value: unknown, event: Partial): void
  decode(unpacker: Unpacker, context: Context, event: Partial): unknown
}

interface Field {
  readonly name: string
  readonly coder: LooseCoder
}
interface Layout {
  readonly name: WireName
  readonly tag: number
  readonly fields: readonly Field[]
}

const fieldsOf = (name: WireName): Field[] =>
  (Object.entries(EVENTS[name].fields) as [string, FieldType][]).map(([field, type]) => ({ name: field, coder: FIELD_TYPES[type] as LooseCoder }))

const LAYOUTS: ReadonlyMap<WireName, Layout> = new Map((Object.keys(EVENTS) as WireName[]).map((name) =>
  [name, { name, tag: EVENTS[name].tag, fields: fieldsOf(name) }]))
const LAYOUTS_BY_TAG: readonly (Layout | undefined)[] = (() => {
  const byTag: (Layout | undefined)[] = []
  for (const layout of LAYOUTS.values()) byTag[layout.tag] = layout
  return byTag
})()

const layoutOf = (event: TraceEvent, context: Context): Layout => {
  const name = event.type !== 'syscall' ? event.type : event.strings.length > 0 ? 'namedSyscall'
    : event.tid !== context.task || event.started !== event.cycle ? 'slowSyscall' : 'syscall'
  const layout = LAYOUTS.get(name)
  if (layout === undefined) throw new Error(`no event is called ${name}`)
  return layout
}

/** The same bytes as the table's: a program that looks at many files makes one of these for each. */
const encodeLstat = (packer: Packer, context: Context, event: TraceEvent & { readonly type: 'lstat' }): void => {
  packer.array(4)
  packer.number(EVENTS.lstat.tag)
  packer.number(event.mount)
  FIELD_TYPES.path.encode(packer, context, event.path, event as unknown as Partial)
  FIELD_TYPES.stat.encode(packer, context, event.stat, event as unknown as Partial)
}

export const encodeEvent = (packer: Packer, context: Context, event: TraceEvent): void => {
  if (event.type === 'lstat') encodeLstat(packer, context, event)
  else encodeByTable(packer, context, event)
}

export const encodeByTable = (packer: Packer, context: Context, event: TraceEvent): void => {
  const layout = layoutOf(event, context)
  packer.array(layout.fields.length + 1)
  packer.number(layout.tag)
  const { fields } = layout
  for (let i = 0; i < fields.length; i++) {
    const { name, coder } = fields[i]
    coder.encode(packer, context, (event as unknown as Loose)[name], event as unknown as Partial)
  }
}

/** The same bytes as `encodeEvent` makes, without an event object: most events are system calls. */
export const encodeSyscall = (packer: Packer, context: Context, cycle: number, tid: number, number: number,
  args: ArrayLike<number>, argCount: number, strings: readonly (string | undefined)[], result: number, started: number): void => {
  const named = strings.length > 0
  const slow = named || tid !== context.task || started !== cycle
  packer.array(named ? 8 : slow ? 7 : 5)
  packer.number(named ? EVENTS.namedSyscall.tag : slow ? EVENTS.slowSyscall.tag : EVENTS.syscall.tag)
  packer.number(cycle - context.cycle)
  context.cycle = cycle
  if (slow) {
    packer.number(tid - context.task)
    packer.number(cycle - started)
  }
  packer.number(number)
  const place = context.call(tid, number)
  encodeRegisters(packer, context, place, args, argCount)
  if (named) encodeStrings(packer, context, strings)
  encodeResult(packer, context, place, result)
}

/** @throws Malformed */
export const decodeEvent = (unpacker: Unpacker, context: Context): TraceEvent => {
  const start = unpacker.at
  const count = unpacker.array()
  const tag = unpacker.unsigned()
  const layout = LAYOUTS_BY_TAG[tag]
  if (layout === undefined) throw new Malformed(start, `unknown event ${tag}`)
  if (count !== layout.fields.length + 1) throw new Malformed(start, `event '${layout.name}' has ${count - 1} fields instead of ${layout.fields.length}`)
  const event: Loose = { type: layout.name }
  // Registers are relative to the last call of this task, which the short form does not name.
  if (layout.name === 'syscall') event.tid = context.task
  for (const { name, coder } of layout.fields) event[name] = coder.decode(unpacker, context, event as unknown as Partial)
  if (layout.name === 'syscall') {
    event.started = event.cycle
    event.strings = NO_STRINGS
  } else if (layout.name === 'slowSyscall') {
    event.type = 'syscall'
    event.strings = NO_STRINGS
  } else if (layout.name === 'namedSyscall') {
    event.type = 'syscall'
  }
  return event as unknown as TraceEvent
}
