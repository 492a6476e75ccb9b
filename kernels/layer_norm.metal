// x [rows, n], w [n], b [n] -> out = (x - mean) * r * w + b, with
// r = rsqrt(mean((x - mean)^2) + eps), statistics in float. One threadgroup per
// row.
//   vjp: with xn = (x - mean) * r and gw = g * w
//     dx = r * (gw - mean(gw) - xn * mean(gw * xn)), and stats[row] = (mean, r)
//   vjp_w: per block of rows the partial sums partW[block, n] of g * xn and
//     partB[block, n] of g, which a reduction joins
#include "kernel.h"
#include "layer_norm.h"

struct layer_stats {
  float mean;
  float r;
};

// The mean of a row, then the variance about it: two passes, since the
// difference of two large sums would lose the digits of a small variance.
template <typename T>
METAL_FUNC layer_stats stats_of(
    device const T* x, uint n, float eps, threadgroup float* scratch, uint tid, uint threads, uint lane, uint simdgroup, uint simdgroups) {
  float sum = 0.0f;
  for (uint i = tid; i < n; i += threads) {
    sum += float(x[i]);
  }
  float mean = threadgroup_sum(sum, scratch, lane, simdgroup, simdgroups) / float(n);
  float squares = 0.0f;
  for (uint i = tid; i < n; i += threads) {
    float d = float(x[i]) - mean;
    squares += d * d;
  }
  squares = threadgroup_sum(squares, scratch, lane, simdgroup, simdgroups);
  layer_stats s = {mean, precise::rsqrt(squares / float(n) + eps)};
  return s;
}

template <typename T>
[[kernel]] void layer_norm(
    device const T* x [[buffer(0)]],
    device const T* w [[buffer(1)]],
    device const T* b [[buffer(2)]],
    device T* out [[buffer(3)]],
    constant LayerNormArgs& args [[buffer(4)]],
    uint row [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint threads [[threads_per_threadgroup]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]]) {
  shared_memory(float, scratch, [SIMD_SIZE]);
  uint64_t at = uint64_t(row) * args.n;
  layer_stats s = stats_of<T>(x + at, args.n, args.eps, scratch, tid, threads, lane, simdgroup, simdgroups);
  for (uint i = tid; i < args.n; i += threads) {
    out[at + i] = T((float(x[at + i]) - s.mean) * s.r * float(w[i]) + float(b[i]));
  }
}

template <typename T>
[[kernel]] void layer_norm_vjp(
    device const T* x [[buffer(0)]],
    device const T* w [[buffer(1)]],
    device const T* g [[buffer(2)]],
    device T* dx [[buffer(3)]],
    device float* stats [[buffer(4)]],
    constant LayerNormArgs& args [[buffer(5)]],
    uint row [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint threads [[threads_per_threadgroup]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]]) {
  shared_memory(float, scratch, [SIMD_SIZE]);
  uint64_t at = uint64_t(row) * args.n;
  layer_stats s = stats_of<T>(x + at, args.n, args.eps, scratch, tid, threads, lane, simdgroup, simdgroups);
  float sum = 0.0f, dot = 0.0f;
  for (uint i = tid; i < args.n; i += threads) {
    float gw = float(g[at + i]) * float(w[i]);
    sum += gw;
    dot += gw * ((float(x[at + i]) - s.mean) * s.r);
  }
  sum = threadgroup_sum(sum, scratch, lane, simdgroup, simdgroups) / float(args.n);
  dot = threadgroup_sum(dot, scratch, lane, simdgroup, simdgroups) / float(args.n);
  for (uint i = tid; i < args.n; i += threads) {
    float xn = (float(x[at + i]) - s.mean) * s.r;
    dx[at + i] = T(s.r * (float(g[at + i]) * float(w[i]) - sum - xn * dot));
  }
  if (tid == 0) {
    stats[2 * uint64_t(row)] = s.mean;
    stats[2 * uint64_t(row) + 1] = s.r;
  }
}

// One thread per column of a block of rows.
template <typename T>
[[kernel]] void layer_norm_vjp_w(
    device const T* x [[buffer(0)]],
    device const T* g [[buffer(1)]],
    device const float* stats [[buffer(2)]],
    device float* partW [[buffer(3)]],
    device float* partB [[buffer(4)]],
    constant LayerNormArgs& args [[buffer(5)]],
    uint2 at [[thread_position_in_grid]]) {
  uint i = at.x;
  uint begin = at.y * args.blockRows, end = min(begin + args.blockRows, args.rows);
  float dw = 0.0f, db = 0.0f;
  for (uint row = begin; row < end; row++) {
    uint64_t k = uint64_t(row) * args.n + i;
    float v = float(g[k]), mean = stats[2 * uint64_t(row)], r = stats[2 * uint64_t(row) + 1];
    dw += v * ((float(x[k]) - mean) * r);
    db += v;
  }
  partW[uint64_t(at.y) * args.n + i] = dw;
  partB[uint64_t(at.y) * args.n + i] = db;
}

// clang-format off
#define instantiate_layer_norm(n, T)                          \
  instantiate_kernel("layer_norm_" #n, layer_norm, T)         \
  instantiate_kernel("layer_norm_vjp_" #n, layer_norm_vjp, T) \
  instantiate_kernel("layer_norm_vjp_w_" #n, layer_norm_vjp_w, T)
instantiate_layer_norm(f32, float)
instantiate_layer_norm(f16, half)
instantiate_layer_norm(bf16, bfloat)
// clang-format on
