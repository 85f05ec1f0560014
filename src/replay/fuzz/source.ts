/** A sequence of system calls as C: a program of its own that makes them natively, and as lines for people. */
import { ADDRESS_SLOTS, CHILDREN, FD_SLOTS, FIRST_CHILD, type FuzzArgument, type FuzzCall, type FuzzProgram, ID_SLOTS, TOUCH } from './program.ts'

const RUN_LENGTH = 8
const CODE = ['nothing', 'nothing', 'restore'] as const

/** Bytes as a C string literal's content; long runs of what `filler` makes are cut in the text for people only. */
const literal = (bytes: readonly number[]): string => {
  let text = ''
  for (const byte of bytes) {
    // Octal escapes of three digits can't run into what follows.
    if (byte === 34 || byte === 92) text += `\\${String.fromCharCode(byte)}`
    else if (byte >= 32 && byte < 127 && byte !== 63) text += String.fromCharCode(byte)
    else text += `\\${byte.toString(8).padStart(3, '0')}`
  }
  return text
}

const constantOf = (value: number): string => Math.abs(value) <= 0xffff ? String(value) : value < 0 ? `-0x${(-value).toString(16)}L` : `0x${value.toString(16)}L`

class Source {
  readonly lines: string[] = []
  #count = 0

  /** An expression for the argument; what it needs before comes first. */
  expression(argument: FuzzArgument): string {
    switch (argument.is) {
      case 'number': return constantOf(argument.value)
      case 'fd': return `fds[${argument.slot}]`
      case 'mapping': return argument.offset === 0 ? `mapping(${argument.slot % ADDRESS_SLOTS})` : `mapping(${argument.slot % ADDRESS_SLOTS}) + ${argument.offset}`
      case 'process': return `shared->pids[${argument.number}]`
      case 'id': return `ids[${argument.slot}]`
      case 'code': return `(long)${CODE[argument.which]}`
      case 'out': {
        const name = `out${this.#count++}`
        this.lines.push(`static char ${name}[${Math.max(argument.size, 1)}];`, `memset(${name}, 0xa5, ${argument.size});`)
        return `(long)${name}`
      }
      case 'edge': return `(long)before_nothing(${argument.size})`
      case 'in': {
        const name = `in${this.#count++}`
        this.lines.push(`static char ${name}[] = "${literal(argument.bytes)}";`)
        for (const { at, argument: patch } of argument.patches ?? []) {
          const narrow = patch.is === 'fd' || patch.is === 'process' || patch.is === 'id'
          const value = this.expression(patch)
          this.lines.push(`memcpy(${name} + ${at}, &(${narrow ? 'int' : 'long'}){ ${value} }, ${narrow ? 4 : 8});`)
        }
        return `(long)${name}`
      }
    }
  }
}

const callLines = (call: FuzzCall, index: number, ordered: boolean): string[] => {
  const source = new Source()
  const args = call.args.map((argument) => source.expression(argument))
  const pair = call.result === 'pair' ? call.args.map((argument, i) => argument.is === 'out' ? args[i] : '').find((name) => name !== '') : undefined
  return [
    `if (me == ${call.process}) { /* ${index} */`,
    ...ordered ? [`  wait_turn(${index});`] : [],
    ...source.lines.map((line) => `  ${line}`),
    `  long result = ${call.number === TOUCH ? `touch((char *)${args[0]}, ${args[1]})` : call.result === 'child' ? `make_child(${call.slot % CHILDREN}, ${[`SYS_${call.name}`, ...args].join(', ')})` : `syscall(${[`SYS_${call.name}`, ...args].join(', ')})`};`,
    `  printf("${index}.${call.process} ${call.name} = %ld %s\\n", result, result == -1 ? strerror(errno) : ""); fflush(stdout);`,
    ...call.result === 'fd' ? [`  if (result >= 0) fds[${call.slot}] = result;`] : [],
    ...call.result === 'id' ? [`  if (result >= 0) ids[${call.slot % ID_SLOTS}] = result;`] : [],
    ...call.result === 'mapping' ? [`  if (result != -1) mappings[${call.slot % ADDRESS_SLOTS}] = result;`] : [],
    ...pair === undefined ? [] : [`  if (result == 0) { memcpy(&fds[${call.slot}], (char *)${pair}, 4); memcpy(&fds[${(call.slot + 1) % FD_SLOTS}], (char *)${pair} + 4, 4); }`],
    ...ordered ? ['  end_turn();'] : [],
    '}',
  ]
}

const PRELUDE = (processes: number): string => `/* Made by retrograde fuzz. Run it in an empty directory: cc -o it it.c && mkdir empty && cd empty && ../it */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = ${processes} };
static struct { volatile int turn; volatile pid_t pids[8]; } *shared;
static int fds[${FD_SLOTS}], ids[${ID_SLOTS}], me;
static long mappings[${ADDRESS_SLOTS}];
static char *nowhere;
static void nothing(int signal) { (void)signal; }
__attribute__((naked)) void restore(void) { __asm__("mov $15, %eax\\n\\tsyscall"); }
static sigjmp_buf way_back;
static void faulted(int signal) { siglongjmp(way_back, signal); }
static long touch(volatile char *at, int value) {
  int fault = sigsetjmp(way_back, 1);
  if (fault) return -100 - fault;
  long result = (unsigned char)*at;
  if (value >= 0) *at = value;
  return result;
}
/* What children do (the sixth argument): guests/src/fuzz-run.c has the same, and vfork. */
static long make_child(int slot, long number, long a, long b, long c, long d, long e, long behaviour) {
  static char *const arguments[] = { "fuzz-run", "exit", "5", NULL };
  long result = syscall(number == SYS_vfork ? SYS_fork : number, a, b, c, d, e, 0L);
  if (result == 0) switch (behaviour & 7) {
    case 0: _exit(0);
    case 1: _exit(7);
    case 2: case 3: case 4: kill(getpid(), behaviour == 2 ? SIGKILL : behaviour == 3 ? SIGUSR1 : SIGABRT); _exit(3);
    case 5: execve("/bin/fuzz-run", arguments, arguments + 3); _exit(6);
    case 6: close(fds[6]); umask(077); _exit(8);
    default: _exit(write(fds[0], "child", 5) & 0xff);
  }
  siginfo_t it;
  if (result > 0) shared->pids[${FIRST_CHILD} + slot] = result;
  if (result > 0) while (waitid(P_PID, result, &it, WEXITED | WNOWAIT | __WALL) < 0 && errno == EINTR);
  return result;
}
static long mapping(int slot) { return mappings[slot] ? mappings[slot] : (long)nowhere; }
static void wait_turn(int wanted) {
  for (int now; (now = shared->turn) < wanted;) syscall(SYS_futex, &shared->turn, FUTEX_WAIT, now, NULL, NULL, 0);
}
static void end_turn(void) {
  __atomic_add_fetch(&shared->turn, 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, &shared->turn, FUTEX_WAKE, 1000, NULL, NULL, 0);
}
static char *map(size_t size, int flags) { return mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0); }
/* So many bytes, behind which nothing is mapped. */
static char *before_nothing(size_t size) {
  size_t pages = (size + 4095) / 4096 * 4096;
  char *at = map(pages + 4096, MAP_PRIVATE);
  munmap(at + pages, 4096);
  return at + pages - size;
}

int main(void) {
  static const int handled[] = { SIGUSR1, SIGUSR2, SIGPIPE, SIGURG, SIGIO, SIGWINCH, SIGHUP, SIGTERM, SIGCHLD, 35, 40, 64 };
  umask(022);
  shared = (void *)map(4096, MAP_SHARED);
  nowhere = map(1 << 20, MAP_PRIVATE);
  munmap(nowhere, 1 << 20);
  for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) sigaction(handled[i], &(struct sigaction){ .sa_handler = nothing, .sa_flags = SA_RESTART }, NULL);
  signal(SIGSEGV, faulted);
  signal(SIGBUS, faulted);
  (void)touch, (void)make_child, (void)restore;
  for (int i = 0; i < ${FD_SLOTS}; i++) fds[i] = 900 + i;
  for (int i = 0; i < ${ID_SLOTS}; i++) ids[i] = 12345678 + i;
  fds[0] = open("a", O_RDWR | O_CREAT, 0644);
  char content[10000];
  for (int i = 0; i < (int)sizeof content; i++) content[i] = i * 7 + (i >> 8);
  if (write(fds[0], content, sizeof content) < 0) return 2;
  lseek(fds[0], 0, SEEK_SET);
  mkdir("d", 0755);
  mkdir("d/d", 0700);
  close(open("d/a", O_RDWR | O_CREAT, 0600));
  if (symlink("d/a", "l") != 0 || mkfifo("f", 0644) != 0) return 2;
  fds[1] = open("d", O_RDONLY | O_DIRECTORY);
  pipe2(&fds[2], O_NONBLOCK);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, &fds[4]);
  shared->pids[0] = getpid();
  for (int i = 1; i < PROCESSES; i++) {
    pid_t pid = fork();
    if (pid == 0) { me = i; break; }
    shared->pids[i] = pid;
  }
  shared->pids[me] = getpid();
  for (int i = 0; i < PROCESSES; i++) while (shared->pids[i] == 0) usleep(100);
`

/** A C program that makes the calls natively and prints what they answer. */
export const fuzzProgramToC = ({ processes, ordered, calls }: FuzzProgram): string => [
  PRELUDE(processes), ...calls.flatMap((call, i) => callLines(call, i, ordered)).map((line) => `  ${line}`),
  '  if (me == 0) for (int i = 1; i < PROCESSES; i++) waitpid(shared->pids[i], NULL, 0);', '  return 0;', '}', '',
].join('\n')

const shortArgument = (argument: FuzzArgument): string => {
  switch (argument.is) {
    case 'number': return constantOf(argument.value).replace(/L$/, '')
    case 'fd': return `fd[${argument.slot}]`
    case 'mapping': return `mapping[${argument.slot}]${argument.offset === 0 ? '' : `+${argument.offset}`}`
    case 'process': return `pid[${argument.number}]`
    case 'id': return `id[${argument.slot}]`
    case 'code': return CODE[argument.which]
    case 'out': return `&out(${argument.size})`
    case 'edge': return `&edge(${argument.size})`
    case 'in': {
      if ((argument.patches?.length ?? 0) > 0) return `&{${argument.bytes.length} bytes: ${(argument.patches ?? []).map(({ at, argument: patch }) => `+${at} ${shortArgument(patch)}`).join(', ')}}`
      const text = literal(argument.bytes.slice(0, 4 * RUN_LENGTH)).replace(/\\000$/, '')
      return `"${text}"${argument.bytes.length > 4 * RUN_LENGTH ? `… (${argument.bytes.length})` : ''}`
    }
  }
}

/** A line a call. */
export const callText = (call: FuzzCall): string => {
  const kept = call.result === 'fd' ? `fd[${call.slot}] = ` : call.result === 'mapping' ? `mapping[${call.slot % ADDRESS_SLOTS}] = ` : ''
  return `${call.process === 0 ? '' : `process ${call.process}: `}${kept}${call.name}(${call.args.map(shortArgument).join(', ')})`
}
