// out[o, c, i] = fold of x[o, c*chunk … , i]: one thread per result, in the
// order of the elements, floats in float. NaN wins in max and min.
#include "kernel.h"
#include "reduce.h"

template <typename A>
METAL_FUNC A reduce_start(uint op) {
  switch (op) {
    case REDUCE_PROD: return A(1);
    case REDUCE_MAX: return limits<A>::lowest();
    case REDUCE_MIN: return limits<A>::highest();
    case REDUCE_ALL: return A(1);
    default: return A(0);
  }
}

template <typename A>
METAL_FUNC A reduce_join(uint op, A a, A b) {
  typedef typename wrapping<A>::type W;
  switch (op) {
    case REDUCE_SUM: return A(W(a) + W(b));
    case REDUCE_PROD: return A(W(a) * W(b));
    case REDUCE_MAX: return (a != a || a > b) ? a : b;
    case REDUCE_MIN: return (a != a || a < b) ? a : b;
    case REDUCE_ALL: return A(a != A(0) && b != A(0));
    default: return A(a != A(0) || b != A(0));
  }
}

template <typename T, typename U, typename A>
[[kernel]] void reduce(
    device const T* x [[buffer(0)]],
    device U* out [[buffer(1)]],
    constant ReduceArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t r = at.x + uint64_t(grid.x) * at.y;
  if (r >= args.outer * args.chunks * args.inner) {
    return;
  }
  uint64_t i = r % args.inner, c = r / args.inner % args.chunks, o = r / args.inner / args.chunks;
  uint64_t begin = c * args.chunk, end = min(begin + args.chunk, args.reduce);
  A v = reduce_start<A>(args.op);
  device const T* p = x + (o * args.reduce + begin) * args.inner + i;
  for (uint64_t k = begin; k < end; k++) {
    v = reduce_join<A>(args.op, v, A(*p));
    p += args.inner;
  }
  out[r] = U(v);
}

// reduce_narrow: out[o] = sum of x[o, …], rounded to T after every addition, as
// MLX's CPU backend does.
template <typename T>
[[kernel]] void reduce_narrow(
    device const T* x [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant ReduceArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t o = at.x + uint64_t(grid.x) * at.y;
  if (o < args.outer) {
    T sum = T(0);
    for (uint64_t k = 0; k < args.reduce; k++) {
      sum = T(float(sum) + float(x[o * args.reduce + k]));
    }
    out[o] = sum;
  }
}

// arg_reduce: the index of the first extreme element; NaN is passed over.
template <typename T>
[[kernel]] void arg_reduce(
    device const T* x [[buffer(0)]],
    device uint* out [[buffer(1)]],
    constant ReduceArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t r = at.x + uint64_t(grid.x) * at.y;
  if (r >= args.outer * args.inner) {
    return;
  }
  uint64_t i = r % args.inner, o = r / args.inner;
  device const T* p = x + o * args.reduce * args.inner + i;
  T best = args.op == REDUCE_ARGMAX ? limits<T>::lowest() : limits<T>::highest();
  uint found = 0;
  for (uint64_t k = 0; k < args.reduce; k++) {
    T v = p[k * args.inner];
    if (args.op == REDUCE_ARGMAX ? v > best : v < best) {
      best = v;
      found = uint(k);
    }
  }
  out[r] = found;
}

// clang-format off
#define instantiate_reduce(n, T, A)                                  \
  instantiate_kernel("reduce_" #n, reduce, T, T, A)                  \
  instantiate_kernel("reduce_arg_" #n, arg_reduce, T)
instantiate_reduce(f32, float, float)
instantiate_reduce(f16, half, float)
instantiate_reduce(bf16, bfloat, float)
instantiate_reduce(bool, bool, bool)
instantiate_reduce(u8, uint8_t, uint8_t)
instantiate_reduce(u16, uint16_t, uint16_t)
instantiate_reduce(u32, uint32_t, uint32_t)
instantiate_reduce(u64, uint64_t, uint64_t)
instantiate_reduce(i8, int8_t, int8_t)
instantiate_reduce(i16, int16_t, int16_t)
instantiate_reduce(i32, int32_t, int32_t)
instantiate_reduce(i64, int64_t, int64_t)
// Partial results of 16-bit floats stay in float.
instantiate_kernel("reduce_partial_f16", reduce, half, float, float)
instantiate_kernel("reduce_partial_bf16", reduce, bfloat, float, float)
instantiate_kernel("reduce_join_f16", reduce, float, half, float)
instantiate_kernel("reduce_join_bf16", reduce, float, bfloat, float)
instantiate_kernel("reduce_narrow_f32", reduce_narrow, float)
instantiate_kernel("reduce_narrow_f16", reduce_narrow, half)
instantiate_kernel("reduce_narrow_bf16", reduce_narrow, bfloat)
// clang-format on
