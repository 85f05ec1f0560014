/* SCTBench CS.wronglock_N: one writer keeps a value up under one lock, N others (argument, otherwise 1) change it under another.
   Mended: one lock. */
#include "bug.h"

static pthread_mutex_t other_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int data;

static void *hold(void *arg) {
  lock(&mutex);
  int before = data;
  data++;
  data++;
  HOLDS(data == before + 2);
  unlock(&mutex);
  return arg;
}

static void *disturb(void *arg) {
#ifdef FIXED
  lock(&mutex);
  data++;
  unlock(&mutex);
#else
  lock(&other_lock);
  data++;
  unlock(&other_lock);
#endif
  return arg;
}

int main(int argc, char **argv) {
  pthread_t threads[MOST_THREADS];
  int count = size_of(argc, argv, 1);
  (void)other_lock;
  start(&threads[0], 1, hold);
  start(&threads[1], count, disturb);
  join(threads, count + 1);
}
