/* Quicksort that compares through a function pointer: calls, returns, indirect jumps. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT 8192
static int32_t data[COUNT];
typedef int (*comparison)(const void *, const void *);

static int ascending(const void *a, const void *b) { return (*(const int32_t *)a > *(const int32_t *)b) - (*(const int32_t *)a < *(const int32_t *)b); }
static int descending(const void *a, const void *b) { return ascending(b, a); }
static comparison volatile orders[2] = {ascending, descending};

static void sort(int32_t *from, int32_t *to, comparison compare) {
  while (to - from > 1) {
    int32_t pivot = from[(to - from) / 2], *low = from, *high = to - 1;
    while (low <= high) {
      while (compare(low, &pivot) < 0) low++;
      while (compare(high, &pivot) > 0) high--;
      if (low <= high) { int32_t t = *low; *low++ = *high; *high-- = t; }
    }
    sort(from, high + 1, compare);
    from = low;
  }
}

int main(int argc, char **argv) {
  long repetitions = argc > 1 ? atol(argv[1]) : 1;
  uint32_t x = 2463534242, sum = 0;
  for (long r = 0; r < repetitions; r++) {
    for (int i = 0; i < COUNT; i++) { x ^= x << 13; x ^= x >> 17; x ^= x << 5; data[i] = (int32_t)x; }
    sort(data, data + COUNT, orders[r & 1]);
    for (int i = 0; i < COUNT; i += 97) sum = sum * 31 + (uint32_t)data[i];
  }
  printf("%08x\n", sum);
  return 0;
}
