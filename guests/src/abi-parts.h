/* For the guests that are made of parts, each in a child of its own: what a call answered, errors by name. _GNU_SOURCE is defined before. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *name(int e) {
  switch (e) {
    case EPERM: return "EPERM"; case ENOENT: return "ENOENT"; case ESRCH: return "ESRCH"; case EBADF: return "EBADF"; case ECHILD: return "ECHILD";
    case ENOMEM: return "ENOMEM"; case EACCES: return "EACCES"; case EBUSY: return "EBUSY"; case EEXIST: return "EEXIST"; case ENOTDIR: return "ENOTDIR";
    case EINVAL: return "EINVAL"; case EROFS: return "EROFS"; case ELOOP: return "ELOOP"; case ENODEV: return "ENODEV"; case ENOTTY: return "ENOTTY";
    case EXDEV: return "EXDEV"; case EAGAIN: return "EAGAIN"; case ENOSPC: return "ENOSPC"; case EUSERS: return "EUSERS"; case EFAULT: return "EFAULT";
    case EOVERFLOW: return "EOVERFLOW"; case EFBIG: return "EFBIG"; case ENOSYS: return "ENOSYS"; case EOPNOTSUPP: return "EOPNOTSUPP";
    case ESTALE: return "ESTALE"; case ENOKEY: return "ENOKEY"; case ENODATA: return "ENODATA"; case EIDRM: return "EIDRM"; case EBADE: return "EBADE"; case EKEYREVOKED: return "EKEYREVOKED"; case EKEYEXPIRED: return "EKEYEXPIRED"; case EDQUOT: return "EDQUOT"; case EDEADLK: return "EDEADLK";
    default: { static char text[20]; snprintf(text, sizeof text, "errno %d", e); return text; }
  }
}
#define SAY(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); \
  if (r_ == -1) printf("%s: %s\n", #__VA_ARGS__, name(errno)); else printf("%s: %ld\n", #__VA_ARGS__, r_); } while (0)
