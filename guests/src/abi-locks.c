/* Descriptors and locks: dup, close_range, fcntl, flock, record locks of processes and descriptions. Works in a new directory: argv[1], or /tmp. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAILS(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s = %ld, errno %d\n", #__VA_ARGS__, r_, errno); } while (0)
#define CHECK(...) printf("%s: %s\n", #__VA_ARGS__, (__VA_ARGS__) ? "yes" : "NO")
#define BAD ((void *)0x10)
#define SET(fd, cmd, type, start, len) fcntl(fd, cmd, &(struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len })

static pid_t parent;
static void get(int fd, int cmd, int type, long start, long len) {
  struct flock f = { .l_type = type, .l_start = start, .l_len = len }; int r = fcntl(fd, cmd, &f);
  printf("get %d %ld+%ld: %d type %d whence %d %ld+%ld %s\n", type, start, len, r, f.l_type, f.l_whence, (long)f.l_start, (long)f.l_len, f.l_pid == parent ? "parent" : f.l_pid == 0 ? "0" : f.l_pid == -1 ? "-1" : "other");
}
#define CHILD(...) do { fflush(stdout); pid_t c_ = fork(); if (c_ == 0) { __VA_ARGS__; fflush(stdout); _exit(0); } waitpid(c_, 0, 0); } while (0)
static void nap(int ms) { struct timespec t = { ms / 1000, ms % 1000 * 1000000 }; nanosleep(&t, 0); }

static void numbers(void) {
  int a = open("f", O_CREAT | O_RDWR, 0644); syscall(SYS_close_range, a, ~0U, 0); a = open("f", O_RDWR); printf("lowest %d\n", a == dup(a) - 1);
  FAILS(dup(99)); FAILS(dup2(99, 5)); FAILS(dup2(a, -1)); FAILS(dup2(a, 1 << 20)); FAILS(dup2(99, 99)); CHECK(dup2(a, a) == a); FAILS(dup2(a, 30)); FAILS(dup3(a, a, 0)); FAILS(dup3(a, 31, 1)); FAILS(dup3(a, 31, O_CLOEXEC)); FAILS(dup3(a, 31, O_CLOEXEC | O_NONBLOCK)); FAILS(fcntl(31, F_GETFD)); FAILS(fcntl(30, F_GETFD)); FAILS(fcntl(30, F_SETFD, 3)); FAILS(fcntl(30, F_GETFD)); FAILS(fcntl(a, F_DUPFD, 40)); FAILS(fcntl(a, F_DUPFD_CLOEXEC, 40)); FAILS(fcntl(41, F_GETFD)); FAILS(fcntl(a, F_DUPFD, -1)); FAILS(fcntl(a, F_DUPFD, 1 << 20)); FAILS(close(99)); FAILS(close(-1));
  struct rlimit old, limit; getrlimit(RLIMIT_NOFILE, &old); limit = old; limit.rlim_cur = 42; setrlimit(RLIMIT_NOFILE, &limit); FAILS(dup2(a, 42)); FAILS(fcntl(a, F_DUPFD, 42)); FAILS(fcntl(a, F_DUPFD, 40)); int n = 0; while (dup(a) >= 0) n++; CHECK(n > 20); FAILS(open("f", O_RDONLY)); FAILS(open("none", O_RDONLY)); FAILS(open("", O_RDONLY)); FAILS(pipe((int[2]){0})); setrlimit(RLIMIT_NOFILE, &old);
  FAILS(syscall(SYS_close_range, 50, 40, 0)); FAILS(syscall(SYS_close_range, 40, 50, 8)); FAILS(syscall(SYS_close_range, a + 1, 35, 4)); FAILS(fcntl(35, F_GETFD)); FAILS(fcntl(36, F_GETFD)); FAILS(syscall(SYS_close_range, a + 1, ~0U, 2)); FAILS(fcntl(35, F_GETFD)); CHECK(open("f", O_RDONLY) == a + 1);
  FAILS(fcntl(a, F_GETFL)); FAILS(fcntl(a, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY | O_CREAT)); FAILS(fcntl(a, F_GETFL)); FAILS(fcntl(a, F_SETFL, 0)); FAILS(fcntl(a, F_GETFL)); FAILS(fcntl(a, 999)); FAILS(fcntl(99, F_GETFL)); FAILS(fcntl(a, F_GETOWN)); FAILS(fcntl(a, F_SETOWN, 999999)); FAILS(fcntl(a, F_SETOWN, getpid())); CHECK(fcntl(a, F_GETOWN) == getpid()); FAILS(fcntl(a, F_SETSIG, 65)); FAILS(fcntl(a, F_SETSIG, 10)); FAILS(fcntl(a, F_GETSIG)); FAILS(fcntl(a, F_GETLEASE)); FAILS(fcntl(a, F_GETPIPE_SZ)); 
  int p[2]; pipe(p); FAILS(fcntl(p[0], F_GETPIPE_SZ)); FAILS(fcntl(p[0], F_SETPIPE_SZ, 5000)); FAILS(fcntl(p[1], F_GETPIPE_SZ)); FAILS(fcntl(p[1], F_SETPIPE_SZ, 0)); FAILS(fcntl(p[0], F_GETFL)); FAILS(fcntl(p[1], F_GETFL)); close(p[0]); close(p[1]);
}

static void records(void) {
  parent = getpid(); int fd = open("l", O_CREAT | O_RDWR, 0644); write(fd, "0123456789", 10);
  FAILS(SET(fd, F_SETLK, F_WRLCK, 10, 20)); get(fd, F_GETLK, F_WRLCK, 0, 0);
  CHILD(get(fd, F_GETLK, F_WRLCK, 0, 0); get(fd, F_GETLK, F_RDLCK, 0, 10); get(fd, F_GETLK, F_RDLCK, 29, 1); get(fd, F_GETLK, F_RDLCK, 30, 1); FAILS(SET(fd, F_SETLK, F_RDLCK, 0, 11)); FAILS(SET(fd, F_SETLK, F_RDLCK, 0, 10)); FAILS(SET(fd, F_SETLK, F_UNLCK, 0, 0)));
  FAILS(SET(fd, F_SETLK, F_UNLCK, 15, 5)); CHILD(get(fd, F_GETLK, F_WRLCK, 0, 0); get(fd, F_GETLK, F_WRLCK, 15, 5); get(fd, F_GETLK, F_WRLCK, 16, 0)); FAILS(SET(fd, F_SETLK, F_RDLCK, 5, 10)); CHILD(get(fd, F_GETLK, F_WRLCK, 0, 0); get(fd, F_GETLK, F_RDLCK, 0, 0)); FAILS(SET(fd, F_SETLK, F_RDLCK, 15, 15)); CHILD(get(fd, F_GETLK, F_WRLCK, 0, 0)); FAILS(SET(fd, F_SETLK, F_WRLCK, 10, 2)); CHILD(get(fd, F_GETLK, F_WRLCK, 0, 0); get(fd, F_GETLK, F_RDLCK, 0, 0); get(fd, F_GETLK, F_WRLCK, 12, 0)); FAILS(SET(fd, F_SETLK, F_WRLCK, 0, 0)); CHILD(get(fd, F_GETLK, F_WRLCK, 100, 5));
  FAILS(SET(fd, F_SETLK, F_WRLCK, -1, 0)); FAILS(SET(fd, F_SETLK, F_WRLCK, 5, -3)); FAILS(SET(fd, F_SETLK, F_WRLCK, 2, -3)); FAILS(SET(fd, F_SETLK, 5, 0, 0)); FAILS(SET(fd, F_GETLK, F_UNLCK, 0, 0)); FAILS(SET(fd, F_SETLK, F_WRLCK, 0x7fffffffffffffff, 2)); FAILS(fcntl(fd, F_SETLK, BAD)); FAILS(fcntl(99, F_SETLK, BAD)); FAILS(fcntl(fd, F_SETLK, &(struct flock){ .l_type = F_WRLCK, .l_whence = 7 })); FAILS(fcntl(fd, F_SETLK, &(struct flock){ .l_type = F_UNLCK })); FAILS(fcntl(fd, F_SETLK, &(struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -4, .l_len = 2 })); CHILD(get(fd, F_GETLK, F_WRLCK, 0, 0)); lseek(fd, 3, SEEK_SET); FAILS(fcntl(fd, F_SETLK, &(struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_CUR, .l_start = -1, .l_len = 1 })); CHILD(get(fd, F_GETLK, F_WRLCK, 0, 0));
  int r = open("l", O_RDONLY), w = open("l", O_WRONLY); FAILS(SET(r, F_SETLK, F_WRLCK, 0, 0)); FAILS(SET(w, F_SETLK, F_RDLCK, 0, 0)); FAILS(SET(w, F_SETLK, F_WRLCK, 0, 0)); close(r); CHILD(get(fd, F_GETLK, F_WRLCK, 0, 0));
  SET(fd, F_SETLK, F_WRLCK, 0, 1); int order[2]; pipe(order); fflush(stdout);
  pid_t c = fork(); if (c == 0) { SET(fd, F_SETLK, F_WRLCK, 1, 1); write(order[1], "1", 1); int e = SET(fd, F_SETLKW, F_WRLCK, 0, 1); printf("child waited: %d\n", e); fflush(stdout); nap(50); _exit(0); }
  char x; read(order[0], &x, 1); nap(50); FAILS(SET(fd, F_SETLKW, F_WRLCK, 1, 1)); SET(fd, F_SETLK, F_UNLCK, 0, 1); FAILS(SET(fd, F_SETLKW, F_WRLCK, 1, 1)); waitpid(c, 0, 0);
  signal(SIGALRM, SIG_IGN); struct sigaction act = { .sa_handler = (void (*)(int))nap }; act.sa_handler = (void (*)(int))(void *)nap; (void)act;
  close(fd); close(w);
}
static void on_alarm(int s) { (void)s; }
static void interrupted(void) {
  int fd = open("l", O_RDWR); struct sigaction act = { .sa_handler = on_alarm }; sigaction(SIGALRM, &act, 0); SET(fd, F_SETLK, F_WRLCK, 0, 0); int f = open("l", O_RDWR); flock(f, LOCK_EX);
  CHILD(struct timespec t = {0}; (void)t; alarm(1); FAILS(SET(fd, F_SETLKW, F_WRLCK, 0, 0)); alarm(1); FAILS(flock(open("l", O_RDWR), LOCK_EX)));
  close(f); close(fd);
}

static void descriptions(void) {
  parent = getpid(); int a = open("o", O_CREAT | O_RDWR, 0644), b = open("o", O_RDWR);
  FAILS(SET(a, F_OFD_SETLK, F_WRLCK, 0, 10)); FAILS(SET(b, F_OFD_SETLK, F_RDLCK, 5, 1)); FAILS(SET(b, F_SETLK, F_RDLCK, 5, 1)); get(b, F_GETLK, F_WRLCK, 0, 0); get(b, F_OFD_GETLK, F_WRLCK, 0, 0); get(a, F_OFD_GETLK, F_WRLCK, 0, 0); FAILS(fcntl(a, F_OFD_SETLK, &(struct flock){ .l_type = F_WRLCK, .l_pid = 1 })); FAILS(fcntl(a, F_OFD_GETLK, &(struct flock){ .l_type = F_WRLCK, .l_pid = 1 }));
  CHILD(FAILS(SET(a, F_OFD_SETLK, F_WRLCK, 0, 20)); FAILS(SET(b, F_OFD_SETLK, F_WRLCK, 30, 1))); get(b, F_OFD_GETLK, F_WRLCK, 0, 0); get(a, F_OFD_GETLK, F_WRLCK, 0, 0); int c = dup(a); close(a); get(b, F_OFD_GETLK, F_WRLCK, 0, 0); close(c); get(b, F_OFD_GETLK, F_WRLCK, 0, 0); close(b);
  a = open("o", O_RDWR); b = open("o", O_RDONLY); FAILS(flock(a, LOCK_SH)); FAILS(flock(b, LOCK_SH)); FAILS(flock(b, LOCK_EX | LOCK_NB)); FAILS(flock(b, LOCK_SH | LOCK_NB)); FAILS(flock(a, LOCK_UN)); FAILS(flock(b, LOCK_EX | LOCK_NB)); FAILS(flock(a, LOCK_SH | LOCK_NB)); FAILS(flock(a, 3)); FAILS(flock(a, 0)); FAILS(flock(99, LOCK_SH)); FAILS(flock(99, 3)); FAILS(SET(a, F_SETLK, F_WRLCK, 0, 0)); fflush(stdout);
  pid_t k = fork(); if (k == 0) { int e = flock(a, LOCK_EX); printf("got flock %d\n", e); fflush(stdout); _exit(0); } nap(50); printf("letting go\n"); fflush(stdout); CHILD(flock(b, LOCK_UN)); waitpid(k, 0, 0); FAILS(flock(b, LOCK_SH | LOCK_NB)); close(a); FAILS(flock(b, LOCK_SH | LOCK_NB)); close(b);
}

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOLBF, 0);
  char dir[200]; snprintf(dir, sizeof dir, "%s/abi-locks-XXXXXX", argc > 1 ? argv[1] : "/tmp");
  if (!mkdtemp(dir) || chdir(dir)) { perror(dir); return 1; }
  numbers(); records(); interrupted(); descriptions();
  char command[300]; snprintf(command, sizeof command, "rm -rf %s", dir);
  chdir("/"); return system(command) != 0;
}
