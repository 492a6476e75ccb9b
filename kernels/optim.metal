// Optimizers over one flat array of parameters; one thread per element.
//   adamw: g' = g * hyper[GRAD_SCALE]; m = b1*m + (1-b1)*g'; v = b2*v + (1-b2)*g'^2
//          p = p * (1 - lr*wd) - STEP_SIZE * m / (sqrt(v) * V_SCALE + eps)
//   sgd:   g' += wd*p; v = mu*v + (1-dampening)*g'; p -= lr * (nesterov ? g' + mu*v : v)
//   sum_squares, clip: the norm of the gradient and the factor that limits it
// Loshchilov & Hutter, arXiv 1711.05101; without decay, Adam. As in
// mlx.optimizers, bias correction is optional (the host puts it into hyper).
#include "kernel.h"
#include "optim.h"

template <typename G>
[[kernel]] void adamw(
    device const G* g [[buffer(0)]],
    device const float* p [[buffer(1)]],
    device const float* m [[buffer(2)]],
    device const float* v [[buffer(3)]],
    device const float* hyper [[buffer(4)]],
    device float* pOut [[buffer(5)]],
    device float* mOut [[buffer(6)]],
    device float* vOut [[buffer(7)]],
    constant AdamWArgs& args [[buffer(8)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= args.size) {
    return;
  }
  float x = p[i];
  float d = float(g[i]) * hyper[HYPER_GRAD_SCALE];
  float m1 = args.beta1 * m[i] + args.gain1 * d;
  float v1 = args.beta2 * v[i] + args.gain2 * (d * d);
  if (i < args.decayCount) {
    x = x * (1.0f - hyper[HYPER_LR] * args.weightDecay);
  }
  x = x - hyper[HYPER_STEP_SIZE] * m1 / (precise::sqrt(v1) * hyper[HYPER_V_SCALE] + args.eps);
  pOut[i] = x;
  mOut[i] = m1;
  vOut[i] = v1;
}

template <typename G>
[[kernel]] void sgd(
    device const G* g [[buffer(0)]],
    device const float* p [[buffer(1)]],
    device const float* v [[buffer(2)]],
    device const float* hyper [[buffer(3)]],
    device float* pOut [[buffer(4)]],
    device float* vOut [[buffer(5)]],
    constant SGDArgs& args [[buffer(6)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= args.size) {
    return;
  }
  float x = p[i];
  float d = float(g[i]) * hyper[HYPER_GRAD_SCALE] + args.weightDecay * x;
  float v1 = args.first ? d : args.momentum * v[i] + (1.0f - args.dampening) * d;
  float u = args.nesterov ? d + args.momentum * v1 : v1;
  pOut[i] = x - hyper[HYPER_LR] * u;
  vOut[i] = v1;
}

// Part c of the sum of squares, by one simdgroup: the lanes take elements in
// turn, so that the order depends on nothing but the size.
template <typename T>
[[kernel]] void sum_squares(
    device const T* x [[buffer(0)]],
    device float* out [[buffer(1)]],
    constant SumSquaresArgs& args [[buffer(2)]],
    uint c [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  uint64_t begin = uint64_t(c) * args.chunk, end = min(begin + args.chunk, args.size);
  float sum = 0.0f;
  for (uint64_t i = begin + lane; i < end; i += SIMD_SIZE) {
    float v = float(x[i]);
    sum += v * v;
  }
  sum = simd_sum(sum);
  if (lane == 0) {
    out[c] = sum;
  }
}

template <int = 0>
[[kernel]] void clip_scale(
    device const float* sq [[buffer(0)]],
    device float* scale [[buffer(1)]],
    device float* norm [[buffer(2)]],
    constant ClipArgs& args [[buffer(3)]],
    uint i [[thread_position_in_grid]]) {
  if (i == 0) {
    float n = precise::sqrt(sq[0]);
    norm[0] = n;
    scale[0] = min(args.maxNorm / (n + 1e-6f), 1.0f);
  }
}

// clang-format off
#define instantiate_optim(n, T)               \
  instantiate_kernel("optim_adamw_" #n, adamw, T)   \
  instantiate_kernel("optim_sgd_" #n, sgd, T)       \
  instantiate_kernel("optim_sum_squares_" #n, sum_squares, T)
instantiate_optim(f32, float)
instantiate_optim(f16, half)
instantiate_optim(bf16, bfloat)
instantiate_kernel("optim_clip_scale_f32", clip_scale, 0)
// clang-format on
