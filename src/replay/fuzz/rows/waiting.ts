/** What waits for descriptors and words of memory, and is asked only: nothing here waits. */
import * as fc from 'fast-check'
import { descriptor, outBytes, wild } from '../arguments.ts'
import type { FuzzArgument } from '../program.ts'
import { constant, mostly, none, O_NONBLOCK, on, orNone, type Rows, structure, ZERO_TIME } from './row.ts'

const LIVE = mostly(on('pipe', 'unix', 'event', 'tcp', 'udp', 'epoll', 'signal', 'timer', 'pidfd', 'inotify', 'file', 'queue'), descriptor)
const POLLED = fc.array(fc.tuple(LIVE, constant(1, 4, 5, 0x2019, 0)), { maxLength: 3 }).chain((entries) => entries.length === 0 ? outBytes(0) : structure(...entries.flatMap(([fd, events]) => [[4, fc.constant(fd)], [2, fc.constant(events)], [2, constant(0)]] as const)))
const EVENT = structure([4, constant(1, 1, 4, 5, 0x8000_0001, 0x4000_0001, 0x2019, 0x1000_0001, 0x2000_0001)], [8, constant(3, 0x1_0000_0001)])
/** Never what is expected there: nobody waits. */
const WORD = fc.constant<FuzzArgument>({ is: 'in', bytes: [7, 0, 0, 0] })
const WORD_OR_NONE = fc.oneof({ arbitrary: WORD, weight: 8 }, { arbitrary: constant(0, 1, 0x1000, -4096), weight: 2 })
/** Descriptors of fd_set: few bits. */
const SET = orNone(structure([8, constant(0, 8, 0x10, 0x78, 0x1f8, 1)], [8, constant(0)]).map((it) => it.is === 'in' ? { ...it, bytes: [...it.bytes, ...new Array<number>(112).fill(0)] } : it))
const SELECTED = constant(0, 4, 9, 10, 16, 64, -1)
const SHOWN_SETS = [[1, 'all'], [2, 'all'], [3, 'all']] as const
const EVENTS = outBytes(48), EVENT_COUNT = constant(1, 4, 4, 0, -1)
const SIGNALS = structure([8, constant(0, 0x200)]), SET_SIZE = constant(8, 8, 4)

export const waitingRows: Rows = {
  eventfd2: { result: 'fd', makes: 'event', weight: 3, args: { 1: constant(O_NONBLOCK, O_NONBLOCK | 1, O_NONBLOCK | 2, O_NONBLOCK | 1) } }, eventfd: { result: 'fd', makes: 'event', weight: 1 },
  epoll_create1: { result: 'fd', makes: 'epoll', weight: 3, args: { 0: constant(0, 0o2_000_000, 1) } }, epoll_create: { result: 'fd', makes: 'epoll', weight: 1, args: { 0: constant(1, 99, 0, -1) } },
  epoll_ctl: { weight: 6, on: 'epoll', args: { 1: constant(1, 1, 2, 3, 0), 2: LIVE, 3: mostly(EVENT, wild) } },
  epoll_wait: { weight: 4, on: 'epoll', args: { 1: EVENTS, 2: EVENT_COUNT, 3: constant(0) }, shows: [[1, 'all']] }, epoll_pwait: { weight: 1, on: 'epoll', args: { 1: EVENTS, 2: EVENT_COUNT, 3: constant(0), 4: orNone(SIGNALS), 5: SET_SIZE }, shows: [[1, 'all']] },
  epoll_pwait2: { weight: 1, on: 'epoll', args: { 1: EVENTS, 2: EVENT_COUNT, 3: ZERO_TIME, 4: orNone(SIGNALS), 5: SET_SIZE }, shows: [[1, 'all']] },
  poll: { weight: 4, args: { 0: POLLED, 1: constant(0, 1, 2), 2: constant(0) }, shows: [[0, 'all']] }, ppoll: { args: { 0: POLLED, 1: constant(0, 1, 2), 2: ZERO_TIME, 3: orNone(SIGNALS), 4: SET_SIZE }, shows: [[0, 'all']] },
  select: { weight: 3, args: { 0: SELECTED, 1: SET, 2: SET, 3: SET, 4: ZERO_TIME }, shows: SHOWN_SETS }, pselect6: { args: { 0: SELECTED, 1: SET, 2: SET, 3: SET, 4: ZERO_TIME, 5: none }, shows: SHOWN_SETS },
  futex: { weight: 3, args: { 0: WORD_OR_NONE, 1: constant(0, 1, 128, 129, 3, 4, 132, 5, 6, 7, 9, 10, 137, 99), 2: constant(5, 0, 1, -1), 3: none, 4: WORD_OR_NONE, 5: constant(0, -1, 7, 1) } },
  futex_waitv: { weight: 1, args: { 0: structure([8, constant(5)], [8, WORD_OR_NONE], [4, constant(2, 2, 0x82, 3, 0)], [4, constant(0, 0, 1)]), 1: constant(0, 1, 1, 129), 2: constant(0, 0, 1), 3: none, 4: constant(0, 1) } },
}
