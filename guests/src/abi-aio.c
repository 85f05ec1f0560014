/* Asynchronous I/O: io_setup, io_submit, io_getevents, io_destroy. Works in a new directory: argv[1], or /tmp. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAILS(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s = %ld, errno %d\n", #__VA_ARGS__, r_, errno); } while (0)
#define CHECK(...) printf("%s: %s\n", #__VA_ARGS__, (__VA_ARGS__) ? "yes" : "NO")
#define BAD ((void *)0x10)
static long setup(unsigned n, aio_context_t *c) { return syscall(SYS_io_setup, n, c); }
static long submit(aio_context_t c, long n, void *v) { return syscall(SYS_io_submit, c, n, v); }
static long events(aio_context_t c, long min, long n, void *e, void *t) { return syscall(SYS_io_getevents, c, min, n, e, t); }
static long destroy(aio_context_t c) { return syscall(SYS_io_destroy, c); }

static struct io_event got[16];
static void show(long n) { for (long i = 0; i < n; i++) printf("  data %llx res %lld res2 %lld\n", (unsigned long long)got[i].data, (long long)got[i].res, (long long)got[i].res2); }

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOLBF, 0);
  char dir[200]; snprintf(dir, sizeof dir, "%s/abi-aio-XXXXXX", argc > 1 ? argv[1] : "/tmp");
  if (!mkdtemp(dir) || chdir(dir)) { perror(dir); return 1; }
  aio_context_t c = 0, zero = 0; struct timespec none = { 0, 0 }, some = { 0, 20000000 };
  FAILS(setup(0, &c)); FAILS(setup(10, BAD)); c = 5; FAILS(setup(10, &c)); c = 0; FAILS(setup(8, &c)); CHECK(c != 0);
  int fd = open("f", O_CREAT | O_RDWR, 0644), r = open("f", O_RDONLY), p[2]; pipe(p); char a[64] = "hello world", b[64] = {0};
  struct iocb w = { .aio_data = 0x123456789abcdefULL, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = fd, .aio_buf = (uintptr_t)a, .aio_nbytes = 11, .aio_offset = 3 }; struct iocb *list[10] = { &w };
  FAILS(submit(c, 1, list)); FAILS(events(c, 1, 16, got, 0)); show(1); CHECK(got[0].obj == (uintptr_t)&w);
  struct iocb rd = { .aio_data = 2, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = r, .aio_buf = (uintptr_t)b, .aio_nbytes = 20, .aio_offset = 0 }; struct iovec v[2] = { { b + 20, 3 }, { b + 40, 4 } };
  struct iocb rv = { .aio_data = 3, .aio_lio_opcode = IOCB_CMD_PREADV, .aio_fildes = r, .aio_buf = (uintptr_t)v, .aio_nbytes = 2, .aio_offset = 3 }, bad = { .aio_data = 4, .aio_lio_opcode = 99, .aio_fildes = r }, closed = { .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = 99 }, wrong = w; wrong.aio_fildes = r;
  list[0] = &rd; list[1] = &rv; list[2] = &bad; list[3] = &w; FAILS(submit(c, 4, list)); FAILS(events(c, 0, 1, got, &none)); show(1); FAILS(events(c, 1, 16, got, 0)); show(1); printf("%s|%s|%s\n", b + 3, b + 20, b + 40);
  list[0] = &bad; FAILS(submit(c, 1, list)); list[0] = &closed; FAILS(submit(c, 1, list)); list[0] = &wrong; FAILS(submit(c, 1, list)); list[0] = BAD; FAILS(submit(c, 1, list)); FAILS(submit(c, 1, BAD)); FAILS(submit(c, -1, list)); FAILS(submit(c, 0, list)); FAILS(submit(zero, 1, list)); FAILS(submit(c + 8, 1, list));
  rd.aio_buf = 0x10; list[0] = &rd; FAILS(submit(c, 1, list)); FAILS(events(c, 1, 1, got, 0)); show(1); rd.aio_buf = (uintptr_t)b; rd.aio_reserved2 = 1; FAILS(submit(c, 1, list)); rd.aio_reserved2 = 0; rd.aio_offset = 100; FAILS(submit(c, 1, list)); FAILS(events(c, 1, 1, got, 0)); show(1);
  int e = eventfd(0, 0); rd.aio_offset = 0; rd.aio_flags = IOCB_FLAG_RESFD; rd.aio_resfd = e; FAILS(submit(c, 1, list)); uint64_t count = 0; read(e, &count, 8); printf("eventfd %d\n", (int)count); rd.aio_resfd = fd; FAILS(submit(c, 1, list)); rd.aio_resfd = 99; FAILS(submit(c, 1, list)); rd.aio_flags = 0; FAILS(events(c, 1, 16, got, 0)); show(1);
  FAILS(events(c, 1, 16, got, &some)); FAILS(events(c, 2, 1, got, 0)); FAILS(events(c, -1, 1, got, 0)); FAILS(events(zero, 0, 1, got, 0)); FAILS(events(c, 1, 1, got, BAD)); FAILS(events(c, 0, 16, got, 0));
  struct iocb sync = { .aio_data = 9, .aio_lio_opcode = IOCB_CMD_FSYNC, .aio_fildes = p[0] }; list[0] = &sync; FAILS(submit(c, 1, list));
  fflush(stdout); if (fork() == 0) { FAILS(submit(c, 1, list)); FAILS(destroy(c)); fflush(stdout); _exit(0); } wait(0);
  FAILS(destroy(c)); FAILS(destroy(c)); FAILS(events(c, 0, 1, got, &none)); FAILS(setup(100000000, &zero));
  char command[300]; snprintf(command, sizeof command, "rm -rf %s", dir);
  chdir("/"); return system(command) != 0;
}
