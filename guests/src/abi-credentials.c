/* User and group ids, capabilities, prctl. What needs root is done in children that are root; else it is skipped. */
#include "abi.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <fcntl.h>

#define CALL(n, ...) syscall(SYS_##n, __VA_ARGS__)
struct caps { struct __user_cap_header_struct h; struct __user_cap_data_struct d[2]; };

static void ids(const char *when) {
  unsigned r, e, s, a, b, c;
  CALL(getresuid, &r, &e, &s);
  CALL(getresgid, &a, &b, &c);
  printf("%s: uid %u %u %u fs %ld gid %u %u %u fs %ld\n", when, r, e, s, CALL(setfsuid, -1), a, b, c, CALL(setfsgid, -1));
}
static void caps(const char *when) {
  struct caps c = {{0x20080522, 0}, {{0, 0, 0}, {0, 0, 0}}};
  CALL(capget, &c.h, c.d);
  printf("%s: effective %d permitted %d inheritable %d\n", when, !!c.d[0].effective, !!c.d[0].permitted, !!c.d[0].inheritable);
}
static int has(int cap) {
  struct caps c = {{0x20080522, 0}, {{0, 0, 0}, {0, 0, 0}}};
  CALL(capget, &c.h, c.d);
  return c.d[cap >> 5].effective >> (cap & 31) & 1;
}

static void root_only(void) {
  puts("-- changing ids");
  IN_CHILD("setuid", SHOW(setuid(1000)); ids("after"); caps("after"); SHOW(setuid(0)); SHOW(setuid(1000)); SHOW(seteuid(0)));
  IN_CHILD("seteuid", SHOW(seteuid(1000)); ids("after"); caps("after"); SHOW(seteuid(0)); ids("back"); caps("back"));
  IN_CHILD("setreuid", SHOW(CALL(setreuid, 1000, -1)); ids("real"); SHOW(CALL(setreuid, -1, 1000)); ids("effective"); caps("now"); SHOW(CALL(setreuid, 0, 0)));
  IN_CHILD("setreuid 2", SHOW(CALL(setreuid, -1, 2000)); ids("effective"); SHOW(CALL(setreuid, 2000, 0)); ids("swapped"));
  IN_CHILD("setresuid", SHOW(CALL(setresuid, 1000, 2000, 3000)); ids("three"); caps("three"); SHOW(CALL(setresuid, 2000, 3000, 1000)); ids("turned");
           SHOW(CALL(setresuid, 0, -1, -1)); SHOW(CALL(setresuid, -1, -1, 4000)); SHOW(CALL(setuid, 2000)); ids("setuid"));
  IN_CHILD("setresgid", SHOW(CALL(setresgid, 10, 20, 30)); ids("three"); SHOW(setuid(1000)); SHOW(CALL(setresgid, 20, 30, 10)); ids("turned"); SHOW(CALL(setresgid, 40, -1, -1));
           SHOW(CALL(setgid, 20)); ids("setgid"); SHOW(CALL(setregid, 10, -1)); ids("setregid"));
  IN_CHILD("setfsuid", SHOW(CALL(setfsuid, 1000)); ids("fs"); printf("chown %d override %d kill %d\n", has(CAP_CHOWN), has(CAP_DAC_OVERRIDE), has(CAP_KILL));
           SHOW(CALL(setfsuid, 0)); printf("chown %d\n", has(CAP_CHOWN)); SHOW(CALL(setfsuid, 5)); SHOW(setuid(1000)); SHOW(CALL(setfsuid, 7)); ids("refused"));
  IN_CHILD("keepcaps", SHOW(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)); SHOW(setuid(1000)); caps("kept"); SHOW(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
           struct caps c = {{0x20080522, 0}, {{1 << CAP_SETUID, 1 << CAP_SETUID, 0}, {0, 0, 0}}}; SHOW(CALL(capset, &c.h, c.d)); caps("raised");
           SHOW(CALL(setresuid, 5, 6, 7)); ids("with CAP_SETUID"); caps("after"));
  IN_CHILD("groups", gid_t g[4] = {30, 10, 20, 10}; SHOW(setgroups(4, g)); memset(g, 0, sizeof g); SHOW(getgroups(4, g)); printf("%d %d %d %d\n", g[0], g[1], g[2], g[3]);
           SHOW(getgroups(3, g)); SHOW(getgroups(0, 0)); SHOW(getgroups(-1, g)); SHOW(CALL(setgroups, 70000, g)); SHOW(CALL(setgroups, 1, 8)); SHOW(setgroups(0, 0)); SHOW(getgroups(0, 0));
           SHOW(setuid(1)); SHOW(setgroups(0, 0)); SHOW(CALL(setgroups, 70000, g)));
  IN_CHILD("chown by fsuid", int fd = open("/tmp", O_RDWR | O_TMPFILE, 0600); SHOW(fchown(fd, 5, 6)); SHOW(CALL(setfsuid, 1000)); SHOW(fchown(fd, 7, 8)));
  puts("-- capabilities");
  IN_CHILD("capset", struct caps c = {{0x20080522, 0}, {{0, 0, 0}, {0, 0, 0}}}; CALL(capget, &c.h, c.d);
           c.d[0].inheritable = 1 << CAP_KILL; SHOW(CALL(capset, &c.h, c.d)); caps("inheritable");
           c.d[0].permitted &= ~(1 << CAP_CHOWN); SHOW(CALL(capset, &c.h, c.d)); c.d[0].effective &= ~(1 << CAP_CHOWN); SHOW(CALL(capset, &c.h, c.d));
           c.d[0].permitted |= 1 << CAP_CHOWN; SHOW(CALL(capset, &c.h, c.d)); printf("chown %d\n", has(CAP_CHOWN));
           c.h.pid = 1; SHOW(CALL(capset, &c.h, c.d));
           SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0)); SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
           SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0)); SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_KILL, 0, 0));
           SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0)); SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
           SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0)); SHOW(prctl(PR_CAP_AMBIENT, 9, CAP_KILL, 0, 0)); SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 99, 0, 0)));
  IN_CHILD("bounding", SHOW(prctl(PR_CAPBSET_READ, CAP_KILL)); SHOW(prctl(PR_CAPBSET_DROP, CAP_KILL)); SHOW(prctl(PR_CAPBSET_READ, CAP_KILL)); SHOW(prctl(PR_CAPBSET_READ, 99)); SHOW(prctl(PR_CAPBSET_DROP, 99));
           SHOW(setuid(5)); SHOW(prctl(PR_CAPBSET_DROP, CAP_CHOWN)); SHOW(prctl(PR_CAPBSET_DROP, 99)));
  IN_CHILD("secure bits", SHOW(prctl(PR_GET_SECUREBITS)); SHOW(prctl(PR_SET_SECUREBITS, 4)); SHOW(setuid(9)); caps("no fixup"); SHOW(prctl(PR_GET_SECUREBITS)));
  IN_CHILD("locked", SHOW(prctl(PR_SET_SECUREBITS, 0x30)); SHOW(prctl(PR_SET_SECUREBITS, 0x10)); SHOW(prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0)); SHOW(prctl(PR_SET_SECUREBITS, 0x1000)));
}

int main(int argc, char **argv) {
  if (argc > 1) {
    ids(argv[1]);
    caps(argv[1]);
    return 0;
  }
  setvbuf(stdout, 0, _IOLBF, 0);
  struct caps c = {{0x12345678, 0}, {{0, 0, 0}, {0, 0, 0}}};
  SHOW(CALL(capget, &c.h, c.d));
  printf("%x\n", c.h.version);
  c.h.version = 1;
  SHOW(CALL(capget, &c.h, 0));
  c.h.version = 0x20080522;
  SHOW(CALL(capget, &c.h, 0));
  SHOW(CALL(capget, 8, c.d));
  c.h.pid = -1;
  SHOW(CALL(capget, &c.h, c.d));
  c.h.pid = 999999;
  SHOW(CALL(capget, &c.h, c.d));
  c.h.version = 0x19980330;
  c.h.pid = 0;
  SHOW(CALL(capget, &c.h, c.d));
  SHOW(CALL(setuid, -1));
  SHOW(CALL(setgid, -1));
  if (getuid() == 0) root_only();
  else puts("not root: changes of identity are skipped");
  puts("-- exec");
  if (getuid() == 0) {
    IN_CHILD("exec as user", setuid(1000); char *a[] = {"self", "after exec", 0}; execv(argv[0], a));
    IN_CHILD("exec with saved root", seteuid(1000); char *a[] = {"self", "after exec", 0}; execv(argv[0], a));
    IN_CHILD("exec as root", setresuid(1000, 0, 0); char *a[] = {"self", "after exec", 0}; execv(argv[0], a));
  }
  puts("-- prctl");
  char name[17] = "";
  int v = -1;
  SHOW(prctl(PR_SET_NAME, "a name that is too long", 0, 0, 0));
  SHOW(prctl(PR_GET_NAME, name, 0, 0, 0));
  printf("%s\n", name);
  SHOW(prctl(PR_SET_NAME, 8, 0, 0, 0));
  SHOW(prctl(PR_GET_NAME, 8, 0, 0, 0));
  SHOW(prctl(PR_SET_PDEATHSIG, 65, 0, 0, 0));
  SHOW(prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0));
  SHOW(prctl(PR_GET_PDEATHSIG, &v, 0, 0, 0));
  printf("%d\n", v);
  IN_CHILD("death signal is not inherited", prctl(PR_GET_PDEATHSIG, &v); printf("%d\n", v));
  SHOW(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0));
  SHOW(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
  SHOW(prctl(PR_SET_DUMPABLE, 2, 0, 0, 0));
  SHOW(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
  SHOW(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
  SHOW(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
  SHOW(prctl(PR_SET_KEEPCAPS, 2, 0, 0, 0));
  SHOW(prctl(PR_SET_TIMERSLACK, 12345, 0, 0, 0));
  SHOW(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
  SHOW(prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0));
  SHOW(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
  SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
  SHOW(prctl(PR_GET_CHILD_SUBREAPER, &v, 0, 0, 0));
  printf("%d\n", v);
  SHOW(prctl(PR_GET_TSC, &v, 0, 0, 0));
  printf("%d\n", v);
  SHOW(prctl(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0));
  SHOW(prctl(PR_GET_TIMING, 0, 0, 0, 0));
  SHOW(prctl(PR_SET_TIMING, 1, 0, 0, 0));
  SHOW(prctl(PR_GET_ENDIAN, &v, 0, 0, 0));
  SHOW(prctl(PR_GET_FPEMU, &v, 0, 0, 0));
  SHOW(prctl(PR_SET_MM, 1, 0, 1, 0));
  SHOW(prctl(9999, 0, 0, 0, 0));
  SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  SHOW(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
  SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
  SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  IN_CHILD("inherited", SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)));
  SHOW(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
  SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
  SHOW(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
  return 0;
}
