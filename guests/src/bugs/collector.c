/* In the shape of a bug in Mozilla's JavaScript engine (RADBench): a thread that enters a request looks whether a collection runs, and
   says that it is inside only afterwards. Mended: both under the lock. */
#include "bug.h"

static volatile int inside, collecting;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void *request(void *arg) {
  lock(&mutex);
  while (collecting) pthread_cond_wait(&changed, &mutex);
#ifndef FIXED
  unlock(&mutex);
  lock(&mutex);
#endif
  inside++;
  unlock(&mutex);
  HOLDS(!collecting);
  lock(&mutex);
  inside--;
  pthread_cond_broadcast(&changed);
  unlock(&mutex);
  return arg;
}

static void *collect(void *arg) {
  lock(&mutex);
  while (inside > 0) pthread_cond_wait(&changed, &mutex);
  collecting = 1;
  unlock(&mutex);
  lock(&mutex);
  collecting = 0;
  pthread_cond_broadcast(&changed);
  unlock(&mutex);
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(&threads[0], 1, request);
  start(&threads[1], 1, collect);
  join(threads, 2);
}
