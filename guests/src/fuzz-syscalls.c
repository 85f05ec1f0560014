/*
 * Random system calls with wild and plausible arguments. Not to be run natively: it kills, unlinks and remounts.
 * Arguments: seed, processes, calls per process. The kernel must survive whatever it does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t state;
static pid_t me;
static uint64_t draw(void) { state ^= state << 13; state ^= state >> 7; state ^= state << 17; return state; }
static uint64_t below(uint64_t n) { return draw() % n; }

static char *memory; /* a few pages, then a hole, then a read-only page */
static const char *const paths[] = {"/tmp/f/a", "/tmp/f/b", "/tmp/f/d", "/tmp/f/d/e", "/tmp/f/l", "/proc/self/status", "/dev/null", "/dev/zero", "/tmp/f/p",
  "/proc/self/fd/3", "/dev/tty", "/proc/self/maps", "..", "", "/", "/tmp/f/a/b", "/dev/ptmx", "/proc/self", "/etc/passwd", "/tmp/f/s", "/bin/busybox", "/dev/urandom"};

static uint64_t pointer(void) {
  switch (below(12)) {
    case 0: return 0;
    case 1: return draw();
    case 2: return draw() & 0x7fffffffffff;
    case 3: return (uintptr_t)memory + 4 * 4096 - below(64);
    case 4: return (uintptr_t)memory + 8 * 4096 + below(4096);
    case 5: return 0xffffffffffffffff - below(4096);
    default: return (uintptr_t)memory + below(4 * 4096 - 512) / 8 * 8;
  }
}
static uint64_t number(void) {
  switch (below(10)) {
    case 0: return draw();
    case 1: return 1ull << below(64);
    case 2: return -(uint64_t)below(200);
    case 3: return (1ull << below(40)) - 1;
    case 4: return below(1 << 20);
    default: return below(20);
  }
}
static uint64_t argument(void) {
  switch (below(8)) {
    case 0: case 1: return pointer();
    case 2: return (uintptr_t)paths[below(sizeof paths / sizeof *paths)];
    case 3: return below(24);
    case 4: return me + below(5) - 2;
    default: return number();
  }
}
static void scribble(void) {
  for (int i = 0; i < 64; i++) { uint64_t v = below(3) ? number() : pointer(); memcpy(memory + below(4 * 4096 - 8) / 8 * 8, &v, 8); }
  /* Addresses that lead somewhere. */
  for (int i = 0; i < 32; i++) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(7000 + below(4)), .sin_addr = {htonl(below(4) ? 0x7f000001 : 0)}};
    memcpy(memory + below(4 * 4096 - 16) / 8 * 8, &in, sizeof in);
  }
}

/* Calls that end the run too soon, or need what the world does not have. */
static int skip(long n) {
  return n == SYS_exit || n == SYS_exit_group || n == SYS_rt_sigreturn || n == SYS_vfork || n == SYS_reboot;
}

/* Calls that would take away the ground: they get addresses of the scratch memory only. */
static int changes_memory(long n) {
  return n == SYS_munmap || n == SYS_mprotect || n == SYS_mremap || n == SYS_madvise || n == SYS_remap_file_pages || n == SYS_pkey_mprotect ||
    n == SYS_shmat || n == SYS_mmap || n == SYS_process_vm_writev || n == SYS_brk || n == SYS_arch_prctl || n == SYS_shmdt || n == 440;
}
static void nothing(int s) { (void)s; }
static void make_memory(void) {
  memory = mmap(memory, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (memory ? MAP_FIXED : 0), -1, 0);
  mmap(memory + 4 * 4096, 4 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  mmap(memory + 8 * 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}
/* What interrupts calls that block. */
static void revive(void) {
  struct sigaction a; memset(&a, 0, sizeof a); a.sa_handler = nothing;
  for (int s = 1; s < 32; s++) if (s != SIGSEGV && s != SIGBUS && s != SIGILL && s != SIGFPE && s != SIGTRAP && s != SIGCHLD) sigaction(s, &a, 0);
  sigset_t none; sigemptyset(&none); sigprocmask(SIG_SETMASK, &none, 0);
  struct itimerval t = {{0, 500}, {0, 500}};
  setitimer(ITIMER_REAL, &t, 0);
}
static void child(int calls) {
  me = getpid();
  revive();
  make_memory();
  int p[2];
  if (pipe(p)) _exit(1);
  open("/tmp/f/a", O_RDWR | O_CREAT, 0666); open("/tmp/f", O_RDONLY); open("/dev/ptmx", O_RDWR | O_NOCTTY);
  epoll_create1(0); eventfd(1, 0); socket(AF_UNIX, SOCK_STREAM, 0); socket(AF_INET, SOCK_STREAM, 0); socket(AF_INET, SOCK_DGRAM, 0);
  int l = socket(AF_INET, SOCK_STREAM, 0); struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(7000)}; bind(l, (void *)&in, sizeof in); listen(l, 1);
  socketpair(AF_UNIX, SOCK_DGRAM, 0, p); open("/proc/self/status", O_RDONLY);
  syscall(SYS_timerfd_create, 1, 0); syscall(SYS_inotify_init1, 0); syscall(SYS_memfd_create, "m", 2); syscall(434, getpid(), 0);
  for (int i = 0; i < calls; i++) {
    long n = below(6) == 0 ? 41 + below(15) : below(16) ? below(336) : 424 + below(38);
    if (skip(n)) continue;
    if (below(3) == 0) scribble();
    if ((n == SYS_kill || n == SYS_execve || n == SYS_execveat || n == SYS_tkill || n == SYS_tgkill) && below(20)) continue;
    uint64_t first = argument();
    if (changes_memory(n)) { make_memory(); first = (uintptr_t)memory + below(9) * 4096; }
    if ((n == SYS_prctl && first == 36) || n == SYS_arch_prctl || n == 334) continue;
    if (n == SYS_rt_sigaction || n == SYS_rt_sigprocmask || n == SYS_setitimer || n == SYS_alarm || i % 16 == 0) revive();
    long r = syscall(n, first, argument(), argument(), argument(), argument(), argument());
    if (changes_memory(n)) make_memory();
    if ((n == SYS_fork || n == SYS_clone || n == SYS_clone3) && r == 0) _exit(0);
  }
  _exit(0);
}

int main(int argc, char **argv) {
  uint64_t seed = argc > 1 ? strtoull(argv[1], 0, 0) : 1;
  int processes = argc > 2 ? atoi(argv[2]) : 8, calls = argc > 3 ? atoi(argv[3]) : 500;
  struct utsname u;
  if (uname(&u) || strcmp(u.nodename, "guest")) { fputs("fuzz-syscalls: only in a guest\n", stderr); return 1; }
  syscall(SYS_mkdir, "/tmp/f", 0777); syscall(SYS_mkdir, "/tmp/f/d", 0777); symlink("d", "/tmp/f/l"); mknod("/tmp/f/p", S_IFIFO | 0666, 0);
  signal(SIGTERM, SIG_IGN);
  for (int i = 0; i < processes; i++) {
    pid_t pid = fork();
    if (pid == 0) { setsid(); state = (seed * 1000003 + i) * 0x9e3779b97f4a7c15 + 1; child(calls); }
    for (int ms = 0; waitpid(pid, 0, WNOHANG) == 0; ms++) { usleep(10000); if (ms > 400) kill(pid, SIGKILL); }
  }
  puts("survived");
  return 0;
}
