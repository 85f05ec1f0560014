/* Five bodies under gravity, doubles: square roots and divisions that wait for each other. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODIES 5
static struct body { double x, y, z, vx, vy, vz, mass; } bodies[BODIES] = {
  {0, 0, 0, 0, 0, 0, 39.5}, {4.84, -1.16, -0.10, 0.61, 2.81, -0.025, 0.0377}, {8.34, 4.12, -0.40, -1.01, 1.82, 0.0084, 0.0113},
  {12.89, -15.11, -0.22, 1.08, 0.87, -0.0108, 0.00172}, {15.38, -25.92, 0.18, 0.98, 0.59, -0.0347, 0.00203}};

static void step(double dt) {
  for (int i = 0; i < BODIES; i++)
    for (int j = i + 1; j < BODIES; j++) {
      struct body *a = &bodies[i], *b = &bodies[j];
      double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
      double squared = dx * dx + dy * dy + dz * dz, force = dt / (squared * sqrt(squared));
      a->vx -= dx * b->mass * force; a->vy -= dy * b->mass * force; a->vz -= dz * b->mass * force;
      b->vx += dx * a->mass * force; b->vy += dy * a->mass * force; b->vz += dz * a->mass * force;
    }
  for (int i = 0; i < BODIES; i++) {
    struct body *a = &bodies[i];
    a->x += dt * a->vx; a->y += dt * a->vy; a->z += dt * a->vz;
  }
}

int main(int argc, char **argv) {
  long repetitions = argc > 1 ? atol(argv[1]) : 1;
  for (long r = 0; r < repetitions * 1000; r++) step(0.01);
  uint64_t sum = 0;
  for (int i = 0; i < BODIES; i++) {
    uint64_t bits;
    memcpy(&bits, &bodies[i].x, sizeof bits);
    sum ^= bits;
  }
  printf("%016llx\n", (unsigned long long)sum);
  return 0;
}
