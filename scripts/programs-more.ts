/** More of what `npm run programs` runs: each program of coreutils, services, terminals, languages with compilers of their own, tools that look at programs. */
import type { ProgramCase } from './program-case.ts'

/** Python's own tests, as `ulimit -n` gives them no more descriptors than a world does; `more` are options of python's test runner. */
const pythonTests = (module: string, more = ''): ProgramCase => ({
  name: `python3: ${module}`, does: `Python's own tests of the module, each with its result (libpython3.11-testsuite)`, limit: 1500,
  needs: [['/usr/bin/python3', 'python3'], ['/usr/lib/python3.11/test/test_os.py', 'libpython3.11-testsuite']],
  script: `ulimit -n 1024; mkdir w; cd w; LANG=C.UTF-8 /usr/bin/python3 -m test -v ${module}${more} > ../log 2>&1 < /dev/null; echo $?; grep -oE '^[a-zA-Z_0-9]+ \\([a-zA-Z_0-9.]+\\)' ../log | sort; grep -oE '(FAIL|ERROR|skipped .*)$' ../log | sort; grep -E '^(Ran|OK|FAILED)' ../log | sed 's/ in .*//'`,
})

const SANITIZED = `#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static int shared;
static void *work(void *p) { for (int i = 0; i < 100; i++) shared++; return p; }
int main(int argc, char **argv) {
  char what = argc > 1 ? argv[1][0] : 'n';
  char *p = malloc(10);
  pthread_t threads[2];
  if (what == 'r') { for (int i = 0; i < 2; i++) pthread_create(threads + i, 0, work, 0); for (int i = 0; i < 2; i++) pthread_join(threads[i], 0); }
  if (what == 'h') p[10] = 1;
  if (what == 'o') { int x = 2147483647; x += argc; printf("%d\\n", x); }
  if (what == 'l') p = 0; else free(p);
  if (what == 'f') printf("%d\\n", p[0]);
  puts("end");
  return 0;
}
`

const WORKERS = `const { Worker, isMainThread, parentPort, workerData } = require('worker_threads')
if (isMainThread) {
  const shared = new Int32Array(new SharedArrayBuffer(8))
  const all = [1, 2, 3].map((n) => new Promise((done) => { new Worker(__filename, { workerData: { n, shared } }).on('message', done) }))
  Promise.all(all).then((sums) => console.log(sums, shared[0]))
  const http = require('http')
  const server = http.createServer((request, response) => response.end('hi ' + request.url)).listen(0, '127.0.0.1', () => {
    http.get({ port: server.address().port, host: '127.0.0.1', path: '/x' }, (response) => { response.on('data', (data) => console.log(String(data))); response.on('end', () => server.close()) })
  })
} else {
  let sum = 0
  for (let i = 0; i < 1e5 * workerData.n; i++) { sum = (sum * 31 + i) % 1000003; if (i % 1000 === 0) Atomics.add(workerData.shared, 0, 1) }
  parentPort.postMessage(sum)
}
`

const JAVA = `import java.util.*; import java.util.concurrent.*;
public class H {
  public static void main(String[] a) throws Exception {
    System.out.println("hello " + Arrays.toString(a)); ExecutorService e = Executors.newFixedThreadPool(3); List<Future<Integer>> l = new ArrayList<>();
    for (int i = 0; i < 5; i++) { int n = i; l.add(e.submit(() -> { int s = 0; for (int j = 0; j < 10000; j++) s = (s * 31 + j * n) % 1000003; return s; })); }
    for (var f : l) System.out.println(f.get()); e.shutdown();
    System.out.println(String.format("%.3f", Math.PI)); Process p = new ProcessBuilder("echo", "sub").start(); System.out.print(new String(p.getInputStream().readAllBytes()));
    try { Object o = null; o.hashCode(); } catch (NullPointerException x) { System.out.println("npe"); }
    var s = new java.net.ServerSocket(0, 1, java.net.InetAddress.getByName("127.0.0.1")); var c = new java.net.Socket("127.0.0.1", s.getLocalPort()); c.getOutputStream().write(65); System.out.println(s.accept().getInputStream().read());
  }
}
`

export const MORE_PROGRAMS: readonly ProgramCase[] = [
  { name: 'coreutils: each once', does: 'all that the rows above leave out, so that each of its 106 programs is run', needs: [['ptx', 'coreutils']], script: `
mkdir d; printf 'one two\\nthree\\tfour five six\\n' > f; chgrp 1 f; chown 2:3 f; stat -c '%u %g' f; chown --reference=d f; df --output=target f | head -1; df /nowhere; dir; vdir d; false; echo \$?; true; echo \$?; mknod p p; mknod n c 1 3; stat -c '%F %t %T' p n; cd d; /bin/pwd | grep -o 'd\$'; cd ..; stty size < /dev/null; sync f; echo \$?; uname -sm; arch
chcon -t x_t f; echo \$?; runcon x:x:x:x true; echo \$?; csplit -s -n1 f '/three/'; cat xx1; dircolors -c /dev/null | head -2; dirname /a/b/c d; basename /a/b.c .c; fmt -w 10 f; groups nobody; hostid | wc -c; logname; echo \$?; pathchk -p 'a b'; echo \$?; pinky -s 2>/dev/null | head -1 | cut -c1-5; pr -t -2 f; ptx -w 30 f | head -2; cp f s; shred -n 1 -z -u s; ls s; printf 'b c\\na b\\n' | tsort; unexpand -a -t 4 f | od -c | head -3; link f g; stat -c %h f; unlink g; users | wc -c; who | wc -l; whoami; chroot / /bin/echo inside; md5sum.textutils f; /usr/bin/[ 1 -lt 2 ]; echo \$?; /usr/bin/test -d d && /bin/echo -e 'a\\tb'; /usr/bin/printf '%q\\n' 'a b'; readlink -f d/..//f | grep -o '/f\$'; sha224sum f | cut -c1-8; sha384sum f | cut -c1-8; head -c 3 f; tail -c 4 f; nproc --all | wc -l; comm -3 f f; expand f | wc -c; nohup true < /dev/null 2>&1; stdbuf -o0 head -1 f; timeout 1 true; touch -r f t; rmdir d; chmod u=rw,go= t; stat -c %a t; sort -R --random-source=f f | wc -l; split -b 5 f sp.; cat sp.* | cmp - f; join f f | wc -l; pwd > /dev/null; kill -l 9; sleep 0; tee u < f | tac | rev | wc -c; yes y | head -2; id -un; id -Gn nobody; factor 97; expr length abc; truncate -s 3 u; cat u; mkfifo q; ls -F q; mktemp -u xXXX | wc -c; od -An -tx1 -N4 f; nl f | head -1; cut -c2-4 f; paste -s f | wc -l; tr -d e < f; wc f; env -i A=1 printenv A; date -u -d @0 +%F; du -b f; b2sum -l 64 f; base32 f | head -1; basenc --base16 f | head -1; cksum -a crc f; sum f; realpath --relative-base=. . ; ln -s f l; ls -l l | cut -c1; mv l m; rm m; install -d i/j; ls -d i/j; dd if=f bs=4 count=1 status=none; seq -s, 3; shuf -e -n1 x; numfmt 1000 --to=si; uniq -c f | head -1; tty; nice -n 5 true` },
  { name: 'redis-benchmark', does: '2,000 requests of six kinds from 10 connections; pipelines', needs: [['redis-server', 'redis-server'], ['redis-benchmark', 'redis-tools']], limit: 150, script: `
redis-server --port 7399 --save '' --daemonize no --logfile log --dir . & until redis-cli -p 7399 ping >/dev/null 2>&1; do sleep 0.1; done; redis-benchmark -p 7399 -q -n 2000 -c 10 -t set,get,incr,lpush,lrange_100,mset --csv 2>&1 | cut -d, -f1
redis-benchmark -p 7399 -q -n 1000 -P 16 -t ping | tr '\\r' '\\n' | grep -o '^PING[A-Z_]*' | sort -u; redis-cli -p 7399 llen mylist; redis-cli -p 7399 shutdown nosave; wait; echo $?` },
  { name: 'apt-get', does: 'update from a server that refuses: its failure path', needs: [['apt-get', 'apt']], script: `mkdir -p s/lists/partial c/archives/partial e/parts; echo 'deb [trusted=yes] http://127.0.0.1:9/debian bookworm main' > e/sources.list
apt-get -o Dir::State=$PWD/s -o Dir::Cache=$PWD/c -o Dir::Etc=$PWD/e -o Dir::Etc::Parts=$PWD/e/parts -o Dir::Etc::SourceParts=$PWD/e/parts -o APT::Sandbox::User=root update 2>&1 | grep -v apt.conf.d; apt-get -o Dir::State=$PWD/s -o Dir::Cache=$PWD/c -o Dir::Etc=$PWD/e -o Dir::State::status=/dev/null install nothing 2>&1 | tail -1; ls s/lists` },
  { name: 'script', does: 'a pseudo-terminal: stty, a shell that is typed to, exit status', needs: [['script', 'bsdutils']], script: `
script -qc 'tty >/dev/null && echo in a terminal; stty size; stty -a | head -1; echo x | cat' log; tail -n +2 log | head -3; script -q -e -c 'exit 4' /dev/null; echo $?; printf 'echo typed\\nexit\\n' | PS1= script -q -c sh out | tr -d '\\r'` },
  { name: 'expect', does: 'talks to a shell, to cat with a line editor, and to dash with job control', needs: [['expect', 'expect']], files: { 'e.exp': `
set timeout 20
spawn sh
expect "ready> "
send "echo hello; stty -a | head -1\\r"
expect -re "hello\\r\\n(.*)\\r\\n.*ready> "
send "read x; echo got \\$x\\r"; expect "x\\r\\n"; sleep 0.2; send "typed\\r"; expect "got typed"; expect "ready> "
send "cat\\r"; expect "cat\\r\\n"; sleep 0.2; send "abc\\177d\\r"; expect "abd\\r\\n"; send "\\003"; expect "ready> "
send "sleep 100\\r"; sleep 0.2; send "\\032"; expect "Stopped"; expect "ready> "; send "kill %1; fg\\r"; expect "ready> "
send "exit 5\\r"; expect eof; puts "status [lindex [wait] 3]"
` }, script: 'PS1="ready> " expect e.exp' },
  { name: 'tmux: attached', does: 'a client in a pseudo-terminal of expect: typed to, a window split by keys, detached', needs: [['tmux', 'tmux'], ['expect', 'expect']], limit: 150, files: { conf: 'set -g default-command "sh start.sh"\n', 'start.sh': 'PS1="$ "; export PS1; exec /bin/sh\n', 'e.exp': `
set timeout 20
set stty_init "rows 20 columns 70"
log_user 0
spawn tmux -L t -f conf new-session -s s "sh start.sh"
expect "$ "; send "echo in; echo two\\r"; expect "two"; sleep 0.5
send "\\002%"; sleep 1; send "stty size\\r"; expect "19 3"; sleep 0.5
send "\\002d"; expect "detached"; expect eof; puts "detached [lindex [wait] 3]"
` }, script: `
export TMUX_TMPDIR=$PWD TERM=screen LC_ALL=C.UTF-8; expect e.exp; for p in 0 1; do tmux -L t capture-pane -p -t s.$p | grep -v '^$'; done; tmux -L t list-panes -t s -F '#{pane_index} #{pane_width}x#{pane_height} #{pane_active}'; tmux -L t kill-server; echo "ended $?"` },
  { name: 'procps, lsof', does: 'ps, top -b, free, uptime, pmap, pgrep, pkill, lsof: what they say of processes of the script', needs: [['ps', 'procps'], ['lsof', 'lsof']], script: `
sleep 50 & p=$!; sleep 0.2; ps -o comm=,args= -p $p; ps -o ppid= -p $p | tr -d ' ' | grep -qx $$ && echo child; top -b -n1 -p $p | awk 'END { print $NF }'; top -b -n1 | sed -n '7p' | tr -s ' '; free | head -1; uptime | grep -c 'load average'; pmap $p | grep -c '/sleep'; pmap -x $p | sed -n 2p; pgrep -P $$ sleep | grep -cx $p; cat /proc/$p/comm
exec 3< words.txt; lsof -a -p $$ -d 3 -Fn | tail -1 | sed 's/.*\\///'; lsof -a -p $$ -d cwd,txt,3 | tr -s ' ' | cut -d' ' -f1,4,5; pkill -P $$ -x sleep; wait $p 2> err; echo $?; ps -p $p; echo $?; vmstat | sed -n 1p | tr -s -; pidof -x no-such; echo $?; grep -c . /proc/meminfo /proc/cpuinfo | cut -d: -f1`, files: { 'words.txt': 'a\n' } },
  { name: 'luajit', does: 'traces compiled to machine code, FFI', needs: [['luajit', 'luajit']], script: `luajit -e 'local s = 0; for i = 1, 3e6 do s = (s * 31 + i) % 1000003 end print(s); local ffi = require("ffi"); ffi.cdef[[int printf(const char *, ...); typedef struct { int x; double y; } point; int getpid(void);]]; local n = ffi.C.printf("%d %s\\n", ffi.new("int", 42), "x"); io.stdout:flush()
local a = ffi.new("point[1000]"); for r = 1, 100 do for i = 0, 999 do a[i].x = i; a[i].y = a[i].y + i * 0.5 end end; print(a[999].y, (jit.status())); local t = {}; for i = 1, 1e5 do t[i % 100 + 1] = tostring(i):rep(2) end; print(t[7], #t)'; luajit -joff -e 'print(("x"):rep(3), 2^53)'` },
  { name: 'nodejs: workers', does: 'worker_threads with shared memory, HTTP on loopback', needs: [['/usr/bin/nodejs', 'nodejs']], limit: 300, files: { 'w.js': WORKERS }, script: '/usr/bin/nodejs w.js' },
  { name: 'gcc -fsanitize', does: 'address, leak, undefined, thread: clean runs, and what each finds', needs: [['gcc', 'gcc'], ['/usr/lib/gcc/x86_64-linux-gnu/12/libasan.so', 'libgcc-12-dev']], limit: 300, files: { 'a.c': SANITIZED }, prepare: 'for s in address leak undefined thread; do gcc -g -O0 -fsanitize=$s -o $s a.c -pthread; done', script: `
./address; ./address h 2>&1 | grep -v '==\\|0x'; ./address f 2>&1 | grep SUMMARY; ./leak; ./leak l 2>&1 | grep SUMMARY; ./undefined o; ./thread; ./thread r 2>&1 | grep -c 'data race'` },
  { name: 'valgrind', does: 'memcheck and helgrind, which translate the program themselves', needs: [['valgrind', 'valgrind'], ['gcc', 'gcc']], limit: 600, files: { 'a.c': SANITIZED }, prepare: 'gcc -g -O0 -o plain a.c -pthread', script: `
valgrind -q ./plain; valgrind -q ./plain h 2>&1 | grep -o 'Invalid.*'; valgrind ./plain l 2>&1 | grep -o 'definitely.*'; valgrind -q --tool=helgrind ./plain r 2>&1 | grep -c 'Possible data race'` },
  { name: 'rsync', does: 'a tree, what changed, and from a daemon on loopback', needs: [['rsync', 'rsync']], script: `mkdir a b; seq 1000 > a/x; ln -s x a/l; rsync -a a/ b/; echo y >> a/x; rsync -ai a/ b/; diff -r a b && echo same; printf 'port = 8730\\nuse chroot = no\\n[m]\\npath = %s\\n' $PWD > rs.conf; rsync --daemon --no-detach --config=rs.conf & until rsync -q rsync://127.0.0.1:8730/ 2> /dev/null; do sleep 0.1; done; rsync rsync://127.0.0.1:8730/m/a/x g; cmp a/x g && echo same; rsync -n --list-only rsync://127.0.0.1:8730/m/ | wc -l; kill $!; wait $! 2> err; echo "ended $?"` },
  { name: 'php', does: 'JSON, regular expressions, processes; its web server and curl', needs: [['php', 'php-cli'], ['curl', 'curl']], limit: 150, files: { 'a.php': '<?php echo json_encode([1, ["a" => 2.5]]), "\\n"; foreach (range(1, 3) as $i) echo $i ** 2, " "; echo hash("sha256", "abc"), preg_replace("/(a+)b/", "<$1>", "aab ab"), "\\n"; $p = proc_open(["echo", "sub"], [1 => ["pipe", "w"]], $pipes); echo stream_get_contents($pipes[1]); print_r(unserialize(serialize([1, 2]))); function g() { for ($i = 0; $i < 3; $i++) yield $i; } echo array_sum(iterator_to_array(g())), "\\n"; $s = 0; for ($i = 0; $i < 200000; $i++) $s = ($s * 31 + $i) % 1000003; echo $s, "\\n";' },
    script: 'php -n a.php; php -n -S 127.0.0.1:8899 -t . > log 2>&1 & until curl -s -o got http://127.0.0.1:8899/a.php; do sleep 0.1; done; sha256sum < got; kill $!; wait $! 2> err; echo "ended $?"' },
  { name: 'java', does: 'OpenJDK 17: threads, sockets, processes, exceptions', needs: [['java', 'openjdk-17-jre-headless'], ['javac', 'openjdk-17-jdk-headless']], limit: 300, files: { 'H.java': JAVA }, prepare: 'javac H.java', script: 'java -version 2>&1 | head -1; java -cp . H a b' },
  { name: 'memcached', does: 'threads and epoll on loopback, spoken to by nc', needs: [['memcached', 'memcached'], ['nc', 'netcat-openbsd']], script: `memcached -u nobody -p 11911 -U 0 -l 127.0.0.1 & p=$!; until nc -z 127.0.0.1 11911; do sleep 0.1; done; printf 'set a 0 0 1\\r\\n5\\r\\nget a\\r\\nincr a 37\\r\\ndelete a\\r\\nget a\\r\\nquit\\r\\n' | nc 127.0.0.1 11911; kill $p; wait $p; echo "ended $?"` },
  { name: 'MariaDB', does: 'install-db, a server, SQL over a Unix socket and TCP', needs: [['/usr/sbin/mariadbd', 'mariadb-server'], ['mariadb', 'mariadb-client']], limit: 300, script: `
mkdir d; mariadb-install-db --no-defaults --user=root --datadir=$PWD/d --auth-root-authentication-method=normal --skip-test-db > log 2>&1; echo $?; /usr/sbin/mariadbd --no-defaults --user=root --datadir=$PWD/d --socket=$PWD/s --port=3399 --bind-address=127.0.0.1 --innodb-buffer-pool-size=16M --pid-file=$PWD/pid > log2 2>&1 & until mariadb-admin -S s ping > /dev/null 2>&1; do sleep 0.2; done
mariadb -S s -e 'create database t; use t; create table a (i int primary key, s varchar(20)) engine=innodb; insert into a values (1, "one"), (2, "two"); start transaction; update a set s="x" where i=1; rollback; select * from a'; mariadb -h 127.0.0.1 -P 3399 -e 'select sum(i) from t.a'; mariadb-admin -S s shutdown; wait; echo $?; grep -c 'Shutdown complete' log2` },
  { name: 'sbcl, guile, ocaml', does: 'Lisp, Scheme and ML, each with a compiler of its own', needs: [['sbcl', 'sbcl'], ['guile', 'guile-3.0'], ['ocaml', 'ocaml-nox']], limit: 150, files: { 'a.ml': 'let rec f n = if n < 2 then n else f (n - 1) + f (n - 2);; Printf.printf "%d\\n" (f 20);;\n' }, script: `
sbcl --noinform --non-interactive --eval '(progn (defun fib (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))) (print (fib 22)) (print (expt 2 100)) (terpri))'; guile --no-auto-compile -c '(define (f n) (if (< n 2) n (+ (f (- n 1)) (f (- n 2))))) (display (f 20)) (newline) (display (expt 3 50)) (newline)'; ocaml a.ml` },
  { name: 'zsh, fish, ksh, tcsh', does: 'four more shells', needs: [['zsh', 'zsh'], ['fish', 'fish'], ['ksh', 'ksh'], ['tcsh', 'tcsh']], files: { a: '1\n' }, script: `
zsh -c 'typeset -A a; a=(x 1 y 2); print -l \${(k)a} | sort; print **/*(N); print \${$(seq 5)[2,3]}; coproc cat; print -p hi; read -p l; print $l'; HOME=$PWD fish -c 'for i in (seq 3); echo $i; end; string replace a b abc; math 2 + 3; set -l x a b c; echo $x[2]; count $x'; ksh -c 'typeset -i i=0; while ((i < 3)); do print $i; ((i++)); done; print \${.sh.version%% *}'; tcsh -fc 'set a = (1 2 3); echo $a[2]; foreach i ($a); echo -n $i; end'` },
  { name: 'util-linux', does: 'flock, getopt, hexdump, setsid, chrt, taskset, prlimit, unshare, fallocate, mount, losetup', needs: [['flock', 'util-linux'], ['hexdump', 'bsdextrautils']], script: `
flock -n . echo locked; getopt -o a: -- -a x y; hexdump -C /bin/true | head -2; printf 'a b\\nccc d\\n' | column -t; setsid -w echo session; ionice -c3 echo io; chrt -o -p $$ | cut -d: -f2; taskset -c 0 nproc; prlimit --nofile=64 sh -c 'ulimit -n'; unshare -Ur id -u; fallocate -l 1000 x; stat -c %s x; namei -m /bin/true | tail -1; renice -n 5 $$ | cut -d, -f2; mcookie | wc -c; ipcmk -Q | cut -d: -f1; logger -s --no-act x 2>&1 | grep -c x; uuidgen -s -n @dns -N example.org; colrm 2 3 < x | wc -c; rev << E
abc
E` },
  pythonTests('test_os'),
  pythonTests('test_socket', ` -i '*VSOCK*' -i '*UDPLITE*' -i '*6Test.*' -i '*dual*' -i '*idna*' -i '*tcp6' -i '*ipv6*' -i '*flowinfo*'`),
  pythonTests('test_threading'),
  pythonTests('test_subprocess'),
  pythonTests('test_select'),
  pythonTests('test_signal'),
]
