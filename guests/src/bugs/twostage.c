/* SCTBench CS.twostage: N writers (argument, otherwise 1) and as many readers; a value and the one that follows from it have a lock each,
   so that a reader can come in between. Mended: the writer keeps the first lock. */
#include "bug.h"

static pthread_mutex_t second_lock = PTHREAD_MUTEX_INITIALIZER;
static int first, second;

static void *write_both(void *arg) {
  lock(&mutex);
  first = 1;
#ifndef FIXED
  unlock(&mutex);
#endif
  lock(&second_lock);
  second = 2;
  unlock(&second_lock);
#ifdef FIXED
  unlock(&mutex);
#endif
  return arg;
}

static void *read_both(void *arg) {
  lock(&mutex);
  int one = first;
  unlock(&mutex);
  if (one == 0) return arg;
  lock(&second_lock);
  int two = second;
  unlock(&second_lock);
  HOLDS(two == one + 1);
  return arg;
}

int main(int argc, char **argv) {
  pthread_t threads[2 * MOST_THREADS];
  int count = size_of(argc, argv, 1);
  start(threads, count, write_both);
  start(&threads[count], count, read_both);
  join(threads, 2 * count);
}
