/** Guest memory is full and a page is needed: a process is killed to make room (Linux's mm/oom_kill.c). */
import type { Kernel } from '../kernel.ts'
import type { ThreadGroup } from '../task/task.ts'
import { killGroup } from './send.ts'
import { isKilled } from './pending.ts'

const ADJUST_LIMIT = 1000
/** oom_score_adj that exempts. */
const EXEMPT = -1000

const badness = (kernel: Kernel, group: ThreadGroup): number => {
  if (group.oomScoreAdjust === EXEMPT) return -Infinity
  for (const tid of group.threads) {
    const task = kernel.state.tasks.get(tid)
    if (task !== undefined && task.state !== 'zombie' && task.state !== 'dead') {
      return task.mm.residentPages + group.oomScoreAdjust * kernel.memory.frameLimit / ADJUST_LIMIT
    }
  }
  return -Infinity
}

const isDying = (kernel: Kernel, group: ThreadGroup): boolean =>
  !group.zombie && group.threads.some((tid) => {
    const task = kernel.state.tasks.get(tid)
    return task !== undefined && task.state !== 'zombie' && isKilled(task)
  })

/** Kills the process with the most pages, unless one is on its way out already. */
export const killForMemory = (kernel: Kernel): void => {
  let victim: ThreadGroup | undefined
  let most = -Infinity
  for (const group of kernel.state.groups.values()) {
    if (group.zombie) continue
    if (isDying(kernel, group)) return
    const score = badness(kernel, group)
    if (score > most) {
      most = score
      victim = group
    }
  }
  if (victim !== undefined) killGroup(kernel, victim)
}
