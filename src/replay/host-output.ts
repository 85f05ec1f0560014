/** Output of several hosts in one stream: each line begins with its host's name. */

export type OutputWriter = (fd: 1 | 2, bytes: Uint8Array, host: number) => number

const NEWLINE = 0x0a

/**
 * Lines reach `write` whole, with their host's name in front, so that those of several hosts don't mix; `flush` writes what is left
 * without an end. With one host (or none named) everything is passed on as it comes.
 */
export const prefixOutput = (names: readonly string[], write: OutputWriter): { readonly write: OutputWriter, readonly flush: () => void } => {
  if (names.length < 2) return { write, flush: () => { /* nothing is kept */ } }
  const width = Math.max(...names.map(({ length }) => length))
  const prefixes = names.map((name) => new Uint8Array(Array.from(`${name.padEnd(width)} | `, (character) => character.charCodeAt(0))))
  /** By host and descriptor: a line that has no end yet. */
  const rests = new Map<number, { readonly fd: 1 | 2, readonly host: number, bytes: number[] }>()
  const send = (fd: 1 | 2, host: number, line: readonly number[]): number => write(fd, new Uint8Array([...prefixes[host] ?? [], ...line]), host)
  return {
    write: (fd, bytes, host) => {
      const key = host * 3 + fd
      const rest = rests.get(key) ?? { fd, host, bytes: [] }
      rests.set(key, rest)
      let error = 0
      for (const byte of bytes) {
        rest.bytes.push(byte)
        if (byte !== NEWLINE) continue
        const result = send(fd, host, rest.bytes)
        if (result < 0) error = result
        rest.bytes = []
      }
      return error
    },
    flush: () => {
      for (const { fd, host, bytes } of rests.values()) if (bytes.length > 0) send(fd, host, [...bytes, NEWLINE])
      rests.clear()
    },
  }
}
