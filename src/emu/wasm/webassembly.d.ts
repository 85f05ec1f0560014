/** The part of the WebAssembly JavaScript API that we use: the 'es2024' library has no types for it, and 'dom' would bring a browser's names into src/emu. */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number, maximum?: number, shared?: boolean })
    readonly buffer: ArrayBuffer
    grow(pages: number): number
  }
  class Module { constructor(bytes: Uint8Array<ArrayBuffer> | ArrayBuffer) }
  class Instance {
    constructor(module: Module, imports?: Readonly<Record<string, Readonly<Record<string, unknown>>>>)
    readonly exports: Readonly<Record<string, unknown>>
  }
  class Table {
    readonly length: number
    get(index: number): unknown
    set(index: number, value: unknown): void
    grow(count: number): number
  }
}
