// out[o, k, i] = fold of x[o, 0 … k, i], or x[o, k … n-1, i] in reverse: one
// thread per chunk of a line, floats in float. NaN wins in max and min.
#include "kernel.h"
#include "unary.h"
#include "unary_math.h"
#include "scan.h"

template <typename A>
METAL_FUNC A scan_start(uint op) {
  switch (op) {
    case SCAN_PROD: return A(1);
    case SCAN_MAX: return limits<A>::lowest();
    case SCAN_MIN: return limits<A>::highest();
    default: return A(0);
  }
}

template <typename A>
METAL_FUNC A scan_join(uint op, A a, A b) {
  typedef typename wrapping<A>::type W;
  switch (op) {
    case SCAN_SUM: return A(W(a) + W(b));
    case SCAN_PROD: return A(W(a) * W(b));
    case SCAN_MAX: return (a != a || a > b) ? a : b;
    default: return (a != a || a < b) ? a : b;
  }
}

template <typename T, typename A>
[[kernel]] void scan(
    device const T* x [[buffer(0)]],
    device const A* carry [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant ScanArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t r = at.x + uint64_t(grid.x) * at.y;
  if (r >= args.outer * args.chunks * args.inner) {
    return;
  }
  uint64_t i = r % args.inner, c = r / args.inner % args.chunks, o = r / args.inner / args.chunks;
  uint64_t begin = c * args.chunk, end = min(begin + args.chunk, args.n);
  uint64_t p = o * args.n * args.inner + i;
  A v = args.chunks > 1 ? carry[r] : scan_start<A>(args.op);
  for (uint64_t k = begin; k < end; k++) {
    uint64_t q = p + (args.reverse != 0 ? end - 1 - (k - begin) : k) * args.inner;
    A next = scan_join<A>(args.op, v, A(x[q]));
    out[q] = T(args.exclusive != 0 ? v : next);
    v = next;
  }
}

// logsumexp: the sum is kept relative to the largest element so far, so that
// its rounding errors stay small against the result.
template <typename T>
[[kernel]] void scan_logsumexp(
    device const T* x [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant ScanArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t line = at.x + uint64_t(grid.x) * at.y;
  if (line >= args.outer * args.inner) {
    return;
  }
  uint64_t p = line / args.inner * args.n * args.inner + line % args.inner;
  float top = -INFINITY, rest = 0.0f, v = -INFINITY; // v = top + log(1 + rest)
  for (uint64_t k = 0; k < args.n; k++) {
    uint64_t q = p + (args.reverse != 0 ? args.n - 1 - k : k) * args.inner;
    float e = float(x[q]), before = v;
    if (isnan(e) || isnan(top)) {
      top = NAN;
    } else if (top == -INFINITY || e == INFINITY) {
      top = e;
      rest = 0.0f;
    } else if (e > top) {
      rest = (rest + 1.0f) * precise::exp(top - e);
      top = e;
    } else if (top != INFINITY) {
      rest += precise::exp(e - top);
    }
    v = rest == 0.0f || isnan(top) ? top : top + log1p_float(rest);
    out[q] = T(args.exclusive != 0 ? before : v);
  }
}

// linear: out[k] = c[k] + w·out[k-1], from 0, with w = a[k], or a[k-1] if
// exclusive is set; in reverse k+1 stands for k-1. Gradients of scans are such
// recurrences: they neither divide nor leave the range of their terms.
template <int = 0>
[[kernel]] void scan_linear(
    device const float* a [[buffer(0)]],
    device const float* c [[buffer(1)]],
    device float* out [[buffer(2)]],
    constant ScanArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t line = at.x + uint64_t(grid.x) * at.y;
  if (line >= args.outer * args.inner) {
    return;
  }
  uint64_t p = line / args.inner * args.n * args.inner + line % args.inner;
  float v = 0.0f, carried = 0.0f;
  for (uint64_t k = 0; k < args.n; k++) {
    uint64_t q = p + (args.reverse != 0 ? args.n - 1 - k : k) * args.inner;
    float w = args.exclusive != 0 ? carried : a[q];
    v = k == 0 ? c[q] : c[q] + w * v;
    out[q] = v;
    carried = a[q];
  }
}

// clang-format off
instantiate_kernel("scan_f32", scan, float, float)
instantiate_kernel("scan_f16", scan, half, float)
instantiate_kernel("scan_bf16", scan, bfloat, float)
instantiate_kernel("scan_bool", scan, bool, bool)
instantiate_kernel("scan_u8", scan, uint8_t, uint8_t)
instantiate_kernel("scan_u16", scan, uint16_t, uint16_t)
instantiate_kernel("scan_u32", scan, uint32_t, uint32_t)
instantiate_kernel("scan_u64", scan, uint64_t, uint64_t)
instantiate_kernel("scan_i8", scan, int8_t, int8_t)
instantiate_kernel("scan_i16", scan, int16_t, int16_t)
instantiate_kernel("scan_i32", scan, int32_t, int32_t)
instantiate_kernel("scan_i64", scan, int64_t, int64_t)
instantiate_kernel("scan_logsumexp_f32", scan_logsumexp, float)
instantiate_kernel("scan_logsumexp_f16", scan_logsumexp, half)
instantiate_kernel("scan_logsumexp_bf16", scan_logsumexp, bfloat)
instantiate_kernel("scan_linear_f32", scan_linear, 0)
// clang-format on
