/** Vector clocks: by `Task.index`, how far of each task is known. What is not in the list is 0. */
export type VectorClock = number[]

export const join = (into: VectorClock, from: VectorClock): void => {
  for (let i = 0; i < from.length; i++) {
    if (i >= into.length) into.push(from[i])
    else if (from[i] > into[i]) into[i] = from[i]
  }
}

export const advance = (clock: VectorClock, index: number): void => {
  while (clock.length <= index) clock.push(0)
  clock[index]++
}

/** Whether what task `index` did at its `time` is before what has this clock. */
export const knows = (clock: VectorClock, index: number, time: number): boolean => index < clock.length && clock[index] >= time
