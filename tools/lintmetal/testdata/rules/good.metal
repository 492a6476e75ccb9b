// A kernel file without a fault, with much of what the rules must let through.
//   out[i] = x[i] * scale
#include "kernel.h"
#include "good.h"

constant float table[2] = {0.5f, 1e-3f};

struct pair_of {
  float x;
  float wx;
};

template <typename T>
struct power_of {
  METAL_FUNC static float at(float v) { return v; }
};
template <>
struct power_of<half> {
  METAL_FUNC static float at(float v) { return power_of<float>::at(v) * 0x1p3f; }
};

METAL_FUNC float pick(device const float* a, constant GoodArgs& args, threadgroup float* s, thread float& out, uint i) {
  float b = a[i] * s[i] * args.scale;
  out = b & 1 ? b * table[1] : b;
  pair_of p = {b, out};
  return p.wx * a[args.n * 2 * i & i];
}

template <typename Op>
METAL_FUNC float joined(float x, threadgroup float* scratch, uint lane) {
  float total = Op::simd(x);
  if (lane == 0) {
    scratch[0] = total;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return scratch[0];
}

template <typename T>
[[kernel]] void good(
    device const T* x [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant GoodArgs& args [[buffer(2)]],
    uint i [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  shared_memory(float, scratch, [32]);
  shared_memory(T, tile, [4][40]);
  device const T* src = x + args.n * lane;
  float v = joined<reduce_sum>(float(src[i]), scratch, lane);
#pragma unroll
  for (uint k = 0; k < 4; k++) {
    tile[k][i] = T(v);
  }
  if (i >= args.n) {
    return;
  }
  out[i] = T(power_of<T>::at(v) * 1.0f);
}

// clang-format off
#define instantiate_good(n, T)           \
  instantiate_kernel("good_" #n, good, T)
instantiate_good(f32, float)
instantiate_good(f16, half)
// clang-format on
