/* Raw, ping and packet sockets on loopback, in a network namespace of its own. For root. */
#define _GNU_SOURCE
#include <net/if.h>
#include <netpacket/packet.h>
#include <sched.h>
#include "abi-sockets.h"

static unsigned short sum(const void *d, int n) { const unsigned char *p = d; unsigned s = 0; for (int i = 0; i < n; i += 2) s += p[i] << 8 | (i + 1 < n ? p[i + 1] : 0); while (s >> 16) s = (s & 0xffff) + (s >> 16); return ~s; }
static void echo(unsigned char *b, int id, int seq) { memset(b, 0, 16); b[0] = 8; b[4] = id >> 8; b[5] = id; b[6] = seq >> 8; b[7] = seq; memcpy(b + 8, "payload!", 8); unsigned short c = sum(b, 16); b[2] = c >> 8; b[3] = c; }
static void dump(const char *what, const unsigned char *b, int n, int from, int to) { printf("%s (%d):", what, n); for (int i = from; i < to && i < n; i++) printf(" %02x", b[i]); printf("\n"); }

static void up(void) { int s = socket(AF_INET, SOCK_DGRAM, 0); struct ifreq r; memset(&r, 0, sizeof r); strcpy(r.ifr_name, "lo"); ioctl(s, SIOCGIFFLAGS, &r); printf("lo %x", r.ifr_flags); FAILS(ioctl(s, SIOCGIFADDR, &r)); struct sockaddr_in a = at(LO, 9); FAILS(sendto(s, "x", 1, 0, (void *)&a, sizeof a)); memset(&r, 0, sizeof r); strcpy(r.ifr_name, "lo"); r.ifr_flags = IFF_UP; FAILS(ioctl(s, SIOCSIFFLAGS, &r)); ioctl(s, SIOCGIFFLAGS, &r); printf("lo %x\n", r.ifr_flags); FAILS(ioctl(s, SIOCGIFADDR, &r)); close(s); }

static void raw(void) {
  int s = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); unsigned char b[200], e[16]; struct sockaddr_in a = at(LO, 0), f; socklen_t n = sizeof f;
  FAILS(socket(AF_INET, SOCK_RAW, 0)); FAILS(socket(AF_INET, SOCK_RAW, 300)); printf("protocol %d name %d\n", get(s, SOL_SOCKET, SO_PROTOCOL), port(s));
  echo(e, 0x1234, 1); FAILS(sendto(s, e, 16, 0, (void *)&a, sizeof a)); waited(s, POLLIN, 500); ssize_t k = recvfrom(s, b, sizeof b, 0, (void *)&f, &n); dump("first", b, k, 12, 36); printf("  ttl %d header %d from %x port %d\n", b[8], b[0], ntohl(f.sin_addr.s_addr), ntohs(f.sin_port));
  k = recv(s, b, sizeof b, MSG_DONTWAIT); dump("second", b, k, 12, 36); FAILS(recv(s, b, 1, MSG_DONTWAIT));
  printf("filter %d", set(s, 255, 1, 1 << 8)); printf(" %x\n", get(s, 255, 1)); sendto(s, e, 16, 0, (void *)&a, sizeof a); waited(s, POLLIN, 500); k = recv(s, b, sizeof b, MSG_DONTWAIT); printf("filtered: type %d, then", b[20]); FAILS(recv(s, b, 1, MSG_DONTWAIT)); set(s, 255, 1, 0);
  FAILS(connect(s, (void *)&a, sizeof a)); FAILS(send(s, e, 16, 0)); waited(s, POLLIN, 500); while (recv(s, b, sizeof b, MSG_DONTWAIT) > 0); FAILS(shutdown(s, SHUT_WR)); FAILS(send(s, e, 16, 0)); close(s);
  /* A closed port, as traceroute sees it. */
  s = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); int u = socket(AF_INET, SOCK_DGRAM, 0); set(u, IPPROTO_IP, IP_TTL, 5); a = at(LO, 33434); sendto(u, "probe", 5, 0, (void *)&a, sizeof a); waited(s, POLLIN, 500); k = recv(s, b, sizeof b, MSG_DONTWAIT);
  printf("unreachable: type %d code %d about protocol %d ttl %d port %d\n", b[20], b[21], b[28 + 9], b[28 + 8], b[28 + 22] << 8 | b[28 + 23]); close(u); close(s);
  /* With the header. */
  s = socket(AF_INET, SOCK_RAW, IPPROTO_RAW); int r = socket(AF_INET, SOCK_RAW, 200); printf("hdrincl %d\n", get(s, IPPROTO_IP, IP_HDRINCL)); unsigned char p[28] = {0x45, 0, 0, 0, 0, 0, 0, 0, 64, 200, 0, 0, 0, 0, 0, 0, 127, 0, 0, 1, 'd', 'a', 't', 'a'}; a = at(LO, 0);
  FAILS(sendto(s, p, 24, 0, (void *)&a, sizeof a)); waited(r, POLLIN, 500); k = recv(r, b, sizeof b, MSG_DONTWAIT); printf("whole %zd: length %d source %x checksum %d data %.4s\n", k, b[2] << 8 | b[3], b[12] << 24 | b[13] << 16 | b[14] << 8 | b[15], sum(b, 20), (char *)b + 20);
  FAILS(sendto(s, p, 10, 0, (void *)&a, sizeof a)); FAILS(recv(s, b, 1, MSG_DONTWAIT)); FAILS(sendto(r, "mine", 4, 0, (void *)&a, sizeof a)); waited(r, POLLIN, 500); k = recv(r, b, sizeof b, MSG_DONTWAIT); printf("protocol %d %.4s\n", b[9], (char *)b + 20); FAILS(bind(r, (void *)&a, sizeof a)); a = at(0x01020304, 0); FAILS(bind(r, (void *)&a, sizeof a)); close(r); close(s);
}

static void ping(void) {
  FILE *g = fopen("/proc/sys/net/ipv4/ping_group_range", "w"); if (g) { fprintf(g, "0 100\n"); fclose(g); }
  int s = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP); unsigned char b[200], e[16]; struct sockaddr_in a = at(LO, 0), f; socklen_t n = sizeof f; printf("ping socket %d type %d protocol %d\n", s >= 0, get(s, SOL_SOCKET, SO_TYPE), get(s, SOL_SOCKET, SO_PROTOCOL));
  echo(e, 0, 7); FAILS(sendto(s, e, 16, 0, (void *)&a, sizeof a)); waited(s, POLLIN, 500); ssize_t k = recvfrom(s, b, sizeof b, 0, (void *)&f, &n); printf("reply %zd type %d sequence %d id is the port %d from %x %d\n", k, b[0], b[6] << 8 | b[7], (b[4] << 8 | b[5]) == port(s), ntohl(f.sin_addr.s_addr), ntohs(f.sin_port));
  e[0] = 0; FAILS(sendto(s, e, 16, 0, (void *)&a, sizeof a)); FAILS(sendto(s, e, 4, 0, (void *)&a, sizeof a)); echo(e, 0, 8); FAILS(send(s, e, 16, 0)); a = at(LO, 77); int t = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP); FAILS(bind(t, (void *)&a, sizeof a)); printf("id %d\n", port(t)); FAILS(connect(t, (void *)&a, sizeof a)); FAILS(send(t, e, 16, 0)); waited(t, POLLIN, 500); k = recv(t, b, sizeof b, 0); printf("id %d\n", b[4] << 8 | b[5]); close(s); close(t);
}

static void packets(void) {
  int s = socket(AF_PACKET, SOCK_RAW, htons(0x0003)), d = socket(AF_PACKET, SOCK_DGRAM, htons(0x0800)); unsigned char b[200]; struct sockaddr_ll l, w; socklen_t n = sizeof l; memset(&w, 0, sizeof w); w.sll_family = AF_PACKET; w.sll_ifindex = 1; w.sll_protocol = htons(0x0003);
  FAILS(bind(s, (void *)&w, sizeof w)); getsockname(s, (void *)&l, &n); printf("name %d: protocol %x interface %d type %d length %d\n", (int)n, ntohs(l.sll_protocol), l.sll_ifindex, l.sll_hatype, l.sll_halen);
  w.sll_ifindex = 99; FAILS(bind(s, (void *)&w, sizeof w)); FAILS(bind(s, (void *)&w, 4)); FAILS(listen(s, 1)); FAILS(connect(s, (void *)&w, sizeof w)); FAILS(recv(s, b, 1, MSG_DONTWAIT));
  int u = socket(AF_INET, SOCK_DGRAM, 0), v = socket(AF_INET, SOCK_DGRAM, 0); struct sockaddr_in a = at(LO, 7777); bind(u, (void *)&a, sizeof a); sendto(v, "seen", 4, 0, (void *)&a, sizeof a); waited(s, POLLIN, 500);
  for (int i = 0; i < 2; i++) { n = sizeof l; ssize_t k = recvfrom(s, b, sizeof b, MSG_DONTWAIT, (void *)&l, &n); printf("frame %zd kind %d protocol %x: ip %x to port %d data %.4s\n", k, l.sll_pkttype, ntohs(l.sll_protocol), b[14], b[36] << 8 | b[37], (char *)b + 42); }
  n = sizeof l; ssize_t k = recvfrom(d, b, sizeof b, MSG_DONTWAIT, (void *)&l, &n); printf("cooked %zd kind %d first %x\n", k, l.sll_pkttype, b[0]); FAILS(recv(d, b, sizeof b, MSG_DONTWAIT));
  FAILS(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3)); close(s); close(d); close(u); close(v);
}

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0); if (unshare(CLONE_NEWNET)) { perror("unshare"); return 1; }
  up(); raw(); ping(); packets();
  setuid(65534); FAILS(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)); FAILS(socket(AF_PACKET, SOCK_RAW, htons(3))); FAILS(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
  return 0;
}
