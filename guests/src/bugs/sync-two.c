/* SCTBench CS.sync02: one condition for two meanings, woken by signal: it may wake a producer where a consumer is meant. Mended: broadcast. */
#include "bug.h"

static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int full;
#ifdef FIXED
#define WAKE pthread_cond_broadcast
#else
#define WAKE pthread_cond_signal
#endif

static void *produce(void *arg) {
  lock(&mutex);
  while (full) pthread_cond_wait(&changed, &mutex);
  full = 1;
  WAKE(&changed);
  unlock(&mutex);
  return arg;
}

static void *consume(void *arg) {
  lock(&mutex);
  while (!full) pthread_cond_wait(&changed, &mutex);
  full = 0;
  WAKE(&changed);
  unlock(&mutex);
  return arg;
}

int main(void) {
  pthread_t threads[6];
  start(&threads[0], 3, consume);
  start(&threads[3], 3, produce);
  join(threads, 6);
}
