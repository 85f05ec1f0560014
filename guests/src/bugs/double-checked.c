/* Double-checked initialisation that publishes the object before it is filled. Mended: filled first (on x86 stores stay in order). */
#include "bug.h"

struct object { int size, check; };
static struct object object;
static struct object *FLAG instance;

static struct object *get(void) {
  if (instance == NULL) {
    lock(&mutex);
    if (instance == NULL) {
      volatile struct object *made = &object;
#ifdef FIXED
      made->size = 4;
      made->check = ~4;
      instance = &object;
#else
      made->size = 4;
      instance = &object;
      made->check = ~4;
#endif
    }
    unlock(&mutex);
  }
  return instance;
}

static void *use(void *arg) {
  volatile struct object *it = get();
  HOLDS(it->check == ~it->size);
  return arg;
}

int main(void) {
  pthread_t threads[3];
  start(threads, 3, use);
  join(threads, 3);
}
