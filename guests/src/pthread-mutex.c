/* Four threads count under a mutex; a recursive and an error-checking one say what they are. */
#include "abi.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 5000 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long count, own[THREADS];

static void *work(void *arg) {
  long me = (long)arg;
  for (int i = 0; i < ROUNDS; i++) {
    pthread_mutex_lock(&lock);
    count += me + 1;
    own[me]++;
    pthread_mutex_unlock(&lock);
  }
  return (void *)(me * me);
}

int main(void) {
  pthread_t threads[THREADS];
  for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
  for (int i = 0; i < THREADS; i++) {
    void *result;
    pthread_join(threads[i], &result);
    printf("thread %d: %ld rounds, result %ld\n", i, own[i], (long)result);
  }
  printf("count %ld\n", count);

  pthread_mutexattr_t kind;
  pthread_mutex_t m;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&m, &kind);
  printf("recursive: %d %d %d\n", pthread_mutex_lock(&m), pthread_mutex_lock(&m), pthread_mutex_unlock(&m));
  pthread_mutex_unlock(&m);
  printf("once too often: %s\n", abi_error(pthread_mutex_unlock(&m)));
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_init(&m, &kind);
  pthread_mutex_lock(&m);
  printf("error checking: %s\n", abi_error(pthread_mutex_lock(&m)));
  pthread_mutex_unlock(&m);
  printf("trylock: %d %s\n", pthread_mutex_trylock(&lock), abi_error(pthread_mutex_trylock(&lock)));
  return count != ROUNDS * (1 + 2 + 3 + 4);
}
