// Places of threadgroup memory and of static.
#include "kernel.h"
#include "good.h"

METAL_FUNC float helper(uint i) {
  static float last = 0.0f; // want `helper: Metal has no static locals`
  shared_memory(float, part, [32]); // want `shared_memory outside a kernel`
  part[i] = last;
  return part[i];
}

template <typename T>
[[kernel]] void memory(
    device T* out [[buffer(0)]],
    constant GoodArgs& args [[buffer(1)]],
    uint i [[thread_position_in_grid]]) {
  shared_memory(float, part, [32]);
  threadgroup float tile[32]; // want `threadgroup memory is declared with shared_memory`
  threadgroup float* p = &part[0];
  if (args.n > 1) {
    shared_memory(float, more, [32]); // want `shared_memory inside a block`
    more[i] = p[i];
  }
  if (args.n > 2) shared_memory(float, some, [32]); // want `shared_memory inside a block`
  part[i] = simd_sum(helper(i));
  shared_memory(float, late, [32]); // want `shared_memory after a barrier or a simd function`
  late[i] = part[i] + tile[i];
  out[i] = T(late[i]);
}

instantiate_kernel("memory_f32", memory, float)
