/*
 * Who keeps the YMM registers and who gets them: system calls, other threads, signal handlers and what they change in their frame,
 * fork, exec, ptrace. Prints what it finds; 'no AVX' on processors without.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define AVX __attribute__((target("avx2"), noinline))
#define check(what, ok) printf("%s: %s\n", what, (ok) ? "yes" : "NO")

static const uint64_t pattern[4] = { 0x1111111111111111, 0x2222222222222222, 0x3333333333333333, 0x4444444444444444 };
static volatile int pid;

AVX static void clobber(void) { __asm__ volatile("vpcmpeqd %%ymm7, %%ymm7, %%ymm7\n vpcmpeqd %%ymm15, %%ymm15, %%ymm15" ::: "xmm7", "xmm15"); }
/* Loads ymm7 and ymm15, makes the system call, stores them. */
AVX static long around(long number, long a, long b, const uint64_t in[4], uint64_t low[4], uint64_t high[4]) {
  long result;
  __asm__ volatile(
    "vmovdqu (%[in]), %%ymm7\n vmovdqu (%[in]), %%ymm15\n syscall\n vmovdqu %%ymm7, (%[low])\n vmovdqu %%ymm15, (%[high])\n vzeroupper"
    : "=a"(result) : "a"(number), "D"(a), "S"(b), [in] "r"(in), [low] "r"(low), [high] "r"(high) : "rcx", "r11", "memory", "xmm7", "xmm15");
  return result;
}

static int seen_magic, seen_uppers, seen_clear, seen_flag;
AVX static void handler(int signal, siginfo_t *info, void *context) {
  (void)signal; (void)info;
  uint64_t now[4];
  __asm__ volatile("vmovdqu %%ymm7, (%0)" : : "r"(now) : "memory");
  seen_clear = (now[0] | now[1] | now[2] | now[3]) == 0;
  ucontext_t *uc = context;
  unsigned char *image = (unsigned char *)uc->uc_mcontext.fpregs;
  uint32_t magic1, size, magic2;
  uint64_t features, present;
  memcpy(&magic1, image + 464, 4);
  memcpy(&features, image + 472, 8);
  memcpy(&size, image + 480, 4);
  memcpy(&magic2, image + size, 4);
  memcpy(&present, image + 512, 8);
  seen_flag = (uc->uc_flags & 1) != 0;
  seen_magic = magic1 == 0x46505853 && magic2 == 0x46505845 && (features & 7) == 7 && (present & 7) == 7 && ((uintptr_t)image & 63) == 0;
  seen_uppers = memcmp(image + 576 + 7 * 16, pattern + 2, 16) == 0 && memcmp(image + 160 + 7 * 16, pattern, 16) == 0;
  uint64_t changed[2] = { 0x5555555555555555, 0x6666666666666666 };
  memcpy(image + 576 + 15 * 16, changed, 16);
  clobber();
}

static volatile int go, other_ok = 1;
AVX static void *other(void *argument) {
  (void)argument;
  uint64_t mine[4] = { 9, 8, 7, 6 }, low[4], high[4];
  go = 1;
  for (int i = 0; i < 300; i++) {
    around(24 /* sched_yield */, 0, 0, mine, low, high);
    if (memcmp(low, mine, 32) != 0 || memcmp(high, mine, 32) != 0) other_ok = 0;
  }
  return 0;
}

AVX static void trace(void) {
  int child = fork();
  if (child == 0) {
    uint64_t low[4], high[4];
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    around(62 /* kill */, getpid(), SIGSTOP, pattern, low, high);
    /* Its parent changed the upper half of ymm7. */
    _exit(memcmp(low, pattern, 16) == 0 && low[2] == 0xabcd && low[3] == 0 && memcmp(high, pattern, 32) == 0 ? 42 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  static unsigned char image[8192];
  struct iovec vector = { image, sizeof image };
  check("PTRACE_GETREGSET", ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &vector) == 0);
  uint64_t xcr0;
  memcpy(&xcr0, image + 464, 8);
  check("  has XCR0", (xcr0 & 7) == 7);
  check("  has the registers", memcmp(image + 160 + 7 * 16, pattern, 16) == 0 && memcmp(image + 576 + 7 * 16, pattern + 2, 16) == 0 && vector.iov_len >= 832);
  uint64_t changed[2] = { 0xabcd, 0 };
  memcpy(image + 576 + 7 * 16, changed, 16);
  check("PTRACE_SETREGSET", ptrace(PTRACE_SETREGSET, child, NT_X86_XSTATE, &vector) == 0);
  vector.iov_len = 512;
  check("  of a part: an error", ptrace(PTRACE_SETREGSET, child, NT_X86_XSTATE, &vector) != 0);
  ptrace(PTRACE_CONT, child, 0, 0);
  waitpid(child, &status, 0);
  check("  and the tracee has it", WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

AVX static void xsave_areas(void) {
  static unsigned char area[4096] __attribute__((aligned(64)));
  uint64_t low[4];
  uint32_t a, d;
  __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  check("XCR0 has x87, SSE and AVX", (a & 7) == 7);
  for (int kind = 0; kind < 3; kind++) {
    memset(area, 0, sizeof area);
    __asm__ volatile("vmovdqu (%0), %%ymm7" : : "r"(pattern) : "xmm7");
    if (kind == 0) __asm__ volatile("xsave (%0)" : : "r"(area), "a"(6), "d"(0) : "memory");
    else if (kind == 1) __asm__ volatile("xsaveopt (%0)" : : "r"(area), "a"(6), "d"(0) : "memory");
    else __asm__ volatile("xsavec (%0)" : : "r"(area), "a"(6), "d"(0) : "memory");
    clobber();
    __asm__ volatile("xrstor (%0)" : : "r"(area), "a"(4), "d"(0) : "memory", "xmm7");
    __asm__ volatile("vmovdqu %%ymm7, (%0)" : : "r"(low) : "memory");
    check("XRSTOR loads the component that is asked for", low[0] == ~0ull && memcmp(low + 2, pattern + 2, 16) == 0);
    __asm__ volatile("xrstor (%0)" : : "r"(area), "a"(6), "d"(0) : "memory", "xmm7");
    __asm__ volatile("vmovdqu %%ymm7, (%0)" : : "r"(low) : "memory");
    check("  and both", memcmp(low, pattern, 32) == 0);
  }
}

AVX static void tests(void) {
  uint64_t low[4], high[4];
  around(39 /* getpid */, 0, 0, pattern, low, high);
  check("a system call keeps YMM registers", memcmp(low, pattern, 32) == 0 && memcmp(high, pattern, 32) == 0);
  struct sigaction action = { .sa_flags = SA_SIGINFO };
  action.sa_sigaction = handler;
  sigaction(SIGUSR1, &action, 0);
  around(62 /* kill */, getpid(), SIGUSR1, pattern, low, high);
  check("a handler begins with clear registers", seen_clear);
  check("its frame says UC_FP_XSTATE", seen_flag);
  check("  has its magic numbers", seen_magic);
  check("  has both halves", seen_uppers);
  check("what the handler did to registers is undone", memcmp(low, pattern, 32) == 0);
  check("what it did to its frame is done", high[0] == pattern[0] && high[1] == pattern[1] && high[2] == 0x5555555555555555 && high[3] == 0x6666666666666666);
  long child = around(57 /* fork */, 0, 0, pattern, low, high);
  if (child == 0) _exit(memcmp(low, pattern, 32) == 0 && memcmp(high, pattern, 32) == 0 ? 7 : 1);
  int status;
  waitpid((pid_t)child, &status, 0);
  check("fork keeps them in the child", WIFEXITED(status) && WEXITSTATUS(status) == 7);
  check("  and in the parent", memcmp(low, pattern, 32) == 0);
  pthread_t thread;
  pthread_create(&thread, 0, other, 0);
  while (!go) sched_yield();
  int ok = 1;
  for (int i = 0; i < 300; i++) {
    around(24 /* sched_yield */, 0, 0, pattern, low, high);
    if (memcmp(low, pattern, 32) != 0 || memcmp(high, pattern, 32) != 0) ok = 0;
  }
  pthread_join(thread, 0);
  check("threads have their own", ok && other_ok);
  xsave_areas();
  trace();
}

int main(int argc, char **argv) {
  if (!__builtin_cpu_supports("avx2")) { puts("no AVX"); return 0; }
  if (argc > 1) {
    /* As execve left them. */
    uint64_t now[4];
    __asm__ volatile("vmovdqu %%ymm7, (%0)" : : "r"(now) : "memory");
    check("exec clears them", (now[2] | now[3]) == 0);
    return 0;
  }
  tests();
  fflush(stdout);
  clobber();
  execl("/proc/self/exe", argv[0], "again", (char *)0);
  return 1;
}
