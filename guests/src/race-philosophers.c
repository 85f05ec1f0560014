/* Dining philosophers, each of whom takes the left fork first: if all hold one, nobody eats any more. */
#include <pthread.h>
#include <stdio.h>

enum { PHILOSOPHERS = 3, MEALS = 2 };
static pthread_mutex_t forks[PHILOSOPHERS];
static int eaten[PHILOSOPHERS];

static void *dine(void *arg) {
  long me = (long)arg;
  for (int i = 0; i < MEALS; i++) {
    pthread_mutex_lock(&forks[me]);
    pthread_mutex_lock(&forks[(me + 1) % PHILOSOPHERS]);
    eaten[me]++;
    pthread_mutex_unlock(&forks[(me + 1) % PHILOSOPHERS]);
    pthread_mutex_unlock(&forks[me]);
  }
  return arg;
}

int main(void) {
  pthread_t threads[PHILOSOPHERS];
  for (int i = 0; i < PHILOSOPHERS; i++) pthread_mutex_init(&forks[i], NULL);
  for (long i = 0; i < PHILOSOPHERS; i++) pthread_create(&threads[i], NULL, dine, (void *)i);
  for (int i = 0; i < PHILOSOPHERS; i++) pthread_join(threads[i], NULL);
  puts("all have eaten");
  return 0;
}
