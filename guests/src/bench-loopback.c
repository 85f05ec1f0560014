/* Requests and answers over one loopback connection between two processes: argv[1] of them, argv[2] bytes each way. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  int requests = argc > 1 ? atoi(argv[1]) : 100000, size = argc > 2 ? atoi(argv[2]) : 64, one = 1;
  char *b = calloc(1, size);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  int l = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(l, (void *)&a, sizeof a) || listen(l, 5) || getsockname(l, (void *)&a, &n)) return 1;
  if (fork() == 0) {
    int s = accept(l, 0, 0);
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while (recv(s, b, size, MSG_WAITALL) == size) send(s, b, size, 0);
    _exit(0);
  }
  int c = socket(AF_INET, SOCK_STREAM, 0), done = 0;
  if (connect(c, (void *)&a, sizeof a)) return 1;
  setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  while (done < requests && send(c, b, size, 0) == size && recv(c, b, size, MSG_WAITALL) == size) done++;
  close(c);
  wait(0);
  printf("%d requests of %d bytes\n", done, size);
  return done != requests;
}
