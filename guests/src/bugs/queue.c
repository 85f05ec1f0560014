/* SCTBench CS.queue: producer and consumer hand over by flags; the flag of the consumer is set before the element is counted.
   Mended: the count is changed with the element, under the lock. */
#include "bug.h"

enum { SIZE = 6 };
static int elements[SIZE], amount, stored[SIZE];
static volatile int enqueuing = 1, dequeuing;

static void *enqueue(void *arg) {
  int value = 7;
  lock(&mutex);
  elements[amount] = value;
  stored[0] = value;
#ifdef FIXED
  amount++;
#endif
  unlock(&mutex);
#ifndef FIXED
  dequeuing = 1;
  lock(&mutex);
  amount++;
  unlock(&mutex);
#endif
  for (int i = 1; i < SIZE; i++) {
    lock(&mutex);
    if (enqueuing && amount < SIZE) {
      value++;
      elements[amount++] = value;
      stored[i] = value;
#ifdef FIXED
      dequeuing = 1;
#else
      enqueuing = 0;
      dequeuing = 1;
#endif
    }
    unlock(&mutex);
  }
  return arg;
}

static void *dequeue(void *arg) {
  for (int i = 0; i < SIZE; i++) {
    lock(&mutex);
    if (dequeuing) {
#ifdef FIXED
      if (amount > 0) {
        int value = elements[--amount];
        HOLDS(value >= 7);
      }
#else
      HOLDS(amount > 0);
      amount--;
      dequeuing = 0;
      enqueuing = 1;
#endif
    }
    unlock(&mutex);
  }
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(&threads[0], 1, enqueue);
  start(&threads[1], 1, dequeue);
  join(threads, 2);
}
