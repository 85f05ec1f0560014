/* The vDSO's clocks against the system call's: never apart, never back, on any thread. Exits 1 if they are. */
#include "abi.h"
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <time.h>

enum { THREADS = 3, ROUNDS = 2000 };
static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI};
enum { CLOCKS = sizeof clocks / sizeof *clocks };
static int wrong;
/* The furthest that any thread has read CLOCK_MONOTONIC. */
static long long furthest;

static long long ns(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }
static long long fast(int c) { struct timespec t; clock_gettime(c, &t); return ns(t); }
static long long slow(int c) { struct timespec t; syscall(SYS_clock_gettime, c, &t); return ns(t); }
static void check(int holds, const char *what) {
  if (!holds && __atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST) < 5) printf("wrong: %s\n", what);
}

static void *compare(void *arg) {
  for (int i = 0; i < ROUNDS; i++) {
    int c = clocks[i % CLOCKS];
    long long a = slow(c), b = fast(c), d = slow(c);
    check(a <= b && b <= d, "the vDSO's time lies between the system call's");
    long long before = __atomic_load_n(&furthest, __ATOMIC_SEQ_CST), now = fast(CLOCK_MONOTONIC);
    check(now >= before, "time goes on for all threads alike");
    while (now > before && !__atomic_compare_exchange_n(&furthest, &before, now, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {}
  }
  return arg;
}

int main(void) {
  printf("AT_SYSINFO_EHDR: %s\n", getauxval(AT_SYSINFO_EHDR) ? "there" : "missing");
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, compare, NULL);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  struct timespec t;
  for (int i = 0; i < CLOCKS; i++) {
    clock_getres(clocks[i], &t);
    printf("resolution of %d: %ld\n", clocks[i], t.tv_nsec);
  }
  struct timeval v;
  struct timezone z;
  long long a = slow(CLOCK_REALTIME);
  gettimeofday(&v, &z);
  long long b = v.tv_sec * 1000000000LL + v.tv_usec * 1000LL, c = slow(CLOCK_REALTIME);
  check(a - 1000 <= b && b <= c, "gettimeofday");
  check(time(NULL) >= v.tv_sec && time(NULL) <= v.tv_sec + 1, "time");
  SHOW(clock_gettime(99, &t));
  SHOW(clock_gettime(-1, &t));
  SHOW(clock_getres(10, &t));
  SHOW(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t));
  SHOW(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t));
  long long s0 = slow(CLOCK_MONOTONIC), s1 = slow(CLOCK_MONOTONIC), f0 = fast(CLOCK_MONOTONIC), f1 = fast(CLOCK_MONOTONIC);
  check(f1 - f0 <= s1 - s0, "the vDSO is not slower");
  printf("wrong: %d\n", wrong);
  return wrong != 0;
}
