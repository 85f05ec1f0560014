/**
 * Node's own modules in bundles, without `import`: for that Node reads each export of a module once, and many of them are getters
 * that load further modules (fs.promises, crypto.webcrypto, process.report …), 10 ms in all of a program that uses none of them.
 */
import type { Plugin } from 'esbuild'

/** Node has them in memory when it starts, or they are needed in any case. */
const AT_ONCE = ['assert', 'async_hooks', 'buffer', 'events', 'fs/promises', 'module', 'path', 'perf_hooks', 'stream', 'stream/promises', 'string_decoder', 'url', 'util', 'timers', 'timers/promises', 'worker_threads', 'zlib']
/** Loaded when something in them is first used. */
const LATE = ['child_process', 'crypto', 'os', 'tty', 'v8', 'net', 'dgram', 'http', 'https', 'tls', 'dns', 'readline']
const FILTER = new RegExp(`^(node:)?(fs|process|${[...AT_ONCE, ...LATE].join('|')})$`)

const contentsOf = (name: string): string => {
  if (name === 'process') return 'module.exports = process'
  const loaded = `process.getBuiltinModule('node:${name}')`
  // esbuild copies a module's own properties for each file that imports it: there are none.
  if (name === 'fs') return `module.exports = Object.create(${loaded})`
  // chalk asks at once what is a terminal. What is no character device, or is /dev/null (1:3), is none: that needs no sockets and streams.
  if (name === 'tty') {
    return `const isTerminal = (fd) => {
  try {
    const stat = process.getBuiltinModule('node:fs').fstatSync(fd)
    if (!stat.isCharacterDevice() || (process.platform === 'linux' && stat.rdev === 0x103)) return false
  } catch { return false }
  return ${loaded}.isatty(fd)
}
module.exports = Object.create(new Proxy({}, { get: (_, key) => key === 'isatty' ? isTerminal : ${loaded}[key] }))`
  }
  if (LATE.includes(name)) return `module.exports = Object.create(new Proxy({}, { get: (_, key) => ${loaded}[key] }))`
  return `module.exports = ${loaded}`
}

export const nodeBuiltins: Plugin = {
  name: 'node-builtins',
  setup: (build) => {
    build.onResolve({ filter: FILTER }, ({ path }) => ({ path: path.replace(/^node:/, ''), namespace: 'node-builtin' }))
    build.onLoad({ filter: /.*/, namespace: 'node-builtin' }, ({ path }) => ({ contents: contentsOf(path), loader: 'js' }))
  },
}
