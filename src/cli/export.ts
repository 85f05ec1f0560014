/** retrograde export: packets of a trace for programs that read captures. */
import { Command } from 'commander'
import { exportPackets } from '../replay/export-packets.ts'
import { worldOf } from '../replay/replay.ts'
import { TraceReader } from '../trace/reader.ts'
import { UsageError } from './errors.ts'
import { buildVersion, codecs, createTraceFile, openTraceFile } from './host.ts'

interface ExportFlags { readonly pcapng: boolean, readonly output: string, readonly interface?: string, readonly delivered: boolean }

export const exportCommand = new Command('export').description('write the packets of a trace to a file that Wireshark and tshark read')
  .argument('<trace>', 'file that record wrote')
  .option('--pcapng', 'as pcapng, the only format there is', true)
  .option('-o, --output <file>', 'the file to write', 'out.pcapng')
  .option('--interface <name>', 'only what this interface sends and gets (eth0, or client:eth0 of several hosts)')
  .option('--delivered', 'also when packets came to interfaces: each is there twice then', false)
  .action((file: string, flags: ExportFlags) => {
    const trace = new TraceReader(openTraceFile(file), codecs)
    const { cpuHz, epochSeconds } = worldOf(trace)
    const sink = createTraceFile(flags.output)
    const { packets, interfaces } = exportPackets(trace.eventsFrom(0), {
      application: `retrograde ${buildVersion()}`, cpuHz, epochSeconds, only: flags.interface, delivered: flags.delivered,
    }, (bytes) => { sink.append(bytes) })
    sink.close()
    if (flags.interface !== undefined && !interfaces.includes(flags.interface)) {
      throw new UsageError(`no packet of an interface '${flags.interface}' is in the trace; there are ${interfaces.length > 0 ? interfaces.join(', ') : 'none (loopback is recorded with --packets)'}`)
    }
    process.stderr.write(`retrograde: ${packets} packets of ${interfaces.length} interfaces to ${flags.output}${interfaces.length === 0 ? ' (packets over loopback are recorded with --packets)' : ''}\n`)
  })
