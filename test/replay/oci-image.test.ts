import { createHash } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { type Header, pack } from 'tar-stream'
import { NodePlatform } from '../../src/platform/node.ts'
import { type ImageFiles, isImage, type OciImage, readImage } from '../../src/replay/oci-image.ts'

const platform = new NodePlatform()
const tools = { decompress: (bytes: Uint8Array, limit: number): Uint8Array => platform.decompress(bytes, limit), sha256: (bytes: Uint8Array): string => platform.sha256(bytes) }
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

type Entry = string | (Partial<Header> & { readonly name: string } & { readonly content?: string })

/** 'name' is a file with its name as content, 'name/' a directory, 'name → target' a symbolic link, 'name = target' a hard link. */
const headerOf = (entry: Entry): Partial<Header> & { readonly name: string } & { readonly content?: string } => {
  if (typeof entry !== 'string') return entry
  const [link, target] = entry.split(' → ')
  if (target !== undefined) return { name: link, type: 'symlink', linkname: target }
  const [hard, original] = entry.split(' = ')
  if (original !== undefined) return { name: hard, type: 'link', linkname: original }
  return entry.endsWith('/') ? { name: entry, type: 'directory', mode: 0o755 } : { name: entry, content: entry }
}

const tar = async (entries: readonly Entry[]): Promise<Uint8Array> => {
  const archive = pack()
  for (const entry of entries) {
    const { content, ...header } = headerOf(entry)
    if (content === undefined) archive.entry(header)
    else archive.entry(header, content)
  }
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk)
  return new Uint8Array(Buffer.concat(chunks))
}

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
const filesOf = (files: Readonly<Record<string, Uint8Array>>): ImageFiles => ({ read: (path) => Object.hasOwn(files, path) ? files[path] : undefined })

interface Changes {
  readonly config?: object
  readonly image?: object
  readonly index?: object
  readonly compress?: (bytes: Uint8Array, index: number) => Uint8Array
  readonly files?: Readonly<Record<string, Uint8Array>>
}

/** An OCI layout with these layers. */
const layout = async (layers: readonly (readonly Entry[])[], { config, image, index, compress = (bytes) => bytes, files = {} }: Changes = {}): Promise<ImageFiles> => {
  const blobs: Record<string, Uint8Array> = {}
  const blob = (bytes: Uint8Array, mediaType: string): object => {
    blobs[`blobs/sha256/${sha256(bytes)}`] = bytes
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length }
  }
  const tars = await Promise.all(layers.map(tar))
  const described = tars.map((bytes, i) => blob(compress(bytes, i), 'application/vnd.oci.image.layer.v1.tar'))
  const configured = blob(json({
    architecture: 'amd64', os: 'linux', config, rootfs: { type: 'layers', diff_ids: tars.map((bytes) => `sha256:${sha256(bytes)}`) }, ...image,
  }), 'application/vnd.oci.image.config.v1+json')
  const manifest = blob(json({ schemaVersion: 2, config: configured, layers: described }), 'application/vnd.oci.image.manifest.v1+json')
  return filesOf({ 'oci-layout': json({ imageLayoutVersion: '1.0.0' }), 'index.json': json({ schemaVersion: 2, manifests: [manifest], ...index }), ...blobs, ...files })
}

/** What `docker save` wrote before it wrote layouts. */
const saved = async (layers: readonly (readonly Entry[])[], manifest: object = {}, config: object = {}): Promise<ImageFiles> => {
  const tars = await Promise.all(layers.map(tar))
  const files = Object.fromEntries(tars.map((bytes, i) => [`${i}/layer.tar`, bytes]))
  return filesOf({
    ...files, 'abc.json': json({ os: 'linux', architecture: 'amd64', config }),
    'manifest.json': json([{ Config: 'abc.json', RepoTags: ['a:latest'], Layers: Object.keys(files), ...manifest }]),
  })
}

const read = (files: ImageFiles): Promise<OciImage> => readImage(files, tools)
const textAt = ({ tree }: OciImage, path: string): string | undefined => {
  const content = tree.find(path)?.content
  return content === undefined ? undefined : Buffer.from(content).toString()
}

test('layers cover each other; whiteouts and opaque directories take away', async (t) => {
  const image = await read(await layout([
    ['a/', 'a/one', 'a/two', 'b/', 'b/one', 'b/deep/', 'b/deep/file', 'c', 'etc/'],
    ['a/.wh.one', 'b/new', 'b/.wh..wh..opq', { name: 'c', content: 'changed' }, '.wh.none', 'd/.wh.x'],
    ['.wh.a', 'b/deep/', 'b/deep/again'],
  ]))
  t.is(textAt(image, 'a/one'), undefined)
  t.is(textAt(image, 'a/two'), undefined)
  t.is(textAt(image, 'b/one'), undefined)
  t.is(textAt(image, 'b/new'), 'b/new', 'what a layer brings itself stays, wherever its opaque whiteout stands')
  t.is(textAt(image, 'b/deep/file'), undefined)
  t.is(textAt(image, 'b/deep/again'), 'b/deep/again')
  t.is(textAt(image, 'c'), 'changed')
  t.is(image.tree.get('b/.wh..wh..opq'), undefined)
})

test('gzip, zstd and plain layers; Docker\'s archives', async (t) => {
  const compress = [gzipSync, zstdCompressSync, (bytes: Uint8Array) => bytes]
  const image = await read(await layout([['x'], ['y'], ['z']], { compress: (bytes, i) => new Uint8Array(compress[i](bytes)) }))
  t.deepEqual(['x', 'y', 'z'].map((name) => textAt(image, name)), ['x', 'y', 'z'])
  const docker = await saved([['a'], ['.wh.a', 'b']], {}, { Cmd: ['/bin/sh'], Env: ['A=1'] })
  t.true(isImage(docker))
  const second = await read(docker)
  t.is(textAt(second, 'a'), undefined)
  t.is(textAt(second, 'b'), 'b')
  t.deepEqual([second.entrypoint, second.command, second.env, second.workingDirectory, second.uid], [[], ['/bin/sh'], ['A=1'], '/', 0])
  t.false(isImage(filesOf({ 'bin/sh': new Uint8Array(0) })))
})

test('entry point, command, environment, working directory, user, attributes', async (t) => {
  const passwd = { name: 'etc/passwd', content: 'root:x:0:0::/root:/bin/sh\nweb:x:33:44::/srv/web:/bin/sh\n' }
  const group = { name: 'etc/group', content: 'adm:x:4:\n' }
  const withConfig = async (config: object): Promise<OciImage> => read(await layout([[passwd, group]], { config }))
  const image = await withConfig({ Entrypoint: ['/e', 'ü'], Cmd: ['c'], Env: ['A=ü'], WorkingDir: '/made/here', User: 'web' })
  t.deepEqual([image.entrypoint, image.command, image.env], [['/e', '\xc3\xbc'], ['c'], ['A=\xc3\xbc']])
  t.deepEqual([image.uid, image.gid, image.home, image.workingDirectory], [33, 44, '/srv/web', '/made/here'])
  t.is(image.tree.get('made/here')?.children?.size, 0)
  const ids = async (User: string): Promise<number[]> => {
    const { uid, gid } = await withConfig({ User })
    return [uid, gid]
  }
  t.deepEqual([await ids(''), await ids('7'), await ids('7:8'), await ids('web:adm'), await ids('33')], [[0, 0], [7, 0], [7, 8], [33, 4], [33, 44]])
  await t.throwsAsync(ids('nobody'), { message: "its user 'nobody' is not in the image's /etc/passwd" })
  await t.throwsAsync(ids('web:none'), { message: "its group 'none' is not in the image's /etc/group" })
  const marked = await read(await layout([[{ name: './f', content: '', pax: { 'SCHILY.xattr.user.note': 'hello' } } as Entry]]))
  t.deepEqual(marked.attributes, [{ path: '/f', name: 'user.note', value: new Uint8Array(Buffer.from('hello')) }])
})

test('links: hard ones are one file, symbolic ones end inside', async (t) => {
  const image = await read(await layout([
    ['real/', 'real/file', 'other = real/file', 'lib → real', 'out → ../../../../etc', 'loop → loop', 'etc/'],
    ['lib/added', 'out/inside', 'lib/.wh.file'],
  ]))
  t.is(image.tree.get('other')?.stat.nlink, 2)
  t.is(textAt(image, 'real/added'), 'lib/added', 'as in a container, where the parent\'s link is followed')
  t.is(textAt(image, 'etc/inside'), 'out/inside', 'a link that climbs stays at the root')
  t.is(image.tree.get('lib')?.target, 'real')
  t.is(textAt(image, 'real/file'), undefined)
  t.is(textAt(image, 'other'), 'real/file')
})

const fails = async (t: ExecutionContext, files: Promise<ImageFiles>, message: RegExp): Promise<void> => {
  await t.throwsAsync(files.then(read), { message, name: 'Error' })
}

test('hostile and damaged images are refused with the part and the reason', async (t) => {
  await fails(t, layout([['../escape']]), /^layer 1 of 1: the name '\.\.\/escape' leads out of the image$/)
  await fails(t, layout([['a'], ['b/../../c']]), /^layer 2 of 2: the name 'b\/\.\.\/\.\.\/c' leads out/)
  await fails(t, layout([['a/.wh...']]), /the whiteout 'a\/\.wh\.\.\.' hides no name/)
  await fails(t, layout([['x = nowhere']]), /'x' is a hard link to 'nowhere', which is not there/)
  await fails(t, layout([['d/', 'x = d']]), /hard link to the directory/)
  await fails(t, layout([['f', 'f/below']]), /'f\/below' is below something that is no directory/)
  await fails(t, layout([['loop → loop', 'loop/x']]), /'loop\/x' is below/)
  await fails(t, layout([['a']], { image: { architecture: 'arm64' } }), /^it is for linux\/arm64, not for linux\/amd64$/)
  await fails(t, layout([['a']], { image: { rootfs: { diff_ids: ['sha256:0'] } } }), /layer 1 of 1 is not what its config says/)
  await fails(t, layout([['a']], { image: { rootfs: { diff_ids: [] } } }), /its config names 0 layers, its manifest 1/)
  await fails(t, layout([['a']], { compress: () => new Uint8Array([0x1f, 0x8b, 1, 2, 3]) }), /layer 1 of 1 can't be unpacked/)
  await fails(t, layout([['a']], { index: { manifests: [] } }), /no image for linux\/amd64 in it, only for nothing/)
  await fails(t, layout([['a']], { index: { manifests: [{ platform: { os: 'linux', architecture: 'arm64' } }] } }), /only for linux\/arm64/)
  await fails(t, layout([['a']], { index: { manifests: [{ digest: 'sha256:1' }, { digest: 'x' }] } }), /there are 2 images in it \(sha256:1, x\)/)
  await fails(t, layout([['a']], { index: { manifests: [{ digest: 'md5:1' }] } }), /the digest 'md5:1': only sha256/)
  await fails(t, layout([['a']], { index: { manifests: [{ digest: `sha256:${'0'.repeat(64)}` }] } }), /there is no blobs\/sha256\/0+ in it/)
  await fails(t, layout([['a']], { files: { 'index.json': Buffer.from('{') } }), /^index\.json is not JSON/)
  await fails(t, layout([['a']], { files: { 'oci-layout': json({ imageLayoutVersion: '9' }) } }), /layout version 9/)
  await fails(t, layout([['a']], { config: { Env: ['A=\0'] } }), /has a NUL in it/)
  await fails(t, layout([['a']], { config: { Cmd: 'sh' } }), /^Cmd is no list$/)
  await fails(t, saved([['a']], { Layers: ['../../etc/passwd'] }), /there is no \.\.\/\.\.\/etc\/passwd in it/)
  await fails(t, saved([['a']], { Config: 'none' }), /there is no none in it/)
  await fails(t, Promise.resolve(filesOf({ 'manifest.json': json([]) })), /there are 0 images/)
  const tampered = await layout([['a']])
  await fails(t, Promise.resolve({
    read: (path) => {
      const bytes = tampered.read(path)
      if (bytes === undefined || !path.startsWith('blobs')) return bytes
      const changed = bytes.slice()
      changed[0] ^= 1
      return changed
    },
  }), /^the manifest \(sha256:[0-9a-f]{64}\) is damaged: its digest is sha256:/)
})
