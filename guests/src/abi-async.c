/* Signal-driven I/O and leases (fcntl(2)). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAY(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s: %ld errno %d\n", #__VA_ARGS__, r_, errno); } while (0)
static volatile int count, signal_, code, band, fd_;
static void note(int s, siginfo_t *i, void *u) { (void)u; count++; signal_ = s; code = i->si_code; band = i->si_band; fd_ = i->si_fd; }
static void tell(const char *what) { printf("%s: %d", what, count); if (count) printf(" signal %d code %d", signal_, code); if (count && code > 0 && code < 100) printf(" band %x fd %d", band, fd_); printf("\n"); count = 0; }

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  struct sigaction a = {.sa_flags = SA_SIGINFO, .sa_sigaction = note};
  sigaction(SIGIO, &a, 0); sigaction(SIGRTMIN, &a, 0);
  int p[2], s[2];
  char c;
  pipe2(p, O_NONBLOCK);
  SAY(fcntl(p[0], F_SETFL, O_ASYNC)); SAY(fcntl(p[0], F_GETFL) & O_ASYNC);
  write(p[1], "x", 1); tell("no owner");
  SAY(fcntl(p[0], F_SETOWN, getpid())); SAY(fcntl(p[0], F_GETOWN) == getpid());
  write(p[1], "x", 1); tell("written");
  SAY(fcntl(p[0], F_SETSIG, SIGRTMIN));
  write(p[1], "x", 1); tell("with F_SETSIG");
  read(p[0], &c, 1); tell("read");
  SAY(fcntl(p[0], F_SETFL, 0)); write(p[1], "x", 1); tell("off");
  SAY(fcntl(p[1], F_SETOWN, getpid())); SAY(fcntl(p[1], F_SETSIG, SIGRTMIN)); SAY(fcntl(p[1], F_SETFL, O_ASYNC | O_NONBLOCK));
  read(p[0], &c, 1); tell("room");
  close(p[0]); tell("no reader");
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  int on = 1;
  SAY(fcntl(s[0], F_SETOWN, getpid())); SAY(fcntl(s[0], F_SETSIG, SIGRTMIN)); SAY(ioctl(s[0], FIOASYNC, &on)); SAY(fcntl(s[0], F_GETFL) & O_ASYNC);
  write(s[1], "x", 1); tell("socket");
  struct f_owner_ex o = {F_OWNER_TID, syscall(SYS_gettid)}, got;
  SAY(fcntl(s[0], F_SETOWN_EX, &o)); fcntl(s[0], F_GETOWN_EX, &got); printf("owner %d %d\n", got.type, got.pid == o.pid);
  write(s[1], "x", 1); tell("to a thread");
  SAY(fcntl(s[0], F_SETOWN, -getpgrp())); SAY(fcntl(s[0], F_GETOWN) == -getpgrp());
  signal(SIGRTMIN, SIG_IGN);
  close(s[0]); close(s[1]);

  int f = open("/tmp/lease", O_CREAT | O_RDWR | O_TRUNC, 0644), r = open("/tmp/lease", O_RDONLY);
  SAY(fcntl(f, F_SETFL, O_ASYNC)); SAY(fcntl(f, F_GETFL) & O_ASYNC);
  SAY(fcntl(f, F_GETLEASE)); SAY(fcntl(f, F_SETLEASE, F_RDLCK)); SAY(fcntl(r, F_SETLEASE, F_RDLCK)); SAY(fcntl(f, F_SETLEASE, F_WRLCK)); SAY(fcntl(f, F_SETLEASE, F_UNLCK)); SAY(fcntl(f, F_SETLEASE, 9));
  close(f);
  SAY(fcntl(r, F_SETLEASE, F_RDLCK)); SAY(fcntl(r, F_GETLEASE)); SAY(fcntl(r, F_SETLEASE, F_WRLCK)); SAY(fcntl(r, F_GETLEASE));
  sigaction(SIGRTMIN, &a, 0);
  SAY(fcntl(r, F_SETSIG, SIGRTMIN));
  count = 0;
  SAY(open("/tmp/lease", O_RDONLY | O_NONBLOCK)); tell("opened");
  SAY(fcntl(r, F_GETLEASE)); SAY(fcntl(r, F_SETLEASE, F_RDLCK)); SAY(fcntl(r, F_GETLEASE));
  int other = open("/tmp/lease", O_RDONLY | O_NONBLOCK); tell("for reading"); printf("open %d\n", other >= 0);
  SAY(open("/tmp/lease", O_WRONLY | O_NONBLOCK)); tell("for writing");
  pid_t child = fork();
  if (child == 0) { alarm(10); int w = open("/tmp/lease", O_WRONLY); _exit(w >= 0 ? 3 : errno); }
  usleep(50000);
  SAY(fcntl(r, F_SETLEASE, F_UNLCK));
  int status; waitpid(child, &status, 0); printf("child %x\n", status);
  SAY(fcntl(r, F_SETLEASE, F_RDLCK)); 
  child = fork();
  if (child == 0) { alarm(10); _exit(truncate("/tmp/lease", 0) == 0 ? 4 : errno); }
  while (count == 0) usleep(1000);
  tell("truncated"); close(r); /* the child's copy of the descriptor went with it? no: it holds one */
  SAY(kill(child, 0)); kill(child, SIGKILL); waitpid(child, &status, 0); printf("child %x\n", status);
  unlink("/tmp/lease");
  SAY(fcntl(0, F_SETLEASE, F_RDLCK) == -1);
  return 0;
}
