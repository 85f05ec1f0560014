/* Paths and names: directories, links, renaming, listing, permissions. Works in a new directory of a tmpfs: argv[1], or /tmp. To be run by root. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILS(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s = %ld, errno %d\n", #__VA_ARGS__, r_, errno); } while (0)
#define CHECK(...) printf("%s: %s\n", #__VA_ARGS__, (__VA_ARGS__) ? "yes" : "NO")
#define BAD ((void *)0x10)
#define RENAME2(a, b, f) syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, f)

static char top[200];
static const char *strip(const char *path) { size_t n = strlen(top); return strncmp(path, top, n) ? path : path + n; }
static void mk(const char *name) { int fd = open(name, O_CREAT | O_RDWR, 0644); if (fd < 0) printf("mk %s: %d\n", name, errno); else { write(fd, name, strlen(name)); close(fd); } }
static void st(const char *name) {
  struct stat s; if (lstat(name, &s)) { printf("%s: errno %d\n", name, errno); return; }
  printf("%s: %o nlink %ld %d:%d size %ld\n", name, s.st_mode, (long)s.st_nlink, s.st_uid, s.st_gid, S_ISDIR(s.st_mode) ? 0 : (long)s.st_size);
}
static int compare(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
static void ls(const char *name) {
  DIR *d = opendir(name); if (!d) { printf("ls %s: %d\n", name, errno); return; }
  char *names[500]; int n = 0; struct dirent *e;
  while ((e = readdir(d))) { char text[300]; snprintf(text, 300, "%s(%d)", e->d_name, e->d_type); names[n++] = strdup(text); }
  qsort(names, n, sizeof *names, compare); printf("ls %s:", name); for (int i = 0; i < n; i++) { printf(" %s", names[i]); free(names[i]); } printf("\n"); closedir(d);
}
static void cwd(void) { char buf[400]; printf("cwd: %s %d\n", getcwd(buf, 400) ? strip(buf) : "none", errno); }
/* Runs as another user, who inherits nothing. */
#define AS(uid, ...) do { fflush(stdout); if (fork() == 0) { setgroups_(); setresgid(uid, uid, uid); setresuid(uid, uid, uid); __VA_ARGS__; fflush(stdout); _exit(0); } wait(0); } while (0)
static void setgroups_(void) { syscall(SYS_setgroups, 0, 0); }

static void making(void) {
  FAILS(mkdir("d", 0755)); FAILS(mkdir("d", 0755)); FAILS(mkdir("d/e/", 0755)); FAILS(mkdir("none/x", 0755)); FAILS(mkdir("/", 0755)); FAILS(mkdir(".", 0755)); FAILS(mkdir("..", 0755)); FAILS(mkdir("d/.", 0755)); FAILS(mkdir("", 0755)); FAILS(mkdir(BAD, 0755));
  FAILS(mkdir("m", 07777)); st("m"); FAILS(mkdirat(99, "x", 0755)); st("d");
  mk("f"); FAILS(mkdir("f", 0755)); FAILS(mkdir("f/", 0755)); FAILS(mkdir("f/x", 0755));
  FAILS(mknod("fifo", S_IFIFO | 0644, 0)); FAILS(mknod("sock", S_IFSOCK | 0644, 0)); FAILS(mknod("reg", 0644, 0)); FAILS(mknod("reg", 0644, 0)); FAILS(mknod("null", S_IFCHR | 0666, 0x103)); FAILS(mknod("dir", S_IFDIR | 0755, 0)); FAILS(mknod("odd", S_IFLNK | 0755, 0)); FAILS(mknod("x/", S_IFREG | 0755, 0)); FAILS(mknod("d/", S_IFREG | 0755, 0));
  st("fifo"); st("sock"); st("reg"); st("null"); FAILS(open("sock", O_RDWR)); CHECK(open("null", O_RDWR) > 0); FAILS(open("fifo", O_WRONLY | O_NONBLOCK));
  FAILS(symlink("f", "l")); FAILS(symlink("", "empty")); FAILS(symlink("x", "l")); FAILS(symlink("x", "y/")); FAILS(symlink("x", "none/y")); FAILS(symlink(BAD, "y")); FAILS(symlink("x", BAD)); st("l");
  char buf[100] = {0}; FAILS(readlink("l", buf, 100)); FAILS(readlink("l", buf, 0)); FAILS(readlink("l", buf, -1)); FAILS(readlink("f", buf, 9)); FAILS(readlink("none", buf, 9)); FAILS(readlink("d", buf, 9)); FAILS(readlink("l", BAD, 9)); FAILS(readlinkat(AT_FDCWD, "", buf, 9)); FAILS(readlink("l/", buf, 9));
  symlink("d", "ld"); FAILS(readlink("ld/", buf, 9)); FAILS(mkdir("ld", 0755)); FAILS(mkdir("ld/", 0755)); FAILS(rmdir("ld")); FAILS(rmdir("ld/")); FAILS(unlink("ld/")); FAILS(mkdir("ld/in", 0755)); st("d"); FAILS(rmdir("d/in"));
  char name[300]; memset(name, 'n', 299); name[256] = 0; FAILS(open(name, O_CREAT | O_RDWR, 0644)); name[255] = 0; CHECK(open(name, O_CREAT | O_RDWR, 0644) > 0); FAILS(unlink(name));
  char path[5000]; memset(path, '/', 4999); path[4096] = 0; FAILS(open(path, O_RDONLY)); path[4095] = 0; CHECK(open(path, O_RDONLY) > 0);
  FAILS(unlink("none")); FAILS(unlink("d")); FAILS(unlink("f/")); FAILS(unlink(".")); FAILS(unlink("/")); FAILS(unlink("d/")); FAILS(unlink("d/..")); FAILS(rmdir("f")); FAILS(rmdir("f/")); FAILS(rmdir(".")); FAILS(rmdir("..")); FAILS(rmdir("d/..")); FAILS(rmdir("d/.")); FAILS(rmdir("/")); FAILS(rmdir("none")); FAILS(rmdir("d")); FAILS(rmdir("")); FAILS(unlinkat(AT_FDCWD, "d", 1)); FAILS(unlinkat(AT_FDCWD, "d/e", AT_REMOVEDIR)); FAILS(unlinkat(99, "x", 0)); st("d");
  ls(".");
}

static void walking(void) {
  mkdir("w", 0755); mkdir("w/x", 0755); mk("w/x/f"); symlink("x", "w/l"); symlink("../..", "w/x/up"); symlink("/", "w/root");
  char buf[40] = {0}; int fd = open("w/l/up/w/x/../l/./f", O_RDONLY); printf("%ld %s\n", (long)read(fd, buf, 39), buf); close(fd);
  CHECK(open("w//x///f", O_RDONLY) > 0); FAILS(open("w/x/f/", O_RDONLY)); FAILS(open("w/x/f/x", O_RDONLY)); FAILS(open("w/x/f/..", O_RDONLY)); CHECK(open("w/root/../../dev", O_RDONLY) > 0);
  char a[20], b[20]; for (int i = 0; i < 42; i++) { sprintf(a, "w/c%d", i); sprintf(b, i ? "c%d" : "x", i - 1); symlink(b, a); }
  CHECK(open("w/c39", O_RDONLY) > 0); FAILS(open("w/c40", O_RDONLY)); FAILS(open("w/c40/f", O_RDONLY)); symlink("self", "w/self"); FAILS(open("w/self", O_RDONLY)); FAILS(open("w/self/x", O_RDONLY)); FAILS(stat("w/self", (void *)buf));
  FAILS(chdir("w/x")); cwd(); FAILS(chdir("f")); FAILS(chdir("up")); cwd(); FAILS(chdir("none")); FAILS(chdir("")); FAILS(chdir(BAD));
  int d = open("w/l", O_PATH); FAILS(fchdir(d)); cwd(); FAILS(openat(d, "none", O_RDONLY)); CHECK(openat(d, "f", O_RDONLY) > 0); FAILS(fchdir(open("f", O_RDONLY))); FAILS(fchdir(99)); chdir(top);
  long n = strlen(top) + 1; char out[400]; FAILS(syscall(SYS_getcwd, out, n - 1) < 0); FAILS(syscall(SYS_getcwd, out, n) == n); FAILS(syscall(SYS_getcwd, BAD, 400)); FAILS(syscall(SYS_getcwd, out, 0));
  mkdir("gone", 0755); chdir("gone"); rmdir("../gone"); FAILS(syscall(SYS_getcwd, out, 400)); FAILS(open("x", O_CREAT | O_RDWR, 0644)); FAILS(mkdir("x", 0755)); FAILS(symlink("a", "x")); FAILS(link("../f", "x")); FAILS(rename("../f", "x")); FAILS(opendir(".") == 0); FAILS(chdir("..")); cwd();
  mkdir("moved", 0755); mkdir("moved/in", 0755); chdir("moved/in"); rename("../../moved", "../../elsewhere"); cwd(); chdir("../.."); cwd();
}

static void linking(void) {
  mk("a"); FAILS(link("a", "b")); st("a"); FAILS(link("a", "b")); FAILS(link("none", "c")); FAILS(link("d", "c")); FAILS(link("a", "c/")); FAILS(link("a/", "c")); FAILS(link("a", "none/c")); symlink("a", "sl"); FAILS(link("sl", "hsl")); st("hsl"); FAILS(linkat(AT_FDCWD, "sl", AT_FDCWD, "ha", AT_SYMLINK_FOLLOW)); st("ha"); FAILS(linkat(AT_FDCWD, "a", AT_FDCWD, "x", 1)); FAILS(link("fifo", "fifo2")); st("fifo2"); FAILS(link("a", "/proc/x")); FAILS(link("/proc/version", "v"));
  int fd = open("b", O_RDONLY); unlink("a"); unlink("b"); unlink("ha"); struct stat s; fstat(fd, &s); printf("open without a name: nlink %ld size %ld\n", (long)s.st_nlink, (long)s.st_size); char p[64]; sprintf(p, "/proc/self/fd/%d", fd); FAILS(linkat(AT_FDCWD, p, AT_FDCWD, "back", AT_SYMLINK_FOLLOW)); FAILS(linkat(fd, "", AT_FDCWD, "back", AT_EMPTY_PATH));
}

static void renaming(void) {
  mkdir("r", 0755); chdir("r"); mk("a"); mk("b"); mkdir("d", 0755); mkdir("d/sub", 0755); mkdir("e", 0755); symlink("a", "l"); symlink("d", "ld");
  FAILS(rename("a", "b")); FAILS(rename("a", "c")); FAILS(rename("b", "d")); FAILS(rename("d", "b")); FAILS(rename("d", "d/sub/x")); FAILS(rename("d", "d/x")); FAILS(rename("d/sub", "d")); FAILS(rename("e", "d")); FAILS(rename("d", "d")); FAILS(rename("b", "b/")); FAILS(rename("b/", "c")); FAILS(rename("b", "new/")); FAILS(rename("e", "new/")); FAILS(rename("new/", "e")); FAILS(rename(".", "x")); FAILS(rename("d/..", "x")); FAILS(rename("d", "..")); FAILS(rename("d", "/")); FAILS(rename("", "x")); FAILS(rename("b", "")); FAILS(rename(BAD, "x")); FAILS(rename("b", "none/x")); FAILS(rename("none", "none/x")); FAILS(rename("b", "/proc/x")); FAILS(rename("ld", "ld2")); FAILS(rename("ld2/", "ld3")); FAILS(rename("e", "ld2")); FAILS(rename("d", "e")); ls("."); ls("e");
  link("b", "same"); FAILS(rename("b", "same")); st("b"); FAILS(rename("l", "b")); st("b"); st("same");
  mk("p"); mk("q"); mkdir("t", 0755); mk("t/in");
  FAILS(RENAME2("p", "q", RENAME_NOREPLACE)); FAILS(RENAME2("p", "new", RENAME_NOREPLACE)); FAILS(RENAME2("new", "none", RENAME_EXCHANGE)); FAILS(RENAME2("none", "new", RENAME_EXCHANGE)); FAILS(RENAME2("new", "q", RENAME_EXCHANGE | RENAME_NOREPLACE)); FAILS(RENAME2("new", "q", 8)); FAILS(RENAME2("new", "q", RENAME_EXCHANGE)); FAILS(RENAME2("q", "t", RENAME_EXCHANGE)); st("q"); ls("q"); st("t"); FAILS(RENAME2("q", "q/x", RENAME_EXCHANGE)); FAILS(RENAME2("q/in", "q", RENAME_EXCHANGE)); FAILS(RENAME2("t", "t", RENAME_NOREPLACE)); FAILS(RENAME2("t", "..", RENAME_NOREPLACE)); FAILS(RENAME2("t/", "new", RENAME_EXCHANGE)); FAILS(RENAME2("q", "new/", RENAME_EXCHANGE)); FAILS(RENAME2("t", "w", RENAME_WHITEOUT)); st("t"); ls("."); st(".");
  chdir("..");
}

struct old { unsigned long ino, off; unsigned short reclen; char name[]; };
static void listing(void) {
  mkdir("many", 0755); chdir("many"); char name[20]; for (int i = 0; i < 200; i++) { sprintf(name, "f%03d", i); mk(name); }
  DIR *d = opendir("."); int n = 0, seen = 0; struct dirent *e; long mark = 0; char marked[300] = "";
  while ((e = readdir(d))) { if (e->d_name[0] == '.') continue; n++; if (unlink(e->d_name) == 0) seen++; }
  printf("removed while listing: %d of %d\n", seen, n); closedir(d); ls(".");
  for (int i = 0; i < 50; i++) { sprintf(name, "g%03d", i); mk(name); }
  d = opendir("."); for (int i = 0; i < 20; i++) { e = readdir(d); if (i == 9) mark = telldir(d); if (i == 10) strcpy(marked, e->d_name); }
  seekdir(d, mark); e = readdir(d); CHECK(strcmp(e->d_name, marked) == 0); rewinddir(d); n = 0; while (readdir(d)) n++; printf("rewound: %d\n", n); closedir(d);
  int fd = open(".", O_RDONLY); char buf[4096]; FAILS(syscall(SYS_getdents64, fd, buf, 10)); FAILS(syscall(SYS_getdents64, fd, BAD, 4096)); FAILS(syscall(SYS_getdents64, fd, buf, 24)); FAILS(syscall(SYS_getdents64, fd, buf, 0)); FAILS(syscall(SYS_getdents64, 99, buf, 100)); FAILS(syscall(SYS_getdents64, open("g000", O_RDONLY), buf, 100)); FAILS(lseek(fd, 0, SEEK_SET)); FAILS(lseek(fd, -1, SEEK_SET)); FAILS(lseek(fd, 0, 9));
  long got, total = 0, types = 0; while ((got = syscall(SYS_getdents, fd, buf, 300)) > 0) for (long at = 0; at < got; ) { struct old *o = (void *)(buf + at); total++; types += buf[at + o->reclen - 1]; at += o->reclen; } printf("getdents: %ld names, types %ld\n", total, types);
  chdir(".."); struct stat s; stat("many", &s); printf("nlink %ld\n", (long)s.st_nlink);
}

static void permitting(void) {
  chmod(".", 0755); mkdir("closed", 0700); mk("closed/f"); mkdir("noexec", 0744); mk("noexec/f"); mkdir("box", 0733); chmod("box", 0733); mkdir("sticky", 01777); chmod("sticky", 01777); mkdir("gid", 02777); chown("gid", 0, 50); chmod("gid", 02777); mk("plain"); chmod("plain", 0644); mk("none"); chmod("none", 0); mk("script"); chmod("script", 0755); chdir(".");
  FAILS(access("plain", X_OK)); FAILS(access("script", X_OK)); FAILS(access("none", R_OK | W_OK)); FAILS(access("plain", 8)); FAILS(access("missing", F_OK)); FAILS(access("plain/", F_OK)); FAILS(faccessat(AT_FDCWD, "plain", R_OK, 0)); FAILS(syscall(439, AT_FDCWD, "plain", 4, 0x200)); FAILS(syscall(439, AT_FDCWD, "plain", 4, 1)); FAILS(open("none", O_RDONLY) > 0);
  AS(1000, FAILS(open("closed/f", O_RDONLY)); FAILS(open("closed/x", O_RDONLY)); FAILS(chdir("closed")); FAILS(access("closed/f", F_OK)); FAILS(mkdir("closed/x", 0755)); FAILS(opendir("closed") == 0); ls("noexec"); FAILS(open("noexec/f", O_RDONLY)); FAILS(opendir("box") == 0); mk("box/mine"); st("box/mine"); FAILS(mkdir("x", 0755)); FAILS(mkdir("closed", 0755)); FAILS(open("x", O_CREAT | O_RDWR, 0644)); FAILS(open("plain", O_RDWR)); FAILS(open("plain", O_TRUNC)); FAILS(open("none", O_RDONLY)); FAILS(unlink("plain")); FAILS(unlink("missing")); FAILS(rename("plain", "x")); FAILS(link("plain", "x")); FAILS(truncate("plain", 0)); FAILS(access("plain", W_OK)); FAILS(access("plain", R_OK)); FAILS(access("none", F_OK)); FAILS(open("plain", O_RDONLY | O_NOATIME)); FAILS(mknod("box/dev", S_IFCHR | 0666, 0x103)); FAILS(mknod("box/fifo", S_IFIFO | 0666, 0)); FAILS(chroot(".")); FAILS(mount("none", "box", "tmpfs", 0, 0)); FAILS(umount("/proc")); FAILS(mount("none", "missing", "tmpfs", 0, 0)));
  AS(1000, mk("sticky/a"); mkdir("sticky/dir", 0777)); AS(1001, FAILS(unlink("sticky/a")); FAILS(rename("sticky/a", "sticky/b")); FAILS(rmdir("sticky/dir")); mk("sticky/c"); FAILS(rename("sticky/c", "sticky/a")); FAILS(rename("sticky/c", "sticky/d")); FAILS(link("sticky/a", "sticky/l")); FAILS(unlink("sticky/d"))); AS(1000, FAILS(unlink("sticky/a")));
  AS(1000, mk("gid/f"); mkdir("gid/sub", 0755); st("gid/f"); st("gid/sub"); FAILS(mknod("gid/s", S_IFREG | 02775, 0)); st("gid/s"); int fd = open("gid/t", O_CREAT | O_RDWR, 02775); close(fd); st("gid/t"));
  AS(1000, mkdir("box/own", 0755); mkdir("box/own/ro", 0555); FAILS(rename("box/own/ro", "box/moved")); mkdir("box/own/rw", 0755); FAILS(rename("box/own/rw", "box/moved")));
  if (fork() == 0) { setegid(1000); seteuid(1000); FAILS(access("closed/f", R_OK)); FAILS(faccessat(AT_FDCWD, "closed/f", R_OK, AT_EACCESS)); FAILS(open("closed/f", O_RDONLY)); fflush(stdout); _exit(0); } wait(0);
}

static void mounting(void) {
  mkdir("mnt", 0755); mk("mnt/below"); mkdir("bind", 0755);
  FAILS(mount("none", "mnt", "nofs", 0, 0)); FAILS(mount("none", "missing", "tmpfs", 0, 0)); FAILS(mount("none", "mnt/below", "tmpfs", 0, 0)); FAILS(mount(0, "mnt", 0, 0, 0)); FAILS(mount("none", BAD, "tmpfs", 0, 0)); FAILS(mount("none", "mnt", "tmpfs", 0, "size=1m,mode=750,uid=7,gid=8")); st("mnt"); ls("mnt"); mk("mnt/f"); FAILS(rename("mnt/f", "f2")); FAILS(link("mnt/f", "f2")); FAILS(rmdir("mnt")); FAILS(rename("mnt", "mnt2"));
  int fd = open("mnt/f", O_RDONLY); FAILS(umount("mnt")); close(fd); chdir("mnt"); FAILS(umount2("../mnt", 0)); chdir(".."); FAILS(umount2("mnt", 0x100)); FAILS(umount("missing")); FAILS(umount("mnt/f")); FAILS(umount("mnt")); FAILS(umount("mnt")); ls("mnt");
  FAILS(mount("none", "mnt", "tmpfs", MS_RDONLY, 0)); FAILS(open("mnt/x", O_CREAT | O_RDWR, 0644)); FAILS(mkdir("mnt/x", 0755)); FAILS(mkdir("mnt/.", 0755)); FAILS(chmod("mnt", 0700)); FAILS(access("mnt", W_OK)); FAILS(mount(0, "mnt", 0, MS_REMOUNT, 0)); mk("mnt/x"); FAILS(mount(0, "mnt", 0, MS_REMOUNT | MS_RDONLY, 0)); FAILS(open("mnt/x", O_RDWR)); FAILS(truncate("mnt/x", 0)); FAILS(unlink("mnt/x")); FAILS(utimensat(AT_FDCWD, "mnt/x", 0, 0)); FAILS(open("mnt/x", O_RDONLY) > 0); 
  FAILS(umount2("mnt", MNT_DETACH)); ls("mnt");
  FAILS(mount("mnt", "bind", 0, MS_BIND, 0)); ls("bind"); mk("bind/through"); ls("mnt"); FAILS(umount("bind")); ls("bind"); FAILS(mount("mnt/below", "f", 0, MS_BIND, 0)); st("f"); FAILS(unlink("f")); FAILS(umount("f")); st("f"); FAILS(mount("mnt", "f", 0, MS_BIND, 0)); FAILS(mount("mnt/below", "bind", 0, MS_BIND, 0)); FAILS(mount("missing", "bind", 0, MS_BIND, 0)); FAILS(mount(0, "bind", 0, MS_BIND, 0));
  mkdir("jail", 0755); mkdir("jail/in", 0755); mk("jail/in/f"); symlink("/in/f", "jail/l");
  if (fork() == 0) { FAILS(chroot("jail")); FAILS(open("/l", O_RDONLY) > 0); char buf[300]; FAILS(syscall(SYS_getcwd, buf, 300) > 0); CHECK(strncmp(buf, "(unreachable)/", 14) == 0); FAILS(chdir("/")); cwd(); FAILS(chdir("..")); cwd(); FAILS(open("/../../f", O_RDONLY)); FAILS(chroot("in")); FAILS(chdir("in")); fflush(stdout); _exit(0); } wait(0);
  FAILS(chroot("f")); FAILS(chroot("missing"));
}

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOLBF, 0);
  snprintf(top, sizeof top, "%s/abi-names-XXXXXX", argc > 1 ? argv[1] : "/tmp");
  if (!mkdtemp(top) || chdir(top)) { perror(top); return 1; }
  umask(022);
  making(); walking(); linking(); renaming(); listing(); permitting(); mounting();
  char command[300]; snprintf(command, sizeof command, "rm -rf %s", top);
  chdir("/"); return system(command) != 0;
}
