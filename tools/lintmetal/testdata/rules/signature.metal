// Parameters of kernels.
#include "kernel.h"
#include "good.h"

METAL_FUNC uint helper(uint i [[thread_position_in_grid]]) { // want `on a parameter of a helper`
  return i;
}

[[kernel]] void signature_plain( // want `a kernel is a template`
    device float* out [[buffer(0)]],
    constant GoodArgs& args [[buffer(1)]],
    uint i [[thread_position_in_grid]]) {
  out[i] = args.scale;
}

template <typename T>
[[kernel]] void signature( // want `signature: no constant`
    device const T* x [[buffer(0)]],
    device T* out [[buffer(2)]], // want `parameter 1 is [[buffer(2)]], want [[buffer(1)]]`
    device const T* y [[buffer(2)]], // want `parameter 2 is an input after an output`
    threadgroup T* z [[buffer(3)]], // want `parameter 3 is neither`
    uint n, // want `parameter 4 has no attribute`
    uint i [[threads_position_in_grid]]) { // want `unknown attribute [[threads_position_in_grid]]`
  out[i] = x[i] + y[i] + z[n];
}

template <typename T>
[[kernel]] void signature_order(
    uint i [[thread_position_in_grid]], // want `parameter 0 is a built-in before the args struct`
    device T* out [[buffer(0)]],
    constant float& scale [[buffer(1)]], // want `its type is not called`
    constant GoodArgs& args [[buffer(2)]]) { // want `parameter 3 is a buffer after the args struct`
  out[i] = scale * args.scale;
}

instantiate_kernel("signature_plain", signature_plain, 0)
instantiate_kernel("signature_f32", signature, float)
instantiate_kernel("signature_order_f32", signature_order, float)
