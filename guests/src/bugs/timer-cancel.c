/* A timer's callback asks whether it was cancelled and then uses its object, which whoever cancels takes away in between.
   Mended: the callback keeps the lock, and so does who cancels. */
#include "bug.h"

static volatile int cancelled;
static int *volatile object;
static int storage = 5;

static void *callback(void *arg) {
#ifdef FIXED
  lock(&mutex);
#endif
  if (!cancelled) HOLDS(object != NULL);
#ifdef FIXED
  unlock(&mutex);
#endif
  return arg;
}

static void *cancel(void *arg) {
#ifdef FIXED
  lock(&mutex);
#endif
  cancelled = 1;
  object = NULL;
#ifdef FIXED
  unlock(&mutex);
#endif
  return arg;
}

int main(void) {
  pthread_t threads[2];
  object = &storage;
  start(&threads[0], 1, callback);
  start(&threads[1], 1, cancel);
  join(threads, 2);
}
