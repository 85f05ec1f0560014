/* A lock-free stack whose nodes are used again. A thread that read top and its successor, and is then overtaken by one that pops
   both and pushes the first back, puts the second on top though another has it: that node is in two hands. Aborts if one is. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { NODES = 4, THREADS = 2, ROUNDS = 3 };
struct node { struct node *_Atomic next; atomic_int holders; };
static struct node nodes[NODES];
static struct node *_Atomic top;

static void push(struct node *node) {
  struct node *old = atomic_load(&top);
  do atomic_store(&node->next, old); while (!atomic_compare_exchange_weak(&top, &old, node));
}

static struct node *pop(void) {
  struct node *old = atomic_load(&top);
  while (old != NULL && !atomic_compare_exchange_weak(&top, &old, atomic_load(&old->next)));
  return old;
}

static struct node *take(void) {
  struct node *node = pop();
  if (node != NULL && atomic_fetch_add(&node->holders, 1) != 0) {
    fputs("a node is in two hands\n", stderr);
    abort();
  }
  return node;
}

static void give(struct node *node) {
  if (node == NULL) return;
  atomic_fetch_sub(&node->holders, 1);
  push(node);
}

static void *work(void *arg) {
  for (int i = 0; i < ROUNDS; i++) {
    struct node *first = take(), *second = take();
    give(first);
    // The last is kept.
    if (i < ROUNDS - 1) give(second);
  }
  return arg;
}

int main(void) {
  pthread_t threads[THREADS];
  for (int i = 0; i < NODES; i++) push(&nodes[i]);
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, NULL);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  int left = THREADS;
  while (take() != NULL) left++;
  if (left != NODES) fprintf(stderr, "%d nodes of %d are left\n", left, NODES);
  return left != NODES;
}
