import tseslint from 'typescript-eslint'

/** What each folder of src/ may import: folders of src/, and packages. `src/emu` alone imports nothing but itself. */
const LAYERS = {
  emu: { folders: ['emu'], packages: [] },
  kernel: { folders: ['kernel', 'emu'], packages: [] },
  trace: { folders: ['trace'], packages: ['msgpackr', 'xxhash-wasm'] },
  replay: { folders: ['replay', 'trace', 'kernel', 'emu'], packages: ['seedrandom', 'xxhash-wasm', 'tar-stream', 'fast-check'] },
  platform: { folders: ['platform', 'replay', 'trace', 'kernel', 'emu'], packages: ['node:'] },
  cli: { folders: ['cli', 'platform', 'replay', 'trace', 'kernel', 'emu'], packages: ['node:', 'commander', 'chalk', 'tar-stream', 'tinypool', 'bullmq', 'fast-check'] },
}

/** Imports point down: see docs/architecture.md. */
const layers = {
  rules: {
    'imports-point-down': {
      meta: { type: 'problem', schema: [] },
      create(context) {
        const file = context.filename.replaceAll('\\', '/')
        const match = /\/src\/([^/]+)\//.exec(file)
        const layer = match === null ? undefined : LAYERS[match[1]]
        if (layer === undefined) return {}
        const check = (node) => {
          const source = node.source?.value
          if (typeof source !== 'string') return
          if (source.startsWith('.')) {
            const folder = /\/src\/([^/]+)/.exec(new URL(source, `file://${file}`).pathname)?.[1]
            if (folder !== undefined && !layer.folders.includes(folder)) {
              context.report({ node, message: `src/${match[1]} may not import from src/${folder}: imports point down` })
            }
          } else if (!layer.packages.some((name) => source === name || source.startsWith(name.endsWith(':') ? name : `${name}/`))) {
            context.report({ node, message: `src/${match[1]} may not import '${source}'` })
          }
        }
        return { ImportDeclaration: check, ExportNamedDeclaration: check, ExportAllDeclaration: check, ImportExpression: check }
      },
    },
  },
}

const WHY = 'a world is a pure function of configuration, seed and inputs: everything else comes through src/kernel/outside.ts'
const nondeterministic = ['Date', 'performance', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'process', 'console',
  'Intl', 'crypto', 'WeakRef', 'FinalizationRegistry', 'Buffer'].map((name) => ({ name, message: WHY }))
const approximate = ['sin', 'cos', 'tan', 'asin', 'acos', 'atan', 'atan2', 'exp', 'expm1', 'log', 'log1p', 'log2', 'log10', 'pow',
  'sinh', 'cosh', 'tanh', 'asinh', 'acosh', 'atanh', 'cbrt', 'hypot']
  .map((property) => ({ object: 'Math', property, message: 'hosts may round it differently' }))
const localeMethods = ['toLocaleString', 'toLocaleLowerCase', 'toLocaleUpperCase', 'localeCompare', 'toLocaleDateString', 'toLocaleTimeString']
  .map((property) => ({ property, message: WHY }))
const random = { object: 'Math', property: 'random', message: WHY }

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '**/*.d.ts'] },
  {
    files: ['**/*.ts', '**/*.js', '**/*.mjs'],
    languageOptions: { parser: tseslint.parser, parserOptions: { sourceType: 'module' } },
    plugins: { '@typescript-eslint': tseslint.plugin, layers },
    linterOptions: { reportUnusedDisableDirectives: 'off' },
    rules: {
      'no-debugger': 'error', 'no-var': 'error', 'prefer-const': 'error', eqeqeq: 'error', 'no-throw-literal': 'off',
      'no-unreachable': 'error', 'no-dupe-keys': 'error', 'no-self-compare': 'error', 'no-empty': 'error',
      semi: ['error', 'never'], quotes: ['error', 'single', { avoidEscape: true, allowTemplateLiterals: true }],
      'no-trailing-spaces': 'error', 'eol-last': 'error', 'max-lines': ['error', { max: 800, skipComments: true }],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'layers/imports-point-down': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
    },
  },
  {
    files: ['src/emu/**/*.ts', 'src/kernel/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...nondeterministic, { name: 'Promise', message: WHY }],
      'no-restricted-properties': ['error', random, ...approximate, ...localeMethods],
      'no-restricted-syntax': ['error',
        { selector: ':function[async=true]', message: WHY }, { selector: 'AwaitExpression', message: WHY }],
    },
  },
  {
    files: ['src/trace/**/*.ts', 'src/replay/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...nondeterministic],
      'no-restricted-properties': ['error', random, ...localeMethods],
    },
  },
)
