/* For retrograde fuzz --guided: bugs that need an input, and a system call that is interrupted, or a schedule, as well. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char header[4], body[64], copy[64];
static volatile int balance;

static void *pay(void *unused) {
  for (int i = 0; i < 40; i++) balance = balance + 5;
  return unused;
}

int main(void) {
  if (read(0, header, 4) != 4) return 0;
  /* The result is not looked at: -1 becomes a large size. */
  size_t size = read(0, body, sizeof body);
  if (memcmp(header, "LO", 2) == 0) {
    memcpy(copy, body, size);
  } else if (memcmp(header, "PAY", 3) == 0) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], 0, pay, 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
    if (balance != 400) abort();
  }
  return copy[0];
}
