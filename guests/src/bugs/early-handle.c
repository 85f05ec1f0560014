/* Transmission 1.42: a thread uses a handle that its creator stores after pthread_create. Mended: a lock is held until it is stored. */
#include "bug.h"

static int *volatile handle;
static int value = 3;

static void *use(void *arg) {
#ifdef FIXED
  lock(&mutex);
  unlock(&mutex);
#endif
  HOLDS(*handle == 3);
  return arg;
}

int main(void) {
  pthread_t thread;
#ifdef FIXED
  lock(&mutex);
#endif
  start(&thread, 1, use);
  handle = &value;
#ifdef FIXED
  unlock(&mutex);
#endif
  join(&thread, 1);
}
