/**
 * The vDSO in the world: code that programs call instead of the kernel to know the time, and the page of data that it reads.
 *
 * All processes map the same two frames. The kernel writes to the data when a slice begins (the virtual CPU) and when a clock
 * is set; a guest thread never sees one half of a change, since `DATA_SEQUENCE` tells of it.
 */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { PROT_EXEC, PROT_READ } from '../abi/mman.ts'
import { NANOSECONDS } from '../abi/time.ts'
import type { Kernel } from '../kernel.ts'
import { type AddressSpace, type SharedMemory, VMA_DONTDUMP, VMA_MAYEXEC, VMA_MAYREAD, VMA_MAYWRITE } from '../mm/address-space.ts'
import { makeSharedMemory, releaseBacking, retainBacking } from '../mm/backing.ts'
import { dropRange, findPlace, mapRegion } from '../mm/map.ts'
import type { VirtualCpu } from '../state.ts'
import type { TimeNamespace } from '../task/namespaces.ts'
import {
  DATA_BASE_NANOSECONDS, DATA_BASE_SECONDS, DATA_BILLION, DATA_CPU, DATA_HZ, DATA_SEQUENCE, DATA_TAI, DATA_TIMEZONE,
} from './code.ts'
import { vdsoImage, withoutClocks } from './image.ts'

/** The page of data comes first, the image behind it, as on Linux. */
const DATA_OFFSET = -PAGE_SIZE

const put64 = (kernel: Kernel, at: number, value: number): void => {
  const { u32 } = kernel.memory
  u32[at / 4] = value
  u32[at / 4 + 1] = Math.floor(value / 2 ** 32)
}

/** The same in all worlds. */
let imageBytes: Uint8Array | undefined

/** The image of those whose clocks have offsets: clock_gettime makes the system call. Everything is where it is in the other one. */
const shiftedImage = (kernel: Kernel): SharedMemory => {
  const { vdso } = kernel.state
  if (vdso.shiftedImage === undefined) {
    const frame = kernel.memory.allocate()
    const image = makeSharedMemory(kernel, PAGE_SIZE)
    image.frames.set(0, frame)
    kernel.memory.u8.set(withoutClocks(imageBytes ??= vdsoImage(DATA_OFFSET)), frame * PAGE_SIZE)
    vdso.shiftedImage = image
  }
  return vdso.shiftedImage
}

const isShifted = ({ monotonic, boottime }: TimeNamespace): boolean => monotonic[0] !== 0 || monotonic[1] !== 0 || boottime[0] !== 0 || boottime[1] !== 0

/** An address space comes into a time namespace (vdso_join_timens): its clocks are that one's from now on. */
export const joinTimeNamespace = (kernel: Kernel, space: AddressSpace, time: TimeNamespace): void => {
  const { vdso } = kernel.state
  const { image } = vdso
  if (image === undefined || (!isShifted(time) && vdso.shiftedImage === undefined)) return
  const wanted = isShifted(time) ? shiftedImage(kernel) : image
  for (const vma of space.vmas) {
    if (vma.backing === wanted || (vma.backing !== image && vma.backing !== vdso.shiftedImage)) continue
    dropRange(kernel, space, vma.start, vma.end)
    releaseBacking(kernel, vma)
    vma.backing = wanted
    retainBacking(kernel, vma)
  }
}

const make = (kernel: Kernel): void => {
  const { vdso } = kernel.state
  const { memory } = kernel
  const image = makeSharedMemory(kernel, PAGE_SIZE)
  const data = makeSharedMemory(kernel, PAGE_SIZE)
  const frame = memory.allocate()
  image.frames.set(0, frame)
  memory.u8.set(imageBytes ??= vdsoImage(DATA_OFFSET), frame * PAGE_SIZE)
  vdso.dataFrame = memory.allocate()
  data.frames.set(0, vdso.dataFrame)
  vdso.image = image
  vdso.data = data
  const base = vdso.dataFrame * PAGE_SIZE
  put64(kernel, base + DATA_HZ, kernel.config.cpuHz)
  put64(kernel, base + DATA_BILLION, NANOSECONDS)
  updateVdsoClocks(kernel)
}

/** A clock was set: CLOCK_REALTIME, TAI, the time zone. */
export const updateVdsoClocks = (kernel: Kernel): void => {
  const { vdso, clocks } = kernel.state
  if (vdso.dataFrame === 0) return
  const { memory } = kernel
  memory.beforeWrite(vdso.dataFrame)
  const base = vdso.dataFrame * PAGE_SIZE
  put64(kernel, base + DATA_BASE_SECONDS, clocks.realtimeBase[0])
  put64(kernel, base + DATA_BASE_NANOSECONDS, clocks.realtimeBase[1])
  put64(kernel, base + DATA_TAI, clocks.taiOffset)
  memory.u32[(base + DATA_TIMEZONE) / 4] = clocks.timezone[0]
  memory.u32[(base + DATA_TIMEZONE) / 4 + 1] = clocks.timezone[1]
  memory.u32[(base + DATA_SEQUENCE) / 4]++
}

/** A slice begins: getcpu answers this CPU until the next one does. */
export const updateVdsoCpu = (kernel: Kernel, cpu: VirtualCpu): void => {
  const { dataFrame } = kernel.state.vdso
  const at = (dataFrame * PAGE_SIZE + DATA_CPU) / 4
  if (dataFrame === 0 || kernel.memory.u32[at] === cpu.index) return
  kernel.memory.beforeWrite(dataFrame)
  kernel.memory.u32[at] = cpu.index
}

/** Maps the vDSO where mmap would; returns the image's address for AT_SYSINFO_EHDR, 0 if there is no room. */
export const mapVdso = (kernel: Kernel, space: AddressSpace, time: TimeNamespace): number => {
  const { vdso } = kernel.state
  if (vdso.dataFrame === 0) make(kernel)
  const { data } = vdso
  const image = isShifted(time) ? shiftedImage(kernel) : vdso.image
  const start = findPlace(space, 2 * PAGE_SIZE, 0)
  if (image === undefined || data === undefined || start === undefined) return 0
  const middle = start + PAGE_SIZE
  const areas = [
    { start, end: middle, prot: PROT_READ, flags: VMA_MAYREAD | VMA_DONTDUMP, backing: data, offset: 0, name: '[vvar]' },
    { start: middle, end: middle + PAGE_SIZE, prot: PROT_READ | PROT_EXEC, flags: VMA_MAYREAD | VMA_MAYWRITE | VMA_MAYEXEC, backing: image, offset: 0, name: '[vdso]' },
  ]
  for (const area of areas) {
    retainBacking(kernel, area)
    mapRegion(kernel, space, area)
  }
  return middle
}
