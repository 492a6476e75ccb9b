// Address spaces, scalar and vector types of Metal as clang types. half and
// bfloat are clang's two 16-bit floats of AArch64: distinct from each other and
// from float, so that overloads for one of them alone can be told apart.
#pragma once

#define METAL_FUNC inline

#define device __attribute__((address_space(1)))
#define constant const __attribute__((address_space(2)))
#define threadgroup __attribute__((address_space(3)))
// A pointer without an address space points to thread memory in C++; in Metal
// it is an error, which the token rules report.
#define thread

typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long int64_t;
typedef unsigned long uint64_t;
typedef unsigned long size_t;
typedef long ptrdiff_t;
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef _Float16 half;
typedef __fp16 bfloat;

#define LINT_VECTORS(T)                                                       \
  typedef T T##2 __attribute__((ext_vector_type(2)));                         \
  typedef T T##3 __attribute__((ext_vector_type(3)));                         \
  typedef T T##4 __attribute__((ext_vector_type(4)));                         \
  typedef T packed_##T##2 __attribute__((ext_vector_type(2), aligned(sizeof(T)))); \
  typedef T packed_##T##3 __attribute__((ext_vector_type(3), aligned(sizeof(T)))); \
  typedef T packed_##T##4 __attribute__((ext_vector_type(4), aligned(sizeof(T))));
LINT_VECTORS(float) LINT_VECTORS(half) LINT_VECTORS(bfloat) LINT_VECTORS(char)
LINT_VECTORS(uchar) LINT_VECTORS(short) LINT_VECTORS(ushort) LINT_VECTORS(int)
LINT_VECTORS(uint) LINT_VECTORS(long) LINT_VECTORS(ulong)
#undef LINT_VECTORS
// Comparisons of vectors yield vectors of integers in clang.
typedef int bool2 __attribute__((ext_vector_type(2)));
typedef int bool3 __attribute__((ext_vector_type(3)));
typedef int bool4 __attribute__((ext_vector_type(4)));

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
#define LINT_INTEGRAL(T) \
  template <> struct is_integral<T> { static constexpr bool value = true; };
LINT_INTEGRAL(bool) LINT_INTEGRAL(char) LINT_INTEGRAL(signed char) LINT_INTEGRAL(uchar)
LINT_INTEGRAL(short) LINT_INTEGRAL(ushort) LINT_INTEGRAL(int) LINT_INTEGRAL(uint)
LINT_INTEGRAL(long) LINT_INTEGRAL(ulong)
#undef LINT_INTEGRAL
template <class T> constexpr bool is_integral_v = is_integral<T>::value;
template <class T> constexpr bool is_floating_point_v =
    is_same_v<T, float> || is_same_v<T, half> || is_same_v<T, bfloat>;
template <class T> struct is_floating_point {
  static constexpr bool value = is_floating_point_v<T>;
};

template <class T, int N> using vec = T __attribute__((ext_vector_type(N)));

// identity<T> keeps a parameter out of template argument deduction.
template <class T> struct identity { typedef T type; };
template <class T> using identity_t = typename identity<T>::type;

template <class To, class From> inline To as_type(From) {
  static_assert(sizeof(To) == sizeof(From), "as_type: sizes differ");
  return To();
}

template <class T> struct numeric_limits {
  static constexpr bool is_signed = T(-1) < T(0);
  static constexpr T max();
  static constexpr T min();
  static constexpr T lowest();
  static constexpr T epsilon();
  static constexpr T infinity();
  static constexpr T quiet_NaN();
};

}  // namespace metal

namespace lint {

template <class A> struct width { static constexpr int value = 1; };
template <class T> struct width<metal::vec<T, 2>> { static constexpr int value = 2; };
template <class T> struct width<metal::vec<T, 3>> { static constexpr int value = 3; };
template <class T> struct width<metal::vec<T, 4>> { static constexpr int value = 4; };
template <class... A> struct total { static constexpr int value = 0; };
template <class H, class... A> struct total<H, A...> {
  static constexpr int value = width<H>::value + total<A...>::value;
};

// make is the constructor of vectors, which clang has in OpenCL only.
template <class V, class... A> inline V make(A...) {
  static_assert(total<A...>::value == width<V>::value || total<A...>::value == 1,
                "a vector takes one scalar, or as many components as it has");
  return V();
}

}  // namespace lint

#define float2(...) lint::make<float2>(__VA_ARGS__)
#define float3(...) lint::make<float3>(__VA_ARGS__)
#define float4(...) lint::make<float4>(__VA_ARGS__)
#define half2(...) lint::make<half2>(__VA_ARGS__)
#define half3(...) lint::make<half3>(__VA_ARGS__)
#define half4(...) lint::make<half4>(__VA_ARGS__)
#define bfloat2(...) lint::make<bfloat2>(__VA_ARGS__)
#define bfloat3(...) lint::make<bfloat3>(__VA_ARGS__)
#define bfloat4(...) lint::make<bfloat4>(__VA_ARGS__)
#define char2(...) lint::make<char2>(__VA_ARGS__)
#define char3(...) lint::make<char3>(__VA_ARGS__)
#define char4(...) lint::make<char4>(__VA_ARGS__)
#define uchar2(...) lint::make<uchar2>(__VA_ARGS__)
#define uchar3(...) lint::make<uchar3>(__VA_ARGS__)
#define uchar4(...) lint::make<uchar4>(__VA_ARGS__)
#define short2(...) lint::make<short2>(__VA_ARGS__)
#define short3(...) lint::make<short3>(__VA_ARGS__)
#define short4(...) lint::make<short4>(__VA_ARGS__)
#define ushort2(...) lint::make<ushort2>(__VA_ARGS__)
#define ushort3(...) lint::make<ushort3>(__VA_ARGS__)
#define ushort4(...) lint::make<ushort4>(__VA_ARGS__)
#define int2(...) lint::make<int2>(__VA_ARGS__)
#define int3(...) lint::make<int3>(__VA_ARGS__)
#define int4(...) lint::make<int4>(__VA_ARGS__)
#define uint2(...) lint::make<uint2>(__VA_ARGS__)
#define uint3(...) lint::make<uint3>(__VA_ARGS__)
#define uint4(...) lint::make<uint4>(__VA_ARGS__)
#define long2(...) lint::make<long2>(__VA_ARGS__)
#define long3(...) lint::make<long3>(__VA_ARGS__)
#define long4(...) lint::make<long4>(__VA_ARGS__)
#define ulong2(...) lint::make<ulong2>(__VA_ARGS__)
#define ulong3(...) lint::make<ulong3>(__VA_ARGS__)
#define ulong4(...) lint::make<ulong4>(__VA_ARGS__)
#define bool2(...) lint::make<bool2>(__VA_ARGS__)
#define bool3(...) lint::make<bool3>(__VA_ARGS__)
#define bool4(...) lint::make<bool4>(__VA_ARGS__)

#define INFINITY (__builtin_inff())
#define NAN (__builtin_nanf(""))
#define FLT_MAX 3.402823466e38f
#define FLT_MIN 1.175494351e-38f
#define FLT_EPSILON 1.192092896e-7f
#define MAXFLOAT FLT_MAX
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
