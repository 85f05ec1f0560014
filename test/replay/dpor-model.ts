/** The language of guests/src/dpor-threads.c, with all its interleavings: what DPOR is held against. */

/** Kind and object. */
export type Operation = readonly [kind: string, n: number]

export const parseProgram = (text: string): Operation[][] => text.split(',').map((thread) => [...thread.matchAll(/(\w)(\d)/g)].map(([, kind, n]): Operation => [kind, Number(n)]))

const OBJECTS = 4

interface Thread { at: number, result: number, readonly got: boolean[], waits: 'condition' | 'barrier' | 'lock' | undefined }
interface World {
  readonly variables: number[]
  /** Who has the mutex, −1: nobody. */
  readonly mutexes: number[]
  readonly queues: number[][]
  readonly arrived: number[][]
  readonly semaphores: number[]
  readonly threads: Thread[]
}

const copy = (world: World): World => structuredClone(world)

/** The thread does its next operation; undefined: it has to wait. */
const step = (programs: readonly (readonly Operation[])[], before: World, thread: number): World | undefined => {
  const world = copy(before)
  const me = world.threads[thread]
  const { variables, mutexes, queues, arrived, semaphores } = world
  const [kind, n] = programs[thread][me.at]
  const sees = (value: number): void => { me.result = me.result * 131 + value + 1 }
  const done = (): World => {
    me.at++
    return world
  }
  if (me.waits === 'condition' || me.waits === 'barrier') return undefined
  if (me.waits === 'lock') {
    // It was woken from the condition and wants its mutex back; then it looks again.
    if (mutexes[n] >= 0) return undefined
    mutexes[n] = thread
    me.waits = undefined
    return world
  }
  switch (kind) {
    case 'r': sees(variables[n]); return done()
    case 'w': variables[n] = (thread + 1) * 10 + me.at; return done()
    case 'u': sees(variables[n]++); return done()
    // Read, then write: `got` of an object beyond says which.
    case 'i':
      if (!me.got[OBJECTS]) {
        me.got[OBJECTS] = true
        semaphores[OBJECTS + thread] = variables[n]
        return world
      }
      me.got[OBJECTS] = false
      variables[n] = semaphores[OBJECTS + thread] + 1
      return done()
    case 'l':
      if (mutexes[n] >= 0) return undefined
      mutexes[n] = thread
      return done()
    case 'n': mutexes[n] = -1; return done()
    case 't':
      me.got[n] = mutexes[n] < 0
      if (me.got[n]) mutexes[n] = thread
      sees(Number(me.got[n]))
      return done()
    case 'd':
      if (me.got[n]) mutexes[n] = -1
      return done()
    case 'b':
      arrived[n].push(thread)
      if (arrived[n].length < world.threads.length) {
        me.waits = 'barrier'
        me.at++
        return world
      }
      for (const other of arrived[n]) world.threads[other].waits = undefined
      arrived[n].length = 0
      return done()
    case 'e':
      if (variables[n] !== 0) return done()
      queues[n].push(thread)
      mutexes[n] = -1
      me.waits = 'condition'
      return world
    case 's': case 'a':
      for (const other of queues[n].splice(0, kind === 's' ? 1 : Infinity)) world.threads[other].waits = 'lock'
      return done()
    case 'p': semaphores[n]++; return done()
    case 'v':
      if (semaphores[n] === 0) return undefined
      semaphores[n]--
      return done()
    case 'f': return variables[n] === 0 ? undefined : done()
    default: throw new Error(kind)
  }
}

export const DEADLOCK = 'deadlock'

/** What the guest prints, or that it ends in a deadlock. */
export const outcomesOf = (text: string): string[] => {
  const programs = parseProgram(text)
  const outcomes = new Set<string>()
  const seen = new Set<string>()
  const zeros = (count: number): number[] => Array.from({ length: count }, () => 0)
  const work: World[] = [{
    variables: zeros(OBJECTS), mutexes: zeros(OBJECTS).map(() => -1), queues: zeros(OBJECTS).map(() => []), arrived: zeros(OBJECTS).map(() => []), semaphores: zeros(OBJECTS + programs.length),
    threads: programs.map(() => ({ at: 0, result: 0, got: zeros(OBJECTS + 1).map(() => false), waits: undefined })),
  }]
  for (let world = work.pop(); world !== undefined; world = work.pop()) {
    let isEnd = true
    for (const [thread, { at }] of world.threads.entries()) {
      if (at === programs[thread].length) continue
      const next = step(programs, world, thread)
      if (next === undefined) continue
      isEnd = false
      const key = JSON.stringify(next)
      if (seen.has(key)) continue
      seen.add(key)
      work.push(next)
    }
    if (!isEnd) continue
    const hasEnded = world.threads.every(({ at, waits }, thread) => at === programs[thread].length && waits === undefined)
    outcomes.add(hasEnded ? [...world.variables, ...world.threads.map(({ result }) => result)].map((value) => `${value} `).join('') : DEADLOCK)
  }
  return [...outcomes].sort()
}
