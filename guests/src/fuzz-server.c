/* For retrograde fuzz --guided --input tcp:PORT or udp:PORT: a server with a bug that a request must be made for.
   fuzz-server tcp|udp PORT */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char request[512];
static int *places[16];

static void serve(int peer, ssize_t got) {
  if (got > 4 && memcmp(request, "SET ", 4) == 0) {
    int at = request[4] - 'a';
    /* Letters beyond 'p' are none of the places, and nobody looks. */
    if (at >= 0 && at < 26) {
      if (at > 20 && places[at - 8] == 0) *places[at - 8] = 1;
      send(peer, "ok\n", 3, MSG_NOSIGNAL);
    }
  }
}

int main(int argc, char **argv) {
  int is_tcp = argc > 2 && strcmp(argv[1], "tcp") == 0;
  int fd = socket(AF_INET, is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(argc > 2 ? atoi(argv[2]) : 7000) };
  if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || (is_tcp && listen(fd, 4) != 0)) return 1;
  for (;;) {
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    int peer = is_tcp ? accept(fd, 0, 0) : fd;
    ssize_t got = is_tcp ? read(peer, request, sizeof request) : recvfrom(fd, request, sizeof request, 0, (struct sockaddr *)&from, &size);
    serve(peer, got);
    if (is_tcp) close(peer);
  }
}
