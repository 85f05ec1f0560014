/* A hash table with chains, each entry and its key from malloc: pointers, string comparison, the allocator. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096
struct entry { struct entry *next; char *key; long count; };
static struct entry *buckets[BUCKETS];

static uint32_t hash(const char *key) {
  uint32_t value = 2166136261u;
  for (; *key != 0; key++) value = (value ^ (uint8_t)*key) * 16777619u;
  return value % BUCKETS;
}

static struct entry *find(const char *key) {
  uint32_t at = hash(key);
  for (struct entry *entry = buckets[at]; entry != NULL; entry = entry->next) if (strcmp(entry->key, key) == 0) return entry;
  struct entry *entry = malloc(sizeof *entry);
  *entry = (struct entry){buckets[at], strdup(key), 0};
  return buckets[at] = entry;
}

static void clear(void) {
  for (int i = 0; i < BUCKETS; i++)
    for (struct entry *entry = buckets[i], *next; entry != NULL; entry = next) {
      next = entry->next;
      free(entry->key);
      free(entry);
      buckets[i] = NULL;
    }
}

int main(int argc, char **argv) {
  long repetitions = argc > 1 ? atol(argv[1]) : 1;
  uint32_t x = 2463534242u;
  unsigned long sum = 0;
  for (long r = 0; r < repetitions; r++) {
    for (int i = 0; i < 20000; i++) {
      char key[24] = "key", *at = key + 3;
      x ^= x << 13; x ^= x >> 17; x ^= x << 5;
      for (uint32_t n = x % 9000; ; n /= 10) { *at++ = '0' + n % 10; if (n < 10) break; }
      *at = 0;
      sum += ++find(key)->count;
    }
    clear();
  }
  printf("%lu\n", sum);
  return 0;
}
