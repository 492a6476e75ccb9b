// Names of kernels.
#include "kernel.h"
#include "good.h"

template <typename T>
[[kernel]] void names(
    device T* out [[buffer(0)]],
    constant GoodArgs& args [[buffer(1)]],
    uint i [[thread_position_in_grid]]) {
  out[i] = T(args.scale);
}

template <typename T>
[[kernel]] void unused( // want `unused is never instantiated`
    device T* out [[buffer(0)]],
    constant GoodArgs& args [[buffer(1)]],
    uint i [[thread_position_in_grid]]) {
  out[i] = T(args.scale);
}

// clang-format off
#define instantiate_names(n, T) \
  instantiate_kernel("names_" #n, names, T) \
  instantiate_kernel("other_names_" #n, names, T)
instantiate_names(f32, float) // want `kernel "other_names_f32": the name is the file's stem names`
instantiate_kernel("names_f32", names, float) // want `kernel "names_f32" is instantiated in`
instantiate_kernel("names_F16", names, half) // want `lower-case words`
instantiate_kernel("names_f16", absent, half) // want `absent is not a kernel of this file`
instantiate_kernel("names_bf16", names) // want `no template arguments`
instantiate_missing(bf16, bfloat) // want `instantiate_missing is not a macro of this file`
// clang-format on
