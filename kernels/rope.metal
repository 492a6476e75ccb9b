// Rotates pairs (a, b) of the first dims elements of every head by the angle
// position * scale / freq: out = (a cos - b sin, a sin + b cos). Pairs are
// (i, i + dims/2), or neighbours if traditional. freq i is freqs[i], or
// base^(2i/dims). The inverse rotation is the gradient. One thread per pair
// (or per element past dims). Su et al., "RoFormer", arXiv 2104.09864.
#include "kernel.h"
#include "rope.h"

// base^(-2i/dims) to about an ulp: what the exponent loses is put back as a
// factor, since e is exact to first order there.
METAL_FUNC float rope_inverse_freq(constant RopeArgs& args, uint i) {
  float e = float(i) * args.stepHigh;
  float lost = fma(float(i), args.stepHigh, -e) + float(i) * args.stepLow;
  return precise::exp2(-e) * (1.0f - lost * M_LN2_F);
}

template <typename T>
[[kernel]] void rope(
    device const T* x [[buffer(0)]],
    device const int* positions [[buffer(1)]],
    device const float* freqs [[buffer(2)]],
    device T* out [[buffer(3)]],
    constant RopeArgs& args [[buffer(4)]],
    uint3 at [[thread_position_in_grid]]) {
  uint half_dims = args.dims / 2;
  uint t = at.y, h = at.z % args.heads, b = at.z / args.heads;
  device const T* src = x + int64_t(b) * args.xStrides[0] + int64_t(h) * args.xStrides[1] + int64_t(t) * args.xStrides[2];
  device T* dst = out + int64_t(b) * args.outStrides[0] + int64_t(h) * args.outStrides[1] + int64_t(t) * args.outStrides[2];
  uint i = at.x;
  if (i >= half_dims) {
    uint e = args.dims + (i - half_dims);
    dst[e] = src[e];
    return;
  }
  float position = float(args.hasPositions ? positions[b * args.positionStride + t] : args.offset + int(t));
  float inverse_freq = args.hasFreqs ? 1.0f / freqs[i] : rope_inverse_freq(args, i);
  float angle = position * args.scale * inverse_freq;
  float c = precise::cos(angle), s = precise::sin(angle);
  if (args.inverse) {
    s = -s;
  }
  uint p = args.traditional ? 2 * i : i;
  uint q = args.traditional ? 2 * i + 1 : i + half_dims;
  float u = float(src[p]), v = float(src[q]);
  dst[p] = T(u * c - v * s);
  dst[q] = T(u * s + v * c);
}

instantiate_kernel("rope_f32", rope, float)
instantiate_kernel("rope_f16", rope, half)
instantiate_kernel("rope_bf16", rope, bfloat)
