/* Two readers of a home-made read-write lock both want to become its writer and each waits for the other to leave: deadlock.
   Mended: who wants to write leaves first. */
#include "bug.h"

static int readers, writers;
static pthread_cond_t left = PTHREAD_COND_INITIALIZER;
static int value;

static void *update(void *arg) {
  lock(&mutex);
  while (writers) pthread_cond_wait(&left, &mutex);
  readers++;
  unlock(&mutex);
  lock(&mutex);
#ifdef FIXED
  readers--;
  pthread_cond_broadcast(&left);
  while (readers > 0 || writers) pthread_cond_wait(&left, &mutex);
#else
  while (readers > 1 || writers) pthread_cond_wait(&left, &mutex);
  readers--;
#endif
  writers = 1;
  value++;
  writers = 0;
  pthread_cond_broadcast(&left);
  unlock(&mutex);
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(threads, 2, update);
  join(threads, 2);
  HOLDS(value == 2);
}
