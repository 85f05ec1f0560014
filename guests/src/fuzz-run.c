/*
 * Makes the system calls of a program that src/replay/fuzz/program.ts encodes (from standard input) and prints what they answered: a line a call, of
 * what Linux and a world must agree on. The processes share what is made before they are forked: slots 0 to 5.
 *
 *   fuzz-run               in a world: one program
 *   fuzz-run serve DIR     natively: programs one after the other, each as nobody in namespaces with a root, a network and IPC of its own
 *   fuzz-run exit STATUS   what programs execute
 *
 * Calls are made one after the other (`ordered`), whichever process makes them. After each, all other processes have taken their signals
 * (`settle`), and those that ended are known to have (process 0, the parent, looks), so that what is seen does not depend on who was faster.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <grp.h>
#include <unistd.h>

enum { FD_SLOTS = 26, ADDRESS_SLOTS = 4, ID_SLOTS = 4, CHILDREN = 3, MOST_PROCESSES = 8, ARENA = 1 << 20, MOST_ARGS = 6, EDGE = 1 << 17, SHOWN = 8, NO_PROCESS = 4194303 };
enum { NUMBER, FD, MAPPING, PROCESS, IN, OUT, EDGE_OF, ID, CODE };
enum { PLAIN, RESULT_FD, RESULT_MAPPING, PAIR, HIDDEN, RESULT_PID, RESULT_ID, CHILD };
enum { RETURNED, ALL, STAT, STATX, NAMES, WORDS, SOCKADDR, SIGINFO, INTEGER, TIMER, MESSAGE, PERMISSIONS };
/* No system call: a byte of memory is read or written. */
enum { TOUCH = 9000 };
enum { OUTPUT = 700, INPUT = 701, MOST_PROGRAM = 1 << 20, WANTS_NET = 1 << 31, NOBODY = 65534, PATIENCE_MS = 5000 };

struct shared { volatile int bell, turn, ping, settled; volatile int acknowledged[MOST_PROCESSES], ended[MOST_PROCESSES]; volatile pid_t pids[MOST_PROCESSES]; };
struct place { unsigned char *at; size_t size; };

static struct shared *shared;
static int fds[FD_SLOTS], processes, me;
static long ids[ID_SLOTS];
static unsigned char *mappings[ADDRESS_SLOTS];
static unsigned char *arena, *edge, *nowhere, *here;
static size_t used, most_used;

/* Signals whose handlers ran since the last call. */
static char heard[256];
static int heard_length;
#define HEAR(...) (heard_length += snprintf(heard + heard_length, sizeof heard - heard_length, __VA_ARGS__), heard_length = heard_length < 250 ? heard_length : 250)

static int process_of(pid_t pid) {
  for (int i = 0; i < MOST_PROCESSES; i++) if (shared->pids[i] == pid && pid != NO_PROCESS) return i;
  return -1;
}
static void on_signal(int signal) { HEAR(" !%d", signal); }
static void on_information(int signal, siginfo_t *it, void *context) {
  (void)context;
  HEAR(" !%d:%d", signal, it->si_code);
  if (it->si_code == SI_USER || it->si_code == SI_QUEUE || it->si_code == SI_TKILL) HEAR(",@%d,%u", it->si_pid, it->si_uid);
  if (it->si_code == SI_QUEUE) HEAR(",%lx", (unsigned long)it->si_value.sival_ptr);
  if (signal == SIGCHLD && it->si_code > 0) HEAR(",@%d,%x", it->si_pid, it->si_status);
}
__attribute__((naked)) static void restore(void) { __asm__ volatile("mov $15, %eax\n\tsyscall"); }
static sigjmp_buf way_back;
static volatile int is_touching;
static void on_fault(int signal, siginfo_t *it, void *context) {
  (void)context;
  if (!is_touching) _exit(200 + signal);
  is_touching = signal << 8 | (it->si_code & 0xff);
  siglongjmp(way_back, 1);
}

static uint64_t take(int bytes) {
  uint64_t value = 0;
  memcpy(&value, here, bytes);
  here += bytes;
  return value;
}

static unsigned char *room(size_t size) {
  used = (used + 15) & ~(size_t)15;
  if (used + size > ARENA) _exit(99);
  unsigned char *at = arena + used;
  used += size;
  if (used > most_used) most_used = used;
  return at;
}

/* An argument's value; `place` gets what it points to. `width`: of what it is when it is written over others' bytes. */
static uint64_t argument(struct place *place, int *width) {
  int kind = take(1), slot;
  place->at = NULL;
  *width = 8;
  switch (kind) {
  case NUMBER: return take(8);
  case FD:
    *width = 4;
    return fds[take(1)];
  case MAPPING:
    slot = take(1);
    return (uint64_t)(mappings[slot] ? mappings[slot] : nowhere) + take(8);
  case PROCESS:
    *width = 4;
    return shared->pids[take(1)];
  case ID:
    *width = 4;
    return ids[take(1)];
  case CODE:
    slot = take(1);
    return slot == 0 ? (uint64_t)on_signal : slot == 1 ? (uint64_t)on_information : (uint64_t)restore;
  case IN: {
    place->size = take(4);
    place->at = room(place->size + 1);
    memcpy(place->at, here, place->size);
    place->at[place->size] = 0;
    here += place->size;
    struct place mine = *place;
    for (int patches = take(1); patches > 0; patches--) {
      size_t at = take(4);
      int bytes;
      struct place other;
      uint64_t value = argument(&other, &bytes);
      if (at + bytes <= mine.size) memcpy(mine.at + at, &value, bytes);
    }
    *place = mine;
    *width = 8;
    return (uint64_t)mine.at;
  }
  case OUT:
    place->size = take(4);
    place->at = room(place->size);
    memset(place->at, 0xa5, place->size);
    return (uint64_t)place->at;
  default:
    place->size = take(4);
    if (place->size > EDGE) place->size = EDGE;
    place->at = edge + EDGE - place->size;
    memset(place->at, 0xa5, place->size);
    return (uint64_t)place->at;
  }
}

static unsigned hash(const unsigned char *bytes, size_t size) {
  unsigned value = 2166136261u;
  for (size_t i = 0; i < size; i++) value = (value ^ bytes[i]) * 16777619u;
  return value;
}

static char line[1024];
static int length;
#define PRINT(...) (length += snprintf(line + length, sizeof line - length, __VA_ARGS__), length = length < 1000 ? length : 1000)

/* Which file it is: by when it was first seen, as numbers of inodes are the file system's. */
static int identity(uint64_t device, uint64_t inode) {
  static struct { uint64_t device, inode; } seen[64];
  static int count;
  for (int i = 0; i < count; i++) if (seen[i].device == device && seen[i].inode == inode) return i;
  if (count < 64) seen[count].device = device, seen[count].inode = inode, count++;
  return count - 1;
}
/* Times that calls have set are shown, others are now. */
static void show_time(int64_t seconds, uint32_t nanoseconds) {
  if (seconds > 1500000000 && seconds < 4000000000) PRINT(" now");
  else PRINT(" %ld.%u", (long)seconds, nanoseconds);
}
static int is_process(uint32_t value) { return value > 1 && process_of(value) >= 0; }

static void show_bytes(const unsigned char *bytes, size_t size) {
  PRINT(" {");
  for (size_t i = 0; i < size && i < SHOWN; i++) PRINT("%02x", bytes[i]);
  PRINT(" %08x}", hash(bytes, size));
}

static void show(int form, const struct place *place, long result) {
  if (place->at == NULL) return;
  if (form == STAT) {
    struct stat it;
    if (place->size < sizeof it) return;
    memcpy(&it, place->at, sizeof it);
    /* Files of pidfds and the like have one inode together, or one each. */
    PRINT(" [%d %o %lu %u:%u", it.st_mode & S_IFMT ? identity(it.st_dev, it.st_ino) : -1, it.st_mode, (unsigned long)it.st_nlink, it.st_uid, it.st_gid);
    if (S_ISREG(it.st_mode) || S_ISLNK(it.st_mode)) PRINT(" %ld %ld", (long)it.st_size, (long)it.st_blocks);
    if (S_ISCHR(it.st_mode)) PRINT(" %lx", (unsigned long)it.st_rdev);
    show_time(it.st_atim.tv_sec, it.st_atim.tv_nsec);
    show_time(it.st_mtim.tv_sec, it.st_mtim.tv_nsec);
    PRINT("]");
    return;
  }
  if (form == STATX) {
    struct { uint32_t mask, block; uint64_t attributes; uint32_t links, uid, gid; uint16_t mode, spare; uint64_t ino, size; } it;
    if (place->size < sizeof it) return;
    memcpy(&it, place->at, sizeof it);
    /* Not what file systems have that others have not. */
    PRINT(" [%x %o %u %u:%u", it.mask & 0x7ff, it.mode, it.links, it.uid, it.gid);
    if (S_ISREG(it.mode)) PRINT(" %lu", (unsigned long)it.size);
    PRINT("]");
    return;
  }
  if (form == NAMES) {
    /* In which order they come is the file system's: a sum. */
    unsigned sum = 0, count = 0;
    for (size_t at = 0; at + 19 < (size_t)result; count++) {
      const unsigned char *entry = place->at + at;
      sum += hash(entry + 18, 1 + strlen((const char *)entry + 19));
      at += entry[16] | entry[17] << 8;
    }
    PRINT(" [%u %08x]", count, sum);
    return;
  }
  if (form == SOCKADDR) {
    if (place->size < 16) return;
    uint16_t family = place->at[0] | place->at[1] << 8;
    if (family == AF_INET) {
      int port = place->at[2] << 8 | place->at[3];
      if (port >= 32768) PRINT(" [2 some %02x%02x%02x%02x]", place->at[4], place->at[5], place->at[6], place->at[7]);
      else PRINT(" [2 %d %02x%02x%02x%02x]", port, place->at[4], place->at[5], place->at[6], place->at[7]);
    } else if (family == AF_UNIX && place->at[2] == 0 && place->at[3] >= '0') {
      /* Found by bind(2) itself. */
      PRINT(" [1 auto]");
    } else {
      show_bytes(place->at, place->size);
    }
    return;
  }
  if (form == SIGINFO) {
    siginfo_t it;
    if (place->size < sizeof it) return;
    memcpy(&it, place->at, sizeof it);
    PRINT(" [%d %d %d P%d %u %x]", it.si_signo, it.si_errno, it.si_code, process_of(it.si_pid), it.si_uid, it.si_status);
    return;
  }
  if (form == INTEGER) {
    int value = 0;
    memcpy(&value, place->at, place->size < 4 ? place->size : 4);
    PRINT(is_process(value) ? " [P%d]" : " [%d]", is_process(value) ? process_of(value) : value);
    return;
  }
  if (form == TIMER) {
    /* struct itimerspec, itimerval: what is left is a matter of time. */
    long it[4];
    if (place->size < sizeof it) return;
    memcpy(it, place->at, sizeof it);
    PRINT(" [%ld.%ld %s]", it[0], it[1], it[2] | it[3] ? "armed" : "off");
    return;
  }
  if (form == MESSAGE) {
    struct msghdr it;
    if (place->size < sizeof it) return;
    memcpy(&it, place->at, sizeof it);
    PRINT(" [%u %zu %x", it.msg_namelen, (size_t)it.msg_controllen, it.msg_flags);
    if (it.msg_name && it.msg_namelen >= 2 && it.msg_namelen <= 128) {
      struct place name = { it.msg_name, it.msg_namelen < 16 ? 16 : it.msg_namelen };
      show(SOCKADDR, &name, 0);
    }
    if (it.msg_control && it.msg_controllen > 0 && it.msg_controllen <= 256) {
      struct place control = { it.msg_control, it.msg_controllen };
      show(WORDS, &control, 0);
    }
    for (size_t i = 0; i < it.msg_iovlen && i < 4 && result > 0; i++) {
      size_t some = it.msg_iov[i].iov_len < (size_t)result ? it.msg_iov[i].iov_len : (size_t)result;
      if (some > 0) show_bytes(it.msg_iov[i].iov_base, some);
      result -= some;
    }
    PRINT("]");
    return;
  }
  if (form == PERMISSIONS) {
    struct { int key; unsigned uid, gid, cuid, cgid, mode; } it;
    if (place->size < sizeof it) return;
    memcpy(&it, place->at, sizeof it);
    PRINT(" [%d %u:%u %u:%u %o]", it.key, it.uid, it.gid, it.cuid, it.cgid, it.mode & 0xffff);
    return;
  }
  size_t size = form == RETURNED && (size_t)result < place->size ? (size_t)result : place->size;
  /* Pids are not the same; what reads a signalfd has them, too. */
  if (form == WORDS || (form == RETURNED && size > 0 && size % 128 == 0)) {
    for (size_t at = 0; at + 4 <= size; at += 4) {
      uint32_t word;
      memcpy(&word, place->at + at, 4);
      if (is_process(word)) word = 0x10000000 + process_of(word), memcpy(place->at + at, &word, 4);
    }
  }
  show_bytes(place->at, size);
}

static void ring(void) {
  __atomic_add_fetch(&shared->bell, 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, &shared->bell, FUTEX_WAKE, 1000, NULL, NULL, 0);
}
static void nap(int seen) {
  struct timespec time = { 0, 1000000 };
  /* Process 0 looks now and then whether others have ended. */
  syscall(SYS_futex, &shared->bell, FUTEX_WAIT, seen, me == 0 ? &time : NULL, NULL, 0);
}
/* Process 0 asks whether another has ended. */
static int has_ended(int process) {
  if (!shared->ended[process]) {
    siginfo_t it;
    it.si_pid = 0;
    int result = syscall(SYS_waitid, P_PID, shared->pids[process], &it, WEXITED | WNOHANG | WNOWAIT, NULL);
    if ((result == 0 && it.si_pid != 0) || (result != 0 && errno == ECHILD)) shared->ended[process] = 1;
  }
  return shared->ended[process];
}
/* Process 0: all others that live have taken their signals. */
static void let_settle(void) {
  if (shared->settled == shared->ping) return;
  for (int i = 1; i < processes; i++) {
    for (int seen; seen = shared->bell, shared->acknowledged[i] != shared->ping && !has_ended(i);) nap(seen);
  }
  shared->settled = shared->ping;
  ring();
}
static void settle(void) {
  __atomic_add_fetch(&shared->ping, 1, __ATOMIC_SEQ_CST);
  shared->acknowledged[me] = shared->ping;
  ring();
  if (me == 0) {
    let_settle();
    return;
  }
  for (int seen; seen = shared->bell, shared->settled != shared->ping;) nap(seen);
}
static void wait_turn(int wanted) {
  for (;;) {
    int seen = shared->bell;
    if (me == 0) {
      let_settle();
    } else if (shared->acknowledged[me] != shared->ping) {
      int ping = shared->ping;
      /* Signals that were sent before are taken on the way back at the latest. */
      syscall(SYS_getppid);
      shared->acknowledged[me] = ping;
      ring();
    }
    if (shared->turn >= wanted) return;
    nap(seen);
  }
}
/* Process 0 sees to it that it goes on when another has ended in its call, or before. */
static void follow(int index, int process) {
  for (;;) {
    int seen = shared->bell;
    let_settle();
    if (shared->turn > index) return;
    if (has_ended(process)) {
      if (shared->turn == index) shared->turn = index + 1;
      ring();
      return;
    }
    nap(seen);
  }
}
static void end_turn(int index) {
  shared->turn = index + 1;
  if (processes > 1) ring();
}

/* Positions in a directory are the file system's own numbers: it is always read from its start, and left there. */
static void rewind_directory(int fd) {
  struct stat it;
  if (fstat(fd, &it) == 0 && S_ISDIR(it.st_mode)) lseek(fd, 0, SEEK_SET);
}

/* Inline: a child of vfork must not return from where its parent still is. */
__attribute__((always_inline)) static inline long bare_syscall(long number, const long *args) {
  long result;
  register long r10 __asm__("r10") = args[3];
  register long r8 __asm__("r8") = args[4];
  register long r9 __asm__("r9") = args[5];
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(args[0]), "S"(args[1]), "d"(args[2]), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}
__attribute__((noreturn)) static void leave(int status) {
  const long args[6] = { status, 0, 0, 0, 0, 0 };
  for (;;) bare_syscall(SYS_exit_group, args);
}

/* What children do, which others can see afterwards: it ends with them. They may share memory with the parent (vfork). */
__attribute__((noinline, noreturn)) static void be_child(int behaviour) {
  long args[6] = { 0 };
  switch (behaviour) {
  case 0: leave(0); break;
  case 1: leave(7); break;
  case 2: case 3: case 4: {
    args[0] = syscall(SYS_getpid);
    args[1] = behaviour == 2 ? SIGKILL : behaviour == 3 ? SIGUSR1 : SIGABRT;
    bare_syscall(SYS_kill, args);
    leave(3);
    break;
  }
  case 5: {
    static char *const arguments[] = { "fuzz-run", "exit", "5", NULL };
    args[0] = (long)"/bin/fuzz-run";
    args[1] = (long)arguments;
    args[2] = (long)(arguments + 3);
    leave(bare_syscall(SYS_execve, args) == 0 ? 0 : 6);
    break;
  }
  case 6:
    /* Shows with CLONE_FILES and CLONE_FS. */
    args[0] = fds[6];
    bare_syscall(SYS_close, args);
    args[0] = 0077;
    bare_syscall(SYS_umask, args);
    leave(8);
    break;
  default:
    args[0] = fds[0];
    args[1] = (long)"child";
    args[2] = 5;
    leave(bare_syscall(SYS_write, args) & 0xff);
  }
}

/* fork, vfork, clone, clone3: the child has ended when it comes back, and waits to be waited for. */
static long make_child(int number, const long *args, int behaviour, int slot) {
  long result = bare_syscall(number, args);
  if (result == 0) be_child(behaviour);
  if (result > 0) {
    siginfo_t it;
    shared->pids[MOST_PROCESSES - CHILDREN + slot % CHILDREN] = result;
    while (syscall(SYS_waitid, P_PID, result, &it, WEXITED | WNOWAIT | __WALL, NULL) < 0 && errno == EINTR) {}
  }
  if (result < 0) errno = -result, result = -1;
  return result;
}

static long touch(volatile unsigned char *at, int value) {
  is_touching = 1;
  if (sigsetjmp(way_back, 1) == 0) {
    long result = *at;
    if (value >= 0) *at = value;
    is_touching = 0;
    return result;
  }
  long fault = is_touching;
  is_touching = 0;
  return 0x10000 | fault;
}

/* Whether it would wait for ever: for signals that are not there, or for somebody else to open a FIFO. */
static int waits_for_ever(int number, const long *args) {
  uint64_t pending = 0, blocked = 0, wanted = 0;
  struct stat file;
  if (number == SYS_creat && args[0] >= (long)(uintptr_t)arena && args[0] < (long)(uintptr_t)(arena + ARENA)) return stat((char *)args[0], &file) == 0 && S_ISFIFO(file.st_mode);
  if (number != SYS_rt_sigsuspend && number != SYS_pause) return 0;
  if (number == SYS_pause) {
    /* An alarm ends it, unless that is blocked, or somebody else's. */
    struct itimerval it;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, 8);
    getitimer(ITIMER_REAL, &it);
    return (blocked & 1ull << (SIGALRM - 1)) != 0 || it.it_value.tv_sec != 0 || it.it_value.tv_usec != 0;
  }
  if (args[1] != 8 || syscall(SYS_rt_sigpending, &pending, 8) != 0 || args[0] < (long)(uintptr_t)arena || args[0] >= (long)(uintptr_t)(arena + ARENA)) return 0;
  memcpy(&wanted, (void *)args[0], 8);
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, 8);
  /* Of those that the programs here have handlers for: SIGCHLD and others may be ignored. */
  const uint64_t handled = 1ull << (SIGUSR1 - 1) | 1ull << (SIGUSR2 - 1);
  if ((pending & handled & ~wanted) == 0) return 1;
  struct sigaction action;
  for (int signal = SIGUSR1; signal <= SIGUSR2; signal += 2) {
    if ((pending & ~wanted & 1ull << (signal - 1)) == 0) continue;
    sigaction(signal, NULL, &action);
    if (action.sa_handler != SIG_IGN) return 0;
  }
  return 1;
}

/* Whether all of it can be read: a page at a time, as far as anything here goes. */
static int is_readable(long at, size_t size) {
  char byte;
  for (size_t done = 0; done < size; done = done + 4096 < size || done == size - 1 ? done + 4096 : size - 1) {
    struct iovec to = { &byte, 1 }, from = { (void *)(at + done), 1 };
    if (done > 1 << 21 || syscall(SYS_process_vm_readv, syscall(SYS_getpid), &to, 1, &from, 1, 0) != 1) return 0;
  }
  return 1;
}
static int type_of(int fd) {
  struct stat it;
  return fstat(fd, &it) == 0 ? it.st_mode & S_IFMT : 0;
}
/*
 * What is a matter of how a kernel does it: a write of bad bytes behind the end of a file lengthens it (Linux 6.18 looks at them when it has made
 * room), and pages of files that went into a pipe without being copied change with the file.
 */
static int is_left_out(int number, const long *args) {
  if (number == SYS_write || number == SYS_pwrite64) return type_of(args[0]) == S_IFREG && !is_readable(args[1], args[2]);
  /* Orphans are init's, which waits for them here and there. */
  if ((number == SYS_fork || number == SYS_vfork || number == SYS_clone || number == SYS_clone3) && me != 0) return 1;
  /* Memory of the host's that no file system limits. */
  if (number == SYS_fallocate && args[3] > 1 << 20) return 1;
  /* TCP receives into mappings without copying, on Linux. */
  int family = 0;
  socklen_t size = sizeof family;
  if (number == SYS_mmap && getsockopt(args[4], SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_INET) return 1;
  if (number == SYS_splice) return type_of(args[0]) == S_IFREG && type_of(args[2]) == S_IFIFO;
  if (number == SYS_sendfile) return type_of(args[1]) == S_IFREG && type_of(args[0]) == S_IFIFO;
  return 0;
}

/* Reads a call, and makes it if it is this process's. */
static void call(int index, int is_ordered) {
  struct place places[MOST_ARGS] = { { NULL, 0 } };
  long args[MOST_ARGS] = { 0 };
  int shows[2 * MOST_ARGS], number = take(2), whose = take(1), kind = take(1), slot = take(1), count = take(1), shown = take(1), width;
  for (int i = 0; i < shown * 2; i++) shows[i] = take(1);
  /* What the calls before left there must not show when a call looks at more than it was given: not all of it is compared. */
  memset(arena, 0, most_used);
  used = 0;
  if (whose == me && is_ordered) wait_turn(index);
  for (int i = 0; i < count; i++) args[i] = argument(&places[i], &width);
  if (whose != me) {
    if (me == 0 && is_ordered) follow(index, whose);
    return;
  }
  length = 0;
  if (waits_for_ever(number, args)) {
    PRINT("%d.%d %d = waits", index, me, number);
  } else if (is_left_out(number, args)) {
    PRINT("%d.%d %d = left", index, me, number);
  } else {
    if (number == SYS_getdents64 || number == SYS_getdents) rewind_directory(args[0]);
    if (number == SYS_pause) {
      struct itimerval it = { { 0, 0 }, { 0, 2000 } };
      signal(SIGALRM, on_signal);
      setitimer(ITIMER_REAL, &it, NULL);
    }
    errno = 0;
    long result = number == TOUCH ? touch((unsigned char *)args[0], args[1]) : kind == CHILD ? make_child(number, args, args[5] & 7, slot)
      : syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
    int error = result == -1 ? errno : 0;
    if (number == SYS_getdents64 || number == SYS_getdents) rewind_directory(args[0]);
    if (number == SYS_pause) signal(SIGALRM, SIG_IGN);
    PRINT("%d.%d %d = ", index, me, number);
    if (error) PRINT("-%d", error);
    else if (number == TOUCH) PRINT("0x%lx", result);
    else if (kind == PLAIN || kind == RESULT_FD || kind == PAIR) PRINT("%ld", result);
    else if (kind == RESULT_PID || kind == CHILD) PRINT(is_process(result) ? "P%d" : result == 0 ? "0" : "pid", process_of(result));
    else PRINT("ok");
    if (!error && kind == RESULT_FD) fds[slot] = result;
    /* Nothing made here ever blocks. */
    if (!error && (number == SYS_accept || number == SYS_eventfd || number == SYS_signalfd || number == SYS_inotify_init)) fcntl(result, F_SETFL, fcntl(result, F_GETFL) | O_NONBLOCK);
    if (!error && number == SYS_pipe) for (int i = 0; i < 2; i++) fcntl(((int *)places[0].at)[i], F_SETFL, O_NONBLOCK);
    if (!error && kind == RESULT_ID) ids[slot % ID_SLOTS] = result;
    if (!error && kind == RESULT_MAPPING) mappings[slot % ADDRESS_SLOTS] = (unsigned char *)result;
    if (!error && kind == PAIR) {
      for (int i = 0; i < count; i++) {
        if (places[i].at == NULL || places[i].size < 8) continue;
        memcpy(&fds[slot], places[i].at, 4);
        memcpy(&fds[(slot + 1) % FD_SLOTS], places[i].at + 4, 4);
      }
    }
    if (!error) for (int i = 0; i < shown; i++) show(shows[2 * i + 1], &places[shows[2 * i]], result);
  }
  if (is_ordered) {
    /* Before what was heard is shown: somebody's end is one of the things to hear of. */
    if (processes > 1) settle();
    /* Whose numbers these are is known by now. */
    for (const char *at = heard; *at; at++) {
      if (*at == '@') PRINT("P%d", process_of(strtol(at + 1, (char **)&at, 10))), at--;
      else PRINT("%c", *at);
    }
  }
  heard_length = 0;
  heard[0] = 0;
  PRINT("\n");
  if (write(OUTPUT, line, length) != length) _exit(98);
  if (is_ordered) end_turn(index);
}

/*
 * Everything happens in a directory and a process of its own: so that the owner of one and the rank of the other are the same wherever this runs.
 */
static void move_in(void) {
  umask(022);
  setsid();
  if (mkdir("x", 0755) != 0 || chdir("x") != 0 || mkdir("w", 0755) != 0 || chdir("w") != 0) _exit(2);
  pid_t pid = fork();
  if (pid == 0) {
    /* Signals to the group stay among these processes. */
    setpgid(0, 0);
    return;
  }
  int status;
  while (waitpid(pid, &status, 0) < 0) {}
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* At places of its own: how far it is to the end of user space decides between EFAULT and a partial transfer. */
static unsigned char *map(uintptr_t at, size_t size, int protection, int flags) { return mmap((void *)at, size, protection, flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0); }

static void limit(int resource, rlim_t soft, rlim_t hard) {
  struct rlimit it = { soft, hard };
  setrlimit(resource, &it);
}

/* The whole program, or what there is of it. */
static void read_all(unsigned char *to, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t got = read(INPUT, to + done, size - done);
    if (got <= 0) _exit(2);
    done += got;
  }
}

static void run(int has_size, uint32_t size) {
  static unsigned char program[MOST_PROGRAM];
  shared = (struct shared *)map(0x20000000, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
  arena = map(0x21000000, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  edge = map(0x22000000, EDGE + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  munmap(edge + EDGE, 4096);
  nowhere = map(0x23000000, 1 << 20, PROT_NONE, MAP_PRIVATE);
  munmap(nowhere, 1 << 20);
  /* What is mapped where the kernel wants it comes below this, and not beside the vDSO's pages, which answer differently. */
  mmap(NULL, 1 << 20, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  /* Calls must not change where the answers go, and find the same descriptors free wherever this runs. */
  dup2(0, INPUT);
  dup2(1, OUTPUT);
  for (int fd = 0; fd < OUTPUT; fd++) close(fd);
  for (int fd = 0; fd < 3; fd++) open("/dev/null", O_RDWR);
  for (int i = 0; i < FD_SLOTS; i++) fds[i] = 900 + i;
  for (int i = 0; i < ID_SLOTS; i++) ids[i] = 12345678 + i;
  move_in();
  signal(SIGALRM, SIG_IGN);
  static const int handled[] = { SIGUSR1, SIGUSR2, SIGPIPE, SIGURG, SIGIO, SIGWINCH, SIGHUP, SIGTERM, SIGCHLD, 35, 40, 64 };
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) sigaction(handled[i], &action, NULL);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  fds[0] = open("a", O_RDWR | O_CREAT, 0644);
  unsigned char content[10000];
  for (size_t i = 0; i < sizeof content; i++) content[i] = i * 7 + (i >> 8);
  write(fds[0], content, sizeof content);
  lseek(fds[0], 0, SEEK_SET);
  mkdir("d", 0755);
  mkdir("d/d", 0700);
  close(open("d/a", O_RDWR | O_CREAT, 0600));
  symlink("d/a", "l");
  mkfifo("f", 0644);
  fds[1] = open("d", O_RDONLY | O_DIRECTORY);
  if (pipe2(&fds[2], O_NONBLOCK) != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, &fds[4]) != 0) _exit(2);
  limit(RLIMIT_NOFILE, 48, 48);
  limit(RLIMIT_CORE, 0, 0);
  limit(RLIMIT_STACK, 8 << 20, 8 << 20);
  limit(RLIMIT_MEMLOCK, 64 << 10, 64 << 10);
  limit(RLIMIT_MSGQUEUE, 819200, 819200);
  limit(RLIMIT_SIGPENDING, 1000, 1000);
  limit(RLIMIT_NICE, 0, 0);
  limit(RLIMIT_RTPRIO, 0, 0);
  limit(RLIMIT_NPROC, 2000, 2000);

  if (!has_size) {
    read_all((unsigned char *)&size, 4);
    size &= ~(uint32_t)WANTS_NET;
  }
  if (size > sizeof program) _exit(2);
  read_all(program, size);
  close(INPUT);
  here = program;
  processes = take(1);
  int is_ordered = take(1), calls = take(2);
  unsigned char *first = here;
  for (int i = 0; i < MOST_PROCESSES; i++) shared->pids[i] = NO_PROCESS;
  shared->pids[0] = getpid();
  for (int i = 1; i < processes; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      me = i;
      break;
    }
    shared->pids[i] = pid;
  }
  if (me != 0) {
    shared->pids[me] = getpid();
    here = first;
  }
  /* All pids are known before the first call. */
  if (me != 0) {
    __atomic_add_fetch(&shared->ended[0], 1, __ATOMIC_SEQ_CST);
    while (shared->ended[0] < 100) sched_yield();
  } else {
    while (shared->ended[0] < processes - 1) sched_yield();
    shared->ended[0] = 100;
  }
  for (int i = 0; i < calls; i++) call(i, is_ordered);
  /* The end of one sends a signal to another, which must not come amid its calls. */
  if (is_ordered) wait_turn(calls);
  if (me == 0) {
    for (int i = 1; i < processes; i++) {
      int status = -1;
      pid_t result;
      while ((result = waitpid(shared->pids[i], &status, 0)) < 0 && errno == EINTR) {}
      if (is_ordered && status != 0) {
        length = 0;
        PRINT("process %d ends with %x\n", i, status);
        if (write(OUTPUT, line, length) != length) _exit(98);
      }
    }
  }
  _exit(0);
}

/* --- Natively: a server that is process 1 of a namespace, so that nothing outlives a program. --- */

static void die(const char *what) {
  fprintf(stderr, "fuzz-run: %s: %s\n", what, strerror(errno));
  exit(3);
}
static void put_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) die(path);
  close(fd);
}

/* A root of its own in a tmpfs, with devices that do no harm, and /proc of these processes only. */
static void make_root(const char *folder, const char *self) {
  char path[4096];
  static const char *const devices[] = { "null", "zero", "full", "random", "urandom" };
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) die("mount");
  if (mount("fuzz", folder, "tmpfs", MS_NOSUID, "size=64m,mode=755") != 0) die("mount of a tmpfs");
  snprintf(path, sizeof path, "%s/bin", folder);
  mkdir(path, 0755);
  snprintf(path, sizeof path, "%s/bin/fuzz-run", folder);
  int from = open(self, O_RDONLY), to = open(path, O_WRONLY | O_CREAT, 0755);
  char buffer[65536];
  for (ssize_t got; (got = read(from, buffer, sizeof buffer)) > 0;) if (write(to, buffer, got) != got) die("write");
  close(from);
  close(to);
  static const char *const folders[] = { "dev", "proc", "w" };
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
    mkdir(path, 0755);
  }
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    char device[64];
    snprintf(device, sizeof device, "/dev/%s", devices[i]);
    snprintf(path, sizeof path, "%s%s", folder, device);
    close(open(path, O_WRONLY | O_CREAT, 0644));
    if (mount(device, path, NULL, MS_BIND, NULL) != 0) die(device);
  }
  snprintf(path, sizeof path, "%s/proc", folder);
  if (mount("proc", path, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) die("mount of proc");
  if (chdir(folder) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) die("pivot_root");
}

/* The uid of who started it; nobody if that is root. Capabilities go with root. */
static void become_nobody(void) {
  if (setgroups(1, &(gid_t){ NOBODY }) != 0 && errno != EPERM) die("setgroups");
  if (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0) die("setresuid");
  /* In a user namespace of its own, where its uid was never 0. */
  struct { uint32_t version; int pid; } header = { 0x20080522, 0 };
  uint32_t none[6] = { 0 };
  if (syscall(SYS_capset, &header, none) != 0) die("capset");
  if (geteuid() == 0 || setuid(0) == 0) die("still root");
  /* As if it had always been so: /proc/self belongs to it. */
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void loopback_up(void) {
  struct ifreq request;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  memset(&request, 0, sizeof request);
  strcpy(request.ifr_name, "lo");
  ioctl(fd, SIOCGIFFLAGS, &request);
  request.ifr_flags |= IFF_UP;
  ioctl(fd, SIOCSIFFLAGS, &request);
  close(fd);
}

static void be_program(uint32_t size) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  int wants_net = (size & WANTS_NET) != 0;
  if (unshare(CLONE_NEWNS | CLONE_NEWIPC | (wants_net ? CLONE_NEWNET : 0)) != 0) die("unshare");
  if (wants_net) loopback_up();
  if (mount("fuzz", "/w", "tmpfs", MS_NOSUID, "size=256m,mode=1777") != 0 || chdir("/w") != 0) die("mount of /w");
  /* As in a world, however patient whoever started it is. */
  setpriority(PRIO_PROCESS, 0, 0);
  become_nobody();
  run(1, size & ~(uint32_t)WANTS_NET);
}

static void serve_programs(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) {
    uint32_t size;
    size_t done = 0;
    for (ssize_t got; done < sizeof size; done += got) {
      got = read(0, (char *)&size + done, sizeof size - done);
      if (got <= 0) exit(0);
    }
    /* Numbers of processes are those of a world. */
    put_file("/proc/sys/kernel/ns_last_pid", "99");
    pid_t pid = fork();
    if (pid == 0) be_program(size);
    int fd = syscall(SYS_pidfd_open, pid, 0), status = 0;
    struct pollfd poll_fd = { fd, POLLIN, 0 };
    int is_late = poll(&poll_fd, 1, PATIENCE_MS) == 0;
    /* Whatever else there is in this namespace belongs to the program. */
    if (is_late) kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, __WALL) > 0) {}
    close(fd);
    length = 0;
    if (is_late) PRINT("= -1\n");
    else PRINT("= %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    if (write(1, line, length) != length) exit(4);
  }
}

static void serve(const char *folder, const char *self) {
  int uid = getuid(), gid = getgid();
  char text[64];
  if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | (uid == 0 ? 0 : CLONE_NEWUSER)) != 0) die("unshare");
  if (uid != 0) {
    /* Nobody to look at from inside, nothing but oneself from outside. */
    put_file("/proc/self/setgroups", "deny");
    snprintf(text, sizeof text, "%d %d 1", NOBODY, uid);
    put_file("/proc/self/uid_map", text);
    snprintf(text, sizeof text, "%d %d 1", NOBODY, gid);
    put_file("/proc/self/gid_map", text);
  }
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    make_root(folder, self);
    sethostname("fuzz", 4);
    loopback_up();
    serve_programs();
  }
  int status = 0;
  waitpid(pid, &status, 0);
  exit(WIFEXITED(status) ? WEXITSTATUS(status) : 5);
}

int main(int argc, char **argv) {
  if (argc > 2 && strcmp(argv[1], "exit") == 0) return atoi(argv[2]);
  if (argc > 2 && strcmp(argv[1], "serve") == 0) {
    /* What the kernel maps is where it is in a world: how far from the end of user space decides what is an address. */
    if ((personality(0xffffffff) & ADDR_NO_RANDOMIZE) == 0) {
      personality(ADDR_NO_RANDOMIZE);
      /* By its name, which prctl tells. */
      execv(argv[0], argv);
      die("execv");
    }
    personality(0);
    serve(argv[2], "/proc/self/exe");
  }
  run(0, 0);
}
