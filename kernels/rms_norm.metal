// x [rows, n], w [n] -> out = x * r * w, r = rsqrt(mean(x^2) + eps), statistics
// in float. One threadgroup per row.
//   vjp: dx = r * (g*w - x * r^2 * mean(g*w*x)), and per block of rows the
//   partial dw[block, n] = sum of g * x * r, which a reduction joins.
#include "kernel.h"
#include "rms_norm.h"

template <typename T>
[[kernel]] void rms_norm(
    device const T* x [[buffer(0)]],
    device const T* w [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant NormArgs& args [[buffer(3)]],
    uint row [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint threads [[threads_per_threadgroup]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]]) {
  shared_memory(float, scratch, [SIMD_SIZE]);
  uint64_t at = uint64_t(row) * args.n;
  float sum = 0.0f;
  for (uint i = tid; i < args.n; i += threads) {
    float v = float(x[at + i]);
    sum += v * v;
  }
  sum = threadgroup_sum(sum, scratch, lane, simdgroup, simdgroups);
  float r = precise::rsqrt(sum / float(args.n) + args.eps);
  for (uint i = tid; i < args.n; i += threads) {
    float weight = args.weighted ? float(w[i]) : 1.0f;
    out[at + i] = T(float(x[at + i]) * r * weight);
  }
}

template <typename T>
[[kernel]] void rms_norm_vjp(
    device const T* x [[buffer(0)]],
    device const T* w [[buffer(1)]],
    device const T* g [[buffer(2)]],
    device T* dx [[buffer(3)]],
    device float* rms [[buffer(4)]],
    constant NormArgs& args [[buffer(5)]],
    uint row [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint threads [[threads_per_threadgroup]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]]) {
  shared_memory(float, scratch, [SIMD_SIZE]);
  uint64_t at = uint64_t(row) * args.n;
  float sum = 0.0f, dot = 0.0f;
  for (uint i = tid; i < args.n; i += threads) {
    float v = float(x[at + i]);
    float weight = args.weighted ? float(w[i]) : 1.0f;
    sum += v * v;
    dot += float(g[at + i]) * weight * v;
  }
  sum = threadgroup_sum(sum, scratch, lane, simdgroup, simdgroups);
  dot = threadgroup_sum(dot, scratch, lane, simdgroup, simdgroups);
  float r = precise::rsqrt(sum / float(args.n) + args.eps);
  float k = r * r * (dot / float(args.n));
  for (uint i = tid; i < args.n; i += threads) {
    float weight = args.weighted ? float(w[i]) : 1.0f;
    dx[at + i] = T(r * (float(g[at + i]) * weight - float(x[at + i]) * k));
  }
  if (tid == 0) {
    rms[row] = r;
  }
}

// part[block, i] = sum over the block's rows of g * x * rms: one thread per
// column of a block.
template <typename T>
[[kernel]] void rms_norm_vjp_w(
    device const T* x [[buffer(0)]],
    device const T* g [[buffer(1)]],
    device const float* rms [[buffer(2)]],
    device float* part [[buffer(3)]],
    constant NormArgs& args [[buffer(4)]],
    uint2 at [[thread_position_in_grid]]) {
  uint i = at.x;
  uint begin = at.y * args.blockRows, end = min(begin + args.blockRows, args.rows);
  float sum = 0.0f;
  for (uint row = begin; row < end; row++) {
    uint64_t k = uint64_t(row) * args.n + i;
    sum += float(g[k]) * (float(x[k]) * rms[row]);
  }
  part[uint64_t(at.y) * args.n + i] = sum;
}

// clang-format off
#define instantiate_rms_norm(n, T)                        \
  instantiate_kernel("rms_norm_" #n, rms_norm, T)         \
  instantiate_kernel("rms_norm_vjp_" #n, rms_norm_vjp, T) \
  instantiate_kernel("rms_norm_vjp_w_" #n, rms_norm_vjp_w, T)
instantiate_rms_norm(f32, float)
instantiate_rms_norm(f16, half)
instantiate_rms_norm(bf16, bfloat)
// clang-format on
