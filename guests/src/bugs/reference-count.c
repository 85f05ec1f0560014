/* A reference count that is taken down atomically and looked at again afterwards: both threads may believe to be the last. Mended: the
   answer of the atomic operation is used. */
#include "bug.h"

static int references = 2, freed;

static void *drop(void *arg) {
#ifdef FIXED
  if (__atomic_sub_fetch(&references, 1, __ATOMIC_SEQ_CST) == 0)
#else
  __atomic_sub_fetch(&references, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&references, __ATOMIC_SEQ_CST) == 0)
#endif
    HOLDS(__atomic_fetch_add(&freed, 1, __ATOMIC_SEQ_CST) == 0);
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(threads, 2, drop);
  join(threads, 2);
  HOLDS(freed == 1);
}
