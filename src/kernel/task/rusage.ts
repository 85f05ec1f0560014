/** struct rusage in guest memory (getrusage(2)). */
import type { Kernel } from '../kernel.ts'
import { cyclesToTimespec } from '../time/clock.ts'
import type { Usage } from './task.ts'

const RUSAGE_SIZE = 144
const KIB_PER_PAGE = 4

/** @throws BadAddress */
export const writeRusage = (kernel: Kernel, user: { write(address: number, bytes: Uint8Array): void }, address: number, usage: Usage): void => {
  const bytes = new Uint8Array(RUSAGE_SIZE)
  const view = new DataView(bytes.buffer)
  const set = (at: number, value: number): void => {
    view.setUint32(at, value, true)
    view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true)
  }
  const setTime = (at: number, cycles: number): void => {
    const [seconds, nanoseconds] = cyclesToTimespec(kernel, cycles)
    set(at, seconds)
    set(at + 8, Math.floor(nanoseconds / 1000))
  }
  setTime(0, usage.userCycles)
  setTime(16, usage.systemCycles)
  set(32, usage.residentPeak * KIB_PER_PAGE)
  set(64, usage.minorFaults)
  set(72, usage.majorFaults)
  set(128, usage.voluntarySwitches)
  set(136, usage.involuntarySwitches)
  user.write(address, bytes)
}
