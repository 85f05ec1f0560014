/** x86-TSO and sequential consistency as abstract machines, of which all runs of a few instructions are looked at. */

/** Store (with a mask of bits), load, fence (MFENCE, or a locked instruction on something else), exchange. */
export type Op = readonly ['W', string, number, number?] | readonly ['R', string] | readonly ['F'] | readonly ['X', string, number]
export type Threads = readonly (readonly Op[])[]

interface Write { readonly at: string, readonly value: number, readonly mask: number }
interface State { readonly memory: Readonly<Record<string, number>>, readonly at: readonly number[], readonly buffers: readonly (readonly Write[])[], readonly loads: readonly (readonly number[])[] }

const ALL = 0xffff_ffff
const apply = (old: number, { value, mask }: Write): number => ((old & ~mask) | (value & mask)) >>> 0
const replaced = <T>(list: readonly T[], index: number, value: T): readonly T[] => list.map((old, i) => i === index ? value : old)

/** What threads loaded, in order, and the final x and y if asked for: all that can be, as text. */
export const outcomes = (threads: Threads, isTso: boolean, final: string): string[] => {
  const found = new Set<string>()
  const seen = new Set<string>()
  const visit = (state: State): void => {
    const key = JSON.stringify(state)
    if (seen.has(key)) return
    seen.add(key)
    let ended = true
    threads.forEach((ops, t) => {
      const buffer = state.buffers[t]
      if (buffer.length > 0) {
        ended = false
        const [write, ...rest] = buffer
        visit({ ...state, memory: { ...state.memory, [write.at]: apply(state.memory[write.at] ?? 0, write) }, buffers: replaced(state.buffers, t, rest) })
      }
      const op = ops[state.at[t]] as Op | undefined
      if (op === undefined) return
      ended = false
      const next = { ...state, at: replaced(state.at, t, state.at[t] + 1) }
      switch (op[0]) {
        case 'W': {
          const write: Write = { at: op[1], value: op[2], mask: op[3] ?? ALL }
          if (isTso) visit({ ...next, buffers: replaced(state.buffers, t, [...buffer, write]) })
          else visit({ ...next, memory: { ...state.memory, [op[1]]: apply(state.memory[op[1]] ?? 0, write) } })
          return
        }
        case 'R': {
          const value = buffer.reduce((old, write) => write.at === op[1] ? apply(old, write) : old, state.memory[op[1]] ?? 0)
          visit({ ...next, loads: replaced(state.loads, t, [...state.loads[t], value]) })
          return
        }
        case 'F': if (buffer.length === 0) visit(next); return
        case 'X': if (buffer.length === 0) visit({ ...next, memory: { ...state.memory, [op[1]]: op[2] } })
      }
    })
    if (!ended) return
    const values = state.loads.flat().map((value) => value.toString(16))
    found.add([...values, ...[...final].map((name) => `${name}=${state.memory[name] ?? 0}`)].join(' '))
  }
  visit({ memory: {}, at: threads.map(() => 0), buffers: threads.map(() => []), loads: threads.map(() => []) })
  return [...found].sort()
}
