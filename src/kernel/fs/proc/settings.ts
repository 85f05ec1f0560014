/** Settings of /proc/sys as numbers, for those who go by them. What was written there is kept as text by its path. */
import type { Kernel } from '../../kernel.ts'

/** The `place`-th number of a setting (`path` below /proc, as in the tree), or what it is by default. */
export const settingNumber = (kernel: Kernel, path: string, byDefault: number, place = 0): number => {
  const text = kernel.state.fs.settings.get(path)
  if (text === undefined) return byDefault
  const word = text.trim().split(/\s+/).at(place)
  const value = word === undefined || word === '' ? NaN : Number(word)
  return Number.isNaN(value) ? byDefault : value
}
