/* SCTBench CS.sync01: a consumer waits without a look at what it waits for, so that a signal that came before is lost: deadlock.
   Mended: while (!ready). */
#include "bug.h"

static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static int ready;

static void *produce(void *arg) {
  lock(&mutex);
  ready = 1;
  pthread_cond_signal(&filled);
  unlock(&mutex);
  return arg;
}

static void *consume(void *arg) {
  lock(&mutex);
#ifdef FIXED
  while (!ready)
#endif
  pthread_cond_wait(&filled, &mutex);
  HOLDS(ready);
  unlock(&mutex);
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(&threads[0], 1, consume);
  start(&threads[1], 1, produce);
  join(threads, 2);
}
