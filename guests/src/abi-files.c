/* Open, read, write, seek, sizes, holes, copying. Works in a new directory of a tmpfs: argv[1], or /tmp. Prints only what is the same on every Linux. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILS(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s = %ld, errno %d\n", #__VA_ARGS__, r_, errno); } while (0)
#define CHECK(...) printf("%s: %s\n", #__VA_ARGS__, (__VA_ARGS__) ? "yes" : "NO")
#define BAD ((void *)0x10)

static long preadv2(int fd, const struct iovec *v, int n, off_t at, int flags) { return syscall(SYS_preadv2, fd, v, n, at, 0, flags); }
static long pwritev2(int fd, const struct iovec *v, int n, off_t at, int flags) { return syscall(SYS_pwritev2, fd, v, n, at, 0, flags); }
static char *page, *end; /* end: one past the last accessible byte */
static int sum(const char *p, size_t n) { unsigned s = 0; while (n--) s = s * 31 + (unsigned char)*p++; return (int)(s & 0xffffff); }
static void show(const char *name) {
  struct stat st; if (stat(name, &st)) { printf("%s: errno %d\n", name, errno); return; }
  char *text = malloc(st.st_size + 1); int fd = open(name, O_RDONLY); long n = read(fd, text, st.st_size);
  printf("%s: %ld bytes, %ld blocks, sum %d", name, (long)st.st_size, (long)st.st_blocks, sum(text, n < 0 ? 0 : n));
  if (n >= 0 && n < 60) { printf(", '"); for (long i = 0; i < n; i++) putchar(text[i] < 32 ? '.' : text[i]); printf("'"); }
  putchar('\n'); close(fd); free(text);
}

static void opening(void) {
  int fd = open("f", O_CREAT | O_RDWR, 0644);
  printf("flags %#x\n", fcntl(fd, F_GETFL));
  FAILS(write(fd, "hello world", 11));
  FAILS(open("f", O_CREAT | O_EXCL, 0644));
  FAILS(open("f", O_DIRECTORY));
  FAILS(open("f", O_CREAT | O_DIRECTORY, 0644));
  FAILS(open(".", O_WRONLY));
  FAILS(open(".", O_RDWR));
  FAILS(open(".", O_CREAT, 0644));
  FAILS(open(".", O_CREAT | O_EXCL, 0644));
  FAILS(open("new/", O_CREAT | O_RDWR, 0644));
  FAILS(open("f/", O_CREAT | O_RDWR, 0644));
  FAILS(open("f/", O_RDONLY));
  FAILS(open("f/.", O_RDONLY));
  FAILS(open("f/..", O_RDONLY));
  FAILS(open("none", O_RDONLY));
  FAILS(open("none/x", O_CREAT | O_RDWR, 0644));
  FAILS(open("", O_RDONLY));
  FAILS(open(BAD, O_RDONLY));
  FAILS(open("none", O_TRUNC));
  FAILS(openat(99, "f", O_RDONLY));
  FAILS(openat(fd, "f", O_RDONLY));
  FAILS(openat(99, "/", O_TMPFILE | O_RDONLY, 0600));
  FAILS(open("f", O_TMPFILE | O_RDWR, 0600));
  FAILS(open("f", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0600));
  int t = open(".", O_TMPFILE | O_RDWR, 0640);
  struct stat st; fstat(t, &st);
  printf("tmpfile nlink %ld mode %o flags %#x\n", (long)st.st_nlink, st.st_mode, fcntl(t, F_GETFL));
  FAILS(write(t, "draft", 5));
  FAILS(linkat(t, "", AT_FDCWD, "published", AT_EMPTY_PATH));
  show("published");
  fstat(t, &st); printf("nlink %ld\n", (long)st.st_nlink);
  int x = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
  FAILS(linkat(x, "", AT_FDCWD, "never", AT_EMPTY_PATH));
  char link[64]; sprintf(link, "/proc/self/fd/%d", t);
  int again = open(link, O_RDONLY); char buf[16] = {0};
  printf("by /proc: %ld %s\n", (long)read(again, buf, 16), buf);
  FAILS(linkat(AT_FDCWD, link, AT_FDCWD, "second", AT_SYMLINK_FOLLOW));
  int p = open("f", O_PATH | O_RDWR | O_TRUNC);
  printf("path flags %#x\n", fcntl(p, F_GETFL));
  FAILS(read(p, buf, 1)); FAILS(write(p, buf, 1)); FAILS(lseek(p, 0, SEEK_SET)); FAILS(fchmod(p, 0600)); FAILS(ftruncate(p, 0)); FAILS(fcntl(p, F_SETFL, 0));
  FAILS(ioctl(p, 0x5401, buf)); FAILS(mmap(0, 4096, PROT_READ, MAP_PRIVATE, p, 0) == MAP_FAILED); FAILS(fsync(p)); FAILS(fstat(p, &st));
  int w = open("f", O_WRONLY), r = open("f", O_RDONLY), three = open("f", 3);
  FAILS(read(w, buf, 1)); FAILS(write(r, buf, 1)); FAILS(read(three, buf, 1)); FAILS(write(three, buf, 1));
  FAILS(read(99, buf, 1)); FAILS(read(-1, buf, 1));
  printf("3: %#x\n", fcntl(three, F_GETFL));
  int dirfd = open(".", O_RDONLY | O_DIRECTORY);
  printf("dir flags %#x\n", fcntl(dirfd, F_GETFL));
  FAILS(read(dirfd, buf, 1)); FAILS(read(dirfd, BAD, 1)); FAILS(pread(dirfd, buf, 1, 0)); FAILS(write(dirfd, buf, 1));
  FAILS(ftruncate(dirfd, 0)); FAILS(fallocate(dirfd, 0, 0, 1));
  CHECK(creat("f", 0600) > 0); show("f");
  symlink("f", "l"); symlink("loop", "loop"); symlink("made", "dangling");
  FAILS(open("l", O_NOFOLLOW)); FAILS(open("l", O_NOFOLLOW | O_DIRECTORY)); FAILS(open("loop", O_RDONLY)); FAILS(open("l/", O_RDONLY)); FAILS(open("dangling", O_RDONLY));
  FAILS(open("dangling", O_CREAT | O_EXCL, 0600)); FAILS(open("dangling/", O_CREAT | O_RDWR, 0600)); FAILS(open("l", O_NOFOLLOW | O_CREAT, 0600));
  CHECK(open("dangling", O_CREAT | O_RDWR, 0600) > 0); show("made");
  p = open("l", O_PATH | O_NOFOLLOW); fstat(p, &st); printf("O_PATH link: %o, ", st.st_mode);
  memset(buf, 0, 16); printf("%ld %s\n", (long)readlinkat(p, "", buf, 16), buf);
  FAILS(openat(p, "", O_RDONLY));
  close(fd); close(t); close(x); close(again); close(p); close(w); close(r); close(three); close(dirfd);
}

struct how { uint64_t flags, mode, resolve; };
static long openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve, size_t size) {
  struct { struct how how; char more[64]; } all = { { flags, mode, resolve }, {0} };
  return syscall(437, dirfd, path, &all, size);
}
static void open2(void) {
  mkdir("box", 0755); close(open("box/in", O_CREAT | O_RDWR, 0644)); symlink("../f", "box/up"); symlink("/etc", "box/abs"); symlink("in", "box/ok");
  int d = open("box", O_DIRECTORY);
  for (int resolve = 0; resolve < 64; resolve = resolve ? resolve * 2 : 1) {
    const char *paths[] = { "in", "up", "abs", "ok", "../f", "/etc", ".", "..", "none" };
    for (int i = 0; i < 9; i++) { errno = 0; long r = openat2(d, paths[i], O_RDONLY, 0, resolve, 24); printf("resolve %d %s: %s %d\n", resolve, paths[i], r < 0 ? "no" : "yes", resolve == 32 ? 0 : errno); if (r >= 0) close(r); }
  }
  FAILS(openat2(d, "in", 0x40000000, 0, 0, 24)); FAILS(openat2(d, "in", O_RDONLY, 0644, 0, 24)); FAILS(openat2(d, "new", O_CREAT, 0x10000, 0, 24));
  FAILS(openat2(d, "in", O_RDONLY, 0, 64, 24)); FAILS(openat2(d, "in", O_RDONLY, 0, 24, 24)); FAILS(openat2(d, "in", O_RDONLY, 0, 0, 23)); FAILS(openat2(d, "in", O_RDONLY, 0, 0, 5000));
  FAILS(openat2(d, "in", O_PATH | O_RDWR, 0, 0, 24)); CHECK(openat2(d, "in", O_RDONLY, 0, 0, 48) > 0); FAILS(openat2(d, "in", 1ULL << 40, 0, 0, 24));
  FAILS(syscall(437, d, "in", BAD, 24));
  close(d);
}

static void transfers(void) {
  int fd = open("t", O_CREAT | O_RDWR | O_TRUNC, 0644); char buf[64];
  FAILS(write(fd, "abcdefghij", 10)); FAILS(lseek(fd, -3, SEEK_END)); FAILS(read(fd, buf, 64)); FAILS(read(fd, buf, 64)); FAILS(read(fd, BAD, 64)); FAILS(write(fd, BAD, 0));
  FAILS(lseek(fd, 0, SEEK_SET)); FAILS(read(fd, BAD, 4)); FAILS(read(fd, (void *)-4096L, 4)); FAILS(read(fd, end - 3, 8)); FAILS(lseek(fd, 0, SEEK_CUR));
  FAILS(write(fd, BAD, 4)); memcpy(end - 3, "XYZ", 3); FAILS(write(fd, end - 3, 8)); show("t");
  FAILS(read(fd, buf, (size_t)-1)); FAILS(write(fd, buf, (size_t)-1));
  FAILS(pread(fd, buf, 4, -1)); FAILS(pwrite(fd, buf, 4, -1)); FAILS(pread(fd, buf, 4, 100)); FAILS(pread(99, buf, 4, -1));
  FAILS(lseek(fd, -1, SEEK_SET)); FAILS(lseek(fd, 0, 9)); FAILS(lseek(99, 0, 9)); FAILS(lseek(fd, 100, SEEK_SET)); FAILS(read(fd, buf, 1)); FAILS(write(fd, "!", 1)); show("t");
  struct iovec v[4] = { { buf, 3 }, { 0, 0 }, { buf + 10, 4 }, { BAD, 5 } };
  FAILS(preadv(fd, v, 3, 0)); FAILS(preadv(fd, v, 4, 0)); FAILS(readv(fd, v, -1)); FAILS(readv(fd, v, 1025)); FAILS(readv(fd, BAD, 1)); FAILS(readv(fd, v, 0)); FAILS(preadv(fd, v, 1, -2));
  FAILS(pwritev(fd, v, 4, 0)); show("t");
  struct iovec neg[2] = { { buf, 3 }, { buf, (size_t)-5 } }; FAILS(readv(fd, neg, 2)); FAILS(writev(fd, neg, 2));
  struct iovec first[2] = { { BAD, 3 }, { buf, 5 } }; FAILS(preadv(fd, first, 2, 0));
  lseek(fd, 2, SEEK_SET); FAILS(preadv2(fd, v, 1, -1, 0)); FAILS(lseek(fd, 0, SEEK_CUR)); FAILS(preadv2(fd, v, 1, 0, 0x4000)); FAILS(preadv2(fd, v, 1, -2, 0)); FAILS(pwritev2(fd, v, 1, 0, 16)); show("t");
  int a = open("t", O_WRONLY | O_APPEND); FAILS(pwrite(a, "app", 3, 0)); FAILS(lseek(a, 0, SEEK_CUR)); FAILS(write(a, "end", 3)); FAILS(lseek(a, 0, SEEK_CUR)); show("t");
  int pipes[2]; pipe(pipes); FAILS(lseek(pipes[0], 0, SEEK_SET)); FAILS(pread(pipes[0], buf, 1, 0)); FAILS(pwrite(pipes[1], buf, 1, 0)); FAILS(ftruncate(pipes[1], 0)); FAILS(fallocate(pipes[1], 0, 0, 1)); FAILS(fsync(pipes[1]));
  FAILS(lseek(pipes[0], 0, 9));
  FAILS(read(pipes[1], buf, 1)); FAILS(write(pipes[0], buf, 1));
  close(pipes[0]); close(pipes[1]); close(a); close(fd);
}

static void on_xfsz(int s) { printf("signal %d\n", s); }
static void sizes(void) {
  int fd = open("s", O_CREAT | O_RDWR | O_TRUNC, 0644); char buf[16] = {0};
  FAILS(pwrite(fd, "x", 1, 100000)); show("s");
  FAILS(lseek(fd, 0, SEEK_DATA)); FAILS(lseek(fd, 0, SEEK_HOLE)); FAILS(lseek(fd, 98304, SEEK_HOLE)); FAILS(lseek(fd, 100001, SEEK_DATA)); FAILS(lseek(fd, 100001, SEEK_HOLE)); FAILS(lseek(fd, -1, SEEK_DATA));
  FAILS(ftruncate(fd, 5)); FAILS(pwrite(fd, "abcde", 5, 0)); FAILS(ftruncate(fd, 2)); FAILS(ftruncate(fd, 6)); show("s");
  FAILS(ftruncate(fd, -1)); FAILS(truncate("s", -1)); FAILS(truncate(".", 0)); FAILS(truncate("none", 0)); FAILS(truncate("s/", 0)); FAILS(truncate(BAD, 0)); FAILS(truncate("s", 3)); show("s");
  FAILS(fallocate(fd, 0, 0, 8192)); show("s"); FAILS(fallocate(fd, FALLOC_FL_KEEP_SIZE, 8192, 8192)); show("s");
  char big[8192]; memset(big, 'y', 8192); pwrite(fd, big, 8192, 0);
  FAILS(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096)); FAILS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10, 4100)); show("s");
  FAILS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096)); show("s");
  FAILS(fallocate(fd, 0, -1, 1)); FAILS(fallocate(fd, 0, 0, 0)); FAILS(fallocate(fd, 0x1000, 0, 1)); FAILS(fallocate(99, 0, 0, 0)); FAILS(fallocate(open("s", O_RDONLY), 0, 0, 1));
  signal(SIGXFSZ, on_xfsz); struct rlimit limit = { 10000, RLIM_INFINITY }; setrlimit(RLIMIT_FSIZE, &limit);
  FAILS(pwrite(fd, big, 8192, 5000)); FAILS(pwrite(fd, big, 1, 10000)); FAILS(ftruncate(fd, 10001)); FAILS(truncate("s", 10001)); FAILS(fallocate(fd, 0, 0, 20000)); FAILS(truncate("s", 10000)); FAILS(truncate("s", 100));
  limit.rlim_cur = RLIM_INFINITY; setrlimit(RLIMIT_FSIZE, &limit);
  char *map = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  strcpy(map, "mapped"); pread(fd, buf, 10, 0); printf("%s\n", buf); pwrite(fd, "MAP", 3, 0); printf("%.6s\n", map);
  pid_t child = fork();
  if (child == 0) { ftruncate(fd, 0); printf("%c", map[0]); _exit(0); }
  int status; waitpid(child, &status, 0); printf("truncated map: signal %d\n", WTERMSIG(status));
  char *tail = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); ftruncate(fd, 10); memset(tail, 'z', 4096); show("s"); ftruncate(fd, 30); show("s");
  close(fd);
}

static void copying(void) {
  int a = open("a", O_CREAT | O_RDWR | O_TRUNC, 0644), b = open("b", O_CREAT | O_RDWR | O_TRUNC, 0644), pipes[2]; char buf[64];
  write(a, "0123456789", 10); off_t off = 2; pipe(pipes);
  FAILS(sendfile(b, a, &off, 4)); printf("off %ld pos %ld\n", (long)off, (long)lseek(a, 0, SEEK_CUR)); lseek(a, 7, SEEK_SET);
  FAILS(sendfile(b, a, 0, 100)); printf("pos %ld\n", (long)lseek(a, 0, SEEK_CUR)); show("b");
  FAILS(sendfile(b, a, 0, 1)); FAILS(sendfile(pipes[1], a, &(off_t){0}, 5)); FAILS(read(pipes[0], buf, 64));
  FAILS(sendfile(open("b", O_RDONLY), a, 0, 1)); FAILS(sendfile(b, open("a", O_WRONLY), 0, 1)); FAILS(sendfile(99, a, 0, 1)); FAILS(sendfile(b, 99, 0, 1)); FAILS(sendfile(b, a, &(off_t){-1}, 1)); FAILS(sendfile(b, a, BAD, 1));
  FAILS(sendfile(b, pipes[0], &(off_t){0}, 1)); FAILS(sendfile(open("b", O_WRONLY | O_APPEND), a, &(off_t){0}, 1)); FAILS(sendfile(b, open(".", O_RDONLY), 0, 1));
  off_t x = 1, y = 0;
  FAILS(copy_file_range(a, &x, b, &y, 3, 0)); printf("%ld %ld\n", (long)x, (long)y); show("b");
  x = 0; y = 2; FAILS(copy_file_range(a, &x, a, &y, 4, 0)); x = 0; y = 6; FAILS(copy_file_range(a, &x, a, &y, 4, 0)); show("a"); FAILS(copy_file_range(a, &x, b, &y, 4, 1)); x = 100; FAILS(copy_file_range(a, &x, b, &y, 4, 0)); x = -1; FAILS(copy_file_range(a, &x, b, &y, 4, 0));
  FAILS(copy_file_range(a, 0, pipes[1], 0, 4, 0)); FAILS(copy_file_range(open(".", O_RDONLY), 0, b, 0, 4, 0)); FAILS(copy_file_range(a, 0, open("b", O_RDONLY), 0, 4, 0)); FAILS(copy_file_range(a, 0, open("b", O_WRONLY | O_APPEND), 0, 4, 0)); FAILS(copy_file_range(99, 0, b, 0, 4, 0));
  FAILS(posix_fadvise(a, 0, 0, 9)); FAILS(posix_fadvise(pipes[0], 0, 0, 0)); FAILS(posix_fadvise(a, 0, 0, 4)); FAILS(readahead(a, 0, 10)); FAILS(readahead(pipes[0], 0, 10)); FAILS(readahead(open("a", O_WRONLY), 0, 10));
  FAILS(sync_file_range(a, 0, 0, 8)); FAILS(sync_file_range(a, -1, 0, 0)); FAILS(sync_file_range(pipes[0], 0, 0, 0)); FAILS(sync_file_range(a, 0, 10, 7)); FAILS(syncfs(a)); FAILS(syncfs(99)); FAILS(fsync(a)); FAILS(fdatasync(99));
}

static void memfds(void) {
  int m = memfd_create("name", MFD_ALLOW_SEALING); char link[64], buf[64] = {0}; struct stat st;
  sprintf(link, "/proc/self/fd/%d", m); readlink(link, buf, 63); printf("%s\n", buf); fstat(m, &st); printf("%o nlink %ld flags %#x\n", st.st_mode, (long)st.st_nlink, fcntl(m, F_GETFL));
  write(m, "sealed", 6); FAILS(fcntl(m, F_GET_SEALS)); FAILS(fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)); FAILS(ftruncate(m, 1)); FAILS(ftruncate(m, 10)); FAILS(pwrite(m, "longer", 6, 3)); FAILS(pwrite(m, "L", 1, 6)); FAILS(fallocate(m, 0, 0, 100));
  char *map = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0); FAILS(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE)); munmap(map, 4096); FAILS(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE)); FAILS(pwrite(m, "x", 1, 0));
  FAILS(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0) == MAP_FAILED); CHECK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, m, 0) != MAP_FAILED);
  FAILS(fallocate(m, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4)); FAILS(fcntl(m, F_ADD_SEALS, F_SEAL_SEAL)); FAILS(fcntl(m, F_ADD_SEALS, F_SEAL_GROW)); FAILS(fcntl(m, F_ADD_SEALS, 0x1000)); FAILS(fcntl(m, F_GET_SEALS));
  int p = memfd_create("plain", 0); FAILS(fcntl(p, F_GET_SEALS)); FAILS(fcntl(p, F_ADD_SEALS, F_SEAL_GROW)); FAILS(fcntl(open("a", O_RDWR), F_ADD_SEALS, F_SEAL_GROW)); FAILS(memfd_create("x", 0x800)); FAILS(memfd_create(BAD, 0));
  char name[300]; memset(name, 'n', 299); name[299] = 0; FAILS(memfd_create(name, 0)); name[249] = 0; CHECK(memfd_create(name, MFD_CLOEXEC) > 0);
}

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOLBF, 0);
  char dir[200]; snprintf(dir, sizeof dir, "%s/abi-files-XXXXXX", argc > 1 ? argv[1] : "/tmp");
  if (!mkdtemp(dir) || chdir(dir)) { perror(dir); return 1; }
  umask(022);
  page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); mprotect(page + 4096, 4096, PROT_NONE); end = page + 4096;
  opening(); open2(); transfers(); sizes(); copying(); memfds();
  char command[300]; snprintf(command, sizeof command, "rm -rf %s", dir);
  chdir("/"); return system(command) != 0;
}
