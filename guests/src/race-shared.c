/*
 * Processes that share memory: race-shared none|semaphore|pipe|wait. Each adds to a counter; what keeps them apart is a semaphore, a byte in a
 * pipe, or that one waits for the other's end. 'none': nothing.
 */
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct { sem_t semaphore; int counter; } *shared;

static void add(int uses_semaphore) {
  if (uses_semaphore) sem_wait(&shared->semaphore);
  shared->counter++;
  if (uses_semaphore) sem_post(&shared->semaphore);
}

int main(int argc, char **argv) {
  const char *how = argc > 1 ? argv[1] : "none";
  int uses_semaphore = strcmp(how, "semaphore") == 0, uses_pipe = strcmp(how, "pipe") == 0, waits = strcmp(how, "wait") == 0;
  int ends[2];
  char byte = 0;
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  sem_init(&shared->semaphore, 1, 1);
  pipe(ends);
  pid_t child = fork();
  if (child == 0) {
    if (uses_pipe) read(ends[0], &byte, 1);
    add(uses_semaphore);
    _exit(0);
  }
  if (waits) waitpid(child, NULL, 0);
  add(uses_semaphore);
  if (uses_pipe) write(ends[1], &byte, 1);
  if (!waits) waitpid(child, NULL, 0);
  printf("%d\n", shared->counter);
  return 0;
}
