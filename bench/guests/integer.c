/* Integer loops with branches that depend on data: Collatz sequences, a sieve, a 64-bit generator with division. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t sieve[32768];

int main(int argc, char **argv) {
  long repetitions = argc > 1 ? atol(argv[1]) : 1;
  uint64_t sum = 0, x = 88172645463325252;
  for (long r = 0; r < repetitions; r++) {
    for (uint64_t start = 1; start < 1500; start++)
      for (uint64_t n = start; n != 1; sum++) n = n & 1 ? 3 * n + 1 : n / 2;
    memset(sieve, 1, sizeof sieve);
    for (uint32_t i = 2; i * i < sizeof sieve; i++)
      if (sieve[i]) for (uint32_t j = i * i; j < sizeof sieve; j += i) sieve[j] = 0;
    for (uint32_t i = 2; i < sizeof sieve; i++) sum += sieve[i];
    for (int i = 0; i < 5000; i++) {
      x ^= x << 13; x ^= x >> 7; x ^= x << 17;
      sum += x % (1000 + i);
    }
  }
  printf("%016llx\n", (unsigned long long)sum);
  return 0;
}
