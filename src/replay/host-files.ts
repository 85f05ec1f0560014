/**
 * `HostFiles` over directories of the host and over tar files, one source a mount of the configuration.
 * Paths are byte strings (latin1), as the guest's are.
 */
import { ENOENT, ENOTDIR, ERRNO, type ErrnoName } from '../kernel/abi/errno.ts'
import type { MountConfig } from '../kernel/config.ts'
import type { HostDirent, HostFiles, HostStat } from '../kernel/outside.ts'
import type { TarTree } from './tar-tree.ts'

/** A host operation failed: the errno's name. The shape of `PlatformError`. */
interface Failure { readonly error: string }

/** What is needed of a `Platform`: src/replay may not import src/platform. */
export interface HostFileAccess {
  lstat(path: string): HostStat | Failure
  readdir(path: string): readonly HostDirent[] | Failure
  readlink(path: string): string | Failure
  readFile(path: string): Uint8Array | Failure
}

const isFailure = (value: unknown): value is Failure => typeof value === 'object' && value !== null && 'error' in value

/** Negative errno of a failure; what Linux does not know by that name is EIO. */
const errnoOf = ({ error }: Failure): number => -(ERRNO[error as ErrnoName] ?? ERRNO.EIO)

const orErrno = <T>(value: T | Failure): T | number => isFailure(value) ? errnoOf(value) : value

const byName = (a: HostDirent, b: HostDirent): number => a.name < b.name ? -1 : a.name > b.name ? 1 : 0

const join = (root: string, path: string): string => path === '' ? root : root === '/' ? `/${path}` : `${root}/${path}`

/** d_type of entries whose type the host's directory does not tell (DT_UNKNOWN): from lstat. */
const typed = (host: HostFileAccess, directory: string, entry: HostDirent): HostDirent => {
  if (entry.type !== 0) return entry
  const stat = host.lstat(join(directory, entry.name))
  return isFailure(stat) ? entry : { name: entry.name, type: (stat.mode >> 12) & 0xf }
}

class DirectoryFiles {
  readonly #host: HostFileAccess
  readonly #root: string

  constructor(host: HostFileAccess, root: string) {
    this.#host = host
    this.#root = root
  }

  /**
   * The mount point itself follows links: what is mounted is what the link names.
   * A file counts as last read when it was last written: the host's access times change by our reading alone, and one seed
   * would have another result each time.
   */
  lstat(path: string): HostStat | number {
    const stat = orErrno(this.#host.lstat(join(this.#root, path)))
    return typeof stat === 'number' ? stat : { ...stat, atime: stat.mtime }
  }

  readdir(path: string): readonly HostDirent[] | number {
    const directory = join(this.#root, path)
    const entries = this.#host.readdir(directory)
    if (isFailure(entries)) return errnoOf(entries)
    return entries.map((entry) => typed(this.#host, directory, entry)).sort(byName)
  }

  readlink(path: string): string | number { return orErrno(this.#host.readlink(join(this.#root, path))) }
  readFile(path: string): Uint8Array | number { return orErrno(this.#host.readFile(join(this.#root, path))) }
}

class TarFiles {
  readonly #tree: TarTree
  constructor(tree: TarTree) { this.#tree = tree }

  lstat(path: string): HostStat | number { return this.#tree.get(path)?.stat ?? -ENOENT }

  readdir(path: string): readonly HostDirent[] | number {
    const node = this.#tree.get(path)
    if (node === undefined) return -ENOENT
    if (node.children === undefined) return -ENOTDIR
    return [...node.children].map(([name, child]) => ({ name, type: (child.stat.mode >> 12) & 0xf })).sort(byName)
  }

  readlink(path: string): string | number { return this.#tree.get(path)?.target ?? -ENOENT }
  readFile(path: string): Uint8Array | number { return this.#tree.get(path)?.content ?? -ENOENT }
}

interface Source {
  lstat(path: string): HostStat | number
  readdir(path: string): readonly HostDirent[] | number
  readlink(path: string): string | number
  readFile(path: string): Uint8Array | number
}

/** @param tars trees of the mounts whose `host` is a tar file, by that path */
export const makeHostFiles = (host: HostFileAccess, mounts: readonly MountConfig[], tars: ReadonlyMap<string, TarTree> = new Map()): HostFiles => {
  const sources = mounts.map(({ source }): Source | undefined => {
    if (source.kind !== 'host' && source.kind !== 'host-rw') return undefined
    const tar = tars.get(source.host)
    return tar === undefined ? new DirectoryFiles(host, source.host) : new TarFiles(tar)
  })
  const at = (mount: number): Source => {
    const source = sources[mount]
    if (source === undefined) throw new Error(`mount ${mount} has no host files`)
    return source
  }
  return {
    lstat: (mount, path) => at(mount).lstat(path),
    readdir: (mount, path) => at(mount).readdir(path),
    readlink: (mount, path) => at(mount).readlink(path),
    readFile: (mount, path) => at(mount).readFile(path),
  }
}
