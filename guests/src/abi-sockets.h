/* For the ABI guests that make IPv4 sockets on loopback. _GNU_SOURCE is defined before. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FAILS(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s = %ld, errno %d\n", #__VA_ARGS__, r_, r_ < 0 ? errno : 0); } while (0)
static const unsigned LO = 0x7f000001;
static struct sockaddr_in at(unsigned ip, int port) { struct sockaddr_in a; memset(&a, 0, sizeof a); a.sin_family = AF_INET; a.sin_addr.s_addr = htonl(ip); a.sin_port = htons(port); return a; }
static int port(int fd) { struct sockaddr_in a; socklen_t n = sizeof a; getsockname(fd, (void *)&a, &n); return ntohs(a.sin_port); }
static int get(int fd, int level, int option) { int v = -1; socklen_t n = sizeof v; return getsockopt(fd, level, option, &v, &n) ? -errno : v; }
static int set(int fd, int level, int option, int v) { return setsockopt(fd, level, option, &v, sizeof v) ? -errno : 0; }
static int waited(int fd, int what, int ms) { struct pollfd p = {fd, what, 0}; poll(&p, 1, ms); return p.revents; }
