/* CRC-32 by table, a byte at a time: one load of data and one of the table a byte. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t table[256];
static uint8_t data[65536];

int main(int argc, char **argv) {
  long repetitions = argc > 1 ? atol(argv[1]) : 1;
  uint32_t crc = 0;
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >> 1) : value >> 1;
    table[i] = value;
  }
  for (size_t i = 0; i < sizeof data; i++) data[i] = i * 31 + (i >> 8);
  for (long r = 0; r < repetitions; r++) {
    crc = ~crc;
    for (size_t i = 0; i < sizeof data; i++) crc = table[(crc ^ data[i]) & 0xff] ^ (crc >> 8);
    crc = ~crc;
  }
  printf("%08x\n", crc);
  return 0;
}
