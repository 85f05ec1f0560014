/* Two threads hand a number to each other through a mutex and a condition variable. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long turns, limit;

static void *play(void *argument) {
  long me = (long)argument;
  pthread_mutex_lock(&mutex);
  while (turns < limit) {
    if (turns % 2 == me) {
      turns++;
      pthread_cond_signal(&changed);
    } else {
      pthread_cond_wait(&changed, &mutex);
    }
  }
  pthread_mutex_unlock(&mutex);
  return NULL;
}

int main(int argc, char **argv) {
  limit = (argc > 1 ? atol(argv[1]) : 1) * 100;
  pthread_t other;
  if (pthread_create(&other, NULL, play, (void *)1) != 0) return 1;
  play((void *)0);
  pthread_join(other, NULL);
  printf("%ld\n", turns);
  return 0;
}
