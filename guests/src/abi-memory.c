/* Memory: mmap and relatives, their errors in Linux's order, and what is in the pages afterwards. */
#include "abi.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>

#define P 4096L
#define MMAP(a, l, p, f, d, o) syscall(SYS_mmap, (a), (l), (p), (f), (d), (o))
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

static char *pages(int n) { return mmap(0, n * P, RW, ANON, -1, 0); }
static int file(const char *text, long size) {
  char name[] = "/tmp/abi-memory-XXXXXX";
  int fd = mkstemp(name);
  unlink(name);
  write(fd, text, strlen(text));
  ftruncate(fd, size);
  return fd;
}

static void mapping_errors(void) {
  puts("-- mmap errors");
  int fd = file("hello", 2 * P), ro = open("/proc/self/exe", O_RDONLY), dir = open("/", O_RDONLY), fds[2];
  char name[] = "/tmp/abi-memory-XXXXXX";
  close(mkstemp(name));
  int wo = open(name, O_WRONLY);
  unlink(name);
  pipe(fds);
  OK(MMAP(0, 0, PROT_READ, ANON, -1, 0));
  OK(MMAP(0, P, PROT_READ, ANON, -1, 1));
  OK(MMAP(0, P, PROT_READ, MAP_ANONYMOUS, -1, 0));
  OK(MMAP(0, P, PROT_READ, MAP_ANONYMOUS | 3, -1, 0));
  OK(MMAP(0, P, PROT_READ, MAP_PRIVATE, -1, 0));
  OK(MMAP(0, P, PROT_READ, MAP_PRIVATE, 999, 0));
  OK(MMAP(0, 0, PROT_READ, MAP_PRIVATE, 999, 0));
  OK(MMAP(0, P, PROT_READ, MAP_PRIVATE, wo, 0));
  OK(MMAP(0, P, PROT_WRITE, MAP_PRIVATE, wo, 0));
  OK(MMAP(0, P, RW, MAP_SHARED, ro, 0));
  OK(MMAP(0, P, RW, MAP_PRIVATE, ro, 0));
  OK(MMAP(0, P, PROT_READ, MAP_SHARED, ro, 0));
  OK(MMAP(0, P, PROT_READ, MAP_PRIVATE, dir, 0));
  OK(MMAP(0, P, PROT_READ, MAP_PRIVATE, fds[0], 0));
  OK(MMAP(0, P, PROT_READ, 3, fd, 0));
  OK(MMAP(0, P, PROT_READ, 3 | 0x200000, fd, 0));
  OK(MMAP(0, P, PROT_READ, MAP_PRIVATE | 0x200000, fd, 0));
  OK(MMAP(0, -1L, PROT_READ, ANON, -1, 0));
  OK(MMAP(0, 1L << 47, PROT_READ, ANON, -1, 0));
  OK(MMAP(0, 1L << 46, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
  OK(MMAP(0x7ffffffff000L, P, PROT_READ, ANON | MAP_FIXED, -1, 0));
  OK(MMAP(0x10001L, P, PROT_READ, ANON | MAP_FIXED, -1, 0));
  OK(MMAP(0, P, PROT_READ, MAP_PRIVATE, fd, -P));
  OK(MMAP(0, P, RW, MAP_PRIVATE | MAP_GROWSDOWN, fd, 0));
  OK(MMAP(0, P, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
  long low = MMAP(0, P, RW, ANON | MAP_32BIT, -1, 0);
  printf("32 bit: %d\n", low >= 0x40000000 && low < 0x80000000L);
  printf("32 bit, hints: %lx", MMAP(0x50000000L, P, RW, ANON | MAP_32BIT, -1, 0));
  printf(" %lx", MMAP(0x20000123L, P, RW, ANON | MAP_32BIT, -1, 0));
  printf(" %d", MMAP(0x50000000L, P, RW, ANON | MAP_32BIT, -1, 0) < 0x50000000L);
  printf(" %d\n", MMAP(0x7fffffff0000L, P, RW, ANON | MAP_32BIT, -1, 0) < 0x80000000L);
  char *p = pages(4);
  OK(MMAP(p, P, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
  OK(munmap(p, P));
  printf("noreplace: %d\n", MMAP(p, P, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == (long)p);
  printf("hint free: %d\n", (munmap(p + P, P), MMAP(p + P, P, RW, ANON, -1, 0)) == (long)(p + P));
  printf("hint taken: %d\n", MMAP(p, P, RW, ANON, -1, 0) != (long)p);
  p[0] = 7;
  printf("fixed replaces: %d\n", MMAP(p, P, RW, ANON | MAP_FIXED, -1, 0) == (long)p && p[0] == 0);
  puts("-- munmap errors");
  OK(munmap(p + 1, P));
  OK(munmap(p, 0));
  OK(munmap((void *)-P, P));
  OK(munmap(p, 1L << 48));
  OK(munmap(p, 1));
  OK(munmap(p, P));
  IN_CHILD("read of unmapped", (void)*(volatile char *)p);
}

static void contents(void) {
  puts("-- files");
  int fd = file("hello", P + 100);
  char *s = mmap(0, 2 * P, RW, MAP_SHARED, fd, 0), *q = mmap(0, 2 * P, RW, MAP_PRIVATE, fd, 0), b[8] = "";
  memcpy(s, "HELLO", 5);
  printf("private sees %.5s\n", q);
  q[0] = 'J';
  pread(fd, b, 5, 0);
  printf("file %s private %.5s shared %.5s\n", b, q, s);
  memcpy(s, "world", 5);
  printf("private copied %.5s\n", q);
  pwrite(fd, "xyz", 3, P);
  printf("shared %.3s private %.3s tail %d\n", s + P, q + P, s[P + 100]);
  IN_CHILD("beyond the end", ftruncate(fd, P); s[P] = 1);
  ftruncate(fd, P + 100);
  printf("after truncation %d\n", s[P]);
  OK(msync(s, 2 * P, MS_SYNC));
  OK(msync(s, P, MS_ASYNC | MS_SYNC));
  OK(msync(s, P, 8));
  OK(msync(s + 1, P, MS_SYNC));
  munmap(s + P, P);
  OK(msync(s, 2 * P, MS_SYNC));
  int zero = open("/dev/zero", O_RDWR);
  char *z = mmap(0, P, RW, MAP_PRIVATE, zero, 0), *y = mmap(0, P, RW, MAP_SHARED, zero, 0);
  z[0] = 1; y[0] = 2;
  IN_CHILD("zero in child", printf("%d %d\n", z[0], y[0]); z[0] = 3; y[0] = 4);
  printf("zero: %d %d\n", z[0], y[0]);
  char *a = mmap(0, P, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  a[5] = 5;
  IN_CHILD("shared in child", a[5]++);
  printf("shared: %d\n", a[5]);
}

static void protection(void) {
  puts("-- mprotect");
  char *p = pages(4);
  p[0] = p[P] = p[2 * P] = 1;
  OK(syscall(SYS_mprotect, p, 0, 99));
  OK(mprotect(p + 1, P, PROT_READ));
  OK(syscall(SYS_mprotect, p, P, 0x100));
  OK(mprotect(p, -P, PROT_READ));
  OK(mprotect((void *)(1L << 45), P, PROT_READ));
  OK(syscall(SYS_mprotect, p, P, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP));
  OK(syscall(SYS_mprotect, p, P, PROT_READ | PROT_GROWSDOWN));
  munmap(p + 3 * P, P);
  OK(mprotect(p, 4 * P, PROT_READ));
  IN_CHILD("changed up to the gap", p[2 * P] = 2);
  OK(mprotect(p, 3 * P, RW));
  IN_CHILD("write", p[0] = 2);
  OK(mprotect(p + P, P, PROT_NONE));
  IN_CHILD("read none", (void)*(volatile char *)(p + P));
  OK(mprotect(p + P, P, PROT_READ));
  printf("kept %d\n", p[P]);
  int ro = open("/proc/self/exe", O_RDONLY);
  char *f = mmap(0, P, PROT_READ, MAP_SHARED, ro, 0);
  OK(mprotect(f, P, RW));
  OK(mprotect(f, P, PROT_READ | PROT_EXEC));
  unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
  memcpy(p, code, sizeof code);
  IN_CHILD("call without exec", _exit(((int (*)(void))p)()));
  mprotect(p, P, PROT_READ | PROT_EXEC);
  IN_CHILD("call", _exit(((int (*)(void))p)()));
  OK(syscall(SYS_pkey_mprotect, p, P, PROT_READ, -1));
  OK(syscall(SYS_pkey_free, 5));
  OK(syscall(SYS_pkey_alloc, 1, 0));
  OK(syscall(SYS_pkey_alloc, 0, 16));
}

static void heap(void) {
  puts("-- brk");
  char *base = (char *)syscall(SYS_brk, 0);
  printf("grow %ld\n", syscall(SYS_brk, base + 3 * P + 5) - (long)base);
  base[3 * P] = 9;
  printf("same %ld\n", syscall(SYS_brk, base + 3 * P + 9) - (long)base);
  printf("too low %ld\n", syscall(SYS_brk, P) - (long)base);
  printf("too high %ld\n", syscall(SYS_brk, -P) - (long)base);
  printf("shrink %ld\n", syscall(SYS_brk, base + P) - (long)base);
  printf("again %ld\n", syscall(SYS_brk, base + 4 * P) - (long)base);
  printf("zero %d\n", base[3 * P]);
  printf("back %ld\n", syscall(SYS_brk, base) - (long)base);
  IN_CHILD("limited", struct rlimit r = {P, P}; setrlimit(RLIMIT_DATA, &r); printf("limit %ld\n", syscall(SYS_brk, base + 64 * P) - (long)base);
           OK(MMAP(0, 1 << 24, RW, ANON, -1, 0)); OK(MMAP(0, 1 << 24, PROT_READ, ANON, -1, 0)));
  IN_CHILD("address space", struct rlimit r = {1 << 20, 1 << 20}; setrlimit(RLIMIT_AS, &r); OK(MMAP(0, 1 << 24, PROT_NONE, ANON, -1, 0)));
}

static void moving(void) {
  puts("-- mremap");
  char *p = pages(4), *q;
#define MREMAP(a, o, n, f, t) syscall(SYS_mremap, (a), (o), (n), (f), (t))
  OK(MREMAP(p, P, 2 * P, 8, 0));
  OK(MREMAP(p, P, 2 * P, MREMAP_FIXED, p + 8 * P));
  OK(MREMAP(p + 1, P, 2 * P, MREMAP_MAYMOVE, 0));
  OK(MREMAP(p, P, 0, MREMAP_MAYMOVE, 0));
  OK(MREMAP((void *)(1L << 45), P, 2 * P, MREMAP_MAYMOVE, 0));
  OK(MREMAP(p, 0, P, MREMAP_MAYMOVE, 0));
  OK(MREMAP(p, 16 * P, 32 * P, MREMAP_MAYMOVE, 0));
  OK(MREMAP(p, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, p + P));
  OK(MREMAP(p, P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, p + 16 * P + 1));
  OK(MREMAP(p, P, 2 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0));
  OK(MREMAP(p, P, 2 * P, 0, 0));
  munmap(p + 2 * P, 2 * P);
  p[0] = 1; p[P] = 2;
  printf("in place %d\n", MREMAP(p, 2 * P, 4 * P, 0, 0) == (long)p && p[P] == 2 && p[3 * P] == 0);
  printf("shrink %d\n", MREMAP(p, 4 * P, P, 0, 0) == (long)p);
  OK(mprotect(p + P, P, PROT_READ));
  char *block = pages(1);
  (void)block;
  q = (char *)MREMAP(p, P, 64 * P, MREMAP_MAYMOVE, 0);
  printf("moved %d\n", q != p && q[0] == 1 && q[63 * P] == 0);
  char *t = pages(8);
  t[2 * P] = 77;
  q = (char *)MREMAP(q, P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, t + 2 * P);
  printf("fixed %d %d\n", q == t + 2 * P, q[0]);
  char *k = (char *)MREMAP(q, P, P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
  printf("dontunmap %d %d %d\n", k != q, k[0], q[0]);
  char *s = mmap(0, 2 * P, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  s[P] = 3;
  char *d = (char *)MREMAP(s, 0, 2 * P, MREMAP_MAYMOVE, 0);
  d[0] = 4;
  printf("twin %d %d\n", d[P], s[0]);
  OK(syscall(SYS_remap_file_pages, s, P, 0, 1, 0));
  printf("remapped %d\n", s[0]);
  OK(syscall(SYS_remap_file_pages, s, P, 1, 0, 0));
  OK(syscall(SYS_remap_file_pages, pages(1), P, 0, 0, 0));
}

static void advice(void) {
  puts("-- madvise");
  char *p = pages(4);
  memset(p, 1, 4 * P);
  OK(syscall(SYS_madvise, p, P, 77));
  OK(madvise(p + 1, P, MADV_NORMAL));
  OK(madvise(p, 0, MADV_NORMAL));
  OK(madvise(p, -1, MADV_NORMAL));
  OK(madvise(p, P, MADV_DONTNEED));
  printf("%d %d\n", p[0], p[P]);
  OK(madvise(p, P, MADV_WILLNEED));
  OK(madvise(p, P, MADV_FREE));
  OK(madvise(p, P, MADV_REMOVE));
  OK(madvise(p, P, MADV_SEQUENTIAL));
  OK(madvise(p, P, MADV_POPULATE_READ));
  OK(madvise(p, P, MADV_POPULATE_WRITE));
  OK(mprotect(p + P, P, PROT_READ));
  OK(madvise(p + P, P, MADV_POPULATE_WRITE));
  OK(madvise(p, P, MADV_WIPEONFORK));
  OK(madvise(p + 2 * P, P, MADV_DONTFORK));
  p[0] = 5;
  IN_CHILD("wiped", printf("%d\n", p[0]));
  IN_CHILD("not forked", (void)*(volatile char *)(p + 2 * P));
  OK(madvise(p, 4 * P, MADV_DOFORK));
  OK(madvise(p, P, MADV_KEEPONFORK));
  IN_CHILD("kept", printf("%d\n", p[0]));
  munmap(p + 2 * P, P);
  OK(madvise(p, 4 * P, MADV_DONTNEED));
  printf("around the gap %d %d\n", p[0], p[3 * P]);
  char *s = mmap(0, 2 * P, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  s[0] = s[P] = 9;
  OK(madvise(s, P, MADV_DONTNEED));
  printf("shared stays %d\n", s[0]);
  OK(madvise(s, P, MADV_REMOVE));
  printf("removed %d %d\n", s[0], s[P]);
  OK(madvise(s, P, MADV_WIPEONFORK));
  OK(madvise(s, P, MADV_FREE));
  puts("-- mincore");
  unsigned char v[8];
  char *m = pages(3);
  m[0] = m[2 * P] = 1;
  OK(mincore(m, 3 * P, v));
  printf("%d%d%d\n", v[0] & 1, v[1] & 1, v[2] & 1);
  OK(mincore(m + 1, P, v));
  OK(mincore((void *)(1L << 45), P, v));
  OK(syscall(SYS_mincore, m, 3 * P, 8));
  puts("-- mlock");
  OK(mlock(m, 3 * P));
  OK(madvise(m, P, MADV_DONTNEED));
  OK(msync(m, P, MS_INVALIDATE));
  OK(munlock(m, 3 * P));
  OK(mlock((void *)(1L << 45), P));
  OK(munlock((void *)(1L << 45), P));
  OK(syscall(SYS_mlock2, m, P, 2));
  OK(syscall(SYS_mlock2, m, P, 1));
  OK(mlockall(0));
  OK(mlockall(8));
  OK(mlockall(4));
  OK(munlockall());
}

static void others(void) {
  puts("-- process_vm_readv");
  char *p = pages(2);
  strcpy(p, "over there");
  fflush(stdout);
  int up[2], down[2];
  pipe(up); pipe(down);
  pid_t c = fork();
  if (c == 0) {
    char b;
    strcpy(p, "in the child");
    write(up[1], "x", 1);
    read(down[0], &b, 1);
    printf("child has %s\n", p);
    fflush(stdout);
    _exit(0);
  }
  char b[64] = "";
  read(up[0], b, 1);
  struct iovec l[2] = {{b, 3}, {b + 3, 20}}, r = {p, 13}, bad = {(void *)(1L << 45), 8}, edge = {p + 2 * P - 4, 8};
  SHOW(process_vm_readv(c, l, 2, &r, 1, 0));
  printf("%s\n", b);
  SHOW(process_vm_readv(c, l, 2, &bad, 1, 0));
  SHOW(process_vm_readv(c, l, 2, &r, 1, 1));
  SHOW(process_vm_readv(999999, l, 2, &r, 1, 0));
  SHOW(process_vm_readv(c, l, 0, &r, 1, 0));
  SHOW(process_vm_readv(c, l, 2000, &r, 1, 0));
  munmap(pages(1), P);
  (void)edge;
  strcpy(b, "written");
  struct iovec w = {b, 8};
  SHOW(process_vm_writev(c, &w, 1, &r, 1, 0));
  write(down[1], "x", 1);
  wait(0);
}

static void stack(void) {
  puts("-- stack");
  IN_CHILD("grows", volatile char a[200 * 1024]; memset((char *)a, 1, sizeof a); _exit(a[5]));
  char *p = mmap(0, 16 * P, RW, ANON, -1, 0);
  munmap(p, 16 * P);
  char *g = mmap(p + 8 * P, P, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
  IN_CHILD("growsdown", g[-1] = 1; g[-P - 1] = 2; printf("%d\n", g[-1]));
}

int main(void) {
  mapping_errors();
  contents();
  protection();
  heap();
  moving();
  advice();
  others();
  stack();
  return 0;
}
