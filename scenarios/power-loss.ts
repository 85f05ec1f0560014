import { crash, restart, run, scenario, waitFor, waitForExit, waitForOutput } from '../src/replay/scenario/scenario.ts'

/** A file is replaced by rename, as one should, but the new content is never synchronised: after a power loss the name may have come to the disk without it. */
export default scenario({
  name: 'power-loss',
  about: 'a file is replaced by rename without fsync: after a power loss it may be empty or torn',
  hosts: { disk: { run: ['/guests/scenario-writer', 'write', '/data', '20'], mounts: ['../guests/bin:/guests'], main: false } },
  steps: [
    waitForOutput('disk', 'version 5 is written'), waitFor(0.012), crash('disk'), restart('disk'),
    run('disk', ['/guests/scenario-writer', 'check', '/data'], 'check'), waitForExit('check'),
  ],
  holds: ({ stdout }) => {
    const line = stdout.disk.split('\n').find((text) => /whole|no file|neither/.test(text)) ?? 'nothing was checked'
    if (!/whole|no file/.test(line)) throw new Error(line)
    return true
  },
  expects: 'sometimes',
  seeds: 40,
})
