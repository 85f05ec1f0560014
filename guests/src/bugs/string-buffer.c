/* SCTBench CB.stringbuffer (JDK 1.4): append asks the other buffer for its length and then for as many bytes, and takes its lock for each of the
   two alone; it is cut short in between. Mended: the lock over both. */
#include "bug.h"

enum { SIZE = 16 };
static char source[SIZE] = "abcdefgh";
static int length = 8;

static int length_of(void) {
  lock(&mutex);
  int result = length;
  unlock(&mutex);
  return result;
}

static void copy(char *to, int count) {
  HOLDS(count <= length);
  memcpy(to, source, count);
}

static void *append(void *arg) {
  char own[SIZE];
#ifdef FIXED
  lock(&mutex);
  copy(own, length);
  unlock(&mutex);
  (void)length_of;
#else
  int count = length_of();
  lock(&mutex);
  copy(own, count);
  unlock(&mutex);
#endif
  return arg;
}

static void *erase(void *arg) {
  lock(&mutex);
  length = 0;
  unlock(&mutex);
  return arg;
}

int main(void) {
  pthread_t threads[2];
  start(&threads[0], 1, append);
  start(&threads[1], 1, erase);
  join(threads, 2);
}
