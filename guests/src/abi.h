/* For the ABI guests: prints a system call's text and what it answered, so that a run here and one on Linux can be compared. */
#ifndef ABI_H
#define ABI_H
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *abi_error(int e) {
  static const struct { int e; const char *n; } names[] = {
    {EPERM, "EPERM"}, {ENOENT, "ENOENT"}, {ESRCH, "ESRCH"}, {EINTR, "EINTR"}, {EIO, "EIO"}, {E2BIG, "E2BIG"}, {EBADF, "EBADF"},
    {ECHILD, "ECHILD"}, {EAGAIN, "EAGAIN"}, {ENOMEM, "ENOMEM"}, {EACCES, "EACCES"}, {EFAULT, "EFAULT"}, {EBUSY, "EBUSY"},
    {EEXIST, "EEXIST"}, {ENODEV, "ENODEV"}, {EINVAL, "EINVAL"}, {ENOTTY, "ENOTTY"}, {EFBIG, "EFBIG"}, {ENOSPC, "ENOSPC"},
    {ESPIPE, "ESPIPE"}, {EDOM, "EDOM"}, {ERANGE, "ERANGE"}, {ENOSYS, "ENOSYS"}, {ENOMSG, "ENOMSG"}, {EIDRM, "EIDRM"},
    {EOVERFLOW, "EOVERFLOW"}, {EOPNOTSUPP, "EOPNOTSUPP"}, {ETIMEDOUT, "ETIMEDOUT"}, {EMSGSIZE, "EMSGSIZE"}, {ENXIO, "ENXIO"},
    {EDEADLK, "EDEADLK"}, {ENAMETOOLONG, "ENAMETOOLONG"}, {EMFILE, "EMFILE"}, {ETXTBSY, "ETXTBSY"},
  };
  static char other[24];
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) if (names[i].e == e) return names[i].n;
  snprintf(other, sizeof other, "errno %d", e);
  return other;
}

/* The value itself. */
#define SHOW(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); \
  if (r_ == -1 && errno) printf("%s: %s\n", #__VA_ARGS__, abi_error(errno)); else printf("%s: %ld\n", #__VA_ARGS__, r_); fflush(stdout); } while (0)
/* Only whether it worked: addresses and identifiers differ. */
#define OK(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); \
  printf("%s: %s\n", #__VA_ARGS__, r_ == -1 && errno ? abi_error(errno) : "ok"); fflush(stdout); } while (0)

/* Runs the block in a child; prints how that ended. */
#define IN_CHILD(what, ...) do { fflush(stdout); pid_t p_ = fork(); if (p_ == 0) { __VA_ARGS__; fflush(stdout); _exit(0); } \
  int s_; waitpid(p_, &s_, 0); \
  printf(WIFSIGNALED(s_) ? "%s: signal %d\n" : "%s: exit %d\n", what, WIFSIGNALED(s_) ? WTERMSIG(s_) : WEXITSTATUS(s_)); fflush(stdout); } while (0)
#endif
