/* SCTBench CB.ctrace: threads enter themselves in a shared table, in the first slot that is free; the look and the write are not one step.
   Mended: compare-and-swap. */
#include "bug.h"

enum { SLOTS = 8, THREADS = 3 };
static volatile long table[SLOTS];

static void *enter(void *arg) {
  long me = (long)arg + 1;
  for (int i = 0; i < SLOTS; i++) {
#ifdef FIXED
    if (__sync_bool_compare_and_swap(&table[i], 0, me)) break;
#else
    if (table[i] == 0) {
      table[i] = me;
      break;
    }
#endif
  }
  return arg;
}

int main(void) {
  pthread_t threads[THREADS];
  start(threads, THREADS, enter);
  join(threads, THREADS);
  long sum = 0;
  for (int i = 0; i < SLOTS; i++) sum += table[i];
  HOLDS(sum == THREADS * (THREADS + 1) / 2);
}
