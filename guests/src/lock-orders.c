/*
 * Two threads, one after the other, take two things in different orders. What the things are is the argument:
 *   mutexes, spins (test and set), bits (BTS), futexes (a mutex that adds, with a futex): locks, so that a detector warns
 *   counters (LOCK INC, LOCK DEC), references (counted with CMPXCHG), semaphores: none
 *   tried: mutexes of which the second is only tried
 */
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t mutexes[2] __attribute__((aligned(64))) = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
static volatile int words[2][16] __attribute__((aligned(64)));
static sem_t semaphores[2] __attribute__((aligned(64)));
static const char *mode;

static int is(const char *name) { return strcmp(mode, name) == 0; }

/* It counts those who have it or want it. */
static void futex_lock(volatile int *word) {
  int before;
  while ((before = __sync_fetch_and_add(word, 1)) != 0) syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, before + 1, NULL);
}
static void futex_unlock(volatile int *word) {
  *word = 0;
  __sync_synchronize();
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1);
}

static void count(volatile int *word, int by) {
  int before = *word;
  while (!__atomic_compare_exchange_n(word, &before, before + by, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) { }
}

static void take(int which, int isSecond) {
  volatile int *word = words[which];
  if (is("mutexes") || (is("tried") && !isSecond)) pthread_mutex_lock(&mutexes[which]);
  else if (is("tried")) pthread_mutex_trylock(&mutexes[which]);
  else if (is("spins")) while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE) != 0) { }
  else if (is("bits")) __asm__ volatile("lock btsl $0, %0" : "+m"(*word) : : "memory");
  else if (is("futexes")) futex_lock(word);
  else if (is("counters")) __asm__ volatile("lock incl %0" : "+m"(*word) : : "memory");
  else if (is("references")) { count(word, 1); count(word, 1); }
  else sem_post(&semaphores[which]);
}

static void give(int which) {
  volatile int *word = words[which];
  if (is("mutexes") || is("tried")) pthread_mutex_unlock(&mutexes[which]);
  else if (is("spins") || is("bits")) __atomic_store_n(word, 0, __ATOMIC_RELEASE);
  else if (is("futexes")) futex_unlock(word);
  else if (is("counters")) __asm__ volatile("lock decl %0" : "+m"(*word) : : "memory");
  else if (is("references")) { count(word, -1); count(word, -1); }
  else sem_wait(&semaphores[which]);
}

static void *both(void *argument) {
  int first = (int)(long)argument;
  take(first, 0);
  take(!first, 1);
  give(!first);
  give(first);
  return NULL;
}

/* One waits for what the other has: that is how a detector knows of some. */
static void *waits(void *argument) {
  (void)argument;
  for (int which = 0; which < 2; which++) {
    take(which, 0);
    give(which);
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  mode = argv[1];
  for (int i = 0; i < 2; i++) sem_init(&semaphores[i], 0, 0);
  pthread_t thread;
  if (is("futexes")) {
    for (int which = 0; which < 2; which++) take(which, 0);
    pthread_create(&thread, NULL, waits, NULL);
    for (int which = 0; which < 2; which++) {
      usleep(1000);
      give(which);
    }
    pthread_join(thread, NULL);
  }
  for (long i = 0; i < 2; i++) {
    pthread_create(&thread, NULL, both, (void *)i);
    pthread_join(thread, NULL);
  }
  return 0;
}
