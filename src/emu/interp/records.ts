/**
 * A decoded instruction in the Wasm memory, as tier 0 executes it. Little-endian, 48 bytes:
 *
 *   0  u32 handler index in the table        16 i64 displacement
 *   4  u16 storage address of operand reg 0  24 i64 immediate (u32 record behind a branch that is not taken)
 *   6  u16 … reg 1                           32 i64 rip of the instruction
 *   8  u16 … reg 2                           40 u32 record of the branch target
 *  10  u16 storage address of the base       44 u16 cycles of the block that are paid for but not executed if this one faults
 *  12  u16 … of the index                    46 u8  second immediate
 *  14  u8  shift of the index                47 u8  which accesses go through SS, LOCK
 *  15  u8  length of the instruction
 *
 * Operand i that is a register is in reg slot i (at most three).
 */
export const RECORD_SIZE = 48
export const RECORD_HANDLER = 0
export const RECORD_REG = 4
export const RECORD_BASE = 10
export const RECORD_INDEX = 12
export const RECORD_SCALE = 14
export const RECORD_LENGTH = 15
export const RECORD_DISPLACEMENT = 16
export const RECORD_IMMEDIATE = 24
export const RECORD_FALL = 24
export const RECORD_RIP = 32
export const RECORD_TAKEN = 40
export const RECORD_REFUND = 44
export const RECORD_IMM2 = 46
/** Faults of stack accesses are #SS rather than #GP: there is a memory operand, it goes through SS, there is an implicit access to the stack. */
export const RECORD_SEGMENTS = 47
export const HAS_MEMORY = 1, STACK_OPERAND = 2, STACK_IMPLICIT = 4
/** In the same byte: the instruction locks its memory operand (LOCK, or XCHG). */
export const LOCKS = 8
/** In a record of '@cover': the number of its block. */
export const RECORD_BLOCK = 16
/** In a link record: the address of the word that is to point to the target once that is known. */
export const RECORD_LINK_SLOT = 16
/** In a block record: the cost of the block; in other records that a branch may lead to, more than any budget. */
export const RECORD_COST = 24
export const NO_BLOCK = 0x7fffffff
/** In a block record that is the entry of a region of tier 1: the region's index, and what the block costs in tier 0. */
export const RECORD_REGION = 16
export const RECORD_SAVED_COST = 28
/** In a block record: how often a region of tier 1 led there. */
export const RECORD_HEAT = 40
