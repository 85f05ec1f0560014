export default {
  files: ['test/**/*.test.ts'],
  extensions: { ts: 'module' },
  timeout: '5m',
  concurrency: 2,
  workerThreads: false,
}
