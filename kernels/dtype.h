// Element types by their names in kernels, and what a kernel asks of them.
#pragma once

typedef half float16_t;
typedef bfloat bfloat16_t;

// accum<T>::type is what sums of T are kept in: float for the floating-point
// types, T itself for integers.
template <typename T> struct accum { typedef T type; };
template <> struct accum<half> { typedef float type; };
template <> struct accum<bfloat> { typedef float type; };

// wrapping<T>::type is the unsigned type in which integers of type T are added
// and multiplied: overflow is defined there, and none is promoted to int. Floats
// are added as they are.
template <typename T> struct wrapping { typedef uint32_t type; };
template <> struct wrapping<float> { typedef float type; };
template <> struct wrapping<half> { typedef half type; };
template <> struct wrapping<bfloat> { typedef bfloat type; };
template <> struct wrapping<int64_t> { typedef uint64_t type; };
template <> struct wrapping<uint64_t> { typedef uint64_t type; };

// is_float<T>::value tells floating-point types from integers.
template <typename T> struct is_float { static constant constexpr bool value = false; };
template <> struct is_float<float> { static constant constexpr bool value = true; };
template <> struct is_float<half> { static constant constexpr bool value = true; };
template <> struct is_float<bfloat> { static constant constexpr bool value = true; };

// limits<T>: the ends of T's order, infinities for floats. They start max and
// min reductions.
template <typename T> struct limits {
  static METAL_FUNC T highest() { return numeric_limits<T>::max(); }
  static METAL_FUNC T lowest() { return numeric_limits<T>::lowest(); }
};
template <> struct limits<float> {
  static METAL_FUNC float highest() { return INFINITY; }
  static METAL_FUNC float lowest() { return -INFINITY; }
};
template <> struct limits<half> {
  static METAL_FUNC half highest() { return half(INFINITY); }
  static METAL_FUNC half lowest() { return half(-INFINITY); }
};
template <> struct limits<bfloat> {
  static METAL_FUNC bfloat highest() { return bfloat(INFINITY); }
  static METAL_FUNC bfloat lowest() { return bfloat(-INFINITY); }
};
template <> struct limits<bool> {
  static METAL_FUNC bool highest() { return true; }
  static METAL_FUNC bool lowest() { return false; }
};
