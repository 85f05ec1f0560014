/* seccomp: strict mode, filters and their actions, what is inherited. */
#include "abi.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>

#define CALL(n, ...) syscall(SYS_##n, ##__VA_ARGS__)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ARGUMENT(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + (n) * 8)
#define RETURN(v) BPF_STMT(BPF_RET | BPF_K, (v))
#define IF_CALL(number, action) LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), RETURN(action)

static long install(struct sock_filter *code, unsigned short count, unsigned flags) {
  struct sock_fprog program = {count, code};
  return CALL(seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}
#define INSTALL(...) ({ struct sock_filter code_[] = {__VA_ARGS__}; install(code_, sizeof code_ / sizeof *code_, 0); })

static void trap(int s, siginfo_t *i, void *c) {
  (void)c;
  printf("SIGSYS %d: code %d, errno %d, call %d, arch %d\n", s == SIGSYS, i->si_code, i->si_errno, i->si_syscall, i->si_arch == AUDIT_ARCH_X86_64);
}

static void *answer(void *arg) { CALL(getuid); printf("not reached\n"); return arg; }
static volatile int go;
static void *wait_and_ask(void *arg) { while (!go) {} errno = 0; long r = CALL(getppid); printf("other thread: %ld %s\n", r, abi_error(errno)); return arg; }

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOLBF, 0);
  if (argc > 1) { SHOW(CALL(getppid)); SHOW(prctl(PR_GET_SECCOMP)); return 0; }
  puts("-- errors");
  unsigned action = SECCOMP_RET_ERRNO;
  SHOW(prctl(PR_GET_SECCOMP));
  SHOW(prctl(PR_SET_SECCOMP, 3, 0));
  SHOW(CALL(seccomp, 9, 0, 0));
  SHOW(CALL(seccomp, SECCOMP_SET_MODE_STRICT, 1, 0));
  SHOW(CALL(seccomp, SECCOMP_SET_MODE_FILTER, 0x8000, 0));
  SHOW(CALL(seccomp, SECCOMP_SET_MODE_FILTER, 0, 8));
  SHOW(CALL(seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
  action = 0x12340000;
  SHOW(CALL(seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
  SHOW(CALL(seccomp, SECCOMP_GET_ACTION_AVAIL, 1, &action));
  IN_CHILD("without no_new_privs", if (getuid() == 0) setuid(1000); SHOW(INSTALL(RETURN(SECCOMP_RET_ALLOW))); prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); SHOW(INSTALL(RETURN(SECCOMP_RET_ALLOW))));
  SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  SHOW(install(0, 0, 0));
  SHOW(install((void *)8, 1, 0));
  SHOW(INSTALL(LOAD(nr)));
  SHOW(INSTALL(BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0), RETURN(0)));
  SHOW(INSTALL(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 1, 0), RETURN(0)));
  SHOW(INSTALL(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RETURN(0)));
  SHOW(INSTALL(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RETURN(0)));
  SHOW(INSTALL(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RETURN(0)));
  SHOW(INSTALL(BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RETURN(0)));
  SHOW(INSTALL(BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RETURN(0)));
  SHOW(INSTALL(BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RETURN(0)));
  SHOW(INSTALL(BPF_STMT(BPF_ST, 16), RETURN(0)));
  puts("-- strict");
  IN_CHILD("read and write", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); CALL(write, 1, "written\n", 8); CALL(exit, 7));
  IN_CHILD("getpid", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); CALL(getpid); CALL(exit, 7));
  puts("-- actions");
  IN_CHILD("errno", SHOW(INSTALL(IF_CALL(SYS_getppid, SECCOMP_RET_ERRNO | EDOM), IF_CALL(SYS_getuid, SECCOMP_RET_ERRNO), RETURN(SECCOMP_RET_ALLOW)));
           SHOW(CALL(getppid)); SHOW(CALL(getuid)); SHOW(prctl(PR_GET_SECCOMP)));
  IN_CHILD("too large an errno", INSTALL(IF_CALL(SYS_getppid, SECCOMP_RET_ERRNO | 0xffff), RETURN(SECCOMP_RET_ALLOW)); SHOW(CALL(getppid)));
  IN_CHILD("trap", struct sigaction a; memset(&a, 0, sizeof a); a.sa_sigaction = trap; a.sa_flags = SA_SIGINFO; sigaction(SIGSYS, &a, 0);
           INSTALL(IF_CALL(SYS_getppid, SECCOMP_RET_TRAP | 77), RETURN(SECCOMP_RET_ALLOW)); printf("answers its number: %d\n", CALL(getppid) == SYS_getppid));
  IN_CHILD("trap without a handler", INSTALL(IF_CALL(SYS_getppid, SECCOMP_RET_TRAP), RETURN(SECCOMP_RET_ALLOW)); CALL(getppid));
  IN_CHILD("kill", INSTALL(IF_CALL(SYS_getuid, SECCOMP_RET_KILL_THREAD), RETURN(SECCOMP_RET_ALLOW)); CALL(getuid));
  IN_CHILD("kill one thread", pthread_t t; INSTALL(IF_CALL(SYS_getuid, SECCOMP_RET_KILL_THREAD), RETURN(SECCOMP_RET_ALLOW)); pthread_create(&t, 0, answer, 0); usleep(60000); puts("the other lives"));
  IN_CHILD("kill the process", pthread_t t; INSTALL(IF_CALL(SYS_getuid, SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW)); pthread_create(&t, 0, answer, 0); pthread_join(t, 0); puts("not reached"));
  IN_CHILD("log", INSTALL(IF_CALL(SYS_getuid, SECCOMP_RET_LOG), RETURN(SECCOMP_RET_ALLOW)); OK(CALL(getuid)));
  IN_CHILD("trace", INSTALL(IF_CALL(SYS_getuid, SECCOMP_RET_TRACE), RETURN(SECCOMP_RET_ALLOW)); SHOW(CALL(getuid)));
  IN_CHILD("unknown action", INSTALL(IF_CALL(SYS_getuid, 0x12340000), RETURN(SECCOMP_RET_ALLOW)); CALL(getuid));
  IN_CHILD("the strictest counts", INSTALL(IF_CALL(SYS_getuid, SECCOMP_RET_ERRNO | EDOM), RETURN(SECCOMP_RET_ALLOW)); INSTALL(IF_CALL(SYS_getuid, SECCOMP_RET_LOG), RETURN(SECCOMP_RET_ALLOW)); SHOW(CALL(getuid)));
  IN_CHILD("the newest of equals counts", INSTALL(IF_CALL(SYS_getuid, SECCOMP_RET_ERRNO | 1), RETURN(SECCOMP_RET_ALLOW)); INSTALL(IF_CALL(SYS_getuid, SECCOMP_RET_ERRNO | 2), RETURN(SECCOMP_RET_ALLOW)); SHOW(CALL(getuid)));
  puts("-- programs");
  IN_CHILD("arguments", INSTALL(LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsid, 0, 6), ARGUMENT(3), BPF_STMT(BPF_MISC | BPF_TAX, 0), ARGUMENT(4), BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
           BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO), BPF_STMT(BPF_RET | BPF_A, 0), RETURN(SECCOMP_RET_ALLOW)); SHOW(CALL(getsid, 0, 0, 0, 12, 10L)));
  IN_CHILD("high halves", INSTALL(LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsid, 0, 4), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 20), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff), BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
           BPF_STMT(BPF_RET | BPF_A, 0), RETURN(SECCOMP_RET_ALLOW)); SHOW(CALL(getsid, 0x1234567821000001L)));
  IN_CHILD("arithmetic", INSTALL(LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsid, 0, 12), ARGUMENT(0), BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 6), BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 4), BPF_STMT(BPF_ST, 3),
           BPF_STMT(BPF_ALU | BPF_NEG, 0), BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, 0xffffffff), BPF_STMT(BPF_LDX | BPF_MEM, 3), BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 1), BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
           BPF_STMT(BPF_RET | BPF_A, 0), RETURN(SECCOMP_RET_ALLOW), RETURN(0)); SHOW(CALL(getsid, 23)));
  IN_CHILD("comparisons", INSTALL(LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsid, 0, 4), ARGUMENT(0), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 100, 3, 0), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 50, 3, 0), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 8, 3, 0),
           RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_ERRNO | 1), RETURN(SECCOMP_RET_ERRNO | 2), RETURN(SECCOMP_RET_ERRNO | 3)); SHOW(CALL(getsid, -1)); SHOW(CALL(getsid, 101)); SHOW(CALL(getsid, 100)); SHOW(CALL(getsid, 50)); SHOW(CALL(getsid, 8)); OK(CALL(getsid, 0)));
  puts("-- inheritance");
  IN_CHILD("fork and exec", INSTALL(IF_CALL(SYS_getppid, SECCOMP_RET_ERRNO | EDOM), RETURN(SECCOMP_RET_ALLOW)); IN_CHILD("child", SHOW(CALL(getppid))); char *a[] = {"self", "again", 0}; execv(argv[0], a));
  struct sock_filter code[] = {IF_CALL(SYS_getppid, SECCOMP_RET_ERRNO | ERANGE), RETURN(SECCOMP_RET_ALLOW)};
  IN_CHILD("all threads", pthread_t t; pthread_create(&t, 0, wait_and_ask, 0); SHOW(install(code, 4, SECCOMP_FILTER_FLAG_TSYNC)); go = 1; pthread_join(t, 0));
  return 0;
}
