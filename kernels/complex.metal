// Complex numbers, as pairs of floats: elementwise functions, sums and products,
// conversions. Operands of any strides, one thread per element of the result,
// which is contiguous but for copies.
//   complex_unary    out[i] = f(x[i])
//   complex_part     out[i] = |x[i]|, or a part of x[i], as a float
//   complex_predicate out[i] = whether x[i] is NaN, infinite, finite, zero
//   complex_binary   out[i] = f(a[i], b[i])
//   complex_compare  out[i] = whether a[i] and b[i] are in that order
//   complex_join     out[i] = a[i] + i·b[i] of floats
//   complex_reduce   out[o, i] = fold of x[o, …, i], in the order of the elements
//   complex_copy     out[i] = x[i] in another type; a real one takes the real part
#include "kernel.h"
#include "complex_math.h"
#include "copy.h"
#include "reduce.h"

METAL_FUNC int64_t complex_place(constant int64_t* strides, constant uint32_t* shape, uint32_t ndim, int64_t offset, uint64_t i) {
  for (int d = int(ndim) - 1; d > 0; d--) {
    uint64_t n = shape[d];
    offset += int64_t(i % n) * strides[d];
    i /= n;
  }
  return offset + int64_t(i) * strides[0];
}

template <int = 0>
[[kernel]] void complex_unary_kernel(
    device const float2* x [[buffer(0)]],
    device float2* out [[buffer(1)]],
    constant UnaryArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    out[i] = complex_unary(args.op, x[complex_place(args.strides, args.shape, args.ndim, args.offset, i)]);
  }
}

template <int = 0>
[[kernel]] void complex_part(
    device const float2* x [[buffer(0)]],
    device float* out [[buffer(1)]],
    constant UnaryArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    float2 z = x[complex_place(args.strides, args.shape, args.ndim, args.offset, i)];
    out[i] = args.op == COMPLEX_REAL ? z.x : (args.op == COMPLEX_IMAG ? z.y : complex_abs(z));
  }
}

template <int = 0>
[[kernel]] void complex_predicate(
    device const float2* x [[buffer(0)]],
    device bool* out [[buffer(1)]],
    constant UnaryArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    float2 z = x[complex_place(args.strides, args.shape, args.ndim, args.offset, i)];
    bool r = complex_is_nan(z);
    if (args.op == UNARY_IS_INF) {
      r = isinf(z.x) || isinf(z.y);
    } else if (args.op == UNARY_IS_FINITE) {
      r = isfinite(z.x) && isfinite(z.y);
    }
    out[i] = r;
  }
}

template <int = 0>
[[kernel]] void complex_binary_kernel(
    device const float2* a [[buffer(0)]],
    device const float2* b [[buffer(1)]],
    device float2* out [[buffer(2)]],
    constant BinaryArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    out[i] = complex_binary(args.op, a[complex_place(args.aStrides, args.shape, args.ndim, args.aOffset, i)],
                            b[complex_place(args.bStrides, args.shape, args.ndim, args.bOffset, i)]);
  }
}

template <int = 0>
[[kernel]] void complex_compare_kernel(
    device const float2* a [[buffer(0)]],
    device const float2* b [[buffer(1)]],
    device bool* out [[buffer(2)]],
    constant BinaryArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    out[i] = complex_compare(args.op, a[complex_place(args.aStrides, args.shape, args.ndim, args.aOffset, i)],
                             b[complex_place(args.bStrides, args.shape, args.ndim, args.bOffset, i)]);
  }
}

template <int = 0>
[[kernel]] void complex_join(
    device const float* a [[buffer(0)]],
    device const float* b [[buffer(1)]],
    device float2* out [[buffer(2)]],
    constant BinaryArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    out[i] = float2(a[complex_place(args.aStrides, args.shape, args.ndim, args.aOffset, i)],
                    b[complex_place(args.bStrides, args.shape, args.ndim, args.bOffset, i)]);
  }
}

template <int = 0>
[[kernel]] void complex_reduce(
    device const float2* x [[buffer(0)]],
    device float2* out [[buffer(1)]],
    constant ReduceArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t r = at.x + uint64_t(grid.x) * at.y;
  if (r >= args.outer * args.chunks * args.inner) {
    return;
  }
  uint64_t i = r % args.inner, c = r / args.inner % args.chunks, o = r / args.inner / args.chunks;
  uint64_t begin = c * args.chunk, end = min(begin + args.chunk, args.reduce);
  device const float2* p = x + (o * args.reduce + begin) * args.inner + i;
  float2 v = float2(args.op == REDUCE_PROD ? 1.0f : 0.0f, 0.0f);
  if (args.op != REDUCE_SUM && args.op != REDUCE_PROD && begin < end) {
    v = *p;
  }
  for (uint64_t k = begin; k < end; k++) {
    switch (args.op) {
      case REDUCE_SUM: v = v + *p; break;
      case REDUCE_PROD: v = complex_multiply(v, *p); break;
      case REDUCE_MAX: v = complex_maximum(v, *p); break;
      default: v = complex_minimum(v, *p); break;
    }
    p += args.inner;
  }
  out[r] = v;
}

template <typename T>
struct complex_cast {
  METAL_FUNC static float2 from(T x) { return float2(float(x), 0.0f); }
  METAL_FUNC static T to(float2 z) { return T(z.x); }
};
template <>
struct complex_cast<float2> {
  METAL_FUNC static float2 from(float2 z) { return z; }
  METAL_FUNC static float2 to(float2 z) { return z; }
};
template <>
struct complex_cast<bool> {
  METAL_FUNC static float2 from(bool x) { return float2(x ? 1.0f : 0.0f, 0.0f); }
  METAL_FUNC static bool to(float2 z) { return z.x != 0.0f; }
};

template <typename T, typename U>
[[kernel]] void complex_copy(
    device const T* x [[buffer(0)]],
    device U* out [[buffer(1)]],
    constant CopyArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    T v = x[complex_place(args.srcStrides, args.shape, args.ndim, args.srcOffset, i)];
    out[complex_place(args.dstStrides, args.shape, args.ndim, args.dstOffset, i)] = complex_cast<U>::to(complex_cast<T>::from(v));
  }
}

// clang-format off
instantiate_kernel("complex_unary_c64", complex_unary_kernel, 0)
instantiate_kernel("complex_part_c64", complex_part, 0)
instantiate_kernel("complex_predicate_c64", complex_predicate, 0)
instantiate_kernel("complex_binary_c64", complex_binary_kernel, 0)
instantiate_kernel("complex_compare_c64", complex_compare_kernel, 0)
instantiate_kernel("complex_join_f32", complex_join, 0)
instantiate_kernel("complex_reduce_c64", complex_reduce, 0)
instantiate_kernel("complex_copy_c64_c64", complex_copy, float2, float2)
#define instantiate_complex_copy(n, T) \
  instantiate_kernel("complex_copy_" #n "_c64", complex_copy, T, float2) \
  instantiate_kernel("complex_copy_c64_" #n, complex_copy, float2, T)
instantiate_complex_copy(bool, bool)
instantiate_complex_copy(u8, uint8_t)
instantiate_complex_copy(u16, uint16_t)
instantiate_complex_copy(u32, uint32_t)
instantiate_complex_copy(u64, uint64_t)
instantiate_complex_copy(i8, int8_t)
instantiate_complex_copy(i16, int16_t)
instantiate_complex_copy(i32, int32_t)
instantiate_complex_copy(i64, int64_t)
instantiate_complex_copy(f16, half)
instantiate_complex_copy(bf16, bfloat)
instantiate_complex_copy(f32, float)
// clang-format on
