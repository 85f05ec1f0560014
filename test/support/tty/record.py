#!/usr/bin/env python3
"""Records what Linux's line discipline does, for test/kernel/io/tty-native.test.ts.

  python3 test/support/tty/record.py [cases] [seed] > test/kernel/io/fixtures/tty.json

Each case is a fresh pseudoterminal; each step sets the terminal, types into the master, writes to the slave or reads from
it, and then says what came out of the master and how many bytes the slave has to read (FIONREAD).
"""
import errno, fcntl, json, os, pty, random, struct, sys, termios, time, tty

IFLAGS = ['ISTRIP', 'INLCR', 'IGNCR', 'ICRNL', 'IXON', 'IXANY', 'PARMRK']
IUCLC, IUTF8, XCASE, ECHOPRT, ECHOKE, ECHOCTL, EXTPROC = 0o1000, 0o40000, 0o4, 0o2000, 0o4000, 0o1000, 0o200000
OLCUC = 0o2
OFLAGS = ['OPOST', 'ONLCR', 'OCRNL', 'ONOCR', 'ONLRET']
LFLAGS = ['ISIG', 'ICANON', 'ECHO', 'ECHOE', 'ECHOK', 'ECHONL', 'NOFLSH', 'IEXTEN']
TYPED = (b'abcdefg hij_k.lm-nop' + b'\x7f' * 8 + b'\x17' * 3 + b'\x15' + b'\n' * 4 + b'\r' * 2 + b'\x04' * 2 + b'\t' * 2 +
         b'\x16' + b'\x12' + b'\x03' + b'\x1a' + b'\x1c' + b'\x11\x13\x11' + b'\x01\x1b\x00\xff' + b'Zz' + b'\x08')
UTF8 = ['\u00e9', '\u20ac', '\U0001f600']
WRITTEN = b'some text\n\twith\ttabs\r\nand\b\b more\r\x01\x1b\xc3\xa9.'


def settle():
    time.sleep(0.006)


def drain(fd):
    out = b''
    while True:
        try:
            data = os.read(fd, 65536)
        except OSError as e:
            if e.errno == errno.EAGAIN:
                settle()
                try:
                    data = os.read(fd, 65536)
                except OSError:
                    return out
            else:
                raise
        if not data:
            return out
        out += data


def pick(random, names, likely):
    value = 0
    for name in names:
        if random.random() < likely.get(name, 0.25):
            value |= getattr(termios, name)
    return value


def settings(random):
    iflag = pick(random, IFLAGS, {'ICRNL': 0.7, 'IXON': 0.5, 'ISTRIP': 0.1, 'PARMRK': 0.1, 'IXANY': 0.15})
    if random.random() < 0.4:
        iflag |= IUTF8
    if random.random() < 0.1:
        iflag |= IUCLC
    oflag = pick(random, OFLAGS, {'OPOST': 0.8, 'ONLCR': 0.8, 'OCRNL': 0.1, 'ONOCR': 0.1, 'ONLRET': 0.1})
    if random.random() < 0.15:
        oflag |= 0o14000
    if random.random() < 0.1:
        oflag |= OLCUC
    lflag = pick(random, LFLAGS, {'ISIG': 0.5, 'ICANON': 0.8, 'ECHO': 0.85, 'ECHOE': 0.8, 'ECHOK': 0.8, 'NOFLSH': 0.3, 'IEXTEN': 0.8})
    for bit, chance in ((ECHOCTL, 0.7), (ECHOKE, 0.7), (ECHOPRT, 0.15)):
        if random.random() < chance:
            lflag |= bit
    cc = [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0]
    if random.random() < 0.2:
        cc[11] = ord('g')
    if random.random() < 0.2:
        cc[16] = ord('.')
    if random.random() < 0.2:
        cc[2] = 8
    cc[6] = random.choice([0, 1, 1, 3])
    return iflag, oflag, lflag, cc


def typed(random):
    out = b''
    for _ in range(random.randint(1, 24)):
        if random.random() < 0.08:
            out += random.choice(UTF8).encode()
        else:
            out += bytes([random.choice(TYPED)])
    return out


def case(random):
    master, slave = pty.openpty()
    for fd in (master, slave):
        os.set_blocking(fd, False)
    steps = []
    for number in range(random.randint(4, 9)):
        kind = 'set' if number == 0 else random.choice(['set', 'type', 'type', 'type', 'type', 'read', 'read', 'write'])
        if kind == 'set':
            iflag, oflag, lflag, cc = settings(random)
            old = bytearray(36)
            fcntl.ioctl(slave, termios.TCGETS, old)
            command = random.choice([0, 0, 2])
            fcntl.ioctl(slave, termios.TCSETS + command, struct.pack('IIII', iflag, oflag, struct.unpack_from('I', old, 8)[0], lflag) + bytes([0] + cc))
            step = {'set': [iflag, oflag, lflag], 'cc': cc, 'flush': command == 2}
        elif kind == 'type':
            data = typed(random)
            os.write(master, data)
            step = {'type': data.hex()}
        elif kind == 'write':
            data = bytes(random.choice(WRITTEN) for _ in range(random.randint(1, 16)))
            try:
                count = os.write(slave, data)
            except BlockingIOError:
                count = -errno.EAGAIN
            step = {'write': data.hex(), 'count': count}
        else:
            size = random.choice([1, 3, 5, 64])
            try:
                step = {'read': size, 'got': os.read(slave, size).hex()}
            except BlockingIOError:
                step = {'read': size, 'got': None}
        settle()
        step['out'] = drain(master).hex()
        step['left'] = struct.unpack('i', fcntl.ioctl(slave, termios.FIONREAD, b'\0' * 4))[0]
        steps.append(step)
    os.close(master)
    os.close(slave)
    return steps


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 250
    source = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    lines = []
    while len(lines) < count:
        # The kernel moves bytes in the background: what does not come out twice was looked at too early.
        seed = source.random()
        first, second = case(random.Random(seed)), case(random.Random(seed))
        if first == second:
            lines.append(json.dumps(first, separators=(',', ':')))
    sys.stdout.write('[\n' + ',\n'.join(lines) + '\n]\n')


main()
