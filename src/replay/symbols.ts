/** Names for addresses of guest code, and who called whom: of a world that stands still. The world is not changed by it. */
import { CPU_STATE, GPR, RIP } from '../emu/cpu/layout.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Task } from '../kernel/task/task.ts'
import { peekBytes } from './peek.ts'
import { areaAt, moduleAt, modulesOf } from './symbols/modules.ts'
import { type FrameRegisters, type UnwindSource, unwindFrames } from './symbols/unwind.ts'

export interface CodeLocation {
  readonly address: number
  /** What is mapped there: the guest's path of a file, '[vdso]', '[heap]'; undefined: nothing. */
  readonly module?: string
  /** Of an ELF file: the address in its own terms, as addr2line takes it. */
  readonly offset?: number
  readonly function?: string
  readonly functionOffset?: number
  readonly file?: string
  readonly line?: number
  /** The function was inlined into that of the next frame, whose address this is. */
  readonly isInlined?: boolean
}

/** PROT_EXEC */
const EXECUTABLE = 4
const MOST_FRAMES = 32
/** The processor's numbers of registers (rax rcx rdx rbx rsp rbp rsi rdi r8 …) by DWARF's (rax rdx rcx rbx rsi rdi rbp rsp r8 …). */
const DWARF_ORDER = [0, 2, 1, 3, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15]

/** Compilers name the parts and special versions that they make of a function after it. */
const sourceName = (name: string): string => name.replace(/(\.(constprop|isra|part|cold|lto_priv)(\.\d+)?)+$/, '')

/** Nobody else looks where a path came from: '/bin/x' of '/usr/bin/x (deleted)' and the like stay as /proc shows them. */
const look = (kernel: Kernel, task: Task, address: number, shown: number): CodeLocation => {
  const area = areaAt(task.mm, address)
  if (area === undefined) return { address: shown }
  const found = moduleAt(kernel, task.mm, address)
  if (found === undefined) return { address: shown, ...(area.name === '' ? {} : { module: area.name }) }
  const symbol = found.module.elf.functionAt(found.address)
  const line = found.module.lines.lineAt(found.address)
  return {
    address: shown, module: area.name, offset: found.address + shown - address,
    ...(symbol === undefined ? {} : { function: sourceName(symbol.name), functionOffset: found.address + shown - address - symbol.address }),
    ...(line === undefined || line.line === 0 ? {} : { file: line.file, line: line.line }),
  }
}

/** A frame, and before it one for each function that was inlined there, innermost first: lines move out with the calls. */
const withInlined = (kernel: Kernel, task: Task, address: number, frame: CodeLocation): CodeLocation[] => {
  const found = frame.file === undefined ? undefined : moduleAt(kernel, task.mm, address)
  const calls = found?.module.inlines.at(found.address) ?? []
  if (found === undefined || calls.length === 0) return [frame]
  const frames: CodeLocation[] = []
  let [file, line] = [frame.file, frame.line]
  for (const call of calls) {
    frames.push({ address: frame.address, module: found.path, function: call.function, isInlined: true, ...(file === undefined ? {} : { file, line }) })
    ;[file, line] = [call.callFile, call.callLine]
  }
  const { file: _file, line: _line, ...outer } = frame
  return [...frames, { ...outer, ...(file === undefined ? {} : { file, line }) }]
}

/** What the instruction at an address belongs to. Of what was inlined there the line is the innermost, the function the outermost. */
export const symbolize = (kernel: Kernel, task: Task, address: number): CodeLocation => look(kernel, task, address, address)

/** Registers as `unwind` takes them, from the CPU block of a task (`Task.context`). */
export const frameRegisters = (context: Uint8Array): FrameRegisters => {
  const view = new DataView(context.buffer, context.byteOffset)
  const word = (at: number): number => view.getUint32(at - CPU_STATE + 4, true) * 2 ** 32 + view.getUint32(at - CPU_STATE, true)
  return [...DWARF_ORDER.map((register) => word(GPR + register * 8)), word(RIP)]
}

const sourceOf = (kernel: Kernel, task: Task): UnwindSource => {
  const bytes = (address: number, count: number): Uint8Array | undefined => {
    const found = peekBytes(kernel.memory, task.mm, address, count)
    // Code that was never executed is not in memory yet.
    if (found.length < count) return moduleAt(kernel, task.mm, address)?.module.elf.codeAt(moduleAt(kernel, task.mm, address)?.address ?? 0, count)
    return found
  }
  return {
    bytes,
    word: (address) => {
      const found = peekBytes(kernel.memory, task.mm, address, 8)
      if (found.length < 8) return undefined
      const view = new DataView(found.buffer, found.byteOffset)
      return view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true)
    },
    moduleAt: (address) => ((areaAt(task.mm, address)?.prot ?? 0) & EXECUTABLE) === 0 ? undefined : moduleAt(kernel, task.mm, address),
  }
}

/** Nobody called these: what a search of the stack finds beyond is left over. */
const OUTERMOST: ReadonlySet<string | undefined> = new Set(['_start', 'clone', '__clone', 'clone3', '__clone3'])

/** The chain of callers from these registers on, innermost first. Addresses are those to return to; names and lines are those of the calls. */
export const unwind = (kernel: Kernel, task: Task, registers: FrameRegisters, most = MOST_FRAMES): CodeLocation[] => {
  const frames = unwindFrames(sourceOf(kernel, task), registers, most).flatMap(({ pc, isReturn }) => withInlined(kernel, task, isReturn ? pc - 1 : pc, look(kernel, task, isReturn ? pc - 1 : pc, pc)))
  const last = frames.findIndex((frame) => OUTERMOST.has(frame.function))
  return last < 0 ? frames : frames.slice(0, last + 1)
}

/** Where a task is, and who called: innermost first. */
export const backtrace = (kernel: Kernel, task: Task, most = MOST_FRAMES): CodeLocation[] => {
  kernel.save()
  return unwind(kernel, task, frameRegisters(task.context), most)
}

export interface DataLocation {
  readonly address: number
  /** The variable that is there, and where in it. */
  readonly object?: string
  readonly objectOffset?: number
  /** What the area is, if it is no variable: '[heap]', '[stack]' … */
  readonly area?: string
}

/** What is stored at an address. */
export const symbolizeData = (kernel: Kernel, task: Task, address: number): DataLocation => {
  for (const { module, bias } of modulesOf(kernel, task.mm)) {
    const object = module.elf.objectAt(address - bias)
    if (object !== undefined) return { address, object: sourceName(object.name), objectOffset: address - bias - object.address }
  }
  const name = areaAt(task.mm, address)?.name ?? ''
  return { address, ...(name === '' ? {} : { area: name }) }
}

/** 'balance', 'forks+0x28', '0x7f00 in [heap]'. */
export const dataText = ({ address, object, objectOffset = 0, area }: DataLocation): string =>
  object !== undefined ? objectOffset === 0 ? object : `${object}+0x${objectOffset.toString(16)}` : `0x${address.toString(16)}${area === undefined ? '' : ` in ${area}`}`

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** 'pay+0x12 (lost-update.c:14)', 'memcpy+0x20 in /lib/libc.so.6', '0x401000 in /bin/true', '0x1234'. */
export const locationText = ({ address, module, function: name, functionOffset = 0, file, line, isInlined = false }: CodeLocation): string => {
  const what = name === undefined ? `0x${address.toString(16)}` : functionOffset === 0 ? name : `${name}+0x${functionOffset.toString(16)}`
  if (file !== undefined) return `${what} (${isInlined ? 'inlined, ' : ''}${baseName(file)}:${line})`
  return module === undefined ? what : `${what} in ${module}`
}

/** The innermost frame with what it was inlined into: 'lock (inlined, bug.h:39) in eat+0x34 (philosophers.c:12)'. */
export const placeText = (frames: readonly CodeLocation[]): string => {
  const outermost = frames.findIndex(({ isInlined }) => isInlined !== true)
  return frames.slice(0, outermost < 0 ? frames.length : outermost + 1).map(locationText).join(' in ')
}
