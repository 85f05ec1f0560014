/* SCTBench CS.arithmetic_prog: one thread sums while another counts what was summed; both loops are locked, the way out of them is not.
   Mended: the end is decided under the same lock as the last step. */
#include "bug.h"

enum { STEPS = 3 };
static int produced, sum, total;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;

static void *produce(void *arg) {
  for (int i = 1; i <= STEPS; i++) {
    lock(&mutex);
    sum += i;
#ifdef FIXED
    produced++;
#endif
    pthread_cond_signal(&more);
    unlock(&mutex);
#ifndef FIXED
    produced++;
#endif
  }
  return arg;
}

static void *consume(void *arg) {
  lock(&mutex);
  while (*(volatile int *)&produced < STEPS) {
    total = sum;
    pthread_cond_wait(&more, &mutex);
  }
  total = sum;
  unlock(&mutex);
  return arg;
}

/* The last signal may come before the count: the consumer then waits for ever. */
int main(void) {
  pthread_t threads[2];
  start(&threads[0], 1, produce);
  start(&threads[1], 1, consume);
  join(threads, 2);
  HOLDS(total == STEPS * (STEPS + 1) / 2);
}
