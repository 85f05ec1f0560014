/* Apache httpd bug 25520: two threads write to one log buffer; where to is read, the bytes are copied, and only then is the end moved.
   Mended: the lock around it. */
#include "bug.h"

enum { RECORD = 8 };
static char buffer[4 * RECORD];
static volatile int end;

static void *log_line(void *arg) {
  char text[RECORD];
  memset(text, 'a' + (int)(long)arg, RECORD);
#ifdef FIXED
  lock(&mutex);
#endif
  int at = end;
  memcpy(buffer + at, text, RECORD);
  end = at + RECORD;
#ifdef FIXED
  unlock(&mutex);
#endif
  return arg;
}

int main(void) {
  pthread_t threads[3];
  start(threads, 3, log_line);
  join(threads, 3);
  int lines[3] = { 0 };
  for (int i = 0; i < end; i++) lines[buffer[i] - 'a']++;
  HOLDS(lines[0] == RECORD && lines[1] == RECORD && lines[2] == RECORD);
}
