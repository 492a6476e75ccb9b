// out[i] = start + i * step, contiguous: fills and ranges. One thread per
// element. Floats are computed in float and rounded once.
#include "kernel.h"
#include "fill.h"

template <typename T>
struct fill_value {
  METAL_FUNC static T at(constant FillArgs& a, uint64_t i) {
    return T(uint64_t(a.startInt) + i * uint64_t(a.stepInt));
  }
};
template <>
struct fill_value<bool> {
  METAL_FUNC static bool at(constant FillArgs& a, uint64_t i) {
    return a.startFloat + float(i) * a.stepFloat != 0.0f;
  }
};
template <>
struct fill_value<float> {
  METAL_FUNC static float at(constant FillArgs& a, uint64_t i) {
    return a.stepFloat == 0.0f ? a.startFloat : a.startFloat + float(i) * a.stepFloat;
  }
};
template <>
struct fill_value<half> {
  METAL_FUNC static half at(constant FillArgs& a, uint64_t i) {
    return half(fill_value<float>::at(a, i));
  }
};
template <>
struct fill_value<bfloat> {
  METAL_FUNC static bfloat at(constant FillArgs& a, uint64_t i) {
    return bfloat(fill_value<float>::at(a, i));
  }
};
template <>
struct fill_value<float2> {
  METAL_FUNC static float2 at(constant FillArgs& a, uint64_t i) {
    return float2(fill_value<float>::at(a, i), 0.0f);
  }
};

template <typename T>
[[kernel]] void fill(
    device T* out [[buffer(0)]],
    constant FillArgs& args [[buffer(1)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    out[i] = fill_value<T>::at(args, i);
  }
}

// clang-format off
instantiate_kernel("fill_bool", fill, bool)
instantiate_kernel("fill_u8", fill, uint8_t)
instantiate_kernel("fill_u16", fill, uint16_t)
instantiate_kernel("fill_u32", fill, uint32_t)
instantiate_kernel("fill_u64", fill, uint64_t)
instantiate_kernel("fill_i8", fill, int8_t)
instantiate_kernel("fill_i16", fill, int16_t)
instantiate_kernel("fill_i32", fill, int32_t)
instantiate_kernel("fill_i64", fill, int64_t)
instantiate_kernel("fill_f16", fill, half)
instantiate_kernel("fill_bf16", fill, bfloat)
instantiate_kernel("fill_f32", fill, float)
instantiate_kernel("fill_c64", fill, float2)
// clang-format on
