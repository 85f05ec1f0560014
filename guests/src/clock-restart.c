/* A wait until a time of CLOCK_REALTIME that a signal interrupts, while the clock is set: it goes on until the clock shows that time. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { AHEAD = 10 };

int main(void) {
  struct timespec until, from, now;
  clock_gettime(CLOCK_REALTIME, &until);
  clock_gettime(CLOCK_MONOTONIC, &from);
  until.tv_sec += AHEAD;
  pid_t child = fork();
  if (child == 0) {
    int never = 0;
    long result = syscall(SYS_futex, &never, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &until, 0, -1);
    int error = errno;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("futex: %s after %ld s\n", result == 0 ? "woken" : strerror(error), (long)(now.tv_sec - from.tv_sec));
    return 0;
  }
  usleep(100000);
  kill(child, SIGSTOP);
  waitpid(child, 0, WUNTRACED);
  puts("ready");
  fflush(stdout);
  sleep(2);
  kill(child, SIGCONT);
  waitpid(child, 0, 0);
  return 0;
}
