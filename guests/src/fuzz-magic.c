/* For retrograde fuzz --guided: branches that are hidden behind each other, as in the literature on fuzzing. Reads a file, its argument or stdin.
   fuzz-magic [FILE | -a TEXT] */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned char input[4096];

/* Byte by byte: each comparison that holds is a new edge. */
static void nested(const unsigned char *b, size_t n) {
  if (n > 1 && b[0] == 'M')
    if (n > 2 && b[1] == 0xa7)
      if (n > 3 && b[2] == 'z')
        if (n > 4 && b[3] == 0x03)
          if (b[4] == '?') *(volatile int *)8 = 1;
}

/* A word at once: only a constant out of the code gets through. */
static void word(const unsigned char *b, size_t n) {
  uint32_t v;
  if (n < 8) return;
  memcpy(&v, b, 4);
  if (v == 0xfeedc0deu) {
    memcpy(&v, b + 4, 4);
    if (v > 1000 && v < 5000) abort();
  }
}

/* A text of the program, and then one that takes its time. */
static void text(const char *s) {
  if (strncmp(s, "verb=", 5) == 0)
    if (s[5] == '!') for (volatile int i = 0;; i++) {}
}

int main(int argc, char **argv) {
  size_t n = 0;
  /* What a program does before it looks at its input. */
  volatile unsigned sum = 0;
  for (int i = 0; i < 20000; i++) sum += i;
  if (argc > 2 && strcmp(argv[1], "-a") == 0) {
    n = strlen(argv[2]);
    if (n > sizeof input - 1) n = sizeof input - 1;
    memcpy(input, argv[2], n);
  } else {
    int fd = argc > 1 ? open(argv[1], O_RDONLY) : 0;
    if (fd < 0) { perror(argv[1]); return 2; }
    for (ssize_t got; n < sizeof input - 1 && (got = read(fd, input + n, sizeof input - 1 - n)) > 0;) n += got;
  }
  nested(input, n);
  word(input, n);
  text((char *)input);
  if (n > 2 && input[0] == 'E' && input[1] == 'X' && input[2] == '3') { fprintf(stderr, "line %zu: no such thing\n", n); return 3; }
  return 0;
}
