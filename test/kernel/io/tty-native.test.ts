/** The line discipline against what Linux's did with the same bytes: test/support/tty/record.py recorded it. */
import { readFileSync } from 'node:fs'
import test from 'ava'
import { makeTestTask, type TestTask, textOf } from '../fs/fixture.ts'

const TCSETS = 0x5402, TCSETSF = 0x5404, FIONREAD = 0x541b, TIOCSPTLCK = 0x4004_5431, TIOCGPTN = 0x8004_5430
const O_RDWR_NONBLOCK = 0o4002, O_NOCTTY = 0o400

type Step = { out: string, left: number } & (
  | { set: [number, number, number], cc: number[], flush: boolean } | { type: string } | { write: string, count: number }
  | { read: number, got: string | null })

const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex')
const bytes = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, 'hex'))

export const openPair = (task: TestTask): { master: number, slave: number } => {
  const master = task.open('/dev/ptmx', O_RDWR_NONBLOCK | O_NOCTTY)
  task.do('ioctl', master, TIOCSPTLCK, task.put(new Uint8Array(4)))
  const number = task.buffer(4)
  task.do('ioctl', master, TIOCGPTN, number)
  return { master, slave: task.open(`/dev/pts/${task.u32(number)}`, O_RDWR_NONBLOCK | O_NOCTTY) }
}

const drain = (task: TestTask, fd: number): string => {
  let all = ''
  for (;;) {
    const at = task.buffer(4096)
    const count = task.call('read', fd, at, 4096)
    if (typeof count === 'string' || count === 0) return hex(all)
    all += textOf(task.bytes(at, count))
  }
}

/** What the step gives here, in the form of the recording. */
const run = (task: TestTask, master: number, slave: number, step: Step): Step => {
  let result: Step
  if ('set' in step) {
    const termios = new Uint8Array(36)
    const view = new DataView(termios.buffer)
    step.set.forEach((flags, index) => { view.setUint32([0, 4, 12][index], flags, true) })
    view.setUint32(8, 0o277, true)
    termios.set(step.cc, 17)
    task.do('ioctl', slave, step.flush ? TCSETSF : TCSETS, task.put(termios))
    result = { ...step }
  } else if ('type' in step) {
    task.do('write', master, bytes(step.type), step.type.length / 2)
    result = { ...step }
  } else if ('write' in step) {
    const count = task.call('write', slave, bytes(step.write), step.write.length / 2)
    result = { ...step, count: count === 'EAGAIN' ? -11 : count as number }
  } else {
    const at = task.buffer(step.read)
    const count = task.call('read', slave, at, step.read)
    result = { ...step, got: count === 'EAGAIN' ? null : hex(textOf(task.bytes(at, count as number))) }
  }
  result.out = drain(task, master)
  const left = task.buffer(4)
  task.do('ioctl', slave, FIONREAD, left)
  result.left = task.u32(left)
  return result
}

const cases = JSON.parse(readFileSync(process.env.TTY_CASES ?? new URL('fixtures/tty.json', import.meta.url), 'utf8')) as Step[][]

test('the line discipline does what Linux\'s did', (t) => {
  t.true(cases.length >= 200)
  for (const [index, steps] of cases.entries()) {
    const task = makeTestTask({ mounts: [{ guest: '/dev', source: { kind: 'dev' } }] })
    const { master, slave } = openPair(task)
    for (const [at, step] of steps.entries()) {
      const got = run(task, master, slave, step)
      if (JSON.stringify(got) !== JSON.stringify(step)) {
        t.deepEqual(got, step, `case ${index}, step ${at} of ${JSON.stringify(steps.slice(0, at + 1))}`)
        return
      }
    }
  }
})
