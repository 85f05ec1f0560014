/* For the guests that trace others (ptrace(2)). _GNU_SOURCE is defined before. */
#include <errno.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static long pt(long request, pid_t pid, unsigned long address, unsigned long data) { return syscall(SYS_ptrace, request, pid, address, data); }

/* The last status that was waited for. */
static int st;
static const char *waited(pid_t pid) {
  static char text[80]; st = 0; pid_t got = waitpid(pid, &st, __WALL);
  if (got != pid) sprintf(text, "nobody %d", got < 0 ? errno : 0);
  else if (WIFSTOPPED(st)) sprintf(text, "stopped %d event %d", WSTOPSIG(st), st >> 16);
  else if (WIFSIGNALED(st)) sprintf(text, "killed %d", WTERMSIG(st));
  else sprintf(text, "exited %d", WEXITSTATUS(st));
  return text;
}
static struct user_regs_struct regs(pid_t p) { struct user_regs_struct r; memset(&r, 0, sizeof r); pt(PTRACE_GETREGS, p, 0, (unsigned long)&r); return r; }
