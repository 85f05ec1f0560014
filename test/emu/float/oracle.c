/*
 * Runs floating-point instructions on the host's processor.
 *
 * stdin: records of 256 bytes; stdout: one of 256 bytes for each, with the state after the instruction.
 * An argument says how many bytes follow each record: they continue the 64 bytes of memory.
 *
 *      in                                   out
 *   0  machine code, up to 15 bytes,        u32 signal (0, SIGFPE …), u32 RFLAGS, u64 RAX
 *      and its length in byte 15
 *  16  u32 MXCSR, u16 x87 control word, u16 status word, u8 abridged tag word
 *  32  XMM0, XMM1                           the same
 *  64  64 bytes of memory, address in RDI
 * 128  ST0-ST7, 16 bytes each
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

struct image {
  uint16_t fcw, fsw;
  uint8_t ftw, reserved;
  uint16_t fop;
  uint64_t fip, fdp;
  uint32_t mxcsr, mxcsr_mask;
  uint8_t st[128];
  uint8_t xmm[256];
  uint8_t rest[96];
} __attribute__((aligned(16)));

struct record {
  union {
    struct { uint8_t code[15], length; } in;
    struct { uint32_t signal, rflags; uint64_t rax; } out;
  };
  uint32_t mxcsr;
  uint16_t fcw, fsw;
  uint8_t ftw, pad[7];
  uint8_t xmm[32], memory[64], st[128];
};

static sigjmp_buf escape;
static struct image before, after;
static volatile int signal_number;

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)info;
  ucontext_t *uc = context;
  memcpy(&after, uc->uc_mcontext.fpregs, sizeof after);
  signal_number = number;
  siglongjmp(escape, 1);
}

static void restore(void) {
  uint32_t mxcsr = 0x1f80;
  __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
}

int main(int argc, char **argv) {
  static struct record record;
  static uint8_t memory[64 + 1024] __attribute__((aligned(64)));
  size_t extra = argc > 1 ? strtoul(argv[1], 0, 0) : 0;
  uint64_t flags[2];
  uint8_t *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint8_t last[16] = {0};
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};
  if (code == MAP_FAILED || sizeof record != 256 || extra > 1024) return 1;
  sigaction(SIGFPE, &action, 0);
  sigaction(SIGILL, &action, 0);
  sigaction(SIGSEGV, &action, 0);
  __asm__ volatile("fxsave %0" : "=m"(before));
  setvbuf(stdout, 0, _IOFBF, 1 << 18);
  setvbuf(stdin, 0, _IOFBF, 1 << 18);
  while (fread(&record, sizeof record, 1, stdin) == 1 && fread(memory + 64, 1, extra, stdin) == extra) {
    if (memcmp(last, &record.in, 16) != 0) {
      static const uint8_t prologue[] = {0x0f, 0xae, 0x0e};                      /* fxrstor [rsi] */
      static const uint8_t epilogue[] = {0x0f, 0xae, 0x02,                       /* fxsave [rdx] */
        0x9c, 0x8f, 0x01, 0x48, 0x89, 0x41, 0x08, 0xc3};                         /* pushf; pop [rcx]; mov [rcx+8], rax; ret */
      uint8_t *at = code;
      memcpy(last, &record.in, 16);
      memcpy(at, prologue, sizeof prologue);
      at += sizeof prologue;
      memcpy(at, record.in.code, record.in.length);
      at += record.in.length;
      memcpy(at, epilogue, sizeof epilogue);
    }
    before.mxcsr = record.mxcsr;
    before.fcw = record.fcw;
    before.fsw = record.fsw;
    before.ftw = record.ftw;
    memcpy(before.xmm, record.xmm, 32);
    memcpy(before.st, record.st, 128);
    memcpy(memory, record.memory, 64);
    signal_number = 0;
    flags[0] = flags[1] = 0;
    if (sigsetjmp(escape, 0) == 0)
      ((void (*)(void *, void *, void *, void *))code)(memory, &before, &after, flags);
    restore();
    record.out.signal = signal_number;
    record.out.rflags = flags[0];
    record.out.rax = flags[1];
    record.mxcsr = after.mxcsr;
    record.fcw = after.fcw;
    record.fsw = after.fsw;
    record.ftw = after.ftw;
    memcpy(record.xmm, after.xmm, 32);
    memcpy(record.st, after.st, 128);
    memcpy(record.memory, memory, 64);
    fwrite(&record, sizeof record, 1, stdout);
    fwrite(memory + 64, 1, extra, stdout);
  }
  return 0;
}
