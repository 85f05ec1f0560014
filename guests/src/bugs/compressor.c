/* SCTBench CB.pbzip2-0.9.4: main waits until all blocks are done and takes the queue down, while a consumer is still on its way out and
   uses the queue's lock. Mended: main joins the consumer first. */
#include "bug.h"

struct queue { pthread_mutex_t mutex; int left, is_gone; };
static struct queue queue = { PTHREAD_MUTEX_INITIALIZER, 3, 0 };
static volatile int done;

static void *compress(void *arg) {
  for (;;) {
    HOLDS(!queue.is_gone);
    lock(&queue.mutex);
    int block = queue.left;
    if (block > 0) queue.left--;
    unlock(&queue.mutex);
    if (block == 0) return arg;
    __atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
  }
}

int main(void) {
  pthread_t consumer;
  start(&consumer, 1, compress);
#ifdef FIXED
  join(&consumer, 1);
#endif
  while (done < 3) usleep(10);
  queue.is_gone = 1;
#ifndef FIXED
  join(&consumer, 1);
#endif
}
