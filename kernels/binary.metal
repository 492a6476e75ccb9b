// out[i] = f(a[i], b[i]) with f chosen by the args; a and b of any strides (0
// repeats an axis), out contiguous. Floats are computed in float and rounded
// once, integers in their own type, wrapping. Comparisons write bool.
#include "kernel.h"
#include "binary_math.h"

struct binary_place {
  int64_t a;
  int64_t b;
};

METAL_FUNC binary_place place_of(constant BinaryArgs& args, uint64_t i) {
  binary_place p = {args.aOffset, args.bOffset};
  for (int d = int(args.ndim) - 1; d > 0; d--) {
    uint64_t n = args.shape[d];
    int64_t k = int64_t(i % n);
    i /= n;
    p.a += k * args.aStrides[d];
    p.b += k * args.bStrides[d];
  }
  p.a += int64_t(i) * args.aStrides[0];
  p.b += int64_t(i) * args.bStrides[0];
  return p;
}

template <typename T>
[[kernel]] void binary_f(
    device const T* a [[buffer(0)]],
    device const T* b [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant BinaryArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    binary_place p = place_of(args, i);
    out[i] = T(binary_float(args.op, float(a[p.a]), float(b[p.b])));
  }
}

template <typename T>
METAL_FUNC T power_int(T a, T b) {
  if (b < T(0)) {
    return T(a == T(1) ? 1 : (a == T(-1) ? ((b & T(1)) ? -1 : 1) : 0));
  }
  typedef typename wrapping<T>::type W;
  W r = 1, square = W(a);
  while (b != T(0)) {
    if (b & T(1)) {
      r *= square;
    }
    square *= square;
    b = T(b >> 1);
  }
  return T(r);
}

template <typename T>
METAL_FUNC T remainder_int(T a, T b) {
  if (b == T(0)) {
    return T(0);
  }
  if (b < T(0) && b == T(-1)) {
    return T(0); // the quotient may not fit
  }
  T r = T(a % b);
  if (r != T(0) && (r < T(0)) != (b < T(0))) {
    r = T(r + b);
  }
  return r;
}

template <typename T>
METAL_FUNC T divide_int(T a, T b) {
  if (b == T(0)) {
    return T(0);
  }
  if (b < T(0) && b == T(-1)) {
    typedef typename wrapping<T>::type W;
    return T(W(0) - W(a));
  }
  return T(a / b);
}

template <typename T>
METAL_FUNC T binary_int(uint op, T a, T b) {
  typedef typename wrapping<T>::type W;
  switch (op) {
    case BINARY_ADD: return T(W(a) + W(b));
    case BINARY_SUBTRACT: return T(W(a) - W(b));
    case BINARY_MULTIPLY: return T(W(a) * W(b));
    case BINARY_FLOOR_DIVIDE: return divide_int<T>(a, b);
    case BINARY_REMAINDER: return remainder_int<T>(a, b);
    case BINARY_POWER: return power_int<T>(a, b);
    case BINARY_MAXIMUM: return a > b ? a : b;
    case BINARY_MINIMUM: return a < b ? a : b;
    case BINARY_BITWISE_AND: return T(a & b);
    case BINARY_BITWISE_OR: return T(a | b);
    case BINARY_BITWISE_XOR: return T(a ^ b);
    case BINARY_LEFT_SHIFT: return T(W(a) << b);
    default: return T(a >> b);
  }
}

template <typename T>
[[kernel]] void binary_i(
    device const T* a [[buffer(0)]],
    device const T* b [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant BinaryArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    binary_place p = place_of(args, i);
    out[i] = binary_int<T>(args.op, a[p.a], b[p.b]);
  }
}

// bool: sums and maxima are "or", products and minima "and".
template <int = 0>
[[kernel]] void binary_b(
    device const bool* a [[buffer(0)]],
    device const bool* b [[buffer(1)]],
    device bool* out [[buffer(2)]],
    constant BinaryArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= args.size) {
    return;
  }
  binary_place p = place_of(args, i);
  bool x = a[p.a], y = b[p.b], r = x || y;
  switch (args.op) {
    case BINARY_MULTIPLY: case BINARY_MINIMUM: case BINARY_LOGICAL_AND: case BINARY_BITWISE_AND: case BINARY_FLOOR_DIVIDE: r = x && y; break;
    case BINARY_SUBTRACT: case BINARY_BITWISE_XOR: case BINARY_NOT_EQUAL: r = x != y; break;
    case BINARY_EQUAL: r = x == y; break;
    case BINARY_LESS: r = !x && y; break;
    case BINARY_LESS_EQUAL: r = !x || y; break;
    case BINARY_GREATER: r = x && !y; break;
    case BINARY_GREATER_EQUAL: case BINARY_POWER: r = x || !y; break;
    case BINARY_REMAINDER: r = false; break;
    case BINARY_LEFT_SHIFT: r = x; break;
    case BINARY_RIGHT_SHIFT: r = x && !y; break;
    default: break;
  }
  out[i] = r;
}

template <typename T>
[[kernel]] void binary_compare(
    device const T* a [[buffer(0)]],
    device const T* b [[buffer(1)]],
    device bool* out [[buffer(2)]],
    constant BinaryArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= args.size) {
    return;
  }
  binary_place p = place_of(args, i);
  T x = a[p.a], y = b[p.b];
  bool r = x == y;
  switch (args.op) {
    case BINARY_NOT_EQUAL: r = x != y; break;
    case BINARY_LESS: r = x < y; break;
    case BINARY_LESS_EQUAL: r = x <= y; break;
    case BINARY_GREATER: r = x > y; break;
    case BINARY_GREATER_EQUAL: r = x >= y; break;
    default: break;
  }
  out[i] = r;
}

// clang-format off
instantiate_kernel("binary_f32", binary_f, float)
instantiate_kernel("binary_f16", binary_f, half)
instantiate_kernel("binary_bf16", binary_f, bfloat)
instantiate_kernel("binary_bool", binary_b, 0)
#define instantiate_int(n, T) \
  instantiate_kernel("binary_" #n, binary_i, T) \
  instantiate_kernel("binary_compare_" #n, binary_compare, T)
instantiate_int(u8, uint8_t)
instantiate_int(u16, uint16_t)
instantiate_int(u32, uint32_t)
instantiate_int(u64, uint64_t)
instantiate_int(i8, int8_t)
instantiate_int(i16, int16_t)
instantiate_int(i32, int32_t)
instantiate_int(i64, int64_t)
instantiate_kernel("binary_compare_f32", binary_compare, float)
instantiate_kernel("binary_compare_f16", binary_compare, half)
instantiate_kernel("binary_compare_bf16", binary_compare, bfloat)
// clang-format on
