/* In the shape of PARSEC's streamcluster: the master sets up work and wakes the others by broadcast; who is not waiting yet misses it.
   Mended: a flag under the lock is waited for. Deadlock. */
#include "bug.h"

enum { WORKERS = 2 };
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static volatile int is_open;
static int done;

static void *worker(void *arg) {
#ifdef FIXED
  lock(&mutex);
  while (!is_open) pthread_cond_wait(&opened, &mutex);
  unlock(&mutex);
#else
  if (!is_open) {
    lock(&mutex);
    pthread_cond_wait(&opened, &mutex);
    unlock(&mutex);
  }
#endif
  __atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
  return arg;
}

int main(void) {
  pthread_t threads[WORKERS];
  start(threads, WORKERS, worker);
  lock(&mutex);
  is_open = 1;
  pthread_cond_broadcast(&opened);
  unlock(&mutex);
  join(threads, WORKERS);
  HOLDS(done == WORKERS);
}
