/* In the shape of SPLASH-2's FFT: each thread fills its row and then reads its column, with no barrier in between. Mended: a barrier. */
#include "bug.h"

enum { N = 3 };
static volatile int matrix[N][N], transposed[N][N];
static pthread_barrier_t filled;

static void *work(void *arg) {
  int me = (int)(long)arg;
  for (int j = 0; j < N; j++) matrix[me][j] = 1 + me * N + j;
#ifdef FIXED
  pthread_barrier_wait(&filled);
#endif
  for (int j = 0; j < N; j++) transposed[me][j] = matrix[j][me];
  return arg;
}

/* The threads begin together, as they do where a program has a start signal: otherwise nobody would ever be early. */
static volatile int go;
static void *wait_and_work(void *arg) {
  pthread_barrier_wait(&filled);
  return work(arg);
}

int main(void) {
  pthread_t threads[N];
  pthread_barrier_init(&filled, NULL, N);
  (void)go;
  start(threads, N, wait_and_work);
  join(threads, N);
  for (int i = 0; i < N; i++) for (int j = 0; j < N; j++) HOLDS(transposed[i][j] == matrix[j][i]);
}
