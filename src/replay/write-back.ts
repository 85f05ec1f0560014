/**
 * `--mount HOST:GUEST:rw`: what the guest changed there, carried out on the host when the world has ended. During the run the
 * host is only read, as with every mount, so that recording and replay see one consistent state.
 */
import { mountsOf } from '../kernel/hosts.ts'
import type { DirectoryInode, FileInode, Inode } from '../kernel/fs/inode.ts'
import { linkTarget, readInode } from '../kernel/fs/inode.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { HostStat } from '../kernel/outside.ts'

interface Failure { readonly error: string }

/** What is needed of a `Platform`. Paths are byte strings; each returns undefined when done. */
export interface HostChanges {
  lstat(path: string): HostStat | Failure
  readFile(path: string): Uint8Array | Failure
  writeFile(path: string, bytes: Uint8Array, mode?: number): Failure | undefined
  makeDirectory(path: string, mode: number): Failure | undefined
  makeSymlink(path: string, target: string): Failure | undefined
  changeMode(path: string, mode: number): Failure | undefined
  /** A file, or a directory with all that is in it. */
  remove(path: string): Failure | undefined
}

const TYPE_MASK = 0o170000
const DIRECTORY = 0o040000

const equal = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

class WriteBack {
  readonly #kernel: Kernel
  readonly #host: HostChanges
  readonly #mount: number
  readonly failures: string[] = []

  constructor(kernel: Kernel, host: HostChanges, mount: number) {
    this.#kernel = kernel
    this.#host = host
    this.#mount = mount
  }

  #note(path: string, failure: Failure | undefined): void {
    if (failure !== undefined) this.failures.push(`${path}: ${failure.error}`)
  }

  /** Still the thing that the host has at `path`, relative to the mount. */
  #isOriginal(inode: Inode, path: string): boolean { return inode.host?.mount === this.#mount && inode.host.path === path }

  #mode(inode: Inode, target: string): void {
    if (inode.host !== undefined && !inode.host.stated) return
    const stat = this.#host.lstat(target)
    if (!('error' in stat) && (stat.mode & 0o7777) !== inode.mode) this.#note(target, this.#host.changeMode(target, inode.mode))
  }

  file(inode: FileInode, path: string, target: string): void {
    const touched = !this.#isOriginal(inode, path) || inode.pages.size > 0 || inode.size !== inode.hostSize
    if (touched) {
      const content = readInode(this.#kernel, inode, 0, inode.size)
      const old = this.#host.readFile(target)
      if ('error' in old || !equal(old, content)) this.#note(target, this.#host.writeFile(target, content, inode.mode))
    }
    this.#mode(inode, target)
  }

  directory(directory: DirectoryInode, path: string, target: string): void {
    for (const name of directory.absent) {
      const gone = `${target}/${name}`
      if (!directory.entries.has(name) && !('error' in this.#host.lstat(gone))) this.#note(gone, this.#host.remove(gone))
    }
    for (const [name, inode] of directory.entries) this.#entry(inode, path === '' ? name : `${path}/${name}`, `${target}/${name}`)
  }

  #entry(inode: Inode, path: string, target: string): void {
    if (!this.#isOriginal(inode, path)) {
      const stat = this.#host.lstat(target)
      const keeps = !('error' in stat) && (stat.mode & TYPE_MASK) === DIRECTORY && inode.kind === 'directory'
      if (!('error' in stat) && !keeps) this.#note(target, this.#host.remove(target))
      if (inode.kind === 'directory' && !keeps) this.#note(target, this.#host.makeDirectory(target, inode.mode))
      if (inode.kind === 'symlink') this.#note(target, this.#host.makeSymlink(target, linkTarget(this.#kernel, inode)))
    }
    if (inode.kind === 'file') {
      this.file(inode, path, target)
    } else if (inode.kind === 'directory') {
      this.directory(inode, path, target)
      this.#mode(inode, target)
    }
  }
}

/** Carries out the changes of all :rw mounts; returns what could not be done, in lines. */
export const writeBack = (kernel: Kernel, host: HostChanges): string[] => {
  const failures: string[] = []
  mountsOf(kernel.config).forEach(({ source }, index) => {
    if (source.kind !== 'host-rw') return
    const mount = kernel.state.fs.mountNamespaces.flatMap(({ mounts }) => mounts).find(({ root }) => root.host?.mount === index && root.host.path === '')
    if (mount === undefined) return
    const changes = new WriteBack(kernel, host, index)
    if (mount.root.kind === 'directory') changes.directory(mount.root, '', source.host)
    else if (mount.root.kind === 'file') changes.file(mount.root, '', source.host)
    failures.push(...changes.failures)
  })
  return failures
}
