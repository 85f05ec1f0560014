/* SCTBench CS.carter01: the first of each group takes the group's lock and the last one gives it back; two groups take two locks
   in opposite order. Mended: one order. */
#include "bug.h"

static pthread_mutex_t left = PTHREAD_MUTEX_INITIALIZER, right = PTHREAD_MUTEX_INITIALIZER;
static int readers_of_a, readers_of_b;

static void enter(int *readers, pthread_mutex_t *outer, pthread_mutex_t *inner) {
  lock(outer);
  if (++*readers == 1) lock(inner);
  unlock(outer);
  lock(outer);
  if (--*readers == 0) unlock(inner);
  unlock(outer);
}

static void *first(void *arg) {
  enter(&readers_of_a, &left, &right);
  return arg;
}

static void *second(void *arg) {
#ifdef FIXED
  static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
  enter(&readers_of_b, &own, &right);
#else
  enter(&readers_of_b, &right, &left);
#endif
  return arg;
}

int main(void) {
  pthread_t threads[4];
  start(&threads[0], 2, first);
  start(&threads[2], 2, second);
  join(threads, 4);
}
