/* Waits for input with a deadline, and works between: input comes when it likes, and the trace must know when. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t interrupts;
static void on_interrupt(int signal) { (void)signal; interrupts++; }

int main(void) {
  char text[64];
  int timeouts = 0;
  signal(SIGINT, on_interrupt);
  for (;;) {
    struct pollfd input = { .fd = 0, .events = POLLIN };
    int ready = poll(&input, 1, 20);
    for (volatile int i = 0; i < 200000; i++) {}
    if (ready <= 0) {
      timeouts++;
      continue;
    }
    ssize_t n = read(0, text, sizeof text);
    if (n <= 0) break;
    printf("%d timeouts, %d interrupts, read %zd\n", timeouts, (int)interrupts, n);
    fflush(stdout);
  }
  printf("end after %d timeouts\n", timeouts);
  return 0;
}
