/* SCTBench CS.din_phil: N philosophers (argument, otherwise 3), each takes the fork to the left and then the one to the right.
   Mended: the last one takes them the other way round. */
#include "bug.h"

static pthread_mutex_t forks[MOST_THREADS];
static int count, meals;

static void *eat(void *arg) {
  int left = (int)(long)arg, right = (left + 1) % count;
#ifdef FIXED
  if (left > right) { int other = left; left = right; right = other; }
#endif
  lock(&forks[left]);
  lock(&forks[right]);
  __atomic_fetch_add(&meals, 1, __ATOMIC_SEQ_CST);
  unlock(&forks[right]);
  unlock(&forks[left]);
  return arg;
}

int main(int argc, char **argv) {
  pthread_t threads[MOST_THREADS];
  count = size_of(argc, argv, 3);
  for (int i = 0; i < count; i++) pthread_mutex_init(&forks[i], NULL);
  start(threads, count, eat);
  join(threads, count);
  HOLDS(meals == count);
}
