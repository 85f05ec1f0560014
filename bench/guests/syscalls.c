/* System calls: cheap ones, a pipe, a file in memory, clocks that the vDSO does not answer. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
  long repetitions = argc > 1 ? atol(argv[1]) : 1;
  int ends[2], file = memfd_create("file", 0);
  if (pipe(ends) != 0 || file < 0) return 1;
  char buffer[512];
  unsigned long sum = 0;
  memset(buffer, 'x', sizeof buffer);
  for (long r = 0; r < repetitions * 1000; r++) {
    sum += syscall(SYS_getpid) > 0;
    sum += write(ends[1], buffer, 64);
    sum += read(ends[0], buffer, 64);
    sum += pwrite(file, buffer, sizeof buffer, r % 64 * 512);
    sum += pread(file, buffer, sizeof buffer, r % 61 * 128);
    sum += lseek(file, r % 1000, SEEK_SET);
    struct stat status;
    sum += fstat(file, &status) == 0 && status.st_size > 0;
    sum += fcntl(file, F_GETFL) & O_ACCMODE;
  }
  printf("%lu\n", sum);
  return 0;
}
