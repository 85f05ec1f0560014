#!/usr/bin/env node
// The launcher: plain JavaScript that any Node since 18 can run. Retrograde itself needs Node 24; where the Node at hand
// is older, the one that the npm package 'node' brought is started instead.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const NEEDED = 24
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const main = join(root, 'dist', 'retrograde.js')

const fail = (message) => {
  process.stderr.write(`retrograde: ${message}\n`)
  process.exit(125)
}

/** Path of the binary in the npm package 'node', if it is installed and works here. */
const bundledNode = () => {
  try {
    const manifest = createRequire(import.meta.url).resolve('node/package.json')
    const { bin } = JSON.parse(readFileSync(manifest, 'utf8'))
    const path = join(dirname(manifest), typeof bin === 'string' ? bin : bin.node)
    return existsSync(path) ? path : undefined
  } catch {
    return undefined
  }
}

if (!existsSync(main)) fail(`${main} is missing: run 'npm run build' in ${root}`)

if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  const { enableCompileCache } = await import('node:module')
  // What V8 keeps is the code of what the first process executed: one cache a subcommand.
  const command = /^[a-z]+$/.test(process.argv[2] ?? '') ? process.argv[2] : 'other'
  enableCompileCache(join(root, 'node_modules', '.cache', 'retrograde-compile', command))
  await import(pathToFileURL(main).href)
} else {
  const node = bundledNode()
  if (node === undefined) {
    fail(`needs Node ${NEEDED} or newer; this is Node ${process.versions.node}, and the npm package 'node', which would bring one, `
      + `is not installed for ${process.platform}-${process.arch}. Run 'npm install' in ${root}, or install Node ${NEEDED} from https://nodejs.org.`)
  }
  const { spawn } = await import('node:child_process')
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  const forward = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH']
  // A terminal sends SIGINT to the whole group: the child decides what it means.
  for (const signal of forward) process.on(signal, () => { if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal) })
  child.on('error', (error) => { fail(`can't start ${node}: ${error.message}`) })
  child.on('exit', (code, signal) => {
    if (signal !== null) {
      for (const name of forward) process.removeAllListeners(name)
      process.kill(process.pid, signal)
    } else {
      process.exit(code ?? 125)
    }
  })
}
