/* SCTBench CS.phase01: a thread unlocks between its two phases what the other then takes in the other order. Mended: one order in both phases. */
#include "bug.h"

static pthread_mutex_t x = PTHREAD_MUTEX_INITIALIZER, y = PTHREAD_MUTEX_INITIALIZER;
static int phases;

static void *work(void *arg) {
  int odd = (int)(long)arg & 1;
  for (int phase = 0; phase < 2; phase++) {
#ifdef FIXED
    int turned = phase;
#else
    int turned = phase ^ odd;
#endif
    pthread_mutex_t *first = turned ? &y : &x, *second = turned ? &x : &y;
#ifdef FIXED
    first = &x;
    second = &y;
#endif
    (void)odd;
    lock(first);
    lock(second);
    phases++;
    unlock(second);
    unlock(first);
  }
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(threads, 2, work);
  join(threads, 2);
  HOLDS(phases == 4);
}
