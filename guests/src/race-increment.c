/* Two threads add one to a counter without a lock: the smallest lost update. Exits 1 if one is lost. */
#include <pthread.h>

static volatile int counter;

static void *add(void *arg) {
  counter = counter + 1;
  return arg;
}

int main(void) {
  pthread_t a, b;
  pthread_create(&a, NULL, add, NULL);
  pthread_create(&b, NULL, add, NULL);
  pthread_join(a, NULL);
  pthread_join(b, NULL);
  return counter != 2;
}
