/* Product of matrices of doubles, 96 by 96. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 96
static double a[N][N], b[N][N], c[N][N];

int main(int argc, char **argv) {
  long repetitions = argc > 1 ? atol(argv[1]) : 1;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) { a[i][j] = (i * 3 + j) % 17 * 0.1; b[i][j] = (i + j * 5) % 13 * 0.3; }
  for (long r = 0; r < repetitions; r++) {
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) {
        double sum = 0;
        for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
        c[i][j] = sum;
      }
    a[r % N][(r * 7) % N] = c[(r * 3) % N][r % N] * 1e-3;
  }
  double total = 0;
  for (int i = 0; i < N; i++) for (int j = 0; j < N; j++) total += c[i][j];
  uint64_t bits;
  memcpy(&bits, &total, sizeof bits);
  printf("%016llx\n", (unsigned long long)bits);
  return 0;
}
