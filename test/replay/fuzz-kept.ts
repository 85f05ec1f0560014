/**
 * Sequences that Linux and Retrograde once answered differently (npm run soak:abi), each as small as it got. What Linux 6.18 answers is in
 * fixtures/fuzz-kept.json, which scripts/make-fuzz-fixtures.ts writes.
 */
import { SYSCALLS } from '../../src/kernel/syscalls/table.ts'
import { type FuzzArgument, type FuzzCall, type FuzzProgram, type FuzzResult, type FuzzShow, type Patch, TOUCH } from '../../src/replay/fuzz/program.ts'

type Given = number | string | FuzzArgument
const fd = (slot: number): FuzzArgument => ({ is: 'fd', slot })
const out = (size: number): FuzzArgument => ({ is: 'out', size })
const edge = (size: number): FuzzArgument => ({ is: 'edge', size })
const mapping = (slot: number, offset = 0): FuzzArgument => ({ is: 'mapping', slot, offset })
const pid = (number: number): FuzzArgument => ({ is: 'process', number })
const id = (slot: number): FuzzArgument => ({ is: 'id', slot })
const bytes = (given: readonly number[], patches: readonly Patch[] = []): FuzzArgument => ({ is: 'in', bytes: given, patches })
const at = (where: number, argument: FuzzArgument): Patch => ({ at: where, argument })
const long = (...values: readonly number[]): number[] => values.flatMap((value) => Array.from({ length: 8 }, (_, i) => Math.floor(value / 256 ** i) & 0xff))
const some = (length: number): FuzzArgument => bytes(Array.from({ length }, (_, i) => (i + 1) & 0xff))
const sun = (name: string): number[] => [1, 0, ...[...name].map((char) => char.charCodeAt(0)), 0]
const sin = (port: number, ...ip: readonly number[]): FuzzArgument => bytes([2, 0, port >> 8, port & 0xff, ...ip, 0, 0, 0, 0, 0, 0, 0, 0])
const LOCAL = [127, 0, 0, 1] as const
const argument = (given: Given): FuzzArgument => typeof given === 'number' ? { is: 'number', value: given }
  : typeof given === 'string' ? bytes([...[...given].map((char) => char.charCodeAt(0)), 0]) : given

interface Kept { readonly result?: FuzzResult, readonly slot?: number, readonly shows?: readonly (readonly [number, FuzzShow])[], readonly process?: number }
const call = (name: string, args: readonly Given[], { result = 'plain', slot = 0, shows = [], process = 0 }: Kept = {}): FuzzCall => {
  const number = name === 'touch' ? TOUCH : SYSCALLS.find((entry) => entry?.name === name)?.number
  if (number === undefined) throw new RangeError(`no system call is called '${name}'`)
  return { name, number, process, args: args.map(argument), result, slot, shows }
}
const stat = (name: string): FuzzCall => call('stat', [name, out(144)], { shows: [[1, 'stat']] })
const fstat = (slot: number): FuzzCall => call('fstat', [fd(slot), out(144)], { shows: [[1, 'stat']] })
const socket = (family: number, type: number, slot: number): FuzzCall => call('socket', [family, type | 0o4000, 0], { result: 'fd', slot })
const child = (behaviour: number, slot = 0): FuzzCall => call('fork', [0, 0, 0, 0, 0, behaviour], { result: 'child', slot })
const message = (vector: FuzzArgument, control: FuzzArgument, length: number, name: FuzzArgument = argument(0), nameLength = 0): FuzzArgument =>
  bytes(long(0, nameLength, 0, 1, 0, length, 0), [at(0, name), at(16, bytes(long(0, 4), [at(0, vector)])), at(32, control)].filter(({ argument: given }) => given.is !== 'number'))
const sequence = (...calls: readonly FuzzCall[]): FuzzProgram => ({ processes: 1 + Math.max(...calls.map(({ process }) => process)), ordered: true, calls })

export const KEPT: Readonly<Record<string, FuzzProgram>> = {
  'sockets have no times': sequence(fstat(4)),
  'owners of SIGIO': sequence(call('fcntl', [fd(0), 16, out(8)], { shows: [[2, 'words']] }), call('fcntl', [fd(1), 15, bytes([2, 0, 0, 0, 0, 0, 0, 0], [at(4, pid(0))])]), call('fcntl', [fd(1), 16, out(8)], { shows: [[2, 'words']] })),
  'hints of writes': sequence(call('fcntl', [fd(0), 1037, out(8)]), call('fcntl', [fd(0), 1036, bytes(long(3))]), call('fcntl', [fd(0), 1035, out(8)], { shows: [[2, 'all']] }), call('fcntl', [fd(0), 1036, bytes(long(6))])),
  'nodes: the name first': sequence(call('mknod', ['a', 0o60600, 0]), call('mknod', ['a/a', 0o20644, 0x103]), call('mknod', [1, 0o20644, 0x103]), call('mknod', ['b', 0o20644, 0x103]), call('mknod', ['c', 0o20644, 0]), stat('c')),
  'who may queue what': sequence(call('rt_tgsigqueueinfo', [pid(1), pid(1), 12, bytes([12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...new Array<number>(116).fill(0)])], { process: 0 }), call('getpid', [], { process: 1, result: 'pid' })),
  'KSM is known': sequence(call('mmap', [0, 8192, 3, 0x22, -1, 0], { result: 'mapping' }), call('madvise', [mapping(0), 8192, 12]), call('madvise', [mapping(0), 8192, 13])),
  'removing from what could be written': sequence(call('mmap', [0, 8192, 1, 0x21, -1, 0], { result: 'mapping' }), call('madvise', [mapping(0), 4096, 9])),
  'mlock: the limit first, near the end of all': sequence(call('mlock', [-1, 0x10000]), call('mlock', [-0x800000000000, 1]), call('munlock', [-4096, 1])),
  'fallocate: what a tmpfs can\'t': sequence(call('fallocate', [fd(0), 64, 8796093022208, 4096])),
  'execveat: an empty path first': sequence(call('execveat', [-100, '', 0, 0, 1])),
  'files can\'t be asked not to wait': sequence(call('preadv2', [fd(0), bytes(long(0, 1), [at(0, out(1))]), 1, 0, 0, 8]), call('preadv2', [fd(1), bytes(long(0, 1), [at(0, out(1))]), 1, 0, 0, 32]), call('preadv2', [fd(0), bytes(long(0, 0)), 1, 0, 0, 0x1000])),
  'others ignore credentials': sequence(socket(2, 2, 16), call('sendmsg', [fd(16), message(some(4), bytes([28, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 32), 64])),
  'futex: the word first': sequence(call('futex', [1, 7, 5, 0, 0, 0])),
  'numbers of timers are used once': sequence(call('timer_create', [0, bytes([...long(0), 65, 0, 0, 0, 0, 0, 0, 0, ...new Array<number>(48).fill(0)]), out(4)]), call('timer_create', [0, 0, out(4)], { shows: [[2, 'integer']] }), call('timer_delete', [1]), call('timer_create', [1, 0, out(4)], { shows: [[2, 'integer']] })),
  'clocks of no process': sequence(call('clock_nanosleep', [-1, 1, bytes(long(0, 1_000_000_000)), 0])),
  'semop: too many first': sequence(call('semop', [-1, bytes(new Array<number>(6).fill(0)), 501]), call('semop', [-1, 4096, 1])),
  'a word across pages': sequence(call('clone', [0x100011, 0, edge(3), 0, 0, 0], { result: 'child', shows: [[2, 'integer']] })),
  'bytes behind the end': sequence(call('lseek', [fd(0), 12288, 0]), call('ioctl', [fd(0), 0x541b, out(4)], { shows: [[2, 'all']] })),
  'attributes of event files': sequence(call('inotify_init1', [0o4000], { result: 'fd', slot: 22 }), call('fremovexattr', [fd(22), 'security.none']), call('fsetxattr', [fd(2), 'security.none', some(1), 1, 0]), call('flistxattr', [fd(4), out(5), 5])),
  'a queue has a file': sequence(
    call('mq_open', ['q', 0o4102, 0o4755, 0], { result: 'fd', slot: 23 }), fstat(23), call('fgetxattr', [fd(23), 'user.b', out(4), 4]), call('mq_notify', [fd(23), bytes([...long(5), 0, 0, 0, 0, 0, 0, 0, 0, ...new Array<number>(48).fill(0)])]), call('mq_unlink', ['q']), fstat(23),
  ),
  'pages of a pipe go whole': sequence(call('write', [fd(3), some(31), 31]), call('read', [fd(2), edge(13), 26]), call('read', [fd(2), out(40), 40], { shows: [[1, 'returned']] })),
  'messages of a stream go whole': sequence(call('write', [fd(4), some(18), 18]), call('recvfrom', [fd(5), edge(9), 18, 64, 0, 0]), call('ioctl', [fd(5), 0x541b, out(4)], { shows: [[2, 'all']] }), call('close', [fd(4)]), call('read', [fd(5), out(40), 40], { shows: [[1, 'returned']] }), call('read', [fd(5), 4096, 8])),
  'a datagram is taken anyway': sequence(call('socketpair', [1, 0o4002, 0, out(8)], { result: 'pair', slot: 11 }), call('write', [fd(11), some(18), 18]), call('read', [fd(12), edge(9), 18]), call('read', [fd(12), out(18), 18]), call('shutdown', [fd(12), 0]), call('read', [fd(12), out(18), 18])),
  'nobody reads, nothing fits': sequence(call('write', [fd(3), some(65536), 65536]), call('write', [fd(3), 4096, 1]), call('close', [fd(2)]), call('write', [fd(3), edge(14), 28])),
  'too much for an eventfd': sequence(call('eventfd2', [0, 0o4000], { result: 'fd', slot: 19 }), call('write', [fd(19), 4096, 511])),
  'neither to be read nor to be written': sequence(call('open', ['a', 0o4003, 0], { result: 'fd', slot: 7 }), call('mmap', [0, 4096, 0, 1, fd(7), 0], { result: 'mapping' })),
  'an interval without a value': sequence(call('setitimer', [2, bytes(long(0, 1, 0, 0)), 0]), call('getitimer', [2, out(32)], { shows: [[1, 'all']] }), call('setitimer', [0, bytes(long(0, 1, 0, 0)), 0]), call('getitimer', [0, out(32)], { shows: [[1, 'all']] })),
  'a queue has positions': sequence(call('mq_open', ['q', 0o4102, 0o644, 0], { result: 'fd', slot: 6 }), call('lseek', [fd(6), 5, 0]), call('lseek', [fd(6), -1, 2]), call('lseek', [fd(6), 80, 3]), call('lseek', [fd(6), 3, 4]), call('lseek', [fd(6), -1, 0])),
  'datagrams that nobody waits for': sequence(socket(2, 2, 17), call('shutdown', [fd(17), 0]), call('recvfrom', [fd(17), out(4), 4, 64, 0, 0])),
  'an owner that is no process group': sequence(call('fcntl', [fd(4), 15, bytes([2, 0, 0, 0, 0, 0, 0, 0], [at(4, pid(1))])]), call('fcntl', [fd(4), 9, 0]), call('getpid', [], { process: 1, result: 'pid' })),
  'too little for an eventfd': sequence(call('eventfd2', [0, 0o4000], { result: 'fd', slot: 19 }), call('write', [fd(19), 4096, 1]), call('write', [fd(19), 4096, 8])),
  'pages from memory': sequence(call('fcntl', [fd(3), 1031, 4096]), call('vmsplice', [fd(3), bytes(long(0, 5000), [at(0, { is: 'code', which: 0 })]), 1, 2]), call('write', [fd(3), some(3), 3])),
  'a spliced page ends': sequence(call('vmsplice', [fd(3), bytes(long(0, 1), [at(0, { is: 'code', which: 0 })]), 1, 2]), call('write', [fd(3), some(65535), 65535])),
  'zeros have no positions': sequence(call('open', ['/dev/zero', 0o4000, 0], { result: 'fd', slot: 6 }), call('sendfile', [fd(5), fd(6), bytes(long(5)), 11], { shows: [[2, 'all']] })),
  'no copies to other file systems': sequence(call('memfd_create', ['m', 0], { result: 'fd', slot: 6 }), call('copy_file_range', [fd(0), 0, fd(6), 0, 23, 0])),
  'directories are not read, wherever to': sequence(call('pread64', [fd(1), 4096, 8, 0]), call('pread64', [fd(1), edge(2), 8, 0])),
  'a mapping that a socket refuses is gone': sequence(call('mmap', [0, 4096, 1, 0x22, -1, 0], { result: 'mapping' }), call('mmap', [mapping(0), 4096, 1, 0x12, fd(4), 0], { result: 'mapping', slot: 1 }), call('touch', [mapping(0), -1])),
  'copies of messages': sequence(call('msgget', [0, 0o1600], { result: 'id', slot: 2 }), call('msgrcv', [id(2), 4096, 16, 0, 0o44000])),
  'options of IP without bytes': sequence(
    socket(2, 1, 13), call('setsockopt', [fd(13), 0, 11, some(1), 0]), call('setsockopt', [fd(13), 0, 33, bytes([1, 0, 0, 0]), 3]), call('getsockopt', [fd(13), 0, 13, out(4), bytes([2, 0, 0, 0])], { shows: [[3, 'all'], [4, 'all']] }),
    call('setsockopt', [fd(13), 1, 16, bytes([1, 0, 0, 0]), 4]), call('setsockopt', [fd(13), 6, 1000, bytes([1, 0, 0, 0]), 1]),
  ),
  'a datagram\'s bytes last': sequence(socket(2, 2, 16), call('sendto', [fd(16), edge(2), 4, 64, bytes([1, 8, ...new Array<number>(14).fill(0)]), 16]), call('sendto', [fd(16), some(1), 1, 64, sin(7000, ...LOCAL), 0]), call('bind', [fd(16), sin(7000, ...LOCAL), 16])),
  'a connection lost leaves its port': sequence(
    socket(2, 1, 13), call('connect', [fd(13), sin(7002, ...LOCAL), 16]), call('read', [fd(13), out(4), 4]), call('bind', [fd(13), sin(7000, ...LOCAL), 16]), socket(2, 1, 14), call('bind', [fd(14), sin(0, ...LOCAL), 16]), call('bind', [fd(14), sin(7001, ...LOCAL), 16]),
  ),
  'recvmmsg: what went wrong first': sequence(socket(2, 1, 13), call('connect', [fd(13), sin(7002, ...LOCAL), 16]), call('recvmmsg', [fd(13), out(64), 0, 64, 0])),
  'shut without a connection': sequence(socket(2, 1, 13), call('shutdown', [fd(13), 0]), call('recvfrom', [fd(13), out(4), 4, 64, 0, 0]), socket(2, 2, 16), call('shutdown', [fd(16), 1]), call('sendto', [fd(16), some(1), 1, 0x4040, sin(7000, ...LOCAL), 16])),
  'a name is looked at before the socket': sequence(call('bind', [fd(4), bytes(sun('s')), 4]), call('bind', [fd(4), bytes(sun('s')), 4]), call('bind', [fd(4), bytes(sun('t')), 4])),
  'types have names of their own': sequence(socket(1, 5, 12), call('bind', [fd(4), bytes(sun('\0ab')), 5]), call('connect', [fd(12), bytes(sun('\0ab')), 5]), call('bind', [fd(12), bytes(sun('\0ab')), 5])),
  'a stream says who sends': sequence(call('bind', [fd(5), bytes(sun('\0b')), 5]), call('write', [fd(5), some(4), 4]), call('recvmsg', [fd(4), message(out(4), argument(0), 0, out(128), 128), 64], { shows: [[1, 'message']] })),
  'a seqpacket that is not connected': sequence(socket(1, 5, 12), call('sendmsg', [fd(12), message(some(4), bytes(long(3)), 8), 64])),
  'long links have a page': sequence(call('symlink', [`d/${'./'.repeat(80)}a`, 'b']), call('lstat', ['b', out(144)], { shows: [[1, 'stat']] })),
  'random bytes to nowhere': sequence(call('getrandom', [-1, 0, 0])),
  'unknown flags of umount': sequence(call('umount2', [0, 99])),
  'children tell': sequence(call('rt_sigaction', [17, bytes(long(0, 0x400_0004, 0, 0), [at(0, { is: 'code', which: 1 }), at(16, { is: 'code', which: 2 })]), out(32), 8]), child(2, 0), child(5, 1), call('wait4', [-1, out(4), 1, 0], { result: 'pid', shows: [[1, 'all']] })),
  'who has ended is as nice as before': sequence(call('exit_group', [0], { process: 1 }), call('getpriority', [0, pid(1)])),
  'a connection that was shut while it was made': sequence(
    socket(2, 1, 15), call('connect', [fd(15), sin(7000, ...LOCAL), 16]), call('shutdown', [fd(15), 0]), call('connect', [fd(15), sin(7000, ...LOCAL), 16]), call('listen', [fd(15), 1]),
    call('connect', [fd(15), bytes([0, 0, ...new Array<number>(14).fill(0)]), 16]), call('listen', [fd(15), 1]),
  ),
  'who listened and was shut may have another port': sequence(
    socket(2, 1, 14), call('listen', [fd(14), 0]), call('shutdown', [fd(14), 0]), call('bind', [fd(14), sin(7000, ...LOCAL), 16]), call('listen', [fd(14), 0]), call('shutdown', [fd(14), 2]), call('bind', [fd(14), sin(7001, ...LOCAL), 16]), call('listen', [fd(14), 0]),
  ),
  'nothing into what can\'t be written': sequence(
    call('signalfd', [-1, bytes(new Array<number>(8).fill(0)), 8], { result: 'fd', slot: 7 }), call('sendfile', [fd(7), fd(0), 0, 0]), call('sendfile', [fd(7), fd(0), 0, 5]), call('lseek', [fd(0), 0, 2]), call('sendfile', [fd(7), fd(0), 0, 5]),
    call('sendfile', [fd(4), fd(1), 0, 0]), call('sendfile', [fd(4), fd(1), 0, 1]), call('sendfile', [fd(4), fd(2), 0, 0]), call('sendfile', [fd(4), fd(5), 0, 0]), call('sendfile', [fd(4), fd(7), 0, 0]),
  ),
  'a datagram that is too long': sequence(
    socket(2, 2, 16), call('sendto', [fd(16), edge(32768), 65536, 64, 0, 16]), call('sendto', [fd(16), edge(2), 65508, 64, 0, 16]), call('sendto', [fd(16), edge(2), 65508, 64, sin(7000, ...LOCAL), 16]), call('sendto', [fd(16), 0, 65536, 64, sin(7000, ...LOCAL), 16]),
    call('sendto', [fd(16), edge(2), 65507, 64, sin(7000, ...LOCAL), 16]),
  ),
  'descriptors come with no bytes at all': sequence(
    call('sendmsg', [fd(5), message(some(4), bytes([20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [at(16, fd(0))]), 24), 64]),
    call('recvmsg', [fd(4), bytes(long(0, 0, 0, 0, 0, 0, 0)), 64], { shows: [[1, 'message']] }), call('recvmsg', [fd(4), message(out(8), argument(0), 0), 64], { shows: [[1, 'message']] }),
  ),
  'descriptors end what is read, and do not begin it': sequence(
    call('write', [fd(5), some(1), 1]), call('sendmsg', [fd(5), message(some(4), bytes([20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [at(16, fd(0))]), 24), 64]), call('write', [fd(5), some(3), 3]),
    call('recvfrom', [fd(4), out(20), 20, 66, 0, 0], { shows: [[1, 'returned']] }), call('read', [fd(4), out(20), 20], { shows: [[1, 'returned']] }), call('read', [fd(4), out(20), 20], { shows: [[1, 'returned']] }),
  ),
  'a seqpacket whose peer went without reading': sequence(
    call('socketpair', [1, 0o4005, 0, out(8)], { result: 'pair', slot: 11 }), call('write', [fd(12), some(1), 1]), call('close', [fd(11)]), call('write', [fd(12), '', 0]), call('write', [fd(12), some(1), 1]), call('read', [fd(12), out(4), 4]),
  ),
  'what recvmmsg is told first, of any socket': sequence(call('write', [fd(4), some(1), 1]), call('close', [fd(5)]), call('recvmmsg', [fd(4), out(64), 0, 64, 0]), call('recvmmsg', [fd(4), out(64), 0, 64, 0])),
  'a datagram\'s peer changes': sequence(
    call('socketpair', [1, 0o4002, 0, out(8)], { result: 'pair', slot: 11 }), call('write', [fd(11), some(3), 3]), call('connect', [fd(12), bytes([0, 0]), 2]), call('read', [fd(12), out(4), 4]), call('write', [fd(11), some(3), 3]), call('write', [fd(11), some(3), 3]), call('read', [fd(12), out(4), 4]),
  ),
  'who wants credentials has a name': sequence(
    call('setsockopt', [fd(4), 1, 16, bytes([1, 0, 0, 0]), 4]), call('connect', [fd(4), bytes(sun('s')), 4]), call('getsockname', [fd(4), out(110), bytes([16, 0, 0, 0])], { shows: [[2, 'all']] }),
    call('socketpair', [1, 0o4005, 0, out(8)], { result: 'pair', slot: 11 }), call('setsockopt', [fd(11), 1, 16, bytes([1, 0, 0, 0]), 4]), call('write', [fd(11), '', 0]), call('bind', [fd(11), bytes(sun('s')), 4]),
    socket(1, 2, 13), call('setsockopt', [fd(13), 1, 16, bytes([1, 0, 0, 0]), 4]), call('sendto', [fd(13), some(1), 1, 64, 0, 0]), call('getsockname', [fd(13), out(110), bytes([16, 0, 0, 0])], { shows: [[2, 'all']] }),
    call('sendto', [fd(13), some(1), 1, 64, bytes(sun('t')), 4]), call('getsockname', [fd(13), out(110), bytes([16, 0, 0, 0])], { shows: [[2, 'all']] }),
  ),
  'options that are bits': sequence(
    socket(2, 1, 14), ...[1, 8, 11, 13, 15, 34].flatMap((option) => [5, 256, -1, 0].flatMap((value) => [call('setsockopt', [fd(14), 0, option, bytes(long(value)), 4]), call('getsockopt', [fd(14), 0, option, out(16), bytes([16, 0, 0, 0])], { shows: [[3, 'all'], [4, 'all']] })])),
    ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 18].flatMap((option) => [0, 1, 2, 5, 64, 4096, 1_000_000, -1].flatMap((value) => [call('setsockopt', [fd(14), 6, option, bytes(long(value)), 4]), call('getsockopt', [fd(14), 6, option, out(16), bytes([16, 0, 0, 0])], { shows: [[3, 'all'], [4, 'all']] })])),
  ),
  'advice for pages that are not there': sequence(
    call('mmap', [0, 12288, 1, 0x22, -1, 0], { result: 'mapping' }), call('munmap', [mapping(0), 4096]), call('mprotect', [mapping(0, 4096), 4096, 0]), call('madvise', [mapping(0), 8192, 22]), call('madvise', [mapping(0), 8192, 23]), call('madvise', [mapping(0, 4096), 8192, 22]),
    call('madvise', [mapping(0, 8192), 4096, 22]), call('madvise', [mapping(0, 8192), 4096, 23]), call('madvise', [mapping(0), 12288, 18]),
  ),
  'shared memory does not grow': sequence(
    call('mmap', [0, 8192, 3, 0x21, -1, 0], { result: 'mapping' }), call('munmap', [mapping(0, 4096), 4096]), call('mremap', [mapping(0), 4096, 12288, 1, 0], { result: 'mapping' }), call('touch', [mapping(0), -1]), call('touch', [mapping(0, 4096), -1]), call('touch', [mapping(0, 8192), -1]),
    call('madvise', [mapping(0, 8192), 4096, 22]),
  ),
  'what moves no vectors knows no flags': sequence(
    call('open', ['/dev/full', 0o4002, 0], { result: 'fd', slot: 7 }), call('pwritev2', [fd(7), bytes(long(0, 1), [at(0, some(1))]), 1, 0, 0, 2]), call('preadv2', [fd(7), bytes(long(0, 1), [at(0, out(1))]), 1, 0, 0, 2]),
    call('eventfd2', [1, 0o4000], { result: 'fd', slot: 19 }), call('pwritev2', [fd(19), bytes(long(0, 8), [at(0, some(8))]), 1, -1, 0, 2]), call('preadv2', [fd(19), bytes(long(0, 8), [at(0, out(8))]), 1, -1, 0, 2]),
  ),
  'modes and owners of event files': sequence(
    ...[call('eventfd2', [0, 0o4000], { result: 'fd', slot: 0 }), call('pidfd_open', [pid(0), 0o4000], { result: 'fd', slot: 0 })].flatMap((open) => [
      call('close', [fd(0)]), open, call('chmod', ['/proc/self/fd/9', 0o644]), call('fchmod', [fd(0), 0o644]), call('fchown', [fd(0), 0, 0]), call('utimensat', [fd(0), 0, 0, 0]), call('utimensat', [fd(0), 0, bytes(long(1, 2, 3, 4)), 0]),
    ]),
    call('pwritev2', [fd(0), bytes(long(0, 0)), 0, 0, 0, 0]), call('pread64', [fd(0), out(4), 4, 0]), call('lseek', [fd(0), 0, 0]),
  ),
  'links to descriptors say what they are for': sequence(
    ...[0o10004000, 0o4000, 0o4001, 0o4002, 0o4003].flatMap((flags) => [call('close', [fd(0)]), call('open', ['a', flags, 0], { result: 'fd' }), call('lstat', ['/proc/self/fd/9', out(144)], { shows: [[1, 'stat']] })]),
  ),
  'seals that belong to another': sequence(
    call('memfd_create', ['a', 3], { result: 'fd', slot: 7 }), call('mmap', [0, 1, 0, 1, fd(7), 0], { result: 'mapping' }), call('fcntl', [fd(7), 1033, 32]), call('munmap', [mapping(0), 4096]), call('fcntl', [fd(7), 1033, 32]), call('fcntl', [fd(7), 1034, 0]), call('fchmod', [fd(7), 0o666]), call('fchmod', [fd(7), 0o711]),
    call('memfd_create', ['b', 8], { result: 'fd', slot: 6 }), call('fchmod', [fd(6), 0o777]), call('fchmod', [fd(6), 0o600]),
  ),
  'behind the end of a queue': sequence(
    call('mq_open', ['q', 0o4102, 0o644, 0], { result: 'fd', slot: 23 }), call('read', [fd(23), 4096, 8]), call('read', [fd(23), out(500), 500]), call('read', [fd(23), 4096, 0x7fff_ffff]), call('pread64', [fd(23), 4096, 8, 0]), call('pread64', [fd(23), 4096, 8, 100]),
  ),
  'buffers of pipes stay what they are': sequence(
    call('pipe2', [out(8), 0o44000], { result: 'pair', slot: 9 }), call('write', [fd(10), some(20), 20]), call('write', [fd(10), some(3), 3]), call('tee', [fd(9), fd(3), 1, 2]), call('tee', [fd(9), fd(3), 30, 2]), call('splice', [fd(9), 0, fd(3), 0, 5, 2]),
    ...[1, 2, 3, 4, 5].map(() => call('read', [fd(2), out(40), 40], { shows: [[1, 'returned']] })), call('vmsplice', [fd(9), bytes(long(0, 4), [at(0, out(4))]), 1, 2]), call('splice', [fd(9), 0, fd(3), 0, 40, 2]), call('write', [fd(3), some(3), 3]),
    ...[1, 2, 3].map(() => call('read', [fd(2), out(40), 40], { shows: [[1, 'returned']] })), call('write', [fd(3), some(5), 5]), call('splice', [fd(2), 0, fd(10), 0, 5, 2]), call('write', [fd(3), some(5), 5]), call('splice', [fd(2), 0, fd(0), 0, 3, 2]), call('read', [fd(2), out(40), 40], { shows: [[1, 'returned']] }),
  ),
  'what is left of a segment behind its size': sequence(
    call('shmget', [0, 8192, 0o1600], { result: 'id', slot: 1 }), call('shmat', [id(1), 0, 0], { result: 'mapping' }), call('mremap', [mapping(0), 8192, 16384, 1, 0], { result: 'mapping' }), call('touch', [mapping(0, 4096), -1]), call('touch', [mapping(0, 8192), -1]),
    call('shmat', [id(1), mapping(0), 0o40000], { result: 'mapping' }), call('shmdt', [mapping(0)]), call('touch', [mapping(0), -1]), call('touch', [mapping(0, 8192), -1]), call('shmdt', [mapping(0)]), call('touch', [mapping(0, 8192), -1]),
  ),
  'nothing is spliced to what is full': sequence(
    call('open', ['/dev/full', 0o4002, 0], { result: 'fd', slot: 7 }), call('sendfile', [fd(7), fd(7), 0, 8]), call('sendfile', [fd(7), fd(0), 0, 8]), call('write', [fd(3), some(4), 4]), call('splice', [fd(2), 0, fd(7), 0, 4, 2]), call('splice', [fd(7), 0, fd(3), 0, 4, 2]),
  ),
  'a queue says whom it tells': sequence(
    call('mq_open', ['q', 0o4102, 0o644, 0], { result: 'fd', slot: 23 }), call('mq_notify', [fd(23), bytes([...long(5), 10, 0, 0, 0, 1, 0, 0, 0, ...new Array<number>(48).fill(0)])]), call('pread64', [fd(23), out(48), 48, 0], { shows: [[1, 'returned']] }),
    call('mq_notify', [fd(23), 0]), call('mq_notify', [fd(23), bytes([...long(5), 10, 0, 0, 0, 0, 0, 0, 0, ...new Array<number>(48).fill(0)])]), call('pread64', [fd(23), out(48), 48, 0], { shows: [[1, 'returned']] }),
  ),
  'renaming: one file system first, then the names': sequence(
    call('open', ['/', 0o4000, 0], { result: 'fd', slot: 14 }), call('renameat', [fd(1), 'a', fd(14), 'x'.repeat(257)]), call('rename', ['x'.repeat(257), 'nowhere/a']), call('rename', ['x'.repeat(257), 'd/..']), call('rename', ['d/..', 'x'.repeat(257)]),
    call('rename', ['nowhere', 'x'.repeat(257)]), call('rename', ['a', 'x'.repeat(257)]), call('rename', ['a', `d/${'x'.repeat(257)}/`]), call('rename', ['a/', 'x'.repeat(257)]), call('renameat2', [-100, 'x'.repeat(257), -100, 'a', 1]),
  ),
  'as far from the end as on Linux': sequence(
    call('mmap', [0, 4096, 3, 0x22, -1, 0], { result: 'mapping' }), call('read', [fd(4), mapping(0), 0x7fff_ffff]), call('write', [fd(3), mapping(0), 0x1_0000_0000]), call('write', [fd(3), mapping(0), 0x700_0000]), call('write', [fd(3), mapping(0), 0x800_1000]),
  ),
  'attributes of devices': sequence(
    call('open', ['/dev/null', 0o4000, 0], { result: 'fd' }), call('fgetxattr', [fd(0), 'security.none', out(4), 0]), call('fgetxattr', [fd(0), 'user.a', out(4), 0]), call('fsetxattr', [fd(0), 'user.a', some(1), 1, 0]), call('fsetxattr', [fd(0), 'security.a', some(1), 1, 0]), call('fremovexattr', [fd(0), 'security.none']),
  ),
  'a queue and /proc are regular files': sequence(
    call('mq_open', ['q', 0o4102, 0o644, 0], { result: 'fd', slot: 23 }), call('ioctl', [fd(23), 0x541b, out(4)], { shows: [[2, 'all']] }), call('ioctl', [fd(23), 0x5460, out(8)], { shows: [[2, 'all']] }),
    call('open', ['/proc/self/maps', 0o4000, 0], { result: 'fd', slot: 6 }), call('ioctl', [fd(0), 0x5460, out(8)], { shows: [[2, 'all']] }), call('ioctl', [fd(1), 0x5460, out(8)], { shows: [[2, 'all']] }), call('ioctl', [fd(6), 0x541b, out(4)], { shows: [[2, 'all']] }), call('ioctl', [fd(6), 0x5460, out(8)], { shows: [[2, 'all']] }),
  ),
  'a queue and /proc need no reading ahead': sequence(
    call('mq_open', ['q', 0o4102, 0o644, 0], { result: 'fd', slot: 23 }), call('sync_file_range', [fd(23), 4095, 4095, 0]), call('readahead', [fd(23), 0, 4096]), call('fadvise64', [fd(23), 0, 4096, 3]), call('fsync', [fd(23)]), call('fallocate', [fd(23), 0, 0, 4096]), call('ftruncate', [fd(23), 0]),
    call('open', ['/proc/self/maps', 0o4000, 0], { result: 'fd', slot: 6 }), call('sync_file_range', [fd(6), 0, 0, 0]), call('readahead', [fd(6), 0, 4096]), call('fadvise64', [fd(6), 0, 4096, 3]), call('fsync', [fd(6)]),
  ),
  'a TCP socket can\'t send, wherever the bytes are': sequence(socket(2, 1, 13), call('write', [fd(13), 0, 1]), call('writev', [fd(13), bytes(long(4096, 8)), 1]), call('sendto', [fd(13), 0, 1, 0x4040, 0, 0]), socket(2, 2, 16), call('write', [fd(16), 4096, 1]), call('write', [fd(16), 4096, 65536]), call('write', [fd(16), edge(32768), 65536]), call('connect', [fd(16), sin(7000, ...LOCAL), 16]), call('write', [fd(16), edge(32768), 65536]), call('write', [fd(16), edge(4), 8])),
  'no room for a pair': sequence(
    call('setrlimit', [7, bytes(long(0, 48))]), call('socketpair', [2, 0o4001, 0, out(8)]), call('socketpair', [1, 0o4001, 0, 0]), call('socketpair', [1, 0o4777, 0, 0]), call('pipe2', [out(8), 0o4000]), call('pipe2', [0, 0o4000]), call('socket', [2, 0o4001, 17]), call('socket', [2, 0o4001, 0]),
    call('dup', [fd(0)]), call('eventfd2', [0, 0o4000]), call('accept4', [fd(4), 0, 0, 0o4000]), call('open', ['nowhere', 0, 0]), call('mq_open', ['q', 0, 0, 0]), call('mq_open', ['x'.repeat(257), 0o102, 0, 0]), call('mq_open', ['a/b', 0, 0, 0]), call('memfd_create', [0, 0]), call('timerfd_create', [99, 0]), call('signalfd4', [-1, 0, 8, 0]), call('epoll_create', [0]), call('inotify_init1', [0]),
    call('pidfd_open', [pid(0), 0]),
  ),
  'a TCP socket has nothing to read, wherever to': sequence(socket(2, 1, 13), call('read', [fd(13), 4096, 8]), call('listen', [fd(13), 1]), call('read', [fd(13), 4096, 8]), socket(2, 2, 16), call('read', [fd(16), 4096, 8])),
  'half of what an eventfd wants': sequence(call('eventfd2', [0, 0o4000], { result: 'fd', slot: 19 }), call('write', [fd(19), edge(4), 8]), call('writev', [fd(19), bytes(long(0, 8), [at(0, edge(4))]), 1]), call('read', [fd(19), out(8), 8])),
  'opened for neither, nothing is moved': sequence(
    call('open', ['a', 0o4003, 0], { result: 'fd', slot: 7 }), call('write', [fd(3), some(5), 5]), call('splice', [fd(2), 0, fd(7), 0, 1, 2]), call('tee', [fd(2), fd(7), 1, 2]), call('tee', [fd(7), fd(3), 1, 2]), call('vmsplice', [fd(7), bytes(long(0, 0)), 1, 2]), call('readahead', [fd(7), 0, 10]), call('sendfile', [fd(3), fd(7), 0, 1]),
  ),
  'a FIFO can\'t be asked not to wait': sequence(call('open', ['f', 0o4002, 0], { result: 'fd', slot: 7 }), call('pwritev2', [fd(7), bytes(long(0, 1), [at(0, some(1))]), 1, -1, 0, 8]), call('preadv2', [fd(7), bytes(long(0, 1), [at(0, out(1))]), 1, -1, 0, 8]), call('preadv2', [fd(2), bytes(long(0, 1), [at(0, out(1))]), 1, -1, 0, 8])),
  'a pidfd is of a regular file': sequence(
    call('pidfd_open', [pid(0), 0o4000], { result: 'fd', slot: 19 }), call('copy_file_range', [fd(19), 0, fd(0), 0, 1, 0]), call('ftruncate', [fd(19), 0]), call('fallocate', [fd(19), 0, 0, 4096]), call('sync_file_range', [fd(19), 0, 0, 0]), call('fsetxattr', [fd(19), 'user.a', some(1), 1, 0]), call('fgetxattr', [fd(19), 'user.a', out(4), 4]),
    call('fsetxattr', [fd(19), 'security.a', some(1), 1, 0]), call('readahead', [fd(19), 0, 1]), call('ioctl', [fd(19), 0x541b, out(4)]),
  ),
  'a memfd can be run while it is open': sequence(call('memfd_create', ['m', 0], { result: 'fd', slot: 7 }), call('execveat', [fd(7), '', 0, 0, 0x1000])),
  'of queues and paths': sequence(
    call('mq_open', ['q', 0o4102, 0o644, 0], { result: 'fd', slot: 23 }), call('copy_file_range', [fd(23), 0, fd(0), 0, 1, 0]), call('copy_file_range', [fd(23), 0, fd(23), 0, 1, 0]), call('lseek', [fd(23), -1, 3]), call('lseek', [fd(23), -1, 4]), call('fgetxattr', [fd(23), 'user.', out(4), 4]), call('fsetxattr', [fd(23), 'user.', some(1), 1, 0]),
    call('open', ['a', 0o10000000, 0], { result: 'fd', slot: 7 }), call('fcntl', [fd(7), 1028, 0]), call('fcntl', [fd(7), 1027, 0]),
  ),
  'a connection by hand': sequence(
    socket(2, 1, 12), call('bind', [fd(12), sin(7000, ...LOCAL), 16]), call('listen', [fd(12), 1]), socket(2, 1, 13), call('connect', [fd(13), sin(7000, ...LOCAL), 16]), call('recvfrom', [fd(13), out(4), 0, 64, 0, 0]), call('recvmsg', [fd(13), message(out(8), argument(0), 0), 64]), call('write', [fd(13), some(9), 9]),
    call('accept4', [fd(12), 0, 0, 0o4000], { result: 'fd', slot: 14 }), call('recvfrom', [fd(14), out(4), 4, 0x60, 0, 0]), call('recvfrom', [fd(14), 4096, 2, 0x60, 0, 0]), call('recvfrom', [fd(14), out(4), 0, 64, 0, 0]), call('read', [fd(14), out(8), 8], { shows: [[1, 'returned']] }), call('read', [fd(14), 4096, 8]),
    call('sendmsg', [fd(12), message(argument(4096), argument(0), 0), 64]), call('sendmsg', [fd(12), bytes(long(0, 0, 0, 1, 0, 0, 0), [at(16, bytes(long(4096, 8)))]), 64]), call('sendmsg', [fd(14), bytes(long(0, 0, 0, 1, 0, 0, 0), [at(16, bytes(long(4096, 8)))]), 64]),
  ),
  'what sockets are ready for': sequence(
    socket(2, 2, 16), call('poll', [bytes([0, 0, 0, 0, 255, 255, 0, 0], [at(0, fd(16))]), 1, 0], { shows: [[0, 'all']] }), socket(2, 1, 13), call('poll', [bytes([0, 0, 0, 0, 255, 255, 0, 0], [at(0, fd(13))]), 1, 0], { shows: [[0, 'all']] }), call('poll', [bytes([0, 0, 0, 0, 255, 255, 0, 0], [at(0, fd(4))]), 1, 0], { shows: [[0, 'all']] }),
    call('sendto', [fd(16), some(4), 65536, 0x8040, bytes(sun('s')), 4]), call('shutdown', [fd(16), 1]), call('sendto', [fd(16), some(4), 4, 0x8040, sin(7000, ...LOCAL), 16]),
  ),
  'a listener that was shut, and who made it': sequence(
    socket(1, 1, 12), call('bind', [fd(12), bytes(sun('s')), 4]), call('listen', [fd(12), 1]), call('getsockopt', [fd(12), 1, 17, out(16), bytes([16, 0, 0, 0])], { shows: [[4, 'all']] }), call('shutdown', [fd(12), 0]), call('accept4', [fd(12), 0, 0, 0o4000]), call('listen', [fd(12), 1]), socket(1, 1, 13), call('connect', [fd(13), bytes(sun('s')), 4]),
    call('getpeername', [fd(12), out(16), bytes([16, 0, 0, 0])]), call('connect', [fd(12), bytes(sun('s')), 4]), call('write', [fd(12), some(1), 1]),
  ),
  'what a signalfd tells of what was queued': sequence(
    call('rt_sigprocmask', [0, bytes([0, 0x0a, 0, 0, 0, 0, 0, 0]), 0, 8]), call('signalfd4', [-1, bytes([0, 0x0a, 0, 0, 0, 0, 0, 0]), 8, 0o4000], { result: 'fd', slot: 6 }),
    ...[0, -1, -2, -3, -5, -6, 1, 7, 0x80].flatMap((code) => [
      call('rt_sigqueueinfo', [pid(0), 12, bytes([12, 0, 0, 0, 0, 0, 0, 0, code & 0xff, code < 0 ? 255 : 0, code < 0 ? 255 : 0, code < 0 ? 255 : 0, 0, 0, 0, 0, ...Array.from({ length: 112 }, (_, i) => i + 1)])]), call('read', [fd(6), out(128), 128], { shows: [[1, 'returned']] }),
    ]),
  ),
  'a seqpacket tells of its error before it looks at messages': sequence(
    call('socketpair', [1, 0o4005, 0, out(8)], { result: 'pair', slot: 11 }), call('write', [fd(12), some(1), 1]), call('close', [fd(11)]), call('sendmsg', [fd(12), message(some(4), bytes(long(3)), 8), 64]), call('sendmsg', [fd(12), message(some(4), bytes(long(3)), 8), 64]),
  ),
  'a port that was left is shown': sequence(
    socket(2, 1, 13), call('connect', [fd(13), sin(7000, ...LOCAL), 16]), call('connect', [fd(13), sin(7000, ...LOCAL), 16]), call('getsockname', [fd(13), out(110), bytes([16, 0, 0, 0])], { shows: [[1, 'sockaddr'], [2, 'all']] }), call('listen', [fd(13), 1]), call('getsockname', [fd(13), out(110), bytes([16, 0, 0, 0])], { shows: [[1, 'sockaddr']] }),
    call('shutdown', [fd(13), 2]), call('getsockname', [fd(13), out(110), bytes([16, 0, 0, 0])], { shows: [[1, 'sockaddr']] }), call('connect', [fd(13), sin(7000, ...LOCAL), 16]), call('getsockname', [fd(13), out(110), bytes([16, 0, 0, 0])], { shows: [[1, 'sockaddr']] }),
    call('connect', [fd(13), bytes([0, 0, ...new Array<number>(14).fill(0)]), 16]), call('getsockname', [fd(13), out(110), bytes([16, 0, 0, 0])], { shows: [[1, 'sockaddr']] }), call('bind', [fd(13), sin(7001, ...LOCAL), 16]), call('getsockname', [fd(13), out(110), bytes([16, 0, 0, 0])], { shows: [[1, 'sockaddr']] }),
  ),
  'a peer without a port': sequence(
    socket(2, 2, 16), call('connect', [fd(16), sin(0, ...LOCAL), 16]), call('getpeername', [fd(16), out(110), bytes([16, 0, 0, 0])], { shows: [[1, 'sockaddr']] }), socket(2, 2, 17), call('bind', [fd(17), sin(7000, ...LOCAL), 16]), call('connect', [fd(17), sin(0, ...LOCAL), 16]),
    call('sendto', [fd(16), some(3), 3, 64, sin(7000, ...LOCAL), 16]), call('recvfrom', [fd(17), out(4), 4, 64, 0, 0], { shows: [[1, 'returned']] }), call('write', [fd(17), some(1), 1]),
  ),
  'what a disconnected socket keeps': sequence(
    ...[1, 2].flatMap((type) => [sin(0, ...LOCAL), sin(7000, ...LOCAL), sin(7001, 0, 0, 0, 0), sin(0, 0, 0, 0, 0)].flatMap((address) => [
      socket(2, type, 13), call('bind', [fd(13), address, 16]), call('connect', [fd(13), bytes([0, 0, ...new Array<number>(14).fill(0)]), 16]), call('getsockname', [fd(13), out(110), bytes([16, 0, 0, 0])], { shows: [[1, 'sockaddr']] }), call('bind', [fd(13), sin(7002, ...LOCAL), 16]),
      call('connect', [fd(13), sin(7003, ...LOCAL), 16]), call('connect', [fd(13), bytes([0, 0, ...new Array<number>(14).fill(0)]), 16]), call('getsockname', [fd(13), out(110), bytes([16, 0, 0, 0])], { shows: [[1, 'sockaddr']] }), call('close', [fd(13)]),
    ])),
  ),
  'nothing more comes, and nobody reads': sequence(
    call('pipe2', [out(8), 0o4000], { result: 'pair', slot: 9 }), call('close', [fd(3)]), call('write', [fd(10), some(5), 5]), call('tee', [fd(2), fd(10), 1, 2]), call('fcntl', [fd(10), 1031, 4096]), call('write', [fd(10), some(4096), 4096]), call('tee', [fd(2), fd(10), 1, 2]), call('splice', [fd(2), 0, fd(10), 0, 1, 2]),
    call('close', [fd(9)]), call('tee', [fd(2), fd(10), 1, 2]), call('splice', [fd(2), 0, fd(10), 0, 1, 2]),
  ),
  'nothing is run where nothing can be': sequence(
    call('mq_open', ['q', 0o4102, 0o777, 0], { result: 'fd', slot: 0 }), call('faccessat', [-100, '/proc/self/fd/9', 1]), call('faccessat', [-100, '/proc/self/maps', 1]), call('faccessat', [-100, '/proc/self/fd', 1]), call('execve', ['/proc/self/fd/9', 0, 0]),
    call('open', ['/proc/self/maps', 0o4000, 0], { result: 'fd', slot: 6 }), call('mmap', [0, 4096, 4, 2, fd(6), 0], { result: 'mapping' }), call('mmap', [0, 4096, 4, 2, fd(0), 0], { result: 'mapping' }), call('memfd_create', ['a', 0], { result: 'fd', slot: 7 }), call('mmap', [0, 4096, 5, 2, fd(7), 0], { result: 'mapping' }),
    call('close', [fd(0)]), call('eventfd2', [0, 0o4000], { result: 'fd', slot: 0 }), call('faccessat', [-100, '/proc/self/fd/9', 1]),
  ),
  'who sent is known to who asked before': sequence(
    ...[1, 2].flatMap((type) => [
      call('socketpair', [1, type | 0o4000, 0, out(8)], { result: 'pair', slot: 11 }), call('write', [fd(11), some(3), 3]), call('setsockopt', [fd(12), 1, 16, bytes([1, 0, 0, 0]), 4]), call('write', [fd(11), some(3), 3]),
      call('recvmsg', [fd(12), message(out(4), out(64), 64), 64], { shows: [[1, 'message']] }), call('recvmsg', [fd(12), message(out(4), out(64), 64), 64], { shows: [[1, 'message']] }), call('recvmsg', [fd(12), message(out(4), out(64), 64), 64], { shows: [[1, 'message']] }),
    ]),
  ),
  'one process ends another': sequence(call('kill', [pid(1), 9]), call('getpid', [], { process: 1, result: 'pid' }), call('waitid', [1, pid(1), out(128), 5, 0], { shows: [[2, 'siginfo']] })),
}
