#!/usr/bin/env node
// The launcher: plain JavaScript that any Node since 18 can run. Retrograde itself needs Node 24; where the Node at hand
// is older, the one that the npm package 'node' brought is started instead.
// Node's modules come by a call rather than by `import`, for which Node would load all that they can load in turn.
const builtin = async (name) => process.getBuiltinModule?.(name) ?? await import(name)
const { existsSync, readFileSync } = await builtin('node:fs')
const { createRequire, enableCompileCache } = await builtin('node:module')
const { dirname, join } = await builtin('node:path')
const { fileURLToPath, pathToFileURL } = await builtin('node:url')

const NEEDED = 24
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
// What V8 keeps is the code of what the first process executed: one cache a subcommand.
const command = /^[a-z]+$/.test(process.argv[2] ?? '') ? process.argv[2] : 'other'
/** Subcommands that are started often have a bundle of their own. */
const alone = join(root, 'dist', command, 'main.js')
const main = existsSync(alone) ? alone : join(root, 'dist', 'retrograde.js')

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
  enableCompileCache(join(root, 'node_modules', '.cache', 'retrograde-compile', command))
  await import(pathToFileURL(main).href)
} else {
  const node = bundledNode()
  if (node === undefined) {
    fail(`needs Node ${NEEDED} or newer; this is Node ${process.versions.node}, and the npm package 'node', which would bring one, `
      + `is not installed for ${process.platform}-${process.arch}. Run 'npm install' in ${root}, or install Node ${NEEDED} from https://nodejs.org.`)
  }
  const { spawn } = await builtin('node:child_process')
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
