/* Readers never see a half-written pair under a read-write lock; writers exclude everyone. */
#include "abi.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { READERS = 3, WRITERS = 2, ROUNDS = 1000 };
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static volatile long first, second;
static int torn;

static void *reader(void *arg) {
  for (int i = 0; i < ROUNDS; i++) {
    pthread_rwlock_rdlock(&lock);
    if (first != second) __atomic_add_fetch(&torn, 1, __ATOMIC_SEQ_CST);
    pthread_rwlock_unlock(&lock);
  }
  return arg;
}

static void *writer(void *arg) {
  for (int i = 0; i < ROUNDS; i++) {
    pthread_rwlock_wrlock(&lock);
    first++;
    second++;
    pthread_rwlock_unlock(&lock);
  }
  return arg;
}

int main(void) {
  pthread_t threads[READERS + WRITERS];
  for (int i = 0; i < READERS; i++) pthread_create(&threads[i], NULL, reader, NULL);
  for (int i = 0; i < WRITERS; i++) pthread_create(&threads[READERS + i], NULL, writer, NULL);
  for (int i = 0; i < READERS + WRITERS; i++) pthread_join(threads[i], NULL);
  printf("pair %ld %ld, torn %d\n", first, second, torn);
  pthread_rwlock_rdlock(&lock);
  printf("second reader: %d\n", pthread_rwlock_tryrdlock(&lock));
  printf("writer: %s\n", abi_error(pthread_rwlock_trywrlock(&lock)));
  pthread_rwlock_unlock(&lock);
  pthread_rwlock_unlock(&lock);
  printf("writer: %d\n", pthread_rwlock_trywrlock(&lock));
  printf("reader: %s\n", abi_error(pthread_rwlock_tryrdlock(&lock)));
  pthread_rwlock_unlock(&lock);
  return torn != 0;
}
