/** Plans and faults in the head of a trace: to plain data and back, checked. */
import type { FaultConfig, FaultKind, ListedFault, PlanStep } from '../kernel/config.ts'
import { FAULT_KINDS } from '../kernel/plan/faults.ts'
import type { Plain } from '../trace/msgpack.ts'
import { Fields } from './world-config.ts'

type PlainMap = { readonly [key: string]: Plain }

export const faultsToPlain = ({ rates, list, hosts, signals, clock, ...rest }: FaultConfig): PlainMap => ({
  ...rest, ...(signals === undefined ? {} : { signals: signals.map((one) => ({ ...one })) }), ...(clock === undefined ? {} : { clock: clock.map((one) => ({ ...one })) }), ...(rates === undefined ? {} : { rates: { ...rates } }), ...(list === undefined ? {} : { list: list.map((fault) => ({ ...fault })) }), ...(hosts === undefined ? {} : { hosts: [...hosts] }),
})

export const planToPlain = (plan: readonly PlanStep[]): PlainMap[] => plan.map((step): PlainMap =>
  step.do === 'run' ? { ...step, argv: [...step.argv], env: [...step.env] } : step.do === 'link' ? { ...step, change: { ...step.change } } : { ...step })

const LAST_CYCLE = Number.MAX_SAFE_INTEGER
const QUALITIES = ['loss', 'duplicate', 'reorder', 'corrupt'] as const
const MOST_SIGNAL = 64, MOST_CALL = 1023
const CENTURY = 3.2e9

export const parseFaults = (fields: Fields): FaultConfig => {
  const rates: { [K in FaultKind]?: number } = {}
  if (fields.has('rates')) for (const kind of FAULT_KINDS) if (fields.inner('rates').has(kind)) rates[kind] = fields.inner('rates').number(kind, 0, 1)
  return {
    ...(fields.has('rates') ? { rates } : {}),
    ...(fields.has('signals') ? {
      signals: fields.list('signals', (value, where) => {
        const one = new Fields(value, where)
        return {
          signal: one.integer('signal', 1, MOST_SIGNAL), every: one.integer('every', 1, 0x3fff_ffff), ...(one.has('host') ? { host: one.text('host') } : {}),
          ...(one.has('name') ? { name: one.text('name') } : {}), ...(one.has('most') ? { most: one.integer('most', 0, LAST_CYCLE) } : {}),
        }
      }),
    } : {}),
    ...(fields.has('clock') ? {
      clock: fields.list('clock', (value, where) => {
        const one = new Fields(value, where)
        return {
          every: one.integer('every', 1, 0x3fff_ffff), seconds: one.number('seconds', 0, CENTURY), ...(one.has('direction') ? { direction: one.choice('direction', ['forward', 'backward'] as const) } : {}),
          ...(one.has('most') ? { most: one.integer('most', 0, LAST_CYCLE) } : {}),
        }
      }),
    } : {}),
    ...(fields.has('list') ? {
      list: fields.list('list', (plain, where): ListedFault => {
        const fault = new Fields(plain, where)
        const kind = fault.choice('fault', [...FAULT_KINDS, 'signal', 'clock'] as const)
        if (kind === 'clock') return { fault: kind, cycle: fault.integer('cycle', 0, LAST_CYCLE), value: fault.integer('value', -1000 * CENTURY, 1000 * CENTURY) }
        const value = fault.has('value') ? { value: fault.integer('value', 0, 0x7fff_ffff) } : {}
        if (kind === 'signal') return { fault: kind, cycle: fault.integer('cycle', 0, LAST_CYCLE), ...value }
        return {
          fault: kind, task: fault.integer('task', 0, LAST_CYCLE), call: fault.integer('call', 0, MOST_CALL), count: fault.integer('count', 0, LAST_CYCLE),
          ...(fault.has('again') ? { again: fault.integer('again', 0, LAST_CYCLE) } : {}), ...value,
        }
      }),
    } : {}),
    ...(fields.has('after') ? { after: fields.integer('after', 0, LAST_CYCLE) } : {}),
    ...(fields.has('hosts') ? { hosts: fields.texts('hosts') } : {}),
  }
}

const parseChange = (fields: Fields): Extract<PlanStep, { readonly do: 'link' }>['change'] => {
  const change: { up?: boolean, latencyCycles?: number, bytesPerSecond?: number } & { [K in (typeof QUALITIES)[number]]?: number } = {}
  const up = fields.get('up')
  if (up !== undefined) change.up = typeof up === 'boolean' ? up : fields.fail('up')
  for (const quality of QUALITIES) if (fields.has(quality)) change[quality] = fields.number(quality, 0, 1)
  if (fields.has('latencyCycles')) change.latencyCycles = fields.integer('latencyCycles', 0, LAST_CYCLE)
  if (fields.has('bytesPerSecond')) change.bytesPerSecond = fields.number('bytesPerSecond', 1, Infinity)
  return change
}

const STEPS: { readonly [K in PlanStep['do']]: (fields: Fields) => Extract<PlanStep, { readonly do: K }> } = {
  run: (fields) => ({ do: 'run', host: fields.text('host'), name: fields.text('name'), program: fields.text('program'), argv: fields.texts('argv'), env: fields.texts('env') }),
  wait: (fields) => ({ do: 'wait', seconds: fields.number('seconds', 0, CENTURY) }),
  waitOutput: (fields) => ({ do: 'waitOutput', host: fields.text('host'), text: fields.text('text') }),
  waitExit: (fields) => ({ do: 'waitExit', name: fields.text('name') }),
  link: (fields) => ({ do: 'link', link: fields.integer('link', 0, 1000), change: parseChange(fields.inner('change')) }),
  crash: (fields) => ({ do: 'crash', host: fields.text('host'), ...(fields.has('loses') ? { loses: fields.get('loses') === true } : {}) }),
  restart: (fields) => ({ do: 'restart', host: fields.text('host') }),
  signal: (fields) => ({ do: 'signal', host: fields.text('host'), ...(fields.has('name') ? { name: fields.text('name') } : {}), signal: fields.integer('signal', 1, MOST_SIGNAL) }),
  clock: (fields) => ({ do: 'clock', seconds: fields.integer('seconds', -CENTURY, CENTURY) }),
}

export const parseStep = (value: Plain, where: string): PlanStep => {
  const fields = new Fields(value, where)
  return STEPS[fields.choice('do', Object.keys(STEPS) as PlanStep['do'][])](fields)
}
