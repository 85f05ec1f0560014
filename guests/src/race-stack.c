/* A thread leaves a pointer to a variable of its own behind, and ends; main uses it while the thread's stack is still mapped. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int *left;
static char page[1];

static void *leave(void *arg) {
  volatile char room[5000];
  int local = (int)(long)arg;
  memset((char *)room, 1, sizeof room);
  left = &local;
  page[0] = room[10];
  return NULL;
}

int main(void) {
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_create(&thread, &attributes, leave, (void *)7L);
  /* Long enough for the thread to end; a join would let the C library unmap the stack. */
  struct timespec pause = { 0, 1000000 };
  nanosleep(&pause, NULL);
  int value = *left;
  pthread_join(thread, NULL);
  printf("%d\n", value);
  return 0;
}
