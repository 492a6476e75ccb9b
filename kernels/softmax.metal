// Rows of n elements, one threadgroup per row, statistics in float.
//   softmax:      out = exp(x - max) / sum exp(x - max)
//   softmax_vjp:  dx = y * (dy - sum(y * dy))
//   logsumexp:    out[row] = max + log sum exp(x - max)
// A row of -inf gives NaN in softmax and -inf in logsumexp, as in MLX.
#include "kernel.h"
#include "softmax.h"

struct row_stats {
  float top;
  float sum;
  bool nan;
};

// The maximum of a row and the sum of exponentials relative to it.
template <typename T>
METAL_FUNC row_stats softmax_stats(
    device const T* x, uint n, threadgroup float* scratch, uint tid, uint threads, uint lane, uint simdgroup, uint simdgroups) {
  float top = -INFINITY;
  bool nan = false;
  for (uint i = tid; i < n; i += threads) {
    float v = float(x[i]);
    nan = nan || isnan(v);
    top = max(top, v);
  }
  top = threadgroup_max(top, scratch, lane, simdgroup, simdgroups);
  nan = threadgroup_max(float(nan), scratch, lane, simdgroup, simdgroups) > 0.0f;
  float sum = 0.0f;
  for (uint i = tid; i < n; i += threads) {
    sum += precise::exp(float(x[i]) - top);
  }
  sum = threadgroup_sum(sum, scratch, lane, simdgroup, simdgroups);
  row_stats s = {top, sum, nan};
  return s;
}

template <typename T>
[[kernel]] void softmax(
    device const T* x [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant SoftmaxArgs& args [[buffer(2)]],
    uint row [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint threads [[threads_per_threadgroup]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]]) {
  shared_memory(float, scratch, [SIMD_SIZE]);
  uint64_t at = uint64_t(row) * args.n;
  row_stats s = softmax_stats<T>(x + at, args.n, scratch, tid, threads, lane, simdgroup, simdgroups);
  float scale = 1.0f / s.sum;
  for (uint i = tid; i < args.n; i += threads) {
    out[at + i] = T(precise::exp(float(x[at + i]) - s.top) * scale);
  }
}

template <typename T>
[[kernel]] void softmax_vjp(
    device const T* y [[buffer(0)]],
    device const T* dy [[buffer(1)]],
    device T* dx [[buffer(2)]],
    constant SoftmaxArgs& args [[buffer(3)]],
    uint row [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint threads [[threads_per_threadgroup]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]]) {
  shared_memory(float, scratch, [SIMD_SIZE]);
  uint64_t at = uint64_t(row) * args.n;
  float dot = 0.0f;
  for (uint i = tid; i < args.n; i += threads) {
    dot += float(y[at + i]) * float(dy[at + i]);
  }
  dot = threadgroup_sum(dot, scratch, lane, simdgroup, simdgroups);
  for (uint i = tid; i < args.n; i += threads) {
    dx[at + i] = T(float(y[at + i]) * (float(dy[at + i]) - dot));
  }
}

template <typename T>
[[kernel]] void logsumexp(
    device const T* x [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant SoftmaxArgs& args [[buffer(2)]],
    uint row [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint threads [[threads_per_threadgroup]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]]) {
  shared_memory(float, scratch, [SIMD_SIZE]);
  row_stats s = softmax_stats<T>(x + uint64_t(row) * args.n, args.n, scratch, tid, threads, lane, simdgroup, simdgroups);
  if (tid == 0) {
    out[row] = T(s.nan ? NAN : (isinf(s.top) ? s.top : s.top + precise::log(s.sum)));
  }
}

// clang-format off
#define instantiate_softmax(n, T)                   \
  instantiate_kernel("softmax_" #n, softmax, T)     \
  instantiate_kernel("softmax_vjp_" #n, softmax_vjp, T) \
  instantiate_kernel("softmax_logsumexp_" #n, logsumexp, T)
instantiate_softmax(f32, float)
instantiate_softmax(f16, half)
instantiate_softmax(bf16, bfloat)
// clang-format on
