/* Signals to one thread: pthread_kill, masks per thread, sigwait, and cancellation. */
#include "abi.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_t target;
static volatile sig_atomic_t right;
static atomic_int got;
static sem_t ready;
static atomic_int stop;

/* `got` comes last: main looks at `right` as soon as it sees it (and pthread_create may store `target` after the thread began). */
static void handler(int signal) { right = pthread_equal(pthread_self(), target); got = signal; }

static void *spin(void *arg) {
  sem_post(&ready);
  while (!stop) {}
  return arg;
}

static void *waiter(void *arg) {
  sigset_t set;
  int signal = 0;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  sem_post(&ready);
  int result = sigwait(&set, &signal);
  printf("sigwait: %d, SIGUSR2 %d\n", result, signal == SIGUSR2);
  return arg;
}

static void cleanup(void *arg) { printf("clean-up %s\n", (const char *)arg); }
static void *sleeper(void *arg) {
  pthread_cleanup_push(cleanup, arg);
  sem_post(&ready);
  for (;;) pause();
  pthread_cleanup_pop(0);
  return NULL;
}

int main(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  sigaction(SIGUSR1, &action, NULL);
  sem_init(&ready, 0, 0);
  pthread_create(&target, NULL, spin, NULL);
  sem_wait(&ready);
  pthread_kill(target, SIGUSR1);
  while (!got) {}
  printf("handled by the thread it was sent to: %d\n", right);
  printf("probe: %d, bad signal: %s\n", pthread_kill(target, 0), abi_error(pthread_kill(target, 99)));
  stop = 1;
  pthread_join(target, NULL);

  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  pthread_t other;
  pthread_create(&other, NULL, waiter, NULL);
  sem_wait(&ready);
  kill(getpid(), SIGUSR2);
  pthread_join(other, NULL);

  void *result;
  pthread_create(&other, NULL, sleeper, "ran");
  sem_wait(&ready);
  pthread_cancel(other);
  pthread_join(other, &result);
  printf("cancelled: %d\n", result == PTHREAD_CANCELED);
  return 0;
}
