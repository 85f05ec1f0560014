/* Two producers and three consumers share a ring of eight places. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>

enum { PRODUCERS = 2, CONSUMERS = 3, ITEMS = 1500, PLACES = 8 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static int ring[PLACES], filled, head, producing = PRODUCERS;
static long taken, sum;

static void *produce(void *arg) {
  for (int i = 0; i < ITEMS; i++) {
    pthread_mutex_lock(&lock);
    while (filled == PLACES) pthread_cond_wait(&not_full, &lock);
    ring[(head + filled++) % PLACES] = (int)(long)arg * ITEMS + i;
    pthread_cond_signal(&not_empty);
    pthread_mutex_unlock(&lock);
  }
  pthread_mutex_lock(&lock);
  if (--producing == 0) pthread_cond_broadcast(&not_empty);
  pthread_mutex_unlock(&lock);
  return NULL;
}

static void *consume(void *arg) {
  for (;;) {
    pthread_mutex_lock(&lock);
    while (filled == 0 && producing > 0) pthread_cond_wait(&not_empty, &lock);
    if (filled == 0) {
      pthread_mutex_unlock(&lock);
      return arg;
    }
    sum += ring[head];
    head = (head + 1) % PLACES;
    filled--;
    taken++;
    pthread_cond_signal(&not_full);
    pthread_mutex_unlock(&lock);
  }
}

int main(void) {
  pthread_t threads[PRODUCERS + CONSUMERS];
  for (long i = 0; i < PRODUCERS; i++) pthread_create(&threads[i], NULL, produce, (void *)i);
  for (int i = 0; i < CONSUMERS; i++) pthread_create(&threads[PRODUCERS + i], NULL, consume, NULL);
  for (int i = 0; i < PRODUCERS + CONSUMERS; i++) pthread_join(threads[i], NULL);
  printf("taken %ld, sum %ld, left %d\n", taken, sum, filled);
  return taken != PRODUCERS * ITEMS;
}
