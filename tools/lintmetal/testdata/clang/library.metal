// Functions that Metal's library has not, or not for these types.
#include "kernel.h"
#include "../rules/good.h"

template <typename T>
[[kernel]] void library(
    device const T* x [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant GoodArgs& args [[buffer(2)]],
    uint i [[thread_position_in_grid]]) {
  float v = float(x[i]);
  bfloat h = bfloat(v);
  ulong wide = args.n;
  v += float(precise::exp(h)); // want `call to deleted function 'exp'`
  v += float(isnan(h)); // want `call to deleted function 'isnan'`
  v += simd_sum(v) + float(simd_sum(h)); // want `no matching function for call to 'simd_sum'`
  v += float(simd_shuffle_down(wide, 1)); // want `no matching function for call to 'simd_shuffle_down'`
  v += erf(v); // want `undeclared identifier 'erf'`
  v += float(max(i, 1)); // want `call to 'max' is ambiguous`
  uint2 u = uint2(i, i);
  out[i] = T(v + float(u.x));
}

template <int = 0>
[[kernel]] void vectors(
    device float* out [[buffer(0)]],
    constant GoodArgs& args [[buffer(1)]],
    uint i [[thread_position_in_grid]]) {
  device float4* four = (device float4*)out;
  four[i] = four[i] * 2.0f + float4(1.0f, 2.0f, 3.0f, 4.0f);
  four[i] = float4(float2(1.0f), 3.0f, 4.0f);
  four[i] = float4(1.0f, float(args.n)); // want `a vector takes one scalar`
  out[i] = missing4(four[i]); // want `undeclared identifier 'missing4'`
}

instantiate_kernel("library_f32", library, float)
instantiate_kernel("library_vectors", vectors, 0)
