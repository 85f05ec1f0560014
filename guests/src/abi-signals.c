/* Signals: what handlers see, masks, restarts, stacks, queueing. Prints only what is the same on every Linux. */
#define _GNU_SOURCE
#include <errno.h>
#include <fenv.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define FAILS(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s = %ld, errno %d\n", #__VA_ARGS__, r_, errno); } while (0)

static volatile sig_atomic_t count, last, code;
static volatile void *address;
static void note(int s, siginfo_t *i, void *c) { (void)c; count++; last = s; code = i->si_code; address = i->si_addr; }
static void on(int s, int flags) {
  struct sigaction a; memset(&a, 0, sizeof a); a.sa_sigaction = note; a.sa_flags = SA_SIGINFO | flags; sigaction(s, &a, 0);
}

static void basics(void) {
  on(SIGUSR1, 0);
  raise(SIGUSR1);
  printf("raise: count %d last %d code %d\n", count, last, code);
  kill(getpid(), SIGUSR1);
  printf("kill: count %d code %d\n", count, code);
  sigset_t set, old, pend; sigemptyset(&set); sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, &old);
  raise(SIGUSR1); raise(SIGUSR1);
  sigpending(&pend);
  printf("blocked: count %d pending %d\n", count, sigismember(&pend, SIGUSR1));
  sigprocmask(SIG_SETMASK, &old, 0);
  printf("unblocked: count %d\n", count);
  FAILS(kill(getpid(), 65));
  FAILS(kill(99999, 0));
  printf("probe self: %d\n", kill(getpid(), 0));
  struct sigaction a; sigaction(SIGUSR1, 0, &a);
  printf("flags %x mask empty %d\n", a.sa_flags & ~0x04000000, sigismember(&a.sa_mask, SIGUSR1));
  FAILS(sigaction(SIGKILL, &a, 0));
  on(SIGUSR2, SA_RESETHAND);
  raise(SIGUSR2); sigaction(SIGUSR2, 0, &a);
  printf("reset: last %d default %d\n", last, a.sa_handler == SIG_DFL);
}

static volatile int depth;
static void nest(int s) { if (++depth < 3) raise(s); depth += 10; }
static void nesting(void) {
  struct sigaction a; memset(&a, 0, sizeof a); a.sa_handler = nest;
  sigaction(SIGUSR1, &a, 0); depth = 0; raise(SIGUSR1); printf("deferred: %d\n", depth);
  a.sa_flags = SA_NODEFER; sigaction(SIGUSR1, &a, 0); depth = 0; raise(SIGUSR1); printf("nodefer: %d\n", depth);
}

static char queued[200];
static void rt(int s, siginfo_t *i, void *c) { (void)c; sprintf(queued + strlen(queued), "%d:%d/%d ", s - SIGRTMIN, i->si_value.sival_int, i->si_code); }
static void queueing(void) {
  struct sigaction a; memset(&a, 0, sizeof a); a.sa_sigaction = rt; a.sa_flags = SA_SIGINFO; sigfillset(&a.sa_mask);
  for (int s = SIGRTMIN; s < SIGRTMIN + 3; s++) sigaction(s, &a, 0);
  sigset_t all, old; sigfillset(&all); sigprocmask(SIG_SETMASK, &all, &old);
  for (int i = 0; i < 3; i++) { union sigval v; v.sival_int = i; sigqueue(getpid(), SIGRTMIN + 2 - i, v); sigqueue(getpid(), SIGRTMIN, v); }
  sigprocmask(SIG_SETMASK, &old, 0);
  printf("queue: %s\n", queued);
}

static void timed(void) {
  sigset_t set; sigemptyset(&set); sigaddset(&set, SIGUSR1); sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, 0);
  struct timespec zero = {0, 0}, soon = {0, 1000000}; siginfo_t info;
  FAILS(sigtimedwait(&set, &info, &zero));
  FAILS(sigtimedwait(&set, &info, &soon));
  union sigval v; v.sival_int = 42; sigqueue(getpid(), SIGUSR1, v);
  int s = sigtimedwait(&set, &info, &zero);
  printf("timedwait: %d code %d value %d\n", s, info.si_code, info.si_value.sival_int);
  pid_t child = fork();
  if (child == 0) _exit(5);
  s = sigwaitinfo(&set, &info);
  printf("child: %d code %d status %d mine %d\n", s, info.si_code, info.si_status, info.si_pid == child);
  waitpid(child, 0, 0);
  sigprocmask(SIG_UNBLOCK, &set, 0);
}

static void interrupted(void) {
  int p[2]; char c; if (pipe(p)) return;
  for (int restart = 0; restart < 2; restart++) {
    on(SIGALRM, restart ? SA_RESTART : 0);
    pid_t parent = getpid(), child = fork();
    if (child == 0) { usleep(20000); kill(parent, SIGALRM); usleep(20000); _exit(write(p[1], "x", 1) != 1); }
    count = 0;
    ssize_t n = read(p[0], &c, 1);
    printf("read with restart %d: %zd %s count %d\n", restart, n, n < 0 ? strerror(errno) : "ok", count);
    if (n < 0) n = read(p[0], &c, 1);
    waitpid(child, 0, 0);
  }
  on(SIGALRM, SA_RESTART);
  struct itimerval t = {{0, 0}, {0, 10000}}; setitimer(ITIMER_REAL, &t, 0);
  struct timespec r = {1, 0}, left = {9, 9};
  int n = nanosleep(&r, &left);
  printf("nanosleep: %d %s left %d\n", n, n ? strerror(errno) : "", left.tv_sec == 0 && left.tv_nsec > 900000000);
  setitimer(ITIMER_REAL, &t, 0);
  n = pause(); printf("pause: %d %d\n", n, errno);
  sigset_t none; sigemptyset(&none);
  setitimer(ITIMER_REAL, &t, 0);
  n = sigsuspend(&none); printf("sigsuspend: %d %d\n", n, errno);
}

static char stack[65536] __attribute__((aligned(16)));
static volatile int inside;
static void where(int s) { (void)s; char here; stack_t now; sigaltstack(0, &now); inside = (&here > stack && &here < stack + sizeof stack) * 10 + now.ss_flags; }
static void altstack(void) {
  stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack, .ss_flags = 0}, old;
  FAILS(sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = 100}, 0));
  sigaltstack(&ss, &old); printf("old flags %d\n", old.ss_flags);
  struct sigaction a; memset(&a, 0, sizeof a); a.sa_handler = where; a.sa_flags = SA_ONSTACK; sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1); printf("on stack: %d\n", inside);
  a.sa_flags = 0; sigaction(SIGUSR1, &a, 0); raise(SIGUSR1); printf("not on stack: %d\n", inside);
  ss.ss_flags = 1u << 31; sigaltstack(&ss, 0); a.sa_flags = SA_ONSTACK; sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1); printf("autodisarm: %d\n", inside);
  sigaltstack(0, &old); printf("armed again %d\n", old.ss_flags == (int)(1u << 31));
  ss.ss_flags = SS_DISABLE; sigaltstack(&ss, 0);
}

static sigjmp_buf env;
static volatile uint64_t trap, error, cr2;
static void fault(int s, siginfo_t *i, void *c) {
  ucontext_t *u = c; last = s; code = i->si_code; address = i->si_addr;
  trap = u->uc_mcontext.gregs[REG_TRAPNO]; error = u->uc_mcontext.gregs[REG_ERR]; cr2 = u->uc_mcontext.gregs[REG_CR2];
  siglongjmp(env, 1);
}
#define FAULT(name, ...) do { if (sigsetjmp(env, 1) == 0) { __VA_ARGS__; printf("%s: no fault\n", name); } else \
  printf("%s: signal %d code %d trap %d error %d\n", name, last, code, (int)trap, (int)error); } while (0)
static void faults(void) {
  struct sigaction a; memset(&a, 0, sizeof a); a.sa_sigaction = fault; a.sa_flags = SA_SIGINFO;
  int list[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (unsigned i = 0; i < 5; i++) sigaction(list[i], &a, 0);
  volatile int zero = 0;
  FAULT("null read", *(volatile int *)16); printf("address %p cr2 %lx\n", address, (long)cr2);
  FAULT("null write", *(volatile int *)24 = 1);
  FAULT("read-only", *(volatile char *)"x" = 1);
  FAULT("jump", ((void (*)(void))0x1000)());
  FAULT("non-canonical", *(volatile int *)0x8000000000000000);
  FAULT("kernel half", *(volatile int *)0xffffffff81000000);
  FAULT("divide", { int q; __asm__ volatile("idivl %2" : "=a"(q) : "a"(1), "r"(zero), "d"(0)); (void)q; });
  FAULT("overflow", { int q; __asm__ volatile("idivl %2" : "=a"(q) : "a"(0), "r"(1), "d"(5)); (void)q; });
  FAULT("ud2", __asm__ volatile("ud2"));
  FAULT("int3", __asm__ volatile("int3"));
  FAULT("hlt", __asm__ volatile("hlt"));
  FAULT("int 0x81", __asm__ volatile("int $0x81"));
  FAULT("sse", { unsigned m = 0x1f80 & ~0x200u, old; double one = 1, nil = 0; __asm__ volatile("stmxcsr %0" : "=m"(old));
    __asm__ volatile("ldmxcsr %0" :: "m"(m)); __asm__ volatile("divsd %1, %0" : "+x"(one) : "x"(nil)); });
  FAULT("trap flag", __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orl $0x100, (%%rsp); popfq; nop" ::: "memory", "cc"));
}

static volatile double keep = 1.5;
static void clobber(int s) {
  (void)s; unsigned m; unsigned short cw; __asm__ volatile("stmxcsr %0" : "=m"(m)); __asm__ volatile("fnstcw %0" : "=m"(cw));
  printf("handler mxcsr %x cw %x\n", m, cw);
  __asm__ volatile("pxor %%xmm5, %%xmm5; fninit; cld" ::: "xmm5");
}
static void state(void) {
  struct sigaction a; memset(&a, 0, sizeof a); a.sa_handler = clobber; sigaction(SIGUSR1, &a, 0);
  unsigned m = 0x3f80, after; unsigned short cw = 0x27f, cwa; double out, top; long r12 = 0x123456789abcdef, got, flags;
  __asm__ volatile("ldmxcsr %0; fldcw %1" :: "m"(m), "m"(cw));
  __asm__ volatile(
    "movsd %6, %%xmm5\n fldl %6\n mov %5, %%r12\n std\n stc\n"
    "mov $39, %%eax\n syscall\n mov %%eax, %%edi\n mov $10, %%esi\n mov $62, %%eax\n syscall\n"
    "lea -128(%%rsp), %%rsp\n pushfq\n pop %4\n lea 128(%%rsp), %%rsp\n cld\n movsd %%xmm5, %0\n fstpl %1\n fnstcw %2\n mov %%r12, %3\n"
    : "=m"(out), "=m"(top), "=m"(cwa), "=&r"(got), "=&r"(flags) : "r"(r12), "m"(keep) : "rax", "rcx", "r11", "rdi", "rsi", "r12", "xmm5", "memory", "cc");
  __asm__ volatile("stmxcsr %0" : "=m"(after));
  printf("kept: %g %g cw %x r12 %lx df %ld cf %ld mxcsr %x\n", out, top, cwa, got, flags >> 10 & 1, flags & 1, after & 0xffc0);
  m = 0x1f80; cw = 0x37f; __asm__ volatile("ldmxcsr %0; fldcw %1" :: "m"(m), "m"(cw));
}

static void change(int s, siginfo_t *i, void *c) { (void)s; (void)i; ucontext_t *u = c; u->uc_mcontext.gregs[REG_RIP] += 2; u->uc_mcontext.gregs[REG_RBX] = 77; sigaddset(&u->uc_sigmask, SIGUSR2); }
static void modify(void) {
  struct sigaction a; memset(&a, 0, sizeof a); a.sa_sigaction = change; a.sa_flags = SA_SIGINFO; sigaction(SIGILL, &a, 0);
  long rbx; __asm__ volatile("xor %%ebx, %%ebx; ud2; mov %%rbx, %0" : "=r"(rbx) :: "rbx");
  sigset_t now; sigprocmask(SIG_BLOCK, 0, &now);
  printf("changed: rbx %ld usr2 blocked %d\n", rbx, sigismember(&now, SIGUSR2));
}

static void deaths(void) {
  fflush(stdout);
  int list[] = {SIGTERM, SIGKILL, SIGSEGV, SIGRTMIN, SIGUSR1, SIGPIPE, SIGALRM};
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
    pid_t child = fork(); int st;
    if (child == 0) { signal(list[i], SIG_DFL); sigset_t none; sigemptyset(&none); sigprocmask(SIG_SETMASK, &none, 0); kill(getpid(), list[i]); _exit(0); }
    waitpid(child, &st, 0);
    printf("death by %s: signaled %d with %d\n", strsignal(list[i]), WIFSIGNALED(st), WIFSIGNALED(st) ? WTERMSIG(st) == list[i] : -1);
  }
  fflush(stdout);
  pid_t child = fork(); int st;
  if (child == 0) { signal(SIGSEGV, SIG_IGN); *(volatile int *)8 = 1; _exit(0); }
  waitpid(child, &st, 0); printf("ignored fault: %d\n", WTERMSIG(st));
  fflush(stdout);
  child = fork();
  if (child == 0) { for (;;) pause(); }
  usleep(1000); kill(child, SIGSTOP); waitpid(child, &st, WUNTRACED); printf("stopped %d %d\n", WIFSTOPPED(st), WSTOPSIG(st));
  kill(child, SIGCONT); waitpid(child, &st, WCONTINUED); printf("continued %d\n", WIFCONTINUED(st));
  kill(child, SIGSTOP); waitpid(child, &st, WUNTRACED); kill(child, SIGKILL); waitpid(child, &st, 0); printf("killed %d\n", WTERMSIG(st));
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  basics(); nesting(); queueing(); timed(); interrupted(); altstack(); faults(); state(); modify(); deaths();
  return 0;
}
