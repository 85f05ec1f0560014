/* Tasks that wait over TCP: 'time-wait' and 'keep-alive' and 'full' for themselves over loopback; 'serve' and 'connect [SECONDS]' between hosts. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int set(int fd, int level, int option, int v) { return setsockopt(fd, level, option, &v, sizeof v); }

int main(int argc, char **argv) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(5000)};
  char b[100000]; int l = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  memset(b, 0, sizeof b); setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (!strcmp(argv[1], "connect")) {
    inet_pton(AF_INET, "10.0.0.1", &a.sin_addr);
    set(l, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (argc > 2) { set(l, IPPROTO_TCP, TCP_KEEPIDLE, atoi(argv[2])); set(l, IPPROTO_TCP, TCP_KEEPINTVL, 5); set(l, IPPROTO_TCP, TCP_KEEPCNT, 3); }
    while (connect(l, (void *)&a, sizeof a)) usleep(100000);
    long n = argc > 2 ? read(l, b, 1) : 1;
    /* Without keep-alive times: writes until nothing goes any more. */
    while (argc == 2 && n > 0) n = write(l, b, sizeof b);
    printf("errno %d\n", n < 0 ? errno : 0);
    return 0;
  }
  a.sin_addr.s_addr = strcmp(argv[1], "serve") ? htonl(INADDR_LOOPBACK) : 0;
  if (bind(l, (void *)&a, sizeof a) || listen(l, 5)) return perror("listen"), 1;
  if (!strcmp(argv[1], "serve")) { accept(l, 0, 0); accept(l, 0, 0); return 0; }
  int c = socket(AF_INET, SOCK_STREAM, 0); set(c, SOL_SOCKET, SO_KEEPALIVE, 1);
  if (connect(c, (void *)&a, sizeof a)) return 1;
  int s = accept(l, 0, 0);
  if (!strcmp(argv[1], "time-wait")) { close(c); close(s); accept(l, 0, 0); }
  if (!strcmp(argv[1], "full")) while (write(c, b, sizeof b) > 0);
  return read(s, b, 1) == 1;
}
