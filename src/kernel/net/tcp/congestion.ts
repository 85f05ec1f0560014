/** Congestion control: slow start and avoidance of Reno (RFC 5681) and CUBIC (RFC 9438), in segments. */
import type { Kernel } from '../../kernel.ts'
import type { Tcb } from './tcb.ts'

/** RFC 9438: C = 0.4, β = 0.7. */
const CUBIC_C = 0.4, CUBIC_BETA = 0.7, RENO_BETA = 0.5
const MOST = 1 << 20

/** The cube root to a thousandth, the same on every host: Newton's iteration with exact operations. */
export const cubeRoot = (value: number): number => {
  if (value <= 0) return 0
  let root = value > 1 ? value / 2 : 1
  for (let i = 0; i < 60; i++) {
    const next = (2 * root + value / (root * root)) / 3
    if (next >= root - 1e-6 && next <= root + 1e-6) return next
    root = next
  }
  return root
}

/** A loss: what the window will be afterwards. */
export const reduceWindow = (tcb: Tcb): void => {
  const isCubic = tcb.algorithm === 'cubic'
  // Fast convergence: who lost before it got as far as last time leaves room to others.
  if (isCubic) tcb.cubicMax = tcb.cwnd < tcb.cubicMax ? tcb.cwnd * (1 + CUBIC_BETA) / 2 : tcb.cwnd
  tcb.cubicStart = -1
  tcb.ssthresh = Math.max(2, Math.floor(tcb.cwnd * (isCubic ? CUBIC_BETA : RENO_BETA)))
}

const cubicTarget = (kernel: Kernel, tcb: Tcb): number => {
  if (tcb.cubicStart < 0) {
    tcb.cubicStart = kernel.now
    tcb.cubicOrigin = Math.max(tcb.cubicMax, tcb.cwnd)
    tcb.cubicK = tcb.cubicMax > tcb.cwnd ? cubeRoot((tcb.cubicMax - tcb.cwnd) / CUBIC_C) : 0
  }
  const time = (kernel.now - tcb.cubicStart + (tcb.minRtt === Infinity ? 0 : tcb.minRtt)) / kernel.config.cpuHz - tcb.cubicK
  return tcb.cubicOrigin + CUBIC_C * time * time * time
}

/** So many segments were acknowledged: the window grows, if it was used up. */
export const growWindow = (kernel: Kernel, tcb: Tcb, acked: number): void => {
  let left = acked
  if (tcb.cwnd < tcb.ssthresh) {
    const step = Math.min(left, tcb.ssthresh - tcb.cwnd)
    tcb.cwnd = Math.min(tcb.cwnd + step, MOST)
    left -= step
    if (left === 0) return
  }
  let perSegment = tcb.cwnd
  if (tcb.algorithm === 'cubic') {
    const target = cubicTarget(kernel, tcb)
    perSegment = target > tcb.cwnd ? Math.max(2, Math.floor(tcb.cwnd / (target - tcb.cwnd))) : 100 * tcb.cwnd
    // As fast as Reno at least (its 'friendly region').
    perSegment = Math.min(perSegment, Math.max(2, tcb.cwnd * 2))
  }
  tcb.cwndCount += left
  if (tcb.cwndCount >= perSegment) {
    tcb.cwnd = Math.min(tcb.cwnd + Math.floor(tcb.cwndCount / perSegment), MOST)
    tcb.cwndCount %= perSegment
  }
}
