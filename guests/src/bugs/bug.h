/*
 * What the programs here share. Each is a small model, written for this project, of a concurrency bug in a shape that the
 * literature on schedule search uses; it fails under some schedules only. Built with -DFIXED the bug is mended in the way that
 * its comment says, and no schedule fails: that is what the detectors' false alarms are counted on.
 */
#ifndef BUG_H
#define BUG_H
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No stdio: a schedule should cost what the bug takes, not what printf does. */
__attribute__((noreturn)) static inline void fail(const char *what) {
  write(2, what, strlen(what));
  write(2, "\n", 1);
  abort();
}

/* What threads tell each other by without a lock: where the program is mended, an atomic object, as C11 wants it. */
#ifdef FIXED
#define FLAG _Atomic
#else
#define FLAG volatile
#endif

/* The property that the program holds where it is right. */
#define HOLDS(condition) do { if (!(condition)) fail(#condition); } while (0)

enum { MOST_THREADS = 64 };

typedef void *(*Body)(void *);

/* Starts `count` threads on `body`, each with its number as the argument. */
static inline void start(pthread_t *threads, int count, Body body) {
  for (long i = 0; i < count; i++) if (pthread_create(&threads[i], NULL, body, (void *)i) != 0) fail("pthread_create");
}
static inline void join(pthread_t *threads, int count) {
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
}
/* The first argument as a number, for programs that come in sizes. */
static inline int size_of(int argc, char **argv, int otherwise) { return argc > 1 ? atoi(argv[1]) : otherwise; }

#define UNUSED __attribute__((unused))
static UNUSED pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static inline void lock(pthread_mutex_t *which) { pthread_mutex_lock(which); }
static inline void unlock(pthread_mutex_t *which) { pthread_mutex_unlock(which); }
#endif
