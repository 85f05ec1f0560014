/**
 * What happens to a world from outside of its programs, as its configuration has it: programs that are started, links that go down, hosts
 * that lose their power and come back, signals, jumps of the clock. One step after the other; a step that waits lets the world go on.
 *
 * The plan is part of the configuration, and what it waits for is in the state: a recording replays without anything else.
 */
import type { PlanStep } from '../config.ts'
import { losePower } from './durability.ts'
import { findHost, killHost, restartHost, runOnHost, settle } from '../hosts.ts'
import type { Kernel } from '../kernel.ts'
import { setLink } from '../net/link.ts'
import { sendSignal } from '../signal/send.ts'
import { deadlineAfter } from '../time/clock.ts'
import { jumpRealtime } from '../time/set-clock.ts'
import { arm, makeTimer, type Timer } from '../time/timer-queue.ts'

export interface PlanState {
  readonly kind: 'plan'
  /** The step that is next. */
  next: number
  /** Whether it has begun to wait. */
  waits: boolean
  /** By host: what its programs printed since the last step that waited for output, the end of it. */
  readonly heard: string[]
  /** Programs that steps have started: by name, their process and its wait status. */
  readonly runs: Map<string, { tgid: number, status: number | undefined }>
  readonly timer: Timer
}

const NANOSECONDS = 1e9

export const makePlan = (hosts: number): PlanState => ({
  kind: 'plan', next: 0, waits: false, heard: new Array<string>(hosts).fill(''), runs: new Map(), timer: makeTimer('plan', 0),
})

/** Whether the step is done. */
const take = (kernel: Kernel, plan: PlanState, step: PlanStep): boolean => {
  switch (step.do) {
    case 'run': {
      const tgid = runOnHost(kernel, findHost(kernel, step.host), step)
      plan.runs.set(step.name, { tgid, status: undefined })
      return true
    }
    case 'wait':
      if (!plan.waits) {
        arm(kernel.state.timers, plan.timer, deadlineAfter(kernel, Math.round(step.seconds * NANOSECONDS)))
        plan.waits = true
      }
      return plan.timer.place < 0
    case 'waitOutput': {
      const { index } = findHost(kernel, step.host)
      const at = plan.heard[index].indexOf(step.text)
      if (at < 0) return false
      plan.heard[index] = plan.heard[index].slice(at + step.text.length)
      return true
    }
    case 'waitExit': return plan.runs.get(step.name)?.status !== undefined
    case 'link': setLink(kernel, step.link, step.change); return true
    case 'crash': {
      const { disks } = findHost(kernel, step.host)
      killHost(kernel, step.host)
      if (step.loses === true) losePower(kernel, new Set(disks.flatMap((root) => root === undefined ? [] : [root.superblock])))
      return true
    }
    case 'restart': restartHost(kernel, step.host); return true
    case 'signal': {
      const group = kernel.state.groups.get(step.name === undefined ? findHost(kernel, step.host).mainPid : plan.runs.get(step.name)?.tgid ?? 0)
      if (group !== undefined) sendSignal(kernel, group, step.signal)
      return true
    }
    case 'clock': jumpRealtime(kernel, [step.seconds, 0]); return true
  }
}

/** Makes the plan longer, if somebody does. @returns whether */
const extend = (kernel: Kernel): boolean => {
  const more = kernel.morePlan?.()
  if (more === undefined) {
    kernel.morePlan = undefined
    return false
  }
  kernel.config = { ...kernel.config, plan: [...kernel.config.plan ?? [], ...more] }
  return true
}

/** Steps that can be taken now; called between slices. */
export const followPlan = (kernel: Kernel): void => {
  const { plan } = kernel.state
  if (plan === undefined) return
  for (;;) {
    const steps = kernel.config.plan ?? []
    if (plan.next === steps.length) {
      const hadMore = kernel.morePlan !== undefined
      if (extend(kernel)) continue
      if (hadMore) settle(kernel)
      return
    }
    if (!take(kernel, plan, steps[plan.next])) return
    plan.next++
    plan.waits = false
    if (plan.next === steps.length && kernel.morePlan === undefined) settle(kernel)
  }
}

/** What the plan waits for, for people: of a world that does not go on. */
export const planText = (kernel: Kernel): string | undefined => {
  const { plan } = kernel.state
  const step = plan === undefined ? undefined : kernel.config.plan?.[plan.next]
  if (step === undefined) return undefined
  return `step ${(plan?.next ?? 0) + 1} of the plan: ${step.do}${'host' in step ? ` ${step.host}` : ''}${'name' in step && step.name !== undefined ? ` ${step.name}` : ''}${'text' in step ? ` '${step.text}'` : ''}`
}
