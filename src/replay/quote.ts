/** Byte strings as C writes them. */

/** Strings are cut after so many characters. */
const SHOWN = 256

const ESCAPES: { readonly [char: string]: string } = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

const escape = (bytes: string): string => {
  let text = ''
  for (const char of bytes) {
    const code = char.charCodeAt(0)
    text += ESCAPES[char] ?? (code >= 32 && code < 127 ? char : `\\x${code.toString(16).padStart(2, '0')}`)
  }
  return text
}

/** A byte string held as latin1. */
export const quote = (bytes: string): string => `"${escape(bytes.slice(0, SHOWN))}"${bytes.length > SHOWN ? '...' : ''}`

/** @param cut there is more than these bytes */
export const quoteBytes = (bytes: Uint8Array, cut: boolean): string => {
  const shown = bytes.subarray(0, SHOWN)
  return `"${escape(String.fromCharCode(...shown))}"${cut || bytes.length > SHOWN ? '...' : ''}`
}
