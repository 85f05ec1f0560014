/** Memory: mappings, and bytes of it that programs touch. */
import * as fc from 'fast-check'
import { filler, mapping, outBytes, wild } from '../arguments.ts'
import type { FuzzArgument, Patch } from '../program.ts'
import { constant, none, on, type Row, type Rows, SELF, structure } from './row.ts'

const PROTECTION = constant(0, 1, 2, 3, 3, 5)
const LENGTHS = constant(0, 1, 4096, 8192, 65536, 12289)
/** Arrays of struct iovec for memory of others: of mappings, too. */
const LOCAL = fc.array(fc.constantFrom(0, 1, 99, 5000), { minLength: 1, maxLength: 2 }).map((lengths): FuzzArgument => ({
  is: 'in', bytes: [...lengths, 0, 0].slice(0, 2).flatMap((length) => [0, 0, 0, 0, 0, 0, 0, 0, length & 0xff, length >> 8, 0, 0, 0, 0, 0, 0]),
  patches: lengths.map((length, i): Patch => ({ at: 16 * i, argument: { is: 'in', bytes: filler(length) } })),
}))
const REMOTE = structure([8, mapping], [8, constant(0, 1, 99, 5000)])

export const memoryRows: Rows = {
  munmap: { args: { 1: LENGTHS } }, mprotect: { weight: 3, args: { 1: LENGTHS, 2: PROTECTION } }, msync: { args: { 1: LENGTHS, 2: constant(1, 2, 4, 5, 0, 8) } },
  madvise: { weight: 3, args: { 1: LENGTHS, 2: constant(0, 1, 2, 3, 4, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 99) } },
  mincore: { args: { 0: mapping, 1: constant(4096, 8192, 0), 2: outBytes(2) } },
  mremap: { result: 'mapping', args: { 0: mapping, 1: constant(4096, 8192, 4096, 0, 65536), 2: constant(4096, 8192, 12289, 0), 3: constant(0, 1, 1, 4, 5, 2, 8), 4: none } },
  brk: { result: 'hidden', args: { 0: constant(0, 0x1000, -1) } },
  mlock: { args: { 1: LENGTHS } }, munlock: { args: { 1: LENGTHS } }, mlock2: { args: { 1: LENGTHS, 2: constant(0, 1, 2) } }, mlockall: { weight: 1, args: { 0: constant(0, 4, 8, 2) } }, munlockall: { weight: 1 },
  remap_file_pages: { weight: 1, args: { 1: LENGTHS, 2: constant(0, 0, 1), 3: constant(0, 1, 2), 4: none } },
  process_vm_readv: { weight: 1, args: { 0: SELF, 1: LOCAL, 2: constant(0, 1, 2), 3: REMOTE, 4: constant(0, 1, 1), 5: constant(0, 0, 1) } },
  process_vm_writev: { weight: 1, args: { 0: SELF, 1: LOCAL, 2: constant(0, 1, 2), 3: REMOTE, 4: constant(0, 1, 1), 5: constant(0, 0, 1) } },
  pkey_mprotect: { weight: 1, args: { 1: LENGTHS, 2: PROTECTION, 3: constant(-1) } }, membarrier: { weight: 1, args: { 0: constant(1, 2, 4, 8, 16, 9999), 1: constant(0, 0, 1), 2: constant(0) } },
}
export const mmapRows: readonly Row[] = [
  { result: 'mapping', weight: 4, args: { 0: none, 1: LENGTHS, 2: PROTECTION, 3: constant(0x21, 0x22, 0x22, 1, 2, 3, 0x32, 0, 0x4022, 0x2022, 0x8022), 5: constant(0, 0, 4096, 1, 65536) } },
  { result: 'mapping', weight: 4, args: { 0: none, 1: LENGTHS, 2: PROTECTION, 3: constant(1, 2, 1, 3), 4: on('file'), 5: constant(0, 0, 4096, 8192) } },
  { result: 'mapping', weight: 2, args: { 0: mapping, 1: LENGTHS, 2: PROTECTION, 3: constant(0x32, 0x31, 0x12, 0x10_0032), 4: on('file'), 5: constant(0, 4096) } },
]
/** Not a system call: reads a byte, and writes it unless told −1. */
export const touchRow: Row = { weight: 8, all: [fc.oneof({ arbitrary: mapping, weight: 9 }, { arbitrary: wild, weight: 1 }), constant(-1, 0, 77, 255)] }
