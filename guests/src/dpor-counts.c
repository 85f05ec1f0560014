/*
 * Small programs whose executions can be counted: threads without a C library, so that nothing is shared but what is said.
 *   dpor-counts w0,w0r1,u1   three threads: one writes variable 0, one writes it and reads variable 1, one adds to that with LOCK
 *   dpor-counts i0c0,i0c0    two threads add to it without, and the last that checks exits 1 if one addition was lost
 *   dpor-counts lastzero 3   a[i] = a[i - 1] + 1 in three threads; one looks for the last zero
 * The main thread makes them and ends; the process ends with the last of them.
 */
#include <stdlib.h>
#include <string.h>

enum { THREADS = 12, VARIABLES = 16, STACK = 4096, LINE = 8 };
static volatile long variables[VARIABLES][LINE];
static long stacks[THREADS][STACK / sizeof(long)] __attribute__((aligned(4096)));
static volatile long checked[LINE];
static const char *programs[THREADS];
static int zeros, threads;

static void operations(int thread) {
  for (const char *p = programs[thread]; *p != 0 && *p != ','; p += 2) {
    volatile long *variable = variables[p[1] - '0'];
    long seen;
    if (p[0] == 'w') *variable = thread;
    else if (p[0] == 'u') __sync_fetch_and_add(variable, 1);
    else if (p[0] == 'i') *variable = *variable + 1;
    else if (p[0] == 'c') {
      if (__sync_fetch_and_add(checked, 1) == threads - 1 && *variable != threads) __asm__ volatile("syscall" : : "a"(231L), "D"(1L) : "rcx", "r11", "memory");
    }
    else __asm__ volatile("mov (%1), %0" : "=r"(seen) : "r"(variable) : "memory");
  }
}

static void lastzero(int thread) {
  if (thread > 0) {
    variables[thread][0] = variables[thread - 1][0] + 1;
    return;
  }
  int i = zeros;
  while (variables[i][0] != 0) i--;
}

static long spawn(void (*run)(int), int thread) {
  long *top = stacks[thread] + STACK / sizeof(long) - 4;
  top[0] = thread;
  top[1] = (long)run;
  long result;
  /* CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM */
  __asm__ volatile(
    "syscall\n test %%rax, %%rax\n jnz 1f\n"
    "xor %%ebp, %%ebp\n pop %%rdi\n pop %%rax\n call *%%rax\n"
    "xor %%edi, %%edi\n mov $60, %%eax\n syscall\n"
    "1:"
    : "=a"(result) : "a"(56L), "D"(0x50f00L), "S"(top), "d"(0L) : "rcx", "r8", "r9", "r10", "r11", "memory");
  return result;
}

int main(int argc, char **argv) {
  if (argc > 2 && strcmp(argv[1], "lastzero") == 0) {
    zeros = atoi(argv[2]);
    for (int i = 0; i <= zeros; i++) spawn(lastzero, i);
  } else if (argc > 1) {
    int count = 0;
    for (const char *p = argv[1]; p != NULL && count < THREADS; p = strchr(p, ',')) programs[count++] = p += *p == ',';
    threads = count;
    for (int i = 0; i < count; i++) spawn(operations, i);
  }
  __asm__ volatile("syscall" : : "a"(60L), "D"(0L) : "rcx", "r11", "memory");
  return 1;
}
