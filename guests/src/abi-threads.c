/* POSIX threads and futexes. Prints only what is the same on every Linux. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAILS(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s = %ld, errno %d\n", #__VA_ARGS__, r_, errno); } while (0)
enum { N = 4, ROUNDS = 2000 };
static long futex(void *a, int op, unsigned v, const void *t, void *b, unsigned c) { return syscall(SYS_futex, a, op, v, t, b, c); }

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counter;
static void *locked(void *arg) { for (int i = 0; i < ROUNDS; i++) { pthread_mutex_lock(&mutex); counter++; pthread_mutex_unlock(&mutex); } return arg; }
static void mutexes(void) {
  pthread_t t[N]; long sum = 0; void *r;
  for (long i = 0; i < N; i++) pthread_create(&t[i], 0, locked, (void *)i);
  for (int i = 0; i < N; i++) { pthread_join(t[i], &r); sum += (long)r; }
  printf("mutex: %ld results %ld\n", counter, sum);
}

static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int buffer[8], head, tail, produced; static long consumed;
static void *producer(void *arg) {
  for (int i = 1; i <= 500; i++) { pthread_mutex_lock(&mutex); while (head - tail == 8) pthread_cond_wait(&cond, &mutex); buffer[head++ % 8] = i; produced++; pthread_cond_broadcast(&cond); pthread_mutex_unlock(&mutex); }
  return arg;
}
static void *consumer(void *arg) {
  for (;;) { pthread_mutex_lock(&mutex); while (head == tail) pthread_cond_wait(&cond, &mutex); int v = buffer[tail++ % 8]; pthread_cond_broadcast(&cond); pthread_mutex_unlock(&mutex); if (v < 0) return arg; __atomic_fetch_add(&consumed, v, __ATOMIC_SEQ_CST); }
}
static void conditions(void) {
  pthread_t p[2], c[2];
  for (int i = 0; i < 2; i++) { pthread_create(&p[i], 0, producer, 0); pthread_create(&c[i], 0, consumer, 0); }
  for (int i = 0; i < 2; i++) pthread_join(p[i], 0);
  for (int i = 0; i < 2; i++) { pthread_mutex_lock(&mutex); while (head - tail == 8) pthread_cond_wait(&cond, &mutex); buffer[head++ % 8] = -1; pthread_cond_broadcast(&cond); pthread_mutex_unlock(&mutex); }
  for (int i = 0; i < 2; i++) pthread_join(c[i], 0);
  printf("condition: produced %d consumed %ld\n", produced, consumed);
  struct timespec t; clock_gettime(CLOCK_REALTIME, &t); t.tv_nsec += 5000000; if (t.tv_nsec >= 1000000000) { t.tv_nsec -= 1000000000; t.tv_sec++; }
  pthread_mutex_lock(&mutex); printf("timed wait: %d\n", pthread_cond_timedwait(&cond, &mutex, &t)); pthread_mutex_unlock(&mutex);
}

static pthread_barrier_t barrier; static int serial, phase[N]; static int bad;
static void *meets(void *arg) {
  long me = (long)arg;
  for (int i = 0; i < 50; i++) { phase[me] = i; if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) __atomic_fetch_add(&serial, 1, __ATOMIC_SEQ_CST);
    for (int j = 0; j < N; j++) if (phase[j] < i) bad = 1;
    pthread_barrier_wait(&barrier); }
  return 0;
}
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER; static int first, second, torn;
static void *reads(void *arg) { for (int i = 0; i < 300; i++) { pthread_rwlock_rdlock(&rwlock); if (first != second) torn = 1; pthread_rwlock_unlock(&rwlock); } return arg; }
static void *writes(void *arg) { for (int i = 0; i < 300; i++) { pthread_rwlock_wrlock(&rwlock); first++; second++; pthread_rwlock_unlock(&rwlock); } return arg; }
static sem_t items, room; static long through;
static void *posts(void *arg) { for (int i = 0; i < 200; i++) { sem_wait(&room); sem_post(&items); } return arg; }
static void *takes(void *arg) { for (int i = 0; i < 200; i++) { sem_wait(&items); through++; sem_post(&room); } return arg; }
static void others(void) {
  pthread_t t[N];
  pthread_barrier_init(&barrier, 0, N);
  for (long i = 0; i < N; i++) pthread_create(&t[i], 0, meets, (void *)i);
  for (int i = 0; i < N; i++) pthread_join(t[i], 0);
  printf("barrier: serial %d bad %d\n", serial, bad);
  for (int i = 0; i < N; i++) pthread_create(&t[i], 0, i < 2 ? reads : writes, 0);
  for (int i = 0; i < N; i++) pthread_join(t[i], 0);
  printf("rwlock: %d torn %d\n", first, torn);
  sem_init(&items, 0, 0); sem_init(&room, 0, 2);
  for (int i = 0; i < 2; i++) pthread_create(&t[i], 0, i ? posts : takes, 0);
  for (int i = 0; i < 2; i++) pthread_join(t[i], 0);
  printf("semaphore: %ld\n", through);
}

static __thread int local = 5; static pthread_key_t key; static int destroyed; static pthread_once_t once = PTHREAD_ONCE_INIT; static int inits;
static void destroy(void *p) { destroyed += (int)(long)p; }
static void init(void) { inits++; usleep(1000); }
static void *locals(void *arg) { pthread_once(&once, init); local += (int)(long)arg; pthread_setspecific(key, arg); sched_yield(); return (void *)(long)local; }
static void storage(void) {
  pthread_t t[N]; long sum = 0; void *r; pthread_key_create(&key, destroy);
  for (long i = 0; i < N; i++) pthread_create(&t[i], 0, locals, (void *)(i + 1));
  for (int i = 0; i < N; i++) { pthread_join(t[i], &r); sum += (long)r; }
  printf("tls: sum %ld mine %d destroyed %d inits %d\n", sum, local, destroyed, inits);
}

static void *forever(void *arg) { (void)arg; for (;;) pause(); return 0; }
static void *spins(void *arg) { (void)arg; for (;;) { pthread_testcancel(); } return 0; }
static volatile pid_t handled_by; static void handler(int s) { (void)s; handled_by = syscall(SYS_gettid); }
static volatile pid_t tid_of; static void *waits(void *arg) { (void)arg; tid_of = syscall(SYS_gettid); while (!handled_by) usleep(1000); return (void *)(long)(handled_by == tid_of); }
static void *in_thread_fork(void *arg) { pid_t c = fork(); if (c == 0) _exit(33); int st; waitpid(c, &st, 0); (void)arg; return (void *)(long)WEXITSTATUS(st); }
static void cancels(void) {
  pthread_t t; void *r;
  pthread_create(&t, 0, forever, 0); usleep(1000); pthread_cancel(t); pthread_join(t, &r); printf("cancel: %d", r == PTHREAD_CANCELED);
  pthread_create(&t, 0, spins, 0); usleep(1000); pthread_cancel(t); pthread_join(t, &r); printf(" %d\n", r == PTHREAD_CANCELED);
  signal(SIGUSR1, handler);
  pthread_create(&t, 0, waits, 0); while (!tid_of) usleep(1000); pthread_kill(t, SIGUSR1); pthread_join(t, &r); printf("pthread_kill: %ld\n", (long)r);
  pthread_create(&t, 0, in_thread_fork, 0); pthread_join(t, &r); printf("fork in thread: %ld\n", (long)r);
  sigset_t set; sigemptyset(&set); sigaddset(&set, SIGUSR1); pthread_sigmask(SIG_BLOCK, &set, 0);
  pthread_attr_t a; pthread_attr_init(&a); pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED); pthread_create(&t, &a, locked, 0);
  handled_by = tid_of = 0; pthread_create(&t, 0, forever, 0);
  kill(getpid(), SIGUSR1); int got; sigwait(&set, &got); printf("sigwait: %d\n", got);
  pthread_cancel(t); pthread_join(t, 0); pthread_sigmask(SIG_UNBLOCK, &set, 0);
}

static void *dies(void *arg) { pthread_mutex_lock(arg); return 0; }
static void robust(void) {
  pthread_mutexattr_t a; pthread_mutex_t m; pthread_t t; pthread_mutexattr_init(&a); pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&m, &a); pthread_create(&t, 0, dies, &m); pthread_join(t, 0);
  int r = pthread_mutex_lock(&m); printf("robust: %d", r); printf(" consistent %d", pthread_mutex_consistent(&m)); pthread_mutex_unlock(&m); printf(" again %d\n", pthread_mutex_lock(&m));
  pthread_mutex_t *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED); pthread_mutex_init(shared, &a);
  pid_t c = fork(); if (c == 0) { pthread_mutex_lock(shared); usleep(20000); _exit(0); }
  usleep(5000); printf("robust shared: %d\n", pthread_mutex_lock(shared)); waitpid(c, 0, 0);
  sem_t *s = (sem_t *)(shared + 4); sem_init(s, 1, 0);
  c = fork(); if (c == 0) { usleep(5000); sem_post(s); _exit(0); }
  printf("shared semaphore: %d\n", sem_wait(s)); waitpid(c, 0, 0);
}

static int word, other; static void *waiter(void *arg) { return (void *)futex(arg, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, 0, 0, 0); }
static void raw(void) {
  struct timespec soon = {0, 2000000}, bad = {0, 2000000000}, past = {1, 0};
  FAILS(futex(&word, FUTEX_WAIT, 1, 0, 0, 0));
  FAILS(futex(&word, FUTEX_WAIT, 0, &soon, 0, 0));
  FAILS(futex(&word, FUTEX_WAIT, 0, &bad, 0, 0));
  FAILS(futex((char *)&word + 1, FUTEX_WAIT, 0, 0, 0, 0));
  FAILS(futex((void *)8, FUTEX_WAIT, 0, 0, 0, 0));
  FAILS(futex(&word, FUTEX_WAIT_BITSET, 0, &past, 0, ~0u));
  FAILS(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &past, 0, ~0u));
  FAILS(futex(&word, FUTEX_WAIT_BITSET, 0, 0, 0, 0));
  FAILS(futex(&word, FUTEX_WAKE, 5, 0, 0, 0));
  FAILS(futex(&word, 99, 0, 0, 0, 0));
  pthread_t t[3]; void *r; long sum = 0;
  for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, waiter, &word);
  usleep(20000);
  FAILS(futex(&word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1, (void *)1, &other, 7));
  FAILS(futex(&word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1, (void *)1, &other, 0));
  FAILS(futex(&other, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 10, 0, 0, 0));
  FAILS(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 10, 0, 0, 0));
  for (int i = 0; i < 3; i++) { pthread_join(t[i], &r); sum += (long)r; }
  printf("waiters: %ld\n", sum);
  other = 3; FAILS(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &other, FUTEX_OP(FUTEX_OP_ADD, 4, FUTEX_OP_CMP_EQ, 3))); printf("other %d\n", other);
  unsigned pi = 0; FAILS(futex(&pi, FUTEX_LOCK_PI, 0, 0, 0, 0)); printf("owner %d\n", pi == (unsigned)syscall(SYS_gettid));
  FAILS(futex(&pi, FUTEX_LOCK_PI, 0, 0, 0, 0)); FAILS(futex(&pi, FUTEX_UNLOCK_PI, 0, 0, 0, 0)); FAILS(futex(&pi, FUTEX_UNLOCK_PI, 0, 0, 0, 0));
  FAILS(futex(&pi, FUTEX_TRYLOCK_PI, 0, 0, 0, 0)); printf("pi %d\n", pi != 0);
}

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  mutexes(); conditions(); others(); storage(); cancels(); robust(); raw();
  return 0;
}
