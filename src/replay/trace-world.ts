/** What a trace's world got from outside, for worlds that are made from its configuration but take another course. */
import { ENOENT } from '../kernel/abi/errno.ts'
import type { HostDirent, HostFiles, HostStat } from '../kernel/outside.ts'
import type { TraceReader } from '../trace/reader.ts'
import { numbersToStat } from './tap.ts'

export interface TraceOutside {
  /** Files as the trace has them. What it never asked for is not there. */
  readonly files: HostFiles
  /** All input, as if it had been there from the start. */
  readonly input: Uint8Array
}

/** @throws TraceError */
export const outsideOf = (trace: TraceReader): TraceOutside => {
  const stats = new Map<string, HostStat | number>()
  const listings = new Map<string, readonly HostDirent[] | number>()
  const targets = new Map<string, string | number>()
  const blobs = new Map<string, number>()
  const contents = new Map<number, Uint8Array>()
  const input: Uint8Array[] = []
  const key = (mount: number, path: string): string => `${mount} ${path}`
  for (const event of trace.eventsFrom(0)) {
    switch (event.type) {
      case 'lstat': stats.set(key(event.mount, event.path), typeof event.stat === 'number' ? event.stat : numbersToStat(event.stat)); break
      case 'readdir': listings.set(key(event.mount, event.path), event.entries); break
      case 'readlink': targets.set(key(event.mount, event.path), event.target); break
      case 'readFile': blobs.set(key(event.mount, event.path), event.blob); break
      case 'input': if (event.bytes !== undefined) input.push(event.bytes); break
    }
  }
  const content = (blob: number): Uint8Array => {
    let bytes = contents.get(blob)
    if (bytes === undefined) {
      bytes = trace.blob(blob)
      contents.set(blob, bytes)
    }
    return bytes
  }
  const all = new Uint8Array(input.reduce((length, piece) => length + piece.length, 0))
  let at = 0
  for (const piece of input) {
    all.set(piece, at)
    at += piece.length
  }
  return {
    input: all,
    files: {
      lstat: (mount, path) => stats.get(key(mount, path)) ?? -ENOENT,
      readdir: (mount, path) => listings.get(key(mount, path)) ?? -ENOENT,
      readlink: (mount, path) => targets.get(key(mount, path)) ?? -ENOENT,
      readFile: (mount, path) => {
        const blob = blobs.get(key(mount, path))
        return blob === undefined ? -ENOENT : blob < 0 ? blob : content(blob)
      },
    },
  }
}
