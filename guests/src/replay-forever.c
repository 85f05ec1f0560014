/* Works until it is killed: for recordings that are cut off. */
#include <stdio.h>
#include <unistd.h>

int main(void) {
  for (unsigned long round = 0;; round++) {
    for (volatile int i = 0; i < 20000; i++) {}
    getppid();
    if (round % 100 == 0) {
      printf("round %lu\n", round);
      fflush(stdout);
    }
  }
}
