/* What CLOCK_REALTIME jumping does to programs.
   clock-jumps timers     waits in all ways until 10 s from now, and prints after how many seconds of CLOCK_MONOTONIC each came
   clock-jumps session N  a cache whose entries live for 60 s by the wrong clock: fails when it goes back */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { AHEAD = 10, WAYS = 8 };
static struct timespec from, until;
static char results[WAYS][80];

static void say(int way, const char *name, const char *how) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  char line[200];
  snprintf(line, sizeof line, "%s: %s after %ld s", name, how, (long)(now.tv_sec - from.tv_sec + (now.tv_nsec - from.tv_nsec + 500000000) / 1000000000));
  strncpy(results[way], line, sizeof results[way] - 1);
}
static const char *errorOf(long result) { return result >= 0 ? "done" : errno == ETIMEDOUT ? "timed out" : errno == ECANCELED ? "cancelled" : strerror(errno); }

static int timer(int clock, int flags, long interval) {
  int fd = timerfd_create(clock, 0);
  struct itimerspec at = { { interval, 0 }, { AHEAD, 0 } };
  if (flags & TFD_TIMER_ABSTIME) at.it_value = until;
  timerfd_settime(fd, flags, &at, 0);
  return fd;
}

static void *wait_in(void *argument) {
  int way = (long)argument;
  uint64_t ticks = 0;
  switch (way) {
  case 0: clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, 0); say(way, "absolute sleep", "woken"); break;
  case 1: { struct timespec span = { AHEAD, 0 }; clock_nanosleep(CLOCK_REALTIME, 0, &span, 0); say(way, "relative sleep", "woken"); break; }
  /* What glibc's pthread_cond_timedwait and sem_timedwait do; musl's wait for a span. */
  case 2: { int never = 0; say(way, "futex", errorOf(syscall(SYS_futex, &never, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &until, 0, -1))); break; }
  case 3: {
    struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 8 };
    mqd_t queue = mq_open("/never", O_RDWR | O_CREAT, 0600, &attr);
    char message[8];
    say(way, "message queue", errorOf(mq_timedreceive(queue, message, 8, 0, &until)));
    break;
  }
  case 4: { int fd = timer(CLOCK_REALTIME, TFD_TIMER_ABSTIME, 0); say(way, "timerfd", errorOf(read(fd, &ticks, 8))); break; }
  case 5: { int fd = timer(CLOCK_REALTIME, 0, 0); say(way, "relative timerfd", errorOf(read(fd, &ticks, 8))); break; }
  case 6: {
    int fd = timer(CLOCK_REALTIME, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, 0);
    long first = read(fd, &ticks, 8);
    char name[80] = "timerfd that is cancelled";
    say(way, name, errorOf(first));
    /* Once: then it goes on as it was set, unless it has come to its end by that. */
    if (first < 0) {
      struct pollfd polled = { fd, POLLIN, 0 };
      strcpy(name, results[way]);
      if (poll(&polled, 1, 20000) == 0) say(way, name, "nothing");
      else say(way, name, errorOf(read(fd, &ticks, 8)));
    }
    break;
  }
  case 7: {
    int fd = timer(CLOCK_REALTIME, TFD_TIMER_ABSTIME, 4);
    say(way, "periodic timerfd", errorOf(read(fd, &ticks, 8)));
    break;
  }
  }
  return 0;
}

static int timers(void) {
  pthread_t threads[WAYS];
  clock_gettime(CLOCK_MONOTONIC, &from);
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += AHEAD;
  for (long way = 0; way < WAYS; way++) pthread_create(&threads[way], 0, wait_in, (void *)way);
  usleep(100000);
  puts("ready");
  fflush(stdout);
  for (int way = 0; way < WAYS; way++) pthread_join(threads[way], 0);
  for (int way = 0; way < WAYS; way++) puts(results[way]);
  return 0;
}

static int session(int rounds) {
  struct timespec made, now;
  clock_gettime(CLOCK_REALTIME, &made);
  for (int i = 0; i < rounds; i++) {
    usleep(1000);
    clock_gettime(CLOCK_REALTIME, &now);
    /* Unsigned, as it 'can't be negative'. */
    uint64_t age = (uint64_t)(now.tv_sec - made.tv_sec) * 1000 + (now.tv_nsec - made.tv_nsec) / 1000000;
    if (age > 1000ull * 1000 * 1000 * 1000) { fprintf(stderr, "an entry is too old by %llu ms\n", (unsigned long long)age); return 1; }
    if (age > 60000) made = now;
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "timers") == 0) return timers();
  return session(argc > 2 ? atoi(argv[2]) : 100);
}
