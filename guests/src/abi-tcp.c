/* What TCP shows of its states: urgent data, corks, TIME_WAIT, backlogs, resets, simultaneous opens. The same on every Linux with default settings. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include "abi-sockets.h"

#ifndef SIOCATMARK
#define SIOCATMARK 0x8905
#endif
#ifndef SIOCOUTQ
#define SIOCOUTQ 0x5411
#endif
static int events(int fd) { return waited(fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0); }
static int tcp(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static int listener(int backlog) { int l = tcp(); struct sockaddr_in a = at(LO, 0); bind(l, (void *)&a, sizeof a); listen(l, backlog); return l; }
static int to(int fd, int p) { struct sockaddr_in a = at(LO, p); return connect(fd, (void *)&a, sizeof a); }
static int dial(int p) { int c = tcp(); return to(c, p) ? -errno : c; }
static int state(int fd) { struct tcp_info i; socklen_t n = sizeof i; return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &n) ? -errno : i.tcpi_state; }
static int pending(int fd) { int n = -1; ioctl(fd, FIONREAD, &n); return n; }
static int mark(int fd) { int n = -1; return ioctl(fd, SIOCATMARK, &n) ? -errno : n; }
static void pair(int *c, int *s) { int l = listener(5); *c = dial(port(l)); *s = accept(l, 0, 0); close(l); }
static volatile int urgent;
static void on_urgent(int s) { (void)s; urgent++; }
static void show(int fd, int flags) { char b[100]; ssize_t n = recv(fd, b, sizeof b, flags | MSG_DONTWAIT); if (n < 0) printf("  recv: errno %d\n", errno); else printf("  recv: %.*s (%zd)\n", (int)n, b, n); }

static void self(void) {
  int s = tcp(); struct sockaddr_in a = at(LO, 0); bind(s, (void *)&a, sizeof a);
  printf("self connect %d state %d\n", to(s, port(s)), state(s));
  printf("self send %zd", send(s, "me", 2, 0)); waited(s, POLLIN, 1000); printf("\n"); show(s, 0);
  shutdown(s, SHUT_WR); waited(s, POLLRDHUP, 1000); show(s, 0); printf("state %d\n", state(s)); close(s);
}

static void oob(void) {
  int c, s; pair(&c, &s);
  signal(SIGURG, on_urgent); fcntl(s, F_SETOWN, getpid());
  FAILS(recv(s, &c, 1, MSG_OOB | MSG_DONTWAIT)); printf("mark %d\n", mark(s));
  send(c, "abc", 3, 0); send(c, "X", 1, MSG_OOB); send(c, "def", 3, 0); usleep(20000);
  printf("urgent %d events %x pending %d mark %d\n", urgent, events(s), pending(s), mark(s));
  show(s, 0); printf("mark %d pending %d\n", mark(s), pending(s)); show(s, MSG_OOB | MSG_PEEK); show(s, MSG_OOB); show(s, MSG_OOB); printf("events %x mark %d\n", events(s), mark(s));
  show(s, 0); printf("mark %d\n", mark(s)); show(s, MSG_OOB);
  /* Not read before what follows. */
  send(c, "12", 2, MSG_OOB); send(c, "34", 2, 0); usleep(20000); show(s, 0); show(s, 0); show(s, MSG_OOB);
  /* In line. */
  printf("inline %d\n", set(s, SOL_SOCKET, SO_OOBINLINE, 1));
  send(c, "pq", 2, 0); send(c, "R", 1, MSG_OOB); send(c, "st", 2, 0); usleep(20000);
  show(s, 0); printf("mark %d\n", mark(s)); show(s, MSG_OOB); show(s, 0); printf("mark %d urgent %d\n", mark(s), urgent);
  close(c); close(s);
}

static void corks(void) {
  int c, s; pair(&c, &s);
  printf("cork %d", set(c, IPPROTO_TCP, TCP_CORK, 1)); send(c, "a", 1, 0); send(c, "b", 1, 0); usleep(20000); printf(" held %d", pending(s));
  set(c, IPPROTO_TCP, TCP_CORK, 0); usleep(20000); printf(" released %d\n", pending(s));
  send(c, "c", 1, MSG_MORE); usleep(20000); printf("more: held %d", pending(s)); send(c, "d", 1, 0); usleep(20000); printf(" released %d\n", pending(s));
  send(c, "e", 1, MSG_MORE); usleep(400000); printf("more for long: %d\n", pending(s)); show(s, 0);
  int q = -1; ioctl(c, SIOCOUTQ, &q); printf("unacknowledged %d\n", q);
  close(c); close(s);
}

static void time_wait(void) {
  int l = listener(5), p = port(l), c = dial(p), s = accept(l, 0, 0); close(l);
  shutdown(s, SHUT_WR); waited(c, POLLRDHUP, 1000); printf("half %d\n", state(c));
  close(c); usleep(20000); printf("closed %d\n", state(s)); close(s);
  int b = tcp(); struct sockaddr_in a = at(LO, p); FAILS(bind(b, (void *)&a, sizeof a)); close(b);
  b = tcp(); set(b, SOL_SOCKET, SO_REUSEADDR, 1); FAILS(bind(b, (void *)&a, sizeof a)); close(b);
  l = tcp(); set(l, SOL_SOCKET, SO_REUSEADDR, 1); a = at(LO, 0); bind(l, (void *)&a, sizeof a); listen(l, 5); p = port(l);
  c = dial(p); s = accept(l, 0, 0); close(s); close(c); close(l); usleep(20000);
  b = tcp(); set(b, SOL_SOCKET, SO_REUSEADDR, 1); a = at(LO, p); FAILS(bind(b, (void *)&a, sizeof a)); FAILS(listen(b, 1)); close(b);
}

static void sharing(void) {
  int a = tcp(), b = tcp(), d = tcp(); struct sockaddr_in n = at(LO, 0);
  set(a, SOL_SOCKET, SO_REUSEADDR, 1); set(b, SOL_SOCKET, SO_REUSEADDR, 1); bind(a, (void *)&n, sizeof n); n = at(LO, port(a));
  FAILS(bind(b, (void *)&n, sizeof n)); FAILS(bind(d, (void *)&n, sizeof n)); FAILS(listen(a, 1)); FAILS(listen(b, 1)); close(a); FAILS(listen(b, 1)); close(b); close(d);
  a = tcp(); b = tcp(); set(a, SOL_SOCKET, SO_REUSEPORT, 1); set(b, SOL_SOCKET, SO_REUSEPORT, 1); n = at(0, 0); bind(a, (void *)&n, sizeof n); n = at(0, port(a));
  FAILS(bind(b, (void *)&n, sizeof n)); FAILS(listen(a, 5)); FAILS(listen(b, 5));
  int got = 0; for (int i = 0; i < 8; i++) { int c = dial(port(a)); struct pollfd f[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}}; poll(f, 2, 1000); int s = accept(f[0].revents ? a : b, 0, 0); got += s >= 0; close(c); close(s); }
  printf("shared %d\n", got); close(a); close(b);
}

static void backlog(void) {
  int l = listener(1), p = port(l), c[4]; for (int i = 0; i < 4; i++) { c[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); to(c[i], p); }
  usleep(20000); printf("backlog 1:"); for (int i = 0; i < 4; i++) printf(" %d", waited(c[i], POLLOUT, 0) & POLLOUT ? 1 : 0); printf("\n");
  int s = accept(l, 0, 0); printf("accepted %d, third %x\n", s >= 0, waited(c[2], POLLOUT, 5000)); close(s);
  /* A reset of one that waits. */
  for (int i = 0; i < 4; i++) close(c[i]);
  close(l); l = listener(5); int d = dial(port(l)); struct linger g = {1, 0}; setsockopt(d, SOL_SOCKET, SO_LINGER, &g, sizeof g); close(d); usleep(20000);
  s = accept(l, 0, 0); printf("accepted %d events %x\n", s >= 0, events(s)); FAILS(recv(s, &d, 1, 0)); FAILS(recv(s, &d, 1, 0)); close(s);
  /* A listener that goes cuts those who wait. */
  d = dial(port(l)); close(l); waited(d, POLLERR, 1000); printf("events %x error %d state %d\n", events(d), get(d, SOL_SOCKET, SO_ERROR), state(d)); close(d);
}

static void ends(void) {
  int c, s; pair(&c, &s); char b; struct sockaddr_in n = {.sin_family = AF_UNSPEC}; socklen_t size = sizeof n;
  FAILS(connect(c, (void *)&n, sizeof n)); waited(s, POLLERR, 1000); printf("disconnected: error %d state %d, other %x error %d\n", get(c, SOL_SOCKET, SO_ERROR), state(c), events(s), get(s, SOL_SOCKET, SO_ERROR));
  FAILS(getpeername(s, (void *)&n, &size)); FAILS(getpeername(c, (void *)&n, &size));
  int l = listener(3); FAILS(to(c, port(l))); printf("again: state %d\n", state(c)); close(s); s = accept(l, 0, 0);
  /* Data for somebody who has closed. */
  close(s); waited(c, POLLIN, 1000); printf("state %d send %zd", state(c), send(c, "x", 1, MSG_NOSIGNAL)); usleep(20000); printf(" state %d error %d events %x\n", state(c), get(c, SOL_SOCKET, SO_ERROR), events(c)); close(c);
  c = dial(port(l)); s = accept(l, 0, 0); send(s, "left", 4, 0); send(s, "over", 4, 0); usleep(20000); shutdown(s, SHUT_RDWR); usleep(20000); show(c, 0); show(c, 0);
  FAILS(send(c, "x", 1, MSG_NOSIGNAL)); usleep(20000); FAILS(send(c, "x", 1, MSG_NOSIGNAL)); printf("states %d %d\n", state(c), state(s)); close(c); close(s);
  c = dial(port(l)); s = accept(l, 0, 0); shutdown(c, SHUT_RD); FAILS(recv(c, &b, 1, 0)); send(s, "late", 4, 0); usleep(20000); show(c, 0); FAILS(shutdown(c, SHUT_RD)); FAILS(shutdown(c, 5)); close(c); close(s);
  /* Refused, then elsewhere. */
  int dead = listener(1), p = port(dead); close(dead); c = tcp(); FAILS(to(c, p)); FAILS(to(c, port(l))); close(c);
  n = at(0xffffffff, 9); c = tcp(); FAILS(connect(c, (void *)&n, sizeof n)); n.sin_family = AF_INET6; FAILS(connect(c, (void *)&n, sizeof n)); FAILS(connect(c, (void *)&n, 1)); FAILS(connect(c, (void *)&n, 8)); close(c);
  FAILS(listen(l, 7)); FAILS(to(l, p)); close(l);
  c = tcp(); FAILS(listen(c, 1)); printf("bound %d state %d\n", port(c) != 0, state(c)); n.sin_family = AF_UNSPEC; FAILS(connect(c, (void *)&n, sizeof n)); printf("state %d\n", state(c)); close(c);
}

static void options(void) {
  int c, s; pair(&c, &s); struct tcp_info i; socklen_t n = sizeof i; getsockopt(c, IPPROTO_TCP, TCP_INFO, &i, &n);
  printf("info %d: state %d options %x scales %d retransmits %d\n", n >= 104, i.tcpi_state, i.tcpi_options & 7, i.tcpi_snd_wscale == i.tcpi_rcv_wscale, i.tcpi_retransmits);
  printf("buffers %d segment %d nodelay %d\n", get(c, SOL_SOCKET, SO_SNDBUF) > 1000000, get(c, IPPROTO_TCP, TCP_MAXSEG), get(c, IPPROTO_TCP, TCP_NODELAY));
  printf("%d %d %d %d %d\n", set(c, IPPROTO_TCP, TCP_KEEPIDLE, 0), set(c, IPPROTO_TCP, TCP_KEEPINTVL, 40000), set(c, IPPROTO_TCP, TCP_KEEPCNT, 200), set(c, IPPROTO_TCP, TCP_SYNCNT, 0), set(c, IPPROTO_TCP, TCP_USER_TIMEOUT, -1));
  printf("%d %d %d\n", set(c, IPPROTO_TCP, TCP_KEEPIDLE, 100), get(c, IPPROTO_TCP, TCP_KEEPIDLE), get(c, IPPROTO_TCP, TCP_KEEPINTVL));
  char name[16] = ""; n = sizeof name; getsockopt(c, IPPROTO_TCP, TCP_CONGESTION, name, &n); printf("%d %d", name[0] != 0, (int)n);
  printf(" %d", setsockopt(c, IPPROTO_TCP, TCP_CONGESTION, "nowhere", 7) ? -errno : 0); printf(" %d", setsockopt(c, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) ? -errno : 0); n = sizeof name; getsockopt(c, IPPROTO_TCP, TCP_CONGESTION, name, &n); printf(" %s\n", name);
  printf("ttl %d %d %d mtu %d\n", set(c, IPPROTO_IP, IP_TTL, 0), set(c, IPPROTO_IP, IP_TTL, 9), get(c, IPPROTO_IP, IP_TTL), get(c, IPPROTO_IP, IP_MTU));
  printf("device %d\n", setsockopt(c, SOL_SOCKET, SO_BINDTODEVICE, "nowhere0", 9) ? -errno : 0);
  close(c); close(s); c = tcp(); printf("fresh: segment %d state %d mtu %d\n", get(c, IPPROTO_TCP, TCP_MAXSEG), state(c), get(c, IPPROTO_IP, IP_MTU));
  printf("segment %d %d\n", set(c, IPPROTO_TCP, TCP_MAXSEG, 1000), get(c, IPPROTO_TCP, TCP_MAXSEG)); int l = listener(1); to(c, port(l)); s = accept(l, 0, 0); printf("small %d %d\n", get(c, IPPROTO_TCP, TCP_MAXSEG), get(s, IPPROTO_TCP, TCP_MAXSEG));
  char big[5000]; memset(big, 'x', sizeof big); send(c, big, sizeof big, 0); usleep(20000); printf("pending %d\n", pending(s)); close(c); close(s); close(l);
}

static void windows(void) {
  int l = tcp(); set(l, SOL_SOCKET, SO_RCVBUF, 4096); struct sockaddr_in a = at(LO, 0); bind(l, (void *)&a, sizeof a); listen(l, 1);
  int c = dial(port(l)), s = accept(l, 0, 0); set(c, SOL_SOCKET, SO_SNDBUF, 4096); fcntl(c, F_SETFL, O_NONBLOCK);
  long sent = 0, got = 0; char b[1000]; memset(b, 'w', sizeof b); ssize_t n; int full = 0;
  while (got < 100000) { while (sent < 100000 && (n = send(c, b, sizeof b, 0)) > 0) sent += n; full++; if (waited(s, POLLIN, 2000) == 0) break; while ((n = recv(s, b, sizeof b, MSG_DONTWAIT)) > 0) got += n; }
  printf("small windows: all %d, was full %d\n", got == 100000, full > 3); close(c); close(s); close(l);
}

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0); signal(SIGPIPE, SIG_IGN);
  self(); oob(); corks(); time_wait(); sharing(); backlog(); ends(); options(); windows();
  return 0;
}
