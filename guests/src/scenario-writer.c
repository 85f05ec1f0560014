/*
 * Replaces a file by a new version, again and again, for scenarios with power loss: 'write FILE N [sync]' writes each version to FILE.new and
 * renames it over FILE, with `sync` after an fsync. 'check FILE' looks whether FILE is a whole version; it prints which, and exits with 1 if not.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 4000 };

static void fill(char *text, int version) {
  int length = snprintf(text, SIZE, "version %06d\n", version);
  for (int i = length; i < SIZE - 1; i++) text[i] = 'a' + (version + i) % 26;
  text[SIZE - 1] = '\n';
}

static int write_versions(const char *path, int count, int syncs) {
  static char text[SIZE], name[256];
  snprintf(name, sizeof name, "%s.new", path);
  for (int version = 1; version <= count; version++) {
    fill(text, version);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, SIZE) != SIZE || (syncs && fsync(fd) != 0) || close(fd) != 0 || rename(name, path) != 0) {
      perror(path);
      return 1;
    }
    printf("version %d is written\n", version);
    fflush(stdout);
    usleep(10000);
  }
  return 0;
}

static int check(const char *path) {
  static char text[SIZE + 1], wanted[SIZE];
  int version = -1, fd = open(path, O_RDONLY);
  if (fd < 0) {
    printf("there is no file\n");
    return 0;
  }
  ssize_t length = read(fd, text, SIZE + 1);
  if (length == SIZE && sscanf(text, "version %d", &version) == 1) fill(wanted, version);
  if (length != SIZE || memcmp(text, wanted, SIZE) != 0) {
    printf("the file is neither old nor new: %zd bytes\n", length);
    return 1;
  }
  printf("version %d is whole\n", version);
  return 0;
}

int main(int argc, char **argv) {
  if (argc >= 4 && strcmp(argv[1], "write") == 0) return write_versions(argv[2], atoi(argv[3]), argc > 4);
  if (argc >= 3 && strcmp(argv[1], "check") == 0) return check(argv[2]);
  return 2;
}
