// Metal's math, common, relational and integer functions on float, half and
// their vectors. Metal has them for no other type: a bfloat is converted to
// float first, and a call with one does not compile here either.
#pragma once

namespace metal {

#define FT_VEC1(name)                                                    \
  template <class T, int N> FT_INLINE vec<T, N> name(vec<T, N> a) {      \
    for (int i = 0; i < N; i++) a[i] = name(a[i]);                       \
    return a;                                                            \
  }
#define FT_MATH1(name, expr)                                             \
  FT_INLINE float name(float x) { return expr; }                         \
  FT_INLINE half name(half h) { return half(name(float(h))); }           \
  float name(bfloat) = delete;                                           \
  FT_VEC1(name)                                                          \
  namespace precise { using metal::name; }                               \
  namespace fast { using metal::name; }
#define FT_MATH2(name, expr)                                             \
  FT_INLINE float name(float x, float y) { return expr; }                \
  FT_INLINE half name(half x, half y) { return half(name(float(x), float(y))); } \
  float name(bfloat, bfloat) = delete;                                   \
  template <class T, int N>                                              \
  FT_INLINE vec<T, N> name(vec<T, N> a, vec<T, N> b) {                   \
    for (int i = 0; i < N; i++) a[i] = name(a[i], b[i]);                 \
    return a;                                                            \
  }                                                                      \
  namespace precise { using metal::name; }                               \
  namespace fast { using metal::name; }

// Integers come first: the vector forms below find them by name.
#define FT_INT template <class T, class = typename enable_if<is_integral_v<T>>::type> FT_INLINE
FT_INT T max(T a, T b) { return a > b ? a : b; }
FT_INT T min(T a, T b) { return a < b ? a : b; }
FT_INT T abs(T a) { return a < T(0) ? T(0 - a) : a; }

FT_MATH1(acos, __builtin_acosf(x))
FT_MATH1(acosh, __builtin_acoshf(x))
FT_MATH1(asin, __builtin_asinf(x))
FT_MATH1(asinh, __builtin_asinhf(x))
FT_MATH1(atan, __builtin_atanf(x))
FT_MATH1(atanh, __builtin_atanhf(x))
FT_MATH1(cos, __builtin_cosf(x))
FT_MATH1(cosh, __builtin_coshf(x))
FT_MATH1(sin, __builtin_sinf(x))
FT_MATH1(sinh, __builtin_sinhf(x))
FT_MATH1(tan, __builtin_tanf(x))
FT_MATH1(tanh, __builtin_tanhf(x))
FT_MATH1(exp, __builtin_expf(x))
FT_MATH1(exp2, __builtin_exp2f(x))
FT_MATH1(exp10, __builtin_powf(10.0f, x))
FT_MATH1(log, __builtin_logf(x))
FT_MATH1(log2, __builtin_log2f(x))
FT_MATH1(log10, __builtin_log10f(x))
FT_MATH1(sqrt, __builtin_sqrtf(x))
FT_MATH1(rsqrt, 1.0f / __builtin_sqrtf(x))
FT_MATH1(floor, __builtin_floorf(x))
FT_MATH1(ceil, __builtin_ceilf(x))
FT_MATH1(rint, __builtin_rintf(x))
FT_MATH1(round, __builtin_roundf(x))
FT_MATH1(trunc, __builtin_truncf(x))
FT_MATH1(fabs, __builtin_fabsf(x))
FT_MATH1(fract, x - __builtin_floorf(x))
FT_MATH1(sinpi, __builtin_sinf(x* M_PI_F))
FT_MATH1(cospi, __builtin_cosf(x* M_PI_F))
FT_MATH1(saturate, x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f)
FT_MATH1(sign, x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : (x == 0.0f ? x : 0.0f)))
FT_MATH2(atan2, __builtin_atan2f(x, y))
FT_MATH2(pow, __builtin_powf(x, y))
FT_MATH2(powr, x < 0.0f ? NAN : __builtin_powf(x, y))
FT_MATH2(fmod, __builtin_fmodf(x, y))
FT_MATH2(copysign, __builtin_copysignf(x, y))
FT_MATH2(fdim, x > y ? x - y : (x <= y ? 0.0f : x + y))
FT_MATH2(step, y < x ? 0.0f : 1.0f)
FT_MATH2(divide, x / y)
// One NaN operand yields the other operand.
FT_MATH2(fmax, (y != y || x > y) ? x : (x != x ? y : y))
FT_MATH2(fmin, (y != y || x < y) ? x : (x != x ? y : y))
FT_MATH2(max, (y != y || x > y) ? x : y)
FT_MATH2(min, (y != y || x < y) ? x : y)
#undef FT_MATH2

FT_MATH1(abs, __builtin_fabsf(x))
FT_INT T clamp(T x, T lo, T hi) { return min(max(x, lo), hi); }
FT_INLINE float clamp(float x, float lo, float hi) { return fmin(fmax(x, lo), hi); }
FT_INLINE half clamp(half x, half lo, half hi) { return fmin(fmax(x, lo), hi); }
template <class T, int N>
FT_INLINE vec<T, N> clamp(vec<T, N> x, identity_t<vec<T, N>> lo, identity_t<vec<T, N>> hi) {
  for (int i = 0; i < N; i++) x[i] = clamp(x[i], lo[i], hi[i]);
  return x;
}

FT_INLINE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
FT_INLINE half fma(half a, half b, half c) {
  return half(float(a) * float(b) + float(c));
}
template <class T, int N>
FT_INLINE vec<T, N> fma(vec<T, N> a, vec<T, N> b, vec<T, N> c) {
  for (int i = 0; i < N; i++) a[i] = fma(a[i], b[i], c[i]);
  return a;
}
namespace precise { using metal::fma; using metal::clamp; }
namespace fast { using metal::fma; using metal::clamp; }
FT_INLINE float mix(float a, float b, float t) { return a + (b - a) * t; }
FT_INLINE float smoothstep(float lo, float hi, float x) {
  float t = saturate((x - lo) / (hi - lo));
  return t * t * (3.0f - 2.0f * t);
}
FT_INLINE float ldexp(float x, int e) { return __builtin_ldexpf(x, e); }
FT_INLINE float frexp(float x, int& e) { return __builtin_frexpf(x, &e); }
FT_INLINE int ilogb(float x) { return __builtin_ilogbf(x); }
FT_INLINE float modf(float x, float& whole) { return __builtin_modff(x, &whole); }
FT_INLINE float sincos(float x, float& c) {
  c = __builtin_cosf(x);
  return __builtin_sinf(x);
}
FT_INLINE float nextafter(float x, float y) { return __builtin_nextafterf(x, y); }

// Relational functions work on the bits, so that no compiler option folds them.
FT_INLINE bool isnan(float x) { return (as_type<uint>(x) & 0x7fffffff) > 0x7f800000; }
FT_INLINE bool isinf(float x) { return (as_type<uint>(x) & 0x7fffffff) == 0x7f800000; }
FT_INLINE bool isfinite(float x) { return (as_type<uint>(x) & 0x7f800000) != 0x7f800000; }
FT_INLINE bool signbit(float x) { return as_type<uint>(x) >> 31; }
FT_INLINE bool isnan(half x) { return isnan(float(x)); }
FT_INLINE bool isinf(half x) { return isinf(float(x)); }
FT_INLINE bool isfinite(half x) { return isfinite(float(x)); }
FT_INLINE bool signbit(half x) { return signbit(float(x)); }
bool isnan(bfloat) = delete;
bool isinf(bfloat) = delete;
bool isfinite(bfloat) = delete;
bool signbit(bfloat) = delete;
template <class T> FT_INLINE T select(T a, T b, bool c) { return c ? b : a; }
template <class T, int N>
FT_INLINE vec<T, N> select(vec<T, N> a, vec<T, N> b, vec<bool, N> c) {
  for (int i = 0; i < N; i++) a[i] = c[i] ? b[i] : a[i];
  return a;
}

FT_INT T clz(T x) {
  ulong u = ulong(x) << (64 - 8 * sizeof(T));
  return T(u ? __builtin_clzl(u) : int(8 * sizeof(T)));
}
FT_INT T ctz(T x) { return T(x ? __builtin_ctzl(ulong(x)) : int(8 * sizeof(T))); }
FT_INT T popcount(T x) { return T(__builtin_popcountl(ulong(x) << (64 - 8 * sizeof(T)))); }
FT_INT T reverse_bits(T x) {
  T r = 0;
  for (uint i = 0; i < 8 * sizeof(T); i++) r = T(r | (((x >> i) & 1) << (8 * sizeof(T) - 1 - i)));
  return r;
}
FT_INLINE int mulhi(int a, int b) { return int((long(a) * long(b)) >> 32); }
FT_INLINE uint mulhi(uint a, uint b) { return uint((ulong(a) * ulong(b)) >> 32); }
FT_INLINE long mulhi(long a, long b) { return long((__int128(a) * __int128(b)) >> 64); }
FT_INLINE ulong mulhi(ulong a, ulong b) {
  return ulong(((unsigned __int128)(a) * (unsigned __int128)(b)) >> 64);
}
FT_INLINE int mad24(int a, int b, int c) { return a * b + c; }
FT_INLINE uint mad24(uint a, uint b, uint c) { return a * b + c; }
FT_INLINE int mul24(int a, int b) { return a * b; }
FT_INLINE uint mul24(uint a, uint b) { return a * b; }
template <class T> FT_INLINE T rotate(T x, T n) {
  constexpr uint bits = 8 * sizeof(T);
  ulong u = ulong(x) & (~0ul >> (64 - bits));
  uint k = uint(n) % bits;
  return T(k ? (u << k) | (u >> (bits - k)) : u);
}
// extract_bits repeats the field's top bit in signed types.
template <class T> FT_INLINE T extract_bits(T x, uint offset, uint bits) {
  if (bits == 0) return 0;
  constexpr uint width = 8 * sizeof(T);
  T up = T(ulong(x) << (width - bits - offset));
  return T(up >> (width - bits));
}
template <class T> FT_INLINE T insert_bits(T base, T x, uint offset, uint bits) {
  ulong mask = (bits >= 64 ? ~0ul : (1ul << bits) - 1) << offset;
  return T((ulong(base) & ~mask) | ((ulong(x) << offset) & mask));
}
FT_INT T absdiff(T a, T b) { return a > b ? T(a - b) : T(b - a); }
FT_INT T max3(T a, T b, T c) { return max(a, max(b, c)); }
FT_INT T min3(T a, T b, T c) { return min(a, min(b, c)); }
FT_INLINE float max3(float a, float b, float c) { return max(a, max(b, c)); }
FT_INLINE float min3(float a, float b, float c) { return min(a, min(b, c)); }
#undef FT_INT

template <int N> FT_INLINE float dot(vec<float, N> a, vec<float, N> b) {
  float s = a[0] * b[0];
  for (int i = 1; i < N; i++) s += a[i] * b[i];
  return s;
}
template <int N> FT_INLINE half dot(vec<half, N> a, vec<half, N> b) {
  half s = a[0] * b[0];
  for (int i = 1; i < N; i++) s += a[i] * b[i];
  return s;
}
template <int N> FT_INLINE float length(vec<float, N> a) { return sqrt(dot(a, a)); }
#undef FT_MATH1
#undef FT_VEC1

}  // namespace metal
