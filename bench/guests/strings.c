/* memcpy, memset, strlen, strcmp and memchr of the C library, over short strings and longer blocks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char from[16384], to[16384], words[64][100];
/* The compiler is not to know what it calls. */
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile fill)(void *, int, size_t) = memset;
static size_t (*volatile length)(const char *) = strlen;
static int (*volatile compare)(const char *, const char *) = strcmp;
static void *(*volatile find)(const void *, int, size_t) = memchr;

int main(int argc, char **argv) {
  long repetitions = argc > 1 ? atol(argv[1]) : 1;
  unsigned long sum = 0;
  for (int i = 0; i < 64; i++) memset(words[i], 'a' + i % 3, 1 + i * 97 % 98);
  for (size_t i = 0; i < sizeof from; i++) from[i] = 1 + i % 251;
  for (long r = 0; r < repetitions; r++) {
    for (int i = 0; i < 64; i++) {
      sum += length(words[i]);
      sum += compare(words[i], words[(i + 3) % 64]) > 0;
      copy(to + i * 100, words[i], length(words[i]));
    }
    copy(to, from, sizeof from);
    sum += (char *)find(to, 255, sizeof to) == NULL;
    fill(to, (int)r, 4096);
    sum += to[r % 4096];
  }
  printf("%lu\n", sum);
  return 0;
}
