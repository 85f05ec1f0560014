/* Lost updates, and who ran where: argument 1 is the number of rounds. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static volatile int counter;
static int rounds;
static void *add(void *arg) {
  for (int i = 0; i < rounds; i++) { int seen = counter; counter = seen + 1; }
  return arg;
}
int main(int argc, char **argv) {
  rounds = argc > 1 ? atoi(argv[1]) : 100;
  pthread_t a, b;
  pthread_create(&a, 0, add, 0);
  pthread_create(&b, 0, add, 0);
  pthread_join(a, 0);
  pthread_join(b, 0);
  printf("%d\n", counter);
  return 0;
}
