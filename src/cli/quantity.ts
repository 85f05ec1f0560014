/** Numbers with suffixes, as options have them. */
import { InvalidArgumentError } from 'commander'

const SUFFIXES: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3 }
/** With a suffix where that is as exact. */
export const quantityText = (value: number): string => {
  for (const suffix of ['Gi', 'Mi', 'Ki', 'G', 'M']) if (value >= SUFFIXES[suffix] && value % SUFFIXES[suffix] === 0) return `${value / SUFFIXES[suffix]}${suffix}`
  return String(value)
}

/** A number with a suffix: 500M, 2Gi. */
export const quantity = (lowest: number, highest: number) => (text: string): number => {
  const match = /^(\d+(?:\.\d+)?)(k|M|G|T|Ki|Mi|Gi|)$/.exec(text)
  const value = match === null ? NaN : Math.round(Number(match[1]) * SUFFIXES[match[2]])
  if (!(value >= lowest && value <= highest)) throw new InvalidArgumentError(`It must be a number from ${lowest} to ${highest}; suffixes k M G T Ki Mi Gi are understood.`)
  return value
}
