/** System V IPC and POSIX message queues. */
import * as fc from 'fast-check'
import { type ArgumentArbitrary, mapping, outBytes } from '../arguments.ts'
import { constant, idOf, mostly, none, number, O_CREAT, O_NONBLOCK, onSlot, orNone, type Row, type Rows, structure, text, ZERO_TIME } from './row.ts'

const SEM = idOf('sem'), SHM = idOf('shm'), MSQ = idOf('msg')
const KEY = constant(0, 5, 5, 6), IPC_CREAT = 0o1000, IPC_EXCL = 0o2000, IPC_NOWAIT = 0o4000
const MODES = constant(IPC_CREAT | 0o600, IPC_CREAT | 0o600, IPC_CREAT | 0o644, IPC_CREAT | IPC_EXCL | 0o600, 0, 0o600, IPC_CREAT, IPC_CREAT | 0o200)
const OPERATION = structure(
  [2, constant(0, 0, 1, 9)], [2, constant(1, 1, -1, 0, 32767, -2)], [2, constant(IPC_NOWAIT, IPC_NOWAIT, IPC_NOWAIT | 0x1000)],
  [2, constant(0, 1)], [2, constant(1, -1, 0)], [2, constant(IPC_NOWAIT)],
)
const VALUES = structure([2, constant(0, 5)], [2, constant(1, 32767, -1)], [4, constant(0)])
const message = (type: ArgumentArbitrary): ArgumentArbitrary => structure([8, type], [8, constant(7, 0x1234)], [8, constant(1)])
const TYPE = constant(1, 1, 2, 3, 0, -1)
const QUEUE = text('q', 'q', 'r', 'nowhere', '', 'a/b', 'x'.repeat(255), 'x'.repeat(256))
const ATTRIBUTES = structure([8, constant(0, O_NONBLOCK)], [8, constant(10, 2, 1, 0, 11, -1)], [8, constant(16, 64, 8192, 0, 8193)], [8, constant(0)], [8, constant(0)], [8, constant(0)], [8, constant(0)], [8, constant(0)])
const IPC_SET = structure([4, constant(0)], [4, constant(65534, 0)], [4, constant(65534)], [8, constant(0)], [4, constant(0o600, 0o666, 0)]).map((it) => it.is === 'in' ? { ...it, bytes: [...it.bytes, ...new Array<number>(120).fill(0)] } : it)
const stat = (id: ArgumentArbitrary, size: number): Row => ({ weight: 2, args: { 0: id, 1: constant(2), 2: outBytes(size) }, shows: [[2, 'permissions']] })

export const ipcRows: Rows = {
  semget: { result: 'id', names: 'sem', weight: 3, args: { 0: KEY, 1: constant(2, 2, 1, 0, 32001, -1), 2: MODES } }, semop: { weight: 4, args: { 0: SEM, 1: OPERATION, 2: constant(1, 1, 2, 0, 501) } },
  semtimedop: { weight: 1, args: { 0: SEM, 1: OPERATION, 2: constant(1, 1, 2, 0), 3: orNone(ZERO_TIME) } },
  shmget: { result: 'id', names: 'shm', args: { 0: KEY, 1: constant(4096, 8192, 1, 0, 12289, -1), 2: MODES } }, shmat: { result: 'mapping', weight: 3, args: { 0: SHM, 1: fc.oneof(none, mapping), 2: constant(0, 0, 0o10_000, 0o20_000, 0o40_000) } }, shmdt: { args: { 0: mapping } },
  msgget: { result: 'id', names: 'msg', args: { 0: KEY, 1: MODES } }, msgsnd: { weight: 3, args: { 0: MSQ, 1: message(TYPE), 2: constant(16, 8, 0, 1, 8193, -1), 3: constant(IPC_NOWAIT) } },
  msgrcv: { weight: 3, args: { 0: MSQ, 1: outBytes(32), 2: constant(16, 16, 4, 0, -1), 3: constant(0, 0, 1, 2, -2, -1), 4: constant(IPC_NOWAIT, IPC_NOWAIT, IPC_NOWAIT | 0o10_000, IPC_NOWAIT | 0o20_000, IPC_NOWAIT | 0o40_000) }, shows: [[1, 'all']] },
  mq_open: { result: 'fd', makes: 'queue', weight: 4, args: { 0: QUEUE, 1: constant(O_CREAT | 2, O_CREAT | 2, O_CREAT | 0o200 | 2, 2, 0, 1).map((it) => number((it as { value: number }).value | O_NONBLOCK)), 3: orNone(ATTRIBUTES) } },
  mq_unlink: { args: { 0: QUEUE } }, mq_timedsend: { weight: 4, on: 'queue', args: { 2: constant(0, 1, 16, 17, 64, 8192, 8193), 3: constant(0, 1, 5, 32767, 32768), 4: none } },
  mq_timedreceive: { weight: 4, on: 'queue', args: { 2: mostly(constant(64, 8192, 16), constant(0, 1)), 3: orNone(outBytes(4)), 4: none }, shows: [[1, 'returned'], [3, 'all']] },
  mq_notify: { weight: 1, args: { 0: onSlot('queue'), 1: orNone(structure([8, constant(5)], [4, constant(10, 0, 65)], [4, constant(0, 1, 1, 9)], [8, constant(0)], [8, constant(0)]).map((it) => it.is === 'in' ? { ...it, bytes: [...it.bytes, ...new Array<number>(32).fill(0)] } : it)) } },
  mq_getsetattr: { on: 'queue', args: { 1: orNone(structure([8, constant(O_NONBLOCK, O_NONBLOCK, O_NONBLOCK | 1)], [8, constant(0)], [8, constant(0)], [8, constant(0)], [8, constant(0)], [8, constant(0)], [8, constant(0)], [8, constant(0)])), 2: orNone(outBytes(64)) }, shows: [[2, 'all']] },
}
export const controlRows: { readonly [name: string]: readonly Row[] } = {
  // GETPID is somebody's; GETVAL, GETALL, SETVAL, SETALL, GETNCNT, GETZCNT, IPC_STAT, IPC_SET, IPC_RMID.
  semctl: [
    { weight: 2, args: { 0: SEM, 1: constant(0, 1, 9), 2: constant(12, 14, 15), 3: none } }, { weight: 2, args: { 0: SEM, 1: constant(0, 1, 9, -1), 2: constant(16), 3: constant(0, 5, 32767, 32768, -1) } },
    { weight: 2, args: { 0: SEM, 1: constant(0), 2: constant(17), 3: VALUES } }, { weight: 2, args: { 0: SEM, 1: constant(0), 2: constant(13), 3: outBytes(4) }, shows: [[3, 'all']] },
    { weight: 1, result: 'pid', args: { 0: SEM, 1: constant(0, 1), 2: constant(11), 3: none } }, { weight: 1, args: { 0: SEM, 1: constant(0), 2: constant(2), 3: outBytes(104) }, shows: [[3, 'permissions']] },
    { weight: 1, args: { 0: SEM, 1: constant(0), 2: constant(1), 3: IPC_SET } }, { weight: 1, args: { 0: SEM, 1: constant(0), 2: constant(0, 99), 3: none } },
  ],
  shmctl: [stat(SHM, 112), { weight: 1, args: { 0: SHM, 1: constant(1), 2: IPC_SET } }, { weight: 1, args: { 0: SHM, 1: constant(0, 11, 12, 99), 2: none } }],
  msgctl: [stat(MSQ, 120), { weight: 1, args: { 0: MSQ, 1: constant(1), 2: IPC_SET.map((it) => it.is === 'in' ? { ...it, bytes: it.bytes.map((byte, i) => i >= 88 ? 0 : byte) } : it) } }, { weight: 1, args: { 0: MSQ, 1: constant(0, 99), 2: none } }],
}
