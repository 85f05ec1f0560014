/* A semaphore lets two of six threads in at a time; a second pair plays ping-pong. */
#include "abi.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { THREADS = 6, PLACES = 2, ROUNDS = 200 };
static sem_t places, ping, pong;
static int inside, most, visits;

static void *visitor(void *arg) {
  for (int i = 0; i < ROUNDS; i++) {
    sem_wait(&places);
    int now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    int seen = __atomic_load_n(&most, __ATOMIC_SEQ_CST);
    while (now > seen && !__atomic_compare_exchange_n(&most, &seen, now, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {}
    __atomic_add_fetch(&visits, 1, __ATOMIC_SEQ_CST);
    __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    sem_post(&places);
  }
  return arg;
}

static void *player(void *arg) {
  for (int i = 0; i < 3; i++) {
    sem_wait(&ping);
    printf("pong %d\n", i);
    sem_post(&pong);
  }
  return arg;
}

int main(void) {
  pthread_t threads[THREADS], other;
  sem_init(&places, 0, PLACES);
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, visitor, NULL);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  int value;
  sem_getvalue(&places, &value);
  printf("visits %d, never more than two inside %d, places left %d\n", visits, most <= PLACES, value);
  sem_init(&ping, 0, 0);
  sem_init(&pong, 0, 0);
  pthread_create(&other, NULL, player, NULL);
  for (int i = 0; i < 3; i++) {
    printf("ping %d\n", i);
    sem_post(&ping);
    sem_wait(&pong);
  }
  pthread_join(other, NULL);
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 2000000;
  if (until.tv_nsec >= 1000000000) { until.tv_sec++; until.tv_nsec -= 1000000000; }
  int result = sem_timedwait(&ping, &until);
  printf("nobody: %d %s\n", result, abi_error(errno));
  result = sem_trywait(&ping);
  printf("try: %d %s\n", result, abi_error(errno));
  return most > PLACES;
}
