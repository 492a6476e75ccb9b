// out = U(x), elementwise, any strides on both sides: astype, contiguous, and
// writes into windows. One thread per element. A float that becomes an integer
// is truncated toward zero; anything but zero becomes true.
//   x: T, addressed by srcStrides from srcOffset
//   out: U, addressed by dstStrides from dstOffset
#include "kernel.h"
#include "copy.h"

template <typename U, typename T>
struct convert {
  METAL_FUNC static U from(T x) { return U(x); }
};
template <typename T>
struct convert<bool, T> {
  METAL_FUNC static bool from(T x) { return x != T(0); }
};

template <typename T, typename U>
[[kernel]] void copy_strided(
    device const T* x [[buffer(0)]],
    device U* out [[buffer(1)]],
    constant CopyArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= args.size) {
    return;
  }
  int64_t src = args.srcOffset, dst = args.dstOffset;
  for (int d = int(args.ndim) - 1; d > 0; d--) {
    uint64_t n = args.shape[d];
    int64_t k = int64_t(i % n);
    i /= n;
    src += k * args.srcStrides[d];
    dst += k * args.dstStrides[d];
  }
  src += int64_t(i) * args.srcStrides[0];
  dst += int64_t(i) * args.dstStrides[0];
  out[dst] = convert<U, T>::from(x[src]);
}

// clang-format off
#define instantiate_copy(sn, S, dn, D) \
  instantiate_kernel("copy_" #sn "_" #dn, copy_strided, S, D)

#define instantiate_copy_from(sn, S)        \
  instantiate_copy(sn, S, bool, bool)       \
  instantiate_copy(sn, S, u8, uint8_t)      \
  instantiate_copy(sn, S, u16, uint16_t)    \
  instantiate_copy(sn, S, u32, uint32_t)    \
  instantiate_copy(sn, S, u64, uint64_t)    \
  instantiate_copy(sn, S, i8, int8_t)       \
  instantiate_copy(sn, S, i16, int16_t)     \
  instantiate_copy(sn, S, i32, int32_t)     \
  instantiate_copy(sn, S, i64, int64_t)     \
  instantiate_copy(sn, S, f16, half)        \
  instantiate_copy(sn, S, bf16, bfloat)     \
  instantiate_copy(sn, S, f32, float)

instantiate_copy_from(bool, bool)
instantiate_copy_from(u8, uint8_t)
instantiate_copy_from(u16, uint16_t)
instantiate_copy_from(u32, uint32_t)
instantiate_copy_from(u64, uint64_t)
instantiate_copy_from(i8, int8_t)
instantiate_copy_from(i16, int16_t)
instantiate_copy_from(i32, int32_t)
instantiate_copy_from(i64, int64_t)
instantiate_copy_from(f16, half)
instantiate_copy_from(bf16, bfloat)
instantiate_copy_from(f32, float)
// clang-format on
