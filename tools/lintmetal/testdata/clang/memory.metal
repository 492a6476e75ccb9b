// Threadgroup memory: 16 KiB for all types and two arrays of 4096 T:
// exactly the limit with half, too much with float.
#include "kernel.h"
#include "../rules/good.h"

template <typename T>
[[kernel]] void fits(
    device T* out [[buffer(0)]],
    constant GoodArgs& args [[buffer(1)]],
    uint i [[thread_position_in_grid]]) {
  shared_memory(float, a, [64][64]);
  shared_memory(T, b, [4096]);
  shared_memory(T, c, [2][2048]);
  a[0][0] = float(args.n);
  b[0] = T(a[0][0]);
  c[1][i] = b[0];
  out[i] = c[1][i];
}

template <typename T>
[[kernel]] void too_much( // want `too_much: 49152 bytes of threadgroup memory, at most 32768`
    device T* out [[buffer(0)]],
    constant GoodArgs& args [[buffer(1)]],
    uint i [[thread_position_in_grid]]) {
  shared_memory(float, a, [64][64]);
  shared_memory(T, b, [4096]);
  shared_memory(T, c, [2][2048]);
  a[0][0] = float(args.n);
  b[0] = T(a[0][0]);
  c[1][i] = b[0];
  out[i] = c[1][i];
}

instantiate_kernel("memory_fits_f16", fits, half)
instantiate_kernel("memory_too_much_f16", too_much, half)
instantiate_kernel("memory_too_much_f32", too_much, float)
