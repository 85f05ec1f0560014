/* Debug registers: ptrace(2) sets them, watchpoints trap after the instruction, breakpoints before it. Prints what Linux prints on any x86-64. */
#define _GNU_SOURCE
#include "abi-trace.h"
#include <sched.h>
#include <ucontext.h>

#define DR(i) (offsetof(struct user, u_debugreg) + (i) * 8)
enum { X = 0, W = 1, IO = 2, RW = 3 };
#define LENGTH(n) ((n) == 8 ? 2 : (n) - 1)
#define CONTROL(i, type, length) (1ul << (i) * 2 | (unsigned long)(type) << (16 + (i) * 4) | (unsigned long)LENGTH(length) << (18 + (i) * 4))

/* Written and read by code whose addresses are known. */
__attribute__((aligned(4096))) unsigned char page[8192];
#define VAR (page + 64)
__attribute__((aligned(64))) unsigned char other[128];
__asm__(
  ".text\n"
  "code_start: movl $7, page+64(%rip)\n"           /* a store of 4 bytes */
  "s1: movb $1, page+67(%rip)\n"                   /* its last byte */
  "s2: movb $1, page+68(%rip)\n"                   /* just beyond */
  "s3: movq $5, page+60(%rip)\n"                   /* reaches into it */
  "s4: movl page+64(%rip), %eax\n"                 /* a load */
  "s5: addl $3, page+64(%rip)\n"                   /* both */
  "s6: movl $99, %eax; mov $1, %ecx\n"
  "s7: lock cmpxchgl %ecx, page+64(%rip)\n"        /* writes what was there */
  "s8: xchgl %ecx, page+64(%rip)\n"
    "s13: movaps page+64(%rip), %xmm0\n"
  "s14: movups %xmm0, page+50(%rip)\n"
  "s15: lea page+72(%rip), %rbx; xchg %rbx, %rsp; push %rax; xchg %rbx, %rsp\n"
  "s16: cmpl $0, page+64(%rip)\n"
  "s17: testb $1, page+63(%rip)\n"
  "s18: movl page+64(%rip), %edx; movl %edx, page+64(%rip); nop\n"
  "code_end: ret\n"
  "repeated: lea page+56(%rip), %rdi; mov $16, %ecx; mov $0x5a, %al\n"
  "r1: rep stosb\n"                                /* each iteration that touches it */
  "r2: lea page+64(%rip), %rsi; lea other(%rip), %rdi; mov $3, %ecx\n"
  "r3: rep movsb\n"
  "r4: ret\n"
  "twice: movl $1, page+4094(%rip)\n"              /* across the pages */
  "t1: nop\n"
  "t2: nop\n"
  "t3: ret\n"
  "loop3: mov $3, %ecx\n"
  "l1: dec %ecx\n"
  "l2: jnz l1\n"
  "l3: ret\n");
extern char code_start[], code_end[], repeated[], r1[], twice[], t1[], t2[], t3[], loop3[], l1[], l2[], l3[];
static void call(char *code) { __asm__ volatile("xor %%ecx, %%ecx; call *%0" :: "r"(code) : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "xmm0", "memory", "cc"); }

static unsigned long get(pid_t p, int i) { unsigned long v = 0xbad; pt(PTRACE_PEEKUSR, p, DR(i), (unsigned long)&v); return v; }
static int put(pid_t p, int i, unsigned long v) { errno = 0; return pt(PTRACE_POKEUSR, p, DR(i), v) < 0 ? errno : 0; }
static void show(pid_t p, char *base) {
  siginfo_t info; memset(&info, 0, sizeof info); pt(PTRACE_GETSIGINFO, p, 0, (unsigned long)&info);
  struct user_regs_struct r = regs(p);
  printf("  at +%ld code %d address is ip %d dr6 %lx rf %d tf %d rcx %d var %02x\n", (long)(r.rip - (unsigned long)base), info.si_code, (unsigned long)info.si_addr == r.rip, get(p, 6),
         r.eflags >> 16 & 1 ? 1 : 0, r.eflags >> 8 & 1 ? 1 : 0, (int)r.rcx & 0xff, (int)(pt(PTRACE_PEEKDATA, p, (unsigned long)VAR, (unsigned long)&r), r.r15 & 0xff));
}
static pid_t traced(void (*body)(void)) {
  pid_t child = fork();
  if (child == 0) { pt(PTRACE_TRACEME, 0, 0, 0); raise(SIGSTOP); body(); _exit(0); }
  waited(child); return child;
}
/* Goes on until it ends; a trap at a time is shown. */
static void follow(pid_t p, char *base, long request) {
  for (int i = 0; i < 60; i++) {
    pt(request, p, 0, 0); const char *what = waited(p);
    if (!WIFSTOPPED(st)) { printf("  %s\n", what); return; }
    if (WSTOPSIG(st) != SIGTRAP || st >> 16) printf("  %s\n", what);
    show(p, base);
  }
  pt(PTRACE_KILL, p, 0, 0); waited(p);
}

static void all(void) { call(code_start); }
static void again(void) { call(repeated); }
static void across(void) { call(twice); }
static void looped(void) { call(loop3); }
static void twoways(void) { call(code_start); call(loop3); }
static void watch_all(void) {
  static const struct { int type, length, at; } cases[] = {{W, 4, 64}, {RW, 4, 64}, {W, 1, 67}, {RW, 8, 56}, {W, 2, 66}, {W, 8, 64}};
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    pid_t p = traced(all);
    printf("type %d length %d at %d: %d", cases[i].type, cases[i].length, cases[i].at, put(p, 0, (unsigned long)page + cases[i].at));
    printf(" %d\n", put(p, 7, CONTROL(0, cases[i].type, cases[i].length)));
    follow(p, code_start, PTRACE_CONT);
  }
  for (int i = 0; i < 4; i++) {
    pid_t p = traced(across); printf("across, register %d: %d %d\n", i, put(p, i, (unsigned long)page + 4096 - (i & 1)), put(p, 7, CONTROL(i, W, 1))); follow(p, twice, PTRACE_CONT);
  }
  pid_t p = traced(across); put(p, 1, (unsigned long)page + 4094); put(p, 2, (unsigned long)page + 4096); put(p, 3, (unsigned long)page + 4094);
  printf("several: %d\n", put(p, 7, CONTROL(1, W, 2) | CONTROL(2, RW, 2) | CONTROL(3, X, 1))); follow(p, twice, PTRACE_CONT);
}

static void breakpoints(void) {
  pid_t p = traced(looped); printf("breakpoints: %d %d %d\n", put(p, 0, (unsigned long)l1), put(p, 2, (unsigned long)l3), put(p, 7, CONTROL(0, X, 1) | CONTROL(2, X, 1))); follow(p, loop3, PTRACE_CONT);
  p = traced(looped); put(p, 0, (unsigned long)l1); put(p, 7, CONTROL(0, X, 1)); pt(PTRACE_CONT, p, 0, 0); waited(p); puts("then in steps");
  for (int i = 0; i < 8; i++) { pt(PTRACE_SINGLESTEP, p, 0, 0); waited(p); show(p, loop3); }
  printf("without RF\n"); struct user_regs_struct r = regs(p); r.rip = (unsigned long)l1; r.rcx = 2; r.eflags &= ~0x10000ul; pt(PTRACE_SETREGS, p, 0, (unsigned long)&r); pt(PTRACE_CONT, p, 0, 0); waited(p); show(p, loop3);
  printf("with RF\n"); r = regs(p); r.rip = (unsigned long)l1; r.rcx = 2; r.eflags |= 0x10000ul; pt(PTRACE_SETREGS, p, 0, (unsigned long)&r); printf("rf %d\n", regs(p).eflags >> 16 & 1 ? 1 : 0); pt(PTRACE_CONT, p, 0, 0); waited(p); show(p, loop3);
  printf("cleared %d\n", put(p, 7, 0)); follow(p, loop3, PTRACE_CONT);
  p = traced(all); put(p, 0, (unsigned long)VAR); put(p, 7, CONTROL(0, W, 4)); puts("watch in steps");
  for (int i = 0; i < 400; i++) { pt(PTRACE_SINGLESTEP, p, 0, 0); waited(p); long at = regs(p).rip - (unsigned long)code_start; if (at >= 0 && at <= code_end - code_start) { if ((get(p, 6) & 15) || at < 12) show(p, code_start); if (at == code_end - code_start) break; } }
  pt(PTRACE_KILL, p, 0, 0); waited(p);
  p = traced(twoways); put(p, 0, (unsigned long)VAR); put(p, 1, (unsigned long)l2); printf("both kinds %d\n", put(p, 7, CONTROL(0, W, 4) | CONTROL(1, X, 1)));
  for (int i = 0; i < 3; i++) { pt(PTRACE_CONT, p, 0, 0); waited(p); show(p, code_start); }
  printf("disabled one %d\n", put(p, 7, CONTROL(1, X, 1))); follow(p, loop3, PTRACE_CONT);
}

static void nothing(void) { }
static void values(void) {
  pid_t p = traced(nothing);
  for (int i = 0; i < 8; i++) printf("dr%d %lx\n", i, get(p, i));
  printf("dr4 %d dr5 %d\n", put(p, 4, 0), put(p, 5, 0));
  printf("address %d", put(p, 0, (unsigned long)page + 3)); printf(" then %d\n", get(p, 0) == (unsigned long)page + 3);
  printf("misaligned %d %d %d", put(p, 7, CONTROL(0, W, 2)), put(p, 7, CONTROL(0, W, 4)), put(p, 7, CONTROL(0, RW, 8))); printf(" dr7 %lx\n", get(p, 7));
  printf("one byte %d", put(p, 7, CONTROL(0, W, 1))); printf(" dr7 %lx\n", get(p, 7));
  printf("io %d long execute %d", put(p, 7, CONTROL(0, IO, 1)), put(p, 7, CONTROL(0, X, 2))); printf(" dr7 %lx\n", get(p, 7));
  printf("moved while on %d", put(p, 0, (unsigned long)page + 5)); printf(" %d\n", get(p, 0) == (unsigned long)page + 5);
  printf("four bytes there %d", put(p, 7, CONTROL(0, W, 4))); printf(" dr7 %lx\n", get(p, 7));
  printf("global and other bits %d", put(p, 7, 0x2 | 0x700 | 0xfc00 | 0x10000)); printf(" dr7 %lx\n", get(p, 7));
  printf("off %d", put(p, 7, 0)); printf(" dr7 %lx, address kept %d\n", get(p, 7), get(p, 0) == (unsigned long)page + 5);
  printf("without an address %d", put(p, 7, CONTROL(3, W, 1))); printf(" dr7 %lx dr3 %lx\n", get(p, 7), get(p, 3));
  printf("dr6 %d", put(p, 6, 0x1234)); printf(" %lx\n", get(p, 6)); printf("dr6 %d", put(p, 6, 0)); printf(" %lx\n", get(p, 6));
  printf("end of user space %d %d\n", put(p, 1, 0xffffffff81000000), put(p, 1, 0x7fffffffeff8));
  printf("two at once, one bad: %d", put(p, 7, CONTROL(0, W, 1) | CONTROL(1, IO, 1))); printf(" dr7 %lx\n", get(p, 7));
  errno = 0; long r = pt(PTRACE_PEEKUSR, p, DR(8), (unsigned long)&st); printf("beyond %ld %d", r, errno); errno = 0; r = pt(PTRACE_POKEUSR, p, DR(7) + 4, 0); printf(" between %ld %d\n", r, errno);
  put(p, 7, 0); pt(PTRACE_CONT, p, 0, 0); printf("%s\n", waited(p));
}

static void forks(void) {
  pid_t child = fork(); int s;
  if (child == 0) { VAR[0] = 1; _exit(4); }
  waitpid(child, &s, 0); VAR[0] = 2;
  execl("/proc/self/exe", "again", "again", (char *)NULL); _exit(9);
}
static char stack[16384] __attribute__((aligned(16)));
static int thread(void *p) { VAR[0] = 3; call(loop3); return 0; }
static void threads(void) {
  int pipes[2]; pipe(pipes);
  pid_t tid = clone(thread, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, NULL);
  (void)tid; usleep(200000); VAR[0] = 9;
}
static void inheritance(void) {
  pid_t p = traced(forks); pt(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXEC); put(p, 0, (unsigned long)VAR); put(p, 7, CONTROL(0, W, 1)); put(p, 6, 0x2);
  pt(PTRACE_CONT, p, 0, 0); printf("forks: %s\n", waited(p)); unsigned long child = 0; pt(PTRACE_GETEVENTMSG, p, 0, (unsigned long)&child);
  printf("child: %s", waited(child)); printf(" dr0 %lx dr6 %lx dr7 %lx; parent dr7 %lx\n", get(child, 0), get(child, 6), get(child, 7), get(p, 7));
  pt(PTRACE_CONT, child, 0, 0); printf("child: %s\n", waited(child));
  pt(PTRACE_CONT, p, 0, 0); printf("parent: %s\n", waited(p)); if (WIFSTOPPED(st) && WSTOPSIG(st) == SIGCHLD) { pt(PTRACE_CONT, p, 0, 0); printf("parent: %s\n", waited(p)); } printf("dr6 %lx\n", get(p, 6));
  pt(PTRACE_CONT, p, 0, 0); printf("exec: %s", waited(p)); printf(" dr0 %lx dr6 %lx dr7 %lx\n", get(p, 0), get(p, 6), get(p, 7));
  pt(PTRACE_CONT, p, 0, 0); printf("%s\n", waited(p));
  p = traced(threads); put(p, 0, (unsigned long)VAR); put(p, 7, CONTROL(0, W, 1)); pt(PTRACE_CONT, p, 0, 0); printf("the thread writes unseen: %s\n", waited(p)); long v = 0; pt(PTRACE_PEEKDATA, p, (unsigned long)VAR, (unsigned long)&v); printf("value %ld\n", v & 0xff);
  pt(PTRACE_CONT, p, 0, 0); printf("%s\n", waited(p));
  /* What is left when the tracer goes. */
  p = traced(all); put(p, 0, (unsigned long)VAR); put(p, 7, CONTROL(0, W, 4)); pt(PTRACE_DETACH, p, 0, 0); printf("left behind: %s\n", waited(p));
}

static void reads(void) {
  int pipes[2]; pipe(pipes); write(pipes[1], "abcdefgh", 8); read(pipes[0], VAR, 4); syscall(SYS_read, pipes[0], other, 4);
  pipe(pipes); write(pipes[1], VAR, 4); VAR[1] = 1;
}
static void system_calls(void) {
  pid_t p = traced(reads); put(p, 0, (unsigned long)VAR); printf("system calls: %d\n", put(p, 7, CONTROL(0, RW, 4))); pt(PTRACE_CONT, p, 0, 0); printf("%s\n", waited(p)); printf("by an instruction: %d\n", regs(p).rip > (unsigned long)code_end || regs(p).rip < (unsigned long)code_start);
  long v = 0; pt(PTRACE_PEEKDATA, p, (unsigned long)VAR, (unsigned long)&v); printf("var %lx dr6 %lx\n", v & 0xffffffff, get(p, 6)); pt(PTRACE_KILL, p, 0, 0); waited(p);
}

static volatile sig_atomic_t traps;
static void trapped(int s, siginfo_t *info, void *context) {
  ucontext_t *u = context; unsigned long flags = u->uc_mcontext.gregs[REG_EFL];
  if (traps++ < 6) printf("signal %d code %d rf %d tf %d trap %d\n", s, info->si_code, (int)(flags >> 16 & 1), (int)(flags >> 8 & 1), (int)u->uc_mcontext.gregs[REG_TRAPNO]);
  if (s != SIGTRAP) u->uc_mcontext.gregs[REG_RIP] += 2;
}
static void own(void) {
  struct sigaction a = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO}; sigaction(SIGTRAP, &a, NULL); sigaction(SIGSEGV, &a, NULL); sigaction(SIGILL, &a, NULL); sigaction(SIGFPE, &a, NULL);
  /* INT1 is not compared: some hypervisors repeat it for ever. */
  __asm__ volatile("int3" ::: "memory");
  __asm__ volatile("pushf; orl $0x100, (%%rsp); popf; nop; pushf; andl $~0x100, (%%rsp); popf; nop" ::: "memory", "cc");
  traps = 0; __asm__ volatile("ud2"); __asm__ volatile("xor %%eax, %%eax; .byte 0x8b, 0x00" ::: "rax", "cc"); __asm__ volatile("xor %%ecx, %%ecx; xor %%edx, %%edx; mov $1, %%eax; .byte 0xf7, 0xf1" ::: "rax", "rcx", "rdx", "cc");
  __asm__ volatile("mov $0x8000000000000000, %%rax; .byte 0x8b, 0x00" ::: "rax");
  signal(SIGTRAP, SIG_DFL); signal(SIGSEGV, SIG_DFL); signal(SIGILL, SIG_DFL); signal(SIGFPE, SIG_DFL);
}

/* Where iterations of a repeated instruction trap is the processor's affair: compared with what is written down only. */
static void repetition(void) {
  pid_t p = traced(again); put(p, 0, (unsigned long)VAR); put(p, 1, (unsigned long)r1); puts("repeated"); put(p, 7, CONTROL(0, W, 4) | CONTROL(1, X, 1)); follow(p, repeated, PTRACE_CONT);
  p = traced(again); put(p, 0, (unsigned long)VAR); put(p, 7, CONTROL(0, RW, 4)); follow(p, repeated, PTRACE_CONT);
  p = traced(again); put(p, 0, (unsigned long)r1); put(p, 7, CONTROL(0, X, 1)); pt(PTRACE_CONT, p, 0, 0); waited(p); puts("steps"); for (int i = 0; i < 4; i++) { pt(PTRACE_SINGLESTEP, p, 0, 0); waited(p); show(p, repeated); }
  pt(PTRACE_KILL, p, 0, 0); waited(p);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc > 1 && !strcmp(argv[1], "repeated")) { repetition(); return 0; }
  if (argc > 1) { VAR[0] = 5; return 6; }
  own(); values(); watch_all(); breakpoints(); inheritance(); system_calls();
  return 0;
}
