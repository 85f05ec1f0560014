/* In the shape of SPLASH-2's LU: the first thread finds the pivot, the others use it when a flag says so, which is raised before the pivot
   is there. Mended: pivot first, flag second. */
#include "bug.h"

static volatile int pivot;
static FLAG int is_found;
static volatile int rows[3] = { 12, 18, 24 };

static void *find(void *arg) {
#ifdef FIXED
  pivot = 6;
  is_found = 1;
#else
  is_found = 1;
  pivot = 6;
#endif
  return arg;
}

static void *divide(void *arg) {
  int me = (int)(long)arg;
  if (!is_found) return arg;
  HOLDS(pivot != 0);
  rows[me] /= pivot;
  return arg;
}

int main(void) {
  pthread_t threads[3];
  start(&threads[0], 1, find);
  start(&threads[1], 2, divide);
  join(threads, 3);
}
