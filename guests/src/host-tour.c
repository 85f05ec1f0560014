/* What a host of a world is to its programs: name, numbers, CPUs, and what is left of its files after a crash. "serve" stays. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  char name[65];
  gethostname(name, sizeof name);
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  unsigned mask = 0;
  for (int i = 0; i < 32; i++) if (CPU_ISSET(i, &set)) mask |= 1u << i;
  int disk = open("/data/starts", O_RDWR | O_CREAT | O_APPEND, 0644);
  write(disk, "x", 1);
  int starts = lseek(disk, 0, SEEK_END);
  int memory = access("/tmp/mark", F_OK) == 0;
  close(open("/tmp/mark", O_WRONLY | O_CREAT, 0644));
  pid_t child = fork();
  if (child == 0) _exit(getppid() & 0x7f);
  int status;
  waitpid(child, &status, 0);
  printf("%s: pid %d, child %d saw %d, cpus %x, start %d, /tmp kept %d\n", name, getpid(), child, WEXITSTATUS(status), mask, starts, memory);
  fflush(stdout);
  if (argc > 1 && strcmp(argv[1], "serve") == 0) for (;;) pause();
  return argc > 1 ? argv[1][0] - '0' : 0;
}
