// The Walsh-Hadamard transform along the middle axis of [outer, n, inner]:
//   out[k] = scale · Σ (-1)^popcount(j & k) x[j]
// for n that is a power of two. Rows lie in threadgroup memory as floats, and at
// each step every thread replaces pairs by their sum and difference. hadamard_mix
// is the product with a matrix of signs, one thread per element of the result,
// for the factors of n that no power of two gives.
#include "kernel.h"
#include "hadamard.h"

template <typename T, typename U>
[[kernel]] void hadamard(
    device const T* x [[buffer(0)]],
    device U* out [[buffer(1)]],
    constant HadamardArgs& args [[buffer(2)]],
    uint2 at [[thread_position_in_grid]],
    uint2 place [[thread_position_in_threadgroup]]) {
  shared_memory(float, lines, [HADAMARD_MAX]);
  threadgroup float* line = lines + place.y * args.n;
  uint t = place.x, n = args.n;
  uint64_t base = at.y / args.inner * n * args.inner + at.y % args.inner;
  for (uint k = t; k < n; k += args.threads) {
    line[k] = float(x[base + k * args.inner]);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint h = 1; h < n; h *= 2) {
    for (uint b = t; b < n / 2; b += args.threads) {
      uint i = 2 * b - (b & (h - 1));
      float u = line[i], v = line[i + h];
      line[i] = u + v;
      line[i + h] = u - v;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  for (uint k = t; k < n; k += args.threads) {
    out[base + k * args.inner] = U(line[k] * args.scale);
  }
}

template <typename T, typename U>
[[kernel]] void hadamard_mix(
    device const T* x [[buffer(0)]],
    device U* out [[buffer(1)]],
    constant HadamardMixArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    uint64_t row = i / args.inner % args.n;
    uint signs = args.signs[row];
    device const T* p = x + (i - row * args.inner);
    float sum = 0.0f;
    for (uint c = 0; c < args.n; c++) {
      float v = float(p[c * args.inner]);
      sum += ((signs >> c) & 1) != 0 ? v : -v;
    }
    out[i] = U(sum * args.scale);
  }
}

// clang-format off
#define instantiate_hadamard(n, T, U) instantiate_kernel("hadamard_" #n, hadamard, T, U)
#define instantiate_hadamard_mix(n, T, U) instantiate_kernel("hadamard_mix_" #n, hadamard_mix, T, U)
instantiate_hadamard(f32_f32, float, float)
instantiate_hadamard(f16_f16, half, half)
instantiate_hadamard(bf16_bf16, bfloat, bfloat)
instantiate_hadamard(f16_f32, half, float)
instantiate_hadamard(bf16_f32, bfloat, float)
instantiate_hadamard(f32_f16, float, half)
instantiate_hadamard(f32_bf16, float, bfloat)
instantiate_hadamard_mix(f32_f32, float, float)
instantiate_hadamard_mix(f16_f16, half, half)
instantiate_hadamard_mix(bf16_bf16, bfloat, bfloat)
instantiate_hadamard_mix(f32_f16, float, half)
instantiate_hadamard_mix(f32_bf16, float, bfloat)
// clang-format on
