/* A pool of workers is told to stop by a flag that is set without the lock: a worker between its look and its wait never wakes: deadlock.
   Mended: the flag is set under the lock. */
#include "bug.h"

static volatile int stopping;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;

static void *worker(void *arg) {
  lock(&mutex);
  while (!stopping) pthread_cond_wait(&work, &mutex);
  unlock(&mutex);
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(threads, 2, worker);
#ifdef FIXED
  lock(&mutex);
#endif
  stopping = 1;
  pthread_cond_broadcast(&work);
#ifdef FIXED
  unlock(&mutex);
#endif
  join(threads, 2);
}
