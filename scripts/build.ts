/**
 * Builds dist/: tier0.wasm and tier0.json from the instruction semantics, and the bundled command line and library.
 * Skips what is up to date: a stamp holds the hash of everything that goes in.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeBuiltins } from './node-builtins.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')
/** Subcommands that have bundles of their own. */
const ALONE = ['run', 'record', 'replay']
const stampFile = join(dist, '.stamp')

const inputs = (): string => {
  const hash = createHash('sha256').update(process.version)
  const files = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort()
  for (const file of [...files, join(root, 'package-lock.json'), join(root, 'scripts/node-builtins.ts'), fileURLToPath(import.meta.url)]) {
    hash.update(file.slice(root.length)).update(readFileSync(file))
  }
  return hash.digest('hex')
}

const stamp = inputs()
if (process.argv.includes('--force') || !existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp) {
  const started = performance.now()
  mkdirSync(dist, { recursive: true })
  const { generateTier0 } = await import('../src/emu/interp/generate.ts')
  const { wasm, manifest } = generateTier0()
  writeFileSync(join(dist, 'tier0.wasm'), wasm)
  writeFileSync(join(dist, 'tier0.json'), JSON.stringify(manifest))
  const { build } = await import('esbuild')
  const bundle = (entryPoints: Readonly<Record<string, string>>, chunks: string): Promise<unknown> => build({
    entryPoints, outdir: dist, bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node24',
    // Names stay, as messages and stacks have them.
    minifyWhitespace: true, minifySyntax: true,
    // It starts threads with files of its own; and what few need.
    external: ['tinypool', 'bullmq', 'ioredis'], plugins: [nodeBuiltins],
    sourcemap: 'linked', logLevel: 'warning', chunkNames: `${chunks}/[name]-[hash]`,
  })
  const source = (name: string): string => join(root, 'src', `${name}.ts`)
  await bundle({ 'retrograde': source('cli/main'), 'explore-worker': source('cli/explore-worker'), 'index': source('index') }, 'chunks')
  // What starts most often has bundles of its own (bin/retrograde.js): fewer files, and only what it needs in them.
  for (const command of ALONE) await bundle({ [`${command}/main`]: source(`cli/main-${command}`) }, command)
  // Traces say which build recorded them; that is the same on all machines.
  writeFileSync(join(dist, 'build-id'), createHash('sha256').update(wasm).update(readFileSync(join(dist, 'retrograde.js'))).digest('hex').slice(0, 10))
  writeFileSync(stampFile, stamp)
  process.stderr.write(`built dist/: ${manifest.handlers.length} tier-0 handlers, ${Math.round(wasm.length / 1024)} KiB of Wasm, ${Math.round(performance.now() - started)} ms\n`)
}
