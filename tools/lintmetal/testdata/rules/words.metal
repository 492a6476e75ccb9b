// Words and literals.
#include "kernel.h"
#include "good.h"

#define WORDS_EPS 1e-6 // want `1e-6 is a double in C++ and a float in Metal: write 1e-6f`

struct base {
  virtual float f(); // want `Metal has no virtual functions`
};

METAL_FUNC float half_of(float x) {
  double d = 0.5f; // want `Metal has no double`
  x = x * 0.5; // want `0.5 is a double`
  x = x * 1.; // want `1. is a double`
  x = x * 2e3; // want `2e3 is a double`
  x = x * 0x1p-3; // want `0x1p-3 is a double`
  x = x * 3.0h; // want `3.0h is a double in C++ and a float in Metal: write 3.0f`
  x = std::sqrt(x); // want `std:: is not Metal's`
  thread float* p = new float[4]; // want `Metal has no heap`
  goto end; // want `Metal has no goto`
end:
  auto f = [&](float y) { return y; }; // want `Metal has no lambdas`
  return f(x) + float(d) + p[0];
}

METAL_FUNC float parts_of(float4 v, constant const float* c) { // want `constant const: constant is const already`
  if constexpr (sizeof(float) == 4) { // want `if constexpr is C++17`
    return v.x;
  }
  auto [a, b] = v; // want `structured bindings are C++17`
  const auto& [e, g] = v; // want `structured bindings are C++17`
  float2 s = v.xy; // want `swizzle .xy`
  s += v.rg; // want `swizzle .rg`
  return a + b + c[0] + s.x + e + g;
}

template <typename T>
kernel void words( // want `a kernel is marked [[kernel]], not kernel`
    device T* out [[buffer(0)]],
    device atomic_float* sum [[buffer(1)]], // want `no atomics on floats`
    constant GoodArgs& args [[buffer(2)]],
    constant bool& on [[function_constant(0)]], // want `no function constants` // want `unknown attribute`
    uint i [[thread_position_in_grid]]) {
  out[i] = T(args.n);
}

instantiate_kernel("words_f32", words, float)
