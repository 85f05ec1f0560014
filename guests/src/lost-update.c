/* Two threads pay into one bank account without a lock: some schedules lose a deposit. Exits 1 if the balance is wrong. */
#include <pthread.h>
#include <stdio.h>

enum { DEPOSITS = 40, AMOUNT = 5 };
static volatile int balance;
static pthread_barrier_t opening;

static void *pay(void *arg) {
  pthread_barrier_wait(&opening);
  for (int i = 0; i < DEPOSITS; i++) {
    int seen = balance;
    balance = seen + AMOUNT;
  }
  return arg;
}

int main(void) {
  pthread_t a, b;
  pthread_barrier_init(&opening, NULL, 2);
  pthread_create(&a, NULL, pay, NULL);
  pthread_create(&b, NULL, pay, NULL);
  pthread_join(a, NULL);
  pthread_join(b, NULL);
  int right = 2 * DEPOSITS * AMOUNT;
  printf("balance %d, should be %d%s\n", balance, right, balance == right ? "" : ": a deposit is lost");
  return balance != right;
}
