/* memcached's incr (issue 127): the item is looked up under the lock, changed outside of it and stored under it. Mended: one critical section. */
#include "bug.h"

static int item;

static void *increment(void *arg) {
  lock(&mutex);
  int value = item;
#ifndef FIXED
  unlock(&mutex);
#endif
  value++;
#ifndef FIXED
  lock(&mutex);
#endif
  item = value;
  unlock(&mutex);
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(threads, 2, increment);
  join(threads, 2);
  HOLDS(item == 2);
}
