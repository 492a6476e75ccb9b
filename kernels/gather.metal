// gather:       out[r, c] = table[ids[r], c]
// scatter_add:  out[t, c] = sum of x[r, c] over ids[r] = t, in the order of r
// gather_axis:  out[o, k, i] = x[o, idx[o, k, i], i]
// scatter_axis: out[o, idx[o, k, i], i] = (or +=) x[o, k, i], in the order of k
// scatter_fold: out[o, idx[o, k, i], i] = f(that, x[o, k, i]), in the order of k
// check:        found[t] = the first of thread t's indices that is outside
// Negative indices count from the end; others are clamped to the axis, so that
// nothing is read or written outside. One thread per element; sums in float.
#include "kernel.h"
#include "gather.h"

// Complex numbers are added as they are.
template <> struct wrapping<float2> { typedef float2 type; };

template <typename I>
METAL_FUNC int64_t gather_row(I id, int64_t n) {
  int64_t r = int64_t(id);
  if (r < 0) {
    r += n;
  }
  return clamp(r, int64_t(0), n - 1);
}

template <typename T, typename I>
[[kernel]] void gather(
    device const T* table [[buffer(0)]],
    device const I* ids [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant GatherArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.rows * args.width) {
    uint64_t r = i / args.width, c = i % args.width;
    out[i] = table[uint64_t(gather_row<I>(ids[r], args.table)) * args.width + c];
  }
}

// One thread per element of the table: it looks through all indices, so that
// the order of the sum is fixed.
template <typename T, typename I>
[[kernel]] void scatter_add(
    device const I* ids [[buffer(0)]],
    device const T* x [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant GatherArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= uint64_t(args.table) * args.width) {
    return;
  }
  int64_t t = int64_t(i / args.width);
  uint64_t c = i % args.width;
  typedef typename wrapping<typename accum<T>::type>::type A;
  A sum = 0;
  for (uint64_t r = 0; r < args.rows; r++) {
    if (gather_row<I>(ids[r], args.table) == t) {
      sum += A(x[r * args.width + c]);
    }
  }
  out[i] = T(sum);
}

template <typename T, typename I>
[[kernel]] void gather_axis(
    device const T* x [[buffer(0)]],
    device const I* idx [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant GatherAxisArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t j = at.x + uint64_t(grid.x) * at.y;
  if (j < args.outer * args.count * args.inner) {
    uint64_t i = j % args.inner, o = j / args.inner / args.count;
    uint64_t k = uint64_t(gather_row<I>(idx[j], int64_t(args.axis)));
    out[j] = x[(o * args.axis + k) * args.inner + i];
  }
}

// One thread per line along the axis, so that repeated indices have an order.
template <typename T, typename I>
[[kernel]] void scatter_axis(
    device const I* idx [[buffer(0)]],
    device const T* x [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant GatherAxisArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t line = at.x + uint64_t(grid.x) * at.y;
  if (line >= args.outer * args.inner) {
    return;
  }
  uint64_t i = line % args.inner, o = line / args.inner;
  for (uint64_t k = 0; k < args.count; k++) {
    uint64_t j = (o * args.count + k) * args.inner + i;
    uint64_t t = (o * args.axis + uint64_t(gather_row<I>(idx[j], int64_t(args.axis)))) * args.inner + i;
    typedef typename wrapping<typename accum<T>::type>::type A;
    out[t] = args.add ? T(A(out[t]) + A(x[j])) : x[j];
  }
}

// A NaN is overwritten by what follows it.
template <typename T>
METAL_FUNC T gather_fold(uint f, T a, T b) {
  typedef typename accum<T>::type C;
  typedef typename wrapping<C>::type A;
  switch (f) {
    case GATHER_MULTIPLY: return T(A(a) * A(b));
    case GATHER_MAXIMUM: return C(a) > C(b) ? a : b;
  }
  return C(a) < C(b) ? a : b;
}

template <typename T, typename I>
[[kernel]] void scatter_fold(
    device const I* idx [[buffer(0)]],
    device const T* x [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant GatherAxisArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t line = at.x + uint64_t(grid.x) * at.y;
  if (line >= args.outer * args.inner) {
    return;
  }
  uint64_t i = line % args.inner, o = line / args.inner;
  for (uint64_t k = 0; k < args.count; k++) {
    uint64_t j = (o * args.count + k) * args.inner + i;
    uint64_t t = (o * args.axis + uint64_t(gather_row<I>(idx[j], int64_t(args.axis)))) * args.inner + i;
    out[t] = gather_fold<T>(args.add, out[t], x[j]);
  }
}

// One thread for many indices; each writes where its first index outside
// [low, high) is, counted from 1, and that index: 0 and 0 if there is none.
template <typename I>
[[kernel]] void check(
    device const I* ids [[buffer(0)]],
    device int64_t* found [[buffer(1)]],
    constant GatherCheckArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t t = at.x + uint64_t(grid.x) * at.y;
  if (t < args.threads) {
    int64_t where = 0, what = 0;
    for (uint64_t i = t; i < args.n && where == 0; i += args.threads) {
      int64_t id = int64_t(ids[i]);
      if (id < args.low || id >= args.high) {
        where = int64_t(i) + 1;
        what = id;
      }
    }
    found[2 * t] = where;
    found[2 * t + 1] = what;
  }
}

// clang-format off
#define instantiate_gather(tn, T, in, I)                                \
  instantiate_kernel("gather_" #in "_" #tn, gather, T, I)               \
  instantiate_kernel("gather_axis_" #in "_" #tn, gather_axis, T, I)
#define instantiate_gathers(tn, T)      \
  instantiate_gather(tn, T, i32, int)   \
  instantiate_gather(tn, T, u32, uint)
#define instantiate_scatter(tn, T, in, I)                               \
  instantiate_kernel("gather_scatter_add_" #in "_" #tn, scatter_add, T, I) \
  instantiate_kernel("gather_scatter_axis_" #in "_" #tn, scatter_axis, T, I)
#define instantiate_folds(tn, T)                                         \
  instantiate_kernel("gather_scatter_fold_i32_" #tn, scatter_fold, T, int) \
  instantiate_kernel("gather_scatter_fold_u32_" #tn, scatter_fold, T, uint)
#define instantiate_scatters(tn, T)     \
  instantiate_scatter(tn, T, i32, int)  \
  instantiate_scatter(tn, T, u32, uint)
instantiate_gathers(bool, bool)
instantiate_gathers(u8, uint8_t)
instantiate_gathers(u16, uint16_t)
instantiate_gathers(u32, uint)
instantiate_gathers(u64, uint64_t)
instantiate_gathers(i8, int8_t)
instantiate_gathers(i16, int16_t)
instantiate_gathers(i32, int)
instantiate_gathers(i64, int64_t)
instantiate_gathers(f16, half)
instantiate_gathers(bf16, bfloat)
instantiate_gathers(f32, float)
instantiate_folds(bool, bool)
instantiate_folds(u8, uint8_t)
instantiate_folds(u16, uint16_t)
instantiate_folds(u32, uint)
instantiate_folds(u64, uint64_t)
instantiate_folds(i8, int8_t)
instantiate_folds(i16, int16_t)
instantiate_folds(i32, int)
instantiate_folds(i64, int64_t)
instantiate_folds(f16, half)
instantiate_folds(bf16, bfloat)
instantiate_folds(f32, float)
instantiate_scatters(bool, bool)
instantiate_scatters(u8, uint8_t)
instantiate_scatters(u16, uint16_t)
instantiate_scatters(u32, uint)
instantiate_scatters(u64, uint64_t)
instantiate_scatters(i8, int8_t)
instantiate_scatters(i16, int16_t)
instantiate_scatters(i32, int)
instantiate_scatters(i64, int64_t)
instantiate_scatters(f16, half)
instantiate_scatters(bf16, bfloat)
instantiate_scatters(f32, float)
instantiate_gathers(c64, float2)
instantiate_scatters(c64, float2)
instantiate_kernel("gather_check_u8", check, uint8_t)
instantiate_kernel("gather_check_u16", check, uint16_t)
instantiate_kernel("gather_check_u32", check, uint)
instantiate_kernel("gather_check_u64", check, uint64_t)
instantiate_kernel("gather_check_i8", check, int8_t)
instantiate_kernel("gather_check_i16", check, int16_t)
instantiate_kernel("gather_check_i32", check, int)
instantiate_kernel("gather_check_i64", check, int64_t)
// clang-format on
