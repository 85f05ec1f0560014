/**
 * Container images as `docker save` and `skopeo copy` write them (OCI image specification 1.1: image-layout, manifest, config, layer;
 * Docker's manifest.json): the layers as one tree, and what the image says about running it.
 *
 * Images come from anywhere: a name that climbs out, a link that leads out or a blob that is not what its digest says is refused or
 * stays inside of the tree, and each error names the part and the reason.
 */
import { type TarEntry, TarTree, tarEntries } from './tar-tree.ts'

/** The files of a layout: of a directory or of an archive. */
export interface ImageFiles {
  /** Undefined: there is no such file. */
  readonly read: (path: string) => Uint8Array | undefined
}

export interface ImageTools {
  /** Of gzip and zstd, by their first bytes; other bytes as they are. @throws Error if they are bad or would be longer */
  readonly decompress: (bytes: Uint8Array, limit: number) => Uint8Array
  /** Hex digest. */
  readonly sha256: (bytes: Uint8Array) => string
}

export interface Attribute { readonly path: string, readonly name: string, readonly value: Uint8Array }

export interface OciImage {
  readonly tree: TarTree
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  /** NAME=VALUE. */
  readonly env: readonly string[]
  /** Absolute; '/' if the image names none. */
  readonly workingDirectory: string
  readonly uid: number
  readonly gid: number
  /** Home directory of that user. */
  readonly home: string
  readonly attributes: readonly Attribute[]
}

export class ImageError extends Error {}

const fail = (what: string): never => { throw new ImageError(what) }

type Json = null | boolean | number | string | readonly Json[] | JsonObject
interface JsonObject { readonly [key: string]: Json }

const isObject = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)
const objectOf = (value: Json | undefined, what: string): JsonObject => isObject(value) ? value : fail(`${what} is no JSON object`)
const listOf = (value: Json | undefined, what: string): readonly Json[] => Array.isArray(value) ? value as readonly Json[] : fail(`${what} is no list`)
const textOf = (value: Json | undefined, what: string): string => typeof value === 'string' ? value : fail(`${what} is no string`)
const texts = (value: Json | undefined, what: string): string[] =>
  value === undefined || value === null ? [] : listOf(value, what).map((one) => toBytes(textOf(one, what)))

/** Texts of JSON are Unicode; the guest's strings are bytes held as latin1. A NUL would end them. */
const toBytes = (text: string): string => {
  if (text.includes('\0')) fail(`'${text.replaceAll('\0', '\\0')}' has a NUL in it`)
  return String.fromCharCode(...new TextEncoder().encode(text))
}

const parseJson = (bytes: Uint8Array, what: string): JsonObject | readonly Json[] => {
  let value: Json
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Json
  } catch (error) {
    return fail(`${what} is not JSON: ${(error as Error).message}`)
  }
  return Array.isArray(value) ? value as readonly Json[] : objectOf(value, what)
}

/** Whether the files are those of an image, not of a root file system. */
export const isImage = ({ read }: ImageFiles): boolean => read('oci-layout') !== undefined || read('manifest.json') !== undefined

// ——— Which blobs ———

interface Layer { readonly name: string, readonly bytes: Uint8Array }
interface Parts { readonly config: Uint8Array, readonly layers: readonly Layer[] }

const DIGEST = /^sha256:([0-9a-f]{64})$/

class Layout {
  readonly #files: ImageFiles
  readonly #tools: ImageTools

  constructor(files: ImageFiles, tools: ImageTools) {
    this.#files = files
    this.#tools = tools
  }

  file(path: string): Uint8Array { return this.#files.read(path) ?? fail(`there is no ${path} in it`) }

  /** What a descriptor is of, checked against its size and digest. */
  blob(descriptor: JsonObject, what: string): Uint8Array {
    const digest = textOf(descriptor.digest, `the digest of ${what}`)
    const match = DIGEST.exec(digest)
    if (match === null) return fail(`${what} has the digest '${digest}': only sha256 is known`)
    const bytes = this.file(`blobs/sha256/${match[1]}`)
    if (typeof descriptor.size === 'number' && descriptor.size !== bytes.length) {
      return fail(`${what} (${digest}) has ${bytes.length} bytes where ${descriptor.size} are said`)
    }
    const found = this.#tools.sha256(bytes)
    return found === match[1] ? bytes : fail(`${what} (${digest}) is damaged: its digest is sha256:${found}`)
  }
}

const MANIFESTS: readonly string[] = ['application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json']
const INDEXES: readonly string[] = ['application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json']
/** An index of indexes ends somewhere. */
const INDEX_DEPTH = 4

const isRunnable = (descriptor: JsonObject): boolean => {
  const { platform } = descriptor
  // An attestation says what it is by a platform that nothing has.
  return !isObject(platform) || (platform.os === 'linux' && platform.architecture === 'amd64')
}

const manifestOf = (layout: Layout, index: JsonObject, depth: number): JsonObject => {
  if (depth > INDEX_DEPTH) return fail('its indexes are nested too deeply')
  const manifests = listOf(index.manifests, 'the list of manifests').map((one) => objectOf(one, 'a manifest\'s descriptor'))
  const runnable = manifests.filter(isRunnable)
  if (runnable.length === 0) {
    const found = manifests.map(({ platform }) => isObject(platform) ? `${String(platform.os)}/${String(platform.architecture)}` : 'unknown')
    return fail(`there is no image for linux/amd64 in it, only for ${found.join(', ') || 'nothing'}`)
  }
  if (runnable.length > 1) {
    const names = runnable.map(({ annotations, digest }) => isObject(annotations) ? String(annotations['org.opencontainers.image.ref.name'] ?? digest) : String(digest))
    return fail(`there are ${runnable.length} images in it (${names.join(', ')}): save one alone`)
  }
  const [chosen] = runnable
  const inner = objectOf(parseJson(layout.blob(chosen, 'the manifest'), 'the manifest') as Json, 'the manifest')
  const type = typeof chosen.mediaType === 'string' ? chosen.mediaType : textOf(inner.mediaType ?? MANIFESTS[0], 'a media type')
  if (INDEXES.includes(type)) return manifestOf(layout, inner, depth + 1)
  return MANIFESTS.includes(type) ? inner : fail(`its manifest is of the type ${type}, which is not known`)
}

const partsOfLayout = (layout: Layout): Parts => {
  const version = objectOf(parseJson(layout.file('oci-layout'), 'oci-layout') as Json, 'oci-layout').imageLayoutVersion
  if (typeof version !== 'string' || !version.startsWith('1.')) return fail(`it is of the layout version ${String(version)}; known is 1.0.0`)
  const manifest = manifestOf(layout, objectOf(parseJson(layout.file('index.json'), 'index.json') as Json, 'index.json'), 0)
  const descriptors = listOf(manifest.layers, 'the list of layers')
  return {
    config: layout.blob(objectOf(manifest.config, 'the config\'s descriptor'), 'the config'),
    layers: descriptors.map((descriptor, i) => {
      const name = `layer ${i + 1} of ${descriptors.length}`
      return { name, bytes: layout.blob(objectOf(descriptor, `${name}'s descriptor`), name) }
    }),
  }
}

const partsOfDocker = (layout: Layout): Parts => {
  const images = listOf(parseJson(layout.file('manifest.json'), 'manifest.json') as Json, 'manifest.json')
  if (images.length !== 1) {
    const tags = images.flatMap((image) => isObject(image) ? texts(image.RepoTags, 'RepoTags') : [])
    return fail(`there are ${images.length} images in it${tags.length === 0 ? '' : ` (${tags.join(', ')})`}: save one alone`)
  }
  const image = objectOf(images[0], 'manifest.json[0]')
  const paths = listOf(image.Layers, 'Layers').map((path) => textOf(path, 'a layer\'s path'))
  return {
    config: layout.file(textOf(image.Config, 'Config')),
    layers: paths.map((path, i) => ({ name: `layer ${i + 1} of ${paths.length} (${path})`, bytes: layout.file(path) })),
  }
}

// ——— Layers ———

/** What all layers may take when they are unpacked. */
const SIZE_LIMIT = 2 ** 33
const WHITEOUT = '.wh.', OPAQUE = '.wh..wh..opq'
const ATTRIBUTE = 'SCHILY.xattr.'

const lastPart = (path: string): { readonly directory: string, readonly name: string } => {
  const trimmed = path.replace(/\/+$/, '')
  const at = trimmed.lastIndexOf('/')
  return { directory: trimmed.slice(0, at + 1), name: trimmed.slice(at + 1) }
}

/** Whether a name leads above the root. */
const climbs = (path: string): boolean => {
  let depth = 0
  for (const part of path.split('/')) {
    if (part === '..') depth--
    else if (part !== '' && part !== '.') depth++
    if (depth < 0) return true
  }
  return false
}

/** What a layer takes away goes before what it brings, wherever it stands in the layer. */
const applyLayer = (tree: TarTree, entries: readonly TarEntry[], layer: string, attributes: Map<string, Attribute[]>): void => {
  const added: TarEntry[] = []
  for (const entry of entries) {
    if (climbs(entry.name)) fail(`${layer}: the name '${entry.name}' leads out of the image`)
    const { directory, name } = lastPart(entry.name)
    if (name === OPAQUE) tree.empty(directory)
    else if (!name.startsWith(WHITEOUT)) added.push(entry)
    else {
      const hidden = name.slice(WHITEOUT.length)
      if (hidden === '' || hidden === '.' || hidden === '..') fail(`${layer}: the whiteout '${entry.name}' hides no name`)
      tree.remove(directory + hidden)
    }
  }
  for (const entry of added) {
    const problem = tree.add(entry)
    if (problem !== undefined) fail(`${layer}: ${problem}`)
    const own: Attribute[] = []
    for (const [name, value] of entry.attributes) {
      // Values that are no UTF-8 don't survive tar-stream.
      if (name.startsWith(ATTRIBUTE) && !new TextDecoder().decode(value).includes('\ufffd')) own.push({ path: `/${entry.name.replace(/^[./]+/, '').replace(/\/+$/, '')}`, name: name.slice(ATTRIBUTE.length), value })
    }
    attributes.delete(entry.name)
    if (own.length > 0) attributes.set(entry.name, own)
  }
}

// ——— Who runs ———

/** Lines of /etc/passwd or /etc/group, split at colons. */
const table = (tree: TarTree, path: string): string[][] => {
  const content = tree.find(path)?.content
  if (content === undefined) return []
  let text = ''
  for (const byte of content) text += String.fromCharCode(byte)
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.split(':'))
}

const ID = /^\d{1,10}$/
const NO_ID = 0xffff_ffff

const idOf = (text: string, rows: readonly string[][], what: string): number => {
  const row = rows.find(([name]) => name === text)
  const number = Number(row === undefined ? text : row[2])
  if (row === undefined && !ID.test(text)) return fail(`its ${what} '${text}' is not in the image's /etc/${what === 'user' ? 'passwd' : 'group'}`)
  return number >= 0 && number < NO_ID ? number : fail(`its ${what} '${text}' has no number`)
}

const findUser = (tree: TarTree, user: string): { readonly uid: number, readonly gid: number, readonly home: string } => {
  const passwd = table(tree, 'etc/passwd')
  const [name, group] = user === '' ? ['0'] : user.split(':')
  const uid = idOf(name, passwd, 'user')
  const row = passwd.find((one) => one[0] === name) ?? passwd.find((one) => Number(one[2]) === uid)
  const gid = group === undefined || group === '' ? Number(row?.[3] ?? 0) : idOf(group, table(tree, 'etc/group'), 'group')
  return { uid, gid: Number.isSafeInteger(gid) && gid >= 0 ? gid : 0, home: row?.[5] === undefined || row[5] === '' ? '/' : row[5] }
}

/** @throws ImageError that says which part of it is bad, and why */
export const readImage = async (files: ImageFiles, tools: ImageTools): Promise<OciImage> => {
  const layout = new Layout(files, tools)
  const { config: configBytes, layers } = files.read('oci-layout') === undefined ? partsOfDocker(layout) : partsOfLayout(layout)
  const image = objectOf(parseJson(configBytes, 'the config') as Json, 'the config')
  if ((image.os !== undefined && image.os !== 'linux') || (image.architecture !== undefined && image.architecture !== 'amd64')) {
    fail(`it is for ${String(image.os)}/${String(image.architecture)}, not for linux/amd64`)
  }
  const rootfs = image.rootfs === undefined ? undefined : objectOf(image.rootfs, 'rootfs')
  const diffIds = rootfs === undefined ? undefined : listOf(rootfs.diff_ids, 'rootfs.diff_ids')
  if (diffIds !== undefined && diffIds.length !== layers.length) fail(`its config names ${diffIds.length} layers, its manifest ${layers.length}`)
  const tree = new TarTree()
  const attributes = new Map<string, Attribute[]>()
  let left = SIZE_LIMIT
  for (const [i, { name, bytes }] of layers.entries()) {
    let unpacked: Uint8Array
    let entries: TarEntry[]
    try {
      unpacked = tools.decompress(bytes, left)
      entries = await tarEntries(unpacked)
    } catch (error) {
      return fail(`${name} can't be unpacked: ${(error as Error).message}`)
    }
    left -= unpacked.length
    const wanted = diffIds?.[i]
    const found = `sha256:${tools.sha256(unpacked)}`
    if (wanted !== undefined && wanted !== found) fail(`${name} is not what its config says: ${found} in place of ${String(wanted)}`)
    applyLayer(tree, entries, name, attributes)
  }
  const config = image.config === undefined || image.config === null ? {} : objectOf(image.config, 'config.config')
  const workingDirectory = typeof config.WorkingDir === 'string' && config.WorkingDir !== '' ? toBytes(config.WorkingDir) : '/'
  tree.makeDirectory(workingDirectory)
  return {
    tree, entrypoint: texts(config.Entrypoint, 'Entrypoint'), command: texts(config.Cmd, 'Cmd'), env: texts(config.Env, 'Env'),
    workingDirectory: workingDirectory.startsWith('/') ? workingDirectory : `/${workingDirectory}`,
    ...findUser(tree, typeof config.User === 'string' ? toBytes(config.User) : ''),
    attributes: [...attributes.values()].flat(),
  }
}
