/* Threads meet at a barrier after each step of a sum over a grid: no one reads what is not written yet. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>

enum { THREADS = 4, STEPS = 8, CELLS = 64 };
static pthread_barrier_t barrier;
static long grid[2][CELLS];
static int serial[STEPS];

static void *work(void *arg) {
  int me = (int)(long)arg;
  for (int step = 0; step < STEPS; step++) {
    const long *from = grid[step % 2];
    long *to = grid[(step + 1) % 2];
    for (int i = me; i < CELLS; i += THREADS) to[i] = from[(i + CELLS - 1) % CELLS] + from[i] + from[(i + 1) % CELLS];
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) serial[step]++;
  }
  return NULL;
}

int main(void) {
  pthread_t threads[THREADS];
  pthread_barrier_init(&barrier, NULL, THREADS);
  grid[0][CELLS / 2] = 1;
  for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  long sum = 0;
  for (int i = 0; i < CELLS; i++) {
    sum += grid[STEPS % 2][i];
    if (grid[STEPS % 2][i] != 0) printf("%ld ", grid[STEPS % 2][i]);
  }
  printf("\nsum %ld\n", sum);
  for (int step = 0; step < STEPS; step++) if (serial[step] != 1) printf("step %d had %d serial threads\n", step, serial[step]);
  return sum != 6561;
}
