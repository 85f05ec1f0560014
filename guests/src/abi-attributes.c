/* stat, chmod, chown, times, extended attributes, statfs. Works in a new directory of a tmpfs: argv[1], or /tmp. To be run by root. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#define FAILS(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s = %ld, errno %d\n", #__VA_ARGS__, r_, errno); } while (0)
#define CHECK(...) printf("%s: %s\n", #__VA_ARGS__, (__VA_ARGS__) ? "yes" : "NO")
#define BAD ((void *)0x10)
#define AS(uid, ...) do { fflush(stdout); if (fork() == 0) { syscall(SYS_setgroups, 0, 0); setresgid(uid, uid, uid); setresuid(uid, uid, uid); __VA_ARGS__; fflush(stdout); _exit(0); } wait(0); } while (0)
static void mk(const char *name) { int fd = open(name, O_CREAT | O_RDWR, 0644); write(fd, name, strlen(name)); close(fd); }
static void st(const char *name) { struct stat s; if (lstat(name, &s)) { printf("%s: errno %d\n", name, errno); return; } printf("%s: %o nlink %ld %d:%d size %ld blocks %ld blksize %ld rdev %x\n", name, s.st_mode, (long)s.st_nlink, s.st_uid, s.st_gid, S_ISDIR(s.st_mode) ? 0 : (long)s.st_size, (long)s.st_blocks, (long)s.st_blksize, (int)s.st_rdev); }
static void times(const char *name) { struct stat s; lstat(name, &s); printf("%s: atime %ld.%09ld mtime %ld.%09ld%s\n", name, s.st_atim.tv_sec > 1600000000 ? 1 : (long)s.st_atim.tv_sec, s.st_atim.tv_sec > 1600000000 ? 0 : s.st_atim.tv_nsec, s.st_mtim.tv_sec > 1600000000 ? 1 : (long)s.st_mtim.tv_sec, s.st_mtim.tv_sec > 1600000000 ? 0 : s.st_mtim.tv_nsec, s.st_ctim.tv_sec > 1600000000 ? "" : " old ctime"); }

static void stats(void) {
  mk("f"); mkdir("d", 0755); symlink("f", "l"); symlink("none", "dl"); mknod("c", S_IFCHR | 0600, makedev(300, 70000)); mkfifo("p", 0600); struct stat s; struct stat *sp = &s;
  st("f"); st("d"); st("l"); st("c"); st("p"); FAILS(stat("dl", sp)); FAILS(lstat("dl", sp)); FAILS(stat("none", sp)); FAILS(stat("", sp)); FAILS(stat("f/", sp)); FAILS(stat("l/", sp)); FAILS(lstat("l/", sp)); FAILS(syscall(SYS_stat, "f", BAD)); FAILS(syscall(SYS_stat, BAD, sp)); FAILS(fstat(99, sp)); FAILS(syscall(SYS_fstat, 0, BAD));
  int fd = open("f", O_RDONLY), dir = open("d", O_RDONLY); FAILS(fstatat(fd, "", sp, AT_EMPTY_PATH)); FAILS(fstatat(fd, "", sp, 0)); FAILS(fstatat(fd, "x", sp, 0)); FAILS(fstatat(dir, "x", sp, 0)); FAILS(fstatat(dir, "../f", sp, 0)); FAILS(fstatat(dir, "../l", sp, AT_SYMLINK_NOFOLLOW)); printf("%o\n", s.st_mode); FAILS(fstatat(99, "x", sp, 0)); FAILS(syscall(SYS_newfstatat, fd, "x", sp, 1)); FAILS(fstatat(AT_FDCWD, "", sp, AT_EMPTY_PATH)); printf("%o\n", s.st_mode & S_IFMT);
  struct statx x; memset(&x, 0, sizeof x); FAILS(syscall(SYS_statx, AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x)); printf("mode %o nlink %u size %llu blocks %llu blksize %u mask %d\n", x.stx_mode, x.stx_nlink, (unsigned long long)x.stx_size, (unsigned long long)x.stx_blocks, x.stx_blksize, (x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS); FAILS(syscall(SYS_statx, AT_FDCWD, "f", 1, 0, &x)); FAILS(syscall(SYS_statx, AT_FDCWD, "f", 0x6000, 0, &x)); FAILS(syscall(SYS_statx, AT_FDCWD, "f", 0, 0x80000000, &x)); FAILS(syscall(SYS_statx, AT_FDCWD, "f", 0, 0, BAD)); FAILS(syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_SIZE, &x)); FAILS(syscall(SYS_statx, AT_FDCWD, "c", 0, STATX_BASIC_STATS, &x)); printf("%u:%u\n", x.stx_rdev_major, x.stx_rdev_minor);
  int p[2]; pipe(p); fstat(p[0], sp); printf("pipe %o %ld %ld\n", s.st_mode, (long)s.st_size, (long)s.st_nlink);
  struct statfs f; struct statfs *fp = &f; FAILS(statfs(".", fp)); printf("type %lx bsize %ld namelen %ld frsize %ld\n", (long)f.f_type, (long)f.f_bsize, (long)f.f_namelen, (long)f.f_frsize); FAILS(statfs("/proc", fp)); printf("type %lx\n", (long)f.f_type); FAILS(fstatfs(p[0], fp)); printf("type %lx\n", (long)f.f_type); FAILS(statfs("none", fp)); FAILS(fstatfs(99, fp)); FAILS(syscall(SYS_statfs, ".", BAD));
}

static void modes(void) {
  FAILS(chmod("f", 0)); st("f"); FAILS(chmod("f", 07777)); st("f"); FAILS(chmod("f", 0177644)); st("f"); FAILS(chmod("none", 0)); FAILS(chmod("l", 0600)); st("f"); st("l"); FAILS(fchmodat(AT_FDCWD, "l", 0600, 0)); FAILS(syscall(452, AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW)); FAILS(syscall(452, AT_FDCWD, "f", 0640, AT_SYMLINK_NOFOLLOW)); FAILS(syscall(452, AT_FDCWD, "f", 0640, 1)); int fd = open("f", O_RDONLY); FAILS(fchmod(fd, 0644)); FAILS(fchmod(99, 0)); FAILS(syscall(452, fd, "", 0600, AT_EMPTY_PATH)); st("f"); FAILS(fchmodat(99, "f", 0, 0)); FAILS(chmod("d", 02755)); st("d"); mkdir("d/s", 0755); st("d/s"); FAILS(chmod("/proc/self/stat", 0600));
  FAILS(chown("f", 1000, -1)); st("f"); FAILS(chown("f", -1, 1001)); st("f"); chmod("f", 06775); FAILS(chown("f", -1, -1)); st("f"); chmod("f", 06765); FAILS(chown("f", 1000, 1000)); st("f"); FAILS(lchown("l", 5, 6)); st("l"); FAILS(chown("none", 0, 0)); FAILS(fchown(fd, 1000, 1000)); FAILS(fchown(99, 0, 0)); FAILS(fchownat(AT_FDCWD, "l", 7, 8, AT_SYMLINK_NOFOLLOW)); st("l"); FAILS(fchownat(fd, "", 1000, 1000, AT_EMPTY_PATH)); FAILS(fchownat(AT_FDCWD, "f", 0, 0, 1)); chmod("d", 06755); FAILS(chown("d", 1000, 1000)); st("d"); chmod(".", 0755);
  AS(1000, FAILS(chmod("f", 02775)); st("f"); FAILS(chown("f", 1000, 1000)); st("f"); FAILS(chown("f", 0, -1)); FAILS(chown("f", -1, 5)); FAILS(chown("f", -1, -1)); FAILS(chmod("c", 0666)); FAILS(chown("c", 1000, 1000)); FAILS(chmod("f", 06777)); write(open("f", O_WRONLY), "x", 1); st("f"); FAILS(chmod("f", 06777)); truncate("f", 1); st("f"); FAILS(chmod("f", 06767)); write(open("f", O_WRONLY | O_APPEND), "x", 1); st("f"));
  AS(1001, write(open("f", O_WRONLY), "y", 1); st("f")); chmod("f", 06777); write(open("f", O_WRONLY), "z", 1); st("f");
  chown("f", 1000, 5); AS(1000, FAILS(chmod("f", 02755)); st("f"));
  FAILS(umask(07077)); mk("u"); st("u"); mkdir("ud", 07777); st("ud"); FAILS(umask(022)); FAILS(umask(022));
}

static void stamps(void) {
  mk("t"); struct timespec ts[2] = { { 5, 6 }, { 7, 8 } }; FAILS(utimensat(AT_FDCWD, "t", ts, 0)); times("t"); ts[0].tv_nsec = UTIME_OMIT; ts[1].tv_sec = 100; FAILS(utimensat(AT_FDCWD, "t", ts, 0)); times("t"); ts[1].tv_nsec = UTIME_OMIT; FAILS(utimensat(AT_FDCWD, "none", ts, 0)); ts[1].tv_nsec = UTIME_NOW; FAILS(utimensat(AT_FDCWD, "t", ts, 0)); times("t"); ts[1].tv_nsec = 1000000000; FAILS(utimensat(AT_FDCWD, "t", ts, 0)); ts[1].tv_nsec = -1; FAILS(utimensat(AT_FDCWD, "t", ts, 0)); FAILS(utimensat(AT_FDCWD, "none", 0, 0)); FAILS(utimensat(AT_FDCWD, "t", 0, 1)); FAILS(syscall(SYS_utimensat, AT_FDCWD, "t", BAD, 0)); FAILS(syscall(SYS_utimensat, AT_FDCWD, BAD, 0, 0)); FAILS(syscall(SYS_utimensat, AT_FDCWD, 0, 0, 0)); int fd = open("t", O_RDONLY); ts[0] = (struct timespec){ 1, 2 }; ts[1] = (struct timespec){ -3, 4 }; FAILS(futimens(fd, ts)); times("t"); FAILS(syscall(SYS_utimensat, fd, 0, ts, 0x100)); FAILS(futimens(99, ts)); symlink("t", "tl"); FAILS(utimensat(AT_FDCWD, "tl", ts, AT_SYMLINK_NOFOLLOW)); times("tl"); FAILS(utimensat(fd, "", ts, AT_EMPTY_PATH));
  struct timeval tv[2] = { { 9, 10 }, { 11, 12 } }; FAILS(syscall(SYS_utimes, "t", tv)); times("t"); tv[0].tv_usec = 1000000; FAILS(syscall(SYS_utimes, "t", tv)); tv[0].tv_usec = -1; FAILS(syscall(SYS_utimes, "t", tv)); FAILS(syscall(SYS_utimes, "t", 0)); times("t"); tv[0].tv_usec = 3; FAILS(syscall(SYS_futimesat, AT_FDCWD, "t", tv)); times("t"); FAILS(syscall(SYS_futimesat, fd, 0, tv)); struct utimbuf ub = { 21, 22 }; FAILS(syscall(SYS_utime, "t", &ub)); times("t"); FAILS(syscall(SYS_utime, "t", 0)); times("t"); FAILS(syscall(SYS_utime, "none", 0)); FAILS(syscall(SYS_utime, "t", BAD)); chmod("t", 0644);
  AS(1000, FAILS(utimensat(AT_FDCWD, "t", ts, 0)); FAILS(utimensat(AT_FDCWD, "t", 0, 0)); ts[0].tv_nsec = ts[1].tv_nsec = UTIME_NOW; FAILS(utimensat(AT_FDCWD, "t", ts, 0)); ts[0].tv_nsec = UTIME_OMIT; FAILS(utimensat(AT_FDCWD, "t", ts, 0))); chmod("t", 0666); AS(1000, FAILS(utimensat(AT_FDCWD, "t", 0, 0)); FAILS(utimensat(AT_FDCWD, "t", ts, 0)));
  struct timespec old[2] = { { 50, 0 }, { 100, 0 } }; char c; utimensat(AT_FDCWD, "t", old, 0); read(fd, &c, 1); times("t"); old[0].tv_sec = 200; utimensat(AT_FDCWD, "t", old, 0); pread(fd, &c, 1, 0); times("t"); int na = open("t", O_RDONLY | O_NOATIME); old[0].tv_sec = 50; utimensat(AT_FDCWD, "t", old, 0); read(na, &c, 1); times("t"); utimensat(AT_FDCWD, "t", old, 0); pread(na, &c, 0, 0); times("t"); int w = open("t", O_WRONLY); utimensat(AT_FDCWD, "t", old, 0); write(w, "", 0); times("t"); write(w, "x", 1); times("t"); utimensat(AT_FDCWD, "t", old, 0); ftruncate(w, 1); times("t"); utimensat(AT_FDCWD, "t", old, 0); open("t", O_TRUNC | O_RDWR); times("t"); utimensat(AT_FDCWD, "t", old, 0); link("t", "t2"); rename("t2", "t3"); chmod("t", 0600); times("t"); mkdir("td", 0755); utimensat(AT_FDCWD, "td", old, 0); mk("td/a"); times("td"); utimensat(AT_FDCWD, "td", old, 0); rename("td/a", "td/b"); times("td"); utimensat(AT_FDCWD, "td", old, 0); unlink("td/b"); times("td"); utimensat(AT_FDCWD, "td", old, 0); chmod("td", 0700); times("td");
}

static void attributes(void) {
  mk("x"); char buf[200]; symlink("x", "xl"); chmod("x", 0644); chown("x", 0, 0); chmod("d", 0755);
  FAILS(getxattr("x", "user.a", buf, 200)); FAILS(setxattr("x", "user.a", "one", 3, 0)); FAILS(setxattr("x", "user.a", "two", 3, XATTR_CREATE)); FAILS(setxattr("x", "user.b", "two", 3, XATTR_REPLACE)); FAILS(setxattr("x", "user.b", "second", 6, XATTR_CREATE)); FAILS(setxattr("x", "user.a", "uno!", 4, XATTR_REPLACE)); memset(buf, 0, 200); FAILS(getxattr("x", "user.a", buf, 200)); printf("%s\n", buf); FAILS(getxattr("xl", "user.b", buf, 3)); FAILS(getxattr("x", "user.b", buf, 0)); FAILS(getxattr("x", "user.b", BAD, 10)); FAILS(listxattr("x", buf, 200) >= 14); FAILS(listxattr("x", buf, 3)); FAILS(setxattr("x", "user.empty", "", 0, 0)); FAILS(getxattr("x", "user.empty", buf, 200)); FAILS(removexattr("x", "user.empty")); FAILS(removexattr("x", "user.empty"));
  FAILS(setxattr("x", "user", "x", 1, 0)); FAILS(setxattr("x", "user.", "x", 1, 0)); FAILS(setxattr("x", "bogus.a", "x", 1, 0)); FAILS(getxattr("x", "bogus.a", buf, 1)); FAILS(removexattr("x", "bogus.a")); FAILS(setxattr("x", "", "x", 1, 0)); FAILS(setxattr("x", "user.a", "x", 1, 4)); FAILS(setxattr("x", "user.a", buf, 70000, 0)); FAILS(setxattr("none", "user.a", "x", 1, 0)); FAILS(setxattr("x", BAD, "x", 1, 0)); FAILS(setxattr("x", "user.a", BAD, 1, 0)); char name[300] = "user."; memset(name + 5, 'n', 251); name[256] = 0; FAILS(setxattr("x", name, "x", 1, 0)); name[255] = 0; FAILS(setxattr("x", name, "x", 1, 0)); FAILS(removexattr("x", name));
  FAILS(lsetxattr("xl", "user.a", "x", 1, 0)); FAILS(lgetxattr("xl", "user.a", buf, 10)); FAILS(setxattr("p", "user.a", "x", 1, 0)); FAILS(getxattr("p", "user.a", buf, 10)); FAILS(setxattr("d", "user.a", "x", 1, 0)); FAILS(setxattr("x", "trusted.a", "x", 1, 0)); FAILS(getxattr("x", "trusted.a", buf, 10)); int fd = open("x", O_RDONLY); FAILS(fgetxattr(fd, "user.a", buf, 10)); FAILS(fsetxattr(fd, "user.c", "x", 1, 0)); FAILS(fsetxattr(99, "user.c", "x", 1, 0)); FAILS(fremovexattr(fd, "user.c")); FAILS(getxattr("/proc/self/stat", "user.a", buf, 10)); FAILS(getxattr("x", "system.nothing", buf, 10));
  AS(1000, FAILS(getxattr("x", "user.a", buf, 10)); FAILS(setxattr("x", "user.a", "x", 1, 0)); FAILS(getxattr("x", "trusted.a", buf, 10)); FAILS(setxattr("x", "trusted.a", "x", 1, 0)); FAILS(removexattr("x", "user.a")));
}

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOLBF, 0);
  char dir[200]; snprintf(dir, sizeof dir, "%s/abi-attributes-XXXXXX", argc > 1 ? argv[1] : "/tmp");
  if (!mkdtemp(dir) || chdir(dir)) { perror(dir); return 1; }
  umask(022);
  stats(); modes(); stamps(); attributes();
  char command[300]; snprintf(command, sizeof command, "rm -rf %s", dir);
  chdir("/"); return system(command) != 0;
}
