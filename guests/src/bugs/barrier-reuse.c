/* In the shape of a kernel of SPLASH-2 with a barrier of its own: a counter that the last one puts back to 0, on which a fast thread comes round
   again before a slow one has seen it. Mended: a generation is waited for. */
#include "bug.h"

enum { THREADS = 3, ROUNDS = 2 };
static pthread_cond_t all_here = PTHREAD_COND_INITIALIZER;
static int arrived, generation UNUSED;
static volatile int rounds[THREADS];

static void barrier(void) {
  lock(&mutex);
#ifdef FIXED
  int mine = generation;
  if (++arrived == THREADS) {
    arrived = 0;
    generation++;
    pthread_cond_broadcast(&all_here);
  } else {
    while (generation == mine) pthread_cond_wait(&all_here, &mutex);
  }
#else
  if (++arrived == THREADS) {
    arrived = 0;
    pthread_cond_broadcast(&all_here);
  } else {
    while (arrived != 0) pthread_cond_wait(&all_here, &mutex);
  }
#endif
  unlock(&mutex);
}

static void *work(void *arg) {
  int me = (int)(long)arg;
  for (int i = 0; i < ROUNDS; i++) {
    rounds[me]++;
    barrier();
    for (int j = 0; j < THREADS; j++) HOLDS(rounds[j] >= rounds[me]);
    barrier();
  }
  return arg;
}

int main(void) {
  pthread_t threads[THREADS];
  start(threads, THREADS, work);
  join(threads, THREADS);
}
