/** siginfo_t: 128 bytes, in and out (sigaction(2), include/uapi/asm-generic/siginfo.h). */
import type { Kernel } from '../kernel.ts'
import { groupUsage } from '../task/rusage.ts'
import type { ThreadGroup } from '../task/task.ts'
import { E2BIG } from '../abi/errno.ts'
import { SI_KERNEL, SI_SIGIO, SI_TIMER, SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGIO, SIGSEGV, SIGTRAP } from '../abi/signals.ts'
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

/** Codes that the kernel gives, from 1 on: how many there are of each such signal (NSIGILL and the like), and what they tell. */
const CODES: ReadonlyMap<number, readonly [most: number, layout: 'fault' | 'child' | 'poll']> = new Map([
  [SIGILL, [11, 'fault']], [SIGTRAP, [6, 'fault']], [SIGBUS, [5, 'fault']], [SIGFPE, [15, 'fault']], [SIGSEGV, [10, 'fault']], [SIGCHLD, [6, 'child']], [SIGIO, [6, 'poll']],
])
/** NSIGPOLL. */
const POLL_CODES = 6

/** siginfo_layout. */
export const layoutOf = (signal: number, code: number): 'kill' | 'queue' | 'timer' | 'child' | 'poll' | 'fault' => {
  if (code > 0 && code < SI_KERNEL) {
    const known = CODES.get(signal)
    if (known !== undefined && code <= known[0]) return known[1]
    return code <= POLL_CODES ? 'poll' : 'kill'
  }
  if (code === SI_TIMER) return 'timer'
  if (code === SI_SIGIO) return 'poll'
  return code < 0 ? 'queue' : 'kill'
}

const SI_DETHREAD = -7, SI_ASYNCNL = -60
/** Whether signal and code say what the rest is (known_siginfo_layout). */
const isKnown = (signal: number, code: number): boolean => {
  if (code === SI_KERNEL) return true
  if (code > 0) return code <= (CODES.get(signal)?.[0] ?? POLL_CODES) || code <= POLL_CODES
  return code >= SI_DETHREAD || code === SI_ASYNCNL
}

/** sizeof(struct kernel_siginfo): of what is unknown, nothing may be behind it. */
const KNOWN_SIZE = 48

/** What is wrong with a siginfo_t of the guest's: 0 or −E2BIG (post_copy_siginfo_from_user). */
export const checkSiginfo = (bytes: Uint8Array, signal: number): number =>
  !isKnown(signal, new DataView(bytes.buffer, bytes.byteOffset).getInt32(8, true)) && bytes.subarray(KNOWN_SIZE, SIGINFO_SIZE).some((byte) => byte !== 0) ? -E2BIG : 0
