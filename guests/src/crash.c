/* Writes to nowhere below some calls: a recursion, a callback of the C library, and, with an argument, the handler of a signal. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile int depth;
static int *volatile nowhere;

__attribute__((noinline)) static int fall(int value) {
  *nowhere = value;
  return value + depth;
}

__attribute__((noinline)) static int dive(int left) {
  char room[64];
  memset(room, left, sizeof room);
  if (left == 0) return fall(7) + room[3];
  return dive(left - 1) + room[left];
}

static int compare(const void *a, const void *b) {
  int order = *(const int *)a - *(const int *)b;
  return dive(2) + order;
}

__attribute__((noinline)) static int sort(void) {
  int numbers[] = { 3, 1, 2 };
  qsort(numbers, 3, sizeof numbers[0], compare);
  return numbers[0] + depth;
}

static void handle(int number) {
  depth = number;
  depth = sort();
}

int main(int count, char **args) {
  (void)args;
  if (count > 1) {
    signal(SIGUSR1, handle);
    raise(SIGUSR1);
  }
  return sort() + depth;
}
