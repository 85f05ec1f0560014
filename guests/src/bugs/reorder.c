/* SCTBench CS.reorder_N: N − 1 setters (argument N, otherwise 3) write a and then b; one checker must see both or neither.
   Mended: a lock around both writes and both looks. */
#include "bug.h"

static volatile int a, b;

static void *set(void *arg) {
#ifdef FIXED
  lock(&mutex);
#endif
  a = 1;
  b = -1;
#ifdef FIXED
  unlock(&mutex);
#endif
  return arg;
}

static void *check(void *arg) {
#ifdef FIXED
  lock(&mutex);
#endif
  HOLDS((a == 0 && b == 0) || (a == 1 && b == -1));
#ifdef FIXED
  unlock(&mutex);
#endif
  return arg;
}

int main(int argc, char **argv) {
  pthread_t threads[MOST_THREADS];
  int count = size_of(argc, argv, 3);
  start(threads, count - 1, set);
  start(&threads[count - 1], 1, check);
  join(threads, count);
}
