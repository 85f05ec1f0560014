/* Processes: fork, vfork, clone, exec, wait, process groups, sessions, orphans. Prints only what is the same on every Linux. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAILS(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s = %ld, errno %d\n", #__VA_ARGS__, r_, errno); } while (0)
#define CHECK(...) printf("%s: %s\n", #__VA_ARGS__, (__VA_ARGS__) ? "yes" : "NO")

static int status_of(pid_t child) { int st = -1; waitpid(child, &st, __WALL); return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st); }

static int global = 1;
static void forks(void) {
  int *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t child = fork();
  if (child == 0) { global = 7; *shared = 9; _exit(getppid() > 1 ? 42 : 1); }
  int status = status_of(child); printf("fork: %d global %d shared %d\n", status, global, *shared);
  volatile int seen = 0;
  child = vfork();
  if (child == 0) { seen = 5; _exit(3); }
  printf("vfork: seen %d status %d\n", seen, status_of(child));
  FAILS(waitpid(-1, 0, 0));
  FAILS(waitpid(-1, 0, 0x100));
  child = fork();
  if (child == 0) { pause(); _exit(0); }
  FAILS(waitpid(child, 0, WNOHANG));
  kill(child, SIGTERM); printf("term: %d\n", status_of(child));
  int order[3]; pid_t kids[3];
  for (int i = 0; i < 3; i++) if ((kids[i] = fork()) == 0) { struct timespec t = {0, (3 - i) * 20000000}; nanosleep(&t, 0); _exit(i); }
  for (int i = 0; i < 3; i++) { int st; wait(&st); order[i] = WEXITSTATUS(st); }
  printf("order: %d %d %d\n", order[0], order[1], order[2]);
}

static void waits(void) {
  siginfo_t info; memset(&info, 0, sizeof info);
  pid_t child = fork(); if (child == 0) _exit(77);
  int r = waitid(P_PID, child, &info, WEXITED | WNOWAIT);
  printf("waitid nowait: %d code %d status %d signo %d mine %d\n", r, info.si_code, info.si_status, info.si_signo, info.si_pid == child);
  memset(&info, 0, sizeof info);
  r = waitid(P_ALL, 0, &info, WEXITED);
  printf("waitid: %d status %d\n", r, info.si_status);
  FAILS(waitid(P_PID, child, &info, WEXITED));
  FAILS(waitid(P_ALL, 0, &info, 0));
  child = fork(); if (child == 0) { for (volatile int i = 0; i < 3000000; i++) {} _exit(0); }
  struct rusage ru; int st; wait4(child, &st, 0, &ru);
  CHECK(ru.ru_utime.tv_sec == 0 && ru.ru_utime.tv_usec > 0);
  signal(SIGCHLD, SIG_IGN);
  child = fork(); if (child == 0) _exit(0);
  FAILS(waitpid(child, &st, 0));
  signal(SIGCHLD, SIG_DFL);
}

static char clone_stack[65536] __attribute__((aligned(16)));
static int clone_child(void *arg) { *(int *)arg = 11; global += 100; return 21; }
static void clones(void) {
  int value = 0; pid_t ptid = 0, ctid = -1;
  pid_t child = clone(clone_child, clone_stack + sizeof clone_stack, CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD, &value, &ptid, 0, &ctid);
  int st = status_of(child);
  printf("clone VM: value %d status %d ptid %d ctid %d global %d\n", value, st, ptid == child, ctid, global);
  child = clone(clone_child, clone_stack + sizeof clone_stack, CLONE_VM, &value);
  errno = 0; pid_t none = waitpid(child, 0, 0); int e = errno;
  printf("without exit signal: wait %d %d", none, e); printf(" wclone %d\n", waitpid(child, &st, __WCLONE) == child);
  FAILS(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0));
  FAILS(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0));
  FAILS(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0));
  struct { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup, more; } a;
  memset(&a, 0, sizeof a); a.exit_signal = SIGCHLD;
  child = syscall(SYS_clone3, &a, 88); if (child == 0) _exit(31);
  printf("clone3: %d\n", status_of(child));
  FAILS(syscall(SYS_clone3, &a, 32));
  a.more = 1; FAILS(syscall(SYS_clone3, &a, 96)); a.more = 0;
  child = syscall(SYS_clone3, &a, 96); if (child == 0) _exit(32);
  printf("clone3 larger: %d\n", status_of(child));
  a.stack_size = 4096; FAILS(syscall(SYS_clone3, &a, 88)); a.stack_size = 0;
  a.exit_signal = 65; FAILS(syscall(SYS_clone3, &a, 88)); a.exit_signal = SIGCHLD;
  signal(SIGUSR1, SIG_IGN); signal(SIGUSR2, (void (*)(int))clone_child); a.flags = 0x100000000;
  child = syscall(SYS_clone3, &a, 88);
  if (child == 0) { struct sigaction s1, s2; sigaction(SIGUSR1, 0, &s1); sigaction(SIGUSR2, 0, &s2); _exit((s1.sa_handler == SIG_IGN) * 2 + (s2.sa_handler == SIG_DFL)); }
  printf("clear handlers: %d\n", status_of(child));
  signal(SIGUSR1, SIG_DFL); signal(SIGUSR2, SIG_DFL);
}

static char self[4096];
static pid_t leader_pid;
static void *exec_thread(void *arg) { (void)arg; char pid[20]; sprintf(pid, "%d", leader_pid); execl(self, self, "after-exec", pid, (char *)0); return 0; }
static void *sleeper(void *arg) { (void)arg; for (;;) pause(); return 0; }
static void execs(void) {
  pid_t child = fork(); int st;
  if (child == 0) { execl(self, "name", "args", "two words", "", (char *)0); _exit(99); }
  printf("exec: %d\n", status_of(child));
  child = fork();
  if (child == 0) {
    leader_pid = getpid(); pthread_t t; for (int i = 0; i < 3; i++) pthread_create(&t, 0, sleeper, 0);
    pthread_create(&t, 0, exec_thread, 0); for (;;) pause();
  }
  printf("exec from thread: %d\n", status_of(child));
  FAILS(execl("/nowhere", "x", (char *)0));
  FAILS(execl("/", "x", (char *)0));
  FAILS(execl("/etc/passwd", "x", (char *)0));
  FAILS(execve(self, (char **)8, 0));
  char *big = malloc(200000); memset(big, 'a', 199999); big[199999] = 0;
  FAILS(execl(self, big, (char *)0));
  int fd = open(self, O_RDONLY | O_CLOEXEC);
  child = fork();
  if (child == 0) { char *v[] = {"fexec", "status", "6", 0}; syscall(SYS_execveat, fd, "", v, v + 3, AT_EMPTY_PATH); _exit(98); }
  printf("execveat: %d\n", status_of(child)); close(fd);
  FAILS(syscall(SYS_execveat, 50, "", 0, 0, AT_EMPTY_PATH));
  child = vfork(); if (child == 0) { execl(self, self, "status", "8", (char *)0); _exit(97); }
  printf("vfork exec: %d\n", status_of(child));
  signal(SIGUSR1, SIG_IGN); signal(SIGUSR2, (void (*)(int))sleeper);
  child = fork(); if (child == 0) { execl(self, self, "actions", (char *)0); _exit(97); }
  printf("actions after exec: %d\n", status_of(child)); (void)st;
}

static void groups(void) {
  CHECK(getpgrp() == getpgid(0));
  FAILS(setpgid(0, -1));
  FAILS(setpgid(99999, 0));
  FAILS(getpgid(99999));
  FAILS(getsid(-5));
  pid_t child = fork();
  if (child == 0) { pause(); _exit(0); }
  CHECK(setpgid(child, child) == 0 && getpgid(child) == child);
  CHECK(getsid(child) == getsid(0));
  kill(-child, SIGTERM); printf("group kill: %d\n", status_of(child));
  FAILS(kill(-child, 0));
  child = fork();
  if (child == 0) { int ok = setsid() == getpid() && getpgrp() == getpid() && getsid(0) == getpid(); errno = 0; ok += 2 * (setsid() == -1 && errno == EPERM); ok += 4 * (setpgid(0, getppid()) == -1 && errno == EPERM); _exit(ok); }
  printf("session: %d\n", status_of(child));
  int p[2]; if (pipe(p)) return;
  child = fork();
  if (child == 0) { execl(self, self, "sleep", (char *)0); _exit(0); }
  usleep(50000); FAILS(setpgid(child, child)); kill(child, SIGKILL); status_of(child);
  /* A stopped orphan gets SIGHUP and SIGCONT. */
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  child = fork();
  if (child == 0) {
    setsid(); pid_t grand = fork();
    if (grand == 0) { setpgid(0, 0); raise(SIGSTOP); _exit(1); }
    int st; waitpid(grand, &st, WUNTRACED); (void)!write(p[1], &grand, sizeof grand); _exit(0);
  }
  status_of(child); pid_t grand; (void)!read(p[0], &grand, sizeof grand);
  printf("stopped orphan: %d\n", status_of(grand));
  child = fork();
  if (child == 0) { if (fork() == 0) { usleep(20000); _exit(17); } _exit(0); }
  printf("parent: %d", status_of(child)); int st; wait(&st); printf(" adopted: %d\n", WEXITSTATUS(st));
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void *exiting(void *arg) { usleep(30000); if (arg) exit(4); return 0; }
static void *execing(void *arg) { (void)arg; usleep(1000); syscall(SYS_exit_group, 12); return 0; }
static void ends(void) {
  fflush(stdout);
  pid_t child = fork(); pthread_t t;
  if (child == 0) { pthread_create(&t, 0, exiting, 0); syscall(SYS_exit, 5); }
  printf("leader first: %d\n", status_of(child));
  child = fork(); if (child == 0) { pthread_create(&t, 0, execing, 0); for (;;) pause(); }
  printf("group exit from thread: %d\n", status_of(child));
  child = fork(); if (child == 0) { pthread_create(&t, 0, exiting, &t); pthread_exit(0); }
  printf("thread exits process: %d\n", status_of(child));
  child = fork(); if (child == 0) { pthread_create(&t, 0, sleeper, 0); usleep(1000); kill(getpid(), SIGKILL); }
  printf("killed with threads: %d\n", status_of(child));
  child = fork(); if (child == 0) { prctl(PR_SET_PDEATHSIG, SIGTERM); pid_t g = fork(); if (g == 0) { prctl(PR_SET_PDEATHSIG, SIGTERM); usleep(200000); _exit(1); } usleep(20000); _exit(0); }
  printf("parent death: %d\n", status_of(child));
}

int main(int argc, char **argv) {
  if (argc > 2 && !strcmp(argv[1], "status")) return atoi(argv[2]);
  if (argc > 2 && !strcmp(argv[1], "after-exec")) return getpid() == atoi(argv[2]) && syscall(SYS_gettid) == getpid() ? 55 : 56;
  if (argc > 1 && !strcmp(argv[1], "args")) return argc == 4 && !strcmp(argv[0], "name") && !strcmp(argv[2], "two words") && !*argv[3] ? 44 : 45;
  if (argc > 1 && !strcmp(argv[1], "sleep")) { sleep(5); return 0; }
  if (argc > 1 && !strcmp(argv[1], "actions")) { struct sigaction a, b; sigaction(SIGUSR1, 0, &a); sigaction(SIGUSR2, 0, &b); return (a.sa_handler == SIG_IGN) * 2 + (b.sa_handler == SIG_DFL); }
  setvbuf(stdout, 0, _IONBF, 0);
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1); if (n < 0) strcpy(self, argv[0]);
  forks(); waits(); clones(); execs(); groups(); ends();
  return 0;
}
