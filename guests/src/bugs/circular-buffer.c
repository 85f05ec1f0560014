/* SCTBench CS.circular_buffer: a ring without a lock, its sender and receiver guarded by flags that are cleared too early.
   Mended: a mutex around each operation. */
#include "bug.h"

enum { SIZE = 4, MESSAGES = 4 };
static volatile int ring[SIZE], head, tail, sending = 1, receiving;

static void put(int value) {
  ring[head] = value;
  head = (head + 1) % SIZE;
}
static int get(void) {
  int value = ring[tail];
  tail = (tail + 1) % SIZE;
  return value;
}

static void *send(void *arg) {
  for (int i = 0; i < MESSAGES; i++) {
    lock(&mutex);
    if (sending) {
      put(i);
#ifndef FIXED
      sending = 0;
      unlock(&mutex);
      receiving = 1;
      lock(&mutex);
      sending = 1;
#else
      sending = 0;
      receiving = 1;
#endif
    }
    unlock(&mutex);
  }
  return arg;
}

static int expected;
static void *receive(void *arg) {
  for (int i = 0; i < MESSAGES; i++) {
    lock(&mutex);
    if (receiving) {
      HOLDS(get() == expected);
      expected++;
      receiving = 0;
      sending = 1;
    }
    unlock(&mutex);
  }
  return arg;
}

int main(void) {
  memset((void *)ring, -1, sizeof ring);
  pthread_t threads[2];
  start(&threads[0], 1, send);
  start(&threads[1], 1, receive);
  join(threads, 2);
  lock(&mutex);
  HOLDS(!receiving || head != tail);
  unlock(&mutex);
}
