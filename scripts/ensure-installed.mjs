// Installs the dependencies if that has not been done for this lock file. Plain JavaScript without dependencies, for
// whatever Node is at hand: it runs before anything else on a fresh clone.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const stamp = join(root, 'node_modules', '.retrograde-installed')
const wanted = createHash('sha256').update(readFileSync(join(root, 'package-lock.json'))).digest('hex')
const node = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node')

const fail = (message) => {
  process.stderr.write(`retrograde: ${message}\n`)
  process.exit(125)
}

const versionOf = (command) => {
  const result = spawnSync(command, ['--version'], { encoding: 'utf8' })
  return result.status === 0 ? Number(/^v(\d+)/.exec(result.stdout)?.[1] ?? 0) : 0
}

const isInstalled = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted

// Two at a time would take files from under each other: the second waits for the first.
const lock = join(root, '.installing')
const LOCK_MS = 300_000
const pause = () => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200) }
const takeLock = () => {
  for (;;) {
    try {
      mkdirSync(lock)
      return
    } catch (error) {
      if (error.code !== 'EEXIST') return
      try {
        // Left behind by one that was killed.
        if (Date.now() - statSync(lock).mtimeMs > LOCK_MS) rmdirSync(lock)
      } catch { /* it is gone */ }
      pause()
    }
  }
}

if (!isInstalled()) {
  takeLock()
  process.on('exit', () => {
    try {
      rmdirSync(lock)
    } catch { /* it is gone */ }
  })
}
if (!isInstalled()) {
  process.stderr.write('retrograde: installing dependencies (once) …\n')
  const installed = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' })
  if (installed.status !== 0) {
    fail(`'npm ci' in ${root} failed (${installed.error?.message ?? `exit status ${installed.status}`}): see its messages above; `
      + 'it needs the npm registry once')
  }
  mkdirSync(join(root, 'node_modules'), { recursive: true })
  writeFileSync(stamp, wanted)
}
if (versionOf(node) < 24) {
  fail(`Node 24 could not be had: the npm package 'node' did not bring a binary that runs on ${process.platform}-${process.arch} `
    + `(${node}). Install Node 24 or newer from https://nodejs.org, or remove node_modules and try again.`)
}
