/* SCTBench's bounded buffer: consumers wait with `if`, so that one that is woken may find that another was faster. Mended: `while`. */
#include "bug.h"

enum { SIZE = 1, ITEMS = 2 };
static int count;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
#ifdef FIXED
#define WAIT_IF while
#else
#define WAIT_IF if
#endif

static void *produce(void *arg) {
  for (int i = 0; i < ITEMS; i++) {
    lock(&mutex);
    WAIT_IF (count == SIZE) pthread_cond_wait(&not_full, &mutex);
    count++;
    HOLDS(count <= SIZE);
    pthread_cond_signal(&not_empty);
    unlock(&mutex);
  }
  return arg;
}

static void *consume(void *arg) {
  lock(&mutex);
  WAIT_IF (count == 0) pthread_cond_wait(&not_empty, &mutex);
  count--;
  HOLDS(count >= 0);
  pthread_cond_signal(&not_full);
  unlock(&mutex);
  return arg;
}

int main(void) {
  pthread_t threads[3];
  start(&threads[0], 2, consume);
  start(&threads[2], 1, produce);
  join(threads, 3);
}
