/**
 * Timers ordered by deadline, then by the order in which they were armed: a binary heap in an array.
 *
 * Plain data: a timer knows its place in the heap, so that it can be taken out again in O(log n); what happens when it
 * fires is looked up by its kind (`timer-actions.ts`).
 * Invariant: queue.heap[timer.place] === timer for armed timers; place is −1 for others.
 */
export type TimerKind =
  /** `owner` is the tid of a blocked task. */
  | 'sleep'
  /** ITIMER_REAL, alarm(2): `owner` is a tgid. */
  | 'real'
  /** timer_create(2): `owner` is a tgid, `id` the timer's. */
  | 'posix'
  /** For files (timerfd): `owner` as their code defines. */
  | 'file'
  /** Of the network: what it is for is in the timer itself (net/timers.ts). */
  | 'net'
  /** A step of a plan that waits (plan/plan.ts), which looks at it. */
  | 'plan'

export interface Timer {
  readonly kind: TimerKind
  readonly owner: number
  readonly id: number
  /** Cycle. */
  deadline: number
  /** Which timer was armed first, among those with one deadline. */
  sequence: number
  place: number
}

export interface TimerQueue {
  readonly heap: Timer[]
  sequence: number
}

export const timerQueue = (): TimerQueue => ({ heap: [], sequence: 0 })
export const makeTimer = (kind: TimerKind, owner: number, id = 0): Timer => ({ kind, owner, id, deadline: Infinity, sequence: 0, place: -1 })

const isBefore = (a: Timer, b: Timer): boolean =>
  a.deadline < b.deadline || (a.deadline === b.deadline && a.sequence < b.sequence)

const put = (heap: Timer[], timer: Timer, place: number): void => {
  heap[place] = timer
  timer.place = place
}

const siftUp = (heap: Timer[], timer: Timer, start: number): void => {
  let place = start
  while (place > 0) {
    const parent = (place - 1) >> 1
    if (!isBefore(timer, heap[parent])) break
    put(heap, heap[parent], place)
    place = parent
  }
  put(heap, timer, place)
}

const siftDown = (heap: Timer[], timer: Timer, start: number): void => {
  let place = start
  for (;;) {
    let child = place * 2 + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++
    if (!isBefore(heap[child], timer)) break
    put(heap, heap[child], place)
    place = child
  }
  put(heap, timer, place)
}

export const disarm = (queue: TimerQueue, timer: Timer): void => {
  const { heap } = queue
  const { place } = timer
  if (place < 0) return
  timer.place = -1
  timer.deadline = Infinity
  const last = heap.pop()
  if (last === undefined || last === timer) return
  siftUp(heap, last, place)
  if (last.place === place) siftDown(heap, last, place)
}

/** Arms the timer, or moves it to the new deadline. Infinity leaves it off. */
export const arm = (queue: TimerQueue, timer: Timer, deadline: number): void => {
  disarm(queue, timer)
  if (deadline === Infinity) return
  timer.deadline = deadline
  timer.sequence = ++queue.sequence
  siftUp(queue.heap, timer, queue.heap.length)
}

export const nextDeadline = (queue: TimerQueue): number => queue.heap.length > 0 ? queue.heap[0].deadline : Infinity

/** Takes out the next timer that is due at `cycle`. */
export const takeDue = (queue: TimerQueue, cycle: number): Timer | undefined => {
  if (queue.heap.length === 0 || queue.heap[0].deadline > cycle) return undefined
  const timer = queue.heap[0]
  disarm(queue, timer)
  return timer
}
