/* fork in a program with threads: the child has one thread, and what pthread_atfork asked for. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int stop;
static atomic_long beats;

static void before(void) { pthread_mutex_lock(&lock); }
static void after(void) { pthread_mutex_unlock(&lock); }

static void *beat(void *arg) {
  while (!stop) {
    pthread_mutex_lock(&lock);
    beats++;
    pthread_mutex_unlock(&lock);
  }
  return arg;
}

static void *answer(void *arg) { return (char *)arg + 1; }

int main(void) {
  pthread_t threads[2];
  pthread_atfork(before, after, after);
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, beat, NULL);
  while (beats < 100) {}
  for (int round = 0; round < 3; round++) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      long seen = beats;
      for (volatile int i = 0; i < 10000; i++) {}
      printf("child %d: nobody else runs %d, lock is free %d\n", round, beats == seen, pthread_mutex_trylock(&lock) == 0);
      pthread_t t;
      void *result;
      pthread_create(&t, NULL, answer, (void *)(long)round);
      pthread_join(t, &result);
      printf("child %d: a thread of its own answers %ld\n", round, (long)result);
      fflush(stdout);
      _exit(10 + round);
    }
    int status;
    waitpid(child, &status, 0);
    printf("parent: exit %d\n", WEXITSTATUS(status));
  }
  stop = 1;
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  return 0;
}
