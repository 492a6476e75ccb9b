// Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as
// easy as 1, 2, 3", 2011), in MLX's layout: thread i makes the words i and
// i + half of the output from the counter (i, i + half); where the number of
// words is odd, the last thread's second counter is 0 and its second word is
// dropped.
//   key: uint32 [2], out: uint32 [size]
#include "kernel.h"
#include "random.h"

METAL_FUNC uint2 threefry(uint2 key, uint2 count) {
  uint ks[3] = {key.x, key.y, key.x ^ key.y ^ 0x1BD11BDAu};
  uint rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  uint2 v = uint2(count.x + ks[0], count.y + ks[1]);
  for (uint i = 0; i < 5; i++) {
    for (uint k = 0; k < 4; k++) {
      uint r = rotations[i % 2][k];
      v.x += v.y;
      v.y = (v.y << r) | (v.y >> (32 - r));
      v.y ^= v.x;
    }
    v.x += ks[(i + 1) % 3];
    v.y += ks[(i + 2) % 3] + i + 1;
  }
  return v;
}

template <int = 0>
[[kernel]] void random_bits(
    device const uint* key [[buffer(0)]],
    device uint* out [[buffer(1)]],
    constant RandomArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  uint64_t half_size = (args.size + 1) / 2;
  if (i >= half_size) {
    return;
  }
  bool odd = i + half_size >= args.size;
  uint2 v = threefry(uint2(key[0], key[1]), uint2(uint(i), odd ? 0u : uint(i + half_size)));
  out[i] = v.x;
  if (!odd) {
    out[i + half_size] = v.y;
  }
}

instantiate_kernel("random_bits_u32", random_bits, 0)
