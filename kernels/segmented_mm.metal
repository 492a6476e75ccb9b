// Products over ranges of the inner axis:
//   out[s, i, j] = Σ a[i, k] b[k, j] over k from ranges[s, 0] up to ranges[s, 1],
// in float. The part of a range beyond the axis counts for nothing. Tiles of a
// and b lie in threadgroup memory; the grid is made of whole threadgroups.
#include "kernel.h"
#include "segmented_mm.h"

template <typename T>
[[kernel]] void segmented_mm(
    device const T* a [[buffer(0)]],
    device const T* b [[buffer(1)]],
    device const uint* ranges [[buffer(2)]],
    device T* out [[buffer(3)]],
    constant SegmentedMmArgs& args [[buffer(4)]],
    uint3 at [[thread_position_in_grid]],
    uint3 place [[thread_position_in_threadgroup]]) {
  shared_memory(float, left, [SEGMENTED_MM_TILE][SEGMENTED_MM_TILE]);
  shared_memory(float, right, [SEGMENTED_MM_TILE][SEGMENTED_MM_TILE]);
  uint i = at.y, j = at.x, s = at.z;
  uint begin = min(ranges[2 * s], args.k), end = min(ranges[2 * s + 1], args.k);
  float sum = 0.0f;
  for (uint from = begin; from < end; from += SEGMENTED_MM_TILE) {
    uint ka = from + place.x, kb = from + place.y;
    left[place.y][place.x] = i < args.m && ka < end ? float(a[uint64_t(i) * args.k + ka]) : 0.0f;
    right[place.y][place.x] = j < args.n && kb < end ? float(b[uint64_t(kb) * args.n + j]) : 0.0f;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint k = 0; k < SEGMENTED_MM_TILE; k++) {
      sum += left[place.y][k] * right[k][place.x];
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (i < args.m && j < args.n) {
    out[(uint64_t(s) * args.m + i) * args.n + j] = T(sum);
  }
}

// clang-format off
instantiate_kernel("segmented_mm_f32", segmented_mm, float)
instantiate_kernel("segmented_mm_f16", segmented_mm, half)
instantiate_kernel("segmented_mm_bf16", segmented_mm, bfloat)
// clang-format on
