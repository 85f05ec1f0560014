/* SCTBench CS.fsbench: threads allocate blocks for inodes; the search for a free block starts where it likes and runs past the end when
   all its neighbours are taken. Mended: it wraps. */
#include "bug.h"

enum { INODES = 4, BLOCKS = 3, THREADS = 4 };
static pthread_mutex_t inode_lock[INODES], block_lock[BLOCKS];
static int inode[INODES], busy[BLOCKS + 1];

static void *create(void *arg) {
  int i = (int)(long)arg % INODES;
  lock(&inode_lock[i]);
  if (inode[i] == 0) {
    int b = i > 0;
    for (;;) {
#ifdef FIXED
      b %= BLOCKS;
#endif
      HOLDS(b < BLOCKS);
      lock(&block_lock[b]);
      int was_free = !busy[b];
      if (was_free) {
        busy[b] = 1;
        inode[i] = b + 1;
      }
      unlock(&block_lock[b]);
      if (was_free) break;
      b++;
    }
  }
  unlock(&inode_lock[i]);
  /* A file that lives for a moment: what comes after it finds its block free again. */
  lock(&inode_lock[i]);
  int held = inode[i] - 1;
  lock(&block_lock[held]);
  busy[held] = 0;
  unlock(&block_lock[held]);
  inode[i] = 0;
  unlock(&inode_lock[i]);
  return arg;
}

int main(void) {
  pthread_t threads[THREADS];
  for (int i = 0; i < INODES; i++) pthread_mutex_init(&inode_lock[i], NULL);
  for (int i = 0; i < BLOCKS; i++) pthread_mutex_init(&block_lock[i], NULL);
  start(threads, THREADS, create);
  join(threads, THREADS);
}
