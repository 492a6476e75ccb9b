// Reductions over a threadgroup. Every thread of the threadgroup must call
// them; every thread gets the result, the same bits in each. scratch holds at
// least simdgroups (≤ 32) elements and may be used again at once. The partial
// results are combined in the order of the simdgroups, so that the result
// depends on the threadgroup's size alone, ragged simdgroups included.
#pragma once

#define SIMD_SIZE 32

struct reduce_sum {
  METAL_FUNC static float simd(float x) { return simd_sum(x); }
  METAL_FUNC static float join(float a, float b) { return a + b; }
};
// As in MLX, max and min of a row with a NaN are NaN only if the caller makes
// them so: Metal's simd_max drops NaNs.
struct reduce_max {
  METAL_FUNC static float simd(float x) { return simd_max(x); }
  METAL_FUNC static float join(float a, float b) { return max(a, b); }
};
struct reduce_min {
  METAL_FUNC static float simd(float x) { return simd_min(x); }
  METAL_FUNC static float join(float a, float b) { return min(a, b); }
};

template <typename Op>
METAL_FUNC float threadgroup_reduce(
    float x,
    threadgroup float* scratch,
    uint lane,
    uint simdgroup,
    uint simdgroups) {
  x = Op::simd(x);
  if (simdgroups > 1) {
    if (lane == 0) {
      scratch[simdgroup] = x;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    x = scratch[0];
    for (uint i = 1; i < simdgroups; i++) {
      x = Op::join(x, scratch[i]);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  return x;
}

METAL_FUNC float threadgroup_sum(
    float x, threadgroup float* scratch, uint lane, uint simdgroup, uint simdgroups) {
  return threadgroup_reduce<reduce_sum>(x, scratch, lane, simdgroup, simdgroups);
}
METAL_FUNC float threadgroup_max(
    float x, threadgroup float* scratch, uint lane, uint simdgroup, uint simdgroups) {
  return threadgroup_reduce<reduce_max>(x, scratch, lane, simdgroup, simdgroups);
}
METAL_FUNC float threadgroup_min(
    float x, threadgroup float* scratch, uint lane, uint simdgroup, uint simdgroups) {
  return threadgroup_reduce<reduce_min>(x, scratch, lane, simdgroup, simdgroups);
}
