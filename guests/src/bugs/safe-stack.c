/* SCTBench's safestack (after D. Vyukov): a lock-free stack of indices whose count goes down before the head is looked at; with three threads that take
   and give back, two may get the same index. The hardest in the suite: most published strategies do not find it in 10,000 schedules.
   Mended: a lock. */
#include "bug.h"

enum { SIZE = 3, ROUNDS = 2 };
static volatile int next[SIZE], owner[SIZE], head, count = SIZE;

static int pop(void) {
  while (count > 1) {
    int top = head;
    int after = __atomic_exchange_n(&next[top], -1, __ATOMIC_SEQ_CST);
    if (after >= 0) {
      int expected = top;
      if (__atomic_compare_exchange_n(&head, &expected, after, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_sub(&count, 1, __ATOMIC_SEQ_CST);
        return top;
      }
      __atomic_exchange_n(&next[top], after, __ATOMIC_SEQ_CST);
    }
  }
  return -1;
}

static void push(int index) {
  int top = head;
  do __atomic_store_n(&next[index], top, __ATOMIC_SEQ_CST);
  while (!__atomic_compare_exchange_n(&head, &top, index, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST);
}

static void *work(void *arg) {
  int me = (int)(long)arg;
  for (int i = 0; i < ROUNDS; i++) {
#ifdef FIXED
    lock(&mutex);
#endif
    int index = pop();
#ifdef FIXED
    unlock(&mutex);
#endif
    if (index < 0) continue;
    owner[index] = me;
    HOLDS(owner[index] == me);
#ifdef FIXED
    lock(&mutex);
#endif
    push(index);
#ifdef FIXED
    unlock(&mutex);
#endif
  }
  return arg;
}

int main(void) {
  pthread_t threads[3];
  for (int i = 0; i < SIZE; i++) next[i] = i + 1 < SIZE ? i + 1 : -1;
  start(threads, 3, work);
  join(threads, 3);
}
