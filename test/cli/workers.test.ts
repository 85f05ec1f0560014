/** explore --workers: schedules that other processes run, by way of Redis; one that is killed loses nothing. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Queue } from 'bullmq'
import { connectionOf, QUEUE } from '../../src/cli/explore-queue.ts'
import { root } from '../replay/support.ts'

const hasRedis = spawnSync('redis-server', ['--version']).status === 0
const retrograde = join(root, 'bin/retrograde.js')

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

/** Until a line of its output has this. */
const says = (child: ChildProcess, text: string): Promise<void> => new Promise((resolve, reject) => {
  let seen = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (bytes: Buffer) => {
      seen += bytes.toString()
      if (seen.includes(text)) resolve()
    })
  }
  child.once('exit', () => { reject(new Error(`it ended: ${seen}`)) })
})

const explore = (cwd: string, args: readonly string[]): Promise<{ schedules: number, failed: number }> => new Promise((resolve, reject) => {
  execFile(process.execPath, [retrograde, 'explore', '--json', '--keep-going', '--clear-env', '--seed', 'workers', '-n', '700', ...args, '--', join(root, 'guests/bin/lost-update')], { cwd }, (_error, stdout, stderr) => {
    try {
      resolve(JSON.parse(stdout) as { schedules: number, failed: number })
    } catch {
      reject(new Error(stderr))
    }
  })
})

const run = hasRedis ? test : test.skip
run('explore --workers on Debian\'s redis-server (skipped where there is none): a worker that is killed loses nothing', async (t) => {
  t.timeout(60_000)
  const directory = mkdtempSync(join(tmpdir(), 'retrograde-workers-'))
  const port = await freePort()
  const children: ChildProcess[] = []
  const start = (command: string, args: readonly string[]): ChildProcess => {
    const child = spawn(command, args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    return child
  }
  try {
    const redis = start('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', directory])
    await says(redis, 'Ready to accept connections')
    const url = `redis://127.0.0.1:${port}`
    const alone = await explore(directory, [])
    const workers = [0, 1].map(() => start(process.execPath, [retrograde, 'worker', url]))
    await Promise.all(workers.map((worker) => says(worker, 'waiting for schedules')))
    const exploring = explore(directory, ['--workers', url])
    // In the middle: both have a batch.
    const queue = new Queue(QUEUE, { connection: connectionOf(url) })
    while (await queue.getActiveCount() < 2) await new Promise((resolve) => { setTimeout(resolve, 5) })
    workers[0].kill('SIGKILL')
    const shared = await exploring
    await queue.close()
    t.is(shared.schedules, 700)
    t.is(shared.failed, alone.failed)
  } finally {
    for (const child of children) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
})

test('--workers wants an address of Redis', async (t) => {
  await t.throwsAsync(explore(tmpdir(), ['--workers', 'http://x']), { message: /only redis:\/\// })
})
