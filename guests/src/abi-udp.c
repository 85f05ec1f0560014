/* UDP and what IP tells of datagrams: control messages, errors, options; multicast and broadcast on loopback. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <time.h>
#include <linux/errqueue.h>
#include "abi-sockets.h"

static int udp(unsigned ip) { int s = socket(AF_INET, SOCK_DGRAM, 0); struct sockaddr_in a = at(ip, 0); if (ip != 1) bind(s, (void *)&a, sizeof a); return s; }

/* Receives with all control messages. */
static void receive(int s, int flags, int own, int other) {
  char data[200], control[512]; struct sockaddr_in from; memset(&from, 0, sizeof from);
  struct iovec v = {data, sizeof data}; struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t n = recvmsg(s, &m, flags | MSG_DONTWAIT);
  if (n < 0) { printf("  recvmsg: errno %d\n", errno); return; }
  printf("  %zd bytes '%.*s' flags %x name %d from %x%s\n", n, (int)n, data, m.msg_flags, m.msg_namelen, ntohl(from.sin_addr.s_addr), ntohs(from.sin_port) == other ? " (other)" : ntohs(from.sin_port) == own ? " (own)" : "");
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    printf("    control %d %d length %d", c->cmsg_level, c->cmsg_type, (int)c->cmsg_len);
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) { struct in_pktinfo *i = (void *)CMSG_DATA(c); printf(": interface %d local %x to %x", i->ipi_ifindex, ntohl(i->ipi_spec_dst.s_addr), ntohl(i->ipi_addr.s_addr)); }
    if (c->cmsg_level == IPPROTO_IP && (c->cmsg_type == IP_TTL)) printf(": %d", *(int *)CMSG_DATA(c));
    if (c->cmsg_level == IPPROTO_IP && (c->cmsg_type == IP_TOS)) printf(": %d", *(unsigned char *)CMSG_DATA(c));
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) { struct sock_extended_err *e = (void *)CMSG_DATA(c); struct sockaddr_in *o = (void *)SO_EE_OFFENDER(e); printf(": errno %d origin %d type %d code %d info %d offender %d %x", e->ee_errno, e->ee_origin, e->ee_type, e->ee_code, e->ee_info, o->sin_family, ntohl(o->sin_addr.s_addr)); }
    printf("\n");
  }
}

static void sendctl(int s, struct sockaddr_in *to, const char *text, int type, void *value, size_t size) {
  char control[128]; memset(control, 0, sizeof control); struct iovec v = {(void *)text, strlen(text)};
  struct msghdr m = {.msg_name = to, .msg_namelen = sizeof *to, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(size)}; struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = IPPROTO_IP; c->cmsg_type = type; c->cmsg_len = CMSG_LEN(size); memcpy(CMSG_DATA(c), value, size);
  ssize_t n = sendmsg(s, &m, 0); printf("sendmsg with %d: %zd errno %d\n", type, n, n < 0 ? errno : 0);
}

static void control(void) {
  int a = udp(LO), b = udp(LO); struct sockaddr_in to = at(LO, port(a)); int v = 1;
  printf("%d %d %d %d\n", set(a, IPPROTO_IP, IP_PKTINFO, 1), set(a, IPPROTO_IP, IP_RECVTTL, 1), set(a, IPPROTO_IP, IP_RECVTOS, 1), get(a, IPPROTO_IP, IP_PKTINFO));
  sendto(b, "plain", 5, 0, (void *)&to, sizeof to); receive(a, 0, port(a), port(b));
  printf("%d %d\n", set(b, IPPROTO_IP, IP_TTL, 7), set(b, IPPROTO_IP, IP_TOS, 0x10)); sendto(b, "chosen", 6, 0, (void *)&to, sizeof to); receive(a, 0, port(a), port(b));
  v = 3; sendctl(b, &to, "ttl", IP_TTL, &v, sizeof v); receive(a, 0, port(a), port(b)); v = 0; sendctl(b, &to, "zero", IP_TTL, &v, sizeof v); v = 300; sendctl(b, &to, "big", IP_TTL, &v, sizeof v);
  v = 8; sendctl(b, &to, "tos", IP_TOS, &v, sizeof v); receive(a, 0, port(a), port(b));
  int w = udp(0); struct in_pktinfo i = {0, {htonl(0x7f000005)}, {0}}; sendctl(w, &to, "source", IP_PKTINFO, &i, sizeof i); receive(a, 0, port(a), port(w));
  i.ipi_spec_dst.s_addr = 0; i.ipi_ifindex = 1; sendctl(w, &to, "interface", IP_PKTINFO, &i, sizeof i); receive(a, 0, port(a), port(w)); sendctl(w, &to, "short", IP_PKTINFO, &i, 8);
  set(a, SOL_SOCKET, SO_TIMESTAMP, 1); sendto(b, "time", 4, 0, (void *)&to, sizeof to); receive(a, MSG_PEEK, port(a), port(b)); receive(a, 0, port(a), port(b));
  close(a); close(b); close(w);
}

static void errors(void) {
  int gone = udp(LO), p = port(gone); close(gone); struct sockaddr_in to = at(LO, p); char b[10];
  int s = udp(LO); FAILS(sendto(s, "x", 1, 0, (void *)&to, sizeof to)); printf("not connected: %x error %d\n", waited(s, POLLIN, 20), get(s, SOL_SOCKET, SO_ERROR));
  printf("recverr %d %d\n", set(s, IPPROTO_IP, IP_RECVERR, 1), get(s, IPPROTO_IP, IP_RECVERR)); sendto(s, "lost", 4, 0, (void *)&to, sizeof to); printf("events %x\n", waited(s, POLLIN | POLLERR, 500));
  FAILS(sendto(s, "next", 4, 0, (void *)&to, sizeof to)); FAILS(recv(s, b, 1, MSG_DONTWAIT)); printf("events %x\n", waited(s, POLLIN, 0)); receive(s, MSG_ERRQUEUE, port(s), p); receive(s, MSG_ERRQUEUE, port(s), p); printf("events %x error %d\n", waited(s, POLLIN, 0), get(s, SOL_SOCKET, SO_ERROR)); close(s);
  s = udp(LO); connect(s, (void *)&to, sizeof to); FAILS(send(s, "x", 1, 0)); printf("events %x\n", waited(s, POLLIN | POLLERR, 500)); FAILS(send(s, "x", 1, 0)); printf("events %x error %d\n", waited(s, POLLERR, 500), get(s, SOL_SOCKET, SO_ERROR)); FAILS(recv(s, b, 1, MSG_DONTWAIT)); close(s);
  s = udp(1); FAILS(send(s, "x", 1, 0)); to = at(LO, 0); FAILS(sendto(s, "x", 1, 0, (void *)&to, sizeof to)); FAILS(connect(s, (void *)&to, sizeof to)); FAILS(sendto(s, "x", 1, MSG_OOB, (void *)&to, sizeof to));
  to.sin_family = AF_INET6; to.sin_port = 1; FAILS(sendto(s, "x", 1, 0, (void *)&to, sizeof to)); FAILS(sendto(s, "x", 1, 0, (void *)&to, 8)); close(s);
  s = udp(LO); to = at(LO, port(s)); connect(s, (void *)&to, sizeof to); FAILS(shutdown(s, SHUT_WR)); FAILS(send(s, "x", 1, 0)); FAILS(shutdown(s, SHUT_RD)); FAILS(recv(s, b, 1, 0)); printf("events %x\n", waited(s, POLLIN | POLLOUT, 0)); close(s);
  s = udp(LO); FAILS(shutdown(s, SHUT_RD)); printf("options %d %d %d %d\n", set(s, IPPROTO_IP, IP_TTL, 256), set(s, IPPROTO_IP, IP_MTU_DISCOVER, 9), get(s, IPPROTO_IP, IP_MTU), get(s, IPPROTO_IP, IP_HDRINCL)); close(s);
}

static void many(void) {
  int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0); set(a, SOL_SOCKET, SO_REUSEADDR, 1); set(b, SOL_SOCKET, SO_REUSEADDR, 1);
  struct sockaddr_in n = at(0, 0); bind(a, (void *)&n, sizeof n); n = at(0, port(a)); FAILS(bind(b, (void *)&n, sizeof n));
  struct ip_mreqn m = {{htonl(0xe8010203)}, {0}, 1}; FAILS(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m)); FAILS(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m)); FAILS(setsockopt(b, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
  int s = udp(LO); FAILS(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof m)); struct in_addr i; socklen_t size = sizeof i; getsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &i, &size); printf("interface %x ttl %d loop %d\n", ntohl(i.s_addr), get(s, IPPROTO_IP, IP_MULTICAST_TTL), get(s, IPPROTO_IP, IP_MULTICAST_LOOP));
  set(a, IPPROTO_IP, IP_PKTINFO, 1); set(a, IPPROTO_IP, IP_RECVTTL, 1);
  n = at(0xe8010203, port(a)); FAILS(sendto(s, "group", 5, 0, (void *)&n, sizeof n)); waited(a, POLLIN, 500); waited(b, POLLIN, 500); receive(a, 0, port(a), port(s)); receive(b, 0, port(b), port(s));
  FAILS(setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m)); FAILS(setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m)); m.imr_multiaddr.s_addr = htonl(LO); FAILS(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m)); m.imr_ifindex = 99999; m.imr_multiaddr.s_addr = htonl(0xe8010203); FAILS(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m)); FAILS(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, 4));
  /* One socket gets what is for one. */
  n = at(LO, port(a)); sendto(s, "one", 3, 0, (void *)&n, sizeof n); waited(b, POLLIN, 100); receive(b, 0, port(b), port(s)); receive(a, 0, port(a), port(s));
  n = at(0x7fffffff, port(a)); FAILS(sendto(s, "all", 3, 0, (void *)&n, sizeof n)); FAILS(connect(s, (void *)&n, sizeof n)); set(s, SOL_SOCKET, SO_BROADCAST, 1); FAILS(sendto(s, "all", 3, 0, (void *)&n, sizeof n)); waited(a, POLLIN, 100); receive(a, 0, port(a), port(s)); receive(b, 0, port(b), port(s));
  close(a); close(b); close(s);
}

static void large(void) {
  int a = udp(LO), b = udp(LO); static char big[65507]; struct sockaddr_in to = at(LO, port(a)); memset(big, 'L', sizeof big);
  FAILS(sendto(b, big, 65507, 0, (void *)&to, sizeof to)); FAILS(sendto(b, big, 65507 + 1, 0, (void *)&to, sizeof to)); int n = -1; ioctl(a, FIONREAD, &n); printf("pending %d\n", n); FAILS(recv(a, big, 10, MSG_TRUNC)); ioctl(a, FIONREAD, &n); printf("pending %d\n", n);
  set(a, SOL_SOCKET, SO_RCVBUF, 4096); int got = 0; for (int i = 0; i < 100; i++) sendto(b, big, 1000, 0, (void *)&to, sizeof to); while (recv(a, big, sizeof big, MSG_DONTWAIT) > 0) got++; printf("some were lost %d\n", got > 0 && got < 100); close(a); close(b);
}

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  control(); errors(); many(); large();
  return 0;
}
