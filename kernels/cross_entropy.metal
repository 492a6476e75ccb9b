// Cross-entropy of rows of n logits against one target each, in float.
//   cross_entropy:      lse = log sum exp(x), loss = lse - x[target]
//   cross_entropy_grad: out = g * (exp(x - lse) - onehot(target))
//   order:              the rows that count first, in their order: order[p] is the
//                       row at place p, sorted[p] its target, place[t] where row t
//                       went, -1 if it does not count, count how many do; one
//                       threadgroup, of whose threads each takes a run of rows
//   expand:             out[t, i] = x[place[t], i], 0 where place[t] < 0
//   scale_rows:         out[t, i] = x[t, i] * s[t], one thread per element
// x, out [rows, n]; targets, loss, lse, g [rows]. One threadgroup per row. A
// negative target is a row that does not count: loss and gradient are 0. One
// beyond n makes both NaN, so that it cannot pass unseen.
#include "kernel.h"
#include "cross_entropy.h"

template <typename T>
[[kernel]] void cross_entropy(
    device const T* x [[buffer(0)]],
    device const int* targets [[buffer(1)]],
    device float* loss [[buffer(2)]],
    device float* lse [[buffer(3)]],
    constant CrossEntropyArgs& args [[buffer(4)]],
    uint row [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint threads [[threads_per_threadgroup]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]]) {
  shared_memory(float, scratch, [SIMD_SIZE]);
  device const T* r = x + uint64_t(row) * args.n;
  int target = targets[row];
  bool skipped = args.skip && target < 0;
  uint n = skipped ? 0 : args.n;
  float top = -INFINITY;
  for (uint i = tid; i < n; i += threads) {
    top = max(top, float(r[i]));
  }
  top = threadgroup_max(top, scratch, lane, simdgroup, simdgroups);
  // An infinite maximum is the result; subtracting it would give NaN.
  float shift = isinf(top) ? 0.0f : top;
  float sum = 0.0f;
  for (uint i = tid; i < n; i += threads) {
    sum += precise::exp(float(r[i]) - shift);
  }
  sum = threadgroup_sum(sum, scratch, lane, simdgroup, simdgroups);
  if (tid == 0) {
    float l = shift + precise::log(sum);
    lse[row] = skipped ? 0.0f : l;
    if (target < 0) {
      loss[row] = 0.0f;
    } else {
      loss[row] = uint(target) < args.n ? l - float(r[target]) : NAN;
    }
  }
}

template <typename T, typename U>
[[kernel]] void cross_entropy_grad(
    device const T* x [[buffer(0)]],
    device const int* targets [[buffer(1)]],
    device const float* lse [[buffer(2)]],
    device const float* g [[buffer(3)]],
    device U* out [[buffer(4)]],
    constant CrossEntropyArgs& args [[buffer(5)]],
    uint row [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint threads [[threads_per_threadgroup]]) {
  uint64_t at = uint64_t(row) * args.n;
  int target = targets[row];
  float l = lse[row];
  float scale = args.scaled ? g[row] : 1.0f;
  scale = target >= 0 && uint(target) >= args.n ? NAN : scale;
  for (uint i = tid; i < args.n; i += threads) {
    float p = precise::exp(float(x[at + i]) - l) - (int(i) == target ? 1.0f : 0.0f);
    out[at + i] = U(target < 0 ? 0.0f : scale * p);
  }
}

template <int = 0>
[[kernel]] void order(
    device const int* targets [[buffer(0)]],
    device int* rows [[buffer(1)]],
    device int* sorted [[buffer(2)]],
    device int* place [[buffer(3)]],
    device int* count [[buffer(4)]],
    constant CrossEntropyOrderArgs& args [[buffer(5)]],
    uint tid [[thread_index_in_threadgroup]],
    uint threads [[threads_per_threadgroup]]) {
  shared_memory(uint, counts, [CROSS_ENTROPY_THREADS]);
  uint run = (args.rows + threads - 1) / threads;
  uint first = min(tid * run, args.rows), last = min(first + run, args.rows);
  uint mine = 0;
  for (uint t = first; t < last; t++) {
    mine += targets[t] >= 0 ? 1 : 0;
  }
  counts[tid] = mine;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  uint before = 0, all = 0;
  for (uint i = 0; i < threads; i++) {
    before += i < tid ? counts[i] : 0;
    all += counts[i];
  }
  uint behind = all + first - before;  // the place of the next row that does not count
  for (uint t = first; t < last; t++) {
    bool counted = targets[t] >= 0;
    uint at = counted ? before : behind;
    before += counted ? 1 : 0;
    behind += counted ? 0 : 1;
    rows[at] = int(t);
    sorted[at] = targets[t];
    place[t] = counted ? int(at) : -1;
  }
  if (tid == 0) {
    *count = int(all);
  }
}

template <typename T>
[[kernel]] void expand(
    device const T* x [[buffer(0)]],
    device const int* place [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant ExpandRowsArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    uint64_t row = i / args.n;
    int p = place[row];
    out[i] = p < 0 ? T(0.0f) : x[uint64_t(p) * args.n + i - row * args.n];
  }
}

template <typename T>
[[kernel]] void scale_rows(
    device const T* x [[buffer(0)]],
    device const float* s [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant ScaleRowsArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    out[i] = T(float(x[i]) * s[i / args.n]);
  }
}

// clang-format off
#define instantiate_cross_entropy(n, T)                                 \
  instantiate_kernel("cross_entropy_" #n, cross_entropy, T)             \
  instantiate_kernel("cross_entropy_grad_" #n, cross_entropy_grad, T, T) \
  instantiate_kernel("cross_entropy_expand_" #n, expand, T)             \
  instantiate_kernel("cross_entropy_scale_rows_" #n, scale_rows, T)
instantiate_cross_entropy(f32, float)
instantiate_cross_entropy(f16, half)
instantiate_cross_entropy(bf16, bfloat)
instantiate_kernel("cross_entropy_order", order, 0)
instantiate_kernel("cross_entropy_grad_f32_f16", cross_entropy_grad, float, half)
instantiate_kernel("cross_entropy_grad_f32_bf16", cross_entropy_grad, float, bfloat)
// clang-format on
