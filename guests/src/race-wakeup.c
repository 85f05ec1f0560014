/*
 * A wake-up that may be lost: the flag is cleared by the thread that waits for it, perhaps after the other has set it. Then both spin:
 * one for the flag, the other for an answer.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static atomic_int ready, answered;

static void *wait_for_it(void *arg) {
  atomic_store(&ready, 0);
  while (!atomic_load(&ready)) sched_yield();
  atomic_store(&answered, 1);
  return arg;
}

int main(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, wait_for_it, NULL);
  atomic_store(&ready, 1);
  while (!atomic_load(&answered)) sched_yield();
  pthread_join(thread, NULL);
  return 0;
}
