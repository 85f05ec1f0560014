/* Namespaces: clone, unshare and setns with CLONE_NEW*, /proc/PID/ns, maps of ids, trees of mounts. Run as root. */
#define _GNU_SOURCE
#include "abi-parts.h"
#include <sys/utsname.h>

/* In a child, so that each part begins as the first did. */
#define PART(title) do { printf("--- %s\n", title); fflush(stdout); } while (0)
static void in_child(void (*part)(void)) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) { part(); fflush(stdout); _exit(0); }
  int status;
  waitpid(child, &status, 0);
  if (status != 0) printf("ended with %x\n", status);
}

static char *link_of(const char *path) {
  static char text[4][64]; static int at;
  char *to = text[at++ % 4];
  ssize_t n = readlink(path, to, 63);
  if (n < 0) return strcpy(to, name(errno));
  to[n] = 0;
  return to;
}
static int same(const char *a, const char *b) { return strcmp(link_of(a), link_of(b)) == 0; }
static int put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0) return -1;
  int r = write(fd, text, strlen(text)), e = errno;
  close(fd);
  errno = e;
  return r;
}
static void show(const char *path) {
  char text[4096];
  int fd = open(path, O_RDONLY);
  if (fd < 0) { printf("%s: %s\n", path, name(errno)); return; }
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n > 0 ? n : 0] = 0;
  printf("%s: %s", path, text);
}
static long clone_with(unsigned long flags) { fflush(stdout); return syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0); }
static int wait_for(pid_t child) { int status = -1; waitpid(child, &status, 0); return status; }

static void errors(void) {
  SAY(unshare(1)); SAY(unshare(CLONE_NEWNS | 1)); SAY(setns(-1, 0)); SAY(setns(0, 0));
  SAY(clone_with(CLONE_NEWNS | CLONE_FS)); SAY(clone_with(CLONE_NEWUSER | CLONE_FS)); SAY(clone_with(CLONE_NEWPID | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM));
  int fd = open("/proc/self/ns/uts", O_RDONLY);
  SAY(setns(fd, CLONE_NEWNET)); SAY(setns(fd, 0)); SAY(setns(fd, CLONE_NEWUTS));
  int user = open("/proc/self/ns/user", O_RDONLY);
  SAY(setns(user, 0));
  SAY(ioctl(fd, 0xb703)); SAY(ioctl(user, 0xb703)); SAY(ioctl(fd, 0xb702)); SAY(ioctl(fd, 0xb799));
  SAY(read(fd, &fd, 1));
  setuid(1000);
  SAY(unshare(CLONE_NEWUTS)); SAY(unshare(CLONE_NEWPID)); SAY(unshare(CLONE_NEWNS)); SAY(clone_with(CLONE_NEWIPC)); SAY(setns(fd, 0));
  SAY(sethostname("x", 1)); SAY(mount("none", "/tmp", "tmpfs", 0, 0)); SAY(umount("/tmp")); SAY(syscall(SYS_pivot_root, "/tmp", "/tmp"));
}

static void uts(void) {
  struct utsname before, after;
  uname(&before);
  int first = open("/proc/self/ns/uts", O_RDONLY);
  SAY(unshare(CLONE_NEWUTS));
  SAY(sethostname("inside", 6));
  uname(&after);
  printf("%s, as others: %d\n", after.nodename, same("/proc/self/ns/uts", "/proc/1/ns/uts"));
  SAY(setns(first, CLONE_NEWUTS));
  uname(&after);
  printf("back: %d\n", strcmp(before.nodename, after.nodename) == 0);
}

static volatile int got;
static void note(int signal) { got = signal; }

static void pid(void) {
  SAY(unshare(CLONE_NEWPID));
  printf("own: %d, children's: %s\n", same("/proc/self/ns/pid", "/proc/1/ns/pid"), link_of("/proc/self/ns/pid_for_children"));
  SAY(unshare(CLONE_NEWPID));
  int ready[2], go[2];
  pipe(ready); pipe(go);
  fflush(stdout);
  pid_t init = fork();
  if (init == 0) {
    char c;
    printf("pid %d, parent %d, group %d, session %d\n", getpid(), getppid(), getpgrp(), getsid(0));
    SAY(kill(1, SIGKILL)); SAY(kill(1, SIGTERM)); SAY(kill(1, 0)); SAY(kill(2, 0)); SAY(kill(-1, SIGTERM));
    signal(SIGUSR1, note);
    SAY(kill(1, SIGUSR1));
    printf("got its own: %d\n", got == SIGUSR1);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      printf("child %d of %d, thread %ld\n", getpid(), getppid(), syscall(SYS_gettid));
      SAY(setsid()); SAY(getpgid(1)); SAY(getsid(0)); SAY(getpgid(99));
      fflush(stdout);
      pid_t grandchild = fork();
      if (grandchild == 0) {
        while (getppid() != 1) usleep(1000);
        printf("orphan %d of %d\n", getpid(), getppid());
        fflush(stdout);
        _exit(7);
      }
      _exit(3);
    }
    int status;
    printf("waited for %d:", waitpid(child, &status, 0));
    printf(" %x\n", status);
    siginfo_t info = {0};
    printf("waitid: %d", waitid(P_ALL, 0, &info, WEXITED));
    printf(" pid %d status %d\n", info.si_pid, info.si_status);
    SAY(waitpid(-1, &status, 0));
    got = 0;
    write(ready[1], "x", 1);
    while (got == 0) pause();
    printf("outside sent %d\n", got == SIGUSR1);
    fflush(stdout);
    if (fork() == 0) { pause(); _exit(0); }
    read(go[0], &c, 1);
    _exit(5);
  }
  char c;
  read(ready[0], &c, 1);
  printf("children's now: %d\n", same("/proc/self/ns/pid_for_children", "/proc/self/ns/pid"));
  char path[64];
  sprintf(path, "/proc/%d/ns/pid", init);
  int ns = open(path, O_RDONLY);
  SAY(ioctl(ns, 0xb703));
  int parent = ioctl(ns, 0xb702);
  struct stat a, b;
  fstat(parent, &a); stat("/proc/self/ns/pid", &b);
  printf("its parent is ours: %d\n", a.st_ino == b.st_ino);
  SAY(kill(init, SIGUSR2)); /* no handler: nothing */
  SAY(kill(init, SIGUSR1));
  SAY(setns(ns, CLONE_NEWPID));
  write(go[1], "x", 1);
  printf("init ended: %x\n", wait_for(init));
  errno = 0;
  SAY(fork());
}

static void pid_death(void) {
  int p[2], hold[2];
  pipe(p); pipe(hold);
  pid_t init = clone_with(CLONE_NEWPID);
  if (init == 0) {
    close(hold[0]); /* all processes of the namespace hold the other end */
    for (int i = 0; i < 3; i++) if (fork() == 0) { signal(SIGTERM, SIG_IGN); write(p[1], "x", 1); for (;;) pause(); }
    for (;;) pause();
  }
  close(hold[1]);
  char c[3];
  for (int i = 0; i < 3; i++) read(p[0], c, 1);
  SAY(kill(init, SIGTERM) == 0 && kill(init, SIGKILL) == 0);
  printf("init: %x\n", wait_for(init));
  SAY(read(hold[0], c, 1));
}

static void user(void) {
  SAY(unshare(CLONE_NEWUSER));
  printf("ids %d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
  show("/proc/self/uid_map"); show("/proc/self/setgroups");
  SAY(setuid(0));
  SAY(put("/proc/self/uid_map", "0 0 0\n")); SAY(put("/proc/self/uid_map", "x\n")); SAY(put("/proc/self/uid_map", "0 0 1\n5 0 1\n"));
  SAY(put("/proc/self/gid_map", "0 0 1\n"));
  SAY(put("/proc/self/setgroups", "maybe"));
  SAY(put("/proc/self/setgroups", "deny"));
  SAY(put("/proc/self/uid_map", "10 0 1\n")); SAY(put("/proc/self/uid_map", "10 0 1\n"));
  SAY(put("/proc/self/gid_map", "20 0 1\n"));
  SAY(put("/proc/self/setgroups", "allow"));
  show("/proc/self/uid_map"); show("/proc/self/gid_map"); show("/proc/self/setgroups");
  printf("ids %d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
  SAY(setuid(0)); SAY(setuid(10)); SAY(setgroups(0, 0)); SAY(setresuid(-1, 11, -1));
  struct stat s;
  stat("/etc", &s);
  printf("owner of /etc %d %d\n", s.st_uid, s.st_gid);
  SAY(sethostname("x", 1)); SAY(mount("none", "/tmp", "tmpfs", 0, 0)); SAY(chroot("/")); SAY(mknod("/tmp/null", S_IFCHR | 0666, 0x103));
  SAY(unshare(CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWIPC));
  SAY(sethostname("mine", 4));
  SAY(mount("none", "/tmp", "tmpfs", 0, "mode=700"));
  SAY(chown("/tmp", 10, 20)); SAY(chown("/tmp", 0, 0));
  stat("/tmp", &s);
  printf("/tmp %d %d %o\n", s.st_uid, s.st_gid, s.st_mode & 07777);
  SAY(mount("none", "/tmp", "ext2", 0, 0)); SAY(mount("none", "/tmp", "nothing", 0, 0));
  SAY(umount("/proc"));
  SAY(umount("/tmp"));
  SAY(unshare(CLONE_NEWUSER));
  printf("nested: %d\n", getuid());
  int ns = open("/proc/self/ns/user", O_RDONLY), up = ioctl(ns, 0xb702), top = ioctl(up, 0xb702);
  unsigned owner = 99;
  printf("parent %d, its parent %s\n", up >= 0, top < 0 ? name(errno) : "seen");
  SAY(ioctl(ns, 0xb704, &owner));
  printf("owner %u\n", owner);
}

static void user_of_nobody(void) {
  setgid(1001); setuid(1001);
  pid_t child = clone_with(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWUTS);
  if (child == 0) {
    SAY(sethostname("u", 1));
    SAY(put("/proc/self/uid_map", "0 1001 1")); SAY(put("/proc/self/setgroups", "deny")); SAY(put("/proc/self/gid_map", "0 1001 1"));
    printf("pid %d ids %d %d\n", getpid(), getuid(), getgid());
    SAY(setuid(0)); SAY(setuid(1));
    fflush(stdout);
    _exit(0);
  }
  printf("ended: %x\n", wait_for(child));
  prctl(PR_SET_DUMPABLE, 1); /* as after execve */
  SAY(unshare(CLONE_NEWUSER | CLONE_NEWNS));
  SAY(prctl(PR_GET_DUMPABLE));
  SAY(put("/proc/self/uid_map", "0 1001 1")); SAY(put("/proc/self/setgroups", "deny")); SAY(put("/proc/self/gid_map", "0 1001 1"));
  printf("ids %d %d\n", getuid(), getgid());
}

#define T "/tmp/ns-test"
static int names(const char *path) { return access(path, F_OK) == 0; }
static void mounts(void) {
  SAY(unshare(CLONE_NEWNS));
  SAY(mount("none", "/", 0, MS_REC | MS_PRIVATE, 0));
  mkdir(T, 0755);
  SAY(mount("none", T, "tmpfs", 0, 0));
  mkdir(T "/a", 0755); mkdir(T "/b", 0755); mkdir(T "/a/in", 0755); close(open(T "/a/file", O_CREAT | O_WRONLY, 0644)); close(open(T "/f", O_CREAT | O_WRONLY, 0644));
  SAY(mount(T "/a", T "/b", 0, MS_BIND, 0));
  printf("seen: %d\n", names(T "/b/file"));
  SAY(rename(T "/a/file", T "/b/file2")); SAY(link(T "/a/file", T "/b/l"));
  SAY(chdir(T "/b/in")); SAY(chdir("../..")); printf("'..' leads to its own place: %d\n", names("a"));
  char cwd[100];
  chdir(T "/b/in"); printf("cwd %s\n", getcwd(cwd, sizeof cwd));
  SAY(umount(T "/b")); chdir("/");
  SAY(mount(0, T "/b", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
  SAY(open(T "/b/new", O_CREAT | O_WRONLY, 0644)); SAY(open(T "/b/file", O_WRONLY)); SAY(unlink(T "/b/file")); SAY(mkdir(T "/b/d", 0755)); SAY(chmod(T "/b/file", 0600)); SAY(access(T "/b/file", W_OK));
  SAY(chmod(T "/a/file", 0600));
  struct statfs f;
  statfs(T "/b", &f); printf("read-only %d\n", (int)(f.f_flags & 1)); statfs(T "/a", &f); printf("read-only %d\n", (int)(f.f_flags & 1));
  SAY(rmdir(T "/b")); SAY(rename(T "/b", T "/c"));
  SAY(mount(T "/f", T "/a", 0, MS_BIND, 0)); SAY(mount(T "/a", T "/f", 0, MS_BIND, 0)); SAY(mount(T "/f", T "/a/file", 0, MS_BIND, 0));
  SAY(unlink(T "/a/file")); SAY(umount(T "/a/file")); SAY(umount(T "/a/file"));
  SAY(mount("none", T "/a/in", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0));
  close(open(T "/a/in/deep", O_CREAT | O_WRONLY, 0755));
  mkdir(T "/c", 0755); mkdir(T "/d", 0755);
  SAY(mount(T "/a", T "/c", 0, MS_BIND, 0)); printf("not below: %d\n", names(T "/c/in/deep"));
  SAY(mount(T "/a", T "/d", 0, MS_BIND | MS_REC, 0)); printf("below: %d\n", names(T "/d/in/deep"));
  SAY(umount(T "/d")); SAY(umount2(T "/d", MNT_DETACH)); printf("gone: %d, there %d\n", names(T "/d/in/deep"), names(T "/a/in/deep"));
  SAY(mount(T "/a/in", T "/d", 0, MS_MOVE, 0)); printf("moved: %d %d\n", names(T "/d/deep"), names(T "/a/in/deep"));
  mkdir(T "/d/below", 0755);
  SAY(mount(T "/d", T "/d/below", 0, MS_MOVE, 0)); SAY(mount(T "/a", T "/b", 0, MS_MOVE, 0));
  execl(T "/d/deep", "deep", (char *)0); printf("exec: %s\n", name(errno));
  SAY(umount2(T "/d", 64)); SAY(umount2(T "/d", MNT_EXPIRE | MNT_DETACH)); SAY(umount2(T "/d", MNT_EXPIRE)); SAY(umount2(T "/d", MNT_EXPIRE));
  SAY(mount(0, T "/a", 0, MS_SHARED, 0)); SAY(mount(0, T "/c", 0, MS_SHARED | MS_PRIVATE, 0)); SAY(mount(0, T "/c", 0, MS_UNBINDABLE, 0)); SAY(mount(T "/c", T "/d", 0, MS_BIND, 0));
  SAY(mount("none", T "/nowhere", "tmpfs", 0, 0)); SAY(mount("none", T "/f", "tmpfs", 0, 0)); SAY(mount("none", T "/d", "nothing", 0, 0)); SAY(mount("none", T "/d", 0, 0, 0)); SAY(umount("/nowhere")); SAY(umount(T "/a"));
  int fd = open(T "/f", O_RDONLY);
  SAY(umount(T));
  close(fd);
  SAY(umount2(T, MNT_DETACH));
}

static void propagation(void) {
  SAY(unshare(CLONE_NEWNS));
  mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
  mount("none", T, "tmpfs", 0, 0);
  mkdir(T "/a", 0755); mkdir(T "/b", 0755); mkdir(T "/s", 0755);
  mount("none", T "/a", "tmpfs", 0, 0);
  mkdir(T "/a/x", 0755);
  SAY(mount(0, T "/a", 0, MS_SHARED, 0));
  SAY(mount(T "/a", T "/b", 0, MS_BIND, 0));
  SAY(mount(T "/a", T "/s", 0, MS_BIND, 0)); SAY(mount(0, T "/s", 0, MS_SLAVE, 0));
  SAY(mount("none", T "/a/x", "tmpfs", 0, 0));
  close(open(T "/a/x/here", O_CREAT | O_WRONLY, 0644));
  printf("peer %d, slave %d\n", names(T "/b/x/here"), names(T "/s/x/here"));
  SAY(umount(T "/b/x"));
  printf("peer %d, slave %d\n", names(T "/a/x/here"), names(T "/s/x/here"));
  SAY(mount("none", T "/s/x", "tmpfs", 0, 0));
  close(open(T "/s/x/own", O_CREAT | O_WRONLY, 0644));
  printf("master %d\n", names(T "/a/x/own"));
  umount2(T, MNT_DETACH);
}

static void pivot(void) {
  SAY(unshare(CLONE_NEWNS));
  mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
  SAY(mount("none", T, "tmpfs", 0, 0));
  mkdir(T "/old", 0755); mkdir(T "/dir", 0755); close(open(T "/mark", O_CREAT | O_WRONLY, 0644));
  SAY(syscall(SYS_pivot_root, T "/dir", T "/old")); SAY(syscall(SYS_pivot_root, T, "/")); SAY(syscall(SYS_pivot_root, "/", "/")); SAY(syscall(SYS_pivot_root, T "/mark", T));
  int before = open("/", O_RDONLY | O_DIRECTORY);
  SAY(syscall(SYS_pivot_root, T, T "/old"));
  printf("new root %d, old below %d\n", names("/mark"), names("/old/tmp"));
  SAY(chdir("/")); SAY(umount("/old")); SAY(umount2("/old", MNT_DETACH));
  printf("old %d\n", names("/old/tmp"));
  SAY(faccessat(before, "tmp", F_OK, 0));
  SAY(fchdir(before));
  char text[200];
  errno = 0;
  printf("cwd %s\n", syscall(SYS_getcwd, text, sizeof text) > 0 && strncmp(text, "(unreachable)", 13) == 0 ? "(unreachable)" : "there");
  SAY(chdir("/"));
  SAY(chroot("/dir")); printf("outside of it: %d\n", names("mark"));
  SAY(unshare(CLONE_NEWUSER));
}

static void enter(void) {
  int p[2], q[2];
  pipe(p); pipe(q);
  pid_t child = clone_with(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP);
  if (child == 0) {
    char c;
    mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
    mount("none", "/tmp", "tmpfs", 0, 0);
    close(open("/tmp/inner", O_CREAT | O_WRONLY, 0644));
    sethostname("entered", 7);
    write(p[1], "x", 1);
    read(q[0], &c, 1);
    _exit(0);
  }
  char c, path[64];
  read(p[0], &c, 1);
  const char *kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts", "time"};
  for (int i = 0; i < 8; i++) {
    char mine[64];
    sprintf(mine, "/proc/self/ns/%s", kinds[i]); sprintf(path, "/proc/%d/ns/%s", child, kinds[i]);
    printf("%s same %d\n", kinds[i], same(mine, path));
  }
  int pidfd = syscall(SYS_pidfd_open, child, 0);
  SAY(setns(pidfd, 0)); SAY(setns(pidfd, CLONE_NEWUTS | 1)); SAY(setns(pidfd, CLONE_NEWUSER));
  SAY(setns(pidfd, CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET));
  struct utsname u;
  uname(&u);
  printf("%s, inner %d\n", u.nodename, names("/tmp/inner"));
  fflush(stdout);
  pid_t other = fork();
  if (other == 0) { printf("pid %d parent %d\n", getpid(), getppid()); fflush(stdout); _exit(0); }
  printf("child ended %x\n", wait_for(other));
  write(q[1], "x", 1);
  printf("first ended %x\n", wait_for(child));
}

static void numbers(void) {
  struct { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup; } a = {0};
  int32_t tids[2] = {1, 30123};
  a.flags = CLONE_NEWPID; a.exit_signal = SIGCHLD; a.set_tid = (uintptr_t)tids; a.set_tid_size = 2;
  fflush(stdout);
  long child = syscall(SYS_clone3, &a, sizeof a);
  if (child == 0) {
    int32_t inner[3] = {77, 30124, 5};
    a.flags = 0; a.set_tid = (uintptr_t)inner; a.set_tid_size = 3;
    SAY(syscall(SYS_clone3, &a, sizeof a));
    a.set_tid_size = 1;
    fflush(stdout);
    long second = syscall(SYS_clone3, &a, sizeof a);
    if (second == 0) { printf("pid %d\n", getpid()); fflush(stdout); _exit(0); }
    printf("made %ld\n", second);
    a.set_tid_size = 33;
    SAY(syscall(SYS_clone3, &a, sizeof a));
    wait(0);
    inner[0] = 1;
    a.set_tid_size = 1;
    SAY(syscall(SYS_clone3, &a, sizeof a));
    fflush(stdout);
    _exit(0);
  }
  printf("outside %ld: %x\n", child, wait_for(child));
}

int main(void) {
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  PART("errors"); in_child(errors);
  PART("uts"); in_child(uts);
  PART("pid"); in_child(pid);
  PART("end of init"); in_child(pid_death);
  PART("user"); in_child(user);
  PART("user of nobody"); in_child(user_of_nobody);
  PART("mounts"); in_child(mounts);
  PART("propagation"); in_child(propagation);
  PART("pivot_root"); in_child(pivot);
  PART("setns"); in_child(enter);
  PART("set_tid"); in_child(numbers);
  rmdir(T);
  fflush(stdout);
  return 0;
}
