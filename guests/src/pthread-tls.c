/* Thread-local storage: variables of the compiler, keys with destructors, errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 4 };
static __thread int mine = 100;
static __thread char block[5000];
static pthread_key_t key;
static int destroyed;
static long sums[THREADS], errors[THREADS];

static void destroy(void *value) {
  __atomic_add_fetch(&destroyed, (int)(long)value, __ATOMIC_SEQ_CST);
}

static void *work(void *arg) {
  long me = (long)arg;
  mine += (int)me;
  block[4999] = (char)(me + 1);
  pthread_setspecific(key, (void *)(me + 1));
  for (int i = 0; i < 1000; i++) mine++;
  close(me % 2 ? -1 : 0x7fffffff);
  errors[me] = errno;
  if (me % 2 == 0) { errno = 0; errors[me] = errno; }
  sums[me] = mine + block[4999] + block[0] + (long)pthread_getspecific(key);
  return NULL;
}

int main(void) {
  pthread_t threads[THREADS];
  pthread_key_create(&key, destroy);
  for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) printf("thread %d: %ld, errno is EBADF %d\n", i, sums[i], errors[i] == EBADF);
  printf("main: %d %d, destroyed %d\n", mine, block[4999], destroyed);
  return 0;
}
