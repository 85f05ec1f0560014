/*
 * A counter behind TCP, for scenarios: 'server PORT [ids]' adds what requests say and answers the sum; with `ids` it knows a request that
 * comes a second time. 'client HOST PORT N' makes N requests of 1 and repeats one that gets no answer in a second, over a new connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE = 64, MOST_IDS = 1000, TIMEOUT_MS = 1000, MOST_TRIES = 60 };

static int serve(int port, int knows_ids) {
  static char seen[MOST_IDS];
  int sum = 0, listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
  if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 16) != 0) {
    perror("server");
    return 1;
  }
  printf("serving\n");
  fflush(stdout);
  for (;;) {
    int peer = accept(listener, NULL, NULL);
    if (peer < 0) continue;
    char line[LINE] = "";
    int id, amount;
    struct pollfd wait = { peer, POLLIN, 0 };
    if (poll(&wait, 1, TIMEOUT_MS) == 1 && read(peer, line, LINE - 1) > 0 && sscanf(line, "%d %d", &id, &amount) == 2) {
      if (id < 0) {
        dprintf(peer, "%d\n", sum);
      } else {
        if (!knows_ids || !seen[id % MOST_IDS]) sum += amount;
        seen[id % MOST_IDS] = 1;
        dprintf(peer, "%d\n", sum);
      }
    }
    close(peer);
  }
}

/* What the server answers to a line; −1 if nothing comes in time. */
static int ask(const char *host, int port, int id, int amount) {
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
  inet_aton(host, &at.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), answer = -1;
  char line[LINE] = "";
  struct pollfd wait = { fd, POLLOUT, 0 };
  if ((connect(fd, (struct sockaddr *)&at, sizeof at) == 0 || errno == EINPROGRESS) && poll(&wait, 1, TIMEOUT_MS) == 1) {
    dprintf(fd, "%d %d\n", id, amount);
    wait.events = POLLIN;
    if (poll(&wait, 1, TIMEOUT_MS) != 1 || read(fd, line, LINE - 1) <= 0 || sscanf(line, "%d", &answer) != 1) answer = -1;
  }
  close(fd);
  return answer;
}

static int request(const char *host, int port, int count) {
  for (int id = 0; id < count; id++) {
    int tries = 0;
    while (ask(host, port, id, 1) < 0) {
      if (++tries == MOST_TRIES) {
        printf("gave up at request %d\n", id);
        return 1;
      }
      usleep(100000);
    }
    printf("request %d answered\n", id);
    fflush(stdout);
    usleep(50000);
  }
  int sum = -1;
  for (int tries = 0; sum < 0 && tries < MOST_TRIES; tries++) sum = ask(host, port, -1, 0);
  printf("sum %d, should be %d\n", sum, count);
  return sum != count;
}

int main(int argc, char **argv) {
  if (argc >= 3 && strcmp(argv[1], "server") == 0) return serve(atoi(argv[2]), argc > 3);
  if (argc >= 5 && strcmp(argv[1], "client") == 0) return request(argv[2], atoi(argv[3]), atoi(argv[4]));
  return 2;
}
