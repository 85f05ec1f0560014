/* A little of everything that a trace must hold: files, a child, a pipe, signals, timers, input, random bytes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t alarms;
static void on_alarm(int signal) { (void)signal; alarms++; }

static void files(void) {
  char text[64];
  int fd = open("/data/hello.txt", O_RDONLY);
  ssize_t n = read(fd, text, sizeof text - 1);
  printf("file: %.*s", (int)(n < 0 ? 0 : n), text);
  close(fd);
  printf("missing: %d\n", open("/data/missing.txt", O_RDONLY) < 0 ? errno : 0);
  struct stat st;
  stat("/data/hello.txt", &st);
  printf("size %ld\n", (long)st.st_size);
  fd = open("/tmp/out", O_CREAT | O_RDWR | O_TRUNC, 0644);
  write(fd, "written", 7);
  close(fd);
}

static void child(void) {
  int ends[2];
  char text[32];
  pipe(ends);
  pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    for (volatile int i = 0; i < 150000; i++) {}
    write(ends[1], "from the child", 14);
    _exit(7);
  }
  close(ends[1]);
  for (volatile int i = 0; i < 100000; i++) {}
  ssize_t n = read(ends[0], text, sizeof text);
  int status;
  waitpid(pid, &status, 0);
  printf("pipe: %.*s, exit %d\n", (int)n, text, WEXITSTATUS(status));
}

static void timers(void) {
  struct sigaction action = { .sa_handler = on_alarm };
  sigaction(SIGALRM, &action, NULL);
  struct timespec before, after, second = { 3, 0 };
  clock_gettime(CLOCK_MONOTONIC, &before);
  alarm(1);
  int result = nanosleep(&second, &second);
  clock_gettime(CLOCK_MONOTONIC, &after);
  printf("slept: %d errno %d, alarms %d, %ld s\n", result, errno, (int)alarms, (long)(after.tv_sec - before.tv_sec));
}

int main(void) {
  char line[128];
  unsigned char random[4];
  files();
  child();
  timers();
  getrandom(random, sizeof random, 0);
  printf("random %02x%02x%02x%02x\n", random[0], random[1], random[2], random[3]);
  fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL) {
    printf("line: %s", line);
    fflush(stdout);
  }
  puts("end of input");
  return 3;
}
