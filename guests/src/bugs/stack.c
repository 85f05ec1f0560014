/* SCTBench CS.stack: push and pop are locked, but a flag that says that there is something is not. Mended: pop looks at the height. */
#include "bug.h"

enum { SIZE = 4 };
static int elements[SIZE], height;
static volatile int is_filled;

static void *push(void *arg) {
  for (int i = 0; i < SIZE; i++) {
    lock(&mutex);
    elements[height++] = i;
    is_filled = 1;
    unlock(&mutex);
  }
  return arg;
}

static void *pop(void *arg) {
  for (int i = 0; i < SIZE; i++) {
    lock(&mutex);
#ifdef FIXED
    if (height > 0) height--;
#else
    if (is_filled) {
      HOLDS(height > 0);
      height--;
    }
#endif
    unlock(&mutex);
  }
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(&threads[0], 1, push);
  start(&threads[1], 1, pop);
  join(threads, 2);
}
