/* Threads that race on purpose: what it prints depends on the schedule. */
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>

enum { THREADS = 3, ROUNDS = 8000 };
static volatile long counter;
static volatile int order[THREADS], arrived;

static void *race(void *arg) {
  for (int i = 0; i < ROUNDS; i++) {
    long seen = counter;
    for (volatile int delay = 0; delay < 3; delay++) {}
    counter = seen + 1;
  }
  order[arrived++ % THREADS] = (int)(long)arg;
  return NULL;
}

int main(void) {
  pthread_t threads[THREADS];
  unsigned random;
  for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, race, (void *)i);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  if (getrandom(&random, sizeof random, 0) != sizeof random) return 1;
  printf("counter %ld, order %d %d %d, random %08x\n", counter, order[0], order[1], order[2], random);
  return 0;
}
