/* SCTBench CHESS.WSQ: a deque whose owner takes from the tail without the lock while thieves take from the head with it; for the last
   element they must settle under the lock, which the owner forgets. Mended: it does, and looks again. */
#include "bug.h"

enum { TASKS = 3 };
static volatile int head, tail, taken[TASKS];
static int deque[TASKS];

static void take(int task) { HOLDS(__atomic_fetch_add(&taken[task], 1, __ATOMIC_SEQ_CST) == 0); }

static int pop(void) {
#ifdef FIXED
  lock(&mutex);
#endif
  int t = tail - 1, task = -1;
  tail = t;
  if (head <= t) task = deque[t];
  else tail = t + 1;
#ifdef FIXED
  unlock(&mutex);
#endif
  return task;
}

static int steal(void) {
  lock(&mutex);
  int h = head, task = -1;
  if (h < tail) {
    task = deque[h];
    head = h + 1;
  }
  unlock(&mutex);
  return task;
}

static void *thief(void *arg) {
  for (int i = 0; i < 2; i++) {
    int task = steal();
    if (task >= 0) take(task);
  }
  return arg;
}

int main(void) {
  pthread_t thread;
  for (int i = 0; i < TASKS; i++) deque[i] = i;
  tail = TASKS;
  start(&thread, 1, thief);
  for (int task; (task = pop()) >= 0;) take(task);
  join(&thread, 1);
}
