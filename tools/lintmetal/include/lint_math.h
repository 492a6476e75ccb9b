// Metal's math, common, relational and integer functions. They exist for float,
// half and their vectors; a bfloat is refused, and there is no erf, expm1,
// log1p or lgamma.
#pragma once

namespace metal {

#define LINT_MATH(name, ...)                                                \
  float name(LINT_##__VA_ARGS__(float));                                    \
  half name(LINT_##__VA_ARGS__(half));                                      \
  bfloat name(LINT_##__VA_ARGS__(bfloat)) = delete;                         \
  template <int N> vec<float, N> name(LINT_##__VA_ARGS__(LINT_VEC(float, N))); \
  template <int N> vec<half, N> name(LINT_##__VA_ARGS__(LINT_VEC(half, N)));  \
  namespace precise { using metal::name; }                                  \
  namespace fast { using metal::name; }
#define LINT_VEC(T, N) vec<T COMMA N>
#define COMMA ,
#define LINT_1(...) __VA_ARGS__
#define LINT_2(...) __VA_ARGS__, __VA_ARGS__
#define LINT_3(...) __VA_ARGS__, __VA_ARGS__, __VA_ARGS__

LINT_MATH(acos, 1) LINT_MATH(acosh, 1) LINT_MATH(asin, 1) LINT_MATH(asinh, 1)
LINT_MATH(atan, 1) LINT_MATH(atanh, 1) LINT_MATH(cos, 1) LINT_MATH(cosh, 1)
LINT_MATH(sin, 1) LINT_MATH(sinh, 1) LINT_MATH(tan, 1) LINT_MATH(tanh, 1)
LINT_MATH(exp, 1) LINT_MATH(exp2, 1) LINT_MATH(exp10, 1) LINT_MATH(log, 1)
LINT_MATH(log2, 1) LINT_MATH(log10, 1) LINT_MATH(sqrt, 1) LINT_MATH(rsqrt, 1)
LINT_MATH(floor, 1) LINT_MATH(ceil, 1) LINT_MATH(rint, 1) LINT_MATH(round, 1)
LINT_MATH(trunc, 1) LINT_MATH(fabs, 1) LINT_MATH(fract, 1) LINT_MATH(sinpi, 1)
LINT_MATH(cospi, 1) LINT_MATH(saturate, 1) LINT_MATH(sign, 1)
LINT_MATH(atan2, 2) LINT_MATH(pow, 2) LINT_MATH(powr, 2) LINT_MATH(fmod, 2)
LINT_MATH(copysign, 2) LINT_MATH(fdim, 2) LINT_MATH(step, 2) LINT_MATH(divide, 2)
LINT_MATH(fmax, 2) LINT_MATH(fmin, 2) LINT_MATH(max, 2) LINT_MATH(min, 2)
LINT_MATH(abs, 1) LINT_MATH(fma, 3) LINT_MATH(clamp, 3) LINT_MATH(mix, 3)
LINT_MATH(smoothstep, 3) LINT_MATH(max3, 3) LINT_MATH(min3, 3)
#undef LINT_MATH
#undef LINT_VEC
#undef COMMA
#undef LINT_1
#undef LINT_2
#undef LINT_3

float ldexp(float, int);
float frexp(float, thread int&);
int ilogb(float);
float modf(float, thread float&);
float sincos(float, thread float&);
float nextafter(float, float);

#define LINT_INT template <class T, class = typename enable_if<is_integral_v<T>>::type>
LINT_INT T max(T, T);
LINT_INT T min(T, T);
LINT_INT T abs(T);
LINT_INT T clamp(T, T, T);
LINT_INT T clz(T);
LINT_INT T ctz(T);
LINT_INT T popcount(T);
LINT_INT T reverse_bits(T);
LINT_INT T rotate(T, T);
LINT_INT T extract_bits(T, uint, uint);
LINT_INT T insert_bits(T, T, uint, uint);
LINT_INT T absdiff(T, T);
LINT_INT T max3(T, T, T);
LINT_INT T min3(T, T, T);
LINT_INT T mulhi(T, T);
#undef LINT_INT
int mad24(int, int, int);
uint mad24(uint, uint, uint);
int mul24(int, int);
uint mul24(uint, uint);

#define LINT_INT_VEC(T)                                             \
  template <int N> vec<T, N> max(vec<T, N>, vec<T, N>);             \
  template <int N> vec<T, N> min(vec<T, N>, vec<T, N>);             \
  template <int N> vec<T, N> clamp(vec<T, N>, vec<T, N>, vec<T, N>); \
  template <int N> bool all(vec<T, N>);                             \
  template <int N> bool any(vec<T, N>);
LINT_INT_VEC(int) LINT_INT_VEC(uint) LINT_INT_VEC(short) LINT_INT_VEC(ushort)
LINT_INT_VEC(char) LINT_INT_VEC(uchar) LINT_INT_VEC(long) LINT_INT_VEC(ulong)
#undef LINT_INT_VEC

#define LINT_TEST(name)         \
  bool name(float);             \
  bool name(half);              \
  bool name(bfloat) = delete;
LINT_TEST(isnan) LINT_TEST(isinf) LINT_TEST(isfinite) LINT_TEST(signbit)
#undef LINT_TEST

template <class T> T select(T, T, bool);
template <class T, class B, int N> vec<T, N> select(vec<T, N>, vec<T, N>, vec<B, N>);
template <int N> float dot(vec<float, N>, vec<float, N>);
template <int N> half dot(vec<half, N>, vec<half, N>);
template <int N> float length(vec<float, N>);

}  // namespace metal
