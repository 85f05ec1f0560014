/* Some of everything that the scheduler sees: processes, threads, pipes, signals, timers, sleeping, affinity. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int ticks;
static void tick(int s) { (void)s; ticks++; }
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile long shared;
static void *work(void *arg) {
  for (int i = 0; i < 500; i++) { pthread_mutex_lock(&mutex); shared += (long)arg; pthread_mutex_unlock(&mutex); if (i % 100 == 0) sched_yield(); }
  return 0;
}
static int eats(void) { char *p = 0; for (size_t n = 0;; n++) { p = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); if (p == MAP_FAILED) return 9; memset(p, 1, 1 << 20); } }

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "eat")) { pid_t c = fork(); if (c == 0) return eats(); int st; waitpid(c, &st, 0); printf("eater: signal %d\n", WTERMSIG(st)); return 0; }
  if (argc > 1 && !strcmp(argv[1], "linger")) { if (fork() == 0) { usleep(50000); (void)!write(1, "late\n", 5); _exit(0); } return 7; }
  if (argc > 1 && !strcmp(argv[1], "forever")) { if (fork() == 0) for (;;) usleep(1000000); return 7; }
  if (argc > 1 && !strcmp(argv[1], "deadlock")) { pthread_mutex_lock(&mutex); pthread_mutex_lock(&mutex); }
  if (argc > 1 && !strcmp(argv[1], "spin")) for (;;) {}
  if (argc > 1 && !strcmp(argv[1], "hour")) { sleep(3600); puts("an hour"); return 0; }
  if (argc > 1 && !strcmp(argv[1], "pinned")) {
    int bad = 0; cpu_set_t set; pid_t c = fork(); int mine = c == 0;
    CPU_ZERO(&set); CPU_SET(mine, &set);
    if (sched_setaffinity(0, sizeof set, &set)) return 8;
    for (int i = 0; i < 3000; i++) { if (sched_getcpu() != mine) bad = 1; if (i % 50 == 0) sched_yield(); }
    if (c == 0) _exit(bad);
    int st; waitpid(c, &st, 0); return WEXITSTATUS(st) + bad;
  }
  setvbuf(stdout, 0, _IONBF, 0);
  signal(SIGALRM, tick);
  struct itimerval t = {{0, 300000}, {0, 300000}};
  setitimer(ITIMER_REAL, &t, 0);
  pthread_t thread[3];
  for (long i = 0; i < 3; i++) pthread_create(&thread[i], 0, work, (void *)(i + 1));
  int up[2], down[2];
  if (pipe(up) || pipe(down)) return 1;
  pid_t child = fork();
  if (child == 0) { char c; close(up[1]); while (read(up[0], &c, 1) == 1) { c++; if (write(down[1], &c, 1) != 1) break; } _exit(6); }
  close(up[0]);
  for (int i = 0; i < 50; i++) { char c = i; ssize_t n; if (write(up[1], &c, 1) != 1) return 2; while ((n = read(down[0], &c, 1)) < 0 && errno == EINTR) {} if (n != 1 || c != i + 1) return 3; }
  close(up[1]);
  int st; while (waitpid(child, &st, 0) < 0) {}
  for (int i = 0; i < 3; i++) pthread_join(thread[i], 0);
  for (volatile int i = 0; i < 2000000; i++) {}
  while (usleep(1000000) == 0 && ticks < 2) {}
  printf("shared %ld child %d ticks %d\n", shared, WEXITSTATUS(st), ticks > 0);
  return 0;
}
