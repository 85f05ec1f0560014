/*
 * Computes with AVX2, FMA, F16C and BMI in several threads: the compiler's vector code for loops, and instructions by name that it does
 * not use by itself. Prints checksums, which are the same on any processor that has them; 'no AVX2' on others.
 *   vector [rounds]
 */
#include <immintrin.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V3 __attribute__((target("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,movbe"), optimize("O3")))
enum { THREADS = 4, N = 48, BYTES = 4096 };

static uint64_t mix(uint64_t hash, const void *data, size_t bytes) {
  const unsigned char *p = data;
  for (size_t i = 0; i < bytes; i++) hash = (hash ^ p[i]) * 0x100000001b3ull;
  return hash;
}

struct work { int number, rounds; uint64_t doubles, floats, integers, bytes, bits, halves; };

V3 static void matrices(struct work *w) {
  static __thread double a[N][N], b[N][N], c[N][N];
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) { a[i][j] = (i * 7 + j * 3 + w->number) / 11.0; b[i][j] = (i - j) / 7.0; c[i][j] = 0; }
  for (int round = 0; round < w->rounds; round++)
    for (int i = 0; i < N; i++)
      for (int k = 0; k < N; k++) {
        double x = a[i][k];
        for (int j = 0; j < N; j++) c[i][j] = __builtin_fma(x, b[k][j], c[i][j] * 0.75);
      }
  w->doubles = mix(w->doubles, c, sizeof c);
}

V3 static void singles(struct work *w) {
  static __thread float x[1024], y[1024];
  for (int i = 0; i < 1024; i++) { x[i] = (float)(i + w->number) / 33.0f; y[i] = 1.0f; }
  for (int round = 0; round < w->rounds * 8; round++)
    for (int i = 0; i < 1024; i++) {
      float v = __builtin_fmaf(x[i], 0.25f, y[i]);
      y[i] = v > 100.0f ? __builtin_sqrtf(v) : v * 1.0001f;
    }
  __m256i index = _mm256_setr_epi32(3, 900, 17, 512, 1, 1023, 64, 65);
  __m256 sum = _mm256_setzero_ps();
  for (int i = 0; i < 64; i++) {
    sum = _mm256_add_ps(sum, _mm256_i32gather_ps(y, index, 4));
    index = _mm256_and_si256(_mm256_add_epi32(index, _mm256_set1_epi32(37)), _mm256_set1_epi32(1023));
  }
  /* Numbers of all kinds, in all rounding modes. */
  static const float odd[8] = { 1e-42f, -0.0f, 3.4e38f, 1e-30f, -1e-39f, 5.5f, 65519.99f, -2.9e-8f };
  __m256 v = _mm256_loadu_ps(odd);
  unsigned saved = _mm_getcsr();
  for (unsigned mode = 0; mode < 4; mode++) {
    _mm_setcsr((saved & ~0x603fu) | mode << 13);
    sum = _mm256_fmadd_ps(v, _mm256_set1_ps(1.1f), sum);
    __m256 product = _mm256_fnmsub_ps(v, v, v);
    __m256 third = _mm256_div_ps(v, _mm256_set1_ps(3.0f));
    w->floats = mix(w->floats, &product, sizeof product);
    w->floats = mix(w->floats, &third, sizeof third);
    __m128i half = _mm256_cvtps_ph(v, _MM_FROUND_CUR_DIRECTION);
    __m256 back = _mm256_cvtph_ps(half);
    w->halves = mix(w->halves, &half, sizeof half);
    w->halves = mix(w->halves, &back, sizeof back);
    unsigned flags = _mm_getcsr() & 0x3f;
    w->halves = mix(w->halves, &flags, sizeof flags);
  }
  _mm_setcsr(saved);
  w->floats = mix(mix(w->floats, y, sizeof y), &sum, sizeof sum);
}

V3 static void integers(struct work *w) {
  static __thread int32_t x[512];
  static __thread uint8_t text[BYTES + 32];
  uint32_t state = 12345u + (unsigned)w->number;
  for (int i = 0; i < 512; i++) { state = state * 1664525u + 1013904223u; x[i] = (int32_t)state; }
  for (int round = 0; round < w->rounds * 8; round++)
    for (int i = 0; i < 512; i++) x[i] = x[i] * 31 + (x[i] >> (i & 31)) - (x[i] < 0 ? -x[i] / 2 : i);
  w->integers = mix(w->integers, x, sizeof x);
  for (int i = 0; i < BYTES; i++) { state = state * 1664525u + 1013904223u; text[i] = (uint8_t)(state >> 24); }
  __m256i shuffle = _mm256_setr_epi8(1, 0, 3, 2, 5, 4, -1, 7, 8, 9, 15, 14, 13, 12, 11, 10, 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, -1);
  __m256i all = _mm256_setzero_si256();
  for (int round = 0; round < w->rounds; round++)
    for (int i = 0; i < BYTES; i += 32) {
      __m256i v = _mm256_loadu_si256((const __m256i *)(text + i + (round & 15)));
      __m256i s = _mm256_shuffle_epi8(v, shuffle);
      s = _mm256_alignr_epi8(s, v, 5);
      s = _mm256_permutevar8x32_epi32(s, _mm256_srli_epi32(v, 29));
      s = _mm256_blendv_epi8(s, _mm256_sllv_epi32(v, _mm256_and_si256(s, _mm256_set1_epi32(33))), v);
      all = _mm256_xor_si256(_mm256_permute4x64_epi64(all, 0x93), _mm256_mpsadbw_epu8(s, v, 0x2a));
      all = _mm256_add_epi64(all, _mm256_sad_epu8(s, v));
      w->bits += (unsigned)_mm256_movemask_epi8(_mm256_cmpgt_epi8(s, v));
      _mm256_maskstore_epi32((int *)(text + i), _mm256_cmpgt_epi32(s, v), all);
    }
  w->bytes = mix(mix(w->bytes, text, BYTES), &all, sizeof all);
}

V3 static void bits(struct work *w) {
  uint64_t x = 0x123456789abcdefull * (unsigned)(w->number + 1), sum = w->bits;
  for (int i = 0; i < w->rounds * 200; i++) {
    unsigned long long high;
    uint64_t low = _mulx_u64(x, sum | 1, &high);
    sum += _pext_u64(low, x) ^ _pdep_u64(high, x) ^ _bzhi_u64(x, (unsigned)i) ^ _bextr_u64(low, (unsigned)i & 63, 17);
    sum ^= _blsr_u64(x) + _blsi_u64(low) + _blsmsk_u64(high) + _andn_u64(x, low) + _tzcnt_u64(low) + _lzcnt_u64(high);
    x = (x >> 7 | x << 57) + sum;
  }
  w->bits = sum;
}

static void *run(void *argument) {
  struct work *w = argument;
  matrices(w);
  singles(w);
  integers(w);
  bits(w);
  return 0;
}

int main(int argc, char **argv) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2")) { puts("no AVX2"); return 0; }
  static struct work work[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    work[i].number = i;
    work[i].rounds = argc > 1 ? atoi(argv[1]) : 3;
    pthread_create(&threads[i], 0, run, &work[i]);
  }
  for (int i = 0; i < THREADS; i++) {
    struct work *w = &work[i];
    pthread_join(threads[i], 0);
    printf("%d: doubles %016lx floats %016lx integers %016lx bytes %016lx bits %016lx halves %016lx\n", i, (unsigned long)w->doubles,
      (unsigned long)w->floats, (unsigned long)w->integers, (unsigned long)w->bytes, (unsigned long)w->bits, (unsigned long)w->halves);
  }
}
