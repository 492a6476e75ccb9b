// Pointers and references without an address space.
#include "kernel.h"
#include "good.h"

struct holder {
  float* p; // want `* p has no address space`
};

METAL_FUNC float first(float* p) { // want `first: * p has no address space`
  return p[0];
}

METAL_FUNC void second(thread float& a, const float& b, device const float* const* c) { // want `second: & b has no address space`
  a = b + c[0][0];
}

METAL_FUNC float* third(device float* x); // want `* third has no address space`

template <typename T>
[[kernel]] void spaces(
    device const T* x [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant GoodArgs& args [[buffer(2)]],
    uint i [[thread_position_in_grid]]) {
  float v = float(x[i]);
  const T* a = x; // want `* a has no address space`
  float& b = v; // want `& b has no address space`
  float c = ((const float*)x)[i]; // want `* of a type has no address space`
  float d = *reinterpret_cast<thread const float*>(&v) * v;
  float e = *static_cast<const float*>(&v); // want `* of a type has no address space`
  for (float* p = &v; v > c; v--) { // want `* p has no address space`
    v = v * d * e;
  }
  out[i] = T(a[i] * b * args.scale + (v * c) * v);
}

instantiate_kernel("spaces_f32", spaces, float)
