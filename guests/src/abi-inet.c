/* IPv4 sockets over loopback. Prints only what is the same on every Linux; ports are the kernel's choice. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILS(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s = %ld, errno %d\n", #__VA_ARGS__, r_, errno); } while (0)
static struct sockaddr_in at(unsigned ip, int port) { struct sockaddr_in a; memset(&a, 0, sizeof a); a.sin_family = AF_INET; a.sin_addr.s_addr = htonl(ip); a.sin_port = htons(port); return a; }
static const unsigned LO = 0x7f000001;
static struct sockaddr_in name(int fd) { struct sockaddr_in a; socklen_t n = sizeof a; memset(&a, 0, n); getsockname(fd, (void *)&a, &n); return a; }
static int port(int fd) { return ntohs(name(fd).sin_port); }
static int events(int fd) { struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP, 0}; poll(&p, 1, 0); return p.revents; }
static int waited(int fd, int what) { struct pollfd p = {fd, what, 0}; poll(&p, 1, 2000); return p.revents; }
static int get(int fd, int level, int option) { int v = -1; socklen_t n = sizeof v; return getsockopt(fd, level, option, &v, &n) ? -errno : v; }
static int set(int fd, int level, int option, int v) { return setsockopt(fd, level, option, &v, sizeof v) ? -errno : 0; }
static int listener(void) { int l = socket(AF_INET, SOCK_STREAM, 0); struct sockaddr_in a = at(LO, 0); bind(l, (void *)&a, sizeof a); listen(l, 5); return l; }
static int dial(int p) { int c = socket(AF_INET, SOCK_STREAM, 0); struct sockaddr_in a = at(LO, p); return connect(c, (void *)&a, sizeof a) ? -errno : c; }

static void making(void) {
  FAILS(socket(AF_INET, SOCK_STREAM, 17)); FAILS(socket(AF_INET, SOCK_DGRAM, 6)); FAILS(socket(AF_INET, 5, 0)); FAILS(socket(AF_INET, 77, 0));
  int sv[2]; FAILS(socketpair(AF_INET, SOCK_STREAM, 0, sv));
  int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  printf("flags %d %x\n", fcntl(s, F_GETFD), fcntl(s, F_GETFL));
  printf("domain %d type %d protocol %d accept %d error %d\n", get(s, SOL_SOCKET, SO_DOMAIN), get(s, SOL_SOCKET, SO_TYPE), get(s, SOL_SOCKET, SO_PROTOCOL), get(s, SOL_SOCKET, SO_ACCEPTCONN), get(s, SOL_SOCKET, SO_ERROR));
  printf("unbound %x %d\n", name(s).sin_addr.s_addr, port(s));
  printf("events %x\n", events(s));
  char c; FAILS(recv(s, &c, 1, 0)); FAILS(send(s, "x", 1, MSG_NOSIGNAL)); FAILS(shutdown(s, SHUT_RDWR));
  struct sockaddr_in a = at(LO, 0); socklen_t n = sizeof a;
  FAILS(getpeername(s, (void *)&a, &n)); FAILS(accept(s, 0, 0));
  FAILS(bind(s, (void *)&a, 8)); a.sin_family = 99; FAILS(bind(s, (void *)&a, sizeof a));
  a = at(0x01020304, 0); FAILS(bind(s, (void *)&a, sizeof a));
  printf("nodelay %d %d %d ttl %d\n", get(s, IPPROTO_TCP, TCP_NODELAY), set(s, IPPROTO_TCP, TCP_NODELAY, 1), get(s, IPPROTO_TCP, TCP_NODELAY), get(s, IPPROTO_IP, IP_TTL));
  printf("reuse %d %d %d keep %d\n", get(s, SOL_SOCKET, SO_REUSEADDR), set(s, SOL_SOCKET, SO_REUSEADDR, 5), get(s, SOL_SOCKET, SO_REUSEADDR), get(s, SOL_SOCKET, SO_KEEPALIVE));
  printf("unknown %d %d\n", get(s, IPPROTO_TCP, 999), set(s, SOL_SOCKET, 9999, 1));
  close(s);
}

static void ports(void) {
  int a = listener(), b = socket(AF_INET, SOCK_STREAM, 0); struct sockaddr_in n = at(LO, port(a));
  FAILS(bind(b, (void *)&n, sizeof n)); n = at(0, port(a)); FAILS(bind(b, (void *)&n, sizeof n)); n = at(0x7f000002, port(a)); FAILS(bind(b, (void *)&n, sizeof n));
  FAILS(bind(b, (void *)&n, sizeof n)); FAILS(listen(b, 1)); close(b);
  int u = socket(AF_INET, SOCK_DGRAM, 0); n = at(LO, port(a)); FAILS(bind(u, (void *)&n, sizeof n)); close(u);
  int p = port(a); close(a);
  b = socket(AF_INET, SOCK_STREAM, 0); n = at(LO, p); FAILS(bind(b, (void *)&n, sizeof n)); close(b);
  printf("refused %d\n", dial(p));
}

static void streams(void) {
  int l = listener(), c = dial(port(l)); struct sockaddr_in n; socklen_t size = sizeof n;
  printf("listener %x client %x\n", events(l), events(c));
  int s = accept(l, (void *)&n, &size);
  printf("accepted %d size %d from client %d local %d\n", s >= 0, (int)size, ntohs(n.sin_port) == port(c), port(s) == port(l));
  size = sizeof n; getpeername(c, (void *)&n, &size); printf("peer %x %d\n", ntohl(n.sin_addr.s_addr), ntohs(n.sin_port) == port(l));
  char buffer[100]; int count;
  printf("send %zd\n", send(c, "hello", 5, 0)); waited(s, POLLIN); ioctl(s, FIONREAD, &count);
  printf("events %x pending %d peek %zd", events(s), count, recv(s, buffer, 3, MSG_PEEK)); printf(" read %zd\n", recv(s, buffer, 100, 0));
  FAILS(recv(s, buffer, 1, MSG_DONTWAIT)); FAILS(connect(c, (void *)&n, sizeof n));
  shutdown(c, SHUT_WR); waited(s, POLLIN);
  printf("half closed: server %x client %x read %zd\n", events(s), events(c), recv(s, buffer, 100, 0));
  FAILS(send(c, "x", 1, MSG_NOSIGNAL));
  printf("back %zd", send(s, "world", 5, 0)); waited(c, POLLIN); printf(" %zd\n", recv(c, buffer, 100, 0));
  shutdown(s, SHUT_WR); waited(c, POLLIN); printf("both: server %x client %x read %zd\n", events(s), events(c), recv(c, buffer, 100, 0));
  close(s); close(c);
  /* The other end is gone with bytes unread: reset. */
  c = dial(port(l)); s = accept(l, 0, 0); send(c, "unread", 6, 0); waited(s, POLLIN); close(s); waited(c, POLLERR);
  printf("reset: events %x error", events(c)); FAILS(recv(c, buffer, 1, 0)); printf("then %zd\n", recv(c, buffer, 1, 0)); close(c);
  /* Gone without: the first send goes, the next does not. */
  c = dial(port(l)); s = accept(l, 0, 0); close(s); waited(c, POLLIN); printf("closed: %x read %zd", events(c), recv(c, buffer, 1, 0)); printf(" send %zd\n", send(c, "x", 1, MSG_NOSIGNAL));
  usleep(10000); FAILS(send(c, "x", 1, MSG_NOSIGNAL)); close(c);
  signal(SIGPIPE, SIG_IGN);
  c = dial(port(l)); s = accept(l, 0, 0); struct linger lg = {1, 0}; setsockopt(s, SOL_SOCKET, SO_LINGER, &lg, sizeof lg); close(s); waited(c, POLLERR);
  FAILS(write(c, "x", 1)); close(c);
  /* Data in flight survives an orderly close. */
  c = dial(port(l)); s = accept(l, 0, 0); send(c, "last words", 10, 0); close(c); waited(s, POLLIN); printf("last %zd", recv(s, buffer, 100, 0)); printf(" %zd\n", recv(s, buffer, 100, 0)); close(s);
  FAILS(shutdown(l, SHUT_RD)); close(l);
}

static void nonblocking(void) {
  int l = listener(), c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); struct sockaddr_in n = at(LO, port(l));
  FAILS(connect(c, (void *)&n, sizeof n)); printf("writable %x error %d\n", waited(c, POLLOUT), get(c, SOL_SOCKET, SO_ERROR));
  FAILS(connect(c, (void *)&n, sizeof n)); FAILS(connect(c, (void *)&n, sizeof n));
  int s = accept(l, 0, 0); FAILS(recv(c, &s, 1, 0));
  size_t total = 0; char *big = calloc(1, 65536); ssize_t w; while ((w = send(c, big, 65536, 0)) > 0) total += w;
  printf("full: errno %d much %d writable %x\n", errno, total > 100000, events(c) & POLLOUT);
  size_t got = 0; while (got < total) { ssize_t r = recv(s, big, 65536, 0); if (r <= 0) break; got += r; }
  printf("all %d writable %x\n", got == total, waited(c, POLLOUT)); close(c); close(s);
  int p = port(l); close(l);
  c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); n = at(LO, p); FAILS(connect(c, (void *)&n, sizeof n)); waited(c, POLLOUT);
  printf("events %x error %d again %d\n", events(c), get(c, SOL_SOCKET, SO_ERROR), get(c, SOL_SOCKET, SO_ERROR)); close(c);
}

static void processes(void) {
  int l = listener(), p = port(l); fflush(stdout);
  for (int i = 0; i < 3; i++) if (fork() == 0) {
    int c = dial(p); char out[4096], in[4096]; memset(out, 'a' + i, sizeof out); int bad = 0;
    for (int k = 0; k < 20; k++) { send(c, out, sizeof out, 0); if (recv(c, in, sizeof in, MSG_WAITALL) != sizeof in || memcmp(in, out, sizeof in)) bad = 1; }
    close(c); _exit(bad);
  }
  for (int i = 0; i < 3; i++) if (fork() == 0) { int s = accept(l, 0, 0); char b[3000]; ssize_t n; while ((n = recv(s, b, sizeof b, 0)) > 0) send(s, b, n, 0); _exit(0); }
  int bad = 0, st; for (int i = 0; i < 6; i++) { wait(&st); bad += st != 0; }
  printf("echo: bad %d\n", bad); close(l);
}

static void datagrams(void) {
  int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0); struct sockaddr_in n = at(LO, 0), from; socklen_t size = sizeof from; char buffer[100];
  bind(a, (void *)&n, sizeof n); n = at(LO, port(a));
  printf("events %x\n", events(a)); FAILS(send(b, "x", 1, 0)); FAILS(recv(a, buffer, 1, MSG_DONTWAIT));
  printf("sendto %zd", sendto(b, "datagram", 8, 0, (void *)&n, sizeof n)); waited(a, POLLIN);
  ssize_t r = recvfrom(a, buffer, 4, MSG_TRUNC, (void *)&from, &size); printf(" recv %zd size %d from %d any %x\n", r, (int)size, ntohs(from.sin_port) == port(b), name(b).sin_addr.s_addr);
  printf("empty %zd", sendto(b, "", 0, 0, (void *)&n, sizeof n)); waited(a, POLLIN); printf(" %zd\n", recv(a, buffer, 10, 0));
  connect(b, (void *)&n, sizeof n); printf("connected %zd local %x\n", send(b, "y", 1, 0), ntohl(name(b).sin_addr.s_addr)); recv(a, buffer, 10, 0);
  int c = socket(AF_INET, SOCK_DGRAM, 0); struct sockaddr_in nb = at(LO, port(b)); sendto(c, "stranger", 8, 0, (void *)&nb, sizeof nb); FAILS(recv(b, buffer, 10, MSG_DONTWAIT));
  close(a); send(b, "z", 1, 0); waited(b, POLLERR); FAILS(recv(b, buffer, 10, MSG_DONTWAIT)); FAILS(recv(b, buffer, 10, MSG_DONTWAIT));
  char *big = calloc(1, 70000); FAILS(send(b, big, 65508, 0)); FAILS(listen(b, 1)); FAILS(accept(b, 0, 0));
  n.sin_family = AF_UNSPEC; FAILS(connect(b, (void *)&n, sizeof n)); FAILS(getpeername(b, (void *)&from, &size));
  FAILS(shutdown(b, SHUT_WR));
  n = at(0xffffffff, 9); FAILS(sendto(b, "x", 1, 0, (void *)&n, sizeof n));
}

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  making(); ports(); streams(); nonblocking(); processes(); datagrams();
  return 0;
}
