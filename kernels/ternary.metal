// out[i] = a[i] ? b[i] : c[i] with a bool; operands of any strides, out
// contiguous. One thread per element.
#include "kernel.h"
#include "binary.h"

template <typename T>
[[kernel]] void ternary_where(
    device const bool* a [[buffer(0)]],
    device const T* b [[buffer(1)]],
    device const T* c [[buffer(2)]],
    device T* out [[buffer(3)]],
    constant BinaryArgs& args [[buffer(4)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= args.size) {
    return;
  }
  int64_t pa = args.aOffset, pb = args.bOffset, pc = args.cOffset;
  uint64_t r = i;
  for (int d = int(args.ndim) - 1; d >= 0; d--) {
    uint64_t n = args.shape[d];
    int64_t k = int64_t(d > 0 ? r % n : r);
    r /= n;
    pa += k * args.aStrides[d];
    pb += k * args.bStrides[d];
    pc += k * args.cStrides[d];
  }
  out[i] = a[pa] ? b[pb] : c[pc];
}

// clang-format off
instantiate_kernel("ternary_where_bool", ternary_where, bool)
instantiate_kernel("ternary_where_u8", ternary_where, uint8_t)
instantiate_kernel("ternary_where_u16", ternary_where, uint16_t)
instantiate_kernel("ternary_where_u32", ternary_where, uint32_t)
instantiate_kernel("ternary_where_u64", ternary_where, uint64_t)
instantiate_kernel("ternary_where_i8", ternary_where, int8_t)
instantiate_kernel("ternary_where_i16", ternary_where, int16_t)
instantiate_kernel("ternary_where_i32", ternary_where, int32_t)
instantiate_kernel("ternary_where_i64", ternary_where, int64_t)
instantiate_kernel("ternary_where_f16", ternary_where, half)
instantiate_kernel("ternary_where_bf16", ternary_where, bfloat)
instantiate_kernel("ternary_where_f32", ternary_where, float)
instantiate_kernel("ternary_where_c64", ternary_where, float2)
// clang-format on
