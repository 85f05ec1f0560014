/** A small generator for tests that make random programs: xorshift32, so that a seed is one sequence for ever. */
export interface Random {
  random(below: number): number
  pick<T>(from: readonly T[]): T
  /** What to start with to get the numbers from here on. */
  readonly seed: number
}

export const makeRandom = (seed: number): Random => {
  let state = seed
  const random = (below: number): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
  return { random, pick: (from) => from[random(from.length)], get seed() { return state } }
}
