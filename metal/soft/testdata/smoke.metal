// out[i] = T(x[i] * scale): one thread per element. The smallest kernel there
// is; it never suspends, so the software device runs it as a loop.
#include "../../../kernels/kernel.h"

struct SmokeScaleArgs {
  float scale;
};

template <typename T, typename U>
[[kernel]] void smoke_scale(
    device const T* x [[buffer(0)]],
    device U* out [[buffer(1)]],
    constant SmokeScaleArgs& args [[buffer(2)]],
    uint i [[thread_position_in_grid]]) {
  out[i] = U(float(x[i]) * args.scale);
}

instantiate_kernel("smoke_scale_f32", smoke_scale, float, float)
instantiate_kernel("smoke_scale_f16", smoke_scale, half, half)
instantiate_kernel("smoke_scale_bf16", smoke_scale, bfloat, bfloat)
instantiate_kernel("smoke_scale_u8", smoke_scale, uint8_t, uint8_t)
instantiate_kernel("smoke_scale_f32_f16", smoke_scale, float, half)
instantiate_kernel("smoke_scale_f32_bf16", smoke_scale, float, bfloat)

// x [rows, n], w [n] -> out = x / rms(x) * w; one threadgroup per row.
struct SmokeNormArgs {
  uint n;
  float eps;
};

template <typename T>
[[kernel]] void smoke_norm(
    device const T* x [[buffer(0)]],
    device const T* w [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant SmokeNormArgs& args [[buffer(3)]],
    uint row [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint threads [[threads_per_threadgroup]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]]) {
  shared_memory(float, scratch, [32]);
  x += size_t(row) * args.n;
  out += size_t(row) * args.n;
  float sum = 0.0f;
  for (uint i = tid; i < args.n; i += threads) {
    float v = float(x[i]);
    sum += v * v;
  }
  sum = threadgroup_sum(sum, scratch, lane, simdgroup, simdgroups);
  float inv = precise::rsqrt(sum / float(args.n) + args.eps);
  for (uint i = tid; i < args.n; i += threads) {
    out[i] = T(float(x[i]) * inv * float(w[i]));
  }
}

instantiate_kernel("smoke_norm_f32", smoke_norm, float)
instantiate_kernel("smoke_norm_f16", smoke_norm, half)
instantiate_kernel("smoke_norm_bf16", smoke_norm, bfloat)
