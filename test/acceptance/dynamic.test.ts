/** Dynamically linked programs of Debian, with scripts of some length: run, recorded, replayed both ways, beside native. */
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { execute, inDirectory, isInstalled, retrograde } from '../support/cli.ts'

const BASH = `
declare -A count; words=(one two three two one two)
for w in "\${words[@]}"; do (( count[$w]++ )); done
for w in one two three; do printf '%s=%d\\n' "$w" "\${count[$w]}"; done
fib() { local n=$1; (( n < 2 )) && { echo $n; return; }; echo $(( $(fib $((n-1))) + $(fib $((n-2))) )); }
fib 8
[[ "hello world" =~ ^h(.*)o\\ w ]] && echo "\${BASH_REMATCH[1]}"
diff <(echo a; echo b) <(echo a; echo c) && echo same
cat <<< "here string"; mapfile -t lines < data.txt; echo "\${#lines[@]} \${lines[2]^^}"
coproc cat; echo through >&"\${COPROC[1]}"; read -r x <&"\${COPROC[0]}"; echo "$x"
printf '%q %b %05.2f\\n' "a b" 'x\\ty' 3.14159; echo {1..5} {a..e..2}; echo \${words[@]:1:2}
trap 'echo exiting' EXIT; time -p true 2>/dev/null; shopt -s extglob; echo !(data).txt
`
const PERL = `
use strict; use warnings; use POSIX qw(floor fmod); use List::Util qw(sum max reduce); use Data::Dumper;
my %h = map { $_ => length } qw(apple fig banana); print join(",", map { "$_=$h{$_}" } sort keys %h), "\\n";
my $t = "The year 1999 and 2024"; my @y = $t =~ /(\\d{4})/g; print "@y\\n"; (my $u = $t) =~ s/(\\w+)/\\u\\L$1/g; print "$u\\n";
printf "%.10f %s %e %d\\n", sqrt(2), 1e21, 1/7, sum(1..100); print fmod(10, 3), " ", floor(-2.5), " ", atan2(1,1)*4, "\\n";
my $pid = fork; if (!$pid) { print "child\\n"; exit 3 } waitpid $pid, 0; print "status ", $? >> 8, "\\n";
open my $f, '<', 'data.txt' or die; my @l = <$f>; print scalar(@l), " lines, last $l[-1]"; print sprintf("%vd", "1.22.333"), "\\n";
local $Data::Dumper::Sortkeys = 1; local $Data::Dumper::Indent = 1; print Dumper({ a => [1, 2, { b => undef }], c => \\"x" });
$SIG{ALRM} = sub { print "alarm\\n" }; alarm 1; sleep 3; print "tr: ", ($t =~ tr/a-y/b-z/), " $t\\n"; print pack("NnC", 1, 2, 3) eq "\\0\\0\\0\\1\\0\\2\\3" ? "ok\\n" : "no\\n";
print join(" ", sort { $a <=> $b } map { $_ * 7 % 31 } 1..20), "\\n"; print \`echo from a shell\`; print "done\\n";
`
const PROGRAMS: readonly (readonly [title: string, program: string, args: readonly string[]])[] = [
  ['ls', '/bin/ls', ['-la', '--time-style=full-iso', 'tree']],
  ['ls of colours and columns', '/bin/ls', ['--color=always', '-CF', '-w', '60', '-R', 'tree']],
  ['bash', '/bin/bash', ['-c', BASH]],
  ['perl', '/usr/bin/perl', ['-e', PERL]],
  ['python3', '/usr/bin/python3', ['-c', `
import os, sys, json, hashlib, re, math, threading, subprocess, collections, struct, random, decimal, itertools, zlib
print(sum(i * i for i in range(1000)), math.pi, 2 ** 200, 1 / 3, decimal.Decimal(2).sqrt())
print(json.dumps({'b': [1, 2.5, None], 'a': 'x\\u00e9'}, sort_keys=True), hashlib.sha256(b'abc').hexdigest())
lock = threading.Lock(); total = 0
def work():
    global total
    for _ in range(200):
        with lock: total += 1
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]; print(total)
print(subprocess.run(['echo', 'sub'], capture_output=True, text=True).stdout.strip(), collections.Counter('mississippi').most_common(2))
random.seed(1); print([random.randint(1, 100) for _ in range(5)], struct.pack('<Id', 7, 1.5).hex(), zlib.crc32(open('data.txt', 'rb').read()))
print(re.sub(r'(\\w+) (\\w+)', r'\\2 \\1', 'hello world'), sorted(os.listdir('tree')), list(itertools.islice(itertools.permutations('abc'), 3)))
try: open('/nonexistent')
except OSError as e: print(e)
`]],
  ['openssl, which reads its configuration in /etc/ssl', '/usr/bin/openssl', ['req', '-x509', '-newkey', 'ed25519', '-nodes', '-keyout', '/dev/null', '-subj', '/CN=x', '-out', 'cert']],
  ['sort, join and awk of coreutils and mawk', '/bin/sh', ['-c', 'sort -k2n data.txt | tail -3; join data.txt data.txt | wc; mawk \'{ s += $2 } END { print s / NR }\' data.txt; sha256sum data.txt | cut -c1-20; stat -c "%A %s %U" data.txt']],
]

const makeFiles = (directory: string): void => {
  writeFileSync(join(directory, 'data.txt'), Array.from({ length: 50 }, (_, i) => `name${String(i).padStart(2, '0')} ${(i * 37) % 53}\n`).join(''))
  mkdirSync(join(directory, 'tree/sub'), { recursive: true })
  for (const name of ['tree/b.txt', 'tree/a.sh', 'tree/sub/c']) writeFileSync(join(directory, name), name, { mode: name.endsWith('.sh') ? 0o755 : 0o644 })
  for (const name of ['tree/b.txt', 'tree/a.sh', 'tree/sub/c', 'tree/sub', 'tree', 'data.txt', '.']) utimesSync(join(directory, name), 1_500_000_000, 1_500_000_000)
}

for (const [title, program, args] of PROGRAMS) {
  const run = isInstalled(program) ? test : test.skip
  run(`dynamic: ${title}`, (t) => {
    inDirectory((directory) => {
      makeFiles(directory)
      // The same directory: its path and its parent's attributes show in `ls -la`. What the guest writes stays in memory.
      const trace = `${directory}.rgt`
      const recorded = retrograde(['record', '-q', '-o', trace, '--cpus', '2', '--', program, ...args], { cwd: directory })
      const native = execute([program, ...args], { cwd: directory })
      const withoutParent = (text: string): string => text.replace(/^.* \.\.$/gm, '')
      t.deepEqual({ ...recorded, stdout: withoutParent(recorded.stdout) }, { ...native, stdout: withoutParent(native.stdout) }, 'as native')
      for (const mode of [[], ['--from-seed']]) {
        const replayed = retrograde(['replay', ...mode, trace], { cwd: '/' })
        t.is(replayed.stdout, recorded.stdout)
        t.is(replayed.status, recorded.status)
        t.regex(replayed.stderr, /state hash [0-9a-f]+ equal/)
      }
      execute(['rm', '-f', trace])
    })
  })
}
