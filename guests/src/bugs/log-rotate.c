/* MySQL bug 791: while the log is changed for a new one it is closed for a moment, and who looks then does not log at all.
   Mended: who looks takes the lock too. */
#include "bug.h"

static volatile int is_open = 1, logged;

static void *rotate(void *arg) {
  lock(&mutex);
  is_open = 0;
  is_open = 1;
  unlock(&mutex);
  return arg;
}

static void *insert(void *arg) {
#ifdef FIXED
  lock(&mutex);
  if (is_open) logged = 1;
  unlock(&mutex);
#else
  if (is_open) {
    lock(&mutex);
    logged = 1;
    unlock(&mutex);
  }
#endif
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(&threads[0], 1, rotate);
  start(&threads[1], 1, insert);
  join(threads, 2);
  HOLDS(logged);
}
