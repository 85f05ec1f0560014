/* In the shape of SCTBench CHESS.IWSQ (idempotent work stealing): head and count in one word for compare-and-swap, but the owner puts a new
   element with two plain writes. A thief in between makes its mark vanish. Mended: compare-and-swap there too. */
#include "bug.h"

enum { TASKS = 4 };
static volatile unsigned anchor;             /* head × 256 + count */
static volatile int taken[TASKS], deque[TASKS];

static void put(int task) {
#ifdef FIXED
  unsigned before, after;
  do {
    before = anchor;
    deque[((before >> 8) + (before & 255)) % TASKS] = task;
    after = before + 1;
  } while (!__sync_bool_compare_and_swap(&anchor, before, after));
#else
  unsigned before = anchor;
  deque[((before >> 8) + (before & 255)) % TASKS] = task;
  anchor = before + 1;
#endif
}

static void take(void) {
  unsigned before = anchor;
  if ((before & 255) == 0) return;
  int task = deque[(before >> 8) % TASKS];
  if (__sync_bool_compare_and_swap(&anchor, before, (((before >> 8) + 1) << 8) + (before & 255) - 1))
    HOLDS(__atomic_fetch_add(&taken[task], 1, __ATOMIC_SEQ_CST) == 0);
}

static void *thief(void *arg) {
  for (int i = 0; i < 3; i++) take();
  return arg;
}

int main(void) {
  pthread_t thread;
  put(0);
  start(&thread, 1, thief);
  for (int i = 1; i < TASKS; i++) put(i);
  for (int i = 0; i < TASKS; i++) take();
  join(&thread, 1);
}
