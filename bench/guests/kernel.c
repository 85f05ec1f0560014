/*
 * What operations of the kernel cost, and how that grows with how much of something there is.
 *
 *   kernel list                 names of what can be measured: "once NAME", and "growth NAME" where it depends on a number
 *   kernel NAME N …             for each N: "N WHAT OPERATIONS NANOSECONDS" for each round, the first rounds being for warming up
 *
 * Before the time that counts a line "begin" is written, and the line with the result after it, so that who sees the output
 * can use a clock of its own: that of a virtual world says nothing of what it costs. Natively it is processor time, unless other
 * processes have a part in it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define ROUNDS 4
/* Operations in a round, so that it can be measured. */
#define LEAST 10000

static char *self;
static long n;
static struct timespec began, began_used;
/* Other processes do part of the work: then only the clock on the wall tells how long it takes. */
static int has_others;

static void fail(const char *what) {
  fprintf(stderr, "%s, n = %ld: %s\n", what, n, strerror(errno));
  kill(0, SIGKILL);
  _exit(1);
}
#define MUST(call) ({ long must = (long)(call); if (must < 0) fail(#call); must; })

static void say(const char *format, ...) {
  char line[200];
  va_list list;
  va_start(list, format);
  int length = vsnprintf(line, sizeof line, format, list);
  va_end(list);
  MUST(write(1, line, length));
}
static void begin(void) {
  say("begin\n");
  clock_gettime(CLOCK_MONOTONIC, &began);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began_used);
}
static long since(const struct timespec *then, clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (now.tv_sec - then->tv_sec) * 1000000000 + now.tv_nsec - then->tv_nsec;
}
static void end(const char *what, long operations) {
  long nanoseconds = has_others ? since(&began, CLOCK_MONOTONIC) : since(&began_used, CLOCK_PROCESS_CPUTIME_ID);
  say("%ld %s %ld %ld\n", n, what, operations, nanoseconds);
}
/* Repeats an operation `count` times, in rounds. */
#define MEASURE_PARTS(what, count, parts, operation) \
  for (int round = 0; round < ROUNDS; round++) { \
    begin(); \
    for (long i = 0; i < (count); i++) { operation; } \
    end(what, (count) * (parts)); \
  }
#define MEASURE(what, count, operation) MEASURE_PARTS(what, count, 1, operation)

static unsigned long draw(void) {
  static unsigned long x = 88172645463325252;
  x ^= x << 13, x ^= x >> 7, x ^= x << 17;
  return x;
}
static int rounds(void) { return n < LEAST ? ROUNDS : 2; }
/* How often something with n parts is done in a round. */
static long times(void) { return n < LEAST ? LEAST / n : 1; }

static void scratch(void) {
  static char path[PATH_MAX];
  sprintf(path, "/dev/shm/kernel-%d", getpid());
  MUST(mkdir(path, 0700));
  MUST(chdir(path));
}
static void clean(void) {
  char path[PATH_MAX];
  if (getcwd(path, sizeof path) == NULL) fail("getcwd");
  MUST(chdir("/"));
  MUST(rmdir(path));
}
static char *name(long i) {
  static char text[40];
  sprintf(text, "file-%06ld", i);
  return text;
}
static int make(const char *path) { return MUST(open(path, O_RDWR | O_CREAT, 0600)); }

/* ——— One operation ——— */

static void on_signal(int signal) { (void)signal; }
static void *nothing(void *argument) { return argument; }

static void getpid_(void) { MEASURE("getpid", 1000000, syscall(SYS_getpid)) }
static void clock_vdso(void) { struct timespec t; MEASURE("clock_gettime-vdso", 300000, clock_gettime(CLOCK_MONOTONIC, &t)) }
static void clock_syscall(void) { struct timespec t; MEASURE("clock_gettime-syscall", 300000, syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t)) }
static void pipe_byte(void) {
  int ends[2];
  char byte = 0;
  MUST(pipe(ends));
  MEASURE("pipe-write-read-1", 300000, MUST(write(ends[1], &byte, 1)); MUST(read(ends[0], &byte, 1)))
}
static void file_byte(void) {
  scratch();
  int file = make("file");
  char byte = 0;
  MEASURE("file-pwrite-pread-1", 300000, MUST(pwrite(file, &byte, 1, 0)); MUST(pread(file, &byte, 1, 0)))
  unlink("file");
  clean();
}
static void open_close(void) {
  scratch();
  close(make("file"));
  MEASURE("open-close", 100000, close(MUST(open("file", O_RDONLY))))
  struct stat status;
  MEASURE("stat", 100000, MUST(stat("file", &status)))
  unlink("file");
  clean();
}
static void map_unmap(void) { MEASURE("mmap-munmap", 100000, munmap(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE)) }
static void page_fault(void) {
  long pages = 4096;
  char *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int round = 0; round < ROUNDS; round++) {
    begin();
    for (long i = 0; i < pages; i++) memory[i * PAGE] = 1;
    end("page-fault", pages);
    madvise(memory, pages * PAGE, MADV_DONTNEED);
  }
}
static void signal_self(void) {
  signal(SIGUSR1, on_signal);
  MEASURE("signal-to-itself", 100000, raise(SIGUSR1))
}
static void fork_wait(void) {
  has_others = 1;
  MEASURE("fork-exit-wait", 2000, pid_t child = fork(); if (child == 0) _exit(0); MUST(waitpid(child, NULL, 0)))
}
static void exec_wait(void) {
  has_others = 1;
  MEASURE("fork-exec-wait", 500, pid_t child = fork(); if (child == 0) { execl(self, self, "nothing", NULL); _exit(1); } MUST(waitpid(child, NULL, 0)))
}
static void thread_join(void) {
  pthread_t thread;
  MEASURE("thread-create-join", 5000, if (pthread_create(&thread, NULL, nothing, NULL)) fail("pthread_create"); pthread_join(thread, NULL))
}

/* A child that sends back what it gets. */
static int to[2], from[2];
static pid_t echo(void) {
  has_others++;
  MUST(pipe(to));
  MUST(pipe(from));
  pid_t child = MUST(fork());
  if (child == 0) {
    char byte;
    close(to[1]);
    close(from[0]);
    while (read(to[0], &byte, 1) == 1) MUST(write(from[1], &byte, 1));
    _exit(0);
  }
  close(to[0]);
  close(from[1]);
  return child;
}
static void round_trip(void) {
  char byte = 0;
  MUST(write(to[1], &byte, 1));
  MUST(read(from[0], &byte, 1));
}
static void end_echo(pid_t child) {
  has_others--;
  close(to[1]);
  close(from[0]);
  MUST(waitpid(child, NULL, 0));
}
static void switch_pipe(void) {
  pid_t child = echo();
  MEASURE("switch-by-pipe", 20000, round_trip())
  end_echo(child);
}

/* ——— Growth ——— */

static void files(void) {
  scratch();
  struct stat status;
  char other[40];
  char buffer[32768];
  for (int round = 0; round < rounds(); round++) {
    for (int part = 0; part < 4; part++) {
      if (part > 0) for (long i = 0; part == 1 && i < n; i++) close(make(name(i)));
      begin();
      for (long t = 0; t < times(); t++) {
        if (part == 0) {
          for (long i = 0; i < n; i++) close(make(name(i)));
          for (long i = 0; i < n; i++) unlink(name(i));
        } else if (part == 1) {
          for (long i = 0; i < n; i++) MUST(stat(name(draw() % n), &status));
        } else if (part == 2) {
          int directory = MUST(open(".", O_RDONLY));
          while (MUST(syscall(SYS_getdents64, directory, buffer, sizeof buffer)) > 0);
          close(directory);
        } else {
          for (long i = 0; i < n; i++) {
            strcpy(other, name(i));
            MUST(rename(other, name(n + i)));
          }
          for (long i = 0; i < n; i++) {
            strcpy(other, name(n + i));
            MUST(rename(other, name(i)));
          }
        }
      }
      static const char *const parts[] = {"create-unlink", "stat", "getdents-entry", "rename"};
      end(parts[part], n * times() * (part == 3 ? 2 : 1));
    }
    for (long i = 0; i < n; i++) unlink(name(i));
  }
  clean();
}

static void depth(void) {
  scratch();
  struct stat status;
  /* A path of more levels would be too long for the call. */
  int levels = n > 1000 ? 1000 : n;
  int top = MUST(open(".", O_RDONLY)), at = MUST(dup(top));
  for (int i = 0; i < levels; i++) {
    MUST(mkdirat(at, "d", 0700));
    int next = MUST(openat(at, "d", O_RDONLY));
    close(at);
    at = next;
  }
  MUST(fchdir(at));
  char *up = malloc(levels * 3 + 2);
  *up = 0;
  for (int i = 0; i < levels; i++) memcpy(up + i * 3, "../", 4);
  MEASURE_PARTS("stat-of-dots-a-level", LEAST / levels + 1, levels, MUST(stat(up, &status)))
  MEASURE("open-at-bottom", LEAST, close(MUST(open(".", O_RDONLY))))
  MEASURE("create-at-bottom", LEAST / 4, close(make("f")); unlink("f"))
  char path[PATH_MAX];
  MEASURE_PARTS("getcwd-a-level", LEAST / levels + 1, levels, syscall(SYS_getcwd, path, sizeof path))
  while (levels-- > 0) {
    MUST(chdir(".."));
    MUST(rmdir("d"));
  }
  close(at);
  close(top);
  free(up);
  clean();
}

static void mounts(void) {
  if (n > 1000) return;
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return;
  scratch();
  struct stat status;
  for (long i = 0; i < n; i++) MUST(mkdir(name(i), 0700));
  for (int round = 0; round < ROUNDS; round++) {
    begin();
    for (long i = 0; i < n; i++) MUST(mount("/dev/shm", name(i), NULL, MS_BIND, NULL));
    end("mount", n);
    begin();
    for (long i = 0; i < LEAST; i++) MUST(stat(name(draw() % n), &status));
    end("stat-of-mounted", LEAST);
    begin();
    for (long i = 0; i < n; i++) MUST(umount(name(i)));
    end("umount", n);
  }
  for (long i = 0; i < n; i++) MUST(rmdir(name(i)));
  clean();
}

/* n children that wait for the pipe to end. */
static pid_t *children;
static int gate[2];
static void sleepers(void) {
  has_others = 1;
  children = malloc(n * sizeof *children);
  MUST(pipe(gate));
  for (long i = 0; i < n; i++) {
    children[i] = MUST(fork());
    if (children[i] == 0) {
      char byte;
      close(gate[1]);
      (void)!read(gate[0], &byte, 1);
      _exit(0);
    }
  }
}
static void end_sleepers(void) {
  close(gate[1]);
  close(gate[0]);
  for (long i = 0; i < n; i++) MUST(waitpid(children[i], NULL, 0));
  free(children);
}

static void processes(void) {
  sleepers();
  MEASURE("fork-exit-wait", 300, pid_t child = fork(); if (child == 0) _exit(0); MUST(waitpid(child, NULL, 0)))
  MEASURE("kill-0", LEAST, MUST(kill(children[draw() % n], 0)))
  MEASURE("wait-none", LEAST, MUST(waitpid(-1, NULL, WNOHANG)))
  for (long i = 0; i < n; i++) MUST(setpgid(children[i], children[0]));
  MEASURE("setpgid", LEAST, MUST(setpgid(children[draw() % n], children[0])))
  MEASURE_PARTS("kill-group-a-process", times(), n, MUST(kill(-children[0], 0)))
  MEASURE("getpriority-of-one", LEAST, getpriority(PRIO_PROCESS, children[draw() % n]))
  pid_t child = echo();
  MEASURE("switch-by-pipe", 5000, round_trip())
  end_echo(child);
  end_sleepers();
  for (int round = 0; round < rounds(); round++) {
    begin();
    for (long t = 0; t < (times() + 9) / 10; t++) {
      sleepers();
      end_sleepers();
    }
    end("start-and-end-of-all", n * ((times() + 9) / 10));
  }
}

/* All of them can run. */
static void runnable(void) {
  long yields = n < 10000 ? 20000 / n : 3;
  for (int round = 0; round < rounds(); round++) {
    sleepers();
    for (long i = 0; i < n; i++) kill(children[i], SIGKILL);
    for (long i = 0; i < n; i++) MUST(waitpid(children[i], NULL, 0));
    int start[2];
    MUST(pipe(start));
    for (long i = 0; i < n; i++) {
      children[i] = MUST(fork());
      if (children[i] == 0) {
        char byte;
        close(start[1]);
        (void)!read(start[0], &byte, 1);
        for (long y = 0; y < yields; y++) sched_yield();
        _exit(0);
      }
    }
    close(start[0]);
    begin();
    close(start[1]);
    for (long i = 0; i < n; i++) MUST(waitpid(children[i], NULL, 0));
    end("yield", n * yields);
    close(gate[0]);
    close(gate[1]);
    free(children);
  }
}

static pthread_barrier_t barrier;
static int word, words[20000];
static long futex(int *at, int operation, int value) { return syscall(SYS_futex, at, operation, value, NULL, NULL, 0); }
static int is_same;
static void *waiter(void *argument) {
  int *at = is_same ? &word : &words[(long)argument];
  while (__atomic_load_n(at, __ATOMIC_SEQ_CST) == 0) futex(at, FUTEX_WAIT_PRIVATE, 0);
  return NULL;
}
static void start_threads(pthread_t *threads, void *(*function)(void *)) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN + PAGE);
  for (long i = 0; i < n; i++) if ((errno = pthread_create(&threads[i], &attributes, function, (void *)i)) != 0) fail("pthread_create");
}
static void threads(void) {
  pthread_t *all = malloc(n * sizeof *all);
  for (is_same = 0; is_same < 2; is_same++) {
    for (int round = 0; round < rounds(); round++) {
      word = 0;
      memset(words, 0, sizeof words);
      begin();
      start_threads(all, waiter);
      end("thread-create", n);
      usleep(1000);
      if (!is_same && round == 0) {
        pthread_t one;
        MEASURE("thread-create-join-beside", 500, if (pthread_create(&one, NULL, nothing, NULL)) fail("pthread_create"); pthread_join(one, NULL))
        MEASURE("futex-wake-none", LEAST, futex(&words[n + draw() % n], FUTEX_WAKE_PRIVATE, 1))
        pid_t child = echo();
        MEASURE("switch-by-pipe", 5000, round_trip())
        end_echo(child);
        MEASURE("tgkill-0", LEAST, MUST(syscall(SYS_tgkill, getpid(), getpid(), 0)))
      }
      begin();
      if (is_same) {
        word = 1;
        for (long i = 0; i < n; i++) futex(&word, FUTEX_WAKE_PRIVATE, 1);
      } else {
        for (long i = 0; i < n; i++) words[i] = 1;
        for (long i = 0; i < n; i++) futex(&words[i], FUTEX_WAKE_PRIVATE, 1);
      }
      for (long i = 0; i < n; i++) pthread_join(all[i], NULL);
      end(is_same ? "futex-wake-one-of-all-and-join" : "futex-wake-and-join", n);
    }
  }
  free(all);
}

static int *fds;
static void open_all(void) {
  fds = malloc(n * sizeof *fds);
  for (long i = 0; i < n; i++) fds[i] = MUST(eventfd(0, EFD_NONBLOCK));
}
static void descriptors(void) {
  struct epoll_event event = {.events = EPOLLIN}, events[16];
  for (int round = 0; round < rounds(); round++) {
    begin();
    for (long t = 0; t < times(); t++) {
      open_all();
      for (long i = 0; i < n; i++) close(fds[i]);
      free(fds);
    }
    end("open-close-all", n * times());
  }
  open_all();
  MEASURE("dup-close", LEAST, close(MUST(dup(0))))
  MEASURE("dup-close-lowest", LEAST, int middle = fds[draw() % n]; close(middle); MUST(dup2(0, middle)))
  for (long i = 0; i < n; i++) {
    close(fds[i]);
    fds[i] = MUST(eventfd(0, EFD_NONBLOCK));
  }
  struct pollfd *polled = malloc(n * sizeof *polled);
  for (long i = 0; i < n; i++) polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
  MEASURE_PARTS("poll-a-descriptor", times(), n, MUST(poll(polled, n, 0)))
  MEASURE_PARTS("poll-that-waits-a-descriptor", times(), n, MUST(poll(polled, n, 1)))
  for (int round = 0; round < rounds(); round++) {
    int epoll = MUST(epoll_create1(0));
    begin();
    for (long i = 0; i < n; i++) {
      event.data.fd = fds[i];
      MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event));
    }
    end("epoll-add", n);
    long one = 1;
    begin();
    for (long i = 0; i < LEAST; i++) {
      int fd = fds[draw() % n];
      MUST(write(fd, &one, sizeof one));
      if (epoll_wait(epoll, events, 16, -1) != 1) fail("epoll_wait");
      MUST(read(events[0].data.fd, &one, sizeof one));
    }
    end("epoll-wait-one-ready", LEAST);
    begin();
    for (long i = 0; i < LEAST; i++) MUST(epoll_wait(epoll, events, 16, 0));
    end("epoll-wait-none", LEAST);
    for (long i = 0; i < n; i++) MUST(write(fds[i], &one, sizeof one));
    begin();
    for (long i = 0; i < LEAST; i++) if (epoll_wait(epoll, events, 16, -1) < 1) fail("epoll_wait");
    end("epoll-wait-all-ready", LEAST);
    for (long i = 0; i < n; i++) MUST(read(fds[i], &one, sizeof one));
    begin();
    for (long i = 0; i < n; i++) MUST(epoll_ctl(epoll, EPOLL_CTL_DEL, fds[i], NULL));
    end("epoll-delete", n);
    close(epoll);
  }
  has_others = 1;
  MEASURE_PARTS("fork-exit-wait-a-descriptor", (times() + 3) / 4, n, pid_t child = fork(); if (child == 0) _exit(0); MUST(waitpid(child, NULL, 0)))
  has_others = 0;
  free(polled);
  for (int round = 0; round < rounds(); round++) {
    begin();
    MUST(close_range(fds[0], fds[0] + n, 0));
    end("close-range", n);
    free(fds);
    open_all();
  }
  close_range(3, INT_MAX, 0);
  free(fds);
}

static void pipes(void) {
  int (*all)[2] = malloc(n * sizeof *all);
  for (int round = 0; round < rounds(); round++) {
    begin();
    for (long i = 0; i < n; i++) MUST(pipe(all[i]));
    end("pipe", n);
    char byte = 0;
    begin();
    for (long i = 0; i < LEAST; i++) {
      int *ends = all[draw() % n];
      MUST(write(ends[1], &byte, 1));
      MUST(read(ends[0], &byte, 1));
    }
    end("write-read", LEAST);
    begin();
    for (long i = 0; i < n; i++) {
      close(all[i][0]);
      close(all[i][1]);
    }
    end("close", n);
  }
  free(all);
}

static void timers(void) {
  timer_t *all = malloc(n * sizeof *all);
  signal(SIGALRM, on_signal);
  struct sigevent none = {.sigev_notify = SIGEV_NONE};
  struct itimerspec value = {.it_value = {1000, 0}};
  for (int round = 0; round < rounds(); round++) {
    begin();
    for (long i = 0; i < n; i++) MUST(timer_create(CLOCK_MONOTONIC, &none, &all[i]));
    end("timer-create", n);
    begin();
    for (long i = 0; i < LEAST; i++) {
      value.it_value.tv_sec = 1000 + draw() % 1000;
      MUST(timer_settime(all[draw() % n], 0, &value, NULL));
    }
    end("timer-settime", LEAST);
    begin();
    for (long i = 0; i < LEAST; i++) MUST(timer_gettime(all[draw() % n], &value));
    end("timer-gettime", LEAST);
    begin();
    for (long i = 0; i < n; i++) MUST(timer_delete(all[i]));
    end("timer-delete", n);
  }
  free(all);
  fds = malloc(n * sizeof *fds);
  struct epoll_event event = {.events = EPOLLIN}, events[64];
  for (int round = 0; round < rounds(); round++) {
    int epoll = MUST(epoll_create1(0));
    begin();
    for (long i = 0; i < n; i++) fds[i] = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    end("timerfd-create", n);
    for (long i = 0; i < n; i++) {
      event.data.fd = fds[i];
      MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event));
    }
    begin();
    for (long i = 0; i < LEAST; i++) {
      value.it_interval = (struct timespec){0, 0};
      value.it_value = (struct timespec){1000 + draw() % 1000, 0};
      MUST(timerfd_settime(fds[draw() % n], 0, &value, NULL));
    }
    end("timerfd-settime", LEAST);
    begin();
    for (long i = 0; i < n; i++) {
      value.it_value = (struct timespec){0, 1 + draw() % 1000};
      MUST(timerfd_settime(fds[i], 0, &value, NULL));
    }
    for (long left = n; left > 0;) {
      int count = MUST(epoll_wait(epoll, events, 64, -1));
      unsigned long expirations;
      for (int i = 0; i < count; i++) if (read(events[i].data.fd, &expirations, 8) == 8) left--;
    }
    end("timerfd-expire-read", n);
    begin();
    for (long i = 0; i < n; i++) close(fds[i]);
    end("timerfd-close", n);
    close(epoll);
  }
  free(fds);
}

static void *sleeps(void *argument) {
  struct timespec time = {0, 1000000 + draw() % 50000000};
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < 3; i++) nanosleep(&time, NULL);
  return argument;
}
static void sleeping(void) {
  pthread_t *all = malloc(n * sizeof *all);
  for (int round = 0; round < rounds(); round++) {
    pthread_barrier_init(&barrier, NULL, n + 1);
    start_threads(all, sleeps);
    begin();
    pthread_barrier_wait(&barrier);
    for (long i = 0; i < n; i++) pthread_join(all[i], NULL);
    end("sleep", n * 3);
  }
  free(all);
}

static void connections(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int one = 1, epoll;
  struct epoll_event event = {.events = EPOLLIN}, events[16];
  int *clients = malloc(n * sizeof *clients), *servers = malloc(n * sizeof *servers);
  int listener = MUST(socket(AF_INET, SOCK_STREAM, 0));
  MUST(bind(listener, (void *)&address, sizeof address));
  MUST(listen(listener, 100));
  MUST(getsockname(listener, (void *)&address, &length));
  for (int round = 0; round < (n < 10000 ? 3 : 1); round++) {
    begin();
    for (long i = 0; i < n; i++) {
      clients[i] = MUST(socket(AF_INET, SOCK_STREAM, 0));
      setsockopt(clients[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      MUST(connect(clients[i], (void *)&address, sizeof address));
      servers[i] = MUST(accept(listener, NULL, NULL));
    }
    end("connect-accept", n);
    epoll = MUST(epoll_create1(0));
    for (long i = 0; i < n; i++) {
      event.data.fd = servers[i];
      MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, servers[i], &event));
    }
    char byte = 0;
    for (int again = 0; again < 3; again++) {
      begin();
      for (long i = 0; i < LEAST; i++) {
        int client = clients[draw() % n];
        MUST(send(client, &byte, 1, 0));
        if (epoll_wait(epoll, events, 16, -1) != 1) fail("epoll_wait");
        MUST(recv(events[0].data.fd, &byte, 1, 0));
        MUST(send(events[0].data.fd, &byte, 1, 0));
        MUST(recv(client, &byte, 1, 0));
      }
      end("request", LEAST);
    }
    int other = MUST(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    MUST(bind(other, (void *)&any, sizeof any));
    close(other);
    begin();
    for (long i = 0; i < n; i++) {
      close(clients[i]);
      close(servers[i]);
    }
    end("close", n);
    close(epoll);
  }
  close(listener);
  for (int round = 0; round < rounds(); round++) {
    begin();
    for (long i = 0; i < n; i++) {
      clients[i] = MUST(socket(AF_INET, SOCK_DGRAM, 0));
      address.sin_port = 0;
      MUST(bind(clients[i], (void *)&address, sizeof address));
    }
    end("udp-bind-any-port", n);
    begin();
    char byte = 0;
    for (long i = 0; i < LEAST; i++) {
      int a = clients[draw() % n], b = clients[draw() % n];
      length = sizeof address;
      MUST(getsockname(b, (void *)&address, &length));
      MUST(sendto(a, &byte, 1, 0, (void *)&address, sizeof address));
      MUST(recv(b, &byte, 1, 0));
    }
    end("udp-send-receive", LEAST);
    begin();
    for (long i = 0; i < n; i++) close(clients[i]);
    end("udp-close", n);
  }
  for (int round = 0; round < rounds(); round++) {
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    begin();
    for (long i = 0; i < n; i++) {
      clients[i] = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
      sprintf(local.sun_path + 1, "kernel-%d-%06ld", getpid(), i);
      MUST(bind(clients[i], (void *)&local, sizeof local));
    }
    end("unix-bind", n);
    char byte = 0;
    begin();
    for (long i = 0; i < LEAST; i++) {
      long b = draw() % n;
      sprintf(local.sun_path + 1, "kernel-%d-%06ld", getpid(), b);
      MUST(sendto(clients[draw() % n], &byte, 1, 0, (void *)&local, sizeof local));
      MUST(recv(clients[b], &byte, 1, 0));
    }
    end("unix-send-receive", LEAST);
    begin();
    for (long i = 0; i < n; i++) close(clients[i]);
    end("unix-close", n);
  }
  free(clients);
  free(servers);
}

static void mappings(void) {
  char **all = malloc(n * sizeof *all);
  /* Neighbours differ, so that they stay areas of their own. */
  for (int round = 0; round < rounds(); round++) {
    begin();
    for (long i = 0; i < n; i++) {
      all[i] = mmap(NULL, PAGE, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (all[i] == MAP_FAILED) fail("mmap");
    }
    end("mmap", n);
    begin();
    for (long i = 0; i < n; i++) (void)*(volatile char *)all[i];
    end("fault", n);
    begin();
    for (long i = 0; i < LEAST; i++) munmap(mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE);
    end("mmap-munmap-one", LEAST);
    begin();
    for (long i = 0; i < LEAST; i++) {
      long which = draw() % n;
      MUST(mprotect(all[which], PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
      MUST(mprotect(all[which], PAGE, which % 2 ? PROT_READ : PROT_READ | PROT_WRITE));
    }
    end("mprotect", LEAST * 2);
    has_others = 1;
    begin();
    for (long i = 0; i < (times() + 3) / 4; i++) {
      pid_t child = MUST(fork());
      if (child == 0) _exit(0);
      MUST(waitpid(child, NULL, 0));
    }
    end("fork-exit-wait-a-mapping", n * ((times() + 3) / 4));
    has_others = 0;
    begin();
    for (long i = 0; i < n; i++) munmap(all[i], PAGE);
    end("munmap", n);
  }
  free(all);
  for (int round = 0; round < rounds(); round++) {
    begin();
    char *memory = mmap(NULL, n * 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (long i = 0; i < n * 16; i += 16) memory[i * PAGE] = 1;
    munmap(memory, n * 16 * PAGE);
    end("map-touch-unmap-a-page", n);
  }
}

static void watches(void) {
  scratch();
  char buffer[65536];
  int *all = malloc(n * sizeof *all);
  for (long i = 0; i < n; i++) MUST(mkdir(name(i), 0700));
  for (int round = 0; round < rounds(); round++) {
    int inotify = MUST(inotify_init1(IN_NONBLOCK));
    begin();
    for (long i = 0; i < n; i++) all[i] = MUST(inotify_add_watch(inotify, name(i), IN_CREATE | IN_DELETE));
    end("inotify-add", n);
    begin();
    for (long i = 0; i < LEAST / 4; i++) {
      char path[80];
      sprintf(path, "%s/f", name(draw() % n));
      close(make(path));
      unlink(path);
      MUST(read(inotify, buffer, sizeof buffer));
    }
    end("create-unlink-read-events", LEAST / 4);
    begin();
    for (long i = 0; i < n; i++) MUST(inotify_rm_watch(inotify, all[i]));
    end("inotify-remove", n);
    close(inotify);
  }
  for (long i = 0; i < n; i++) MUST(rmdir(name(i)));
  free(all);
  clean();
}

static void signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &set, NULL);
  union sigval value = {0};
  for (int round = 0; round < rounds(); round++) {
    begin();
    for (long i = 0; i < n; i++) MUST(sigqueue(getpid(), SIGRTMIN, value));
    end("sigqueue", n);
    siginfo_t info;
    begin();
    for (long i = 0; i < n; i++) MUST(sigwaitinfo(&set, &info));
    end("sigwaitinfo", n);
  }
}

static void messages(void) {
  int queue = MUST(msgget(IPC_PRIVATE, 0600)), most = n > 4000 ? 4000 : n;
  struct msqid_ds state;
  msgctl(queue, IPC_STAT, &state);
  state.msg_qbytes = 1 << 20;
  msgctl(queue, IPC_SET, &state);
  struct { long type; char text[1]; } message = {1, ""};
  for (int round = 0; round < rounds(); round++) {
    begin();
    for (long i = 0; i < most; i++) MUST(msgsnd(queue, &message, 1, 0));
    end("msgsnd", most);
    begin();
    for (long i = 0; i < most; i++) MUST(msgrcv(queue, &message, 1, 0, 0));
    end("msgrcv", most);
  }
  msgctl(queue, IPC_RMID, NULL);
  int *all = malloc(n * sizeof *all);
  long segments = n > 4000 ? 4000 : n;
  for (int round = 0; round < rounds(); round++) {
    begin();
    for (long i = 0; i < segments; i++) all[i] = MUST(shmget(IPC_PRIVATE, PAGE, 0600));
    end("shmget", segments);
    begin();
    for (long i = 0; i < LEAST; i++) MUST(shmdt((void *)MUST(shmat(all[draw() % segments], NULL, 0))));
    end("shmat-shmdt", LEAST);
    begin();
    for (long i = 0; i < segments; i++) MUST(shmctl(all[i], IPC_RMID, NULL));
    end("shm-remove", segments);
  }
  free(all);
}

static void pipe_waiters(void) {
  /* All wait for one pipe: each byte wakes one of them. */
  sleepers();
  begin();
  char byte = 0;
  for (long i = 0; i < n; i++) {
    MUST(write(gate[1], &byte, 1));
    MUST(wait(NULL));
  }
  end("wake-one-of-all-and-reap", n);
  close(gate[0]);
  close(gate[1]);
  free(children);
}

static void blocks(void) {
  /* A sparse file: its table of pages. */
  scratch();
  int file = make("file");
  char byte = 1;
  for (int round = 0; round < rounds(); round++) {
    begin();
    for (long i = 0; i < n; i++) MUST(pwrite(file, &byte, 1, i * 4 * PAGE));
    end("write-pages-of-a-file", n);
    begin();
    for (long i = 0; i < LEAST; i++) MUST(pread(file, &byte, 1, draw() % n * 4 * PAGE));
    end("read-random-page", LEAST);
    begin();
    for (long i = 0; i < LEAST; i++) MUST(lseek(file, draw() % n * 4 * PAGE, SEEK_HOLE));
    end("seek-hole", LEAST);
    begin();
    MUST(ftruncate(file, 0));
    end("truncate-a-page", n);
  }
  struct flock lock = {.l_type = F_WRLCK, .l_len = 1};
  for (int round = 0; round < rounds(); round++) {
    begin();
    for (long i = 0; i < n; i++) {
      lock.l_type = F_WRLCK;
      lock.l_start = i * 2;
      MUST(fcntl(file, F_SETLK, &lock));
    }
    end("record-lock", n);
    lock.l_type = F_UNLCK;
    begin();
    for (long i = 0; i < n; i++) {
      lock.l_start = i * 2;
      MUST(fcntl(file, F_SETLK, &lock));
    }
    end("record-unlock", n);
  }
  close(file);
  unlink("file");
  clean();
}

typedef struct { const char *name; void (*function)(void); } Test;
static const Test ONCE[] = {
  {"getpid", getpid_}, {"clock-vdso", clock_vdso}, {"clock-syscall", clock_syscall}, {"pipe-byte", pipe_byte}, {"file-byte", file_byte}, {"open", open_close},
  {"mmap", map_unmap}, {"page-fault", page_fault}, {"signal", signal_self}, {"fork", fork_wait}, {"exec", exec_wait}, {"thread", thread_join}, {"switch", switch_pipe}, {NULL, NULL},
};
static const Test GROWTH[] = {
  {"files", files}, {"depth", depth}, {"mounts", mounts}, {"processes", processes}, {"runnable", runnable}, {"threads", threads}, {"descriptors", descriptors},
  {"pipes", pipes}, {"pipe-waiters", pipe_waiters}, {"timers", timers}, {"sleeping", sleeping}, {"connections", connections}, {"mappings", mappings}, {"watches", watches},
  {"signals", signals}, {"messages", messages}, {"blocks", blocks}, {NULL, NULL},
};

int main(int argc, char **argv) {
  self = argv[0];
  if (argc < 2) return 1;
  if (strcmp(argv[1], "nothing") == 0) return 0;
  struct rlimit limit = {25000, 25000};
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  for (const Test *t = ONCE; t->name != NULL; t++) {
    if (strcmp(argv[1], "list") == 0) say("once %s\n", t->name);
    if (strcmp(argv[1], t->name) == 0) t->function();
  }
  for (const Test *t = GROWTH; t->name != NULL; t++) {
    if (strcmp(argv[1], "list") == 0) say("growth %s\n", t->name);
    for (int i = 2; i < argc && strcmp(argv[1], t->name) == 0; i++) {
      n = atol(argv[i]);
      t->function();
    }
  }
  return 0;
}
