/*
 * What the processor has: of each extension whether CPUID, /proc/cpuinfo and the instruction itself say the same.
 * Prints "NAME" for those that are there, then what follows from the processor's number, and random numbers.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

enum { EBX = 1, ECX, EDX };
static const struct { const char *name; unsigned leaf, reg, bit; const char *code; int length; } extensions[] = {
  { "pni", 1, ECX, 0, "\xf2\x0f\x7c\xc0", 4 }, /* haddps xmm0, xmm0 */
  { "pclmulqdq", 1, ECX, 1, "\x66\x0f\x3a\x44\xc0\x00", 6 },
  { "ssse3", 1, ECX, 9, "\x66\x0f\x38\x00\xc0", 5 }, /* pshufb xmm0, xmm0 */
  { "fma", 1, ECX, 12, "\xc4\xe2\x79\x98\xc0", 5 }, /* vfmadd132ps xmm0, xmm0, xmm0 */
  { "cx16", 1, ECX, 13, "\x48\x0f\xc7\x0e", 4 }, /* cmpxchg16b [rsi] */
  { "sse4_1", 1, ECX, 19, "\x66\x0f\x38\x17\xc0", 5 }, /* ptest xmm0, xmm0 */
  { "sse4_2", 1, ECX, 20, "\xf2\x0f\x38\xf1\xc0", 5 }, /* crc32 eax, eax */
  { "movbe", 1, ECX, 22, "\x0f\x38\xf0\x06", 4 }, /* movbe eax, [rsi] */
  { "popcnt", 1, ECX, 23, "\xf3\x0f\xb8\xc0", 4 },
  { "aes", 1, ECX, 25, "\x66\x0f\x38\xdc\xc0", 5 }, /* aesenc xmm0, xmm0 */
  { "xsave", 1, ECX, 26, "\x31\xc9\x0f\x01\xd0", 5 }, /* xor ecx, ecx; xgetbv */
  { "avx", 1, ECX, 28, "\xc5\xf8\x57\xc0", 4 }, /* vxorps xmm0, xmm0, xmm0 */
  { "f16c", 1, ECX, 29, "\xc4\xe2\x79\x13\xc0", 5 }, /* vcvtph2ps xmm0, xmm0 */
  { "rdrand", 1, ECX, 30, "\x0f\xc7\xf0", 3 },
  { "fsgsbase", 7, EBX, 0, "\xf3\x0f\xae\xc0", 4 }, /* rdfsbase eax */
  { "bmi1", 7, EBX, 3, "\xc4\xe2\x78\xf2\xc0", 5 }, /* andn eax, eax, eax */
  { "avx2", 7, EBX, 5, "\xc5\xfd\xef\xc0", 4 }, /* vpxor ymm0, ymm0, ymm0 */
  { "bmi2", 7, EBX, 8, "\xc4\xe2\xfb\xf7\xc0", 5 }, /* shrx rax, rax, rax */
  { "rdseed", 7, EBX, 18, "\x0f\xc7\xf8", 3 },
  { "adx", 7, EBX, 19, "\x66\x0f\x38\xf6\xc0", 5 }, /* adcx eax, eax */
  { "clflushopt", 7, EBX, 23, "\x66\x0f\xae\x3e", 4 }, /* clflushopt [rsi] */
  { "clwb", 7, EBX, 24, "\x66\x0f\xae\x36", 4 }, /* clwb [rsi] */
  { "sha_ni", 7, EBX, 29, "\x0f\x38\xc8\xc0", 4 }, /* sha1nexte xmm0, xmm0 */
  { "rdpid", 7, ECX, 22, "\xf3\x0f\xc7\xf8", 4 }, /* rdpid rax */
  { "rdtscp", 0x80000001, EDX, 27, "\x0f\x01\xf9", 3 },
};

static sigjmp_buf undefined;
static void on_undefined(int signal) { siglongjmp(undefined, signal); }

static void cpuid(unsigned leaf, unsigned *r) {
  __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}

/* The code is called with rsi pointing to 16 bytes that are aligned. */
static int works(const char *code, int length) {
  static unsigned char *page;
  if (!page) page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  static __attribute__((aligned(16))) unsigned char memory[16];
  memcpy(page, code, length);
  page[length] = 0xc3;
  if (sigsetjmp(undefined, 1)) return 0;
  void *target = page, *operand = memory;
  __asm__ volatile("push %%rbx\n call *%1\n pop %%rbx" : "+S"(operand), "+D"(target) : : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc", "xmm0");
  return 1;
}

int main(void) {
  static char info[1 << 16];
  unsigned r[4];
  FILE *file = fopen("/proc/cpuinfo", "r");
  fread(info, 1, sizeof info - 1, file);
  char *flags = strstr(info, "\nflags");
  *strchr(flags + 1, '\n') = ' ';
  char *end = strstr(flags, "\nbugs");
  if (end) *end = 0;
  signal(SIGILL, on_undefined);
  for (unsigned i = 0; i < sizeof extensions / sizeof *extensions; i++) {
    char flag[32];
    cpuid(extensions[i].leaf, r);
    int said = r[extensions[i].reg] >> extensions[i].bit & 1;
    snprintf(flag, sizeof flag, " %s ", extensions[i].name);
    int shown = strstr(flags, flag) != 0;
    int there = works(extensions[i].code, extensions[i].length);
    if (said != there || shown != there) printf("%s: CPUID %d, cpuinfo %d, but %d\n", extensions[i].name, said, shown, there);
    else if (there) puts(extensions[i].name);
  }
  cpuid(7, r);
  if ((getauxval(AT_HWCAP2) >> 1 & 1) != (r[EBX] & 1)) puts("AT_HWCAP2 does not say that of RDFSBASE");
  /* BSF and BSR where TZCNT and LZCNT are not: without a one in the operand the destination stays. */
  unsigned long count = 77, zero = 0;
  __asm__ volatile("rep bsf %1, %0" : "+r"(count) : "r"(zero) : "cc");
  printf("tzcnt of zero: %lu\n", count);
  count = 77;
  __asm__ volatile("rep bsr %1, %0" : "+r"(count) : "r"(zero) : "cc");
  printf("lzcnt of zero: %lu\n", count);
  cpuid(0x80000001, r);
  if (r[EDX] >> 27 & 1) {
    unsigned low, high, number;
    cpu_set_t set;
    for (int cpu = 0; cpu < 4; cpu++) {
      CPU_ZERO(&set);
      CPU_SET(cpu, &set);
      if (sched_setaffinity(0, sizeof set, &set)) break;
      __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(number));
      printf("on CPU %u\n", number);
    }
  }
  cpuid(1, r);
  if (r[ECX] >> 30 & 1) {
    unsigned long word;
    unsigned short half;
    for (int i = 0; i < 3; i++) {
      __asm__ volatile("rdrand %0" : "=r"(word) : : "cc");
      printf("random %016lx\n", word);
    }
    __asm__ volatile("rdseed %0" : "=r"(half) : : "cc");
    printf("random %04x\n", half);
  }
  return 0;
}
