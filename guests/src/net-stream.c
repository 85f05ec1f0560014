/*
 * Streams in both directions over one TCP connection, checked byte by byte: 'net-stream serve PORT BYTES' and 'net-stream ADDRESS PORT BYTES'.
 * Each side sends BYTES of a sequence of its own in pieces of all sizes, half closes, and reads until the end. Prints what it got.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned next(unsigned *s) { *s ^= *s << 13; *s ^= *s >> 17; *s ^= *s << 5; return *s; }

static int exchange(int fd, unsigned own, unsigned other, long bytes) {
  unsigned out = own, in = other, size = own * 7 + 1;
  long sent = 0, got = 0; char buffer[20000]; int shut = 0, ended = 0;
  fcntl(fd, F_SETFL, O_NONBLOCK);
  long filled = 0, used = 0;
  for (;;) {
    if (ended && shut) { printf("got %ld, sent %ld\n", got, sent); return got != bytes || sent != bytes; }
    struct pollfd p = {fd, (ended ? 0 : POLLIN) | (shut ? 0 : POLLOUT), 0};
    if (poll(&p, 1, -1) < 0) return perror("poll"), 1;
    if (!ended && (p.revents & POLLIN)) {
      char b[9000]; ssize_t n = recv(fd, b, 1 + next(&size) % sizeof b, 0);
      if (n < 0 && errno != EAGAIN) return printf("recv: errno %d after %ld\n", errno, got), 1;
      if (n == 0) ended = 1;
      for (ssize_t i = 0; i < n; i++) if (b[i] != (char)(next(&in) >> 9)) return printf("byte %ld is wrong\n", got + i), 1;
      if (n > 0) got += n;
    }
    if (!shut && (p.revents & POLLOUT)) {
      if (used == filled) {
        filled = 1 + next(&size) % sizeof buffer; if (filled > bytes - sent) filled = bytes - sent;
        for (long i = 0; i < filled; i++) buffer[i] = next(&out) >> 9;
        used = 0;
      }
      ssize_t n = filled > used ? send(fd, buffer + used, filled - used, MSG_NOSIGNAL) : 0;
      if (n < 0 && errno != EAGAIN) return printf("send: errno %d after %ld\n", errno, sent), 1;
      if (n > 0) { used += n; sent += n; }
      if (sent == bytes) { shutdown(fd, SHUT_WR); shut = 1; }
    }
    if ((p.revents & POLLERR) || ((p.revents & POLLHUP) && !shut)) { int e; socklen_t n = sizeof e; getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n); return printf("error %d, got %ld, sent %ld\n", e, got, sent), 1; }
  }
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  if (strcmp(argv[1], "serve") == 0) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (void *)&a, sizeof a) || listen(fd, 5)) return perror("listen"), 1;
    int s = accept(fd, 0, 0);
    return exchange(s, 12345, 54321, atol(argv[3]));
  }
  inet_pton(AF_INET, argv[1], &a.sin_addr);
  for (int i = 0; connect(fd, (void *)&a, sizeof a); i++) {
    if (i == 50) return perror("connect"), 1;
    close(fd); fd = socket(AF_INET, SOCK_STREAM, 0); usleep(100000);
  }
  return exchange(fd, 54321, 12345, atol(argv[3]));
}
