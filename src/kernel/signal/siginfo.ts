/** siginfo_t: 128 bytes, in and out (sigaction(2), include/uapi/asm-generic/siginfo.h). */
import type { Kernel } from '../kernel.ts'
import { groupUsage } from '../task/rusage.ts'
import type { ThreadGroup } from '../task/task.ts'
import { SIGCHLD } from '../abi/signals.ts'
import type { SignalInfo } from './signal.ts'

export const SIGINFO_SIZE = 128
const CLOCK_TICKS = 100

export const faultInfo = (signal: number, code: number, address: number): SignalInfo =>
  ({ signal, errno: 0, code, detail: { kind: 'fault', address } })

/** SIGCHLD (or the exit signal) for a child that changed state; `code` is CLD_*. */
export const childInfo = (kernel: Kernel, group: ThreadGroup, code: number, status: number, signal: number = SIGCHLD): SignalInfo => {
  const usage = groupUsage(kernel, group)
  const ticks = (cycles: number): number => Math.floor(cycles * CLOCK_TICKS / kernel.config.cpuHz)
  return {
    signal, errno: 0, code, detail: {
      kind: 'child', pid: group.tgid, uid: kernel.state.tasks.get(group.tgid)?.credentials.uid ?? 0, status,
      userTicks: ticks(usage.userCycles), systemTicks: ticks(usage.systemCycles),
    },
  }
}

const set64 = (view: DataView, at: number, value: number): void => {
  view.setUint32(at, value, true)
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true)
}

/** Writes a siginfo_t at `at`; the bytes there are zero. */
export const writeSiginfo = (view: DataView, at: number, info: SignalInfo): void => {
  view.setInt32(at, info.signal, true)
  view.setInt32(at + 4, info.errno, true)
  view.setInt32(at + 8, info.code, true)
  const { detail } = info
  const union = at + 16
  switch (detail.kind) {
    case 'kill': case 'queue':
      view.setInt32(union, detail.pid, true)
      view.setUint32(union + 4, detail.uid, true)
      if (detail.kind === 'queue') {
        view.setUint32(union + 8, detail.valueLow, true)
        view.setUint32(union + 12, detail.valueHigh, true)
      }
      break
    case 'timer':
      view.setInt32(union, detail.timer, true)
      view.setInt32(union + 4, detail.overrun, true)
      view.setUint32(union + 8, detail.valueLow, true)
      view.setUint32(union + 12, detail.valueHigh, true)
      break
    case 'child':
      view.setInt32(union, detail.pid, true)
      view.setUint32(union + 4, detail.uid, true)
      view.setInt32(union + 8, detail.status, true)
      set64(view, union + 16, detail.userTicks)
      set64(view, union + 24, detail.systemTicks)
      break
    case 'fault': set64(view, union, detail.address); break
    case 'poll':
      set64(view, union, detail.band)
      view.setInt32(union + 8, detail.fd, true)
      break
    case 'system-call':
      set64(view, union, detail.address)
      view.setInt32(union + 8, detail.number, true)
      // AUDIT_ARCH_X86_64
      view.setUint32(union + 12, 0xc000_003e, true)
      break
    case 'raw': new Uint8Array(view.buffer, view.byteOffset).set(detail.bytes, at + 12); break
  }
}

export const siginfoBytes = (info: SignalInfo): Uint8Array => {
  const bytes = new Uint8Array(SIGINFO_SIZE)
  writeSiginfo(new DataView(bytes.buffer), 0, info)
  return bytes
}

/** A siginfo_t as given to rt_sigqueueinfo, for this signal. */
export const readSiginfo = (bytes: Uint8Array, signal: number): SignalInfo => {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return { signal, errno: view.getInt32(4, true), code: view.getInt32(8, true), detail: { kind: 'raw', bytes: bytes.slice(12, SIGINFO_SIZE) } }
}
