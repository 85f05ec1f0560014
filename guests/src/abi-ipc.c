/* System V shared memory, semaphores and messages. Identifiers are not printed. */
#include "abi.h"
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>

#define CALL(n, ...) syscall(SYS_##n, __VA_ARGS__)
#define P 4096L

static void shared(void) {
  puts("-- shared memory");
  key_t key = 0x52450000 + (getpid() & 0xffff);
  struct shmid_ds d;
  int id = shmget(IPC_PRIVATE, 3 * P - 5, 0640), k = shmget(key, P, IPC_CREAT | 0600);
  SHOW(shmget(IPC_PRIVATE, 0, 0600));
  SHOW(shmget(key, P, IPC_CREAT | IPC_EXCL | 0600));
  SHOW(shmget(key, 2 * P, 0));
  SHOW(shmget(key + 1, P, 0));
  printf("same %d\n", shmget(key, 100, 0) == k && shmget(key, 0, IPC_CREAT) == k);
  SHOW(shmctl(id, IPC_STAT, &d));
  printf("%ld %o uid %d cpid %d lpid %d nattch %ld atime %d ctime %d\n", (long)d.shm_segsz, d.shm_perm.mode, d.shm_perm.uid == geteuid(),
         d.shm_cpid == getpid(), d.shm_lpid, (long)d.shm_nattch, d.shm_atime != 0, d.shm_ctime != 0);
  char *p = shmat(id, 0, 0), *q = shmat(id, 0, SHM_RDONLY);
  strcpy(p, "shared");
  printf("%s %d\n", q, p != q);
  IN_CHILD("write read-only", q[0] = 1);
  IN_CHILD("write", strcpy(p + 2 * P, "by the child"); shmctl(id, IPC_STAT, &d); printf("attached %ld\n", (long)d.shm_nattch));
  printf("%s\n", q + 2 * P);
  shmctl(id, IPC_STAT, &d);
  printf("attached %ld, last %d\n", (long)d.shm_nattch, d.shm_lpid != getpid());
  OK(CALL(shmat, id, 1, 0));
  OK(CALL(shmat, id, 0, SHM_REMAP));
  OK(CALL(shmat, 999999, 0, 0));
  OK(CALL(shmat, -1, 0, 0));
  OK(CALL(shmat, id, p, 0));
  printf("remap %d\n", shmat(id, p, SHM_REMAP) == p);
  OK(mprotect(q, P, PROT_READ | PROT_WRITE));
  OK(munmap(q + P, P));
  shmctl(id, IPC_STAT, &d);
  printf("attached after a hole %ld\n", (long)d.shm_nattch);
  SHOW(CALL(shmdt, q + 1));
  SHOW(CALL(shmdt, 1L << 45));
  SHOW(shmdt(q));
  SHOW(shmdt(q));
  shmctl(id, IPC_STAT, &d);
  printf("attached %ld\n", (long)d.shm_nattch);
  d.shm_perm.mode = 0444;
  SHOW(shmctl(id, IPC_SET, &d));
  SHOW(shmctl(id, IPC_RMID, 0));
  SHOW(shmctl(id, IPC_STAT, &d));
  printf("mode %o still %s key %d\n", d.shm_perm.mode, p, d.shm_perm.__key);
  SHOW(shmdt(p));
  SHOW(shmctl(id, IPC_STAT, &d));
  OK(CALL(shmat, id, 0, 0));
  SHOW(shmctl(k, 99, &d));
  SHOW(CALL(shmctl, k, IPC_STAT, 8));
  SHOW(CALL(shmctl, k, -1, 0));
  SHOW(CALL(shmctl, -1, IPC_STAT, &d));
  SHOW(shmctl(k, SHM_LOCK, 0));
  shmctl(k, IPC_STAT, &d);
  printf("locked %o\n", d.shm_perm.mode);
  SHOW(shmctl(k, SHM_UNLOCK, 0));
  struct shminfo i;
  OK(shmctl(0, IPC_INFO, (void *)&i));
  printf("%ld %ld\n", (long)i.shmmin, (long)i.shmmni);
  IN_CHILD("other user", if (getuid() == 0) { setuid(1000); OK(CALL(shmat, k, 0, 0)); SHOW(shmctl(k, IPC_STAT, &d)); SHOW(shmctl(k, IPC_RMID, 0)); SHOW(shmget(key, 1, 0600)); OK(shmget(key, 1, 0)); });
  SHOW(shmctl(k, IPC_RMID, 0));
}

union arg { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; };
static int op(int id, int n, int o, int f) { struct sembuf s = {n, o, f}; return semop(id, &s, 1); }
static int val(int id, int n) { return semctl(id, n, GETVAL); }
/* Long enough for another process to get to where it waits, even on a busy machine. */
static void later(void) { struct timespec t = {0, 60000000}; nanosleep(&t, 0); }
static void caught(int s) { (void)s; }

static void semaphores(void) {
  puts("-- semaphores");
  struct semid_ds d;
  unsigned short v[3] = {1, 2, 3};
  union arg a = {.buf = &d};
  int id = semget(IPC_PRIVATE, 3, 0600);
  SHOW(semget(IPC_PRIVATE, 0, 0600));
  SHOW(semget(IPC_PRIVATE, -1, 0600));
  SHOW(semget(IPC_PRIVATE, 32001, 0600));
  SHOW(semget(0x7fffff01, 1, 0));
  SHOW(semctl(id, 0, IPC_STAT, a));
  printf("%ld %o otime %ld\n", (long)d.sem_nsems, d.sem_perm.mode, (long)d.sem_otime);
  a.array = v;
  SHOW(semctl(id, 0, SETALL, a));
  SHOW(val(id, 0));
  SHOW(val(id, 2));
  SHOW(val(id, 3));
  SHOW(val(id, -1));
  SHOW(semctl(id, 1, SETVAL, (union arg){.val = 5}));
  SHOW(semctl(id, 1, SETVAL, (union arg){.val = 32768}));
  SHOW(semctl(id, 1, SETVAL, (union arg){.val = -1}));
  SHOW(semctl(id, 9, SETVAL, (union arg){.val = 1}));
  v[0] = 40000;
  SHOW(semctl(id, 0, SETALL, a));
  SHOW(semctl(id, 0, GETALL, a));
  printf("%d %d %d\n", v[0], v[1], v[2]);
  printf("pid %d\n", semctl(id, 1, GETPID) == getpid());
  struct sembuf two[2] = {{0, -1, 0}, {1, -6, IPC_NOWAIT}}, three[3] = {{0, -1, 0}, {1, -5, 0}, {2, 3, 0}};
  SHOW(semop(id, two, 2));
  SHOW(val(id, 0));
  SHOW(semop(id, three, 3));
  printf("%d %d %d\n", val(id, 0), val(id, 1), val(id, 2));
  SHOW(op(id, 0, 0, 0));
  SHOW(op(id, 2, 0, IPC_NOWAIT));
  SHOW(op(id, 0, -1, IPC_NOWAIT));
  SHOW(op(id, 7, 1, 0));
  SHOW(op(id, 0, 32767, 0));
  SHOW(op(id, 0, 1, 0));
  SHOW(op(999999, 0, 1, 0));
  SHOW(semop(id, three, 0));
  SHOW(CALL(semop, id, three, 501));
  SHOW(CALL(semop, id, 8, 1));
  struct timespec t = {0, 2000000}, bad = {0, -1};
  struct sembuf down = {1, -1, 0};
  int status;
  SHOW(CALL(semtimedop, id, &down, 1, &t));
  SHOW(CALL(semtimedop, id, &down, 1, &bad));
  SHOW(CALL(semtimedop, id, &down, 1, 8));
  semctl(id, 0, SETVAL, (union arg){.val = 0});
  fflush(stdout);
  pid_t c = fork();
  if (c == 0) { int r = op(id, 0, -2, 0); printf("woken: %d, left %d\n", r, val(id, 0)); fflush(stdout); _exit(0); }
  for (int i = 0; i < 50 && semctl(id, 0, GETNCNT) == 0; i++) later();
  printf("ncnt %d zcnt %d\n", semctl(id, 0, GETNCNT), semctl(id, 0, GETZCNT));
  op(id, 0, 1, 0);
  later();
  printf("still %d\n", semctl(id, 0, GETNCNT));
  fflush(stdout);
  op(id, 0, 2, 0);
  waitpid(c, 0, 0);
  printf("pid %d\n", semctl(id, 0, GETPID) == c);
  semctl(id, 0, SETVAL, (union arg){.val = 0});
  IN_CHILD("undo", op(id, 0, 5, SEM_UNDO); op(id, 0, -2, SEM_UNDO); printf("inside %d\n", val(id, 0)));
  SHOW(val(id, 0));
  semctl(id, 0, SETVAL, (union arg){.val = 4});
  IN_CHILD("undo down", op(id, 0, -3, SEM_UNDO); printf("inside %d\n", val(id, 0)));
  SHOW(val(id, 0));
  IN_CHILD("undo forgotten", op(id, 0, -3, SEM_UNDO); semctl(id, 0, SETVAL, (union arg){.val = 7}));
  SHOW(val(id, 0));
  fflush(stdout);
  semctl(id, 0, SETVAL, (union arg){.val = 1});
  c = fork();
  if (c == 0) { int r = op(id, 0, 0, 0); printf("zero: %d\n", r); fflush(stdout); _exit(0); }
  for (int i = 0; i < 50 && semctl(id, 0, GETZCNT) == 0; i++) later();
  printf("zcnt %d\n", semctl(id, 0, GETZCNT));
  fflush(stdout);
  op(id, 0, -1, 0);
  waitpid(c, 0, 0);
  struct sigaction s;
  memset(&s, 0, sizeof s);
  s.sa_handler = caught;
  s.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &s, 0);
  ualarm(3000, 0);
  SHOW(op(id, 1, -1, 0));
  fflush(stdout);
  c = fork();
  if (c == 0) { op(id, 1, -1, 0); _exit(errno); }
  later();
  SHOW(semctl(id, 0, IPC_RMID));
  waitpid(c, &status, 0);
  printf("who waited: %s\n", abi_error(WEXITSTATUS(status)));
  SHOW(val(id, 0));
  SHOW(CALL(semctl, -1, 0, GETVAL, 0));
  struct seminfo i;
  a.info = &i;
  OK(semctl(0, 0, IPC_INFO, a));
  printf("%d %d %d %d\n", i.semmsl, i.semopm, i.semvmx, i.semmni);
  int pid = fork();
  if (pid == 0) { for (;;) pause(); }
  kill(pid, SIGKILL);
  waitpid(pid, 0, 0);
}

struct m { long type; char text[64]; };
static void messages(void) {
  puts("-- messages");
  int id = msgget(IPC_PRIVATE, 0600);
  struct m m = {1, "one"}, r;
  struct msqid_ds d;
  int status;
  SHOW(msgget(0x7fffff02, 0));
  SHOW(msgsnd(id, &m, 4, 0));
  m.type = 3; strcpy(m.text, "three");
  SHOW(msgsnd(id, &m, 6, 0));
  m.type = 2; strcpy(m.text, "two");
  SHOW(msgsnd(id, &m, 4, 0));
  SHOW(msgctl(id, IPC_STAT, &d));
  printf("%ld %ld %ld %d %d\n", (long)d.msg_qnum, (long)d.__msg_cbytes, (long)d.msg_qbytes, d.msg_lspid == getpid(), d.msg_lrpid);
  SHOW(msgrcv(id, &r, 64, 2, 0));
  printf("%ld %s\n", r.type, r.text);
  SHOW(msgrcv(id, &r, 64, -3, 0));
  printf("%ld %s\n", r.type, r.text);
  SHOW(msgrcv(id, &r, 3, 0, 0));
  SHOW(msgrcv(id, &r, 3, 0, MSG_NOERROR));
  printf("%ld %.3s\n", r.type, r.text);
  SHOW(msgrcv(id, &r, 64, 0, IPC_NOWAIT));
  m.type = 0;
  SHOW(msgsnd(id, &m, 4, 0));
  m.type = 1;
  SHOW(msgsnd(id, &m, 9000, 0));
  SHOW(CALL(msgsnd, id, &m, -1L, 0));
  SHOW(CALL(msgsnd, id, 8, 4, 0));
  SHOW(CALL(msgsnd, 999999, &m, 4, 0));
  SHOW(CALL(msgsnd, -1, &m, 4, 0));
  SHOW(CALL(msgrcv, id, &r, -1L, 0, 0));
  SHOW(msgsnd(id, &m, 0, 0));
  SHOW(msgrcv(id, &r, 64, 5, IPC_NOWAIT));
  SHOW(msgrcv(id, &r, 64, 1, IPC_NOWAIT | 020000));
  SHOW(msgrcv(id, &r, 64, 2, IPC_NOWAIT | 020000));
  int n = 0;
  while (msgsnd(id, &m, 60, IPC_NOWAIT) == 0) n++;
  printf("full after %d: %s\n", n, abi_error(errno));
  fflush(stdout);
  pid_t c = fork();
  if (c == 0) { m.type = 9; _exit(msgsnd(id, &m, 60, 0)); }
  later();
  SHOW(msgrcv(id, &r, 64, 0, 0));
  waitpid(c, &status, 0);
  printf("sent: %d\n", WEXITSTATUS(status));
  SHOW(msgrcv(id, &r, 64, 9, 0));
  d.msg_qbytes = 100;
  SHOW(msgctl(id, IPC_SET, &d));
  SHOW(msgsnd(id, &m, 60, IPC_NOWAIT));
  SHOW(msgctl(id, 77, &d));
  fflush(stdout);
  c = fork();
  if (c == 0) { msgrcv(id, &r, 64, 77, 0); _exit(errno); }
  later();
  SHOW(msgctl(id, IPC_RMID, 0));
  waitpid(c, &status, 0);
  printf("who waited: %s\n", abi_error(WEXITSTATUS(status)));
  SHOW(msgctl(id, IPC_STAT, &d));
  struct msginfo i;
  OK(msgctl(0, IPC_INFO, (void *)&i));
  printf("%d %d %d\n", i.msgmax, i.msgmnb, i.msgmni);
}

static volatile sig_atomic_t told, toldCode, toldValue;
static void tell(int n, siginfo_t *i, void *c) { (void)n; (void)c; told++; toldCode = i->si_code; toldValue = i->si_value.sival_int; }

static void queues(void) {
  puts("-- POSIX message queues");
  char name[32], b[64];
  unsigned prio;
  int status;
  snprintf(name, sizeof name, "/abi-ipc-%d", getpid());
  struct mq_attr a = {0, 4, 32, 0}, zero = {0, 0, 32, 0}, o;
  OK(mq_open(name + 0, O_RDWR) == 0);
  OK(CALL(mq_open, name, O_RDWR, 0, 0));
  OK(CALL(mq_open, "", O_RDWR, 0, 0));
  OK(CALL(mq_open, name + 1, O_RDWR | O_CREAT, 0600, &zero));
  mqd_t q = mq_open(name, O_RDWR | O_CREAT, 0600, &a), r = mq_open(name, O_RDONLY | O_NONBLOCK);
  printf("open %d %d\n", q >= 0, r >= 0);
  OK(CALL(mq_open, name + 1, O_RDWR | O_CREAT | O_EXCL, 0600, &a));
  OK(CALL(mq_open, name + 1, 3, 0, 0));
  printf("close on exec %d\n", fcntl(q, F_GETFD));
  SHOW(mq_getattr(r, &o));
  printf("%ld %ld %ld %ld\n", o.mq_flags, o.mq_maxmsg, o.mq_msgsize, o.mq_curmsgs);
  SHOW(mq_send(q, "low", 3, 1));
  SHOW(mq_send(q, "high", 4, 9));
  SHOW(mq_send(q, "low 2", 5, 1));
  SHOW(mq_send(r, "x", 1, 1));
  SHOW(mq_send(q, "x", 33, 1));
  SHOW(mq_send(q, "x", 1, 32768));
  SHOW(mq_send(999, "x", 1, 1));
  SHOW(mq_send(1, "x", 1, 1));
  SHOW(mq_receive(q, b, 31, &prio));
  SHOW(mq_receive(q, b, 64, &prio));
  printf("%.4s %u\n", b, prio);
  SHOW(mq_receive(r, b, 64, 0));
  SHOW(mq_receive(r, b, 64, &prio));
  printf("%.5s %u\n", b, prio);
  SHOW(mq_receive(r, b, 64, &prio));
  struct pollfd p = {q, POLLIN | POLLOUT, 0};
  SHOW(poll(&p, 1, 0));
  printf("%d\n", p.revents);
  for (int i = 0; i < 4; i++) mq_send(q, "fill", 4, 0);
  SHOW(poll(&p, 1, 0));
  printf("%d\n", p.revents);
  struct timespec past = {1, 0}, bad = {0, -1};
  SHOW(mq_timedsend(q, "x", 1, 0, &past));
  SHOW(mq_timedsend(q, "x", 1, 0, &bad));
  fflush(stdout);
  pid_t c = fork();
  if (c == 0) _exit(mq_send(q, "late", 4, 5));
  later();
  SHOW(mq_receive(q, b, 64, 0));
  waitpid(c, &status, 0);
  printf("sent: %d\n", WEXITSTATUS(status));
  SHOW(mq_receive(q, b, 64, &prio));
  printf("%.4s %u\n", b, prio);
  while (mq_receive(r, b, 64, 0) >= 0) {}
  struct sigaction s;
  memset(&s, 0, sizeof s);
  s.sa_sigaction = tell;
  s.sa_flags = SA_SIGINFO;
  sigaction(SIGUSR1, &s, 0);
  struct sigevent e;
  memset(&e, 0, sizeof e);
  e.sigev_notify = SIGEV_SIGNAL;
  e.sigev_signo = 99;
  SHOW(mq_notify(q, &e));
  e.sigev_signo = SIGUSR1;
  e.sigev_value.sival_int = 77;
  SHOW(mq_notify(q, &e));
  SHOW(mq_notify(q, &e));
  read(q, b, sizeof b);
  printf("status %.9s\n", b);
  mq_send(q, "x", 1, 0);
  mq_send(q, "x", 1, 0);
  printf("told %d: code %d value %d\n", told, toldCode, toldValue);
  SHOW(mq_notify(q, 0));
  a.mq_flags = O_NONBLOCK;
  SHOW(mq_setattr(q, &a, &o));
  mq_getattr(q, &o);
  printf("%ld %ld\n", o.mq_flags, o.mq_curmsgs);
  a.mq_flags = 1;
  SHOW(mq_setattr(q, &a, 0));
  SHOW(mq_unlink(name));
  SHOW(mq_unlink(name));
  SHOW(mq_receive(q, b, 64, 0));
  SHOW(mq_close(q));
  SHOW(mq_close(q));
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  shared();
  semaphores();
  messages();
  queues();
  return 0;
}
