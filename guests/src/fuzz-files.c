/* Random file system calls over a few names: argv: directory, seed, count, uid. Prints each call and what it answered, the same on every tmpfs of Linux 6.17 or later. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>
static uint64_t s; static unsigned rnd(unsigned n) { s ^= s << 13; s ^= s >> 7; s ^= s << 17; return (unsigned)((s >> 20) % n); }
static const char *names[] = { "a", "b", "c", "d", "e", ".", "..", "a/", "f" };
static char pbuf[4][200];
static char *path(int k) { char *p = pbuf[k]; p[0] = 0; if (rnd(30) == 0) strcpy(p, "../w/"); int n = 1 + rnd(3); for (int i = 0; i < n; i++) { strcat(p, names[rnd(rnd(4) ? 5 : 9)]); if (i + 1 < n) strcat(p, "/"); } if (rnd(25) == 0) strcat(p, "/"); if (rnd(60) == 0) p[0] = 0; return p; }
static int fds[8]; static int pick(void) { return fds[rnd(8)]; }
static char buf[70000], out[70000];
static unsigned sum(const char *p, long n) { unsigned h = 0; for (long i = 0; i < n; i++) h = h * 31 + (unsigned char)p[i]; return h; }
static long off(void) { switch (rnd(6)) { case 0: return 0; case 1: return rnd(100); case 2: return rnd(5000); case 3: return 4096 * rnd(5); case 4: return rnd(40000); default: return (long)rnd(3) - 1; } }
static void st(struct stat *x) { printf(" [%o %ld %d:%d %ld %ld]", x->st_mode, (long)x->st_nlink, x->st_uid, x->st_gid, S_ISDIR(x->st_mode) ? 0L : (long)x->st_size, (long)x->st_blocks); }
static int cmp(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
static int flagset[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_CREAT, O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_EXCL, O_RDWR | O_TRUNC, O_WRONLY | O_CREAT | O_APPEND, O_RDONLY | O_DIRECTORY, O_RDONLY | O_NOFOLLOW, O_PATH, O_PATH | O_NOFOLLOW, O_RDWR | O_CREAT | O_TRUNC, O_CREAT | O_RDONLY, O_TMPFILE | O_RDWR, O_RDWR | O_NOATIME, 3 };
int main(int argc, char **argv) {
  s = strtoull(argv[2], 0, 0) * 0x9e3779b97f4a7c15ULL + 1; int count = atoi(argv[3]); int uid = argc > 4 ? atoi(argv[4]) : 0;
  setvbuf(stdout, malloc(1 << 16), _IOFBF, 1 << 16);
  char dir[200]; snprintf(dir, 200, "%s/rnd-XXXXXX", argv[1]); if (!mkdtemp(dir)) return 1; chdir(dir); chmod(".", 0755); mkdir("p", 0755); chdir("p"); mkdir("q", 0755); chdir("q"); mkdir("w", 0755); chmod("w", 0777); chdir("w"); umask(022);
  if (uid) { mkdir("a", 0755); mkdir("b", 01777); chmod("b", 01777); mkdir("c", 0700); close(open("b/a", O_CREAT | O_RDWR, 0644)); close(open("d", O_CREAT | O_RDWR, 0600)); close(open("a/b", O_CREAT | O_RDWR, 0666)); chmod("a/b", 0666); mkdir("e", 02777); chown("e", 0, 50); chmod("e", 02777); syscall(SYS_setgroups, 0, 0); setresgid(uid, uid, uid); setresuid(uid, uid, uid); }
  for (int i = 0; i < 8; i++) fds[i] = 100 + i;
  for (int i = 0; i < (int)sizeof buf; i++) buf[i] = i * 7 + (i >> 8);
  for (int i = 0; i < count; i++) {
    errno = 0; long r = 0; struct stat x; int op = rnd(48), k = rnd(8); char *p = path(0), *q; unsigned n, m; long o;
    printf("%d ", i);
    switch (op) {
    case 0: case 1: case 2: case 3: case 4: case 5: { int fl = flagset[rnd(sizeof flagset / sizeof *flagset)] | O_NONBLOCK; int fd = open(p, fl, rnd(2) ? 0644 : 0755); r = fd; if (fd >= 0) { r = 0; dup2(fd, fds[k]); close(fd); } printf("open %s %x -> %d", p, fl, k); break; }
    case 6: r = close(pick()); printf("close"); break;
    case 7: case 8: n = rnd(3) ? rnd(9000) : rnd(60000); r = write(pick(), buf + rnd(100), n); printf("write %u", n); break;
    case 9: case 10: n = rnd(3) ? rnd(9000) : rnd(60000); r = read(pick(), out, n); printf("read %u %u", n, r > 0 ? sum(out, r) : 0); break;
    case 11: n = rnd(9000); o = off(); r = pwrite(pick(), buf + rnd(99), n, o); printf("pwrite %u %ld", n, o); break;
    case 12: n = rnd(9000); o = off(); r = pread(pick(), out, n, o); printf("pread %u %ld %u", n, o, r > 0 ? sum(out, r) : 0); break;
    case 13: o = off(); m = rnd(6); r = lseek(pick(), o, m); printf("lseek %ld %u", o, m); break;
    case 14: o = off(); r = truncate(p, o); printf("truncate %s %ld", p, o); break;
    case 15: o = off(); r = ftruncate(pick(), o); printf("ftruncate %ld", o); break;
    case 16: case 17: case 18: r = mkdir(p, rnd(2) ? 0755 : 0700); printf("mkdir %s", p); break;
    case 19: r = rmdir(p); printf("rmdir %s", p); break;
    case 20: case 21: r = unlink(p); printf("unlink %s", p); break;
    case 22: q = path(1); r = link(p, q); printf("link %s %s", p, q); break;
    case 23: case 24: q = path(1); r = symlink(p, q); printf("symlink %s %s", p, q); break;
    case 25: case 26: case 27: q = path(1); r = rename(p, q); printf("rename %s %s", p, q); break;
    case 28: q = path(1); m = rnd(8); r = syscall(SYS_renameat2, AT_FDCWD, p, AT_FDCWD, q, m & ~4u); printf("renameat2 %s %s %u", p, q, m & ~4u); break;
    case 29: case 30: r = stat(p, &x); printf("stat %s", p); if (!r) st(&x); break;
    case 31: r = lstat(p, &x); printf("lstat %s", p); if (!r) st(&x); break;
    case 32: r = fstat(pick(), &x); printf("fstat"); if (!r) st(&x); break;
    case 33: m = rnd(8); r = access(p, m); printf("access %s %u", p, m); break;
    case 34: m = rnd(8) ? 0200 * rnd(4) + 0100 * rnd(2) + rnd(0100) : rnd(010000); r = chmod(p, m); printf("chmod %s %o", p, m); break;
    case 35: r = readlink(p, out, 100); printf("readlink %s %.*s", p, r > 0 ? (int)r : 0, out); break;
    case 36: { int d = open(p, O_RDONLY | O_DIRECTORY); r = d; printf("ls %s", p); if (d >= 0) { r = 0; DIR *D = fdopendir(d); char *l[64]; int c = 0; struct dirent *e; while ((e = readdir(D)) && c < 64) { char t[64]; sprintf(t, "%s/%d", e->d_name, e->d_type); l[c++] = strdup(t); } qsort(l, c, sizeof *l, cmp); for (int j = 0; j < c; j++) { printf(" %s", l[j]); free(l[j]); } closedir(D); } errno = r < 0 ? errno : 0; break; }
    case 37: m = rnd(5) ? rnd(4) : rnd(256); o = off(); n = rnd(20000); r = fallocate(pick(), m, o, n); printf("fallocate %u %ld %u", m, o, n); break;
    case 38: n = rnd(9000); o = off(); { int a = pick(), b = pick(); off_t oo = o; struct stat sa, sb; if (fstat(a, &sa) == 0 && (S_ISFIFO(sa.st_mode) || (fstat(b, &sb) == 0 && sa.st_ino == sb.st_ino))) b = -1; errno = 0; r = sendfile(a, b, rnd(2) ? &oo : 0, n); printf("sendfile %ld %u", (long)oo, n); } break;
    case 39: n = rnd(9000); { int a = pick(), b = pick(); loff_t o1 = off(), o2 = off(); r = copy_file_range(a, rnd(2) ? &o1 : 0, b, rnd(2) ? &o2 : 0, n, 0); printf("copy %u %ld %ld", n, (long)o1, (long)o2); } break;
    case 40: { struct iovec v[3] = { { buf, rnd(300) }, { buf + 5, rnd(5000) }, { buf + 9, rnd(9) } }; r = rnd(2) ? writev(pick(), v, 3) : pwritev(pick(), v, 3, off()); printf("writev"); } break;
    case 41: m = rnd(3); r = mknod(p, m == 0 ? S_IFREG | 0644 : m == 1 ? S_IFIFO | 0644 : S_IFSOCK | 0644, 0); printf("mknod %s %u", p, m); break;
    case 42: { char nm[20]; sprintf(nm, "user.%c", 'a' + rnd(3)); m = rnd(4); if (m < 2) r = setxattr(p, nm, buf, rnd(20), rnd(3)); else if (m == 2) r = lgetxattr(p, nm, out, rnd(20)); else r = removexattr(p, nm); printf("xattr %u %s %s", m, p, nm); } break;
    case 43: { struct flock f = { .l_type = rnd(3), .l_whence = rnd(3), .l_start = off(), .l_len = off() }; m = rnd(4); r = fcntl(pick(), m == 0 ? F_OFD_SETLK : m == 1 ? F_SETLK : m == 2 ? F_GETLK : F_OFD_GETLK, &f); printf("lock %u %d %ld %ld", m, f.l_type, m >= 2 && f.l_type != 2 ? (long)f.l_start : 0, m >= 2 && f.l_type != 2? (long)f.l_len : 0); } break;
    case 44: m = rnd(4); r = flock(pick(), (m == 0 ? LOCK_SH : m == 1 ? LOCK_EX : m == 2 ? LOCK_UN : 3) | LOCK_NB); printf("flock %u", m); break;
    case 45: r = rnd(6) ? 0 : chown(p, uid ? (int)rnd(3) * 500 : (int)rnd(3) - 1, (int)rnd(3) - 1); printf("chown %s", p); break;
    case 46: { int d = pick(); r = fchdir(d); printf("fchdir"); if (!r) { char c[300]; long g = syscall(SYS_getcwd, c, 300); printf(" %s", g > 0 ? c + strlen(dir) : "?"); } chdir(dir); chdir("p/q/w"); if (r == 0) errno = 0; break; }
    case 47: { char f[64]; sprintf(f, "/proc/self/fd/%d", pick()); long g = readlink(f, out, 300); r = g < 0 ? g : 0; if (g > 0 && memmem(out, g, "#", 1)) printf("fdpath tmp"); else printf("fdpath %.*s", g > (long)strlen(dir) ? (int)(g - strlen(dir)) : 0, out + strlen(dir)); break; }
    }
    printf(" = %ld %d\n", r, r < 0 ? errno : 0);
  }
  fflush(stdout); chdir("/"); seteuid(0); char c[300]; snprintf(c, 300, "rm -rf %s", dir); if (!uid) system(c); return 0;
}
