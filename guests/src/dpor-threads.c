/*
 * Small programs of POSIX threads whose outcomes can be told: what each thread has read, and what is left in memory.
 *   dpor-threads i0,l0i0n0   two threads: one adds to variable 0; one does so with mutex 0
 * r w u i N: reads, writes, adds to with LOCK, adds to without, variable N. l n t N: locks, unlocks, tries mutex N. d N: unlocks it if it was got.
 * b N: waits at barrier N, which is for all threads. e N: waits until variable N is not 0, on condition N with mutex N, which it has. s a N: signals, broadcasts condition N.
 * p v N: posts, waits for semaphore N. f N: spins until variable N is not 0.
 *   dpor-threads filesystem 14, indexer 12: the two of Flanagan and Godefroid (POPL 2005), with mutexes and with compare-and-swap
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 24, OBJECTS = 4, LINE = 8 };
static volatile long variables[OBJECTS][LINE];
static struct { pthread_mutex_t mutex; pthread_cond_t condition; pthread_barrier_t barrier; sem_t semaphore; int spare[16]; } objects[OBJECTS] __attribute__((aligned(64)));
static const char *programs[THREADS];
static long seen[THREADS][LINE];

static void *operations(void *argument) {
  int thread = (int)(long)argument, got[OBJECTS] = {0}, step = 0;
  long result = 0;
  for (const char *p = programs[thread]; *p != 0 && *p != ','; p += 2, step++) {
    int n = p[1] - '0';
    volatile long *variable = variables[n];
    switch (p[0]) {
      case 'r': result = result * 131 + *variable + 1; break;
      case 'w': *variable = (thread + 1) * 10 + step; break;
      case 'u': result = result * 131 + __sync_fetch_and_add(variable, 1) + 1; break;
      case 'i': *variable = *variable + 1; break;
      case 'l': pthread_mutex_lock(&objects[n].mutex); break;
      case 'n': pthread_mutex_unlock(&objects[n].mutex); break;
      case 't': got[n] = pthread_mutex_trylock(&objects[n].mutex) == 0; result = result * 131 + got[n] + 1; break;
      case 'd': if (got[n]) pthread_mutex_unlock(&objects[n].mutex); break;
      case 'b': pthread_barrier_wait(&objects[n].barrier); break;
      case 'e': while (*variable == 0) pthread_cond_wait(&objects[n].condition, &objects[n].mutex); break;
      case 's': pthread_cond_signal(&objects[n].condition); break;
      case 'a': pthread_cond_broadcast(&objects[n].condition); break;
      case 'p': sem_post(&objects[n].semaphore); break;
      case 'v': sem_wait(&objects[n].semaphore); break;
      case 'f': while (*variable == 0) __asm__ volatile("pause"); break;
    }
  }
  seen[thread][0] = result;
  return NULL;
}

enum { INODES = 32, BLOCKS = 26, TABLE = 128, MESSAGES = 4 };
static pthread_mutex_t inode_locks[INODES] __attribute__((aligned(64))), block_locks[BLOCKS] __attribute__((aligned(64)));
static int inodes[INODES], busy[BLOCKS], table[TABLE];

static void *filesystem(void *argument) {
  int thread = (int)(long)argument, i = thread % INODES;
  pthread_mutex_lock(&inode_locks[i]);
  if (inodes[i] == 0) {
    for (int b = i * 2 % BLOCKS;; b = (b + 1) % BLOCKS) {
      pthread_mutex_lock(&block_locks[b]);
      if (!busy[b]) {
        busy[b] = 1;
        inodes[i] = b + 1;
        pthread_mutex_unlock(&block_locks[b]);
        break;
      }
      pthread_mutex_unlock(&block_locks[b]);
    }
  }
  pthread_mutex_unlock(&inode_locks[i]);
  return NULL;
}

static void *indexer(void *argument) {
  int thread = (int)(long)argument;
  for (int m = 1; m <= MESSAGES; m++) {
    int message = m * 11 + thread, at = message * 7 % TABLE;
    while (!__sync_bool_compare_and_swap(&table[at], 0, message)) at = (at + 1) % TABLE;
  }
  return NULL;
}

static void print(long value) {
  char text[24], *p = text + sizeof text;
  *--p = ' ';
  do *--p = '0' + (unsigned long)value % 10; while ((value = (unsigned long)value / 10) != 0);
  write(1, p, text + sizeof text - p);
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  pthread_t threads[THREADS];
  int count = 0;
  void *(*body)(void *) = operations;
  if (argc > 2) {
    count = atoi(argv[2]);
    body = strcmp(argv[1], "filesystem") == 0 ? filesystem : indexer;
  } else {
    for (const char *p = argv[1]; p != NULL && count < THREADS; p = strchr(p, ',')) programs[count++] = p += *p == ',';
  }
  for (int n = 0; n < OBJECTS; n++) {
    pthread_barrier_init(&objects[n].barrier, NULL, count);
    sem_init(&objects[n].semaphore, 0, 0);
  }
  for (long i = 0; i < count; i++) pthread_create(&threads[i], NULL, body, (void *)i);
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
  if (body != operations) return 0;
  for (int n = 0; n < OBJECTS; n++) print(variables[n][0]);
  for (int i = 0; i < count; i++) print(seen[i][0]);
  return 0;
}
