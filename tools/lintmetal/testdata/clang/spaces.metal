// Faults of address spaces that types show.
#include "kernel.h"
#include "../rules/good.h"

METAL_FUNC float first_of(float* p) {
  return p[0];
}
METAL_FUNC float first_shared(threadgroup float* p) {
  return p[0];
}

template <typename T>
[[kernel]] void spaces(
    device const T* x [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant GoodArgs& args [[buffer(2)]],
    uint i [[thread_position_in_grid]]) {
  shared_memory(float, part, [32]);
  part[i] = float(x[i]);
  float a = first_of(part); // want `no matching function for call to 'first_of'`
  float b = first_shared(part);
  float c = first_shared(out); // want `no matching function for call to 'first_shared'`
  threadgroup float* p = out; // want `cannot initialize a variable of type 'threadgroup float *'`
  x[i] = T(a + b + c + p[0]); // want `read-only`
  args.n = 1; // want `const`
  device T* q = x; // want `cannot initialize`
  out[i] = *q;
}

instantiate_kernel("spaces_f32", spaces, float)
