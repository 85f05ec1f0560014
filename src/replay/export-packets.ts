/** Packets of a trace as pcapng. */
import type { TraceEvent } from '../trace/events.ts'
import { enhancedPacket, interfaceDescription, sectionHeader } from '../trace/pcapng.ts'

export interface ExportOptions {
  readonly application: string
  readonly cpuHz: number
  readonly epochSeconds: number
  /** Only what this interface sends and gets, as a capture there would have it. Else what was sent, once. */
  readonly only?: string
  /** Also what came to interfaces. */
  readonly delivered?: boolean
}

export interface Exported { readonly packets: number, readonly interfaces: readonly string[] }

/** Writes block by block. Interfaces are described when they are first met. */
export const exportPackets = (events: Iterable<TraceEvent>, options: ExportOptions, write: (bytes: Uint8Array) => void): Exported => {
  const { cpuHz, epochSeconds, only, delivered = false } = options
  const epoch = BigInt(Math.floor(epochSeconds)) * 1_000_000_000n + BigInt(Math.floor((epochSeconds % 1) * 1e9))
  const names = new Map<number, string>()
  const indexes = new Map<number, number>()
  const frames: Uint8Array[] = []
  let packets = 0
  const seconds = (cycle: number): bigint => {
    const whole = Math.floor(cycle / cpuHz)
    return BigInt(whole) * 1_000_000_000n + BigInt(Math.floor((cycle - whole * cpuHz) * (1e9 / cpuHz)))
  }
  write(sectionHeader(options.application))
  for (const event of events) {
    if (event.type === 'interface') {
      names.set(event.number, event.name)
      if (only !== undefined && event.name !== only) continue
      indexes.set(event.number, indexes.size)
      write(interfaceDescription(event.name, event.mac))
    } else if (event.type === 'packet') {
      const isSent = event.delivered === 0
      if (isSent) frames[event.packet] = event.frame
      const index = indexes.get(event.interface)
      if (index === undefined || !(isSent || delivered || only !== undefined)) continue
      const frame = event.frame.length > 0 ? event.frame : frames[event.packet]
      if (frame === undefined) continue
      write(enhancedPacket(index, epoch + seconds(event.cycle), frame, isSent))
      packets++
    }
  }
  return { packets, interfaces: [...names.values()] }
}
