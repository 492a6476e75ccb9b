// Vectors of floats for native kernels, in the namespace of one instruction
// set: native_isa.h includes this file once for each. They are the compiler's
// vector types, so that + - * / and comparisons are operators and
// "mask ? a : b" selects lanes.
//
// The functions give the same bits for a lane whatever the other lanes hold,
// and load_n and store_n touch n elements only: a kernel may cut its work where
// it likes.

#define FT_OP static inline __attribute__((always_inline))
#define FT_UNROLL _Pragma("GCC unroll 32")

namespace ft {
namespace FT_ISA {

#if defined(FT_AVX512)
constexpr int lanes = 16;
#elif defined(FT_AVX2)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif
typedef float vf __attribute__((vector_size(4 * lanes)));
typedef int32_t vi __attribute__((vector_size(4 * lanes)));
typedef uint32_t vu __attribute__((vector_size(4 * lanes)));

FT_OP vf splat(float x) { return x - vf{}; }
FT_OP vu bits_of(vf x) { return (vu)x; }
FT_OP vf float_of(vu x) { return (vf)x; }
FT_OP vf select(vi mask, vf a, vf b) { return mask ? a : b; }
// any tells whether a lane of the mask is set.
FT_OP bool any(vi mask) {
#if defined(FT_AVX512)
  return _mm512_movepi32_mask((__m512i)mask) != 0;
#elif defined(FT_AVX2)
  return _mm256_movemask_ps((__m256)mask) != 0;
#elif defined(__x86_64__)
  return _mm_movemask_ps((__m128)mask) != 0;
#else
  int32_t set = 0;
  for (int i = 0; i < lanes; i++) set |= mask[i];
  return set != 0;
#endif
}
FT_OP vf abs(vf x) { return float_of(bits_of(x) & 0x7fffffffu); }
// Where one operand is NaN, the second one is the result.
FT_OP vf max(vf a, vf b) { return a > b ? a : b; }
FT_OP vf min(vf a, vf b) { return a < b ? a : b; }

// Conversions of 16-bit floats: exact, and to nearest even. NaNs stay NaNs.
FT_OP vf from_bf16(vu x) { return float_of(x << 16); }
FT_OP vu to_bf16(vf x) {
  vu u = bits_of(x);
  vu rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  return x != x ? (u >> 16) | 0x40u : rounded;
}
FT_OP vf from_f16(vu h) {
#if defined(FT_AVX512)
  return (vf)_mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)h));
#elif defined(FT_AVX2)
  __m256i p = _mm256_permute4x64_epi64(_mm256_packus_epi32((__m256i)h, (__m256i)h), 0x08);
  return (vf)_mm256_cvtph_ps(_mm256_castsi256_si128(p));
#else
  // Scaling by 2^112 moves the exponent's bias and makes subnormals normal.
  vu em = (h & 0x7fffu) << 13;
  vu finite = bits_of(float_of(em) * 0x1p112f);
  vu bits = em >= 0x0f800000u ? em | 0x7f800000u : finite;
  return float_of(bits | (h & 0x8000u) << 16);
#endif
}
FT_OP vu to_f16(vf x) {
#if defined(FT_AVX512)
  return (vu)_mm512_cvtepu16_epi32(_mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(FT_AVX2)
  return (vu)_mm256_cvtepu16_epi32(_mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT));
#else
  // As float_to_half of shim/types.h.
  vu u = bits_of(x), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
  vu normal = (a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13;
  vu tiny = bits_of(float_of(a) + 0.5f) - 0x3f000000u;
  vu h = a < 0x38800000u ? tiny : normal;
  h = a >= 0x47800000u ? (vu{} + 0x7c00u) : h;
  h = a > 0x7f800000u ? (0x7e00u | ((a >> 13) & 0x3ffu)) : h;
  return h | sign;
#endif
}

// load reads lanes elements as floats.
FT_OP vf load(const float* p) {
  vf v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
FT_OP vu load_u16(const void* p) {
#if defined(FT_AVX512)
  return (vu)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p));
#elif defined(FT_AVX2)
  return (vu)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p));
#else
  typedef uint16_t vh __attribute__((vector_size(2 * lanes)));
  vh h;
  __builtin_memcpy(&h, p, sizeof h);
  return __builtin_convertvector(h, vu);
#endif
}
FT_OP vf load(const bf16* p) { return from_bf16(load_u16(p)); }
FT_OP vf load(const f16* p) {
#if defined(FT_AVX512)
  return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p));
#elif defined(FT_AVX2)
  return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p));
#else
  return from_f16(load_u16(p));
#endif
}

// store rounds lanes floats to the memory's type.
FT_OP void store(float* p, vf v) { __builtin_memcpy(p, &v, sizeof v); }
FT_OP void store_u16(void* p, vu v) {
#if defined(FT_AVX512)
  _mm256_storeu_si256((__m256i*)p, _mm512_cvtepi32_epi16((__m512i)v));
#elif defined(FT_AVX2)
  __m256i s = _mm256_permute4x64_epi64(_mm256_packus_epi32((__m256i)v, (__m256i)v), 0x08);
  _mm_storeu_si128((__m128i*)p, _mm256_castsi256_si128(s));
#else
  typedef uint16_t vh __attribute__((vector_size(2 * lanes)));
  vh h = __builtin_convertvector(v, vh);
  __builtin_memcpy(p, &h, sizeof h);
#endif
}
FT_OP void store(bf16* p, vf v) { store_u16(p, to_bf16(v)); }
FT_OP void store(f16* p, vf v) {
#if defined(FT_AVX512)
  _mm256_storeu_si256((__m256i*)p, _mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(FT_AVX2)
  _mm_storeu_si128((__m128i*)p, _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT));
#else
  store_u16(p, to_f16(v));
#endif
}

// load_n reads n < lanes elements; the other lanes are 0.
template <class T> FT_OP vf load_n(const T* p, int64_t n) {
  alignas(64) T tail[lanes] = {};
  memcpy(tail, p, size_t(n) * sizeof(T));
  return load(tail);
}
template <class T> FT_OP void store_n(T* p, vf v, int64_t n) {
  alignas(64) T tail[lanes];
  store(tail, v);
  memcpy(p, tail, size_t(n) * sizeof(T));
}

// each calls f(i, k) for the vectors of n elements: k is Whole, or Part for
// what is left at the end. load and store take it; keep puts a value into the
// lanes past the end.
struct Whole {};
struct Part { int64_t n; };
template <class T> FT_OP vf load(const T* p, Whole) { return load(p); }
template <class T> FT_OP vf load(const T* p, Part k) { return load_n(p, k.n); }
template <class T> FT_OP void store(T* p, vf v, Whole) { store(p, v); }
template <class T> FT_OP void store(T* p, vf v, Part k) { store_n(p, v, k.n); }
FT_OP vf keep(vf v, Whole, float) { return v; }
FT_OP vf keep(vf v, Part k, float rest) {
  for (int64_t i = k.n; i < lanes; i++) v[i] = rest;
  return v;
}
template <class F> FT_OP void each(int64_t n, F f) {
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) f(i, Whole{});
  if (i < n) f(i, Part{n - i});
}
// each4 calls f(i, k, j) with j from 0 to 3: which of four sums to add to, so
// that additions do not wait for each other.
template <class F> FT_OP void each4(int64_t n, F f) {
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    f(i, Whole{}, 0);
    f(i + lanes, Whole{}, 1);
    f(i + 2 * lanes, Whole{}, 2);
    f(i + 3 * lanes, Whole{}, 3);
  }
  for (; i + lanes <= n; i += lanes) f(i, Whole{}, 0);
  if (i < n) f(i, Part{n - i}, 1);
}

// put stores floats that the memory's type represents, as rounded makes them.
template <class T, class K> FT_OP void put(T* p, vf v, K k) { store(p, v, k); }
FT_OP void put(bf16* p, vf v, Whole) { store_u16(p, bits_of(v) >> 16); }

// rounded is the value that memory of the type of `as` would hold.
FT_OP vf rounded(vf x, float) { return x; }
FT_OP vf rounded(vf x, bf16) { return from_bf16(to_bf16(x)); }
FT_OP vf rounded(vf x, f16) { return from_f16(to_f16(x)); }

// sum and highest fold the lanes, halves first.
FT_OP float sum(vf v) {
#if defined(FT_AVX512)
  v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
#elif defined(FT_AVX2)
  v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
  v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
  v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
#else
  v += __builtin_shufflevector(v, v, 2, 3, 0, 1);
  v += __builtin_shufflevector(v, v, 1, 0, 3, 2);
#endif
  return v[0];
}
FT_OP float highest(vf v) {
  float a[lanes];
  __builtin_memcpy(a, &v, sizeof v);
  for (int half = lanes / 2; half; half /= 2)
    for (int i = 0; i < half; i++) a[i] = a[i] > a[i + half] ? a[i] : a[i + half];
  return a[0];
}

FT_OP float sum(const vf v[4]) { return sum((v[0] + v[1]) + (v[2] + v[3])); }
FT_OP float highest(const vf v[4]) { return highest(max(max(v[0], v[1]), max(v[2], v[3]))); }

// total adds the vectors f(i, k) of n elements: a block in floats, the blocks in
// double, so that long rows keep their digits.
template <class F> FT_OP float total(int64_t n, F f) {
  constexpr int64_t block = 128 * lanes;
  double all = 0;
  for (int64_t from = 0; from < n; from += block) {
    vf s[4] = {};
    each4(n - from < block ? n - from : block, [&](int64_t i, auto k, int j) { s[j] = s[j] + f(from + i, k); });
    all += double(sum(s));
  }
  return float(all);
}

// interleave_low is a[0], b[0], a[1], b[1], …; interleave_high goes on from the
// middle.
#if defined(FT_AVX512)
template <class V> FT_OP V interleave_low(V a, V b) { return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23); }
template <class V> FT_OP V interleave_high(V a, V b) { return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31); }
#elif defined(FT_AVX2)
template <class V> FT_OP V interleave_low(V a, V b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
template <class V> FT_OP V interleave_high(V a, V b) { return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
#else
template <class V> FT_OP V interleave_low(V a, V b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
template <class V> FT_OP V interleave_high(V a, V b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }
#endif

// transpose transposes lanes vectors. Each round interleaves the two halves of
// the rows, which moves one bit of the row's number into the column's.
template <class V> FT_OP void transpose(V* v) {
  FT_UNROLL for (int round = 1; round < lanes; round *= 2) {
    V t[lanes];
    FT_UNROLL for (int i = 0; i < lanes / 2; i++) {
      t[2 * i] = interleave_low(v[i], v[i + lanes / 2]);
      t[2 * i + 1] = interleave_high(v[i], v[i + lanes / 2]);
    }
    FT_UNROLL for (int i = 0; i < lanes; i++) v[i] = t[i];
  }
}

FT_OP vf sqrt(vf x) {
#if defined(FT_AVX512)
  return (vf)_mm512_sqrt_ps((__m512)x);
#elif defined(FT_AVX2)
  return (vf)_mm256_sqrt_ps((__m256)x);
#elif defined(__x86_64__)
  return (vf)_mm_sqrt_ps((__m128)x);
#else
  for (int i = 0; i < lanes; i++) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

// rint rounds to the nearest integer, halves to even; -0 stays.
FT_OP vf rint(vf x) {
#if defined(FT_AVX512)
  return (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(FT_AVX2)
  return (vf)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__aarch64__)
  return (vf)vrndnq_f32((float32x4_t)x);
#else
  // Adding and taking away 2^23 leaves no fraction; larger numbers have none.
  vf a = abs(x), r = (a + 0x1p23f) - 0x1p23f;
  r = a < 0x1p23f ? r : a;
  return float_of(bits_of(r) | (bits_of(x) & 0x80000000u));
#endif
}
FT_OP vf floor(vf x) {
  vf r = rint(x), down = r - 1.0f;
  return r > x ? down : r;
}
FT_OP vf ceil(vf x) { return -floor(-x); }

// power_of_two is 2^n for whole n in [-126, 127].
FT_OP vf power_of_two(vf n) { return float_of((vu)(__builtin_convertvector(n, vi) + 127) << 23); }

// scale is x * 2^n, rounded once, for |n| <= 252.
FT_OP vf scale(vf x, vf n) {
#if defined(FT_AVX512)
  return (vf)_mm512_scalef_ps((__m512)x, (__m512)n);
#else
  vf half = rint(n * 0.5f);
  return x * power_of_two(half) * power_of_two(n - half);
#endif
}

}  // namespace FT_ISA
}  // namespace ft

#include "native_math.h"
