/* SCTBench CS.account: a deposit and a withdrawal each under the lock, but the balance to write is worked out before it is taken.
   Mended: worked out under the lock. */
#include "bug.h"

static int balance = 100;

static void *deposit(void *arg) {
#ifndef FIXED
  int after = *(volatile int *)&balance + 40;
  lock(&mutex);
#else
  lock(&mutex);
  int after = balance + 40;
#endif
  balance = after;
  unlock(&mutex);
  return arg;
}

static void *withdraw(void *arg) {
  lock(&mutex);
  balance -= 30;
  unlock(&mutex);
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(&threads[0], 1, deposit);
  start(&threads[1], 1, withdraw);
  join(threads, 2);
  HOLDS(balance == 110);
}
