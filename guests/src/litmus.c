/*
 * Litmus tests of x86-TSO, as in Owens, Sarkar, Sewell, 'A Better x86 Memory Model: x86-TSO' and Intel's and AMD's manuals:
 *   litmus TEST [ROUNDS]
 * without a test prints their names and where x, y and z are; else, in each round, the outcome: registers in the order of threads and loads, then the final values where the test asks for them.
 * Each thread is a function of inline assembly; between rounds a barrier of locked instructions puts everything back.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_THREADS 4
#define MOST_OUTCOMES 256

/* Far apart, as on different cache lines. */
static struct { volatile int x; int pad1[15]; volatile int y; int pad2[15]; volatile int z; int pad3[15]; } memory;
static int registers[MOST_THREADS][16];

#define X "%[x]"
#define Y "%[y]"
#define Z "%[z]"
#define STORE(v, n) "movl $" #n ", " v "\n\t"
#define LOAD(r, v) "movl " v ", %[r" #r "]\n\t"
#define MFENCE "mfence\n\t"
#define XCHG(v, n) "movl $" #n ", %%eax\n\txchgl %%eax, " v "\n\t"
#define LOCKED "lock orl $0, (%%rsp)\n\t"
#define THREAD(name, code) \
  static void name(int *r) { \
    int r0 = 0, r1 = 0; \
    __asm__ volatile(code : [r0] "+r"(r0), [r1] "+r"(r1), [x] "+m"(memory.x), [y] "+m"(memory.y), [z] "+m"(memory.z) : : "eax", "memory", "cc"); \
    r[0] = r0; r[1] = r1; \
  }

THREAD(store_x, STORE(X, 1))
THREAD(store_y, STORE(Y, 1))
THREAD(store_xy, STORE(X, 1) STORE(Y, 1))
THREAD(store_yx, STORE(Y, 2) STORE(X, 1))
THREAD(store_x1y2, STORE(X, 1) STORE(Y, 2))
THREAD(store_y1x2, STORE(Y, 1) STORE(X, 2))
THREAD(load_xy, LOAD(0, X) LOAD(1, Y))
THREAD(load_yx, LOAD(0, Y) LOAD(1, X))
THREAD(load_xx, LOAD(0, X) LOAD(1, X))
THREAD(store_x_load_y, STORE(X, 1) LOAD(0, Y))
THREAD(store_y_load_x, STORE(Y, 1) LOAD(0, X))
THREAD(store_x_mfence_load_y, STORE(X, 1) MFENCE LOAD(0, Y))
THREAD(store_y_mfence_load_x, STORE(Y, 1) MFENCE LOAD(0, X))
THREAD(store_x_locked_load_y, STORE(X, 1) LOCKED LOAD(0, Y))
THREAD(store_y_locked_load_x, STORE(Y, 1) LOCKED LOAD(0, X))
THREAD(xchg_x_load_y, XCHG(X, 1) LOAD(0, Y))
THREAD(xchg_y_load_x, XCHG(Y, 1) LOAD(0, X))
THREAD(load_x_store_y, LOAD(0, X) STORE(Y, 1))
THREAD(load_y_store_x, LOAD(0, Y) STORE(X, 1))
THREAD(store_y2_load_x, STORE(Y, 2) LOAD(0, X))
THREAD(store_x_load_xy, STORE(X, 1) LOAD(0, X) LOAD(1, Y))
THREAD(store_y_load_yx, STORE(Y, 1) LOAD(0, Y) LOAD(1, X))
THREAD(store_yx2, STORE(Y, 1) STORE(X, 2))
THREAD(store_yx1, STORE(Y, 1) STORE(X, 1))
THREAD(store_x_load_x, STORE(X, 1) LOAD(0, X))
THREAD(store_x2_load_x, STORE(X, 2) LOAD(0, X))
THREAD(store_x2_load_y, STORE(X, 2) LOAD(0, Y))
THREAD(store_bytes_load_word, "movl $0x01010101, " X "\n\tmovb $2, 1+" X "\n\t" LOAD(0, X) LOAD(1, Y))

typedef void (*thread)(int *);
static const struct test {
  const char *name;
  thread threads[MOST_THREADS];
  /* What an outcome has: thread and register; then x and y at the end if `final`. */
  const char *shows;
  int final;
} tests[] = {
  { "SB", { store_x_load_y, store_y_load_x }, "00 10", 0 },
  { "SB+mfences", { store_x_mfence_load_y, store_y_mfence_load_x }, "00 10", 0 },
  { "SB+mfence+po", { store_x_mfence_load_y, store_y_load_x }, "00 10", 0 },
  { "SB+xchgs", { xchg_x_load_y, xchg_y_load_x }, "00 10", 0 },
  { "SB+locked", { store_x_locked_load_y, store_y_locked_load_x }, "00 10", 0 },
  { "MP", { store_xy, load_yx }, "10 11", 0 },
  { "LB", { load_x_store_y, load_y_store_x }, "00 10", 0 },
  { "R", { store_xy, store_y2_load_x }, "10", 2 },
  { "S", { store_yx, load_x_store_y }, "10", 2 },
  { "2+2W", { store_x1y2, store_y1x2 }, "", 3 },
  { "IRIW", { store_x, store_y, load_xy, load_yx }, "20 21 30 31", 0 },
  { "WRC", { store_x, load_x_store_y, load_yx }, "10 20 21", 0 },
  { "RWC", { store_x, load_xy, store_y_load_x }, "10 11 20", 0 },
  { "CoRR", { store_x, load_xx }, "10 11", 0 },
  { "n1", { store_x2_load_y, store_yx1, load_xx }, "00 20 21", 0 },
  { "n5", { store_x_load_x, store_x2_load_x }, "00 10", 1 },
  { "n6", { store_x_load_xy, store_yx2 }, "00 01", 1 },
  { "SB+rfis", { store_x_load_xy, store_y_load_yx }, "00 01 10 11", 0 },
  { "partial", { store_bytes_load_word, store_y_load_x }, "00 01 10", 0 },
};

static const struct test *test;
static int threads_of_test;
static int arrived, generation;

/* All but the last wait; everything that was stored before is there after it. */
static void barrier(void) {
  int mine = __atomic_load_n(&generation, __ATOMIC_SEQ_CST);
  if (__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST) == threads_of_test + 1) {
    __atomic_exchange_n(&arrived, 0, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&generation, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &generation, FUTEX_WAKE, MOST_THREADS + 1, NULL, NULL, 0);
  } else {
    while (__atomic_load_n(&generation, __ATOMIC_SEQ_CST) == mine) syscall(SYS_futex, &generation, FUTEX_WAIT, mine, NULL, NULL, 0);
  }
}

static int rounds = 10;

static void *run(void *arg) {
  int me = (int)(long)arg;
  for (int i = 0; i < rounds; i++) {
    barrier();
    test->threads[me](registers[me]);
    barrier();
  }
  return arg;
}

int main(int argc, char **argv) {
  for (unsigned i = 0; argc > 1 && i < sizeof tests / sizeof *tests; i++) if (strcmp(argv[1], tests[i].name) == 0) test = &tests[i];
  if (test == NULL) {
    for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) puts(tests[i].name);
    printf("at %p %p %p\n", (void *)&memory.x, (void *)&memory.y, (void *)&memory.z);
    return argc > 1;
  }
  if (argc > 2) rounds = atoi(argv[2]);
  while (threads_of_test < MOST_THREADS && test->threads[threads_of_test] != NULL) threads_of_test++;
  pthread_t threads[MOST_THREADS];
  for (int i = 0; i < threads_of_test; i++) pthread_create(&threads[i], NULL, run, (void *)(long)i);
  for (int i = 0; i < rounds; i++) {
    memory.x = memory.y = memory.z = 0;
    barrier();
    barrier();
    char outcome[64], *at = outcome;
    for (const char *s = test->shows; *s != 0; s += s[2] == 0 ? 2 : 3) at += sprintf(at, " %x", registers[s[0] - '0'][s[1] - '0']);
    if (test->final & 1) at += sprintf(at, " x=%d", memory.x);
    if (test->final & 2) at += sprintf(at, " y=%d", memory.y);
    *at = 0;
    puts(outcome + 1);
  }
  for (int i = 0; i < threads_of_test; i++) pthread_join(threads[i], NULL);
  return 0;
}
