/*
 * Blocking calls that are interrupted: by a stop and continue, by a handler, by a handler with SA_RESTART. Each runs in a child; the
 * parent interrupts it, later lets it finish where it would not by itself. Prints result and errno.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SHORT = 60, LONG = 500 }; /* milliseconds */
static int p[2], ep, word, listener, udp, tcp[2], file, queue, sems;
static struct timespec ms(int n) { return (struct timespec){n / 1000, n % 1000 * 1000000L}; }
static struct timespec from_now(int clock, int n) { struct timespec t; clock_gettime(clock, &t); t.tv_nsec += n * 1000000L; t.tv_sec += t.tv_nsec / 1000000000; t.tv_nsec %= 1000000000; return t; }
static char c[16];
static void timeout(int fd, int option) { struct timeval t = {0, LONG * 1000}; setsockopt(fd, SOL_SOCKET, option, &t, sizeof t); }
static pid_t grandchild;

static long call(int n) {
  struct timespec t = ms(LONG), left; struct pollfd f = {p[0], POLLIN, 0}; fd_set set; struct timeval tv = {0, LONG * 1000}; struct epoll_event ev; sigset_t none, some; siginfo_t info;
  sigemptyset(&none); sigemptyset(&some); sigaddset(&some, SIGUSR2); FD_ZERO(&set); FD_SET(p[0], &set);
  struct { long type; char text[8]; } message = {1, ""}; struct sembuf op = {0, -1, 0};
  switch (n) {
    case 0: return read(p[0], c, 1);
    case 1: return nanosleep(&t, 0);
    case 2: return clock_nanosleep(CLOCK_MONOTONIC, 0, &t, 0);
    case 3: t = from_now(CLOCK_MONOTONIC, LONG); return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0);
    case 4: return poll(&f, 1, LONG);
    case 5: return ppoll(&f, 1, &t, &none);
    case 6: return select(p[0] + 1, &set, 0, 0, &tv);
    case 7: return pselect(p[0] + 1, &set, 0, 0, &t, &none);
    case 8: return epoll_wait(ep, &ev, 1, LONG);
    case 9: return epoll_pwait(ep, &ev, 1, LONG, &none);
    case 10: return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &t, 0, 0);
    case 11: return syscall(SYS_futex, &word, FUTEX_WAIT, 0, 0, 0, 0);
    case 12: t = from_now(CLOCK_MONOTONIC, LONG); return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &t, 0, ~0);
    case 13: return sigtimedwait(&some, &info, &t);
    case 14: return waitpid(-1, 0, 0) == grandchild;
    case 15: return accept(listener, 0, 0) >= 0;
    case 16: timeout(listener, SO_RCVTIMEO); return accept(listener, 0, 0);
    case 17: return recv(udp, c, 1, 0);
    case 18: timeout(udp, SO_RCVTIMEO); return recv(udp, c, 1, 0);
    case 19: return recv(tcp[0], c, 1, 0);
    case 20: { int fd = open("/tmp/rt-lock", O_RDWR | O_CREAT, 0600); return flock(fd, LOCK_EX); }
    case 21: { struct flock l = {.l_type = F_WRLCK}; return fcntl(file, F_SETLKW, &l); }
    case 22: return msgrcv(queue, &message, 8, 0, 0);
    case 23: return semop(sems, &op, 1);
    case 24: return semtimedop(sems, &op, 1, &t);
    case 25: return pause();
    case 26: return sigsuspend(&none);
    case 27: left = ms(0); nanosleep(&t, &left); return left.tv_nsec > 1000000;
    case 28: { int fd = timerfd_create(CLOCK_MONOTONIC, 0); struct itimerspec i = {{0, 0}, ms(LONG)}; timerfd_settime(fd, 0, &i, 0); return read(fd, c, 8); }
    case 29: { int fd = eventfd(0, 0); if (fork() == 0) { usleep(LONG * 1000); _exit(write(fd, "\1\0\0\0\0\0\0\0", 8) != 8); } return read(fd, c, 8); }
    case 30: return open("/tmp/rt-fifo", O_RDONLY) >= 0;
    case 31: { char big[70000] = ""; int q[2]; if (pipe(q)) return -9; if (fork() == 0) { char b[70000]; usleep(LONG * 1000); long s = 0; while (s < 70000) s += read(q[0], b, sizeof b); _exit(0); } return write(q[1], big, sizeof big); }
  }
  return -1000;
}
static const char *const names[] = {"read pipe", "nanosleep", "clock_nanosleep", "clock_nanosleep absolute", "poll", "ppoll", "select", "pselect", "epoll_wait",
  "epoll_pwait", "futex with timeout", "futex", "futex absolute", "sigtimedwait", "waitpid", "accept", "accept with timeout", "recv udp", "recv udp with timeout",
  "recv tcp", "flock", "fcntl lock", "msgrcv", "semop", "semtimedop", "pause", "sigsuspend", "nanosleep left", "timerfd", "eventfd", "open fifo", "write pipe"};

static void nothing(int s) { (void)s; }
static void finish(int n, pid_t child) {
  struct { long type; char text[8]; } message = {1, "x"}; struct sembuf op = {0, 1, 0}; struct sockaddr_in a; socklen_t size = sizeof a; int fd;
  switch (n) {
    case 0: (void)!write(p[1], "x", 1); break;
    case 11: syscall(SYS_futex, &word, FUTEX_WAKE, 1, 0, 0, 0); kill(child, SIGTERM); break;
    case 15: getsockname(listener, (void *)&a, &size); fd = socket(AF_INET, SOCK_STREAM, 0); connect(fd, (void *)&a, sizeof a); close(fd); break;
    case 17: getsockname(udp, (void *)&a, &size); fd = socket(AF_INET, SOCK_DGRAM, 0); sendto(fd, "x", 1, 0, (void *)&a, sizeof a); close(fd); break;
    case 19: (void)!write(tcp[1], "x", 1); break;
    case 22: msgsnd(queue, &message, 1, 0); break;
    case 23: semop(sems, &op, 1); break;
    case 25: case 26: kill(child, SIGTERM); break;
    case 30: close(open("/tmp/rt-fifo", O_WRONLY | O_NONBLOCK)); break;
  }
}

int main(void) {
  static const char *const ways[] = {"stopped", "handler", "restarting handler"};
  setvbuf(stdout, 0, _IONBF, 0);
  if (pipe(p)) return 1;
  ep = epoll_create1(0); struct epoll_event ev = {EPOLLIN, {.fd = p[0]}}; epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev);
  struct sockaddr_in a; memset(&a, 0, sizeof a); a.sin_family = AF_INET; a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  listener = socket(AF_INET, SOCK_STREAM, 0); bind(listener, (void *)&a, sizeof a); listen(listener, 5);
  udp = socket(AF_INET, SOCK_DGRAM, 0); bind(udp, (void *)&a, sizeof a);
  socketpair(AF_UNIX, SOCK_STREAM, 0, tcp);
  mkfifo("/tmp/rt-fifo", 0600);
  file = open("/tmp/rt-file", O_RDWR | O_CREAT, 0600); queue = msgget(IPC_PRIVATE, 0600); sems = semget(IPC_PRIVATE, 1, 0600);
  signal(SIGTERM, SIG_DFL); word = 0;
  for (int n = 0; n < (int)(sizeof names / sizeof *names); n++) for (int way = 0; way < 3; way++) {
    if (n == 16 || n == 18) { struct timeval off = {0, 0}; setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &off, sizeof off); setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &off, sizeof off); }
    int result[2]; if (pipe(result)) return 1;
    int held = -1; struct flock l = {.l_type = F_WRLCK};
    if (n == 20) { held = open("/tmp/rt-lock", O_RDWR | O_CREAT, 0600); flock(held, LOCK_EX); }
    if (n == 21) fcntl(file, F_SETLK, &l);
    pid_t child = fork();
    if (child == 0) {
      if (held >= 0) close(held);
      if (way) { struct sigaction s; memset(&s, 0, sizeof s); s.sa_handler = nothing; s.sa_flags = way == 2 ? SA_RESTART : 0; sigaction(SIGUSR1, &s, 0); }
      sigset_t some; sigemptyset(&some); sigaddset(&some, SIGUSR2); sigprocmask(SIG_BLOCK, &some, 0);
      if (n == 14 && (grandchild = fork()) == 0) { usleep(LONG * 1000); _exit(0); }
      struct timespec t0, t1; clock_gettime(CLOCK_MONOTONIC, &t0);
      errno = 0; long r = call(n); int e = n == 2 || n == 3 ? (int)r : errno;
      clock_gettime(CLOCK_MONOTONIC, &t1);
      long took = (t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000;
      char text[100]; int length = sprintf(text, "%ld %s after %s", r, e ? strerror(e) : "ok", took < SHORT / 2 ? "nothing" : took < (SHORT + LONG) / 2 - 10 ? "the signal" : "all");
      _exit(write(result[1], text, length) != length);
    }
    close(result[1]);
    usleep(SHORT * 1000);
    if (way) kill(child, SIGUSR1);
    else { int st; kill(child, SIGSTOP); waitpid(child, &st, WUNTRACED); usleep(10000); kill(child, SIGCONT); }
    usleep(LONG * 1000 - SHORT * 1000 + 200000);
    int st; pid_t done = waitpid(child, &st, WNOHANG);
    if (done == 0) { finish(n, child); if (held >= 0) close(held); if (n == 21) { l.l_type = F_UNLCK; fcntl(file, F_SETLK, &l); } waitpid(child, &st, 0); }
    else { if (held >= 0) close(held); if (n == 21) { l.l_type = F_UNLCK; fcntl(file, F_SETLK, &l); } }
    char text[100] = ""; ssize_t got = read(result[0], text, sizeof text - 1); close(result[0]); while (waitpid(-1, 0, 0) > 0) {}
    if (got <= 0) sprintf(text, "still waiting");
    printf("%s, %s: %s%s\n", names[n], ways[way], text, done == 0 && got > 0 ? " (let finish)" : "");
    int flags = fcntl(p[0], F_GETFL); fcntl(p[0], F_SETFL, flags | O_NONBLOCK); while (read(p[0], c, sizeof c) > 0) {} fcntl(p[0], F_SETFL, flags);
    flags = fcntl(listener, F_GETFL); fcntl(listener, F_SETFL, flags | O_NONBLOCK); int s; while ((s = accept(listener, 0, 0)) >= 0) close(s); fcntl(listener, F_SETFL, flags);
    while (recv(udp, c, 1, MSG_DONTWAIT) >= 0) {} while (recv(tcp[0], c, 1, MSG_DONTWAIT) > 0) {}
    struct { long type; char text[8]; } message; while (msgrcv(queue, &message, 8, 0, IPC_NOWAIT) >= 0) {} semctl(sems, 0, SETVAL, 0);
  }
  msgctl(queue, IPC_RMID, 0); semctl(sems, 0, IPC_RMID); unlink("/tmp/rt-fifo"); unlink("/tmp/rt-file"); unlink("/tmp/rt-lock");
  return 0;
}
