/* SCTBench CS.deadlock01: two locks in opposite order. Mended: one order. */
#include "bug.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;
static int counter;

static void *forth(void *arg) {
  lock(&a);
  lock(&b);
  counter++;
  unlock(&b);
  unlock(&a);
  return arg;
}

static void *back(void *arg) {
#ifdef FIXED
  return forth(arg);
#else
  lock(&b);
  lock(&a);
  counter--;
  unlock(&a);
  unlock(&b);
  return arg;
#endif
}

int main(void) {
  pthread_t threads[2];
  start(&threads[0], 1, forth);
  start(&threads[1], 1, back);
  join(threads, 2);
}
