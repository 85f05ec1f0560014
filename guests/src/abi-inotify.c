/* inotify: what is told of files and directories, and in which order. Works in a new directory below /tmp. Prints the same on every Linux. */
#include "abi.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>

static int fd;
static const struct { unsigned bit; const char *name; } NAMES[] = {
  {IN_ACCESS, "ACCESS"}, {IN_MODIFY, "MODIFY"}, {IN_ATTRIB, "ATTRIB"}, {IN_CLOSE_WRITE, "CLOSE_WRITE"}, {IN_CLOSE_NOWRITE, "CLOSE_NOWRITE"}, {IN_OPEN, "OPEN"}, {IN_MOVED_FROM, "MOVED_FROM"}, {IN_MOVED_TO, "MOVED_TO"}, {IN_CREATE, "CREATE"}, {IN_DELETE, "DELETE"}, {IN_DELETE_SELF, "DELETE_SELF"}, {IN_MOVE_SELF, "MOVE_SELF"}, {IN_IGNORED, "IGNORED"}, {IN_Q_OVERFLOW, "Q_OVERFLOW"}, {IN_ISDIR, "ISDIR"}};
static void events(const char *what) {
  static char b[65536] __attribute__((aligned(8)));
  long n = read(fd, b, sizeof b);
  printf("%s:", what);
  unsigned cookie = 0;
  for (long at = 0; at < n;) {
    struct inotify_event *e = (void *)(b + at);
    printf(" [%d", e->wd);
    for (unsigned i = 0; i < sizeof NAMES / sizeof *NAMES; i++) if (e->mask & NAMES[i].bit) printf(" %s", NAMES[i].name);
    if (e->cookie) { printf(cookie == 0 || cookie == e->cookie ? " cookie" : " another cookie"); cookie = e->cookie; }
    if (e->len) printf(" '%s' %d", e->name, e->len);
    printf("]");
    at += sizeof *e + e->len;
  }
  puts(n < 0 ? " nothing" : "");
}
static int make(const char *name) { int f = open(name, O_CREAT | O_WRONLY, 0600); close(f); return f; }

int main(void) {
  char dir[] = "/tmp/abi-inotify-XXXXXX", b[4];
  if (!mkdtemp(dir) || chdir(dir)) return 1;
  SHOW(inotify_init1(1));
  fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  SHOW(fcntl(fd, F_GETFL)); SHOW(fcntl(fd, F_GETFD));
  SHOW(inotify_add_watch(fd, ".", 0)); SHOW(inotify_add_watch(fd, "none", IN_OPEN)); SHOW(inotify_add_watch(99, ".", IN_OPEN)); SHOW(inotify_add_watch(0, ".", IN_OPEN)); SHOW(inotify_add_watch(fd, (void *)8, IN_OPEN)); SHOW(inotify_add_watch(fd, ".", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE)); SHOW(inotify_rm_watch(fd, 1)); SHOW(inotify_rm_watch(0, 1));
  int d = inotify_add_watch(fd, ".", IN_ALL_EVENTS); printf("%d\n", d); SHOW(inotify_add_watch(fd, ".", IN_ALL_EVENTS | IN_MASK_CREATE)); SHOW(read(fd, b, 4)); events("none");
  make("a"); events("create");
  int w = inotify_add_watch(fd, "a", IN_ALL_EVENTS); printf("%d\n", w); SHOW(inotify_add_watch(fd, "./a", IN_ALL_EVENTS)); SHOW(inotify_add_watch(fd, "a", IN_ONLYDIR | IN_OPEN));
  int f = open("a", O_RDWR); write(f, "hello", 5); write(f, "again", 5); lseek(f, 0, 0); read(f, b, 4); read(f, b, 4); ftruncate(f, 2); pwrite(f, "x", 1, 0); close(f); events("file");
  int n; make("q"); ioctl(fd, FIONREAD, &n); printf("%d\n", n); struct pollfd p = {fd, POLLIN, 0}; SHOW(poll(&p, 1, 0)); SHOW(read(fd, b, 4)); events("q"); SHOW(poll(&p, 1, 0));
  chmod("a", 0644); events("chmod"); utimes("a", 0); events("utimes"); truncate("a", 1); events("truncate"); chown("a", -1, -1); events("chown");
  rename("a", "b"); events("rename"); link("b", "c"); events("link"); unlink("b"); events("unlink one"); unlink("c"); events("unlink both");
  mkdir("sub", 0700); events("mkdir"); DIR *dp = opendir("sub"); while (readdir(dp)) ; closedir(dp); events("list"); symlink("x", "s"); events("symlink"); mkfifo("fifo", 0600); events("mkfifo");
  int s = inotify_add_watch(fd, "sub", IN_ALL_EVENTS); printf("%d\n", s); make("sub/inner"); events("inner"); rename("sub/inner", "outer"); events("out of it"); rename("sub", "sub2"); events("rename directory"); rmdir("sub2"); events("rmdir");
  make("x"); make("y"); events("two"); inotify_add_watch(fd, "y", IN_ALL_EVENTS); rename("x", "y"); events("over");
  SHOW(inotify_rm_watch(fd, d)); SHOW(inotify_rm_watch(fd, d)); events("removed"); make("z"); events("quiet");
  SHOW(inotify_add_watch(fd, ".", IN_CREATE | IN_ONESHOT) > 0); make("m"); make("n"); events("one shot");
  f = open("z", O_RDONLY); inotify_add_watch(fd, "z", IN_ALL_EVENTS); unlink("z"); events("unlink open"); close(f); events("closed");
  SHOW(inotify_add_watch(fd, "s", IN_OPEN)); SHOW(inotify_add_watch(fd, "s", IN_OPEN | IN_DONT_FOLLOW) > 0);
  fcntl(fd, F_SETFL, 0); inotify_add_watch(fd, ".", IN_CREATE); fflush(stdout); pid_t child = fork(); if (child == 0) { usleep(20000); make("late"); _exit(0); } events("waited for"); waitpid(child, 0, 0);
  const char *rest[] = {"q", "s", "fifo", "outer", "y", "m", "n", "late"}; for (int i = 0; i < 8; i++) unlink(rest[i]); chdir("/"); SHOW(rmdir(dir));
  return 0;
}
