/* Limits, usage, scheduling policies, names, randomness, and calls that no program without privileges may make. */
#include "abi.h"
#include <sched.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>

#define CALL(n, ...) syscall(SYS_##n, ##__VA_ARGS__)

static void limits(void) {
  puts("-- limits");
  struct rlimit r, o;
  SHOW(CALL(getrlimit, 16, &r));
  SHOW(CALL(getrlimit, -1, &r));
  SHOW(CALL(getrlimit, 3, 8));
  r.rlim_cur = 100; r.rlim_max = 50;
  SHOW(CALL(setrlimit, RLIMIT_NOFILE, &r));
  SHOW(CALL(setrlimit, 99, &r));
  SHOW(CALL(setrlimit, RLIMIT_NOFILE, 8));
  r.rlim_cur = 100; r.rlim_max = 200;
  SHOW(CALL(setrlimit, RLIMIT_NOFILE, &r));
  SHOW(CALL(prlimit64, 0, RLIMIT_NOFILE, 0, &o));
  printf("%ld %ld\n", (long)o.rlim_cur, (long)o.rlim_max);
  r.rlim_max = 1 << 21;
  SHOW(CALL(prlimit64, 0, RLIMIT_NOFILE, &r, 0));
  SHOW(CALL(prlimit64, 999999, RLIMIT_NOFILE, 0, &o));
  SHOW(CALL(prlimit64, 0, 77, 0, &o));
  SHOW(CALL(prlimit64, getpid(), RLIMIT_NOFILE, 0, 8));
  r.rlim_cur = RLIM_INFINITY; r.rlim_max = RLIM_INFINITY;
  SHOW(CALL(setrlimit, RLIMIT_AS, &r));
  SHOW(CALL(getrlimit, RLIMIT_AS, &o));
  printf("%ld %ld\n", (long)o.rlim_cur, (long)o.rlim_max);
  IN_CHILD("no CPU time", struct rlimit no = {0, RLIM_INFINITY}; setrlimit(RLIMIT_CPU, &no); for (;;) __asm__ volatile(""));
  IN_CHILD("inherited", CALL(getrlimit, RLIMIT_NOFILE, &o); printf("%ld\n", (long)o.rlim_cur); if (getuid() == 0) setuid(1000);
           r.rlim_cur = 50; r.rlim_max = 60; SHOW(CALL(setrlimit, RLIMIT_NOFILE, &r)); r.rlim_max = 70; SHOW(CALL(setrlimit, RLIMIT_NOFILE, &r)); SHOW(CALL(prlimit64, 1, RLIMIT_NOFILE, 0, 0) == 0));
}

static void usage(void) {
  puts("-- usage");
  struct rusage u;
  SHOW(CALL(getrusage, 7, &u));
  SHOW(CALL(getrusage, RUSAGE_SELF, 8));
  SHOW(CALL(getrusage, RUSAGE_CHILDREN, &u));
  for (int i = 0; i < 10000000; i++) __asm__ volatile("");
  SHOW(CALL(getrusage, RUSAGE_SELF, &u));
  printf("%d %d %ld %ld\n", u.ru_utime.tv_sec * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec > 0, u.ru_maxrss > 0, u.ru_nswap, u.ru_msgsnd);
  SHOW(CALL(getrusage, 1, &u));
  printf("%d\n", u.ru_minflt > 0);
}

static void scheduling(void) {
  puts("-- scheduling");
  struct sched_param p = {0}, one = {1};
  for (int i = 0; i < 7; i++) printf("%d: %d %d\n", i, sched_get_priority_min(i), sched_get_priority_max(i));
  SHOW(CALL(sched_getscheduler, 0));
  SHOW(CALL(sched_getscheduler, -1));
  SHOW(CALL(sched_getscheduler, 999999));
  SHOW(CALL(sched_getparam, 0, &p));
  SHOW(CALL(sched_getparam, 0, 0));
  SHOW(CALL(sched_setscheduler, 0, 3, &p));
  SHOW(CALL(sched_getscheduler, 0));
  SHOW(CALL(sched_setscheduler, 0, 0, &one));
  SHOW(CALL(sched_setscheduler, 0, 1, &p));
  SHOW(CALL(sched_setscheduler, 0, 4, &p));
  SHOW(CALL(sched_setscheduler, 0, -1, &p));
  SHOW(CALL(sched_setscheduler, 0, 0, 8));
  SHOW(CALL(sched_setscheduler, 0, 0, 0));
  SHOW(CALL(sched_setscheduler, 0, 0, &p));
  SHOW(CALL(sched_setparam, 0, &p));
  SHOW(CALL(sched_setparam, 0, &one));
  struct timespec t;
  SHOW(CALL(sched_rr_get_interval, -1, &t));
  SHOW(CALL(sched_rr_get_interval, 0, &t));
  struct { unsigned size, policy; unsigned long flags; int nice; unsigned prio; unsigned long a, b, c; unsigned d, e; } a;
  memset(&a, 0, sizeof a);
  SHOW(CALL(sched_getattr, 0, &a, 48, 0));
  printf("%u %u %d\n", a.size, a.policy, a.nice);
  SHOW(CALL(sched_getattr, 0, &a, 47, 0));
  SHOW(CALL(sched_getattr, 0, &a, 48, 1));
  SHOW(CALL(sched_getattr, 0, 0, 48, 0));
  a.size = 48; a.nice = 5;
  SHOW(CALL(sched_setattr, 0, &a, 0));
  SHOW(getpriority(PRIO_PROCESS, 0));
  a.size = 40;
  SHOW(CALL(sched_setattr, 0, &a, 0));
  SHOW(CALL(sched_setattr, 0, 0, 0));
  SHOW(CALL(setpriority, 0, 0, 7));
  SHOW(CALL(getpriority, 0, 0));
  SHOW(CALL(setpriority, 0, 0, 99));
  SHOW(CALL(getpriority, 0, 0));
  SHOW(CALL(getpriority, 3, 0));
  SHOW(CALL(setpriority, 3, 0, 0));
  SHOW(CALL(getpriority, 0, 999999));
  SHOW(CALL(setpriority, 0, 999999, 0));
  IN_CHILD("nice as a user", if (getuid() == 0) setuid(1000); SHOW(CALL(setpriority, 0, 0, 5)); SHOW(CALL(sched_setscheduler, 0, 1, &one)); SHOW(CALL(sched_setscheduler, 0, 5, &p)); SHOW(CALL(ioprio_set, 1, 0, 1 << 13)));
  SHOW(CALL(ioprio_get, 1, 0));
  SHOW(CALL(ioprio_set, 1, 0, 2 << 13 | 3));
  SHOW(CALL(ioprio_get, 1, 0));
  SHOW(CALL(ioprio_set, 1, 0, 5 << 13));
  SHOW(CALL(ioprio_set, 9, 0, 2 << 13));
  SHOW(CALL(ioprio_get, 9, 0));
  SHOW(CALL(ioprio_get, 1, 999999));
  IN_CHILD("inherited", SHOW(CALL(ioprio_get, 1, 0)));
  puts("-- affinity");
  unsigned long m[16] = {0};
  SHOW(CALL(sched_getaffinity, 0, 7, m));
  SHOW(CALL(sched_getaffinity, 0, 0, m));
  OK(CALL(sched_getaffinity, 0, sizeof m, m));
  printf("%d\n", (int)(m[0] & 1));
  SHOW(CALL(sched_getaffinity, 999999, sizeof m, m));
  OK(CALL(sched_getaffinity, 0, sizeof m, 8));
  m[0] = 0;
  SHOW(CALL(sched_setaffinity, 0, sizeof m, m));
  SHOW(CALL(sched_setaffinity, 0, 0, m));
  m[0] = 1;
  SHOW(CALL(sched_setaffinity, 0, 1, m));
  SHOW(CALL(sched_setaffinity, 999999, 8, m));
  unsigned cpu = 9, node = 9;
  SHOW(CALL(getcpu, &cpu, &node, 0));
  printf("%u %u\n", cpu, node);
  SHOW(CALL(getcpu, 0, 0, 0));
  SHOW(CALL(getcpu, 8, 0, 0));
}

static void names(void) {
  puts("-- system");
  struct utsname u;
  SHOW(CALL(uname, &u));
  printf("%s %s %d\n", u.sysname, u.machine, strlen(u.release) > 0);
  SHOW(CALL(uname, 8));
  struct sysinfo s;
  SHOW(CALL(sysinfo, &s));
  printf("%d %d %d\n", s.totalram > 0 && s.freeram <= s.totalram, s.procs > 0, s.mem_unit == 1);
  SHOW(CALL(sysinfo, 8));
  IN_CHILD("as a user", if (getuid() == 0) setuid(1000); SHOW(CALL(sethostname, "x", 1)); SHOW(CALL(setdomainname, "x", 1)); SHOW(CALL(reboot, 0, 0, 0, 0)); SHOW(CALL(swapon, "/x", 0));
           SHOW(CALL(swapoff, "/x")); SHOW(CALL(acct, 0)); SHOW(CALL(vhangup));
           SHOW(CALL(settimeofday, 0, 0)));
  char b[300];
  memset(b, 0, sizeof b);
  SHOW(CALL(getrandom, b, 256, 0));
  int zero = 0;
  for (int i = 0; i < 256; i++) zero += b[i] == 0;
  printf("random %d\n", zero < 20);
  SHOW(CALL(getrandom, b, 16, 7));
  SHOW(CALL(getrandom, b, 16, 8));
  SHOW(CALL(getrandom, b, 0, 1));
  SHOW(CALL(getrandom, 8, 16, 0));
  SHOW(CALL(getrandom, b, 16, 4));
  SHOW(CALL(personality, 0xffffffff));
  SHOW(CALL(personality, 0x40000));
  SHOW(CALL(personality, 0xffffffff));
  IN_CHILD("linux32", CALL(personality, 8); CALL(uname, &u); puts(u.machine));
  SHOW(CALL(personality, 0));
  SHOW(CALL(kcmp, getpid(), getpid(), 1, 0, 0));
  SHOW(CALL(kcmp, getpid(), getpid(), 0, 1, 1));
  SHOW(CALL(kcmp, getpid(), getpid(), 0, 1, 99));
  SHOW(CALL(kcmp, getpid(), getpid(), 88, 1, 1));
  SHOW(CALL(kcmp, getpid(), 999999, 1, 0, 0));
  int d = dup(1);
  SHOW(CALL(kcmp, getpid(), getpid(), 0, 1, d));
  printf("different %d\n", CALL(kcmp, getpid(), getpid(), 0, 1, 0) > 0);
  puts("-- obsolete");
  static const int old[] = {134, 156, 174, 177, 178, 180, 181, 182, 183, 184, 185, 205, 211, 214, 215, 236};
  for (unsigned i = 0; i < sizeof old / sizeof *old; i++) { errno = 0; long r = syscall(old[i], 0, 0, 0); printf("%d: %ld %s\n", old[i], r, abi_error(errno)); }
  errno = 0;
  SHOW(syscall(400, 0));
  SHOW(syscall(-1, 0));
  SHOW(syscall(1000, 0));
  puts("-- nodes");
  int mode = -1;
  unsigned long mask = 0;
  SHOW(CALL(get_mempolicy, &mode, 0, 0, 0, 0));
  printf("%d\n", mode);
  SHOW(CALL(get_mempolicy, &mode, &mask, 64, 0, 4));
  printf("%lx\n", mask & 1);
  SHOW(CALL(get_mempolicy, &mode, 0, 0, 0, 8));
  SHOW(CALL(get_mempolicy, &mode, 0, 0, &mode, 0));
  SHOW(CALL(set_mempolicy, 77, 0, 0));
  mask = 1;
  SHOW(CALL(set_mempolicy, 2, &mask, 64));
  SHOW(CALL(get_mempolicy, &mode, 0, 0, 0, 0));
  printf("%d\n", mode);
  SHOW(CALL(set_mempolicy, 2, 0, 0));
  SHOW(CALL(set_mempolicy, 0, &mask, 64));
  SHOW(CALL(set_mempolicy, 0, 0, 0));
}

int main(void) {
  /* Whoever runs this may be nice. */
  setpriority(PRIO_PROCESS, 0, 0);
  setvbuf(stdout, 0, _IOLBF, 0);
  limits();
  usage();
  scheduling();
  names();
  return 0;
}
