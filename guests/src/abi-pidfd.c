/* Process descriptors and unshare. Prints only what is the same on every Linux. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILS(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s = %ld, errno %d\n", #__VA_ARGS__, r_, errno); } while (0)
#define P_PIDFD_ 3
static long open_pid(pid_t p, unsigned f) { return syscall(434, p, f); }
static long send(int fd, int s, void *i, unsigned f) { return syscall(424, fd, s, i, f); }

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  FAILS(open_pid(0, 0)); FAILS(open_pid(-1, 0)); FAILS(open_pid(99999, 0)); FAILS(open_pid(getpid(), 1));
  pid_t child = fork();
  if (child == 0) { pause(); _exit(0); }
  int fd = open_pid(child, 0);
  printf("open %d cloexec %d\n", fd >= 0, fcntl(fd, F_GETFD));
  struct pollfd p = {fd, POLLIN, 0};
  printf("poll %d\n", poll(&p, 1, 0));
  FAILS(send(fd, 0, 0, 0)); FAILS(send(fd, 99, 0, 0)); FAILS(send(1, 0, 0, 0)); FAILS(send(fd, 0, 0, 1024));
  send(fd, SIGTERM, 0, 0);
  int n = poll(&p, 1, 5000);
  printf("poll %d revents %x\n", n, p.revents);
  siginfo_t info; memset(&info, 0, sizeof info);
  int r = waitid(P_PIDFD_, fd, &info, WEXITED);
  printf("waitid %d code %d status %d\n", r, info.si_code, info.si_status);
  FAILS(waitid(P_PIDFD_, fd, &info, WEXITED)); FAILS(waitid(P_PIDFD_, 1, &info, WEXITED));
  FAILS(send(fd, 0, 0, 0));
  close(fd);
  int got = -1;
  struct { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls; } a = {.flags = 0x1000, .pidfd = (uintptr_t)&got, .exit_signal = SIGCHLD};
  child = syscall(SYS_clone3, &a, sizeof a);
  if (child == 0) _exit(got);
  memset(&info, 0, sizeof info);
  r = waitid(P_PIDFD_, got, &info, WEXITED);
  printf("clone3 pidfd: %d in child %d mine %d\n", r, info.si_status == 255, info.si_pid == child);
  int pipes[2]; if (pipe(pipes)) return 1;
  child = fork();
  if (child == 0) { dup2(pipes[1], 77); pause(); _exit(0); }
  usleep(20000); fd = open_pid(child, 0);
  int copy = syscall(438, fd, 77, 0);
  printf("getfd %d %zd\n", copy >= 0, write(copy, "x", 1)); char c; printf("read %zd\n", read(pipes[0], &c, 1));
  FAILS(syscall(438, fd, 78, 0));
  kill(child, SIGKILL); waitpid(child, 0, 0);
  FAILS(unshare(CLONE_FILES | CLONE_FS)); FAILS(unshare(1)); FAILS(unshare(CLONE_VM)); FAILS(unshare(0));
  FAILS(setns(99, 0));
  return 0;
}
