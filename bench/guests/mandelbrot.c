/* The Mandelbrot set, 128 by 96 points, doubles: scalar arithmetic and a branch on a comparison of floats. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  long repetitions = argc > 1 ? atol(argv[1]) : 1;
  unsigned long sum = 0;
  for (long r = 0; r < repetitions; r++)
    for (int row = 0; row < 96; row++)
      for (int column = 0; column < 128; column++) {
        double a = column * 3.0 / 128 - 2.0 + r * 1e-9, b = row * 2.0 / 96 - 1.0, x = 0, y = 0;
        int n = 0;
        for (; n < 100; n++) {
          double xx = x * x, yy = y * y;
          if (xx + yy > 4) break;
          y = 2 * x * y + b;
          x = xx - yy + a;
        }
        sum += n;
      }
  printf("%lu\n", sum);
  return 0;
}
