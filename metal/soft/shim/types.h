// Scalar types: half and bfloat with Metal's rounding (to nearest even), the
// short names of the integers, numeric limits and as_type.
#pragma once

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;

namespace metal {

template <bool C, class T = void> struct enable_if {};
template <class T> struct enable_if<true, T> { typedef T type; };
template <class A, class B> struct is_same { static constexpr bool value = false; };
template <class A> struct is_same<A, A> { static constexpr bool value = true; };
template <class A, class B> constexpr bool is_same_v = is_same<A, B>::value;
template <bool C, class A, class B> struct conditional { typedef A type; };
template <class A, class B> struct conditional<false, A, B> { typedef B type; };
template <bool C, class A, class B> using conditional_t = typename conditional<C, A, B>::type;

template <class T> struct is_integral { static constexpr bool value = false; };
#define FT_INTEGRAL(T) \
  template <> struct is_integral<T> { static constexpr bool value = true; };
FT_INTEGRAL(bool) FT_INTEGRAL(char) FT_INTEGRAL(signed char)
FT_INTEGRAL(unsigned char) FT_INTEGRAL(short) FT_INTEGRAL(unsigned short)
FT_INTEGRAL(int) FT_INTEGRAL(unsigned int) FT_INTEGRAL(long)
FT_INTEGRAL(unsigned long) FT_INTEGRAL(long long) FT_INTEGRAL(unsigned long long)
#undef FT_INTEGRAL
template <class T> constexpr bool is_integral_v = is_integral<T>::value;

template <typename To, typename From>
FT_INLINE To as_type(From x) {
  static_assert(sizeof(To) == sizeof(From), "as_type: sizes differ");
  return __builtin_bit_cast(To, x);
}

}  // namespace metal

namespace ft {

using metal::as_type;
template <class T> constexpr bool is_int = metal::is_integral<T>::value;

// Both conversions are free of branches, so that loops over them vectorise.
FT_INLINE float half_to_float(uint16_t h) {
  uint32_t em = uint32_t(h & 0x7fff) << 13;
  // Scaling by 2^112 moves the exponent's bias and makes subnormals normal.
  uint32_t finite = as_type<uint32_t>(as_type<float>(em) * 0x1p112f);
  uint32_t special = em | 0x7f800000u;
  uint32_t bits = em >= 0x0f800000u ? special : finite;
  return as_type<float>(bits | uint32_t(h & 0x8000) << 16);
}

FT_INLINE uint16_t float_to_half(float f) {
  uint32_t u = as_type<uint32_t>(f);
  uint32_t sign = (u >> 16) & 0x8000, a = u & 0x7fffffff;
  // Normal results: rebias, then round to nearest even in integers; a carry
  // runs into the exponent and, past the largest half, into infinity.
  uint32_t normal = (a - 0x38000000u + 0xfff + ((a >> 13) & 1)) >> 13;
  // Subnormal results: adding 0.5 makes the FPU round at the right bit.
  uint32_t tiny = as_type<uint32_t>(as_type<float>(a) + 0.5f) - 0x3f000000u;
  uint32_t nan = 0x7e00 | ((a >> 13) & 0x3ff);
  uint32_t h = a < 0x38800000u ? tiny : normal;
  h = a >= 0x47800000u ? 0x7c00u : h;
  h = a > 0x7f800000u ? nan : h;
  return uint16_t(h | sign);
}

FT_INLINE float bfloat_to_float(uint16_t b) { return as_type<float>(uint32_t(b) << 16); }

FT_INLINE uint16_t float_to_bfloat(float f) {
  uint32_t u = as_type<uint32_t>(f);
  uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  uint32_t nan = (u >> 16) | 0x40;
  return uint16_t((u & 0x7fffffff) > 0x7f800000u ? nan : rounded);
}

}  // namespace ft

// A 16-bit float stored as its bits. Arithmetic between two of them, or with
// an integer, rounds after each operation, as Metal's does; arithmetic with a
// float is float. There is no double in Metal, so none converts.
#define FT_FLOAT16(Name, Other, from, to)                                      \
  struct Name {                                                                \
    uint16_t bits;                                                             \
    Name() = default;                                                          \
    FT_INLINE Name(float f) : bits(ft::from(f)) {}                             \
    template <class I, class = typename metal::enable_if<ft::is_int<I>>::type> \
    FT_INLINE Name(I i) : bits(ft::from(float(i))) {}                          \
    Name(double) = delete;                                                     \
    explicit inline Name(Other o);                                             \
    FT_INLINE operator float() const { return ft::to(bits); }                  \
    FT_INLINE Name operator-() const { return raw(bits ^ 0x8000); }            \
    FT_INLINE Name operator+() const { return *this; }                         \
    static FT_INLINE Name raw(uint16_t b) {                                    \
      Name n;                                                                  \
      n.bits = b;                                                              \
      return n;                                                                \
    }                                                                          \
    FT_INLINE Name& operator++() { return *this = Name(float(*this) + 1.0f); } \
    FT_INLINE Name& operator--() { return *this = Name(float(*this) - 1.0f); } \
  };
#define FT_FLOAT16_OP(Name, op)                                                \
  FT_INLINE Name operator op(Name a, Name b) { return Name(float(a) op float(b)); } \
  FT_INLINE float operator op(Name a, float b) { return float(a) op b; }       \
  FT_INLINE float operator op(float a, Name b) { return a op float(b); }       \
  template <class I>                                                           \
  FT_INLINE typename metal::enable_if<ft::is_int<I>, Name>::type operator op(Name a, I b) { \
    return a op Name(b);                                                       \
  }                                                                            \
  template <class I>                                                           \
  FT_INLINE typename metal::enable_if<ft::is_int<I>, Name>::type operator op(I a, Name b) { \
    return Name(a) op b;                                                       \
  }                                                                            \
  template <class U> FT_INLINE Name& operator op##=(Name& a, U b) {            \
    return a = Name(a op b);                                                   \
  }
#define FT_FLOAT16_CMP(Name, op)                                               \
  FT_INLINE bool operator op(Name a, Name b) { return float(a) op float(b); }  \
  FT_INLINE bool operator op(Name a, float b) { return float(a) op b; }        \
  FT_INLINE bool operator op(float a, Name b) { return a op float(b); }        \
  template <class I>                                                           \
  FT_INLINE typename metal::enable_if<ft::is_int<I>, bool>::type operator op(Name a, I b) { \
    return a op Name(b);                                                       \
  }                                                                            \
  template <class I>                                                           \
  FT_INLINE typename metal::enable_if<ft::is_int<I>, bool>::type operator op(I a, Name b) { \
    return Name(a) op b;                                                       \
  }
#define FT_FLOAT16_OPS(Name)                                              \
  FT_FLOAT16_OP(Name, +) FT_FLOAT16_OP(Name, -) FT_FLOAT16_OP(Name, *)    \
  FT_FLOAT16_OP(Name, /) FT_FLOAT16_CMP(Name, ==) FT_FLOAT16_CMP(Name, !=) \
  FT_FLOAT16_CMP(Name, <) FT_FLOAT16_CMP(Name, <=) FT_FLOAT16_CMP(Name, >) \
  FT_FLOAT16_CMP(Name, >=)

struct bfloat;
FT_FLOAT16(half, bfloat, float_to_half, half_to_float)
FT_FLOAT16(bfloat, half, float_to_bfloat, bfloat_to_float)
FT_FLOAT16_OPS(half)
FT_FLOAT16_OPS(bfloat)
FT_INLINE half::half(bfloat o) : half(float(o)) {}
FT_INLINE bfloat::bfloat(half o) : bfloat(float(o)) {}
#undef FT_FLOAT16
#undef FT_FLOAT16_OP
#undef FT_FLOAT16_CMP
#undef FT_FLOAT16_OPS

namespace metal {

template <class T> struct is_floating_point {
  static constexpr bool value =
      is_same_v<T, float> || is_same_v<T, half> || is_same_v<T, bfloat>;
};
template <class T> constexpr bool is_floating_point_v = is_floating_point<T>::value;

template <class T> struct numeric_limits {
  static_assert(is_integral_v<T>, "numeric_limits: not a number");
  static constexpr bool is_signed = T(-1) < T(0);
  static constexpr T max() {
    return is_signed ? T((1ull << (sizeof(T) * 8 - 1)) - 1) : T(-1);
  }
  static constexpr T min() { return is_signed ? T(-max() - 1) : T(0); }
  static constexpr T lowest() { return min(); }
};
template <> struct numeric_limits<float> {
  static constexpr float max() { return __FLT_MAX__; }
  static constexpr float min() { return __FLT_MIN__; }
  static constexpr float lowest() { return -__FLT_MAX__; }
  static constexpr float epsilon() { return __FLT_EPSILON__; }
  static constexpr float infinity() { return __builtin_inff(); }
  static constexpr float quiet_NaN() { return __builtin_nanf(""); }
};
#define FT_LIMITS16(T, mx, mn, eps, inf, nan)                 \
  template <> struct numeric_limits<T> {                      \
    static FT_INLINE T max() { return T::raw(mx); }           \
    static FT_INLINE T min() { return T::raw(mn); }           \
    static FT_INLINE T lowest() { return T::raw(0x8000 | mx); } \
    static FT_INLINE T epsilon() { return T::raw(eps); }      \
    static FT_INLINE T infinity() { return T::raw(inf); }     \
    static FT_INLINE T quiet_NaN() { return T::raw(nan); }    \
  };
FT_LIMITS16(half, 0x7bff, 0x0400, 0x1400, 0x7c00, 0x7e00)
FT_LIMITS16(bfloat, 0x7f7f, 0x0080, 0x3c00, 0x7f80, 0x7fc0)
#undef FT_LIMITS16

}  // namespace metal

#define INFINITY (__builtin_inff())
#define NAN (__builtin_nanf(""))
#define FLT_MAX __FLT_MAX__
#define FLT_MIN __FLT_MIN__
#define FLT_EPSILON __FLT_EPSILON__
#define MAXFLOAT __FLT_MAX__
#define M_E_F 2.71828182845904523536f
#define M_LOG2E_F 1.44269504088896340736f
#define M_LOG10E_F 0.43429448190325182765f
#define M_LN2_F 0.69314718055994530942f
#define M_LN10_F 2.30258509299404568402f
#define M_PI_F 3.14159265358979323846f
#define M_PI_2_F 1.57079632679489661923f
#define M_PI_4_F 0.78539816339744830962f
#define M_1_PI_F 0.31830988618379067154f
#define M_2_PI_F 0.63661977236758134308f
#define M_2_SQRTPI_F 1.12837916709551257390f
#define M_SQRT2_F 1.41421356237309504880f
#define M_SQRT1_2_F 0.70710678118654752440f
