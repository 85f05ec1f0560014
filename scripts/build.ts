/**
 * Builds dist/: tier0.wasm and tier0.json from the instruction semantics, and the bundled command line and library.
 * Skips what is up to date: a stamp holds the hash of everything that goes in.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')
const stampFile = join(dist, '.stamp')

const inputs = (): string => {
  const hash = createHash('sha256').update(process.version)
  const files = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort()
  for (const file of [...files, join(root, 'package-lock.json'), fileURLToPath(import.meta.url)]) {
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
  const entryPoints: Record<string, string> = {}
  if (existsSync(join(root, 'src/cli/main.ts'))) entryPoints.retrograde = join(root, 'src/cli/main.ts')
  if (existsSync(join(root, 'src/cli/explore-worker.ts'))) entryPoints['explore-worker'] = join(root, 'src/cli/explore-worker.ts')
  if (existsSync(join(root, 'src/index.ts'))) entryPoints.index = join(root, 'src/index.ts')
  await build({
    entryPoints, outdir: dist, bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node24',
    // Names stay, as messages and stacks have them.
    minifyWhitespace: true, minifySyntax: true,
    // It starts threads with files of its own; and what few need.
    external: ['tinypool', 'bullmq', 'ioredis'],
    sourcemap: 'linked', logLevel: 'warning', chunkNames: 'chunks/[name]-[hash]',
    // Packages in CommonJS call require for Node's own modules.
    banner: { js: 'import { createRequire as __createRequire } from \'node:module\'; const require = __createRequire(import.meta.url);' },
  })
  // Traces say which build recorded them; that is the same on all machines.
  writeFileSync(join(dist, 'build-id'), createHash('sha256').update(wasm).update(readFileSync(join(dist, 'retrograde.js'))).digest('hex').slice(0, 10))
  writeFileSync(stampFile, stamp)
  process.stderr.write(`built dist/: ${manifest.handlers.length} tier-0 handlers, ${Math.round(wasm.length / 1024)} KiB of Wasm, ${Math.round(performance.now() - started)} ms\n`)
}
