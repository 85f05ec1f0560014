/* Waiting for files: poll, select, epoll, eventfd, timerfd, signalfd. Prints the same on every Linux. */
#include "abi.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

static int p[2];
static volatile int signals;
static void on_signal(int s) { (void)s; signals++; }
static char buffer[4096];
static long since(struct timespec a) { struct timespec b; clock_gettime(CLOCK_MONOTONIC, &b); return (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000; }
static struct timespec now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t; }
/* How long a wait of 100 ms took: real machines are late. */
static const char *about(long ms) { return ms < 0 ? "negative" : ms < 90 ? "short" : ms < 10000 ? "as long as it should" : "long"; }

static void polling(void) {
  struct pollfd f[4] = {{p[0], POLLIN, 9}, {p[1], POLLOUT, 9}, {-5, POLLIN, 9}, {99, POLLIN, 9}};
  SHOW(poll(f, 4, 0));
  printf("%#x %#x %#x %#x\n", f[0].revents, f[1].revents, f[2].revents, f[3].revents);
  SHOW(poll(0, 0, 0));
  SHOW(poll((void *)8, 1, 0));
  SHOW(poll(f, 1 << 20, 0));
  struct timespec t = now();
  SHOW(poll(f, 1, 100));
  printf("%s\n", about(since(t)));
  int null = open("/dev/null", O_RDONLY), dir = open("/", O_RDONLY);
  struct pollfd g[2] = {{null, POLLIN | POLLOUT | POLLRDNORM, 0}, {dir, POLLIN | POLLOUT | POLLPRI, 0}};
  SHOW(poll(g, 2, -1));
  printf("%#x %#x\n", g[0].revents, g[1].revents);
  close(null); close(dir);
  pid_t child = fork();
  if (child == 0) { usleep(50000); write(p[1], "x", 1); _exit(0); }
  SHOW(poll(f, 1, -1));
  printf("%#x\n", f[0].revents);
  waitpid(child, 0, 0);
  read(p[0], buffer, 10);
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, 0);
  struct itimerval it = {.it_value = {0, 50000}};
  setitimer(ITIMER_REAL, &it, 0);
  SHOW(poll(f, 1, -1));
  SHOW(signals);
  sigset_t empty, alarms;
  sigemptyset(&empty); sigemptyset(&alarms); sigaddset(&alarms, SIGALRM);
  sigprocmask(SIG_BLOCK, &alarms, 0);
  setitimer(ITIMER_REAL, &it, 0);
  struct timespec limit = {0, 100000000};
  SHOW(ppoll(f, 1, &limit, 0));
  SHOW(signals);
  SHOW(ppoll(f, 1, 0, &empty));
  SHOW(signals);
  sigset_t current; sigprocmask(SIG_BLOCK, 0, &current);
  printf("mask is back: %d\n", sigismember(&current, SIGALRM));
  sigprocmask(SIG_UNBLOCK, &alarms, 0);
  limit.tv_nsec = 2000000000;
  SHOW(ppoll(f, 1, &limit, 0));
  SHOW(syscall(SYS_ppoll, f, 1, 0, &empty, 4));
  struct timespec left = {5, 0};
  write(p[1], "x", 1);
  SHOW(syscall(SYS_ppoll, f, 1, &left, 0, 8));
  printf("left %s\n", left.tv_sec == 4 || left.tv_sec == 5 ? "most" : "?");
  read(p[0], buffer, 10);
}

static void selecting(void) {
  fd_set r, w, x;
  FD_ZERO(&r); FD_ZERO(&w); FD_ZERO(&x);
  FD_SET(p[0], &r); FD_SET(p[1], &w); FD_SET(p[0], &x);
  struct timeval t = {0, 0};
  SHOW(select(p[1] + 1, &r, &w, &x, &t));
  printf("%d %d %d\n", FD_ISSET(p[0], &r), FD_ISSET(p[1], &w), FD_ISSET(p[0], &x));
  write(p[1], "x", 1);
  FD_SET(p[0], &r);
  t.tv_sec = 3;
  SHOW(select(p[1] + 1, &r, &w, 0, &t));
  printf("%d %d, left %s\n", FD_ISSET(p[0], &r), FD_ISSET(p[1], &w), t.tv_sec == 2 || t.tv_sec == 3 ? "most" : "?");
  read(p[0], buffer, 10);
  t.tv_sec = 0; t.tv_usec = 100000;
  FD_SET(p[0], &r);
  struct timespec start = now();
  SHOW(select(p[0] + 1, &r, 0, 0, &t));
  printf("%s, left %ld.%06ld, %d\n", about(since(start)), (long)t.tv_sec, (long)t.tv_usec, FD_ISSET(p[0], &r));
  SHOW(syscall(SYS_select, -1, 0, 0, 0, &t));
  t.tv_usec = -1;
  SHOW(syscall(SYS_select, 0, 0, 0, 0, &t));
  t.tv_usec = 0;
  FD_ZERO(&r); FD_SET(50, &r);
  SHOW(select(60, &r, 0, 0, &t));
  SHOW(select(20, &r, 0, 0, &t));
  SHOW(select(5, (void *)8, 0, 0, &t));
  struct timespec none = {0, 0};
  sigset_t s; sigemptyset(&s);
  FD_ZERO(&w); FD_SET(p[1], &w);
  SHOW(pselect(p[1] + 1, 0, &w, 0, &none, &s));
  close(p[0]);
  FD_ZERO(&r); FD_SET(p[1], &w); FD_SET(p[1], &r);
  SHOW(select(p[1] + 1, &r, &w, 0, &t));
  printf("%d %d\n", FD_ISSET(p[1], &r), FD_ISSET(p[1], &w));
  close(p[1]);
  pipe(p);
}

static int e;
static int control(int op, int fd, unsigned events, int data) { struct epoll_event v = {.events = events, .data.u64 = 0}; v.data.u32 = data; return epoll_ctl(e, op, fd, &v); }
static void waits(const char *what, int timeout) {
  struct epoll_event v[8];
  int n = epoll_wait(e, v, 8, timeout);
  printf("%s: %d", what, n);
  for (int i = 0; i < n; i++) printf(" [%d %#x]", (int)v[i].data.u32, v[i].events);
  putchar('\n');
}

static void epolls(void) {
  SHOW(epoll_create(0));
  SHOW(epoll_create1(1));
  e = epoll_create1(EPOLL_CLOEXEC);
  SHOW(fcntl(e, F_GETFD));
  SHOW(control(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
  SHOW(control(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
  SHOW(control(EPOLL_CTL_ADD, p[1], EPOLLOUT, 2));
  int null = open("/dev/null", O_RDONLY), other = eventfd(0, 0);
  SHOW(control(EPOLL_CTL_MOD, null, EPOLLIN, 1));
  SHOW(control(EPOLL_CTL_MOD, other, EPOLLIN, 1));
  SHOW(control(EPOLL_CTL_DEL, other, 0, 1));
  close(null); close(other);
  SHOW(control(EPOLL_CTL_ADD, 99, EPOLLIN, 1));
  SHOW(control(EPOLL_CTL_ADD, e, EPOLLIN, 1));
  SHOW(control(9, p[0], EPOLLIN, 1));
  SHOW(epoll_ctl(e, EPOLL_CTL_ADD, p[0], (void *)8));
  SHOW(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], (struct epoll_event *)buffer));
  int file = open("/proc/self/exe", O_RDONLY);
  SHOW(control(EPOLL_CTL_ADD, file, EPOLLIN, 1));
  close(file);
  struct epoll_event v[4];
  SHOW(epoll_wait(e, v, 0, 0));
  SHOW(epoll_wait(e, (void *)-8L, 4, 0));
  SHOW(epoll_wait(p[0], v, 4, 0));
  SHOW(epoll_wait(99, v, 4, 0));
  waits("writable", 0);
  SHOW(control(EPOLL_CTL_MOD, p[1], 0, 2));
  waits("nothing", 20);
  write(p[1], "ab", 2);
  waits("level", 0);
  waits("level again", 0);
  SHOW(control(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 3));
  waits("edge", 0);
  waits("edge again", 0);
  write(p[1], "c", 1);
  waits("another edge", 0);
  read(p[0], buffer, 1);
  waits("after a read", 0);
  SHOW(control(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 4));
  waits("one shot", 0);
  waits("no second", 0);
  write(p[1], "d", 1);
  waits("nor with more", 0);
  SHOW(control(EPOLL_CTL_MOD, p[0], EPOLLIN, 5));
  waits("until modified", 0);
  SHOW(control(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLEXCLUSIVE, 5));
  int q[2]; pipe(q);
  SHOW(control(EPOLL_CTL_ADD, q[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 6));
  SHOW(control(EPOLL_CTL_ADD, q[0], EPOLLIN | EPOLLEXCLUSIVE, 6));
  SHOW(control(EPOLL_CTL_MOD, q[0], EPOLLIN, 6));
  int outer = epoll_create1(0), inner = e;
  e = outer;
  SHOW(control(EPOLL_CTL_ADD, inner, EPOLLIN, 7));
  waits("nested", 0);
  e = inner;
  SHOW(control(EPOLL_CTL_ADD, outer, EPOLLIN, 8));
  read(p[0], buffer, 100);
  e = outer;
  waits("nested and empty", 0);
  struct pollfd f = {outer, POLLIN, 0};
  SHOW(poll(&f, 1, 0));
  pid_t child = fork();
  if (child == 0) { usleep(30000); write(p[1], "z", 1); _exit(0); }
  waits("woken through two", -1);
  waitpid(child, 0, 0);
  e = inner;
  close(q[1]);
  waits("hang-up", 0);
  close(q[0]);
  waits("closed files are gone", 0);
  int copy = dup(p[0]);
  close(p[0]);
  waits("but not while a copy is open", 0);
  SHOW(control(EPOLL_CTL_DEL, copy, 0, 0));
  SHOW(control(EPOLL_CTL_ADD, copy, EPOLLIN, 10));
  SHOW(control(EPOLL_CTL_DEL, copy, 0, 0));
  close(copy); close(p[1]); close(outer); close(e);
  pipe(p);
  e = epoll_create1(0);
  for (int i = 0; i < 6; i++) { int r[2]; pipe(r); write(r[1], "x", 1); control(EPOLL_CTL_ADD, r[0], EPOLLIN, i); }
  int seen = 0;
  for (int i = 0; i < 3; i++) { int n = epoll_wait(e, v, 2, 0); for (int k = 0; k < n; k++) seen |= 1 << v[k].data.u32; }
  printf("all get their turn: %#x\n", seen);
  struct timespec start = now();
  int empty = epoll_create1(0);
  SHOW(epoll_wait(empty, v, 1, 100));
  printf("%s\n", about(since(start)));
  struct timespec ms = {0, 1000000};
  SHOW(syscall(441, empty, v, 1, &ms, 0, 8));
  ms.tv_nsec = -1;
  SHOW(syscall(441, empty, v, 1, &ms, 0, 8));
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, 0);
  struct itimerval it = {.it_value = {0, 30000}};
  setitimer(ITIMER_REAL, &it, 0);
  SHOW(epoll_wait(empty, v, 1, -1));
  close(empty); close(e);
}

static void eventfds(void) {
  SHOW(eventfd(0, 64));
  int f = eventfd(5, EFD_NONBLOCK);
  uint64_t v = 0;
  SHOW(read(f, &v, 8)); printf("%llu\n", (unsigned long long)v);
  SHOW(read(f, &v, 8));
  v = 7; SHOW(write(f, &v, 8)); SHOW(write(f, &v, 8)); SHOW(write(f, &v, 7)); SHOW(read(f, &v, 7));
  SHOW(read(f, &v, 100 > 8 ? 8 : 0)); printf("%llu\n", (unsigned long long)v);
  v = -1; SHOW(write(f, &v, 8));
  v = -2; SHOW(write(f, &v, 8));
  struct pollfd g = {f, POLLIN | POLLOUT, 0};
  SHOW(poll(&g, 1, 0)); printf("%#x\n", g.revents);
  v = 1; SHOW(write(f, &v, 8));
  SHOW(read(f, &v, 8)); printf("%#llx\n", (unsigned long long)v);
  SHOW(poll(&g, 1, 0)); printf("%#x\n", g.revents);
  SHOW(lseek(f, 0, SEEK_SET));
  close(f);
  f = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  SHOW(read(f, &v, 8)); SHOW(read(f, &v, 8)); printf("%llu\n", (unsigned long long)v); SHOW(read(f, &v, 8));
  close(f);
}

static void timerfds(void) {
  SHOW(timerfd_create(99, 0)); SHOW(timerfd_create(CLOCK_MONOTONIC, 1));
  int f = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  uint64_t v = 0;
  struct itimerspec t = {{0, 0}, {0, 0}}, old;
  SHOW(read(f, &v, 8)); SHOW(timerfd_gettime(f, &old)); printf("%ld %ld\n", (long)old.it_value.tv_sec, (long)old.it_value.tv_nsec);
  t.it_value.tv_nsec = 1000000000; SHOW(timerfd_settime(f, 0, &t, 0));
  t.it_value.tv_nsec = 0; t.it_value.tv_sec = 100; SHOW(timerfd_settime(f, 0, &t, &old));
  SHOW(timerfd_settime(f, 64, &t, 0)); SHOW(timerfd_settime(p[0], 0, &t, 0)); SHOW(timerfd_settime(99, 0, &t, 0));
  SHOW(timerfd_gettime(f, &old)); printf("%ld\n", (long)old.it_value.tv_sec);
  t.it_value.tv_sec = 0; t.it_value.tv_nsec = 20000000; t.it_interval.tv_nsec = 50000000;
  SHOW(timerfd_settime(f, 0, &t, 0));
  struct pollfd g = {f, POLLIN, 0};
  SHOW(poll(&g, 1, 5000)); SHOW(read(f, &v, 7)); SHOW(read(f, &v, 8)); printf("%llu\n", (unsigned long long)v); SHOW(read(f, &v, 8));
  usleep(170000);
  SHOW(read(f, &v, 8)); printf("%s\n", v >= 3 ? "several" : "few");
  SHOW(timerfd_gettime(f, &old)); printf("%ld %d\n", (long)old.it_interval.tv_nsec, old.it_value.tv_nsec <= 50000000 && old.it_value.tv_nsec > 0);
  t.it_value.tv_sec = 1; t.it_value.tv_nsec = 0; t.it_interval.tv_nsec = 0;
  SHOW(timerfd_settime(f, TFD_TIMER_ABSTIME, &t, 0));
  fcntl(f, F_SETFL, 0);
  SHOW(read(f, &v, 8)); printf("%llu\n", (unsigned long long)v);
  SHOW(fcntl(f, F_GETFL)); close(f);
}

static void signalfds(void) {
  sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR1); sigaddset(&s, SIGRTMIN); sigaddset(&s, SIGCHLD);
  sigprocmask(SIG_BLOCK, &s, 0);
  int f = signalfd(-1, &s, SFD_NONBLOCK);
  struct signalfd_siginfo i[4];
  SHOW(read(f, i, sizeof i)); SHOW(read(f, i, 10));
  kill(getpid(), SIGUSR1); kill(getpid(), SIGUSR1);
  union sigval val = {.sival_int = 42}; sigqueue(getpid(), SIGRTMIN, val); sigqueue(getpid(), SIGRTMIN, val);
  struct pollfd g = {f, POLLIN, 0};
  SHOW(poll(&g, 1, 0)); SHOW(read(f, i, sizeof i));
  for (int k = 0; k < 3; k++) printf("%d code %d pid %d int %d\n", i[k].ssi_signo, i[k].ssi_code, i[k].ssi_pid == (unsigned)getpid(), i[k].ssi_int);
  SHOW(poll(&g, 1, 0));
  fcntl(f, F_SETFL, 0);
  pid_t child = fork(); if (child == 0) _exit(3);
  SHOW(read(f, i, sizeof *i)); printf("%d code %d status %d pid %d\n", i->ssi_signo, i->ssi_code, i->ssi_status, i->ssi_pid == (unsigned)child);
  waitpid(child, 0, 0);
  sigemptyset(&s); SHOW(signalfd(f, &s, 0) == f); SHOW(signalfd(99, &s, 0)); SHOW(signalfd(p[0], &s, 0)); SHOW(signalfd(-1, &s, 1));
  SHOW(syscall(SYS_signalfd4, -1, &s, 4, 0));
  close(f);
}

int main(void) {
  setbuf(stdout, 0);
  pipe(p);
  polling(); selecting(); epolls(); eventfds(); timerfds(); signalfds();
  return 0;
}
