/* A ticket lock whose tickets are drawn with a read and a write. Mended: an atomic addition. */
#include "bug.h"
#include <sched.h>

static FLAG int next, serving;
static volatile int inside;

static void *work(void *arg) {
#ifdef FIXED
  int mine = __atomic_fetch_add(&next, 1, __ATOMIC_SEQ_CST);
#else
  int mine = next;
  next = mine + 1;
#endif
  while (serving != mine) sched_yield();
  HOLDS(__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) == 1);
  __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
  serving = mine + 1;
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(threads, 2, work);
  join(threads, 2);
}
