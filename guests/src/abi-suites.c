/* What test suites of others asked for that no other guest does, each in a part of its own. Run as root. */
#define _GNU_SOURCE
#include "abi-parts.h"
#include <grp.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <sys/xattr.h>
#include <time.h>

/* The only part to run; NULL: all. */
static const char *only;
static void in_child(const char *title, void (*part)(void)) {
  if (only != NULL && strcmp(only, title) != 0) return;
  printf("--- %s\n", title);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) { part(); fflush(stdout); _exit(0); }
  int status;
  waitpid(child, &status, 0);
  if (status != 0) printf("ended with %x\n", status);
}
static int put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0) return -1;
  int r = write(fd, text, strlen(text)), e = errno;
  close(fd);
  errno = e;
  return r;
}
static long number(const char *path) {
  char text[64] = "";
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -1;
  if (read(fd, text, 63) < 0) text[0] = 0;
  close(fd);
  return atol(text);
}
static char directory[] = "/tmp/abi-suites-XXXXXX";

/* Offsets of a time namespace: for children, for their vDSO and their system calls. */
static void time_namespace(void) {
  struct timespec outside, inside, call;
  struct sysinfo before, after;
  SAY(unshare(CLONE_NEWTIME));
  SAY(put("/proc/self/timens_offsets", "monotonic 1000 0\nboottime 5000 0\n") > 0);
  clock_gettime(CLOCK_MONOTONIC, &outside);
  sysinfo(&before);
  fflush(stdout);
  if (fork() == 0) {
    clock_gettime(CLOCK_MONOTONIC, &inside);
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &call);
    sysinfo(&after);
    printf("monotonic: %d, by call: %d\n", inside.tv_sec - outside.tv_sec >= 1000 && inside.tv_sec - outside.tv_sec < 1010,
      call.tv_sec - outside.tv_sec >= 1000 && call.tv_sec - outside.tv_sec < 1010);
    printf("uptime: %d\n", after.uptime - before.uptime >= 5000 && after.uptime - before.uptime < 5010);
    struct timespec until = { inside.tv_sec, inside.tv_nsec + 1000000 };
    if (until.tv_nsec >= 1000000000) { until.tv_nsec -= 1000000000; until.tv_sec++; }
    SAY(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL));
    int fd = timerfd_create(CLOCK_BOOTTIME, 0);
    clock_gettime(CLOCK_BOOTTIME, &inside);
    struct itimerspec at = { { 0, 0 }, { inside.tv_sec, inside.tv_nsec } };
    SAY(timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL));
    uint64_t ticks = 0;
    SAY(read(fd, &ticks, 8));
    clock_gettime(CLOCK_MONOTONIC, &inside);
    printf("soon after: %d\n", inside.tv_sec - outside.tv_sec < 1010);
    SAY(put("/proc/self/timens_offsets", "monotonic 1 0\n"));
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
}

/* Settings of a namespace for System V IPC. */
static void ipc_settings(void) {
  struct msginfo info;
  SAY(unshare(CLONE_NEWIPC));
  SAY(put("/proc/sys/kernel/msg_next_id", "50") > 0);
  SAY(msgget(IPC_PRIVATE, 0600));
  SAY(number("/proc/sys/kernel/msg_next_id"));
  SAY(put("/proc/sys/kernel/msgmni", "2") > 0);
  SAY(msgget(1234, 0600 | IPC_CREAT) >= 0);
  SAY(msgget(1235, 0600 | IPC_CREAT));
  SAY(msgctl(0, IPC_INFO, (struct msqid_ds *)&info) >= 0);
  printf("msgmni %d\n", info.msgmni);
  FILE *file = fopen("/proc/sysvipc/msg", "r");
  char line[200];
  int lines = 0;
  while (fgets(line, sizeof line, file)) if (lines++ > 0 && strstr(line, "1234")) printf("%.10s\n", line);
  printf("lines %d\n", lines);
}

static void sealed_memory(void) {
  int fd = syscall(SYS_memfd_create, "sealed", MFD_ALLOW_SEALING);
  SAY(ftruncate(fd, 8192));
  SAY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
  void *p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
  SAY(p == MAP_FAILED);
  SAY(mprotect(p, 8192, PROT_READ | PROT_WRITE));
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  SAY(open(path, O_RDWR | O_TRUNC));
  SAY(syscall(SYS_memfd_create, "flags", -500));
  SAY(syscall(SYS_memfd_create, "flags", 0x80000000u));
}

static void barriers(void) {
  SAY(syscall(SYS_membarrier, 8, 0));
  SAY(syscall(SYS_membarrier, 16, 0));
  SAY(syscall(SYS_membarrier, 8, 0));
  SAY(syscall(SYS_membarrier, 32, 0));
  SAY(syscall(SYS_membarrier, 2, 0));
}

static void symlinks_of_mounts(void) {
  struct statfs stat;
  SAY(unshare(CLONE_NEWNS));
  SAY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  SAY(mkdir("m", 0755));
  SAY(mount("none", "m", "tmpfs", 256, NULL));
  SAY(statfs("m", &stat));
  printf("nosymfollow %d\n", (stat.f_flags & 0x2000) != 0);
  SAY(close(open("m/file", O_CREAT | O_WRONLY, 0644)));
  SAY(symlink("file", "m/link"));
  SAY(open("m/link", O_RDONLY));
  SAY(readlink("m/link", (char[10]){0}, 10));
  SAY(open("m/file", O_RDONLY) >= 0);
  int fd = open("m/file", O_RDONLY);
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int link = open(path, O_PATH | O_NOFOLLOW);
  snprintf(path, sizeof path, "/proc/self/fd/%d", link);
  SAY(mount("m/file", path, "", MS_BIND, 0));
  SAY(umount2("m", MNT_DETACH));
  SAY(rmdir("m"));
}

/* mq_notify with SIGEV_THREAD, as libraries do it: a cookie through a netlink socket. */
static void queue_thread(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW, 0);
  char cookie[32] = "cookie", got[64];
  struct { void *value; int signal, notify; char rest[48]; } event = { cookie, fd, SIGEV_THREAD, {0} };
  mqd_t queue = mq_open("/abi-suites", O_RDWR | O_CREAT, 0600, NULL);
  mq_unlink("/abi-suites");
  SAY(syscall(SYS_mq_notify, queue, &event));
  SAY(syscall(SYS_mq_notify, queue, &event));
  SAY(syscall(SYS_mq_notify, queue, NULL));
  SAY(recv(fd, got, sizeof got, 0));
  printf("%s %d\n", got, got[31]);
  SAY(syscall(SYS_mq_notify, queue, &event));
  SAY(mq_send(queue, "x", 1, 0));
  SAY(recv(fd, got, sizeof got, 0));
  printf("%s %d\n", got, got[31]);
  event.signal = 99;
  SAY(syscall(SYS_mq_notify, queue, &event));
  event.signal = queue;
  SAY(syscall(SYS_mq_notify, queue, &event));
}

static void odds(void) {
  struct timeval tv = { 0, 10 };
  SAY(personality(0x4000000) >= 0);
  SAY(select(0, NULL, NULL, NULL, &tv));
  printf("sticky %ld\n", (long)tv.tv_usec);
  SAY(personality(0) >= 0);
  SAY(prctl(PR_SET_TIMERSLACK, 70000));
  fflush(stdout);
  if (fork() == 0) {
    SAY(prctl(PR_SET_TIMERSLACK, 0));
    SAY(prctl(PR_GET_TIMERSLACK));
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
  int from = open("from", O_RDWR | O_CREAT, 0600), to = open("to", O_RDWR | O_CREAT, 0600);
  SAY(write(from, "text", 4));
  off_t start = 0, end = 0x7fffffffffffffff;
  SAY(syscall(SYS_copy_file_range, from, &start, to, &end, 65537L, 0));
  SAY(syscall(SYS_copy_file_range, from, &start, to, &end, -1L, 0));
  /* A group that the maker is not in: the bit goes even where the umask takes the group's right to execute. */
  SAY(mkdir("sgid", 0777));
  SAY(chown("sgid", 0, 4321));
  SAY(chmod("sgid", 02777));
  fflush(stdout);
  if (fork() == 0) {
    struct stat stat;
    setgroups(0, NULL);
    setresgid(1000, 1000, 1000);
    setresuid(1000, 1000, 1000);
    umask(0010);
    SAY(close(open("sgid/file", O_CREAT | O_WRONLY, 02777)));
    SAY(lstat("sgid/file", &stat));
    printf("%o %d\n", stat.st_mode, stat.st_gid);
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
}

/* Tasks that compete for one CPU. */
static void priorities(void) {
  struct shared { volatile long counts[2]; volatile int stop; } *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  SAY(sched_setaffinity(0, sizeof one, &one));
  pid_t children[2];
  fflush(stdout);
  for (int i = 0; i < 2; i++) {
    if ((children[i] = fork()) != 0) continue;
    if (i == 1) nice(10);
    while (!shared->stop) shared->counts[i]++;
    _exit(0);
  }
  usleep(300000);
  shared->stop = 1;
  for (int i = 0; i < 2; i++) waitpid(children[i], NULL, 0);
  printf("nice 0 has more than 3 times what nice 10 has: %d\n", shared->counts[0] > 3 * shared->counts[1]);
  memset(shared, 0, sizeof *shared);
  struct { int priority; } high = { 50 }, none = { 0 };
  SAY(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO | 0x40000000, &high));
  fflush(stdout);
  if ((children[0] = fork()) == 0) {
    while (!shared->stop) shared->counts[0]++;
    _exit(0);
  }
  /* Kernels leave others a little time each second: some of many short spans are enough. */
  int alone = 0, yielding = 0;
  for (int span = 0; span < 40; span++) {
    long before = shared->counts[0];
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
      if (span >= 20) sched_yield();
      clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < 1000000);
    if (shared->counts[0] == before) { if (span < 20) alone++; else yielding++; }
  }
  printf("beside a real-time task: %s\n", alone > 5 ? "nothing" : "something");
  printf("beside one that yields: %s\n", yielding > 5 ? "nothing" : "something");
  usleep(20000);
  printf("while it sleeps: %d\n", shared->counts[0] != 0);
  shared->stop = 1;
  waitpid(children[0], NULL, 0);
  SAY(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &none));
  struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; } attr = { 48, 6, 0, 0, 0, 10000000, 30000000, 0 };
  CPU_ZERO(&one);
  for (int i = 0; i < 64; i++) CPU_SET(i, &one);
  sched_setaffinity(0, sizeof one, &one);
  SAY(syscall(SYS_sched_setattr, 0, &attr, 0));
  SAY(syscall(SYS_sched_getattr, 0, &attr, 48, 0));
  printf("%u %lu %lu %lu\n", attr.policy, (long)attr.runtime, (long)attr.deadline, (long)attr.period);
  SAY(fork());
  attr.runtime = 40000000;
  SAY(syscall(SYS_sched_setattr, 0, &attr, 0));
  attr.runtime = 100;
  SAY(syscall(SYS_sched_setattr, 0, &attr, 0));
}

/* Handles of files. */
static void handles(void) {
  struct { unsigned size; int type; unsigned char bytes[128]; } handle = { 0 };
  int id, other;
  SAY(unshare(CLONE_NEWNS));
  SAY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  SAY(mkdir("h", 0755));
  SAY(mount("none", "h", "tmpfs", 0, NULL));
  SAY(close(open("h/file", O_CREAT | O_WRONLY, 0644)));
  SAY(syscall(SYS_name_to_handle_at, AT_FDCWD, "h/file", &handle, &id, 0));
  printf("%u\n", handle.size);
  SAY(syscall(SYS_name_to_handle_at, AT_FDCWD, "h/file", &handle, &id, 0));
  SAY(syscall(SYS_name_to_handle_at, AT_FDCWD, "/proc/self/status", &handle, &other, 0));
  SAY(syscall(SYS_name_to_handle_at, AT_FDCWD, "h/none", &handle, &id, 0));
  int at = open("h", O_RDONLY), fd = syscall(SYS_open_by_handle_at, at, &handle, O_RDWR);
  SAY(write(fd, "seen", 4));
  struct stat stat;
  SAY(lstat("h/file", &stat));
  printf("size %ld\n", (long)stat.st_size);
  close(fd);
  SAY(rename("h/file", "h/moved"));
  SAY(close(syscall(SYS_open_by_handle_at, at, &handle, O_RDONLY)));
  SAY(unlink("h/moved"));
  SAY(syscall(SYS_open_by_handle_at, at, &handle, O_RDONLY));
  handle.size = 0;
  SAY(syscall(SYS_open_by_handle_at, at, &handle, O_RDONLY));
  handle.size = 12;
  SAY(syscall(SYS_open_by_handle_at, 99, &handle, O_RDONLY));
  close(at);
  /* The list of mounts can be waited on. */
  int mounts = open("/proc/self/mounts", O_RDONLY);
  struct pollfd poll_one = { mounts, POLLPRI, 0 };
  SAY(poll(&poll_one, 1, 0));
  SAY(umount("h"));
  SAY(poll(&poll_one, 1, 0));
  printf("%x\n", poll_one.revents);
  SAY(rmdir("h"));
}

static volatile int told;
static void tell(int signal) { told++; }

static void more_odds(void) {
  /* Of those who wait exclusively one is woken by an event. */
  volatile int *woken = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int stream[2], said[2];
  pid_t waiters[3];
  pipe(stream);
  pipe(said);
  fflush(stdout);
  for (int i = 0; i < 3; i++) {
    if ((waiters[i] = fork()) != 0) continue;
    int set = epoll_create1(0);
    struct epoll_event wanted = { .events = EPOLLIN | EPOLLEXCLUSIVE };
    epoll_ctl(set, EPOLL_CTL_ADD, stream[0], &wanted);
    write(said[1], "x", 1);
    if (epoll_wait(set, &wanted, 1, 20000) == 1) __sync_fetch_and_add(woken, 1);
    write(said[1], "y", 1);
    _exit(0);
  }
  char one;
  for (int i = 0; i < 3; i++) read(said[0], &one, 1);
  usleep(200000);
  for (int i = 0; i < 3; i++) {
    SAY(write(stream[1], "e", 1));
    SAY(read(said[0], &one, 1));
    usleep(50000);
    printf("woken %d\n", *woken);
    SAY(read(stream[0], &one, 1));
  }
  for (int i = 0; i < 3; i++) waitpid(waiters[i], NULL, 0);
  /* Directories that are watched by signals. */
  SAY(mkdir("noted", 0700));
  SAY(mkdir("noted/sub", 0700));
  int noted = open("noted", O_RDONLY), plain = open("noted/plain", O_CREAT | O_RDONLY, 0600);
  signal(SIGUSR1, tell);
  SAY(fcntl(noted, F_SETSIG, SIGUSR1));
  SAY(fcntl(plain, F_NOTIFY, DN_CREATE));
  SAY(fcntl(plain, F_NOTIFY, 0));
  SAY(fcntl(noted, F_NOTIFY, DN_RENAME | DN_MULTISHOT));
  SAY(rename("noted/plain", "noted/sub/plain"));
  printf("told %d\n", told);
  SAY(rename("noted/sub", "noted/other"));
  printf("told %d\n", told);
  SAY(fcntl(noted, F_NOTIFY, DN_CREATE | DN_DELETE));
  SAY(mkdir("noted/made", 0700));
  SAY(rmdir("noted/made"));
  printf("told %d\n", told);
  SAY(fcntl(noted, F_NOTIFY, 0));
  SAY(mkdir("noted/made", 0700));
  printf("told %d\n", told);
  SAY(fcntl(noted, F_NOTIFY, DN_ATTRIB));
  SAY(chmod("noted/made", 0755));
  SAY(chmod("noted/made", 0700));
  printf("told %d\n", told);
  close(noted);
  /* Process descriptors that don't wait. */
  int gate[2];
  pipe(gate);
  pid_t child = fork();
  if (child == 0) { char c; close(gate[1]); read(gate[0], &c, 1); _exit(7); }
  close(gate[0]);
  siginfo_t info;
  int pidfd = syscall(SYS_pidfd_open, child, O_NONBLOCK);
  SAY(waitid(3, pidfd, &info, WEXITED));
  SAY(waitid(3, pidfd, &info, WEXITED | WNOHANG));
  close(gate[1]);
  struct pollfd ended = { pidfd, POLLIN, 0 };
  SAY(poll(&ended, 1, -1));
  SAY(waitid(3, pidfd, &info, WEXITED));
  printf("status %d\n", info.si_status);
  /* One datagram of several pieces. */
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  socklen_t size = sizeof to;
  int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
  bind(a, (struct sockaddr *)&to, sizeof to);
  getsockname(a, (struct sockaddr *)&to, &size);
  char text[20] = "";
  SAY(sendto(b, "one ", 4, MSG_MORE, (struct sockaddr *)&to, sizeof to));
  SAY(recv(a, text, sizeof text, MSG_DONTWAIT));
  SAY(sendto(b, "two", 3, 0, (struct sockaddr *)&to, sizeof to));
  SAY(recv(a, text, sizeof text, 0));
  printf("%s\n", text);
  SAY(ioctl(b, 0x8905, &size));
  /* What is watched by its name goes on being so when the name is gone, unless that is not wanted. */
  for (int i = 0; i < 2; i++) {
    int watcher = inotify_init1(IN_NONBLOCK), fd = open("watched", O_CREAT | O_WRONLY, 0600);
    inotify_add_watch(watcher, ".", IN_MODIFY | (i == 1 ? IN_EXCL_UNLINK : 0));
    SAY(unlink("watched"));
    SAY(write(fd, "x", 1));
    struct { struct inotify_event event; char name[64]; } got;
    SAY(read(watcher, &got, sizeof got) > 0);
    close(fd);
    close(watcher);
  }
  /* Who holds a lease can't keep a part of it while somebody waits to write. */
  int leased = open("leased", O_CREAT | O_RDONLY, 0600);
  signal(SIGIO, SIG_IGN);
  SAY(fcntl(leased, F_SETLEASE, F_WRLCK));
  child = fork();
  if (child == 0) { close(leased); _exit(open("leased", O_WRONLY) < 0); }
  usleep(100000);
  SAY(fcntl(leased, F_SETLEASE, F_RDLCK));
  SAY(fcntl(leased, F_SETLEASE, F_UNLCK));
  int status;
  waitpid(child, &status, 0);
  printf("opened %d\n", status == 0);
  /* Cloning needs a file system that can. */
  int from = open("clone-from", O_CREAT | O_RDWR, 0600), into = open("clone-to", O_CREAT | O_RDWR, 0600), null = open("/dev/null", O_RDWR);
  SAY(ioctl(into, 0x40049409, 99));
  SAY(ioctl(into, 0x40049409, null));
  SAY(ioctl(null, 0x40049409, null));
  SAY(close(from));
  SAY(syscall(SYS_reboot, 1, 2, 3, 0));
  SAY(getpriority(PRIO_PROCESS, 1));
}

/* Mounting in steps. */
static void mounting(void) {
  SAY(unshare(CLONE_NEWNS));
  SAY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  SAY(mkdir("s", 0755));
  SAY(mkdir("t", 0755));
  SAY(syscall(SYS_fsopen, "nofs", 0));
  SAY(syscall(SYS_fsopen, "tmpfs", 2));
  int fs = syscall(SYS_fsopen, "tmpfs", 1);
  SAY(syscall(SYS_fsmount, fs, 0, 0));
  SAY(syscall(SYS_fsconfig, fs, 1, "size", "64k", 0));
  SAY(syscall(SYS_fsconfig, fs, 1, "source", "here", 0));
  SAY(syscall(SYS_fsconfig, fs, 1, "source", "there", 0));
  SAY(syscall(SYS_fsconfig, fs, 0, "size", "64k", 0));
  SAY(syscall(SYS_fsconfig, fs, 99, NULL, NULL, 0));
  SAY(syscall(SYS_fsconfig, fs, 3, "sync", "path", AT_FDCWD));
  SAY(syscall(SYS_fsconfig, fs, 7, NULL, NULL, 0));
  SAY(syscall(SYS_fsconfig, fs, 6, NULL, NULL, 0));
  SAY(syscall(SYS_fsconfig, fs, 6, NULL, NULL, 0));
  SAY(syscall(SYS_fsmount, fs, 2, 0));
  SAY(syscall(SYS_fsmount, fs, 0, 0x30));
  int mnt = syscall(SYS_fsmount, fs, 1, 2 | 0x10);
  SAY(syscall(SYS_fsmount, fs, 0, 0));
  SAY(mkdirat(mnt, "in", 0700));
  SAY(syscall(SYS_move_mount, mnt, "", AT_FDCWD, "s", 0));
  SAY(syscall(SYS_move_mount, mnt, "", AT_FDCWD, "s", 4));
  SAY(access("s/in", F_OK));
  struct statfs stat;
  SAY(statfs("s", &stat));
  printf("%lx of %ld blocks\n", (long)stat.f_flags & 0x40f, (long)stat.f_blocks);
  int full = open("s/full", O_CREAT | O_WRONLY, 0600);
  static char block[65536];
  SAY(write(full, block, sizeof block) + write(full, block, sizeof block) > 0);
  SAY(write(full, block, 4096));
  SAY(close(full));
  SAY(syscall(SYS_open_tree, AT_FDCWD, "s/none", 1));
  SAY(syscall(SYS_open_tree, AT_FDCWD, "s", 0x8000));
  int tree = syscall(SYS_open_tree, AT_FDCWD, "s/in", 1 | O_CLOEXEC);
  SAY(close(openat(tree, "below", O_CREAT | O_WRONLY, 0600)));
  struct { uint64_t set, clear, propagation, userns; } attr = { 1, 0, 0, 0 };
  SAY(syscall(SYS_mount_setattr, tree, "", 0x1000, &attr, sizeof attr));
  SAY(openat(tree, "more", O_CREAT | O_WRONLY, 0600));
  SAY(syscall(SYS_move_mount, tree, "", AT_FDCWD, "t", 4));
  SAY(access("t/below", F_OK));
  SAY(mkdir("t/dir", 0700));
  attr.set = 0x10;
  SAY(syscall(SYS_mount_setattr, AT_FDCWD, "t", 0, &attr, sizeof attr));
  attr.clear = 0x71;
  SAY(syscall(SYS_mount_setattr, AT_FDCWD, "t", 0, &attr, sizeof attr));
  SAY(mkdir("t/dir", 0700));
  SAY(syscall(SYS_mount_setattr, AT_FDCWD, "t/dir", 0, &attr, sizeof attr));
  SAY(syscall(SYS_mount_setattr, AT_FDCWD, "t", 0, &attr, 8));
  int pick = syscall(SYS_fspick, AT_FDCWD, "s", 0);
  SAY(syscall(SYS_fsconfig, pick, 0, "ro", NULL, 0));
  SAY(syscall(SYS_fsconfig, pick, 7, NULL, NULL, 0));
  SAY(mkdir("s/late", 0700));
  SAY(syscall(SYS_fspick, AT_FDCWD, "s/in", 0));
  SAY(umount("t"));
  SAY(umount2("s", MNT_DETACH));
  SAY(rmdir("t") + rmdir("s"));
}

/* Keys and keyrings: serial numbers are not printed, but whether they are the same. */
#define KEY(...) syscall(SYS_add_key, __VA_ARGS__)
#define CTL(...) syscall(SYS_keyctl, __VA_ARGS__)
#define GOOD(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); if (r_ > 0) printf("%s: a number\n", #__VA_ARGS__); else printf("%s: %s\n", #__VA_ARGS__, r_ == 0 ? "0" : name(errno)); } while (0)
static void keys(void) {
  char text[200];
  GOOD(CTL(1, NULL));
  long session = CTL(0, -3, 0);
  GOOD(CTL(0, -1, 0));
  GOOD(CTL(0, -2, 0));
  GOOD(CTL(0, -1, 1));
  GOOD(CTL(0, -99, 1));
  GOOD(CTL(0, 0, 1));
  GOOD(KEY("user", "one", "payload", 7, -3));
  long one = KEY("user", "one", "changed", 7, -3);
  printf("the same: %d\n", one == syscall(SYS_request_key, "user", "one", NULL, 0));
  SAY(CTL(11, one, text, sizeof text));
  printf("%.7s\n", text);
  SAY(CTL(11, one, text, 3));
  SAY(CTL(6, one, text, sizeof text));
  printf("%s\n", text);
  GOOD(KEY("user", "", "payload", 7, -3));
  GOOD(KEY("user", "two", "payload", 0, -3));
  GOOD(KEY("user", "two", NULL, 7, -3));
  GOOD(KEY("user", "two", text, 32768, -3));
  GOOD(KEY("none", "two", "payload", 7, -3));
  GOOD(KEY(".none", "two", "payload", 7, -3));
  GOOD(KEY("keyring", "ring", "payload", 7, -3));
  GOOD(KEY("keyring", ".ring", NULL, 0, -3));
  GOOD(KEY("logon", "nocolon", "payload", 7, -3));
  GOOD(KEY("logon", "a:b", "payload", 7, -3));
  long logon = KEY("logon", "a:b", "payload", 7, -3);
  SAY(CTL(11, logon, text, sizeof text));
  SAY(CTL(6, logon, text, sizeof text));
  printf("%s\n", text);
  GOOD(KEY("user", "in a key", "payload", 7, one));
  long ring = KEY("keyring", "ring", NULL, 0, -2), inner = KEY("keyring", "inner", NULL, 0, ring);
  SAY(CTL(8, ring, inner));
  SAY(CTL(8, one, inner));
  SAY(CTL(11, inner, text, sizeof text));
  GOOD(CTL(10, ring, "user", "one", 0));
  GOOD(CTL(10, ring, "user", "none", 0));
  SAY(CTL(9, one, ring));
  SAY(CTL(9, one, inner));
  SAY(CTL(9, one, inner));
  SAY(CTL(2, one, "more", 4));
  SAY(CTL(2, ring, "more", 4));
  SAY(CTL(5, one, 0x3f000000));
  SAY(CTL(5, one, 0xff000000));
  SAY(CTL(7, one));
  SAY(CTL(14, -1));
  SAY(CTL(14, 9));
  SAY(CTL(14, 3));
  SAY(CTL(14, -1));
  GOOD(syscall(SYS_request_key, "user", "none", NULL, 0));
  GOOD(syscall(SYS_request_key, "none", "none", NULL, 0));
  SAY(CTL(3, one));
  SAY(CTL(11, one, text, sizeof text));
  GOOD(syscall(SYS_request_key, "user", "one", NULL, 0));
  long short_lived = KEY("user", "short", "x", 1, -3);
  SAY(CTL(15, short_lived, 1));
  usleep(1200000);
  SAY(CTL(11, short_lived, text, 1));
  SAY(CTL(21, logon));
  SAY(CTL(6, logon, text, sizeof text));
  SAY(CTL(12, one, "x", 1, 0));
  SAY(CTL(16, 0));
  SAY(CTL(99));
  fflush(stdout);
  if (fork() == 0) {
    printf("the session is shared: %d\n", CTL(0, -3, 0) == session);
    GOOD(CTL(0, -1, 0));
    GOOD(CTL(0, -2, 0));
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
  GOOD(CTL(1, "by name"));
  printf("another session: %d\n", CTL(0, -3, 0) != session);
  GOOD(CTL(1, ".by name"));
  setresgid(1000, 1000, 1000);
  setresuid(1000, 1000, 1000);
  int made = 0;
  while (made < 1000 && (sprintf(text, "key %d", made), KEY("user", text, "x", 1, -2)) > 0) made++;
  printf("quota: %s after some: %d\n", name(errno), made > 100 && made < 200);
}

/* What chattr sets. */
static void flags_of_files(void) {
  unsigned flags = 0;
  struct { unsigned flags, rest[6]; } attributes;
  SAY(unshare(CLONE_NEWNS));
  SAY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  SAY(mkdir("f", 0755));
  SAY(mount("none", "f", "tmpfs", 0, NULL));
  int fd = open("f/file", O_CREAT | O_RDWR, 0644);
  SAY(ioctl(fd, 0x80086601, &flags));
  printf("%x\n", flags);
  flags = 0x10;
  SAY(ioctl(fd, 0x40086602, &flags));
  SAY(write(fd, "x", 1));
  SAY(open("f/file", O_WRONLY));
  SAY(open("f/file", O_RDONLY) >= 0);
  SAY(unlink("f/file"));
  SAY(rename("f/file", "f/other"));
  SAY(link("f/file", "f/other"));
  SAY(chmod("f/file", 0600));
  SAY(chown("f/file", 1, 1));
  SAY(utimensat(AT_FDCWD, "f/file", NULL, 0));
  SAY(truncate("f/file", 0));
  SAY(setxattr("f/file", "user.x", "y", 1, 0));
  SAY(ioctl(fd, 0x801c581f, &attributes));
  printf("%x\n", attributes.flags);
  flags = 0x20;
  SAY(ioctl(fd, 0x40086602, &flags));
  SAY(open("f/file", O_WRONLY));
  SAY(open("f/file", O_WRONLY | O_APPEND | O_TRUNC));
  SAY(open("f/file", O_WRONLY | O_APPEND) >= 0);
  SAY(ftruncate(fd, 0));
  SAY(unlink("f/file"));
  uint64_t shown[32];
  SAY(syscall(SYS_statx, AT_FDCWD, "f/file", 0, 0x7ff, shown));
  printf("%lx\n", (long)shown[1] & 0x70);
  flags = 0x4;
  SAY(ioctl(fd, 0x40086602, &flags));
  flags = 0x40;
  SAY(ioctl(fd, 0x40086602, &flags));
  SAY(ioctl(fd, 0x80086601, &flags));
  printf("%x\n", flags);
  SAY(unlink("f/file"));
  SAY(mkdir("f/dir", 0755));
  SAY(close(open("f/dir/old", O_CREAT | O_WRONLY, 0644)));
  int dir = open("f/dir", O_RDONLY);
  flags = 0x20;
  SAY(ioctl(dir, 0x40086602, &flags));
  SAY(close(open("f/dir/new", O_CREAT | O_WRONLY, 0644)));
  SAY(unlink("f/dir/old"));
  flags = 0x10;
  SAY(ioctl(dir, 0x40086602, &flags));
  SAY(open("f/dir/newer", O_CREAT | O_WRONLY, 0644));
  int proc = open("/proc/self/status", O_RDONLY);
  SAY(ioctl(proc, 0x80086601, &flags));
  fflush(stdout);
  if (fork() == 0) {
    setresuid(1000, 1000, 1000);
    flags = 0;
    SAY(ioctl(dir, 0x40086602, &flags));
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
  SAY(umount2("f", MNT_DETACH));
  SAY(rmdir("f"));
}

int main(int argc, char **argv) {
  only = argc > 1 ? argv[1] : NULL;
  if (mkdtemp(directory) == NULL || chdir(directory) != 0 || chmod(".", 0755) != 0) return 1;
  umask(022);
  in_child("time namespaces", time_namespace);
  in_child("settings of IPC", ipc_settings);
  in_child("sealed memory", sealed_memory);
  in_child("memory barriers", barriers);
  in_child("MS_NOSYMFOLLOW", symlinks_of_mounts);
  in_child("SIGEV_THREAD of queues", queue_thread);
  in_child("odds and ends", odds);
  in_child("priorities", priorities);
  in_child("handles", handles);
  in_child("more odds and ends", more_odds);
  in_child("mounting in steps", mounting);
  in_child("keys", keys);
  in_child("flags of files", flags_of_files);
  chdir("/");
  char command[80];
  snprintf(command, sizeof command, "rm -rf %s", directory);
  fflush(stdout);
  return system(command) == 0 ? 0 : 1;
}
