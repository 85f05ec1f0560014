/* In the shape of SCTBench CS.circular_buffer: a ring for one sender and one receiver without a lock; the sender moves the head before the
   element is there. Mended: element first (on x86 stores stay in order). */
#include "bug.h"

enum { SIZE = 4, MESSAGES = 3 };
static volatile int ring[SIZE];
static FLAG int head, tail;

static void *send(void *arg) {
  for (int i = 1; i <= MESSAGES; i++) {
    int at = head;
#ifdef FIXED
    ring[at] = i;
    head = (at + 1) % SIZE;
#else
    head = (at + 1) % SIZE;
    ring[at] = i;
#endif
  }
  return arg;
}

static void *receive(void *arg) {
  int expected = 1;
  for (int i = 0; i < MESSAGES; i++) {
    if (tail == head) continue;
    HOLDS(ring[tail] == expected);
    expected++;
    tail = (tail + 1) % SIZE;
  }
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(&threads[0], 1, send);
  start(&threads[1], 1, receive);
  join(threads, 2);
}
