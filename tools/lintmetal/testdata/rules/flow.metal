// Recursion, and returns that leave waiting threads behind.
#include "kernel.h"
#include "good.h"

METAL_FUNC uint factorial(uint n) { // want `Metal has no recursion: factorial calls factorial`
  return n < 2 ? 1 : n * factorial(n - 1);
}

METAL_FUNC uint odd(uint n);
METAL_FUNC uint even(uint n) { // want `even calls odd calls even`
  return n == 0 ? 1 : odd(n - 1);
}
METAL_FUNC uint odd(uint n) { // want `odd calls even calls odd`
  return n == 0 ? 0 : even(n - 1);
}

METAL_FUNC float summed(float x, uint i, uint n) {
  if (i >= n) {
    return 0.0f; // want `summed: return before the simd_sum of line 23: guard with if instead`
  }
  float y = x * 2.0f;

  return simd_sum(y);
}

template <typename T>
[[kernel]] void flow(
    device T* out [[buffer(0)]],
    constant GoodArgs& args [[buffer(1)]],
    uint i [[thread_position_in_grid]]) {
  if (i >= args.n) return; // want `flow: return before the threadgroup_barrier of line 33`
  for (uint k = 0; k < args.n; k++) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (k == i) {
      return; // want `flow: return before the`
    }
  }
  out[i] = T(summed(float(i), i, args.n) + float(even(i) + factorial(i)));
  if (i > 2) {
    return;
  }
  out[i] = T(0);
}

// A return whose barrier comes in the next turn of the loop.
template <typename T>
[[kernel]] void flow_loop(
    device T* out [[buffer(0)]],
    constant GoodArgs& args [[buffer(1)]],
    uint i [[thread_position_in_grid]]) {
  for (uint k = 0; k < args.n; k++) {
    out[i] = T(simd_max(k));
    if (k == i) {
      return; // want `flow_loop: return before the simd_max of line 52`
    }
  }
}

instantiate_kernel("flow_f32", flow, float)
instantiate_kernel("flow_loop_f32", flow_loop, float)
