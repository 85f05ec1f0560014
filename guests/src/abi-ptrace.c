/* Tracing: stops, registers, memory, events. Prints only what is the same on every Linux. */
#define _GNU_SOURCE
#include "abi-trace.h"
#include <pthread.h>

#define FAILS(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s = %ld, errno %d\n", #__VA_ARGS__, r_, errno); } while (0)
static volatile long shared = 5;
static void handler(int s) { shared += s; }

static void basics(void) {
  pid_t child = fork();
  if (child == 0) {
    FAILS(pt(PTRACE_TRACEME, 0, 0, 0)); FAILS(pt(PTRACE_TRACEME, 0, 0, 0));
    raise(SIGSTOP); syscall(SYS_getppid); syscall(SYS_gettid, 11, 22, 33);
    signal(SIGUSR1, handler); raise(SIGUSR1); raise(SIGUSR1);
    _exit((int)shared);
  }
  printf("first: %s\n", waited(child));
  FAILS(pt(PTRACE_SETOPTIONS, child, 0, 1 << 30)); FAILS(pt(PTRACE_SETOPTIONS, child, 0, 1)); FAILS(pt(PTRACE_CONT, 99999, 0, 0)); FAILS(pt(PTRACE_PEEKDATA, child, 8, (unsigned long)&st));
  long word = 0; pt(PTRACE_PEEKDATA, child, (unsigned long)&shared, (unsigned long)&word); printf("peek %ld\n", word);
  printf("poke %ld\n", pt(PTRACE_POKEDATA, child, (unsigned long)&shared, 7));
  siginfo_t info; memset(&info, 0, sizeof info); pt(PTRACE_GETSIGINFO, child, 0, (unsigned long)&info); printf("siginfo %d code %d\n", info.si_signo, info.si_code);
  int last = -1, count = 0;
  for (int stop = 0; stop < 40; stop++) {
    pt(PTRACE_SYSCALL, child, 0, 0);
    const char *what = waited(child);
    if (!WIFSTOPPED(st)) { printf("%s\n", what); break; }
    struct user_regs_struct r = regs(child);
    if (WSTOPSIG(st) != (SIGTRAP | 0x80)) { printf("signal stop %d orig %d\n", WSTOPSIG(st), (int)r.orig_rax); break; }
    struct ptrace_syscall_info si; memset(&si, 0, sizeof si); long size = pt(PTRACE_GET_SYSCALL_INFO, child, sizeof si, (unsigned long)&si);
    if (r.orig_rax == SYS_getppid || r.orig_rax == SYS_gettid) printf("op %d size %ld nr %d rax %s args %d %d %d\n", si.op, size, (int)r.orig_rax, (long)r.rax == -ENOSYS ? "ENOSYS" : "result", r.orig_rax == SYS_gettid ? (int)r.rdi : 0, r.orig_rax == SYS_gettid ? (int)r.rsi : 0, r.orig_rax == SYS_gettid ? (int)r.rdx : 0);
    if (r.orig_rax == SYS_gettid && si.op == 1) { r.orig_rax = SYS_getpid; pt(PTRACE_SETREGS, child, 0, (unsigned long)&r); }
    if ((int)r.orig_rax == last) count++; last = r.orig_rax;
  }
  printf("pairs %d\n", count > 1);
  pt(PTRACE_CONT, child, 0, 0); printf("dropped: %s\n", waited(child)); pt(PTRACE_CONT, child, 0, SIGUSR1); printf("delivered, end: %s\n", waited(child));
}

static void stepping(void) {
  pid_t child = fork();
  if (child == 0) { pt(PTRACE_TRACEME, 0, 0, 0); __asm__ volatile("int3; nop; nop; nop; mov $39, %%eax; syscall; nop; ud2" ::: "rax", "rcx", "r11"); _exit(0); }
  printf("trap: %s", waited(child)); siginfo_t info; pt(PTRACE_GETSIGINFO, child, 0, (unsigned long)&info); printf(" code %d\n", info.si_code);
  unsigned long start = regs(child).rip;
  for (int i = 0; i < 7; i++) { pt(PTRACE_SINGLESTEP, child, 0, 0); const char *w = waited(child); struct user_regs_struct r = regs(child); pt(PTRACE_GETSIGINFO, child, 0, (unsigned long)&info); printf("step %d: %s at +%ld flags %lx code %d\n", i, w, (long)(r.rip - start), (long)r.eflags & 0x100, WSTOPSIG(st) == SIGTRAP ? 2 : info.si_code); }
  struct user_regs_struct r = regs(child); struct iovec v = {&r, sizeof r}; r.rbx = 0x123456789abcdef0; pt(PTRACE_SETREGSET, child, 1, (unsigned long)&v);
  memset(&r, 0, sizeof r); v.iov_len = 1000 * 8; v.iov_base = malloc(8000); pt(PTRACE_GETREGSET, child, 1, (unsigned long)&v); printf("regset %zd rbx %lx\n", v.iov_len, (long)((struct user_regs_struct *)v.iov_base)->rbx);
  long word; pt(PTRACE_PEEKUSR, child, offsetof(struct user, regs.rbx), (unsigned long)&word); printf("peekuser %lx\n", word);
  struct user_fpregs_struct f; FAILS(pt(PTRACE_GETFPREGS, child, 0, (unsigned long)&f)); printf("mxcsr %x cwd %x\n", f.mxcsr, f.cwd);
  FAILS(pt(PTRACE_POKETEXT, child, start, 0x9090909090909090)); pt(PTRACE_PEEKTEXT, child, start, (unsigned long)&word); printf("text %lx here %x\n", word, *(unsigned char *)start);
  FAILS(pt(PTRACE_KILL, child, 0, 0)); printf("%s\n", waited(child));
}

static void *thread(void *p) { return p; }
static void events(void) {
  pid_t child = fork();
  if (child == 0) {
    pt(PTRACE_TRACEME, 0, 0, 0); raise(SIGSTOP);
    pid_t g = fork(); if (g == 0) _exit(3); int s; waitpid(g, &s, 0);
    pthread_t t; pthread_create(&t, 0, thread, 0); pthread_join(t, 0);
    execl("/proc/self/exe", "x", "exec", (char *)0); _exit(1);
  }
  waited(child); pt(PTRACE_SETOPTIONS, child, 0, 0x1e | 0x100000); pt(PTRACE_CONT, child, 0, 0);
  printf("fork: %s\n", waited(child)); unsigned long g = 0; pt(PTRACE_GETEVENTMSG, child, 0, (unsigned long)&g);
  printf("child: %s\n", waited(g)); pt(PTRACE_CONT, g, 0, 0); printf("child: %s\n", waited(g));
  pt(PTRACE_CONT, child, 0, 0); const char *w = waited(child); if (WIFSTOPPED(st) && WSTOPSIG(st) == SIGCHLD) { pt(PTRACE_CONT, child, 0, SIGCHLD); w = waited(child); }
  printf("clone: %s\n", w); pt(PTRACE_GETEVENTMSG, child, 0, (unsigned long)&g); printf("thread: %s\n", waited(g)); pt(PTRACE_CONT, child, 0, 0); pt(PTRACE_CONT, g, 0, 0); printf("thread: %s\n", waited(g));
  printf("exec: %s\n", waited(child)); pt(PTRACE_CONT, child, 0, 0); printf("end: %s\n", waited(child));
}

static void attaching(void) {
  pid_t child = fork(); if (child == 0) for (;;) pause();
  usleep(20000);
  FAILS(pt(PTRACE_ATTACH, child, 0, 0)); printf("%s\n", waited(child)); FAILS(pt(PTRACE_ATTACH, child, 0, 0)); FAILS(pt(PTRACE_SEIZE, child, 0, 0)); FAILS(pt(PTRACE_INTERRUPT, child, 0, 0));
  struct user_regs_struct r = regs(child); printf("in a call that is made again: %d\n", (long)r.rax == -514 || r.rax == SYS_pause);
  FAILS(pt(PTRACE_DETACH, child, 0, 0)); FAILS(pt(PTRACE_CONT, child, 0, 0));
  FAILS(pt(PTRACE_SEIZE, child, 0, 1)); FAILS(pt(PTRACE_CONT, child, 0, 0)); FAILS(pt(PTRACE_INTERRUPT, child, 0, 0)); printf("%s\n", waited(child));
  FAILS(pt(PTRACE_CONT, child, 0, 0)); kill(child, SIGUSR2); printf("%s\n", waited(child)); pt(PTRACE_CONT, child, 0, 0);
  kill(child, SIGSTOP); printf("%s\n", waited(child)); pt(PTRACE_CONT, child, 0, SIGSTOP); printf("group: %s\n", waited(child));
  FAILS(pt(PTRACE_LISTEN, child, 0, 0)); kill(child, SIGCONT); printf("%s\n", waited(child)); pt(PTRACE_CONT, child, 0, 0); printf("%s\n", waited(child));
  pt(PTRACE_CONT, child, 0, 0); kill(child, SIGKILL); printf("%s\n", waited(child));
  FAILS(pt(PTRACE_ATTACH, getpid(), 0, 0)); FAILS(pt(PTRACE_ATTACH, 99999, 0, 0));
  /* A tracer that goes lets its tracees go, or takes them along. */
  for (int kills = 0; kills < 2; kills++) {
    child = fork(); if (child == 0) { usleep(300000); _exit(8); }
    pid_t tracer = fork(); if (tracer == 0) { pt(PTRACE_SEIZE, child, 0, kills ? 0x100000 : 0); pt(PTRACE_INTERRUPT, child, 0, 0); usleep(20000); _exit(0); }
    waited(tracer); printf("left: %s\n", waited(child));
  }
}

/* What is stopped already is the tracer's at once. */
static void attaching_to_stopped(void) {
  for (int seizes = 0; seizes < 2; seizes++) {
    pid_t child = fork();
    if (child == 0) for (;;) pause();
    kill(child, SIGSTOP); waitpid(child, &st, WUNTRACED); printf("stopped by %d\n", WSTOPSIG(st));
    FAILS(pt(seizes ? PTRACE_SEIZE : PTRACE_ATTACH, child, 0, 0));
    struct user_regs_struct r = regs(child); printf("registers at once: %d\n", r.rip != 0); printf("%s\n", waited(child));
    printf("again %d\n", waitpid(child, &st, WNOHANG | __WALL));
    if (!seizes) { pt(PTRACE_CONT, child, 0, 0); printf("its own: %s\n", waited(child)); }
    FAILS(pt(PTRACE_DETACH, child, 0, 0));
    kill(child, SIGCONT); kill(child, SIGKILL); printf("%s\n", waited(child));
  }
}

static void exits(void) {
  unsigned long message = 0;
  for (int way = 0; way < 3; way++) {
    pid_t child = fork();
    if (child == 0) { pt(PTRACE_TRACEME, 0, 0, 0); raise(SIGSTOP); if (way == 1) syscall(SYS_exit, 6); _exit(5); }
    waited(child); FAILS(pt(PTRACE_SETOPTIONS, child, 0, 0x41)); pt(way == 2 ? PTRACE_SYSCALL : PTRACE_CONT, child, 0, 0);
    if (way == 2) for (int i = 0; i < 9 && (waited(child), st >> 16 == 0); i++) pt(PTRACE_SYSCALL, child, 0, 0);
    printf("exiting: %s", way == 2 ? "after the call's stop" : waited(child)); pt(PTRACE_GETEVENTMSG, child, 0, (unsigned long)&message);
    struct user_regs_struct r = regs(child); printf(" event %d message %lx call %d status %d more %d\n", st >> 16, message, (int)r.orig_rax, (int)r.rdi, waitpid(child, &st, WNOHANG));
    pt(way == 1 ? PTRACE_DETACH : PTRACE_CONT, child, 0, 0); printf("%s\n", waited(child));
  }
}

int main(int argc, char **argv) {
  if (argc > 1) return 9;
  setvbuf(stdout, 0, _IONBF, 0);
  basics(); stepping(); events(); attaching(); attaching_to_stopped(); exits();
  return 0;
}
