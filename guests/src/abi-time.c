/* Clocks, sleeping and timers. Prints what holds on any machine: order, bounds, errors, what is left. */
#include "abi.h"
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>

#define CALL(n, ...) syscall(SYS_##n, __VA_ARGS__)
static const long clocks[] = {0, 1, 2, 3, 4, 5, 6, 7, 11};
typedef struct timespec ts;
static long long ns(ts t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }
static long long now(long c) { ts t = {0, 0}; CALL(clock_gettime, c, &t); return ns(t); }
static volatile sig_atomic_t hits, value, overruns, code;
static void note(int s, siginfo_t *i, void *c) { (void)s; (void)c; hits++; code = i->si_code; value = i->si_value.sival_int; overruns = i->si_overrun; }
static void catch(int s, int flags) { struct sigaction a; memset(&a, 0, sizeof a); a.sa_sigaction = note; a.sa_flags = SA_SIGINFO | flags; sigaction(s, &a, 0); }
static void burn(long long n) { long long end = now(2) + n; while (now(2) < end); }

/* Time on the processor that costs little to emulate: a cycle a byte. */
static char room[1 << 16];
static void spend(void) {
  void *to = room;
  size_t n = sizeof room;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0) : "memory");
}

static void reading(void) {
  puts("-- clocks");
  ts t, u;
  for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; i++) {
    long c = clocks[i];
    long long a = now(c), b = now(c);
    errno = 0;
    long r = CALL(clock_getres, c, &t);
    printf("%ld: rises %d, resolution %ld %ld\n", c, b >= a && a >= 0, r, t.tv_nsec);
  }
  SHOW(CALL(clock_gettime, 10, &t));
  SHOW(CALL(clock_gettime, 99, &t));
  SHOW(CALL(clock_gettime, -1000000, &t));
  SHOW(CALL(clock_gettime, 1, 8));
  SHOW(CALL(clock_getres, 1, 0));
  SHOW(CALL(clock_getres, 10, 0));
  SHOW(CALL(clock_getres, ~999999 << 3 | 2, &t));
  long long wall = now(0);
  struct timeval v;
  struct timezone z = {-1, -1};
  gettimeofday(&v, 0);
  SHOW(CALL(gettimeofday, &v, &z));
  printf("zone %d %d\n", z.tz_minuteswest, z.tz_dsttime);
  printf("gettimeofday agrees %d\n", v.tv_sec * 1000000000LL + v.tv_usec * 1000LL >= wall - 1000);
  time_t s = CALL(time, &t.tv_sec);
  printf("time %d %d\n", s == t.tv_sec, s >= wall / 1000000000 - 1);
  SHOW(CALL(gettimeofday, 8, 0));
  SHOW(CALL(time, 8));
  printf("coarse %d\n", now(6) <= now(1) && now(5) <= now(0) && now(1) - now(6) < 20000000);
  printf("tai %d\n", now(11) >= wall);
  clockid_t own;
  clock_getcpuclockid(0, &own);
  CALL(clock_gettime, own, &t);
  CALL(clock_gettime, 2, &u);
  printf("own cpu clock %d\n", ns(u) >= ns(t));
  CALL(clock_gettime, (~getpid() << 3) | 2, &t);
  printf("by pid %d\n", ns(t) >= ns(u));
  SHOW(CALL(clock_gettime, (~999999 << 3) | 2, &t));
  SHOW(CALL(clock_gettime, (~getpid() << 3) | 6, &t));
  SHOW(CALL(clock_gettime, (~getpid() << 3) | 3, &t));
  struct tms m;
  printf("times %d\n", times(&m) >= 0 && m.tms_utime >= 0 && m.tms_cutime == 0);
  SHOW(CALL(times, 8));
  puts("-- setting");
  ts bad = {0, 1000000000}, neg = {-1, 0}, one = {1, 0};
  SHOW(CALL(clock_settime, 0, &bad));
  SHOW(CALL(clock_settime, 0, &neg));
  SHOW(CALL(clock_settime, 1, &one));
  SHOW(CALL(clock_settime, 2, &one));
  SHOW(CALL(clock_settime, 99, &one));
  SHOW(CALL(clock_settime, 0, 8));
  struct timeval badv = {0, 1000000};
  SHOW(CALL(settimeofday, &badv, 0));
  struct timex x;
  memset(&x, 0, sizeof x);
  printf("adjtimex %d\n", adjtimex(&x) >= 0 && x.tolerance == 32768000 && x.tick == 10000 && x.precision == 1);
  SHOW(CALL(adjtimex, 8));
  SHOW(CALL(clock_adjtime, 99, &x));
}

static void sleeping(void) {
  puts("-- sleeping");
  ts t = {0, 2000000}, r = {7, 7}, bad = {0, -1}, bad2 = {-1, 0}, zero = {0, 0};
  long long a = now(1);
  SHOW(CALL(nanosleep, &t, &r));
  printf("slept %d, remaining untouched %d\n", now(1) - a >= 2000000, r.tv_sec == 7);
  SHOW(CALL(nanosleep, &bad, 0));
  SHOW(CALL(nanosleep, &bad2, 0));
  SHOW(CALL(nanosleep, 8, 0));
  SHOW(CALL(nanosleep, &zero, 0));
  SHOW(CALL(clock_nanosleep, 1, 0, &t, 0));
  SHOW(CALL(clock_nanosleep, 7, 0, &t, 0));
  SHOW(CALL(clock_nanosleep, 11, 0, &t, 0));
  SHOW(CALL(clock_nanosleep, 3, 0, &t, 0));
  SHOW(CALL(clock_nanosleep, 4, 0, &t, 0));
  SHOW(CALL(clock_nanosleep, 6, 0, &t, 0));
  SHOW(CALL(clock_nanosleep, 10, 0, &t, 0));
  SHOW(CALL(clock_nanosleep, 99, 0, &t, 0));
  SHOW(CALL(clock_nanosleep, 1, 0, &bad, 0));
  SHOW(CALL(clock_nanosleep, 1, 0, 8, 0));
  long long until = now(1) + 3000000;
  ts abs = {until / 1000000000, until % 1000000000};
  SHOW(CALL(clock_nanosleep, 1, 1, &abs, 0));
  printf("until %d\n", now(1) >= until);
  SHOW(CALL(clock_nanosleep, 1, 1, &abs, 0));
  until = now(0) + 3000000;
  ts real = {until / 1000000000, until % 1000000000};
  SHOW(CALL(clock_nanosleep, 0, 1, &real, 0));
  printf("until %d\n", now(0) >= until);
  catch(SIGALRM, 0);
  struct itimerval i = {{0, 0}, {0, 3000}};
  ts ten = {10, 0};
  setitimer(ITIMER_REAL, &i, 0);
  SHOW(CALL(nanosleep, &ten, &r));
  printf("left %d\n", r.tv_sec == 9 && r.tv_nsec > 0);
  setitimer(ITIMER_REAL, &i, 0);
  r.tv_sec = 7;
  until = now(1) + 10000000000LL;
  ts later = {until / 1000000000, until % 1000000000};
  SHOW(CALL(clock_nanosleep, 1, 1, &later, &r));
  printf("absolute leaves %ld\n", r.tv_sec);
  catch(SIGALRM, SA_RESTART);
  setitimer(ITIMER_REAL, &i, 0);
  SHOW(CALL(nanosleep, &ten, &r));
  signal(SIGALRM, SIG_IGN);
  setitimer(ITIMER_REAL, &i, 0);
  a = now(1);
  ts five = {0, 8000000};
  SHOW(CALL(nanosleep, &five, &r));
  printf("ignored %d\n", now(1) - a >= 8000000);
  /* A stop and SIGCONT without a handler go through the restart block: the sleep takes as long as it was to take. */
  fflush(stdout);
  pid_t c = fork();
  if (c == 0) {
    ts t20 = {0, 20000000};
    long long b = now(1);
    long res = CALL(nanosleep, &t20, &r);
    printf("stopped and continued: %ld %d\n", res, now(1) - b >= 20000000 && now(1) - b < 15000000000LL);
    fflush(stdout);
    _exit(0);
  }
  ts t5 = {0, 5000000};
  nanosleep(&t5, 0);
  kill(c, SIGSTOP);
  waitpid(c, 0, WUNTRACED);
  kill(c, SIGCONT);
  waitpid(c, 0, 0);
}

static void interval(void) {
  puts("-- interval timers");
  struct itimerval i = {{0, 0}, {5, 0}}, o;
  struct itimerval bad = {{0, 0}, {0, 1000000}};
  SHOW(setitimer(ITIMER_REAL, &i, &o));
  printf("old %ld %ld\n", (long)o.it_value.tv_sec, (long)o.it_value.tv_usec);
  SHOW(getitimer(ITIMER_REAL, &o));
  printf("left %d\n", o.it_value.tv_sec == 4 || (o.it_value.tv_sec == 5 && o.it_value.tv_usec == 0));
  SHOW(CALL(setitimer, 3, &i, 0));
  SHOW(CALL(setitimer, 0, &bad, 0));
  SHOW(CALL(getitimer, 3, &o));
  SHOW(CALL(getitimer, 0, 8));
  SHOW(CALL(setitimer, 0, 8, 0));
  SHOW(alarm(3));
  SHOW(alarm(0));
  SHOW(alarm(0));
  SHOW(getitimer(ITIMER_REAL, &o));
  printf("off %ld %ld\n", (long)o.it_value.tv_sec, (long)o.it_value.tv_usec);
  catch(SIGALRM, 0);
  hits = 0;
  struct itimerval p = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_REAL, &p, 0);
  while (hits < 3) pause();
  p.it_value.tv_usec = 0;
  setitimer(ITIMER_REAL, &p, &o);
  printf("three times, interval %ld, code %d\n", (long)o.it_interval.tv_usec, code);
  catch(SIGVTALRM, 0); catch(SIGPROF, 0);
  hits = 0;
  struct itimerval v = {{0, 0}, {0, 2000}};
  long long a = now(2);
  setitimer(ITIMER_VIRTUAL, &v, 0);
  while (!hits) now(1);
  printf("virtual %d\n", now(2) - a >= 1000000);
  hits = 0;
  a = now(2);
  setitimer(ITIMER_PROF, &v, 0);
  while (!hits) now(1);
  printf("prof %d\n", now(2) - a >= 1000000);
  SHOW(getitimer(ITIMER_PROF, &o));
  printf("off %ld\n", (long)o.it_value.tv_usec);
  IN_CHILD("not inherited", struct itimerval q; setitimer(ITIMER_REAL, &i, 0); if (fork() == 0) { getitimer(ITIMER_REAL, &q); printf("%ld\n", (long)q.it_value.tv_sec); } else wait(0));
  IN_CHILD("cpu limit", struct rlimit l = {1, 2}; signal(SIGXCPU, SIG_DFL); setrlimit(RLIMIT_CPU, &l); for (;;) spend());
}

static void posix(void) {
  puts("-- POSIX timers");
  int id = -1, id2 = -1;
  struct sigevent e;
  memset(&e, 0, sizeof e);
  SHOW(CALL(timer_create, 1, 0, &id));
  printf("first %d\n", id);
  SHOW(CALL(timer_create, 99, 0, &id2));
  SHOW(CALL(timer_create, 4, 0, &id2));
  SHOW(CALL(timer_create, 6, 0, &id2));
  SHOW(CALL(timer_create, 1, 8, &id2));
  SHOW(CALL(timer_create, 1, 0, 8));
  e.sigev_notify = 7;
  SHOW(CALL(timer_create, 1, &e, &id2));
  e.sigev_notify = SIGEV_SIGNAL;
  SHOW(CALL(timer_create, 1, &e, &id2));
  e.sigev_signo = 65;
  SHOW(CALL(timer_create, 1, &e, &id2));
  e.sigev_notify = 4;
  e.sigev_signo = SIGUSR1;
  SHOW(CALL(timer_create, 1, &e, &id2));
  struct itimerspec s = {{0, 0}, {0, 2000000}}, o, bad = {{0, 0}, {0, 1000000000}};
  SHOW(CALL(timer_settime, 77, 0, &s, 0));
  SHOW(CALL(timer_settime, id, 0, 0, 0));
  SHOW(CALL(timer_settime, id, 0, &bad, 0));
  SHOW(CALL(timer_settime, id, 0, 8, 0));
  SHOW(CALL(timer_gettime, 77, &o));
  SHOW(CALL(timer_getoverrun, 77));
  SHOW(CALL(timer_delete, 77));
  catch(SIGALRM, 0);
  hits = 0;
  CALL(timer_settime, id, 0, &s, 0);
  CALL(timer_gettime, id, &o);
  printf("armed %d\n", o.it_value.tv_sec == 0 && o.it_value.tv_nsec > 0 && o.it_value.tv_nsec <= 2000000);
  while (!hits) pause();
  printf("fired: code %d value %d overruns %d\n", code, value - id, overruns);
  CALL(timer_gettime, id, &o);
  printf("off %ld\n", o.it_value.tv_nsec);
  memset(&e, 0, sizeof e);
  e.sigev_signo = SIGRTMIN + 1;
  e.sigev_value.sival_int = 42;
  SHOW(CALL(timer_create, 0, &e, &id2));
  catch(SIGRTMIN + 1, 0);
  sigset_t m;
  sigemptyset(&m);
  sigaddset(&m, SIGRTMIN + 1);
  sigprocmask(SIG_BLOCK, &m, 0);
  struct itimerspec p = {{0, 1000000}, {0, 1000000}};
  hits = 0;
  CALL(timer_settime, id2, 0, &p, 0);
  ts ten = {0, 10500000};
  nanosleep(&ten, 0);
  p.it_interval.tv_nsec = 0;
  sigprocmask(SIG_UNBLOCK, &m, 0);
  printf("periodic: %d value %d overruns %d\n", hits >= 1, value, overruns >= 0 && CALL(timer_getoverrun, id2) >= 8);
  CALL(timer_delete, id2);
  SHOW(CALL(timer_gettime, id2, &o));
  e.sigev_notify = SIGEV_NONE;
  SHOW(CALL(timer_create, 1, &e, &id2));
  struct itimerspec n = {{0, 0}, {0, 1000}};
  CALL(timer_settime, id2, 0, &n, 0);
  ts one = {0, 1000000};
  nanosleep(&one, 0);
  CALL(timer_gettime, id2, &o);
  printf("none: %ld\n", o.it_value.tv_nsec);
  CALL(timer_delete, id2);
  e.sigev_notify = SIGEV_SIGNAL;
  e.sigev_signo = SIGUSR2;
  catch(SIGUSR2, 0);
  SHOW(CALL(timer_create, 2, &e, &id2));
  struct itimerspec c = {{0, 0}, {0, 3000000}};
  hits = 0;
  long long a = now(2);
  CALL(timer_settime, id2, 0, &c, 0);
  while (!hits) now(1);
  printf("cpu: %d\n", now(2) - a >= 1500000);
  CALL(timer_delete, id2);
  long long until = now(1) + 2000000;
  struct itimerspec b = {{0, 0}, {until / 1000000000, until % 1000000000}};
  hits = 0;
  CALL(timer_create, 1, &e, &id2);
  CALL(timer_settime, id2, 1, &b, 0);
  while (!hits) pause();
  printf("absolute: %d\n", now(1) >= until);
  IN_CHILD("not inherited", SHOW(CALL(timer_gettime, id, &o)));
}

int main(void) {
  reading();
  sleeping();
  interval();
  posix();
  burn(1000);
  return 0;
}
