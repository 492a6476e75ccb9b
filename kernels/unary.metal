// out[i] = f(x[i]) with f chosen by the args, x of any strides, out contiguous.
// Floats are computed in float and rounded once; integers in their own type.
#include "kernel.h"
#include "unary_math.h"

METAL_FUNC int64_t unary_place(constant UnaryArgs& args, uint64_t i) {
  int64_t at = args.offset;
  for (int d = int(args.ndim) - 1; d > 0; d--) {
    uint64_t n = args.shape[d];
    at += int64_t(i % n) * args.strides[d];
    i /= n;
  }
  return at + int64_t(i) * args.strides[0];
}

template <typename T>
[[kernel]] void unary_f(
    device const T* x [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant UnaryArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    out[i] = T(unary_float(args.op, float(x[unary_place(args, i)])));
  }
}

template <typename T>
[[kernel]] void unary_i(
    device const T* x [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant UnaryArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= args.size) {
    return;
  }
  typedef typename wrapping<T>::type W;
  T v = x[unary_place(args, i)];
  switch (args.op) {
    case UNARY_ABS: v = v < T(0) ? T(W(0) - W(v)) : v; break;
    case UNARY_NEGATIVE: v = T(W(0) - W(v)); break;
    case UNARY_SIGN: v = T(T(v > T(0)) - T(v < T(0))); break;
    case UNARY_SQUARE: v = T(W(v) * W(v)); break;
    case UNARY_BITWISE_INVERT: v = T(~v); break;
    default: break; // floor, ceil, round
  }
  out[i] = v;
}

template <int = 0>
[[kernel]] void unary_b(
    device const bool* x [[buffer(0)]],
    device bool* out [[buffer(1)]],
    constant UnaryArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    bool v = x[unary_place(args, i)];
    out[i] = (args.op == UNARY_LOGICAL_NOT || args.op == UNARY_BITWISE_INVERT) ? !v : v;
  }
}

template <typename T>
[[kernel]] void unary_predicate(
    device const T* x [[buffer(0)]],
    device bool* out [[buffer(1)]],
    constant UnaryArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= args.size) {
    return;
  }
  float v = float(x[unary_place(args, i)]);
  bool r = isnan(v);
  switch (args.op) {
    case UNARY_IS_INF: r = isinf(v); break;
    case UNARY_IS_FINITE: r = isfinite(v); break;
    case UNARY_IS_POS_INF: r = isinf(v) && v > 0.0f; break;
    case UNARY_IS_NEG_INF: r = isinf(v) && v < 0.0f; break;
    default: break;
  }
  out[i] = r;
}

// clang-format off
instantiate_kernel("unary_f32", unary_f, float)
instantiate_kernel("unary_f16", unary_f, half)
instantiate_kernel("unary_bf16", unary_f, bfloat)
instantiate_kernel("unary_u8", unary_i, uint8_t)
instantiate_kernel("unary_u16", unary_i, uint16_t)
instantiate_kernel("unary_u32", unary_i, uint32_t)
instantiate_kernel("unary_u64", unary_i, uint64_t)
instantiate_kernel("unary_i8", unary_i, int8_t)
instantiate_kernel("unary_i16", unary_i, int16_t)
instantiate_kernel("unary_i32", unary_i, int32_t)
instantiate_kernel("unary_i64", unary_i, int64_t)
instantiate_kernel("unary_bool", unary_b, 0)
instantiate_kernel("unary_predicate_f32", unary_predicate, float)
instantiate_kernel("unary_predicate_f16", unary_predicate, half)
instantiate_kernel("unary_predicate_bf16", unary_predicate, bfloat)
// clang-format on
