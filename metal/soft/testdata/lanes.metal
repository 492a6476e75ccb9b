// One simd or quad function per launch: out[i] = f(x[i], k[i]) among the lanes
// of thread i's group. op chooses f; skip leaves lanes out (see skips).
#include "../../../kernels/kernel.h"

struct LanesArgs {
  uint op;
  uint k;
  uint skip;
};

// skips: 1 lanes divisible by 3 wait on the other side of a branch, 2 they
// have returned.
METAL_FUNC bool skips(uint lane, uint skip) { return skip != 0 && lane % 3 == 0; }

#define GROUP_CASES(base, group)                                       \
  case base + 0: r = group##_sum(v); break;                            \
  case base + 1: r = group##_product(v); break;                        \
  case base + 2: r = group##_max(v); break;                            \
  case base + 3: r = group##_min(v); break;                            \
  case base + 4: r = group##_prefix_inclusive_sum(v); break;           \
  case base + 5: r = group##_prefix_exclusive_sum(v); break;           \
  case base + 6: r = group##_prefix_inclusive_product(v); break;       \
  case base + 7: r = group##_prefix_exclusive_product(v); break;       \
  case base + 8: r = group##_shuffle(v, ushort(k[i])); break;          \
  case base + 9: r = group##_broadcast(v, ushort(args.k)); break;      \
  case base + 10: r = group##_shuffle_down(v, ushort(args.k)); break;  \
  case base + 11: r = group##_shuffle_up(v, ushort(args.k)); break;    \
  case base + 12: r = group##_shuffle_xor(v, ushort(args.k)); break;   \
  case base + 13: r = group##_shuffle_rotate_down(v, ushort(args.k)); break; \
  case base + 14: r = group##_shuffle_rotate_up(v, ushort(args.k)); break; \
  case base + 15: r = group##_broadcast_first(v); break;               \
  case base + 16: r = group##_shuffle_and_fill_down(v, T(-v), ushort(args.k)); break; \
  case base + 17: r = group##_shuffle_and_fill_up(v, T(-v), ushort(args.k)); break; \
  case base + 18: r = T(ulong(group##_ballot(v > T(0))) & 0x7ff); break; \
  case base + 19: r = T(group##_all(v > T(0))); break;                 \
  case base + 20: r = T(group##_any(v > T(0))); break;                 \
  case base + 21: r = T(group##_is_first()); break;                    \
  case base + 22: r = T(ulong(group##_active_threads_mask()) >> 21 & 0x7ff); break;

template <typename T>
[[kernel]] void lanes(
    device const T* x [[buffer(0)]],
    device const uint* k [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant LanesArgs& args [[buffer(3)]],
    uint i [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  T v = x[i];
  T r = T(0);
  if (!skips(lane, args.skip)) {
    switch (args.op) {
      GROUP_CASES(0, simd)
      GROUP_CASES(32, quad)
      case 64: r = simd_shuffle_and_fill_down(v, T(-v), ushort(args.k), ushort(8)); break;
      case 65: r = simd_shuffle_and_fill_up(v, T(-v), ushort(args.k), ushort(8)); break;
    }
    out[i] = r;
  } else if (args.skip == 1) {
    out[i] = simd_sum(T(1));
  }
}

instantiate_kernel("selftest_lanes_f32", lanes, float)
instantiate_kernel("selftest_lanes_f16", lanes, half)
instantiate_kernel("selftest_lanes_i32", lanes, int)

// The bitwise reductions, integers only.
template <typename T>
[[kernel]] void lanes_bits(
    device const T* x [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant LanesArgs& args [[buffer(2)]],
    uint i [[thread_position_in_grid]]) {
  T v = x[i];
  T r = T(0);
  switch (args.op) {
    case 0: r = simd_and(v); break;
    case 1: r = simd_or(v); break;
    case 2: r = simd_xor(v); break;
    case 32: r = quad_and(v); break;
    case 33: r = quad_or(v); break;
    case 34: r = quad_xor(v); break;
  }
  out[i] = r;
}

instantiate_kernel("selftest_lanes_bits_u32", lanes_bits, uint)
instantiate_kernel("selftest_lanes_bits_u16", lanes_bits, ushort)

// Vectors go through shuffles as a whole, and sums work on each component.
template <int = 0>
[[kernel]] void lanes_vec(
    device const float4* x [[buffer(0)]],
    device float4* out [[buffer(1)]],
    constant LanesArgs& args [[buffer(2)]],
    uint i [[thread_position_in_grid]]) {
  float4 sum = simd_sum(x[i]);
  out[i] = simd_shuffle_xor(x[i], ushort(args.k)) + sum;
}

instantiate_kernel("selftest_lanes_vec", lanes_vec, 0)
