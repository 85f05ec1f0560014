/* SCTBench CS.bluetooth_driver: a driver is stopped between the look at `stopping` and the count of requests under way.
   Mended: both under one lock. */
#include "bug.h"

static volatile int stopping, stopped, pending = 1;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;

static void release(void) {
  lock(&mutex);
  if (--pending == 0) {
    stopped = 1;
    pthread_cond_signal(&idle);
  }
  unlock(&mutex);
}

static void *request(void *arg) {
#ifndef FIXED
  if (stopping) return arg;
  lock(&mutex);
  pending++;
  unlock(&mutex);
#else
  lock(&mutex);
  if (stopping) {
    unlock(&mutex);
    return arg;
  }
  pending++;
  unlock(&mutex);
#endif
  HOLDS(!stopped);
  release();
  return arg;
}

static void *stop(void *arg) {
#ifdef FIXED
  lock(&mutex);
  stopping = 1;
  unlock(&mutex);
#else
  stopping = 1;
#endif
  release();
  lock(&mutex);
  while (pending > 0) pthread_cond_wait(&idle, &mutex);
  unlock(&mutex);
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(&threads[0], 1, request);
  start(&threads[1], 1, stop);
  join(threads, 2);
}
