/* SCTBench CS.token_ring: four threads each add to their predecessor's number, and nothing but luck makes them go in order;
   a check sees a broken chain. Mended: each waits for its turn. */
#include "bug.h"

static int x[5] = { 1 };
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn UNUSED;

static void *pass(void *arg) {
  int me = (int)(long)arg + 1;
  lock(&mutex);
#ifdef FIXED
  while (turn != me - 1) pthread_cond_wait(&turned, &mutex);
  turn = me;
  pthread_cond_broadcast(&turned);
#endif
  x[me] = x[me - 1] + 1;
  unlock(&mutex);
  return arg;
}

int main(void) {
  pthread_t threads[4];
  (void)turned;
  start(threads, 4, pass);
  join(threads, 4);
  HOLDS(x[1] == 2 && x[2] == 3 && x[3] == 4 && x[4] == 5);
}
