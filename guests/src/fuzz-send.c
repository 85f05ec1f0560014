/* For retrograde fuzz --guided --input tcp:PORT or udp:PORT: sends a file to a server on this host, and waits a little for what it answers.
   fuzz-send tcp|udp PORT FILE */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TRIES = 20, TRY_US = 10000, SILENCE_MS = 20, MOST_ANSWERS = 64 };
static char bytes[1 << 16], answer[1 << 16];

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int is_tcp = strcmp(argv[1], "tcp") == 0, fd = -1;
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])), .sin_addr = { htonl(INADDR_LOOPBACK) } };
  for (int i = 0; i < TRIES; i++) {
    fd = socket(AF_INET, is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) break;
    close(fd);
    fd = -1;
    usleep(TRY_US);
  }
  if (fd < 0) {
    fprintf(stderr, "nothing listens on port %s\n", argv[2]);
    return 3;
  }
  /* Executions begin here. */
  int file = open(argv[3], O_RDONLY);
  for (ssize_t got; (got = read(file, bytes, sizeof bytes)) > 0;) {
    for (ssize_t sent = 0, now; sent < got; sent += now) {
      now = send(fd, bytes + sent, is_tcp || got - sent < 60000 ? got - sent : 60000, MSG_NOSIGNAL);
      if (now <= 0) return 0;
    }
  }
  if (is_tcp) shutdown(fd, SHUT_WR);
  struct pollfd wait = { fd, POLLIN, 0 };
  for (int i = 0; i < MOST_ANSWERS && poll(&wait, 1, SILENCE_MS) == 1 && recv(fd, answer, sizeof answer, 0) > 0; i++) {}
  return 0;
}
