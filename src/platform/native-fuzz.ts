/** Makes a sequence of system calls on the host's own Linux, where it is x86-64: the oracle of `retrograde fuzz --oracle linux`. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** nobody: calls made at random are never made as root. */
const NOBODY = 65534
const TIMEOUT_MS = 20_000
/** The answers of a tmpfs are compared. */
const MEMORY_FOLDER = '/dev/shm'

export interface NativeAnswers {
  readonly lines: readonly string[]
  /** As a shell has it. */
  readonly exitCode: number
}

export class NativeFuzzer {
  readonly #folder: string
  readonly #program: string
  #runs = 0
  /** Whose answers these are. */
  readonly uid: number

  /** @param guest the program guests/bin/fuzz-run. @throws Error where there is no Linux on x86-64 */
  constructor(guest: Uint8Array) {
    if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error(`this host is ${process.platform}-${process.arch}: only Linux on x64 can be compared with`)
    this.uid = process.getuid?.() === 0 ? NOBODY : process.getuid?.() ?? NOBODY
    this.#folder = mkdtempSync(join(existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir(), 'retrograde-fuzz-'))
    chmodSync(this.#folder, 0o755)
    this.#program = join(this.#folder, 'fuzz-run')
    writeFileSync(this.#program, guest, { mode: 0o755 })
  }

  run(program: Uint8Array): NativeAnswers {
    const folder = join(this.#folder, String(this.#runs++)), file = `${folder}.calls`
    mkdirSync(folder)
    chmodSync(folder, 0o1777)
    writeFileSync(file, program)
    const isRoot = process.getuid?.() === 0
    try {
      const { stdout, status, signal, error } = spawnSync(this.#program, [file], {
        cwd: folder, env: {}, encoding: 'latin1', timeout: TIMEOUT_MS, killSignal: 'SIGKILL', stdio: ['ignore', 'pipe', 'ignore'], ...isRoot ? { uid: NOBODY, gid: NOBODY } : {},
      })
      if (error !== undefined && signal === null) throw error
      return { lines: stdout.split('\n').filter((line) => line !== ''), exitCode: status ?? 128 }
    } finally {
      rmSync(folder, { recursive: true, force: true })
      rmSync(file, { force: true })
    }
  }

  close(): void { rmSync(this.#folder, { recursive: true, force: true }) }
}
