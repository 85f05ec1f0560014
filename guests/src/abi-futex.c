/* What is new of futexes: requeueing to locks with an owner, waiting for several, FUTEX_LOCK_PI2. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SAY(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s: %ld errno %d\n", #__VA_ARGS__, r_, errno); } while (0)
static uint32_t cond, lock, words[4];
static long futex(uint32_t *a, int op, uint32_t v, const void *t, uint32_t *b, uint32_t c) { return syscall(SYS_futex, a, op, v, t, b, c); }
static int32_t tids[2];
static int state[2];

static void asleep(int i) { /* until the thread waits in the kernel */
  char path[64], text[200];
  for (;;) {
    sprintf(path, "/proc/self/task/%d/syscall", *(volatile int32_t *)&tids[i]);
    FILE *f = tids[i] ? fopen(path, "r") : 0;
    if (f) { char *got = fgets(text, sizeof text, f); fclose(f); if (got && strncmp(text, "202 ", 4) == 0) return; if (got && strncmp(text, "449 ", 4) == 0) return; }
    usleep(1000);
  }
}
static void *waiter(void *argument) {
  int i = (int)(long)argument;
  tids[i] = syscall(SYS_gettid);
  long r = futex(&cond, FUTEX_WAIT_REQUEUE_PI, 5, 0, &lock, 0);
  state[i] = r == 0 && (lock & FUTEX_TID_MASK) == (uint32_t)tids[i];
  if (r == 0) futex(&lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0);
  return 0;
}
static void *many(void *argument) {
  struct { uint64_t val, uaddr; uint32_t flags, reserved; } v[3] = {{0, (uintptr_t)&words[0], 2, 0}, {0, (uintptr_t)&words[1], 2 | 128, 0}, {0, (uintptr_t)&words[2], 2, 0}};
  tids[0] = syscall(SYS_gettid);
  state[0] = syscall(449, v, 3, 0, 0, 0);
  return argument;
}

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  struct timespec past = {0, 1}, bad = {0, -1};
  SAY(futex(&cond, FUTEX_WAIT_REQUEUE_PI, 1, 0, &lock, 0)); SAY(futex(&cond, FUTEX_WAIT_REQUEUE_PI, 0, 0, &cond, 0));
  SAY(futex(&cond, FUTEX_WAIT_REQUEUE_PI, 0, &past, &lock, 0)); SAY(futex(&cond, FUTEX_WAIT_REQUEUE_PI, 0, &bad, &lock, 0));
  SAY(futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &lock, 7)); SAY(futex(&cond, FUTEX_CMP_REQUEUE_PI, 2, (void *)1, &lock, 0));
  SAY(futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &cond, 0)); SAY(futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &lock, 0));
  SAY(futex(&lock, 13, 0, 0, 0, 0)); SAY(futex(&lock, 13, 0, 0, 0, 0) == -1 && errno == EDEADLK); SAY(futex(&lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0)); SAY(lock);
  cond = 5;
  pthread_t t[2];
  for (int i = 0; i < 2; i++) { pthread_create(&t[i], 0, waiter, (void *)(long)i); asleep(i); }
  SAY(futex(&cond, FUTEX_WAKE, 1, 0, 0, 0)); SAY(futex(&cond, FUTEX_CMP_REQUEUE, 1, (void *)1, &words[3], 5)); SAY(futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &words[3], 5));
  futex(&lock, FUTEX_LOCK_PI, 0, 0, 0, 0);
  SAY(futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)0x7fffffff, &lock, 5));
  SAY((lock & FUTEX_WAITERS) != 0);
  SAY(futex(&lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0));
  for (int i = 0; i < 2; i++) { pthread_join(t[i], 0); printf("had the lock: %d\n", state[i]); }
  SAY(lock);
  memset(tids, 0, sizeof tids);
  pthread_create(&t[0], 0, waiter, (void *)0L); asleep(0);
  SAY(futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)0, &lock, 5));
  pthread_join(t[0], 0);
  printf("a free lock at once: %d\n", state[0]);
  struct { uint64_t val, uaddr; uint32_t flags, reserved; } v[3] = {{0, (uintptr_t)&words[0], 2, 0}, {0, (uintptr_t)&words[1], 2, 0}, {1, (uintptr_t)&words[2], 2, 0}};
  struct timespec soon;
  SAY(syscall(449, v, 0, 0, 0, 0)); SAY(syscall(449, v, 129, 0, 0, 0)); SAY(syscall(449, v, 2, 1, 0, 0)); SAY(syscall(449, 0, 2, 0, 0, 0)); SAY(syscall(449, v, 3, 0, 0, 0));
  SAY(syscall(449, v, 2, 0, &past, 1)); SAY(syscall(449, v, 2, 0, &past, 2)); SAY(syscall(449, v, 2, 0, &bad, 1)); SAY(syscall(449, 8, 2, 0, 0, 0));
  clock_gettime(CLOCK_REALTIME, &soon); soon.tv_nsec += 1000000; if (soon.tv_nsec >= 1000000000) { soon.tv_sec++; soon.tv_nsec -= 1000000000; }
  SAY(syscall(449, v, 2, 0, &soon, 0));
  v[1].flags = 0; SAY(syscall(449, v, 2, 0, 0, 0)); v[1].flags = 2 | 1024; SAY(syscall(449, v, 2, 0, 0, 0)); v[1].flags = 2; v[1].reserved = 1; SAY(syscall(449, v, 2, 0, 0, 0));
  v[1].reserved = 0; v[1].uaddr++; SAY(syscall(449, v, 2, 0, 0, 0)); v[1].uaddr = 4; SAY(syscall(449, v, 2, 0, 0, 0));
  memset(tids, 0, sizeof tids);
  pthread_create(&t[0], 0, many, 0); asleep(0);
  SAY(futex(&words[1], FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0)); pthread_join(t[0], 0); printf("woken by %d\n", state[0]);
  SAY(futex(&words[0], FUTEX_WAKE, 1, 0, 0, 0));
  return 0;
}
