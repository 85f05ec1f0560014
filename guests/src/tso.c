/*
 * Algorithms that are right where memory is sequentially consistent and wrong with store buffers: a store is followed by a load of what the
 * other thread stores.
 *   tso dekker|peterson|seqlock [fence]
 * With 'fence' an MFENCE stands between the two. Exit status 1 if two threads were where one should be.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 12
#define STEPS 6

static int fences, is_dekker;
/* Far apart, as on different cache lines. */
static struct { volatile int value; int pad[15]; } wants[2], turn, total, sequence, low, high;

/* No more than what keeps the compiler from moving loads and stores. */
#define compiler() __asm__ volatile("" : : : "memory")
static void fence(void) {
  if (fences) __asm__ volatile("mfence" : : : "memory");
  else compiler();
}

static void enter_dekker(int me) {
  wants[me].value = 1;
  fence();
  while (wants[!me].value) {
    if (turn.value != me) {
      wants[me].value = 0;
      while (turn.value != me) sched_yield();
      wants[me].value = 1;
      fence();
    } else {
      sched_yield();
    }
  }
  compiler();
}
static void leave_dekker(int me) {
  compiler();
  turn.value = !me;
  wants[me].value = 0;
}

static void enter_peterson(int me) {
  wants[me].value = 1;
  turn.value = !me;
  fence();
  while (wants[!me].value && turn.value == !me) sched_yield();
  compiler();
}
static void leave_peterson(int me) {
  compiler();
  wants[me].value = 0;
}

static int broken;

static void *compete(void *arg) {
  int me = (int)(long)arg;
  for (int i = 0; i < ROUNDS; i++) {
    if (is_dekker) enter_dekker(me);
    else enter_peterson(me);
    for (int k = 0; k < STEPS; k++) total.value++;
    if (is_dekker) leave_dekker(me);
    else leave_peterson(me);
  }
  return NULL;
}

/*
 * A sequence lock whose reader says that it reads, and then need not look at the sequence again; the writer makes the sequence odd, and
 * writes when nobody reads.
 */
static void *writer(void *arg) {
  for (int i = 0; i < ROUNDS; i++) {
    sequence.value++;
    fence();
    while (wants[0].value) sched_yield();
    compiler();
    low.value++;
    high.value++;
    compiler();
    sequence.value++;
    sched_yield();
  }
  return arg;
}
static void *reader(void *arg) {
  for (int i = 0; i < ROUNDS; i++) {
    wants[0].value = 1;
    fence();
    if ((sequence.value & 1) == 0) {
      compiler();
      int first = low.value;
      compiler();
      if (high.value != first) broken = 1;
    }
    compiler();
    wants[0].value = 0;
    sched_yield();
  }
  return arg;
}

int main(int argc, char **argv) {
  pthread_t threads[2];
  const char *name = argc > 1 ? argv[1] : "";
  int is_seqlock = strcmp(name, "seqlock") == 0;
  is_dekker = strcmp(name, "dekker") == 0;
  if (!is_dekker && !is_seqlock && strcmp(name, "peterson") != 0) return 2;
  fences = argc > 2 && strcmp(argv[2], "fence") == 0;
  pthread_create(&threads[0], NULL, is_seqlock ? writer : compete, (void *)0L);
  pthread_create(&threads[1], NULL, is_seqlock ? reader : compete, (void *)1L);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  if (!is_seqlock) broken = total.value != 2 * ROUNDS * STEPS;
  if (broken) fprintf(stderr, is_seqlock ? "half of a write was read\n" : "two threads were inside\n");
  return broken;
}
