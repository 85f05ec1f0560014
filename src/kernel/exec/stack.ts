/**
 * The stack that a new program finds (System V ABI for AMD64, 3.4.1; fs/exec.c and create_elf_tables of Linux): strings at
 * the top, the platform's name and random bytes below, then the auxiliary vector, the environment's and argv's pointers and argc.
 */
import { shownGid, shownUid } from '../task/user-namespace.ts'
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { minimumSignalStack } from '../signal/fpu-frame.ts'
import { CPUID_1_EDX, type CpuModel, cpuModel, hwcap2 } from '../../emu/cpu/model.ts'
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../abi/mman.ts'
import { RLIMIT_STACK } from '../abi/resources.ts'
import type { Kernel } from '../kernel.ts'
import { type AddressSpace, VMA_GROWSDOWN, VMA_MAYEXEC, VMA_MAYREAD, VMA_MAYWRITE } from '../mm/address-space.ts'
import { mapRegion, pageDown } from '../mm/map.ts'
import { STACK_TOP } from '../mm/space.ts'
import type { Task } from '../task/task.ts'
import { PF_X, PROGRAM_HEADER_SIZE, PT_GNU_STACK } from './elf.ts'
import type { Image } from './image.ts'
import { LOAD_FAILURE, type Loaded } from './load.ts'

const AT_NULL = 0, AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7, AT_FLAGS = 8, AT_ENTRY = 9,
  AT_UID = 11, AT_EUID = 12, AT_GID = 13, AT_EGID = 14, AT_PLATFORM = 15, AT_HWCAP = 16, AT_CLKTCK = 17, AT_SECURE = 23,
  AT_RANDOM = 25, AT_HWCAP2 = 26, AT_EXECFN = 31, AT_SYSINFO_EHDR = 33, AT_MINSIGSTKSZ = 51
const PLATFORM = 'x86_64'
const CLOCK_TICKS = 100
/** Linux makes the first stack area this much larger than what is on it (setup_arg_pages). */
const STACK_EXPAND = 131_072
const STACK_FLAGS = VMA_GROWSDOWN | VMA_MAYREAD | VMA_MAYWRITE | VMA_MAYEXEC

/** What lies between two addresses of the image under construction, written in one go. */
class Block {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly view: DataView
  readonly base: number

  constructor(base: number, end: number) {
    this.base = base
    this.bytes = new Uint8Array(end - base)
    this.view = new DataView(this.bytes.buffer)
  }

  /** A NUL-terminated latin1 string; returns the address behind it. */
  string(address: number, text: string): number {
    const at = address - this.base
    for (let i = 0; i < text.length; i++) this.bytes[at + i] = text.charCodeAt(i)
    return address + text.length + 1
  }

  word(address: number, value: number): void {
    this.view.setUint32(address - this.base, value, true)
    this.view.setUint32(address - this.base + 4, Math.floor(value / 0x1_0000_0000), true)
  }
}

const stringBytes = (strings: readonly string[]): number => strings.reduce((sum, string) => sum + string.length + 1, 0)

/** Auxiliary vector as pairs; a value of type string is the address of that item. */
const auxiliary = (model: CpuModel, task: Task, image: Image, program: Loaded, interpreter: Loaded | undefined, secure: boolean,
  random: number, filename: number, platform: number, vdso: number, signalStack: number): [number, number][] => {
  const { credentials: c } = task
  return [
    ...(vdso === 0 ? [] : [[AT_SYSINFO_EHDR, vdso] satisfies [number, number]]),
    [AT_MINSIGSTKSZ, signalStack],
    [AT_HWCAP, CPUID_1_EDX], [AT_PAGESZ, PAGE_SIZE], [AT_CLKTCK, CLOCK_TICKS], [AT_PHDR, program.headers],
    [AT_PHENT, PROGRAM_HEADER_SIZE], [AT_PHNUM, image.elf.headerCount], [AT_BASE, interpreter?.bias ?? 0], [AT_FLAGS, 0],
    [AT_ENTRY, program.entry], [AT_UID, shownUid(c.user, c.uid)], [AT_EUID, shownUid(c.user, c.euid)], [AT_GID, shownGid(c.user, c.gid)], [AT_EGID, shownGid(c.user, c.egid)],
    [AT_SECURE, secure ? 1 : 0], [AT_RANDOM, random], [AT_HWCAP2, hwcap2(model)], [AT_EXECFN, filename], [AT_PLATFORM, platform],
    [AT_NULL, 0],
  ]
}

const stackProtection = (image: Image): number => {
  const segment = image.elf.segments.findLast((s) => s.type === PT_GNU_STACK)
  return PROT_READ | PROT_WRITE | (segment !== undefined && (segment.flags & PF_X) !== 0 ? PROT_EXEC : 0)
}

/** Maps and fills the stack; returns the initial rsp. */
export const buildStack = (
  kernel: Kernel, task: Task, space: AddressSpace, image: Image, program: Loaded, interpreter: Loaded | undefined, secure: boolean,
  vdso: number,
): number => {
  const { argv, env, filename } = image
  // The last word stays zero; then, downwards: the file name, the environment, argv.
  const filenameAt = STACK_TOP - 8 - (filename.length + 1)
  const environmentAt = filenameAt - stringBytes(env)
  const argumentsAt = environmentAt - stringBytes(argv)
  const platformAt = Math.floor(argumentsAt / 16) * 16 - (PLATFORM.length + 1)
  const randomAt = platformAt - 16
  const vector = auxiliary(cpuModel(kernel.config.cpu), task, image, program, interpreter, secure, randomAt, filenameAt, platformAt, vdso, minimumSignalStack(kernel))
  const words = argv.length + 1 + env.length + 1 + 1
  const auxiliaryAt = Math.floor(randomAt / 16) * 16 - vector.length * 16
  const sp = Math.floor((auxiliaryAt - words * 8) / 16) * 16

  const limit = task.group.limits[RLIMIT_STACK][0]
  const used = pageDown(argumentsAt)
  let start = used - STACK_EXPAND
  if (STACK_TOP - start > limit) start = Math.min(STACK_TOP - Math.floor(limit / PAGE_SIZE) * PAGE_SIZE, used)
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- caught by execProgram only
  if (start > sp && STACK_TOP - pageDown(sp) > limit) throw LOAD_FAILURE
  start = Math.min(start, pageDown(sp))
  mapRegion(kernel, space, {
    start, end: STACK_TOP, prot: stackProtection(image), flags: STACK_FLAGS, backing: undefined, offset: 0, name: '',
  })
  space.stackStart = sp

  const block = new Block(sp, STACK_TOP)
  block.string(filenameAt, filename)
  block.string(platformAt, PLATFORM)
  block.bytes.set(kernel.outside.entropy.randomBytes(16), randomAt - sp)
  let at = sp
  const put = (value: number): void => { block.word(at, value); at += 8 }
  put(argv.length)
  let text = argumentsAt
  for (const argument of argv) { put(text); text = block.string(text, argument) }
  put(0)
  for (const variable of env) { put(text); text = block.string(text, variable) }
  put(0)
  const vectorStart = at
  for (const [type, value] of vector) { put(type); put(value) }
  space.auxv = block.bytes.slice(vectorStart - sp, at - sp)
  space.argumentArea = [argumentsAt, environmentAt]
  space.environmentArea = [environmentAt, filenameAt]
  kernel.mmu(space).user.write(sp, block.bytes)
  return sp
}
