// What is not C++14, and numbers that become double.
#include "kernel.h"
#include "../rules/good.h"

struct two {
  float a;
  float b;
};

template <typename T>
[[kernel]] void language(
    device const T* x [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant GoodArgs& args [[buffer(2)]],
    uint i [[thread_position_in_grid]]) {
  if constexpr (sizeof(T) == 4) { // want `C++17 extension`
    out[i] = x[i];
  }
  two t = {1.0f, 2.0f};
  auto [a, b] = t; // want `C++17 extension`
  float c = float(x[i]) * 0.5; // want `increases floating-point precision: 'float' to 'double'`
  float buffer[args.n]; // want `ariable length array`
  buffer[0] = a + b + c;
  out[i] = T(buffer[0]) + missing; // want `undeclared identifier 'missing'`
}

instantiate_kernel("language_f32", language, float)
