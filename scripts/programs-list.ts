/** What `npm run programs` runs: programs of Debian, each with a short command whose output doesn't depend on the moment. */
import { MORE_PROGRAMS } from './programs-more.ts'
import type { ProgramCase } from './program-case.ts'
import { gitClient, gitEnvironment, gitServer } from '../scenarios/git-clone.ts'
import { SSH_KEY, SSH_PUBLIC_KEY, sshClient, sshServer } from '../scenarios/ssh.ts'

const WORDS = Array.from({ length: 400 }, (_, i) => `word${(i * 7919) % 997} ${(i * 37) % 53} ${'abcdefgh'[i % 8].repeat(1 + i % 5)}`).join('\n') + '\n'
const words = { 'words.txt': WORDS }

const SHELL = `
i=0; while [ $i -lt 300 ]; do i=$((i + 1)); done; echo "counted $i"
greet() { local name=$1; echo "hello \${name#pre-}"; }
greet pre-world; for f in *.txt; do wc -l < "$f"; done
(trap 'echo got TERM; exit 7' TERM; kill -TERM $(sh -c 'echo $PPID'); sleep 5); echo "status $?"
sleep 0.2 & wait $!; echo "waited $?"; cat <<END | tr a-z A-Z
a here document
END
case "$(printf 'a\\nb' | tail -1)" in b) echo last is b;; esac; umask; set -- x y z; shift; echo "$# $*"
`

const PYTHON = `
import os, queue, signal, sqlite3, subprocess, sys, tempfile, threading, time
results = queue.Queue()
def worker(n):
    for i in range(50): results.put(n * 100 + i)
threads = [threading.Thread(target=worker, args=(n,)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(results.queue)[:5], results.qsize())
print(subprocess.run(['sh', '-c', 'cat; exit 3'], input=b'through a pipe', capture_output=True))
read, write = os.pipe(); pid = os.fork()
if pid == 0: os.write(write, b'child'); os._exit(5)
print(os.read(read, 10), os.waitpid(pid, 0)[1] >> 8)
db = sqlite3.connect('test.db'); db.execute('create table t (a integer primary key, b text)')
db.executemany('insert into t (b) values (?)', [(f'row {i}',) for i in range(200)]); db.commit()
print(db.execute('select count(*), max(b), sum(length(b)) from t').fetchone(), db.execute("select a from t where b like 'row 19_'").fetchall())
signal.signal(signal.SIGALRM, lambda *_: print('alarm')); signal.setitimer(signal.ITIMER_REAL, 0.1); time.sleep(0.3)
event = threading.Event(); threading.Timer(0.1, event.set).start(); print(event.wait(5))
with tempfile.TemporaryDirectory() as d: open(d + '/x', 'w').write('y'); print(os.listdir(d), os.stat(d + '/x').st_size)
try: os.kill(999999, 0)
except OSError as error: print(error)
`

const HELLO = `#include <stdio.h>
#include <math.h>
#include <string.h>
static int square(int x) { return x * x; }
int main(void) {
  char text[32]; int sum = 0;
  for (int i = 0; i < 5; i++) sum += square(i);
  snprintf(text, sizeof text, "%d %.4f", sum, sqrt(2.0));
  puts(text);
  return (int)strlen(text);
}
`

const PERL = `
use strict; use warnings; use Digest::SHA qw(sha256_hex); use Socket; use Storable qw(freeze thaw); use Time::HiRes qw(sleep);
my %n; $n{length $_}++ for map { (split)[0] } do { open my $f, '<', 'words.txt' or die; <$f> };
print join(',', map { "$_:$n{$_}" } sort { $a <=> $b } keys %n), "\\n", sha256_hex('abc'), "\\n";
socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die; my $pid = fork // die;
if (!$pid) { syswrite $b, "from the child"; exit 4 } sysread $a, my $text, 100; waitpid $pid, 0; print "$text ", $? >> 8, "\\n";
my $copy = thaw freeze { list => [1 .. 5] }; print "@{$copy->{list}}\\n"; (my $t = 'aXbXc') =~ s/X(.)/<\\U$1>/g; print "$t\\n";
local $SIG{ALRM} = sub { print "alarm\\n" }; alarm 1; sleep 2; printf "%.12g %s\\n", exp(1), sprintf('%b', 1234);
`

const MAKEFILE = `all: out.txt
parts := $(foreach n,1 2 3 4 5 6,part$(n))
part%:
\t@sleep 0.1; echo "part $*" > $@
out.txt: $(parts)
\t@cat $(sort $^) > $@; wc -l < $@
`

const NODE = `
const { createHash } = require('crypto'), fs = require('fs'), { execFileSync } = require('child_process'), zlib = require('zlib')
console.log([3, 1, 2].sort().map((x) => x ** 2), createHash('sha256').update('abc').digest('hex'))
console.log(execFileSync('echo', ['from a child']).toString().trim(), zlib.gunzipSync(zlib.gzipSync('packed')).toString())
let s = 0; for (let i = 0; i < 1e5; i++) s = (s * 31 + i) % 1000003; console.log(s, JSON.stringify({ a: [1, { b: null }] }))
fs.readFile('words.txt', 'utf8', (error, text) => { console.log(text.split('\\n').length); setTimeout(() => console.log('timer'), 50) })
Promise.resolve(1n << 70n).then((x) => console.log(x))
`

const NGINX = `daemon off; worker_processes 2; user nobody nogroup; pid nginx.pid; error_log stderr crit;
events { worker_connections 64; }
http { access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  server { listen 127.0.0.1:8377; root html; location /hi { return 200 "hello from nginx\\n"; } } }
`

export const PROGRAMS: readonly ProgramCase[] = [
  { name: 'dash', does: 'loops, functions, traps, here documents', script: `cat > s.sh <<'EOS'\n${SHELL}\nEOS\ndash s.sh`, files: words, needs: [['dash', 'dash']] },
  { name: 'bash', does: 'arrays, process substitution, coprocesses', needs: [['bash', 'bash']], files: { ...words, 's.bash': `
declare -A count; while read -r w n _; do (( count[$n]++ )); done < words.txt; echo "\${#count[@]} \${count[7]}"
diff <(head -3 words.txt) <(head -4 words.txt); coproc cat; echo x >&"\${COPROC[1]}"; read -r y <&"\${COPROC[0]}"; echo "$y"
[[ abc123 =~ ([a-z]+)([0-9]+) ]] && echo "\${BASH_REMATCH[@]}"; mapfile -t l < words.txt; echo "\${l[5]^^} \${#l[@]}"
f() { (( $1 < 2 )) && echo $1 || echo $(( $(f $(($1 - 1))) + $(f $(($1 - 2))) )); }; f 7; set -o pipefail; false | true; echo $?
` }, script: 'bash s.bash' },
  { name: 'coreutils: text', does: 'sort, uniq, cut, join, paste, tr, fold, comm, nl, od, split, tac, shuf', files: words, needs: [['sort', 'coreutils']], script: `
sort -k2,2n -k1,1 words.txt | cut -d' ' -f2 | uniq -c | head -5; tr a-h A-H < words.txt | fold -w 30 | tail -2; nl words.txt | sed -n 7p
od -A x -t x1z words.txt | head -3; split -l 100 words.txt p.; ls p.*; tac p.ad | head -1; paste -d, p.aa p.ab | tail -1; expand -t4 words.txt | wc
sort words.txt > a; sort -r words.txt | sort > b; comm -12 a b | wc -l; join a b | wc -l; seq 1 2 9 | shuf --random-source=words.txt; numfmt --to=iec 123456; factor 360360; printf '%5.2f|%-5s|%x\\n' 3.14159 ab 255` },
  { name: 'coreutils: files', does: 'cp, mv, ln, chmod, install, touch, stat, du, dd, truncate, mktemp, realpath', files: words, needs: [['cp', 'coreutils']], script: `
mkdir -p a/b/c; cp -a words.txt a/b/; ln -s b/words.txt a/link; ln a/b/words.txt a/hard; stat -c '%n %s %h %F %A' a/link a/hard; install -m 640 words.txt a/i; stat -c %a a/i
touch -d '2020-01-02 03:04:05 UTC' a/i; date -u -r a/i; dd if=/dev/zero of=z bs=1k count=64 2>/dev/null; du --apparent-size -b z; truncate -s 100 z; stat -c %s z; mv z a/b/c; cp -r a d; rm -rf a; readlink d/link
realpath --relative-to=. d/b/../link; mkfifo f; (echo fifo > f &); cat f; test -p f && echo pipe; chmod 000 d/i; ls -l d/i | cut -c1-10; rmdir d/b 2>&1; cat missing; echo $?` },
  { name: 'coreutils: checksums', does: 'md5sum, sha1sum … sha512sum, b2sum, cksum, base64, sum -c', files: words, needs: [['sha512sum', 'coreutils']], script: `
for c in md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum cksum sum; do $c words.txt; done; base64 words.txt | md5sum; base32 words.txt | md5sum; sha256sum words.txt > s; sha256sum -c s; basenc --z85 -d < /dev/null` },
  { name: 'coreutils: processes', does: 'timeout, nice, env, nohup, tee, sleep, kill, nproc, id, tty', needs: [['timeout', 'coreutils']], script: `
timeout 0.2 sleep 5; echo $?; timeout -s INT 0.1 sh -c 'trap "echo int; exit 9" INT; sleep 1'; echo $?; env -i A=b env; echo x | tee a b >/dev/null; cat a b; nice -n 19 nice; id -u; tty; sleep 100 & kill $!; wait $! 2> wait; echo $?; yes | head -3; seq 100000 | tail -1; stdbuf -oL echo buffered; printenv HOME; expr 6 \\* 7` },
  { name: 'findutils', does: 'find by type, time, size; -exec; xargs -P', files: words, needs: [['find', 'findutils'], ['xargs', 'findutils']], script: `
mkdir -p t/a t/b/c; for i in 1 2 3 4; do head -$i words.txt > t/a/f$i; done; touch -d 2001-01-01 t/b/old; find t | sort; find t -type f -size -100c -printf '%p %s %m\\n' | sort; find t -not -newer t/b/old; find t -name 'f*' -exec wc -l {} + | sort; find t -name f2 -delete -print; find t -type f -print0 | sort -z | xargs -0 -n1 basename; seq 6 | xargs -P2 -I{} sh -c 'echo {}' | sort` },
  { name: 'grep', does: 'basic, extended, fixed; counts, context, recursion', files: words, needs: [['grep', 'grep']], script: `
grep -c 'word[0-9]*7 ' words.txt; grep -En '(aa|bb+) *$' words.txt | head -3; grep -o 'word9[0-9]' words.txt | sort | uniq -c; grep -F -A1 -B1 'word500 ' words.txt; grep -rl word1 . ; grep -E '(.)\\1\\1' words.txt | wc -l; grep -i WORD words.txt | grep -vc word; grep nothing words.txt; echo $?` },
  { name: 'grep -P', does: 'PCRE2, whose compiler makes machine code', files: words, needs: [['grep', 'grep']], script: `
grep -Pc '^word(?=\\d{3} )(?:(?!5)\\d)+ ' words.txt; grep -Po 'word\\K\\d+(?= 1\\d )' words.txt | head -5; grep -P '(?<n>[a-h])\\k<n>{3}$' words.txt | tail -2; grep -Pi '^WORD1(?:00|23|77)\\b' words.txt` },
  { name: 'sed', does: 'substitution, hold space, addresses, -i', files: words, needs: [['sed', 'sed']], script: `
sed -n '1!G;h;$p' words.txt | head -3; sed -E 's/word([0-9]+) ([0-9]+)/\\2-\\1/;10q' words.txt | tail -2; sed -i.bak '/ 7 /d' words.txt; wc -l words.txt words.txt.bak; sed -n '/word9/{=;p}' words.txt | head -4; sed ':a;N;$!ba;s/\\n/,/g' words.txt | cut -c1-60; sed y/abc/xyz/ words.txt | tail -1` },
  { name: 'gawk', does: 'arrays of arrays, functions, formats, getline, strftime', files: words, needs: [['gawk', 'gawk']], script: `
gawk '{ s[$2] += length($1); n[$3][$2]++ } END { PROCINFO["sorted_in"] = "@ind_num_asc"; for (k in s) if (c++ < 4) print k, s[k]; print length(n) }' words.txt
gawk 'function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) } BEGIN { print f(14), sin(1), exp(1), 2 ** 53 + 1, strftime("%F %T", 86400, 1); "echo sub" | getline x; print x; print gensub(/(a)(b)/, "\\\\2\\\\1", "g", "abab"), toupper("x"), and(12, 10); printf "%5.3e %c %o\\n", 12345.678, 65, 8; printf "b\\na\\n" | "sort" }'` },
  { name: 'mawk', does: 'fields, arrays, formats', files: words, needs: [['mawk', 'mawk']], script: `
mawk '{ s += $2; if (length($3) > m) m = length($3) } END { print s, m, s / NR, NR }' words.txt; mawk -F'[ d]' 'NR % 100 == 0 { print $3, NF }' words.txt; mawk 'BEGIN { for (i = 0; i < 20000; i++) x = (x * 31 + i) % 65521; print x; print substr("hello", 2, 3), index("abc", "c"), sqrt(2) }'` },
  { name: 'tar, gzip', does: 'archive, list, extract, compare', files: words, needs: [['tar', 'tar'], ['gzip', 'gzip']], script: `
mkdir d; cp words.txt d/a; ln -s a d/b; tar --sort=name --owner=0 --group=0 --mtime=@0 -czf x.tgz d; tar -tzf x.tgz; gzip -l x.tgz | cut -c40-; mkdir e; tar -xzf x.tgz -C e; diff -r d e/d && echo same; sha256sum < x.tgz; gzip -9 -c words.txt | zcat | cmp - words.txt && echo ok` },
  { name: 'tar, xz', does: 'archive and extract', files: words, needs: [['tar', 'tar'], ['xz', 'xz-utils']], script: `
tar --owner=0 --group=0 --mtime=@0 -cJf x.txz words.txt; xz -t x.txz && tar -xJOf x.txz | cmp - words.txt && echo same; sha256sum < x.txz; xz --robot --list x.txz | head -2 | cut -f1-4` },
  { name: 'tar, zstd', does: 'archive and extract; two threads', files: words, needs: [['tar', 'tar'], ['zstd', 'zstd']], script: `
tar --owner=0 --group=0 --mtime=@0 --zstd -cf x.tzst words.txt; tar --zstd -xOf x.tzst | cmp - words.txt && echo same; zstd -q -T2 -12 words.txt -o w.zst; zstd -qdc w.zst | sha256sum; sha256sum < w.zst` },
  { name: 'bzip2', does: 'compress, test, expand', files: words, needs: [['bzip2', 'bzip2']], script: 'bzip2 -k words.txt; bzip2 -t words.txt.bz2 && bzcat words.txt.bz2 | cmp - words.txt && sha256sum < words.txt.bz2' },
  { name: 'diffutils, patch', does: 'diff -u, diff3, cmp; patch, and back', files: words, needs: [['diff', 'diffutils'], ['patch', 'patch']], script: `
sed 's/word968 /WORD /;20d;$a last' words.txt > new.txt; diff -U1 --label a --label b words.txt new.txt > p; cat p; patch -s words.txt < p; cmp words.txt new.txt && echo same; patch -R words.txt < p; diff -q words.txt new.txt; echo $?; diff -y -W 40 words.txt new.txt | tail -2; sdiff -s words.txt new.txt | wc -l` },
  { name: 'perl', does: 'regular expressions, fork, sockets, Storable, signals', files: { ...words, 's.pl': PERL }, needs: [['perl', 'perl']], script: 'perl s.pl' },
  { name: 'python3', does: 'threads, subprocess, fork, sqlite3, signals, timers', files: { 's.py': PYTHON }, needs: [['/usr/bin/python3', 'python3']], script: '/usr/bin/python3 s.py' },
  { name: 'python3: asyncio', does: 'TCP server and clients on loopback, subprocess, multiprocessing', needs: [['/usr/bin/python3', 'python3']], files: { 's.py': `
import asyncio, multiprocessing, http.server, threading, urllib.request
async def serve(reader, writer):
    writer.write((await reader.readline()).upper()); await writer.drain(); writer.close()
async def ask(port, text):
    reader, writer = await asyncio.open_connection('127.0.0.1', port); writer.write(text + b'\\n'); answer = await reader.read(); writer.close(); return answer
async def main():
    server = await asyncio.start_server(serve, '127.0.0.1', 0); port = server.sockets[0].getsockname()[1]
    print(await asyncio.gather(*(ask(port, b'client %d' % i) for i in range(5))))
    process = await asyncio.create_subprocess_exec('echo', 'sub', stdout=asyncio.subprocess.PIPE); print(await process.communicate())
def square(x): return x * x
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b'path ' + self.path.encode())
    def log_message(self, *_): pass
if __name__ == '__main__':
    asyncio.run(main())
    with multiprocessing.Pool(2) as pool: print(pool.map(square, range(8)))
    server = http.server.HTTPServer(('127.0.0.1', 0), Handler); threading.Thread(target=server.serve_forever, daemon=True).start()
    print(urllib.request.urlopen('http://127.0.0.1:%d/x' % server.server_port).read()); server.shutdown()
` }, script: '/usr/bin/python3 s.py' },
  { name: 'sqlite3', does: 'tables, index, transaction, window functions, WAL', needs: [['sqlite3', 'sqlite3']], files: { 's.sql': `
pragma journal_mode = wal; create table t (a integer primary key, b text, c real); create index i on t (b);
begin; with recursive n (x) as (select 1 union all select x + 1 from n where x < 500) insert into t select x, 'row ' || (x * 37 % 101), x / 7.0 from n; commit;
select count(*), min(b), round(sum(c), 6) from t; select b, count(*) from t group by b order by 2 desc, 1 limit 3; explain query plan select * from t where b = 'row 5';
select a, sum(a) over (order by a rows 2 preceding) from t limit 4; begin; delete from t; rollback; select count(*) from t; pragma integrity_check; select json_extract('{"a":[1,2]}', '$.a[1]'), date(0, 'unixepoch');
` }, script: 'sqlite3 test.db < s.sql; sqlite3 -csv test.db "select * from t where a < 3"' },
  { name: 'git', does: 'init, commit, log, diff, branch, merge, clone over file, gc, fsck', files: words, needs: [['git', 'git']], limit: 150, script: `
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@b GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' HOME=$PWD GIT_CONFIG_NOSYSTEM=1
git init -q -b main r && cd r && cp ../words.txt . && git add . && git commit -q -m first && sed -i 5d words.txt && git diff --stat && git commit -qam second && git log --oneline --stat
git checkout -q -b side HEAD~1 && echo new > n && git add n && git commit -qm side && git checkout -q main && git merge -q -m merge side && git log --graph --format='%h %s' && cd .. && git clone -q file://$PWD/r c && cd c && git log -1 --format=%H && git status -sb && git gc -q && git fsck && git count-objects -v | grep -E 'count|in-pack'` },
  { name: 'git: two hosts', does: 'git daemon on one host, on another clone, fetch and push over git:// (scenarios/git-clone.ts)', needs: [['git', 'git']], limit: 150, scenario: 'git-clone', script: `
${Object.entries(gitEnvironment).map(([name, value]) => `export ${name}=${value}`).join('; ')}; export HERE=$PWD; (${gitServer('$HERE/srv', '127.0.0.1')}) 2> log & until grep -q Ready log; do sleep 0.1; done; ${gitClient('127.0.0.1')}; kill $!` },
  { name: 'openssh: two hosts', does: 'sshd on one host, with its sandbox; from another ssh with a key, with and without a terminal, scp, sftp (scenarios/ssh.ts)', limit: 300, scenario: 'ssh',
    needs: [['/usr/sbin/sshd', 'openssh-server'], ['ssh', 'openssh-client'], ['/usr/lib/openssh/sftp-server', 'openssh-sftp-server']], files: { key: SSH_KEY, authorized: SSH_PUBLIC_KEY }, prepare: 'mkdir -p /run/sshd', script: `
(${sshServer('$PWD', '127.0.0.1', 2922)}) 2> log & until grep -q listening log; do sleep 0.1; done; ${sshClient('root', '127.0.0.1', 2922)}; kill $!` },
  { name: 'gcc', does: 'cc1, as, collect2 and ld in the guest, then the program', files: { 'hello.c': HELLO }, needs: [['gcc', 'gcc'], ['/usr/include/stdio.h', 'libc6-dev']], limit: 240, script: 'gcc -O1 -Wall -o hello hello.c -lm && ./hello; echo $?; gcc -c bad.c; echo $?; nm hello | grep -w main | cut -c18-; objdump -d hello | grep -c call' },
  { name: 'g++', does: 'cc1plus with the standard library: containers, threads, exceptions', needs: [['g++', 'g++']], limit: 300, files: { 'a.cc': `#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
int main() {
  std::map<std::string, int> n; for (auto w : {"a", "b", "a"}) n[w]++;
  std::vector<std::thread> threads; std::vector<long> sums(4);
  for (int t = 0; t < 4; t++) threads.emplace_back([&, t] { for (int i = 0; i < 1000; i++) sums[t] += i * t; });
  for (auto &t : threads) t.join();
  for (auto &[k, v] : n) std::cout << k << ' ' << v << '\\n';
  try { throw std::runtime_error("thrown"); } catch (std::exception &e) { std::cout << e.what() << ' ' << sums[3] << std::endl; }
}
` }, script: 'g++ -std=c++17 -O1 -o a a.cc -pthread && ./a; echo $?' },
  { name: 'make', does: 'make -j2 with a jobserver', files: { Makefile: MAKEFILE }, needs: [['make', 'make']], script: 'make -j2; make -j2; touch part3; make -n | wc -l; make nothing; echo $?' },
  { name: 'redis', does: 'server and clients on loopback: strings, lists, Lua, RDB, pub/sub', needs: [['redis-server', 'redis-server'], ['redis-cli', 'redis-tools']], limit: 150, script: `
redis-server --port 7377 --save '' --daemonize no --logfile log --dir . & c='redis-cli -p 7377'; until $c ping 2>/dev/null; do sleep 0.1; done
$c set a 1; $c incrby a 41; $c rpush l x y z; $c lrange l 0 -1; $c zadd z 2 b 1 a; $c zrange z 0 -1 withscores; $c eval 'return redis.call("get", KEYS[1]) * 2' 1 a; seq 50 | sed 's/.*/set k& &/' | $c | sort | uniq -c; $c dbsize; $c save; ls -l dump.rdb | cut -c1-10
$c bgsave; sleep 1; grep -c 'Background saving terminated with success' log; $c shutdown nosave; wait; echo "ended $?"` },
  { name: 'nginx, curl', does: 'a master and two workers; a file and a location over HTTP on loopback', files: { 'nginx.conf': NGINX, 'html/index.html': WORDS }, needs: [['/usr/sbin/nginx', 'nginx-light'], ['curl', 'curl']], limit: 150, script: `
/usr/sbin/nginx -p $PWD -c $PWD/nginx.conf & p=$!; u=http://127.0.0.1:8377; until curl -s $u/hi; do sleep 0.1; done
curl -s $u/index.html | sha256sum; curl -sI $u/hi | head -1; curl -s -r 0-9 $u/index.html; echo; curl -s -o /dev/null -w '%{http_code} %{size_download}\\n' $u/missing; kill -QUIT $p; wait $p; echo "ended $?"` },
  { name: 'PostgreSQL', does: 'initdb, then SQL to a single-user backend', needs: [['/usr/lib/postgresql/15/bin/initdb', 'postgresql-15']], unprivileged: true, limit: 300, files: { 's.sql': `create table t (a int primary key, b text);
insert into t select g, md5(g::text) from generate_series(1, 200) g;
select count(*), min(b), sum(a) from t where b like 'a%';
` }, script: 'export PATH=/usr/lib/postgresql/15/bin:$PATH; initdb -D pg -A trust --no-sync --no-locale -E UTF8 > log 2>&1; echo "initdb $?"; grep Success log; postgres --single -c log_checkpoints=off -D pg postgres < s.sql; echo "ended $?"; ls pg | sort | head -4' },
  { name: 'PostgreSQL: server', does: 'initdb, a server with its processes, psql over a Unix socket and TCP, pgbench with two clients', needs: [['/usr/lib/postgresql/15/bin/initdb', 'postgresql-15']], unprivileged: true, limit: 300, script: `
export PATH=/usr/lib/postgresql/15/bin:$PATH PGPORT=7432 PGDATABASE=postgres; initdb -D pg -A trust --no-sync --no-locale -E UTF8 > log 2>&1; pg_ctl -s -w -D pg -l log2 -o "-k $PWD -h 127.0.0.1" start; echo "started $?"
psql -h $PWD -Atc 'create table t (a int); insert into t select generate_series(1, 100); select sum(a) from t' ; psql -h 127.0.0.1 -Atc "select a from t where a % 40 = 0; explain (costs off) select * from t"
pgbench -h $PWD -iqn > log3 2>&1; echo $?; pgbench -h $PWD -n -c 2 -t 5 2>/dev/null | grep actually; psql -h $PWD -Atc 'select count(*) from pgbench_history'; pg_ctl -s -w -D pg -m fast stop; echo "stopped $?"` },
  { name: 'nodejs', does: 'V8 with its compilers, threads, libuv, child processes', files: { ...words, 's.js': NODE }, needs: [['/usr/bin/nodejs', 'nodejs']], limit: 240, script: '/usr/bin/nodejs s.js' },
  { name: 'esbuild', does: 'a Go program: bundles and minifies (from node_modules)', needs: [['gzip', 'gzip']], limit: 150, prepare: 'cp "$RETROGRADE"/node_modules/@esbuild/linux-x64/bin/esbuild .', files: {
    'a.ts': 'import { f, unused } from "./b"\nenum E { A = 1, B }\nconsole.log(f(E.B) ?? <any>`x${1}`)\n', 'b.ts': 'export const f = (n: number): number => n ** 2\nexport const unused = () => { throw new Error("x") }\n', 'bad.ts': 'let x = {\n',
  }, script: './esbuild --version; ./esbuild a.ts --bundle --minify --target=es2015; ./esbuild a.ts --bundle --sourcemap=inline --outfile=o.js --log-level=error && wc -c < o.js; ./esbuild bad.ts --color=false; echo $?' },
  { name: 'busybox', does: 'static: its shell and twenty applets', files: words, needs: [['busybox', 'busybox']], script: `
busybox sh -c 'for i in 1 2 3; do echo $i; done | busybox wc -l; busybox sort -n words.txt | busybox head -2; busybox awk "{ s += \\$2 } END { print s }" words.txt; busybox sed -n 3p words.txt; busybox gzip -k words.txt; busybox zcat words.txt.gz | busybox md5sum; busybox tar c words.txt | busybox tar t; busybox find . | busybox sort; busybox dc -e "2 3 + p"; busybox vi --help 2>&1 | busybox head -1; busybox seq 3 | busybox tac; busybox cal 1 2000'` },
  { name: 'ruby', does: 'threads, fork, pipes, regular expressions', files: words, needs: [['/usr/bin/ruby', 'ruby']], script: `ruby -e 'require "json"; require "digest"; puts File.readlines("words.txt").map(&:split).group_by { |a| a[2].size }.transform_values(&:size).sort.to_json
puts Digest::SHA256.hexdigest("abc"), 2**100, 1.fdiv(3), "aXb".gsub(/[A-Z]/) { |m| m.downcase * 2 }; q = Queue.new; 4.times.map { |i| Thread.new { 10.times { |j| q << i * 10 + j } } }.each(&:join); p q.size
r, w = IO.pipe; pid = fork { w.puts "child"; exit! 3 }; w.close; puts r.read; Process.wait pid; p $?.exitstatus; puts %x(echo sub); begin; Integer("x"); rescue => e; puts e.message; end; f = Fiber.new { Fiber.yield 1; 2 }; p f.resume, f.resume; trap("USR1") { puts "usr1" }; Process.kill("USR1", $$); sleep 0.1'` },
  { name: 'lua', does: 'tables, closures, coroutines, string patterns', files: words, needs: [['/usr/bin/lua', 'lua5.4']], script: `/usr/bin/lua -e 'local n = {}; for line in io.lines("words.txt") do local w = line:match("%a+$"); n[#w] = (n[#w] or 0) + 1 end; print(table.concat(n, ","))
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end); print(co(), co(), co()); local function f(n) if n < 2 then return n end return f(n - 1) + f(n - 2) end; print(f(18), 10 // 3, 2 ^ 0.5, 7 & 5, ("%5.2f"):format(math.pi)); print(pcall(error, "x")); print(io.popen("echo sub"):read("a"))'` },
  { name: 'tcl', does: 'lists, dicts, exec, events', needs: [['/usr/bin/tclsh', 'tcl']], files: { 's.tcl': `
set l {}; for {set i 0} {$i < 20} {incr i} { lappend l [expr {$i * 7 % 31}] }; puts [lsort -integer $l]; puts [dict get {a 1 b {c 2}} b c]; puts [exec echo sub | tr a-z A-Z]
proc fib n { expr {$n < 2 ? $n : [fib [expr {$n - 1}]] + [fib [expr {$n - 2}]]} }; puts [fib 14]; puts [regsub -all {(\\w)(\\d)} a1b2 {\\2\\1}]; puts [expr {2 ** 100}] 
set s [socket -server accept -myaddr 127.0.0.1 0]; proc accept {c a p} { puts $c "hello over TCP"; close $c; set ::got 1 }
set c [socket 127.0.0.1 [lindex [fconfigure $s -sockname] 2]]; vwait got; puts [gets $c]; after 50 {set done 1}; vwait done; puts [clock format 0 -gmt 1]; catch {error x} m; puts $m
` }, script: 'tclsh s.tcl' },
  { name: 'tmux', does: 'a server with a pseudo-terminal: new-session -d, send-keys, capture-pane', needs: [['tmux', 'tmux']], files: { 'start.sh': 'PS1="$ "; export PS1; exec /bin/sh\n' }, script: `
export TMUX_TMPDIR=$PWD TERM=screen LC_ALL=C.UTF-8; t='tmux -L t -f /dev/null'; $t new-session -d -s s -x 60 -y 12 'sh start.sh'; sleep 1; $t send-keys -t s 'echo one; seq 3 | tr "\\n" ,' Enter; sleep 1; $t send-keys -t s 'stty size; cat' Enter x Enter; sleep 1; $t send-keys -t s C-c; sleep 0.5; $t capture-pane -p -t s
$t split-window -t s 'sh start.sh'; sleep 0.5; $t list-panes -t s -F '#{pane_index} #{pane_width}x#{pane_height} #{pane_active}'; $t kill-server; echo "ended $?"` },
  { name: 'strace', does: 'strace -f in the guest: ptrace of a shell and its children', needs: [['strace', 'strace']], script: `strace -f -o out -e trace=write,exit_group,execve -e signal=none sh -c 'echo one; /bin/echo two; (exit 3); echo three'; sed 's/^[0-9]* *//; s/0x[0-9a-f]*/PTR/' out; strace -c -o sum /bin/true; tail -1 sum | tr -s ' ' | cut -d' ' -f6; strace -e trace=none -e signal=all sh -c 'kill -USR1 $$' 2>&1 | sed 's/si_pid=[0-9]*/si_pid=N/'; echo $?` },
  { name: 'gdb', does: 'gdb -batch in the guest: breakpoints, finish, a watchpoint by steps', files: { 'hello.c': HELLO }, prepare: 'gcc -g -O0 -o hello hello.c -lm', needs: [['gdb', 'gdb'], ['gcc', 'gcc']], limit: 240, script: `
gdb -nx -batch -ex 'set debuginfod enabled off' -ex 'set can-use-hw-watchpoints 0' -ex 'break square if x == 3' -ex run -ex bt -ex 'info args' -ex finish -ex 'watch sum' -ex continue -ex 'info locals' -ex 'set var sum = 100' -ex 'delete' -ex continue ./hello 2>&1 | sed 's/0x[0-9a-f]*/PTR/g; s/process [0-9]*/process N/g'` },
  { name: 'gdb: debug registers', does: 'hardware watchpoints for writing, reading and both, a hardware breakpoint', files: { 'hello.c': HELLO }, prepare: 'gcc -g -O0 -o hello hello.c -lm', needs: [['gdb', 'gdb'], ['gcc', 'gcc']], limit: 240, script: `
gdb -nx -batch -ex 'set debuginfod enabled off' -ex 'break main' -ex run -ex 'watch sum' -ex continue -ex 'hbreak square if x == 2' -ex 'delete 2' -ex continue -ex bt -ex 'rwatch x' -ex continue -ex continue -ex 'awatch text[1]' -ex continue -ex 'info breakpoints' -ex delete -ex 'thbreak puts' -ex continue -ex bt -ex kill ./hello 2>&1 | sed 's/0x[0-9a-f]*/PTR/g; s/process [0-9]*/process N/g'` },
  { name: 'openssl', does: 'digests, ciphers, keys, signatures, a certificate', files: words, needs: [['openssl', 'openssl']], limit: 150, script: `export OPENSSL_CONF=/dev/null; openssl version; for d in md5 sha256 sha3-256 blake2b512; do openssl dgst -$d words.txt; done
openssl enc -aes-256-cbc -pbkdf2 -S 0102030405060708 -k secret -in words.txt | openssl dgst -sha256; openssl enc -chacha20 -K $(printf %064d 1) -iv $(printf %032d 2) -in words.txt | openssl md5; openssl genpkey -algorithm ed25519 -out k; openssl pkey -in k -pubout -out p; openssl pkeyutl -sign -rawin -inkey k -in words.txt -out s; openssl pkeyutl -verify -rawin -pubin -inkey p -sigfile s -in words.txt
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ck -subj /CN=test -days 9 -out cert 2>/dev/null; openssl verify -CAfile cert cert; openssl x509 -in cert -noout -subject; openssl prime 1000003; openssl rand -hex 8 | wc -c` },
  { name: 'openssl: TLS', does: 'a server and curl on loopback: handshake, encrypted page', files: words, needs: [['openssl', 'openssl'], ['curl', 'curl']], limit: 150, script: `export OPENSSL_CONF=/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 9 -out cert 2>/dev/null; openssl s_server -accept 7443 -cert cert -key k -WWW -quiet > log 2>&1 & p=$!
until curl -s --cacert cert -o got https://localhost:7443/words.txt; do sleep 0.1; done; cmp got words.txt && echo same; curl -sv --cacert cert https://localhost:7443/words.txt 2>&1 >got | grep 'SSL connection'; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k2 -subj /CN=localhost -out other 2>/dev/null; curl -s --cacert other https://localhost:7443/; echo $?; kill $p; wait $p 2> wait; echo "ended $?"` },
  { name: 'bc, dc', does: 'numbers of any length', needs: [['bc', 'bc']], script: 'echo "scale=60; 4*a(1); e(1); 2^300; sqrt(2)" | bc -l; echo "define f(n) { if (n < 2) return 1; return n * f(n - 1); } f(50)" | bc' },
  { name: 'jq', does: 'filters over JSON', needs: [['jq', 'jq']], script: `echo '{"a":[3,1,2],"b":{"c":"x","d":null}}' | jq -c '.a |= sort, (.b | keys), [.a[] | . * 2.5], (.a | add), ([paths] | length), (.b.c | ascii_upcase | @base64)'; jq -n '[range(2000)] | map(select(. % 7 == 0)) | length'; echo '{' | jq .; echo $?` },
  { name: 'ed, m4', does: 'an editor script; macros', files: words, needs: [['ed', 'ed'], ['m4', 'm4']], script: `printf '%s\\n' '/word968 /s/word968/W/p' '1,3d' '$a' last . 'g/^word99/p' w q | ed -s words.txt; wc -l < words.txt; echo "define(f, <\\$1>)f(a) eval(6*7) len(hello) translit(abc, a-c, x-z)" | m4` },
  { name: 'vim', does: 'vim -es: substitutions, macros, writes', files: words, needs: [['vim', 'vim']], script: `vim -u NONE -i NONE -n -es -c '%s/word\\(\\d\\+\\)/<\\1>/' -c 'g/ 7 /d' -c 'normal ggddGp' -c 'sort n' -c 'wq! out.txt' words.txt; echo $?; wc -l out.txt; sed -n '1p;$p' out.txt` },
  { name: 'file', does: 'libmagic with its database', files: words, needs: [['file', 'file']], script: 'gzip -nk words.txt; file -b words.txt words.txt.gz /bin/true /dev/null . | cut -c1-60; file -bi words.txt' },
  { name: 'bison', does: 'a parser generated, its report', needs: [['bison', 'bison']], files: { 'g.y': '%token N\n%left \'+\'\n%left \'*\'\n%%\ne: e \'+\' e | e \'*\' e | N | \'(\' e \')\';\n' }, script: 'bison -v -o g.c g.y; grep -c state g.output; grep -c yy g.c; head -1 g.c | cut -c1-30' },
  { name: 'cmake', does: 'a script: cmake -P', needs: [['cmake', 'cmake']], files: { 's.cmake': 'foreach(i RANGE 5)\n math(EXPR x "${i} * ${i}")\n list(APPEND l ${x})\nendforeach()\nmessage(STATUS "${l}")\nfile(SHA256 s.cmake h)\nstring(REGEX REPLACE "[0-9]" "" n "${h}")\nmessage(STATUS "${n}")\nexecute_process(COMMAND echo sub OUTPUT_VARIABLE o)\nmessage(STATUS "${o}")\n' }, script: 'cmake -P s.cmake' },
  ...MORE_PROGRAMS,
]
