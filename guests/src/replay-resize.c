/* Prints the terminal's size, and again when it changes: the second change ends it. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static volatile int changes;
static void changed(int signal) { (void)signal; changes++; }
static void show(void) { struct winsize w; ioctl(0, TIOCGWINSZ, &w); printf("%d x %d\n", w.ws_row, w.ws_col); fflush(stdout); }

int main(void) {
  sigset_t none, winch;
  sigemptyset(&none); sigemptyset(&winch); sigaddset(&winch, SIGWINCH);
  sigprocmask(SIG_BLOCK, &winch, 0);
  signal(SIGWINCH, changed);
  show();
  for (int seen = 0; seen < 2; seen = changes) { sigsuspend(&none); show(); }
  return 0;
}
