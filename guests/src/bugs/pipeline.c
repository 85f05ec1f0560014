/* In the shape of PARSEC's ferret: stages of a pipeline; the last worker of a stage to end closes the queue for the next one, and who is last is
   found by a plain decrement. Mended: an atomic one. Some schedules leave the queue open for ever: deadlock. */
#include "bug.h"

enum { WORKERS = 2 };
static volatile int working = WORKERS;
static int queued, is_closed;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void *stage(void *arg) {
  lock(&mutex);
  queued++;
  pthread_cond_signal(&changed);
  unlock(&mutex);
#ifdef FIXED
  int left = __atomic_sub_fetch(&working, 1, __ATOMIC_SEQ_CST);
#else
  int left = working - 1;
  working = left;
#endif
  if (left == 0) {
    lock(&mutex);
    is_closed = 1;
    pthread_cond_signal(&changed);
    unlock(&mutex);
  }
  return arg;
}

static void *last_stage(void *arg) {
  int got = 0;
  lock(&mutex);
  for (;;) {
    while (queued == 0 && !is_closed) pthread_cond_wait(&changed, &mutex);
    if (queued == 0) break;
    queued--;
    got++;
  }
  unlock(&mutex);
  HOLDS(got == WORKERS);
  return arg;
}

int main(void) {
  pthread_t threads[WORKERS + 1];
  start(threads, WORKERS, stage);
  start(&threads[WORKERS], 1, last_stage);
  join(threads, WORKERS + 1);
}
