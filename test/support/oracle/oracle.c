/*
 * Runs machine code on the host's processor: the oracle of the differential test.
 *
 * Freestanding (no C library, no thread-local storage), so that FS and GS belong to the code under test. The loaded
 * state gets into the registers by rt_sigreturn from a made-up signal frame, and comes back in the frame of the signal
 * that ends the code: every case ends in one (#BP of the int3 that fills the code pages, if in nothing else).
 * Syscall user dispatch makes system calls of the code under test signals too.
 *
 * All numbers are little-endian. Descriptor 3 is a file that holds what is asked, 4 one for the answers; both are mapped. A batch
 * begins when u32 bytes in file 3, u32 0 come from stdin, and is over when u32 bytes in file 4, u32 0 go to stdout. The first is the memory:
 *   u32 regions, u32 0; for each: u64 address, u32 bytes, u32 PROT_*, its content
 * answered by u32 1 if system calls are caught, u32 0; then come cases:
 *   u32 bytes in all, u32 patches, state; for each patch: u64 address, u32 bytes, u32 0, content padded to 8 bytes
 * and for each is answered:
 *   u32 bytes in all, u32 signal, u32 si_code, u32 0, u64 trap number, error code, CR2, si_addr, state,
 *   u32 changed words, u32 0; for each: u64 address, its 8 bytes
 * State: 16 general registers in encoding order, rip, rflags, FS base, GS base, FXSAVE image, upper halves of the YMM registers (zeros
 * where there are none): 928 bytes.
 * Signal 14 (SIGALRM): the code did not end within about 10 ms.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

struct state { u64 gpr[16], rip, rflags, fs, gs; u8 fx[512], upper[256]; };
struct sigcontext {
  u64 r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags;
  u16 cs, gs, fs, ss;
  u64 err, trapno, oldmask, cr2, fpstate, reserved[8];
};
struct stack { u64 sp; u32 flags, pad; u64 size; };
struct ucontext { u64 flags, link; struct stack stack; struct sigcontext mc; u64 mask; };
struct siginfo { int signo, error, code, pad; u64 addr; };
struct action { void (*handler)(int, struct siginfo *, struct ucontext *); u64 flags; void (*restorer)(void); u64 mask; };
struct region { u64 address; u32 bytes, prot; u8 *alias, *pristine, *image; };
struct answer { u32 bytes, signal, code, pad; u64 trapno, err, cr2, addr; struct state state; u32 changes, pad2; };

enum { READ = 0, WRITE = 1, MMAP = 9, SIGACTION = 13, SETITIMER = 38, EXIT = 60, FTRUNCATE = 77, SIGALTSTACK = 131,
  PRCTL = 157, ARCH_PRCTL = 158, MEMFD = 319 };
enum { MAX_REGIONS = 16, IN_SIZE = 1 << 22, OUT_SIZE = 1 << 25, STACK = 1 << 16 };

static u8 *in, *out, handler_stack[STACK] __attribute__((aligned(64)));
/* XSAVE area with the AVX component where the processor has it, and the kernel's magic behind. */
static u8 fx[512 + 64 + 256 + 64] __attribute__((aligned(64)));
static int has_avx;
static u64 in_at, in_end, out_at;
static struct region regions[MAX_REGIONS];
static u32 region_count;
static struct ucontext frame;
static volatile u64 case_number, ticked_case, ticks;
static u8 *patches;
static u32 patch_count;
/* Of the linker: where this program's code is. */
extern u8 __executable_start[], __etext[];

static inline long call6(long n, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "+a"(n) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return n;
}
static inline long call3(long n, long a, long b, long c) { return call6(n, a, b, c, 0, 0, 0); }

void *memcpy(void *to, const void *from, u64 n) {
  void *start = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
  return start;
}

static void die(int status) { call3(EXIT, status, 0, 0); __builtin_unreachable(); }

/* All of `n` bytes of a pipe, in spite of the timer; 0 at its end. */
static int transfer(long call, int fd, void *at, u64 n) {
  u64 done = 0;
  while (done < n) {
    long m = call3(call, fd, (long)at + (long)done, (long)(n - done));
    if (m == 0) return 0;
    if (m > 0) done += (u64)m;
    else if (m != -4) die(3); /* EINTR */
  }
  return 1;
}

/* Says that the batch is over, and waits for the next. */
static void next_batch(int answer) {
  u32 message[2] = { (u32)out_at, 0 };
  if (answer) transfer(WRITE, 1, message, 8);
  if (!transfer(READ, 0, message, 8)) die(0);
  if (message[0] > IN_SIZE) die(4);
  in_at = out_at = 0;
  in_end = message[0];
}

static u8 *take(u64 bytes) {
  if (in_end - in_at < bytes) die(5);
  u8 *at = in + in_at;
  in_at += bytes;
  return at;
}

static u8 *out_room(u64 bytes) {
  if (out_at + bytes > OUT_SIZE) die(8);
  u8 *at = out + out_at;
  out_at += bytes;
  return at;
}

static u32 u32_at(const u8 *at) { u32 v; memcpy(&v, at, 4); return v; }
static u64 u64_at(const u8 *at) { u64 v; memcpy(&v, at, 8); return v; }

static void timer(long interval_us) {
  u64 value[4] = { 0, (u64)interval_us, 0, (u64)interval_us };
  call3(SETITIMER, 0, (long)value, 0);
}

/* Writes each patch to the guest's memory and to the image that it is compared with, or takes them back. */
static void patch(int restore) {
  u8 *at = patches;
  for (u32 i = 0; i < patch_count; i++) {
    u64 address = u64_at(at);
    u32 bytes = u32_at(at + 8);
    for (u32 r = 0; r < region_count; r++) {
      struct region *region = &regions[r];
      u64 from = address > region->address ? address : region->address;
      u64 end = address + bytes, region_end = region->address + region->bytes;
      u64 to = end < region_end ? end : region_end;
      if (from >= to) continue;
      u64 offset = from - region->address;
      const u8 *source = restore ? region->pristine + offset : at + 16 + (from - address);
      memcpy(region->alias + offset, source, to - from);
      memcpy(region->image + offset, source, to - from);
    }
    at += 16 + ((bytes + 7) & ~7u);
  }
}

static const u8 order[16] = { 13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7 };

__attribute__((noreturn)) static void run_next(void) {
  if (in_at == in_end) next_batch(1);
  u32 bytes = u32_at(in + in_at);
  u8 *at = take(bytes);
  patch_count = u32_at(at + 4);
  struct state *state = (struct state *)(at + 8);
  patches = at + 8 + sizeof *state;
  patch(0);
  memcpy(fx, state->fx, 512);
  if (has_avx) {
    /* struct _fpx_sw_bytes: FP_XSTATE_MAGIC1, extended_size, xfeatures, xstate_size */
    static const u32 software[5] = { 0x46505853, 836, 7, 0, 832 };
    static const u32 end = 0x46505845;
    memcpy(fx + 464, software, sizeof software);
    fx[512] = 7;
    memcpy(fx + 576, state->upper, 256);
    memcpy(fx + 832, &end, 4);
  }
  u64 *registers = (u64 *)&frame.mc;
  for (int i = 0; i < 16; i++) registers[order[i]] = state->gpr[i];
  frame.mc.ip = state->rip;
  frame.mc.flags = state->rflags;
  frame.mc.cs = 0x33;
  frame.mc.ss = 0x2b;
  frame.mc.fpstate = (u64)fx;
  frame.flags = 6; /* UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */
  frame.stack = (struct stack){ (u64)handler_stack, 0, 0, STACK };
  case_number++;
  call3(ARCH_PRCTL, 0x1002, (long)state->fs, 0);
  call3(ARCH_PRCTL, 0x1001, (long)state->gs, 0);
  __asm__ volatile(
    "xor %%eax, %%eax\n mov %%eax, %%ds\n mov %%eax, %%es\n"
    /* NT and ID are not restored by the kernel */
    "pushq $0x202\n popfq\n"
    "mov %0, %%rsp\n mov $15, %%eax\n syscall\n" : : "r"(&frame) : "rax", "memory");
  __builtin_unreachable();
}

static void on_signal(int signal, struct siginfo *info, struct ucontext *uc) {
  /* AC may be set: no alignment checks here. */
  __asm__ volatile("pushq $0x202\n popfq" : : : "memory", "cc");
  if (signal == 14) {
    u64 in_helper = uc->mc.ip - (u64)__executable_start;
    if (in_helper < (u64)(__etext - __executable_start)) return;
    if (case_number != ticked_case) { ticked_case = case_number; ticks = 0; }
    if (++ticks < 3) return;
  }
  struct answer *answer = (struct answer *)out_room(sizeof *answer);
  u64 start = (u64)((u8 *)answer - out);
  const u64 *registers = (const u64 *)&uc->mc;
  answer->signal = (u32)signal;
  answer->code = (u32)info->code;
  answer->pad = answer->pad2 = 0;
  answer->trapno = uc->mc.trapno;
  answer->err = uc->mc.err;
  answer->cr2 = uc->mc.cr2;
  answer->addr = info->addr;
  for (int i = 0; i < 16; i++) answer->state.gpr[i] = registers[order[i]];
  answer->state.rip = uc->mc.ip;
  answer->state.rflags = uc->mc.flags;
  call3(ARCH_PRCTL, 0x1003, (long)&answer->state.fs, 0);
  call3(ARCH_PRCTL, 0x1004, (long)&answer->state.gs, 0);
  memcpy(answer->state.fx, (const void *)uc->mc.fpstate, 512);
  for (u32 i = 0; i < 256; i++) answer->state.upper[i] = has_avx && (((const u8 *)uc->mc.fpstate)[512] & 4) != 0 ? ((const u8 *)uc->mc.fpstate)[576 + i] : 0;
  u32 changes = 0;
  for (u32 r = 0; r < region_count; r++) {
    struct region *region = &regions[r];
    for (u32 i = 0; i < region->bytes; i += 8) {
      /* Most is as it was. */
      if ((i & 63) == 0) {
        const u64 *a = (const u64 *)(region->alias + i), *b = (const u64 *)(region->image + i);
        if (((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) | (a[5] ^ b[5]) | (a[6] ^ b[6]) | (a[7] ^ b[7])) == 0) { i += 56; continue; }
      }
      u64 now = *(u64 *)(region->alias + i);
      if (now == *(u64 *)(region->image + i)) continue;
      u64 *change = (u64 *)out_room(16);
      change[0] = region->address + i;
      change[1] = now;
      *(u64 *)(region->alias + i) = *(u64 *)(region->image + i);
      changes++;
    }
  }
  answer->changes = changes;
  answer->bytes = (u32)(out_at - start);
  patch(1);
  run_next();
}

__attribute__((naked)) static void restorer(void) { __asm__("mov $15, %eax\n syscall\n"); }

static void set_up_memory(void) {
  region_count = u32_at(take(8));
  if (region_count > MAX_REGIONS) die(6);
  for (u32 r = 0; r < region_count; r++) {
    struct region *region = &regions[r];
    u8 *at = take(16);
    region->address = u64_at(at);
    region->bytes = u32_at(at + 8);
    region->prot = u32_at(at + 12);
    long fd = call3(MEMFD, (long)"oracle", 0, 0);
    call3(FTRUNCATE, fd, region->bytes, 0);
    /* MAP_SHARED | MAP_POPULATE, MAP_FIXED_NOREPLACE for the guest's */
    long guest = call6(MMAP, (long)region->address, region->bytes, region->prot, 0x108001, fd, 0);
    if (guest != (long)region->address) die(7);
    region->alias = (u8 *)call6(MMAP, 0, region->bytes, 3, 0x8001, fd, 0);
    region->pristine = (u8 *)call6(MMAP, 0, region->bytes, 3, 0x8022, -1, 0);
    region->image = (u8 *)call6(MMAP, 0, region->bytes, 3, 0x8022, -1, 0);
    u8 *content = take(region->bytes);
    memcpy(region->alias, content, region->bytes);
    memcpy(region->pristine, content, region->bytes);
    memcpy(region->image, content, region->bytes);
    /* Present for reading and, where allowed, for writing: no demand paging is to show. */
    for (u32 i = 0; i < region->bytes; i += 4096) {
      volatile u8 *byte = (volatile u8 *)(region->address + i);
      if ((region->prot & 2) != 0) *byte = *byte;
      else if ((region->prot & 1) != 0) (void)*byte;
    }
  }
}

__attribute__((used)) static void start(void) {
  /* MAP_SHARED | MAP_POPULATE for what is small */
  in = (u8 *)call6(MMAP, 0, IN_SIZE, 1, 0x8001, 3, 0);
  out = (u8 *)call6(MMAP, 0, OUT_SIZE, 3, 1, 4, 0);
  if ((long)in < 0 && (long)in > -4096) die(9);
  if ((long)out < 0 && (long)out > -4096) die(9);
  static const u8 signals[] = { 4, 5, 7, 8, 11, 14, 31 };
  struct stack stack = { (u64)handler_stack, 0, 0, STACK };
  call3(SIGALTSTACK, (long)&stack, 0, 0);
  for (u32 i = 0; i < sizeof signals; i++) {
    /* SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_NODEFER */
    struct action action = { on_signal, 0x4c000004, restorer, 0 };
    call6(SIGACTION, signals[i], (long)&action, 0, 8, 0, 0);
  }
  u32 a = 1, b, c = 0, d;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  if ((c >> 27 & 3) == 3) {
    u32 low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    has_avx = (low & 6) == 6;
  }
  next_batch(0);
  set_up_memory();
  long caught = call6(PRCTL, 59, 1, (long)__executable_start, __etext - __executable_start, 0, 0);
  u32 *hello = (u32 *)out_room(8);
  hello[0] = caught == 0;
  hello[1] = 0;
  timer(3000);
  run_next();
}

__asm__(".globl _start\n_start:\n and $-64, %rsp\n call start\n");
