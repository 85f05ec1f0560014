/* A lock-free list of free nodes without counters: between the look at the head and the compare-and-swap the same node may have gone and
   come back, with another successor (ABA). Mended: head with a counter in one word. */
#include "bug.h"

enum { NODES = 3 };
static FLAG int successor[NODES + 1];
static volatile int owner[NODES + 1];
static volatile unsigned head = 1;            /* node, and × 256 a counter where it is mended */
#ifdef FIXED
enum { STEP = 256 };
#else
enum { STEP = 0 };
#endif

static int allocate(void) {
  for (;;) {
    unsigned before = head;
    int node = before & 255;
    if (node == 0) return 0;
    unsigned after = (before & ~255u) + STEP + successor[node];
    if (__sync_bool_compare_and_swap(&head, before, after)) {
      HOLDS(__atomic_add_fetch(&owner[node], 1, __ATOMIC_SEQ_CST) == 1);
      return node;
    }
  }
}

static void release(int node) {
  if (node == 0) return;
  __atomic_sub_fetch(&owner[node], 1, __ATOMIC_SEQ_CST);
  for (;;) {
    unsigned before = head;
    successor[node] = before & 255;
    if (__sync_bool_compare_and_swap(&head, before, (before & ~255u) + STEP + node)) return;
  }
}

static void *one(void *arg) {
  release(allocate());
  return arg;
}

static void *two(void *arg) {
  int a = allocate(), b = allocate();
  release(a);
  int c = allocate();
  release(c);
  release(b);
  return arg;
}

int main(void) {
  pthread_t threads[2];
  for (int i = 1; i < NODES; i++) successor[i] = i + 1;
  start(&threads[0], 1, one);
  start(&threads[1], 1, two);
  join(threads, 2);
  for (int i = 0; i <= NODES; i++) allocate();
}
