/** Times on the command line. */
import { InvalidArgumentError } from 'commander'

/** '60s', '5m', '250ms', '2' (seconds) as milliseconds. */
export const duration = (text: string): number => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(text)
  const ms = match === null ? 0 : Number(match[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000, '': 1000 }[match[2] as 's']
  if (!(ms > 0)) throw new InvalidArgumentError('It must be a time such as 60s, 5m or 1h.')
  return ms
}
