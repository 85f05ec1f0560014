/**
 * One world of the guest `kernel` in a process of its own: its output, with the time of this thread in place of the guest's own time,
 * which is virtual. For profiles: `node --cpu-prof bench/kernel-child.ts PROGRAM [ARGUMENTS]`.
 */
import { Command } from 'commander'
import { makeSessionHost, platform } from '../src/cli/host.ts'
import { prepareWorld, withWorldOptions, type WorldFlags } from '../src/cli/options.ts'
import { startRun } from '../src/replay/run.ts'
import { runToEnd } from '../src/replay/session.ts'

/** Processor time has a resolution of some milliseconds; what is shorter is measured by the clock on the wall, and is mostly not interrupted. */
const LONG_NS = 50e6
interface Times { readonly wall: number, readonly processor: number }
const times = (): Times => {
  const { user, system } = process.threadCpuUsage()
  return { wall: performance.now() * 1e6, processor: (user + system) * 1000 }
}
const between = (before: Times, after: Times): number => {
  const wall = after.wall - before.wall
  return Math.round(wall < LONG_NS ? wall : after.processor - before.processor)
}

const command = withWorldOptions(new Command()).parse(['--seed', '1', ...process.argv.slice(2)], { from: 'user' })
const { config, files } = await prepareWorld(platform, command.args, command.opts<WorldFlags>())
const host = makeSessionHost(files, undefined)
let began = times()
let text = ''
const session = startRun({
  world: config,
  host: {
    ...host,
    console: {
      ...host.console,
      write: (fd, bytes, from) => {
        if (fd !== 1) return host.console.write(fd, bytes, from)
        const now = times()
        const line = new TextDecoder().decode(bytes)
        text += line === 'begin\n' ? '' : line.replace(/\d+\n$/, `${between(began, now)}\n`)
        began = times()
        return 0
      },
    },
  },
})
const { exitCode, explanation } = runToEnd(session)
process.stdout.write(text)
process.stderr.write(explanation.map((line) => `${line}\n`).join(''))
process.exitCode = exitCode
