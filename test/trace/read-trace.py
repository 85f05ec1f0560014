#!/usr/bin/python3
"""Reads a Retrograde trace. Written from docs/trace-format.md alone; prints a JSON object with head and events.

Needs python3-msgpack, and python3-zstandard or the zstd command."""
import hashlib
import io
import json
import struct
import subprocess
import sys
import zlib

import msgpack

try:
    import zstandard
except ImportError:
    zstandard = None

STAT = ['dev', 'ino', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'size', 'blocks', 'mtime', 'mtimeNanoseconds',
        'atime', 'atimeNanoseconds', 'ctime', 'ctimeNanoseconds']
EVENTS = {
    1: 'slice cpu:uint cycle:sliceCycle tid:uint draws:uints budget:budget',
    2: 'syscall cycle:cycle number:int args:registers result:result',
    3: 'slowSyscall cycle:cycle tid:task started:started number:int args:registers result:result',
    4: 'draw draws:uints',
    5: 'random bytes:bytes',
    6: 'lstat mount:uint path:path stat:stat',
    7: 'readdir mount:uint path:path entries:listing',
    8: 'readlink mount:uint path:path target:target',
    9: 'readFile mount:uint path:path blob:int',
    10: 'input missed:uint bytes:input',
    11: 'output fd:uint length:uint hash:uint error:int',
    12: 'signal cycle:cycle tid:task signal:uint code:int action:action rip:address address:address',
    13: 'taskStart cycle:cycle tid:uint parent:uint tgid:uint',
    14: 'taskExit cycle:cycle tid:task status:uint',
    15: 'exec cycle:cycle tid:task path:name',
    16: 'unknownSyscall cycle:cycle tid:task number:int',
    20: 'interface cycle:cycle number:uint name:name kind:uint mac:bytes net:uint',
    21: 'packet cycle:cycle interface:uint delivered:uint packet:uint frame:bytes',
    22: 'fault cycle:cycle tid:task fault:text number:uint',
    23: 'resize missed:uint rows:uint columns:uint',
    17: 'checkpoint cycle:cycle turn:uint event:uint hash:bytes',
    18: 'end cycle:cycle turn:uint outcome:outcome status:int hash:bytes message:text',
    19: 'namedSyscall cycle:cycle tid:task started:started number:int args:registers strings:strings result:result',
}
ACTIONS = ['handler', 'ignore', 'terminate', 'core', 'stop', 'continue']
OUTCOMES = ['exited', 'deadlock', 'timeout', 'interrupted', 'failed']


def decompress(data, length):
    if zstandard is not None:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=length)
    return subprocess.run(['zstd', '-dcq'], input=data, stdout=subprocess.PIPE, check=True).stdout


class Context:
    def __init__(self):
        self.cycle = self.task = self.budget = 0
        self.ends, self.calls, self.paths, self.strings = {}, {}, [], []
        self.path = -1
        self.stat = [0] * 15

    def call(self, event):
        return self.calls.setdefault((event['tid'], event['number']), [0] * 7)

    def decode(self, kind, value, event):
        if kind in ('uint', 'int', 'address', 'uints', 'bytes', 'text', 'input'):
            return value
        if kind == 'name':
            return value.decode('latin-1')
        if kind == 'cycle':
            self.cycle += value
            return self.cycle
        if kind == 'sliceCycle':
            self.cycle = self.ends.get(event['cpu'], 0) + value
            return self.cycle
        if kind == 'budget':
            self.budget = (event['draws'][-1] if event['draws'] else self.budget) + value
            self.task = event['tid']
            self.ends[event['cpu']] = event['cycle'] + self.budget
            return self.budget
        if kind == 'task':
            return self.task + value
        if kind == 'started':
            return event['cycle'] - value
        if kind == 'registers':
            last = self.call(event)
            for i, register in enumerate(value):
                last[i] = register if isinstance(register, float) else last[i] + register
            return last[:len(value)]
        if kind == 'result':
            last = self.call(event)
            last[6] = value if isinstance(value, float) else last[6] + value
            return last[6]
        if kind == 'strings':
            strings = []
            for item in value:
                if isinstance(item, bytes):
                    item = item.decode('latin-1')
                    self.strings.append(item)
                elif item is not None:
                    item = self.strings[item]
                strings.append(item)
            return strings
        if kind == 'path':
            if isinstance(value, bytes):
                return value.decode('latin-1')
            self.path += value
            return self.paths[self.path]
        if kind == 'stat':
            if isinstance(value, int):
                return value
            stat = []
            for i, field in enumerate(value):
                stat.append(field + (stat[9 + (i - 9) % 2] if i > 10 else self.stat[i]))
            self.stat = stat
            return stat
        if kind == 'listing':
            if isinstance(value, int):
                return value
            entries = [{'name': n.decode('latin-1'), 'type': t} for n, t in zip(value[::2], value[1::2])]
            for entry in entries:
                self.paths.append(entry['name'] if event['path'] == '' else event['path'] + '/' + entry['name'])
            return entries
        if kind == 'target':
            return value if isinstance(value, int) else value.decode('latin-1')
        if kind == 'action':
            return ACTIONS[value]
        if kind == 'outcome':
            return OUTCOMES[value]
        raise ValueError(kind)


def unpack_all(data):
    return msgpack.Unpacker(io.BytesIO(data), raw=False, strict_map_key=False, max_buffer_size=2 ** 30)


def plain(value):
    if isinstance(value, bytes):
        return 'bytes:' + value.hex()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, float) and value in (float('inf'), float('-inf')):
        return 'Infinity' if value > 0 else '-Infinity'
    return value


P1, P2, P3, P4, P5 = 0x9e3779b185ebca87, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9, 0x85ebca77c2b2ae63, 0x27d4eb2f165667c5
M = (1 << 64) - 1


def rotate(x, n):
    return (x << n | x >> 64 - n) & M


def xxh64(data):
    """XXH64 with seed 0 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), highest byte first."""
    at = 0
    if len(data) >= 32:
        a, b, c, d = P1 + P2 & M, P2, 0, -P1 & M
        whole = len(data) // 32 * 32
        for w, x, y, z in struct.iter_unpack('<4Q', data[:whole]):
            a = rotate(a + w * P2 & M, 31) * P1 & M
            b = rotate(b + x * P2 & M, 31) * P1 & M
            c = rotate(c + y * P2 & M, 31) * P1 & M
            d = rotate(d + z * P2 & M, 31) * P1 & M
        at = whole
        h = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18) & M
        for lane in (a, b, c, d):
            h = ((h ^ rotate(lane * P2 & M, 31) * P1 & M) * P1 + P4) & M
    else:
        h = P5
    h = h + len(data) & M
    while at + 8 <= len(data):
        h = (rotate(h ^ rotate(struct.unpack_from('<Q', data, at)[0] * P2 & M, 31) * P1 & M, 27) * P1 + P4) & M
        at += 8
    if at + 4 <= len(data):
        h = (rotate(h ^ struct.unpack_from('<I', data, at)[0] * P1 & M, 23) * P2 + P3) & M
        at += 4
    for byte in data[at:]:
        h = rotate(h ^ byte * P5 & M, 11) * P1 & M
    h = (h ^ h >> 33) * P2 & M
    h = (h ^ h >> 29) * P3 & M
    return (h ^ h >> 32).to_bytes(8, 'big')


def main(name):
    data = open(name, 'rb').read()
    assert data[:8] == b'\x89RGT\r\n\x1a\n', 'not a Retrograde trace'
    assert struct.unpack_from('<I', data, 8)[0] in (1, 2), 'unknown version'
    head, events, pieces, index = None, [], {}, None
    end = len(data) - 16 if data[-16:-8] == b'RGTINDEX' else len(data)
    at = 16
    offsets = []
    while at < end:
        magic, kind, codec, _, stored, raw, first, count, crc = struct.unpack_from('<4sBBHIIQII', data, at)
        assert magic == b'RGTC'
        content = data[at + 32:at + 32 + stored]
        assert zlib.crc32(content, zlib.crc32(data[at:at + 28])) == crc, 'checksum'
        if codec == 1:
            content = decompress(content, raw)
        assert len(content) == raw
        if kind == 4:
            assert struct.unpack_from('<Q', data, len(data) - 8)[0] == at
            index = next(unpack_all(content))
        else:
            offsets += [at, kind, first, count]
        if kind == 1:
            head = next(unpack_all(content))
        elif kind == 3:
            for blob, digest, size, offset, piece in unpack_all(content):
                assert offset == sum(len(p) for p in pieces.setdefault(blob, []))
                pieces[blob].append(piece)
                if offset + len(piece) == size:
                    whole = b''.join(pieces[blob])
                    assert (hashlib.sha256(whole).digest() if len(digest) == 32 else xxh64(whole)) == digest, 'blob'
        elif kind == 2:
            assert first == len(events)
            context = Context()
            for tag, *values in unpack_all(content):
                name_, *fields = EVENTS[tag].split()
                event = {'type': name_}
                if name_ == 'syscall':
                    event['tid'] = context.task
                for field, value in zip(fields, values):
                    key, kind_ = field.split(':')
                    event[key] = context.decode(kind_, value, event)
                if name_.lower().endswith('syscall') and name_ != 'unknownSyscall':
                    event['type'] = 'syscall'
                    event.setdefault('started', event['cycle'])
                    event.setdefault('strings', [])
                events.append(event)
            assert first + count == len(events)
        at += 32 + stored
    if index is not None:
        assert index['events'] == len(events) and index['chunks'] == offsets
        assert index['checkpoints'] == [i for i, e in enumerate(events) if e['type'] == 'checkpoint']
        assert [blob[0] for blob in index['blobs']] == [sum(map(len, pieces[i])) for i in sorted(pieces)]
    json.dump({'head': plain(head), 'events': plain(events), 'blobs': [hashlib.sha256(b''.join(pieces[i])).hexdigest() for i in sorted(pieces)],
               'complete': index is not None}, sys.stdout)


main(sys.argv[1])
