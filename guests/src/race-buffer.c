/* A thread reads from a pipe into a buffer that main looks at; 'fixed': once the thread has ended. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int ends[2];
static char buffer[64];

static void *fill(void *arg) {
  read(ends[0], buffer, sizeof buffer);
  return arg;
}

int main(int argc, char **argv) {
  pthread_t thread;
  int seen = 0;
  pipe(ends);
  pthread_create(&thread, NULL, fill, NULL);
  write(ends[1], "some text", 9);
  if (argc < 2) seen = buffer[3];
  pthread_join(thread, NULL);
  printf("%d %s\n", seen == 0 || seen == 'e', buffer);
  return 0;
}
