/**
 * The debug registers of a task as Linux keeps them for ptrace(2) (arch/x86/kernel/ptrace.c): each address is a breakpoint of its own,
 * which is checked whenever something of it changes. They belong to the task, not to its tracer, and work on when that is gone.
 */
import { type Breakpoint, Breakpoints, DR6_STEP } from '../../emu/breakpoints.ts'
import { EINVAL, EIO } from '../abi/errno.ts'
import { USER_END } from '../mm/user-memory.ts'

/** One of DR0 to DR3, once it was set. */
interface DebugAddress {
  readonly address: number
  readonly type: number
  readonly length: number
  readonly isOn: boolean
}

export interface DebugRegisters {
  addresses: readonly (DebugAddress | undefined)[]
  /** DR6, in which Linux inverts the bits that are 1 by default: what the last #DB was for. */
  status: number
  /** DR7 as it was written. */
  control: number
}

const EXECUTE = 0, WRITE = 1, ACCESS = 3
const ADDRESSES = 4, STATUS = 6, CONTROL = 7
/** DR6's bits that read as one: all that have no meaning. */
const STATUS_ONES = 0xffff_0ff0

export const debugRegisters = (): DebugRegisters => ({ addresses: [undefined, undefined, undefined, undefined], status: 0, control: 0 })

/** A new task has the values of DR6 and DR7, but no breakpoints. */
export const inheritedDebugRegisters = (parent: DebugRegisters | undefined): DebugRegisters | undefined =>
  parent === undefined ? undefined : { ...debugRegisters(), status: parent.status, control: parent.control }

/** hw_breakpoint_arch_parse. */
const isValid = ({ address, type, length }: DebugAddress): boolean => {
  if (type !== EXECUTE && type !== WRITE && type !== ACCESS) return false
  if (type === EXECUTE && length !== 1) return false
  return address >= 0 && address + length <= USER_END && address % length === 0
}

export const readDebugRegister = (registers: DebugRegisters | undefined, register: number): number => {
  if (register < ADDRESSES) return registers?.addresses[register]?.address ?? 0
  if (register === STATUS) return ((registers?.status ?? 0) ^ STATUS_ONES) >>> 0
  return register === CONTROL ? registers?.control ?? 0 : 0
}

/** @returns 0 or a negative errno */
export const writeDebugRegister = (registers: DebugRegisters, register: number, value: number): number => {
  if (register < ADDRESSES) {
    const wanted = { ...(registers.addresses[register] ?? { type: WRITE, length: 1, isOn: false }), address: value }
    if (!isValid(wanted)) return -EINVAL
    registers.addresses = registers.addresses.with(register, wanted)
    return 0
  }
  if (register === STATUS) {
    registers.status = ((value >>> 0) ^ STATUS_ONES) >>> 0
    return 0
  }
  return register === CONTROL ? writeControl(registers, value) : -EIO
}

const writeControl = (registers: DebugRegisters, value: number): number => {
  const bits = value >>> 0
  const addresses = registers.addresses.map((old, i) => {
    const isOn = (bits >>> (2 * i) & 3) !== 0
    const fields = bits >>> (16 + 4 * i)
    return old === undefined && !isOn ? undefined : { address: old?.address ?? 0, type: fields & 3, length: [1, 2, 8, 4][fields >>> 2 & 3], isOn }
  })
  // All or nothing.
  if (addresses.some((wanted) => wanted !== undefined && !isValid(wanted))) return -EINVAL
  registers.addresses = addresses
  registers.control = value
  return 0
}

const breakpoint = (set: DebugAddress | undefined): Breakpoint | undefined => set?.isOn !== true ? undefined
  : { kind: set.type === EXECUTE ? 'execute' : set.type === WRITE ? 'write' : 'access', address: set.address, length: set.length }

/** For the processor; undefined if none is on. */
export const breakpointsOf = ({ addresses }: DebugRegisters): Breakpoints | undefined =>
  addresses.some((set) => set?.isOn === true) ? new Breakpoints(addresses.map(breakpoint)) : undefined

/** Whether these bits of DR6 are a fault: the instruction was not executed yet. */
export const isBeforeInstruction = ({ addresses }: DebugRegisters, status: number): boolean =>
  (status & DR6_STEP) === 0 && addresses.some((set, i) => set?.isOn === true && set.type === EXECUTE && (status & 1 << i) !== 0)
