/*
 * Makes the system calls of a program that src/replay/fuzz/program.ts encodes (argv[1]) and prints what they answered: a line a call, of what
 * Linux and a world must agree on. The processes share what is made before they are forked: slots 0 to 5.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/futex.h>
#include <sched.h>
#include <unistd.h>

enum { FD_SLOTS = 16, ADDRESS_SLOTS = 4, MOST_PROCESSES = 8, ARENA = 1 << 20, MOST_ARGS = 6, EDGE = 1 << 17, SHOWN = 8, NO_PROCESS = 4194303 };
enum { NUMBER, FD, MAPPING, PROCESS, IN, OUT, EDGE_OF };
enum { PLAIN, RESULT_FD, RESULT_MAPPING, PAIR, HIDDEN };
enum { RETURNED, ALL, STAT, STATX, NAMES };

struct shared { volatile int turn; volatile pid_t pids[MOST_PROCESSES]; };
struct place { unsigned char *at; size_t size; };

static struct shared *shared;
static int fds[FD_SLOTS];
static unsigned char *mappings[ADDRESS_SLOTS];
static unsigned char *arena, *edge, *nowhere, *here;
static size_t used, most_used;

static void on_signal(int signal) { (void)signal; }

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

static char line[512];
static int length;
#define PRINT(...) (length += snprintf(line + length, sizeof line - length, __VA_ARGS__))

static void show(int form, const struct place *place, long result) {
  if (place->at == NULL) return;
  if (form == STAT) {
    struct stat it;
    if (place->size < sizeof it) return;
    memcpy(&it, place->at, sizeof it);
    PRINT(" [%o %lu %u:%u", it.st_mode, (unsigned long)it.st_nlink, it.st_uid, it.st_gid);
    if (S_ISREG(it.st_mode)) PRINT(" %ld", (long)it.st_size);
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
  size_t size = form == RETURNED && (size_t)result < place->size ? (size_t)result : place->size;
  PRINT(" {");
  for (size_t i = 0; i < size && i < SHOWN; i++) PRINT("%02x", place->at[i]);
  PRINT(" %08x}", hash(place->at, size));
}

static void wait_turn(int wanted) {
  for (int now; (now = shared->turn) < wanted;) syscall(SYS_futex, &shared->turn, FUTEX_WAIT, now, NULL, NULL, 0);
}
static void end_turn(void) {
  __atomic_add_fetch(&shared->turn, 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, &shared->turn, FUTEX_WAKE, 1000, NULL, NULL, 0);
}

/* Positions in a directory are the file system's own numbers: it is always read from its start, and left there. */
static void rewind_directory(int fd) {
  struct stat it;
  if (fstat(fd, &it) == 0 && S_ISDIR(it.st_mode)) lseek(fd, 0, SEEK_SET);
}

/* Reads a call, and makes it if it is this process's. */
static void call(int index, int process, int is_ordered) {
  struct place places[MOST_ARGS] = { { NULL, 0 } };
  long args[MOST_ARGS] = { 0 };
  int shows[2 * MOST_ARGS], number = take(2), whose = take(1), kind = take(1), slot = take(1), count = take(1), shown = take(1), width;
  for (int i = 0; i < shown * 2; i++) shows[i] = take(1);
  /* What the calls before left there must not show when a call looks at more than it was given: not all of it is compared. */
  memset(arena, 0, most_used);
  used = 0;
  if (whose == process && is_ordered) wait_turn(index);
  for (int i = 0; i < count; i++) args[i] = argument(&places[i], &width);
  if (whose != process) return;
  if (number == SYS_getdents64) rewind_directory(args[0]);
  errno = 0;
  long result = syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
  int error = result == -1 ? errno : 0;
  if (number == SYS_getdents64) rewind_directory(args[0]);
  length = 0;
  PRINT("%d.%d %d = ", index, process, number);
  if (error) PRINT("-%d", error);
  else if (kind == PLAIN || kind == RESULT_FD || kind == PAIR) PRINT("%ld", result);
  else PRINT("ok");
  if (!error && kind == RESULT_FD) fds[slot] = result;
  if (!error && kind == RESULT_MAPPING) mappings[slot % ADDRESS_SLOTS] = (unsigned char *)result;
  if (!error && kind == PAIR) {
    for (int i = 0; i < count; i++) {
      if (places[i].at == NULL || places[i].size < 8) continue;
      memcpy(&fds[slot], places[i].at, 4);
      memcpy(&fds[(slot + 1) % FD_SLOTS], places[i].at + 4, 4);
    }
  }
  if (!error) for (int i = 0; i < shown; i++) show(shows[2 * i + 1], &places[shows[2 * i]], result);
  PRINT("\n");
  if (write(700, line, length) != length) _exit(98);
  if (is_ordered) end_turn();
}

/*
 * Everything happens in a directory and a process of its own: so that the owner of one and the rank of the other are the same wherever this runs.
 * Symbolic links can lead one level up, which is why there are two.
 */
static void settle(void) {
  umask(022);
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

int main(int argc, char **argv) {
  static unsigned char program[1 << 20];
  if (argc < 2) return 2;
  int file = open(argv[1], O_RDONLY);
  if (file < 0 || read(file, program, sizeof program) < 4) return 2;
  close(file);
  shared = (struct shared *)map(0x20000000, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
  arena = map(0x21000000, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  edge = map(0x22000000, EDGE + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  munmap(edge + EDGE, 4096);
  nowhere = map(0x23000000, 1 << 20, PROT_NONE, MAP_PRIVATE);
  munmap(nowhere, 1 << 20);
  /* What is mapped where the kernel wants it comes below this, and not beside the vDSO's pages, which answer differently. */
  mmap(NULL, 1 << 20, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  /* Calls must not change where the answers go, and find the same descriptors free wherever this runs. */
  dup2(1, 700);
  for (int fd = 0; fd < 700; fd++) close(fd);
  for (int fd = 0; fd < 3; fd++) open("/dev/null", O_RDWR);
  for (int i = 0; i < FD_SLOTS; i++) fds[i] = 900 + i;
  settle();
  signal(SIGALRM, SIG_IGN);
  static const int handled[] = { SIGUSR1, SIGUSR2, SIGPIPE, SIGURG, SIGIO, SIGWINCH, SIGHUP, SIGTERM, SIGCHLD, 35, 40, 64 };
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) sigaction(handled[i], &action, NULL);
  fds[0] = open("a", O_RDWR | O_CREAT, 0644);
  mkdir("d", 0755);
  fds[1] = open("d", O_RDONLY | O_DIRECTORY);
  if (pipe2(&fds[2], O_NONBLOCK) != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, &fds[4]) != 0) return 2;
  struct rlimit limit = { 48, 48 };
  setrlimit(RLIMIT_NOFILE, &limit);

  here = program;
  int processes = take(1), is_ordered = take(1), calls = take(2), me = 0;
  unsigned char *first = here;
  for (int i = 0; i < MOST_PROCESSES - 1; i++) shared->pids[i] = NO_PROCESS;
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
  end_turn();
  wait_turn(processes);
  if (is_ordered) {
    /* Turns are counted from 0 for calls: everybody has seen `processes` before it begins anew. */
    static volatile int *arrived;
    arrived = (volatile int *)&shared->pids[MOST_PROCESSES - 1];
    __atomic_add_fetch(arrived, 1, __ATOMIC_SEQ_CST);
    if (me == 0) {
      while (*arrived < processes) sched_yield();
      shared->turn = 0;
      *arrived = 1000;
    } else {
      while (*arrived < 1000) sched_yield();
    }
  }
  for (int i = 0; i < calls; i++) call(i, me, is_ordered);
  /* The end of one sends a signal to another, which must not come amid its calls. */
  if (is_ordered) wait_turn(calls);
  if (me == 0) {
    for (int i = 1; i < processes; i++) while (waitpid(shared->pids[i], NULL, 0) < 0 && errno == EINTR) {}
  }
  _exit(0);
}
