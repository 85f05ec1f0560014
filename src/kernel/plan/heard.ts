/** What a plan hears of its world: text that steps wait for is looked for in it. */
import type { Kernel } from '../kernel.ts'

/** So many of the last characters are kept. */
const HEARD = 1 << 16

/** What a host's programs print passes by here. */
export const hear = (kernel: Kernel, host: number, bytes: Uint8Array): void => {
  const { plan } = kernel.state
  if (plan === undefined) return
  let text = plan.heard[host]
  for (const byte of bytes) text += String.fromCharCode(byte)
  plan.heard[host] = text.slice(-HEARD)
}
