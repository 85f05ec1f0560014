/* SCTBench CB.aget: on ^C the state of a download is saved: how much each thread has written and the sum, which are changed one after the
   other. Mended: both under the lock. */
#include "bug.h"

enum { THREADS = 2, CHUNKS = 3 };
static volatile int written[THREADS], sum;

static void *download(void *arg) {
  int me = (int)(long)arg;
  for (int i = 0; i < CHUNKS; i++) {
#ifdef FIXED
    lock(&mutex);
#endif
    written[me] += 10;
    __atomic_fetch_add(&sum, 10, __ATOMIC_SEQ_CST);
#ifdef FIXED
    unlock(&mutex);
#endif
  }
  return arg;
}

static void *save(void *arg) {
#ifdef FIXED
  lock(&mutex);
#endif
  int all = 0;
  for (int i = 0; i < THREADS; i++) all += written[i];
  HOLDS(all == sum);
#ifdef FIXED
  unlock(&mutex);
#endif
  return arg;
}

int main(void) {
  pthread_t threads[THREADS + 1];
  start(threads, THREADS, download);
  start(&threads[THREADS], 1, save);
  join(threads, THREADS + 1);
}
