/*
 * A key-value store behind TCP, for model-based tests: 'serve PORT FILE [sync] [exact]' keeps a log in a file and reads it at its start; with `sync`
 * an answer means that it is on the disk; without `exact` the keys 'k1' and 'K1' are one (a bug to be found).
 * 'put HOST PORT KEY VALUE', 'get HOST PORT KEY' and 'del HOST PORT KEY' print what the server answers, or 'no answer'.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE = 128, MOST = 64, TIMEOUT_MS = 1000 };
static struct { char key[32], value[32]; } entries[MOST];
static int count, exact;

static int find(const char *key) {
  for (int i = 0; i < count; i++) if ((exact ? strcmp : strcasecmp)(entries[i].key, key) == 0) return i;
  return -1;
}

static void apply(const char *line) {
  char what[8], key[32], value[32] = "";
  if (sscanf(line, "%7s %31s %31s", what, key, value) < 2) return;
  int at = find(key);
  if (strcmp(what, "put") == 0) {
    if (at < 0) {
      if (count == MOST) return;
      strcpy(entries[at = count++].key, key);
    }
    strcpy(entries[at].value, value);
  } else if (strcmp(what, "del") == 0 && at >= 0) {
    entries[at] = entries[--count];
  }
}

static int serve(int port, const char *path, int sync) {
  int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, log = open(path, O_RDWR | O_CREAT | O_APPEND, 0644);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
  if (log < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 16) != 0) {
    perror("serve");
    return 1;
  }
  char line[LINE];
  FILE *old = fdopen(dup(log), "r");
  while (fgets(line, sizeof line, old) != NULL) apply(line);
  fclose(old);
  if (sync) {
    /* The name of the log must last, too. */
    int directory = open(".", O_RDONLY);
    fsync(log);
    fsync(directory);
    close(directory);
  }
  printf("serving\n");
  fflush(stdout);
  for (;;) {
    int peer = accept(listener, NULL, NULL);
    if (peer < 0) continue;
    struct pollfd wait = { peer, POLLIN, 0 };
    ssize_t got = poll(&wait, 1, TIMEOUT_MS) == 1 ? read(peer, line, sizeof line - 1) : 0;
    char what[8], key[32];
    if (got > 0) {
      line[got] = 0;
      if (sscanf(line, "%7s %31s", what, key) == 2) {
        if (strcmp(what, "get") == 0) {
          int found = find(key);
          dprintf(peer, "%s\n", found < 0 ? "nothing" : entries[found].value);
        } else {
          apply(line);
          if (write(log, line, got) != got || (sync && fdatasync(log) != 0)) dprintf(peer, "failed\n");
          else dprintf(peer, "ok\n");
        }
      }
    }
    close(peer);
  }
}

static int ask(const char *host, int port, const char *request) {
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
  inet_aton(host, &at.sin_addr);
  char answer[LINE] = "";
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 0;
  socklen_t size = sizeof on;
  struct pollfd wait = { fd, POLLOUT, 0 };
  if ((connect(fd, (struct sockaddr *)&at, sizeof at) == 0 || errno == EINPROGRESS) && poll(&wait, 1, TIMEOUT_MS) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &on, &size) == 0 && on == 0) {
    if (write(fd, request, strlen(request)) > 0) {
      wait.events = POLLIN;
      if (poll(&wait, 1, TIMEOUT_MS) == 1 && read(fd, answer, sizeof answer - 1) <= 0) answer[0] = 0;
    }
  }
  fputs(answer[0] != 0 ? answer : "no answer\n", stdout);
  return answer[0] == 0;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  if (strcmp(argv[1], "serve") == 0) {
    int sync = 0;
    for (int i = 4; i < argc; i++) {
      if (strcmp(argv[i], "sync") == 0) sync = 1;
      if (strcmp(argv[i], "exact") == 0) exact = 1;
    }
    return serve(atoi(argv[2]), argv[3], sync);
  }
  char request[LINE];
  snprintf(request, sizeof request, "%s %s %s\n", argv[1], argc > 4 ? argv[4] : "", argc > 5 ? argv[5] : "");
  return ask(argv[2], atoi(argv[3]), request);
}
