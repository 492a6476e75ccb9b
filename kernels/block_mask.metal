// Matrices whose blocks are scaled by a mask, or zero where a mask of bool is
// false: out[i, j] = mask[i/block, j/block] · x[i, j]. One thread per element.
#include "kernel.h"
#include "block_mask.h"

template <typename T>
METAL_FUNC T block_masked(T x, bool mask) { return mask ? x : T(0.0f); }
template <typename T>
METAL_FUNC T block_masked(T x, T mask) { return T(float(x) * float(mask)); }

template <typename T, typename M>
[[kernel]] void block_mask(
    device const T* x [[buffer(0)]],
    device const M* mask [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant BlockMaskArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t e = at.x + uint64_t(grid.x) * at.y;
  if (e < args.size) {
    uint64_t j = e % args.cols, i = e / args.cols % args.rows, b = e / args.cols / args.rows;
    T v = x[b * uint64_t(args.xBatch) + i * args.cols + j];
    out[e] = block_masked<T>(v, mask[b * uint64_t(args.maskBatch) + i / args.block * args.maskCols + j / args.block]);
  }
}

// clang-format off
#define instantiate_block_mask(n, T) \
  instantiate_kernel("block_mask_" #n "_bool", block_mask, T, bool) \
  instantiate_kernel("block_mask_" #n "_" #n, block_mask, T, T)
instantiate_block_mask(f32, float)
instantiate_block_mask(f16, half)
instantiate_block_mask(bf16, bfloat)
// clang-format on
