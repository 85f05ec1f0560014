/** Packets in traces: recorded, compared when replayed, exported to what tshark reads without complaint. */
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { HostConfig, LinkConfig, WorldConfig } from '../../src/kernel/config.ts'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { exportPackets, type ExportOptions } from '../../src/replay/export-packets.ts'
import { configFromPlain, configToPlain } from '../../src/replay/world-config.ts'
import { TraceReader } from '../../src/trace/reader.ts'
import type { TraceEvent } from '../../src/trace/events.ts'
import { inDirectory, retrograde } from '../support/cli.ts'
import { memorySource } from '../trace/support.ts'
import { guest, record, replay, worldOf } from './support.ts'

const GUEST = 'net-stream'
const tree = { [`bin/${GUEST}`]: guest(GUEST) }
const host = (name: string, args: readonly string[]): HostConfig => {
  const { program, env, cwd, mounts, files } = worldOf(GUEST)
  return { name, cpus: 1, program, argv: [GUEST, ...args], env, cwd, uid: 0, gid: 0, mounts, files }
}
const link: LinkConfig = {
  ends: [{ host: 'server', interface: 'eth0', address: '10.0.0.1/24', mac: '02:00:00:00:00:01' }, { host: 'client', interface: 'eth0', address: '10.0.0.2/24', gateway: '10.0.0.1' }],
  latencyCycles: 2_000_000, bytesPerSecond: 12_500_000, loss: 0.05, corrupt: 0.02, duplicate: 0.05,
}
const BYTES = 60_000
const world: WorldConfig = worldOf(GUEST, { hosts: [host('server', ['serve', '20001', String(BYTES)]), host('client', ['10.0.0.1', '20001', String(BYTES)])], cpus: 2, links: [link] })

const { trace, output } = record(world, tree)
const events = (): Iterable<TraceEvent> => new TraceReader(memorySource(trace), traceCodecs).eventsFrom(0)

const capture = (options: Partial<ExportOptions> = {}): { bytes: Buffer, packets: number, interfaces: readonly string[] } => {
  const parts: Uint8Array[] = []
  const result = exportPackets(events(), { application: 'test', cpuHz: world.cpuHz, epochSeconds: world.epochSeconds, ...options }, (bytes) => { parts.push(bytes) })
  return { bytes: Buffer.concat(parts), ...result }
}

test('a world with links is recorded and replays both ways, packet for packet', (t) => {
  t.is(output.match(/got 60000, sent 60000/g)?.length, 2)
  const kinds = [...events()].filter((event) => event.type === 'packet')
  t.true(kinds.some(({ delivered, frame }) => delivered === 1 && frame.length > 0), 'damaged ones show what came')
  t.true(kinds.filter(({ delivered }) => delivered === 0).length > kinds.filter(({ delivered }) => delivered === 1).length * 0.8)
  for (const mode of ['drive', 'from-seed'] as const) {
    const again = replay(trace, mode)
    t.is(again.result.divergence, undefined)
    t.is(again.output, output)
  }
})

test('links survive the head of a trace, and bad ones are refused', (t) => {
  t.deepEqual(configFromPlain(configToPlain({ ...world, packets: true })), { ...world, packets: true })
  const bad: LinkConfig[] = [{ ...link, loss: 2 }, { ends: [{ host: 'nobody', interface: 'eth0' }] }, { ends: [...link.ends, link.ends[0]] },
    { ends: [{ host: 'client', interface: 'eth0', address: '10.0.0.300/24' }] }, { ends: [{ host: 'client', interface: 'eth0', mac: '1:2' }] }, { ends: [{ host: 'client', interface: 'a-name-that-is-long' }] }]
  for (const each of bad) t.throws(() => configFromPlain(configToPlain({ ...world, links: [each] })), { message: /bad '/ }, JSON.stringify(each))
})

test('a capture has a block for each interface and packet', (t) => {
  const { bytes, packets, interfaces } = capture()
  t.deepEqual([...interfaces].sort(), ['client:eth0', 'server:eth0'])
  const blocks: number[] = []
  for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at + 4)) {
    blocks.push(bytes.readUInt32LE(at))
    t.is(bytes.readUInt32LE(at + bytes.readUInt32LE(at + 4) - 4), bytes.readUInt32LE(at + 4))
  }
  t.is(blocks.filter((type) => type === 6).length, packets)
  t.deepEqual(blocks.filter((type) => type !== 6).sort(), [1, 1, 0x0a0d0d0a])
  t.true(capture({ delivered: true }).packets > packets)
  const one = capture({ only: 'client:eth0' })
  t.true(one.packets < packets * 1.5 && one.packets > packets * 0.5)
})

const tshark = (directory: string, bytes: Buffer, ...args: string[]): string => {
  writeFileSync(join(directory, 'a.pcapng'), bytes)
  const checks = ['tcp', 'udp', 'ip'].flatMap((protocol) => ['-o', `${protocol}.check_checksum:TRUE`])
  return spawnSync('tshark', ['-r', join(directory, 'a.pcapng'), ...checks, ...args], { encoding: 'utf8', env: { ...process.env, HOME: directory } }).stdout
}

const withTshark = existsSync('/usr/bin/tshark') ? test : test.skip
withTshark('tshark dissects all packets: none is malformed, checksums are right (needs tshark)', (t) => {
  inDirectory((directory) => {
    const { bytes, packets } = capture()
    const lines = tshark(directory, bytes, '-T', 'fields', '-e', 'frame.time_epoch', '-e', '_ws.malformed', '-e', 'ip.checksum.status', '-e', 'tcp.checksum.status', '-e', 'frame.interface_name').trim().split('\n')
    t.is(lines.length, packets)
    for (const line of lines) {
      const [time, malformed, ip, tcp, name] = line.split('\t')
      t.true(Number(time) >= 1_700_000_000 && Number(time) < 1_700_000_100)
      t.is(malformed, '')
      t.regex(`${ip} ${tcp}`, /^[1]? 1?$/)
      t.regex(name, /^(client|server):eth0$/)
    }
    t.is(tshark(directory, bytes, '-q', '-z', 'follow,tcp,raw,0').split('\n').filter((line) => /^\t?[0-9a-f]+$/.test(line)).join('').replaceAll('\t', '').length, BYTES * 4)
  })
})

const withBusybox = existsSync('/bin/busybox') ? test : test.skip
withBusybox('loopback is in a trace with --packets, and only then', (t) => {
  inDirectory((cwd) => {
    const script = 'busybox nc -l -p 5000 >/dev/null & busybox sleep 0.1; echo hello | busybox nc 127.0.0.1 5000; wait'
    for (const [name, options] of [['a.rgt', ['--packets']], ['b.rgt', []]] as const) t.is(retrograde(['record', '-q', '-o', name, '--seed', '1', ...options, '--', '/bin/busybox', 'sh', '-c', script], { cwd }).status, 0)
    const exported = retrograde(['export', '--pcapng', 'a.rgt', '-o', 'a.pcapng'], { cwd })
    t.regex(exported.stderr, /: (\d{1,2}) packets of 1 interfaces/)
    t.regex(retrograde(['export', 'b.rgt'], { cwd }).stderr, /: 0 packets .*--packets/)
    t.regex(retrograde(['export', 'a.rgt', '--interface', 'eth7'], { cwd }).stderr, /no packet of an interface 'eth7' is in the trace; there are lo/)
    t.regex(retrograde(['show', 'a.rgt'], { cwd }).stdout, /interface 0 sends packet 0: IP 127\.0\.0\.1\.\d+ > 127\.0\.0\.1\.5000: TCP \[S\]/)
    t.is(retrograde(['replay', 'a.rgt'], { cwd }).status, 0)
  })
})
