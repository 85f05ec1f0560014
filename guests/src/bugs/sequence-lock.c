/* A sequence lock whose reader looks at the number before, but not after. Mended: it looks again. */
#include "bug.h"

static FLAG unsigned sequence;
static FLAG int low = 1, high = ~1;

static void *update(void *arg) {
  for (int i = 2; i < 5; i++) {
    sequence++;
    low = i;
    high = ~i;
    sequence++;
  }
  return arg;
}

static void *read_pair(void *arg) {
  for (int tries = 0; tries < 3; tries++) {
    unsigned before = sequence;
    if (before & 1) continue;
    int a = low, b = high;
#ifdef FIXED
    if (sequence != before) continue;
#endif
    HOLDS(a == ~b);
    break;
  }
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(&threads[0], 1, update);
  start(&threads[1], 1, read_pair);
  join(threads, 2);
}
