/* Unix sockets: pairs, names, connections, messages with descriptors and credentials, options. Prints the same on every Linux. */
#include "abi.h"
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

static char buffer[400000];
static int s[2], broken;
static void on_pipe(int n) { (void)n; broken++; }
static int events(int fd) { struct pollfd f = {fd, 0x7fdf | POLLRDHUP, 0}; poll(&f, 1, 0); return f.revents; }
static int left(int fd) { int n = -1; ioctl(fd, FIONREAD, &n); return n; }
static void fresh(int type) { if (s[0]) { close(s[0]); close(s[1]); } if (socketpair(AF_UNIX, type, 0, s)) exit(1); }
static int option(int fd, int name) { int v = -1; socklen_t l = sizeof v; if (getsockopt(fd, SOL_SOCKET, name, &v, &l)) return -errno; return v; }
static char dir[64];
static struct sockaddr_un address;
static socklen_t name(const char *n) {
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  if (*n == '@') { memcpy(address.sun_path + 1, n + 1, strlen(n) - 1); return offsetof(struct sockaddr_un, sun_path) + strlen(n); }
  snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", dir, n);
  return sizeof address;
}
#define NAMED(call, fd, n) call(fd, (struct sockaddr *)&address, name(n))
static void show_name(const char *what, int fd, int (*get)(int, struct sockaddr *, socklen_t *)) {
  struct sockaddr_un a; socklen_t l = sizeof a; memset(&a, 0, sizeof a);
  if (get(fd, (struct sockaddr *)&a, &l)) { printf("%s: %s\n", what, abi_error(errno)); return; }
  char *slash = strrchr(a.sun_path, '/');
  printf("%s: family %d, %s%s\n", what, a.sun_family, l <= 2 ? "unnamed" : a.sun_path[0] ? "path " : "abstract ", l <= 2 ? "" : slash ? slash + 1 : a.sun_path + 1);
}

static void making(void) {
  SHOW(socket(AF_UNIX, 9, 0)); SHOW(socket(AF_UNIX, 99, 0)); SHOW(socket(99, SOCK_STREAM, 0)); SHOW(socket(AF_UNIX, SOCK_STREAM, 77));
  SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)8)); SHOW(socket(AF_UNIX, SOCK_STREAM | 0x100, 0));
  int f = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  SHOW(fcntl(f, F_GETFL)); SHOW(fcntl(f, F_GETFD)); SHOW(events(f));
  struct stat st; fstat(f, &st); printf("mode %o, size %d\n", st.st_mode, (int)st.st_size);
  SHOW(read(f, buffer, 10)); SHOW(write(f, "x", 1)); SHOW(recv(f, buffer, 10, 0)); SHOW(lseek(f, 0, SEEK_CUR));
  SHOW(listen(f, 5)); SHOW(accept(f, 0, 0)); show_name("local", f, getsockname); show_name("peer", f, getpeername);
  SHOW(option(f, SO_TYPE)); SHOW(option(f, SO_DOMAIN)); SHOW(option(f, SO_PROTOCOL)); SHOW(option(f, SO_ACCEPTCONN)); SHOW(option(f, SO_ERROR));
  SHOW(option(f, SO_SNDBUF)); SHOW(option(f, SO_RCVBUF)); SHOW(option(f, 9999)); SHOW(option(0, SO_TYPE)); SHOW(option(99, SO_TYPE));
  int v = 1000; SHOW(setsockopt(f, SOL_SOCKET, SO_SNDBUF, &v, sizeof v)); SHOW(option(f, SO_SNDBUF));
  v = 10000; SHOW(setsockopt(f, SOL_SOCKET, SO_SNDBUF, &v, sizeof v)); SHOW(option(f, SO_SNDBUF));
  v = 100; SHOW(setsockopt(f, SOL_SOCKET, SO_RCVBUF, &v, sizeof v)); SHOW(option(f, SO_RCVBUF));
  SHOW(setsockopt(f, SOL_SOCKET, SO_SNDBUF, &v, 2)); SHOW(setsockopt(f, SOL_SOCKET, SO_REUSEADDR, &v, sizeof v)); SHOW(option(f, SO_REUSEADDR));
  SHOW(setsockopt(f, SOL_SOCKET, 9999, &v, sizeof v)); SHOW(setsockopt(f, SOL_SOCKET, SO_SNDBUF, (void *)8, sizeof v));
  struct ucred c; socklen_t l = sizeof c; SHOW(getsockopt(f, SOL_SOCKET, SO_PEERCRED, &c, &l)); printf("%d %d %d %d\n", c.pid, c.uid, c.gid, l);
  close(f);
}

static void streams(void) {
  fresh(SOCK_STREAM);
  SHOW(events(s[0]));
  SHOW(write(s[0], "hello", 5)); SHOW(write(s[0], "world", 5)); SHOW(left(s[1]));
  SHOW(recv(s[1], buffer, 3, MSG_PEEK)); SHOW(recv(s[1], buffer, 7, 0)); printf("%.7s\n", buffer);
  SHOW(events(s[1])); SHOW(recv(s[1], buffer, 100, MSG_DONTWAIT)); SHOW(recv(s[1], buffer, 100, MSG_DONTWAIT)); SHOW(recv(s[1], buffer, 1, MSG_OOB | MSG_DONTWAIT) == -1);
  SHOW(send(s[0], "", 0, 0)); SHOW(recv(s[1], buffer, 0, MSG_DONTWAIT)); SHOW(sendto(s[0], "x", 1, 0, (struct sockaddr *)&address, 10));
  show_name("local", s[0], getsockname); show_name("peer", s[0], getpeername); SHOW(connect(s[0], (struct sockaddr *)&address, 1));
  SHOW(shutdown(s[0], 9)); SHOW(shutdown(s[0], SHUT_WR)); SHOW(events(s[0])); SHOW(events(s[1])); SHOW(read(s[1], buffer, 10));
  signal(SIGPIPE, on_pipe);
  SHOW(write(s[0], "x", 1)); SHOW(send(s[0], "x", 1, MSG_NOSIGNAL)); SHOW(broken);
  SHOW(write(s[1], "back", 4)); SHOW(read(s[0], buffer, 10)); SHOW(shutdown(s[1], SHUT_RDWR)); SHOW(events(s[0])); SHOW(events(s[1])); SHOW(write(s[1], "x", 1));
  fresh(SOCK_STREAM);
  SHOW(write(s[0], "unread", 6)); close(s[1]); SHOW(events(s[0])); SHOW(write(s[0], "x", 1)); SHOW(read(s[0], buffer, 10)); SHOW(read(s[0], buffer, 10)); SHOW(events(s[0]));
  show_name("peer", s[0], getpeername);
  s[1] = dup(s[0]); fresh(SOCK_STREAM);
  SHOW(write(s[1], "last", 4)); close(s[1]); SHOW(read(s[0], buffer, 10)); SHOW(read(s[0], buffer, 10)); SHOW(option(s[0], SO_ERROR));
  s[1] = dup(s[0]); fresh(SOCK_STREAM);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) { close(s[0]); long n = write(s[1], buffer, 390000); _exit(n == 390000 ? 5 : 6); }
  close(s[1]); long total = 0, n; while ((n = read(s[0], buffer, 5000)) > 0) total += n;
  int status; waitpid(child, &status, 0); printf("%ld, exit %d\n", total, WEXITSTATUS(status)); s[1] = dup(s[0]);
  fresh(SOCK_STREAM);
  fflush(stdout);
  child = fork();
  if (child == 0) { for (int i = 0; i < 5; i++) { usleep(10000); write(s[1], "abcd", 4); } _exit(0); }
  SHOW(recv(s[0], buffer, 20, MSG_WAITALL)); waitpid(child, 0, 0);
  struct timeval t = {0, 100000}; SHOW(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t)); SHOW(recv(s[0], buffer, 20, 0));
  t.tv_usec = -1; SHOW(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
  SHOW(write(s[1], "ab", 2)); SHOW(recv(s[0], buffer, 20, MSG_WAITALL));
}

static void packets(int type) {
  fresh(type);
  SHOW(write(s[0], "one", 3)); SHOW(write(s[0], "", 0)); SHOW(write(s[0], "three", 5)); SHOW(left(s[1]));
  SHOW(recv(s[1], buffer, 2, MSG_PEEK)); SHOW(recv(s[1], buffer, 2, MSG_PEEK | MSG_TRUNC)); SHOW(recv(s[1], buffer, 2, 0)); SHOW(recv(s[1], buffer, 10, 0)); SHOW(recv(s[1], buffer, 10, 0)); SHOW(recv(s[1], buffer, 10, MSG_DONTWAIT));
  SHOW(write(s[0], buffer, 300000)); SHOW(write(s[0], buffer, 200000)); SHOW(recv(s[1], buffer, 400000, MSG_TRUNC));
  struct iovec v = {buffer, 2}; struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
  write(s[0], "long message", 12); SHOW(recvmsg(s[1], &m, 0)); printf("flags %#x\n", m.msg_flags);
  write(s[0], "x", 1); SHOW(recvmsg(s[1], &m, 0)); printf("flags %#x\n", m.msg_flags);
  SHOW(events(s[0])); shutdown(s[0], SHUT_WR); SHOW(events(s[1])); SHOW(events(s[0])); broken = 0; SHOW(write(s[0], "x", 1)); SHOW(broken); SHOW(recv(s[1], buffer, 10, MSG_DONTWAIT));
  close(s[1]); SHOW(events(s[0])); SHOW(write(s[0], "x", 1)); s[1] = dup(s[0]);
  fresh(type); close(s[1]); SHOW(events(s[0])); SHOW(write(s[0], "x", 1)); SHOW(recv(s[0], buffer, 10, MSG_DONTWAIT)); SHOW(broken); s[1] = dup(s[0]);
}

static void names(void) {
  int a = socket(AF_UNIX, SOCK_STREAM, 0), b = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0);
  SHOW(NAMED(bind, a, "one")); SHOW(NAMED(bind, a, "two")); SHOW(NAMED(bind, b, "one")); SHOW(NAMED(bind, b, "none/x")); SHOW(bind(b, (struct sockaddr *)&address, 1)); SHOW(bind(b, (struct sockaddr *)&address, 200)); SHOW(bind(b, (void *)8, 20));
  address.sun_family = AF_INET; SHOW(bind(b, (struct sockaddr *)&address, 20));
  show_name("local", a, getsockname); struct stat st; name("one"); SHOW(stat(address.sun_path, &st)); printf("mode %o\n", st.st_mode); SHOW(open(address.sun_path, O_RDONLY));
  SHOW(NAMED(connect, b, "one")); SHOW(NAMED(connect, b, "none")); SHOW(NAMED(connect, d, "one"));
  SHOW(listen(a, 1)); SHOW(events(a)); SHOW(option(a, SO_ACCEPTCONN)); SHOW(syscall(SYS_accept4, a, 0, 0, 1)); fcntl(a, F_SETFL, O_NONBLOCK); SHOW(accept(a, 0, 0)); SHOW(NAMED(connect, b, "one")); SHOW(events(a)); SHOW(events(b)); SHOW(write(b, "early", 5));
  SHOW(NAMED(connect, b, "one"));
  int e = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), f = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0); SHOW(NAMED(connect, e, "one")); SHOW(NAMED(connect, f, "one"));
  struct sockaddr_un peer; socklen_t l = sizeof peer; int c = accept4(a, (struct sockaddr *)&peer, &l, SOCK_CLOEXEC); printf("accepted %d, length %d\n", c >= 0, l); SHOW(fcntl(c, F_GETFD)); SHOW(fcntl(c, F_GETFL));
  SHOW(read(c, buffer, 10)); show_name("local", c, getsockname); show_name("peer", c, getpeername); show_name("peer", b, getpeername);
  struct ucred u; l = sizeof u; getsockopt(c, SOL_SOCKET, SO_PEERCRED, &u, &l); printf("%d %d\n", u.pid == getpid(), u.uid == getuid()); l = 4; SHOW(getsockopt(b, SOL_SOCKET, SO_PEERCRED, &u, &l)); printf("%d\n", l);
  close(a); SHOW(events(e)); SHOW(read(e, buffer, 10)); SHOW(NAMED(connect, f, "one")); name("one"); SHOW(unlink(address.sun_path)); SHOW(NAMED(connect, f, "one")); SHOW(write(b, "still", 5)); SHOW(read(c, buffer, 10));
  close(b); close(c); close(d); close(e); close(f);
  a = socket(AF_UNIX, SOCK_DGRAM, 0); b = socket(AF_UNIX, SOCK_DGRAM, 0); c = socket(AF_UNIX, SOCK_DGRAM, 0);
  SHOW(NAMED(bind, a, "@retrograde-test")); SHOW(NAMED(bind, b, "@retrograde-test")); SHOW(NAMED(bind, b, "@retrograde-test2")); show_name("local", a, getsockname);
  socklen_t n = name("@retrograde-test"); SHOW(sendto(b, "dg", 2, 0, (struct sockaddr *)&address, n)); SHOW(sendto(c, "unnamed", 7, 0, (struct sockaddr *)&address, n));
  l = sizeof peer; memset(&peer, 0, sizeof peer); SHOW(recvfrom(a, buffer, 10, 0, (struct sockaddr *)&peer, &l)); printf("from %s, length %d\n", peer.sun_path + 1, l); l = sizeof peer; SHOW(recvfrom(a, buffer, 10, 0, (struct sockaddr *)&peer, &l)); printf("length %d\n", l);
  SHOW(write(c, "x", 1)); SHOW(NAMED(connect, c, "@retrograde-test")); SHOW(write(c, "x", 1)); SHOW(recv(a, buffer, 10, 0)); SHOW(NAMED(connect, a, "@retrograde-test2")); SHOW(write(c, "x", 1)); SHOW(NAMED(connect, c, "@retrograde-test")); SHOW(write(a, "to b", 4)); SHOW(recv(b, buffer, 10, 0));
  address.sun_family = AF_UNSPEC; SHOW(connect(a, (struct sockaddr *)&address, 2)); SHOW(write(a, "x", 1)); SHOW(NAMED(connect, c, "@retrograde-nobody")); SHOW(NAMED(connect, c, "@retrograde-test")); close(a); SHOW(write(c, "x", 1)); SHOW(write(c, "x", 1)); SHOW(listen(b, 1)); SHOW(accept(b, 0, 0));
  a = socket(AF_UNIX, SOCK_DGRAM, 0); address.sun_family = AF_UNIX; SHOW(bind(a, (struct sockaddr *)&address, 2)); l = sizeof peer; getsockname(a, (struct sockaddr *)&peer, &l); printf("autobind: length %d, %d\n", l, peer.sun_path[0]);
  close(a); close(b); close(c);
}

static void control(void) {
  fresh(SOCK_STREAM);
  int p[2]; pipe(p);
  union { char b[CMSG_SPACE(sizeof(int) * 3) + CMSG_SPACE(sizeof(struct ucred))]; struct cmsghdr h; } u;
  struct iovec v = {"F", 1}; struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = CMSG_SPACE(8)};
  u.h.cmsg_level = SOL_SOCKET; u.h.cmsg_type = SCM_RIGHTS; u.h.cmsg_len = CMSG_LEN(8); memcpy(CMSG_DATA(&u.h), p, 8);
  SHOW(sendmsg(s[0], &m, 0)); close(p[0]); write(p[1], "through", 7); close(p[1]); write(s[0], "more", 4);
  char got[20]; v.iov_base = got; v.iov_len = sizeof got; m.msg_controllen = sizeof u; SHOW(recvmsg(s[1], &m, MSG_CMSG_CLOEXEC)); printf("flags %#x, control %d, len %d\n", m.msg_flags & ~MSG_CMSG_CLOEXEC, (int)m.msg_controllen, (int)u.h.cmsg_len);
  int fds[2]; memcpy(fds, CMSG_DATA(&u.h), 8); SHOW(fcntl(fds[0], F_GETFD)); SHOW(read(fds[0], got, 20)); close(fds[0]); close(fds[1]); SHOW(read(s[1], got, 20));
  pipe(p); v.iov_base = "G"; v.iov_len = 1; m.msg_controllen = CMSG_SPACE(8); u.h.cmsg_len = CMSG_LEN(8); memcpy(CMSG_DATA(&u.h), p, 8); SHOW(sendmsg(s[0], &m, 0));
  v.iov_base = got; m.msg_controllen = CMSG_LEN(4); SHOW(recvmsg(s[1], &m, 0)); printf("flags %#x, control %d\n", m.msg_flags, (int)m.msg_controllen); memcpy(fds, CMSG_DATA(&u.h), 4); SHOW(fcntl(fds[0], F_GETFD)); close(fds[0]);
  v.iov_base = "H"; m.msg_controllen = CMSG_SPACE(8); u.h.cmsg_len = CMSG_LEN(8); memcpy(CMSG_DATA(&u.h), p, 8); SHOW(sendmsg(s[0], &m, 0)); v.iov_base = got; m.msg_controllen = 0; SHOW(recvmsg(s[1], &m, 0)); printf("flags %#x\n", m.msg_flags);
  v.iov_base = "I"; m.msg_controllen = CMSG_SPACE(8); u.h.cmsg_len = CMSG_LEN(8); fds[0] = 99; memcpy(CMSG_DATA(&u.h), fds, 8); SHOW(sendmsg(s[0], &m, 0)); u.h.cmsg_len = 5; SHOW(sendmsg(s[0], &m, 0)); u.h.cmsg_len = CMSG_LEN(8); u.h.cmsg_type = 99; SHOW(sendmsg(s[0], &m, 0)); m.msg_iovlen = 5000; SHOW(sendmsg(s[0], &m, 0)); m.msg_iovlen = 1;
  memcpy(CMSG_DATA(&u.h), p, 8); u.h.cmsg_type = SCM_RIGHTS; v.iov_base = "JK"; v.iov_len = 2; SHOW(sendmsg(s[0], &m, 0)); write(s[0], "L", 1); v.iov_base = got; v.iov_len = 1; m.msg_controllen = sizeof u; SHOW(recvmsg(s[1], &m, MSG_PEEK)); printf("control %d\n", (int)m.msg_controllen); m.msg_controllen = sizeof u; v.iov_len = 10; SHOW(recvmsg(s[1], &m, 0)); printf("control %d\n", (int)m.msg_controllen); SHOW(read(s[1], got, 10));
  close(p[0]); close(p[1]);
  int one = 1; SHOW(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one)); SHOW(option(s[1], SO_PASSCRED)); write(s[0], "cred", 4); m.msg_controllen = sizeof u; SHOW(recvmsg(s[1], &m, 0));
  struct ucred c; memcpy(&c, CMSG_DATA(&u.h), sizeof c); printf("control %d type %d, %d %d %d\n", (int)m.msg_controllen, u.h.cmsg_type, c.pid == getpid(), c.uid == getuid(), c.gid == getgid());
  fflush(stdout); pid_t child = fork(); if (child == 0) { write(s[0], "child", 5); _exit(0); } waitpid(child, 0, 0); write(s[0], "parent", 6); m.msg_controllen = sizeof u; v.iov_len = 20; SHOW(recvmsg(s[1], &m, 0)); memcpy(&c, CMSG_DATA(&u.h), sizeof c); printf("%d\n", c.pid == child); m.msg_controllen = sizeof u; SHOW(recvmsg(s[1], &m, 0));
  fresh(SOCK_DGRAM);
  struct iovec a[3] = {{"a", 1}, {"bb", 2}, {"ccc", 3}}, b[3] = {{got, 5}, {got + 5, 5}, {got + 10, 2}}; struct mmsghdr out[3], in[3]; memset(out, 0, sizeof out); memset(in, 0, sizeof in);
  for (int i = 0; i < 3; i++) { out[i].msg_hdr.msg_iov = a + i; out[i].msg_hdr.msg_iovlen = 1; in[i].msg_hdr.msg_iov = b + i; in[i].msg_hdr.msg_iovlen = 1; }
  SHOW(sendmmsg(s[0], out, 3, 0)); printf("%d %d %d\n", out[0].msg_len, out[1].msg_len, out[2].msg_len); SHOW(recvmmsg(s[1], in, 3, 0, 0)); printf("%d %d %d %#x\n", in[0].msg_len, in[1].msg_len, in[2].msg_len, in[2].msg_hdr.msg_flags); SHOW(recvmmsg(s[1], in, 3, MSG_DONTWAIT, 0)); write(s[0], "x", 1); SHOW(recvmmsg(s[1], in, 3, MSG_WAITFORONE, 0)); struct timespec ts = {0, -1}; SHOW(recvmmsg(s[1], in, 3, 0, &ts));
  struct iovec g[2] = {{got, 3}, {got + 5, 10}}; struct msghdr w = {.msg_iov = g, .msg_iovlen = 2}; write(s[0], "scattered", 9); SHOW(recvmsg(s[1], &w, 0)); printf("%.3s %.6s\n", got, got + 5); SHOW(syscall(SYS_recvmsg, s[1], (void *)8, MSG_DONTWAIT)); SHOW(recvfrom(99, got, 1, 0, 0, 0)); SHOW(recvfrom(0, got, 1, 0, 0, 0));
}

int main(void) {
  strcpy(dir, "/tmp/abi-unix-XXXXXX"); if (!mkdtemp(dir)) return 1;
  umask(022);
  making(); streams(); puts("--- seqpacket"); packets(SOCK_SEQPACKET); puts("--- datagram"); packets(SOCK_DGRAM); names(); control();
  rmdir(dir);
  return 0;
}
