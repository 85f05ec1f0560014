/**
 * Makes sequences of system calls on the host's own Linux, where it is x86-64: the oracle of `retrograde fuzz --oracle linux`.
 *
 * A server (guests/src/fuzz-run.c) makes each in a process of its own, as nobody, in namespaces with a root, /proc, network and IPC of their own, and ends
 * all that is left of it. It is spoken with through two named pipes, as Node can wait for these without its event loop.
 */
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** nobody: calls made at random are never made as root. */
const NOBODY = 65534
const BUFFER = 1 << 16
/** How a sequence that did not end is told from an exit status. */
const TOO_LATE = -1

export interface NativeAnswers {
  readonly lines: readonly string[]
  /** As a shell has it; −1 if it did not end. */
  readonly exitCode: number
}

export class NativeFuzzer {
  readonly #folder: string
  readonly #input: number
  readonly #output: number
  readonly #buffer = new Uint8Array(BUFFER)
  /** Whose answers these are. */
  readonly uid = NOBODY

  /** @param guest the program guests/bin/fuzz-run. @throws Error where there is no Linux on x86-64, or it lets nobody make namespaces */
  constructor(guest: Uint8Array) {
    if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error(`this host is ${process.platform}-${process.arch}: only Linux on x64 can be compared with`)
    const folder = this.#folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'retrograde-fuzz-'))
    chmodSync(folder, 0o755)
    const program = join(folder, 'fuzz-run'), pipes = [join(folder, 'calls'), join(folder, 'answers')], complaints = join(folder, 'complaints')
    writeFileSync(program, guest, { mode: 0o755 })
    mkdirSync(join(folder, 'root'))
    execFileSync('mkfifo', pipes)
    // When the server ends, whoever waits for its answer learns so.
    spawn('sh', ['-c', '"$1" serve "$2/root" <"$3" >"$4" 2>"$5"; printf "= gone\\n" >"$4"', 'sh', program, folder, ...pipes, complaints], { cwd: folder, env: { PATH: process.env.PATH }, stdio: 'ignore' }).unref()
    // For both: opening a named pipe waits for the other side.
    this.#input = openSync(pipes[0], 'w')
    this.#output = openSync(pipes[1], 'r+')
    // A program without calls: is there somebody?
    try {
      const { exitCode } = this.run(Uint8Array.of(4, 0, 0, 0, 1, 1, 0, 0))
      if (exitCode !== 0) throw new Error(`a native run without calls ends with ${exitCode}`)
    } catch (error) {
      const why = readFileSync(complaints, 'utf8').trim()
      this.close()
      throw why === '' ? error : new Error(`sequences can't be made natively: ${why}`, { cause: error })
    }
  }

  /** Hands a program over; `answers` waits for what comes of it. */
  start(program: Uint8Array): void {
    for (let done = 0; done < program.length;) done += writeSync(this.#input, program, done)
  }

  answers(): NativeAnswers {
    let text = ''
    for (;;) {
      const count = readSync(this.#output, this.#buffer)
      text += Buffer.from(this.#buffer.buffer, 0, count).toString('latin1')
      const end = /(?:^|\n)= (gone|-?\d+)\n$/.exec(text)
      if (end === null) continue
      if (end[1] === 'gone') throw new Error('the native server of sequences has ended')
      return { lines: text.slice(0, end.index).split('\n').filter((line) => line !== ''), exitCode: Number(end[1]) }
    }
  }

  run(program: Uint8Array): NativeAnswers {
    this.start(program)
    return this.answers()
  }

  close(): void {
    // The end of its input is the server's end.
    closeSync(this.#input)
    closeSync(this.#output)
    // What the server is just ending may still write there.
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}

export const isTooLate = ({ exitCode }: NativeAnswers): boolean => exitCode === TOO_LATE
