/* As 'reorder' of SCTBench: setters write a and, some instructions later, b; a checker must see both or neither. It sees one if it runs
   in between, before another setter does. Exits 1 then. */
#include <pthread.h>
#include <stdio.h>

enum { SETTERS = 3, WORK = 10 };
static volatile int a, b, seen_a, seen_b;

static void *set(void *arg) {
  a = 1;
  for (volatile int i = 0; i < WORK; i++);
  b = -1;
  return arg;
}

static void *check(void *arg) {
  seen_a = a;
  seen_b = b;
  return arg;
}

int main(void) {
  pthread_t threads[SETTERS], checker;
  for (int i = 0; i < SETTERS; i++) pthread_create(&threads[i], NULL, set, NULL);
  pthread_create(&checker, NULL, check, NULL);
  for (int i = 0; i < SETTERS; i++) pthread_join(threads[i], NULL);
  pthread_join(checker, NULL);
  int right = (seen_a == 0 && seen_b == 0) || (seen_a == 1 && seen_b == -1);
  if (!right) fprintf(stderr, "a %d, b %d\n", seen_a, seen_b);
  return !right;
}
