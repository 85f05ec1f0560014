/* SCTBench CS.lazy01: a third thread takes for granted that the two before it have run. Mended: it waits for them. */
#include "bug.h"

static int data;
#ifdef FIXED
static pthread_t earlier[2];
#endif

static void *add_one(void *arg) {
  lock(&mutex);
  data++;
  unlock(&mutex);
  return arg;
}
static void *add_two(void *arg) {
  lock(&mutex);
  data += 2;
  unlock(&mutex);
  return arg;
}
static void *check(void *arg) {
#ifdef FIXED
  join(earlier, 2);
#endif
  lock(&mutex);
  HOLDS(data >= 3);
  unlock(&mutex);
  return arg;
}

int main(void) {
  pthread_t threads[3];
  start(&threads[0], 1, add_one);
  start(&threads[1], 1, add_two);
#ifdef FIXED
  memcpy(earlier, threads, sizeof earlier);
#endif
  start(&threads[2], 1, check);
#ifndef FIXED
  join(threads, 2);
#endif
  join(&threads[2], 1);
}
