/** struct rusage in guest memory (getrusage(2), wait4(2)). */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import type { Kernel } from '../kernel.ts'
import type { UserMemory } from '../mm/user-memory.ts'
import { cyclesToTimespec, writeTimeval } from '../time/clock.ts'
import { addUsage, noUsage } from './create.ts'
import type { ThreadGroup, Usage } from './task.ts'

const RUSAGE_SIZE = 144
const MAX_RSS = 32, MINOR_FAULTS = 64, MAJOR_FAULTS = 72, VOLUNTARY_SWITCHES = 128, INVOLUNTARY_SWITCHES = 136

/** What a group has used, its threads that are gone included. */
export const groupUsage = (kernel: Kernel, group: ThreadGroup): Usage => {
  const sum = noUsage()
  addUsage(sum, group.usage)
  for (const tid of group.threads) {
    const task = kernel.state.tasks.get(tid)
    if (task === undefined) continue
    addUsage(sum, task.usage)
    sum.residentPeak = Math.max(sum.residentPeak, task.mm.residentPeak)
  }
  return sum
}

export const writeUsage = (kernel: Kernel, user: UserMemory, address: number, usage: Usage): void => {
  user.fill(address, RUSAGE_SIZE, 0)
  writeTimeval(user, address, cyclesToTimespec(kernel, usage.userCycles))
  writeTimeval(user, address + 16, cyclesToTimespec(kernel, usage.systemCycles))
  user.setI64(address + MAX_RSS, usage.residentPeak * (PAGE_SIZE / 1024))
  user.setI64(address + MINOR_FAULTS, usage.minorFaults)
  user.setI64(address + MAJOR_FAULTS, usage.majorFaults)
  user.setI64(address + VOLUNTARY_SWITCHES, usage.voluntarySwitches)
  user.setI64(address + INVOLUNTARY_SWITCHES, usage.involuntarySwitches)
}
