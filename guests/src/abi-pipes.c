/* Pipes and FIFOs: capacity, atomicity, ends, O_NONBLOCK, packets, splice, tee, vmsplice. Prints the same on every Linux. */
#include "abi.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

static int p[2], q[2];
static char big[1 << 20];
static volatile int pipes_broken;
static void on_pipe(int s) { (void)s; pipes_broken++; }
static int left(int fd) { int n = -1; ioctl(fd, FIONREAD, &n); return n; }
static int events(int fd) { struct pollfd f = {fd, 0x7fff & ~POLLNVAL, 0}; poll(&f, 1, 0); return f.revents; }
static void fresh(int flags) { if (p[0]) { close(p[0]); close(p[1]); } if (pipe2(p, flags)) exit(1); }
static int fill(int fd, int size) { int n = 0; long r; while ((r = write(fd, big, size)) > 0) n += r; return n; }

static void basics(void) {
  SHOW(pipe2(p, 0x12345678));
  SHOW(pipe((int *)8));
  fresh(O_NONBLOCK);
  SHOW(read(p[0], big, 10));
  SHOW(write(p[1], "hello", 5));
  SHOW(left(p[0]));
  SHOW(read(p[0], big, 3));
  SHOW(read(p[0], big, 0));
  SHOW(read(p[1], big, 1));
  SHOW(write(p[0], big, 1));
  SHOW(lseek(p[0], 0, SEEK_SET));
  SHOW(pread(p[0], big, 1, 0));
  SHOW(ioctl(p[0], FIONREAD, (void *)8));
  SHOW(ioctl(p[0], TIOCGWINSZ, big));
  struct stat st; fstat(p[0], &st);
  printf("mode %o, size %d, nlink %d\n", st.st_mode, (int)st.st_size, (int)st.st_nlink);
  printf("events %#x %#x\n", events(p[0]), events(p[1]));
  SHOW(fcntl(p[0], F_GETFL));
  SHOW(fcntl(p[1], F_GETFL));
  SHOW(write(p[1], (void *)8, 5));
  SHOW(read(p[0], (void *)8, 5));
  SHOW(left(p[0]));
}

static void capacity(void) {
  fresh(O_NONBLOCK);
  SHOW(fcntl(p[1], F_GETPIPE_SZ));
  SHOW(write(p[1], big, 1 << 20));
  printf("events %#x %#x\n", events(p[0]), events(p[1]));
  SHOW(write(p[1], big, 1));
  SHOW(read(p[0], big, 100));
  SHOW(write(p[1], big, 1));
  printf("events %#x %#x\n", events(p[0]), events(p[1]));
  SHOW(read(p[0], big, 3996));
  printf("events %#x %#x\n", events(p[0]), events(p[1]));
  SHOW(write(p[1], big, 5000));
  fresh(O_NONBLOCK);
  SHOW(fill(p[1], 1));
  fresh(O_NONBLOCK);
  SHOW(fill(p[1], 4097));
  fresh(O_NONBLOCK);
  SHOW(fill(p[1], 3000));
  SHOW(left(p[0]));
  fresh(O_NONBLOCK);
  SHOW(fcntl(p[1], F_SETPIPE_SZ, 1));
  SHOW(write(p[1], big, 10000));
  SHOW(fcntl(p[1], F_SETPIPE_SZ, 5000));
  SHOW(write(p[1], big, 10000));
  SHOW(fcntl(p[1], F_SETPIPE_SZ, 4096));
  SHOW(fcntl(p[1], F_SETPIPE_SZ, 100000));
  SHOW(fcntl(p[0], F_GETPIPE_SZ));
  SHOW(fcntl(p[0], F_SETPIPE_SZ, -1));
  SHOW(fcntl(p[0], F_SETPIPE_SZ, 0));
}

static void ends(void) {
  signal(SIGPIPE, on_pipe);
  fresh(0);
  SHOW(write(p[1], "tail", 4));
  close(p[1]);
  printf("events %#x\n", events(p[0]));
  SHOW(read(p[0], big, 10));
  SHOW(read(p[0], big, 10));
  p[0] = p[1] = 0;
  fresh(0);
  SHOW(write(p[1], "lost", 4));
  close(p[0]);
  printf("events %#x\n", events(p[1]));
  SHOW(write(p[1], "x", 1));
  SHOW(write(p[1], "x", 0));
  SHOW(pipes_broken);
  signal(SIGPIPE, SIG_IGN);
  SHOW(write(p[1], "x", 1));
  p[0] = p[1] = 0;
  signal(SIGPIPE, SIG_DFL);
  fresh(0);
  IN_CHILD("writing to a broken pipe", close(p[0]); close(p[0]); write(p[1], "x", 1));
  close(p[0]);
  IN_CHILD("writing to a broken pipe", write(p[1], "x", 1));
  p[0] = p[1] = 0;
}

static void blocking(void) {
  fresh(0);
  pid_t child = fork();
  if (child == 0) {
    close(p[0]);
    long n = write(p[1], big, 300000);
    _exit(n == 300000 ? 7 : 8);
  }
  close(p[1]);
  long total = 0, n;
  while ((n = read(p[0], big, 7000)) > 0) total += n;
  int status;
  waitpid(child, &status, 0);
  printf("blocking write: %ld bytes, exit %d\n", total, WEXITSTATUS(status));
  p[0] = p[1] = 0;
  fresh(0);
  struct sigaction action = {.sa_handler = on_pipe};
  sigaction(SIGALRM, &action, 0);
  alarm(1);
  SHOW(read(p[0], big, 1));
  pipes_broken = 0;
  alarm(1);
  SHOW(write(p[1], big, 100000));
  SHOW(pipes_broken);
  SHOW(left(p[0]));
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, 0);
  while (left(p[0]) > 0) read(p[0], big, sizeof big);
  child = fork();
  if (child == 0) { sleep(2); write(p[1], "late", 4); _exit(0); }
  alarm(1);
  SHOW(read(p[0], big, 10));
  waitpid(child, 0, 0);
}

static void packets(void) {
  fresh(O_NONBLOCK | O_DIRECT);
  SHOW(write(p[1], "one", 3));
  SHOW(write(p[1], "three", 5));
  SHOW(write(p[1], big, 5000));
  SHOW(left(p[0]));
  SHOW(read(p[0], big, 2));
  SHOW(read(p[0], big, 100));
  SHOW(read(p[0], big, 10000));
  SHOW(read(p[0], big, 10000));
  SHOW(read(p[0], big, 10000));
  SHOW(fill(p[1], 1));
}

static void fifos(void) {
  char name[64];
  snprintf(name, sizeof name, "/tmp/fifo-%d", getpid());
  SHOW(mkfifo(name, 0600));
  OK(mkfifo(name, 0600));
  int r = open(name, O_RDONLY | O_NONBLOCK);
  printf("reader alone: events %#x\n", events(r));
  SHOW(read(r, big, 1));
  int w = open(name, O_WRONLY | O_NONBLOCK);
  printf("both: events %#x %#x\n", events(r), events(w));
  SHOW(write(w, "abc", 3));
  close(w);
  printf("writer left: events %#x\n", events(r));
  SHOW(read(r, big, 10));
  SHOW(read(r, big, 10));
  close(r);
  SHOW(open(name, O_WRONLY | O_NONBLOCK));
  int both = open(name, O_RDWR);
  SHOW(both >= 0);
  SHOW(write(both, "self", 4));
  SHOW(read(both, big, 10));
  close(both);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    int fd = open(name, O_WRONLY);
    write(fd, "from the child", 14);
    _exit(fd >= 0 ? 0 : 1);
  }
  int fd = open(name, O_RDONLY);
  long n = 0, k;
  while ((k = read(fd, big + n, 100)) > 0) n += k;
  printf("opened together: %.*s\n", (int)n, big);
  waitpid(child, 0, 0);
  close(fd);
  struct sigaction action = {.sa_handler = on_pipe};
  sigaction(SIGALRM, &action, 0);
  alarm(1);
  SHOW(open(name, O_RDONLY));
  alarm(1);
  SHOW(open(name, O_WRONLY));
  SHOW(unlink(name));
}

static void splices(void) {
  char name[64];
  snprintf(name, sizeof name, "/tmp/splice-%d", getpid());
  int f = open(name, O_CREAT | O_RDWR | O_TRUNC, 0600);
  unlink(name);
  for (int i = 0; i < 20000; i++) big[i] = 'a' + i % 26;
  write(f, big, 20000);
  fresh(O_NONBLOCK);
  pipe2(q, O_NONBLOCK);
  off_t at = 100, to = 0;
  SHOW(splice(f, &at, p[1], 0, 5000, 0));
  SHOW(at);
  SHOW(left(p[0]));
  SHOW(splice(p[0], 0, q[1], 0, 1000, 0));
  SHOW(left(p[0]));
  SHOW(left(q[0]));
  SHOW(tee(q[0], p[1], 500, 0));
  SHOW(left(p[0]));
  SHOW(left(q[0]));
  SHOW(splice(q[0], 0, f, &to, 100000, 0));
  SHOW(to);
  SHOW(splice(q[0], 0, f, &to, 100000, 0));
  SHOW(splice(q[0], 0, f, &to, 100000, SPLICE_F_NONBLOCK));
  SHOW(lseek(f, 0, SEEK_CUR));
  SHOW(splice(f, 0, f, 0, 10, 0));
  SHOW(splice(p[0], &at, q[1], 0, 10, 0));
  SHOW(splice(p[0], 0, p[1], 0, 10, 0));
  SHOW(splice(p[1], 0, q[1], 0, 10, 0));
  SHOW(splice(p[0], 0, q[0], 0, 10, 0));
  SHOW(splice(99, 0, q[1], 0, 10, 0));
  SHOW(splice(p[0], 0, q[1], 0, 10, 64));
  SHOW(splice(p[0], 0, q[1], 0, 0, 0));
  SHOW(tee(p[0], f, 10, 0));
  SHOW(tee(p[0], p[1], 10, 0));
  int a = open("/dev/null", O_WRONLY | O_APPEND);
  SHOW(splice(p[0], 0, a, 0, 10, 0));
  close(a);
  a = open("/dev/null", O_WRONLY);
  SHOW(splice(p[0], 0, a, 0, 10, 0));
  close(a);
  struct iovec v[2] = {{"some", 4}, {"thing", 5}};
  SHOW(vmsplice(q[1], v, 2, 0));
  SHOW(read(q[0], big, 100));
  printf("%.9s\n", big);
  SHOW(vmsplice(f, v, 2, 0));
  SHOW(vmsplice(q[1], v, 2000, 0));
  char one[6], two[6];
  struct iovec in[2] = {{one, 3}, {two, 6}};
  write(q[1], "abcdef", 6);
  SHOW(vmsplice(q[0], in, 2, 0));
  printf("%.3s %.3s\n", one, two);
  close(q[1]);
  SHOW(splice(q[0], 0, p[1], 0, 10, 0));
  close(q[0]);
  fill(p[1], 4096);
  SHOW(splice(f, 0, p[1], 0, 10, 0));
  close(p[0]);
  signal(SIGPIPE, SIG_IGN);
  SHOW(splice(f, 0, p[1], 0, 10, 0));
  close(p[1]);
  close(f);
}

int main(void) {
  basics(); capacity(); ends(); blocking(); packets(); fifos(); splices();
  return 0;
}
