// Quantisation as MLX does it (quant_format.h has the formats), and back.
//   w [units, 8] -> words [units, BITS bytes], scales and biases [groups]
// One thread per unit. The threads of a group, of one simdgroup, find its range
// together: group / 8 is a power of two.
//   quantize_affine: scale = (max - min) / (2^BITS - 1), of the sign that makes the
//     end of larger magnitude a multiple of it, then shrunk or stretched so that
//     this end, the bias, is met exactly. code = (w - bias) / scale.
//   quantize_fp: scale = max |w| / the largest element, rounded to the dtype and then
//     to the format of scales; code = w / scale, rounded to the dtype. A global
//     scale g makes scales relative to g / (448 * 6).
//   dequantize: scale * code + bias, each step rounded to the dtype.
#include "kernel.h"
#include "quant.h"
#include "quant_format.h"

METAL_FUNC uint64_t quant_index(uint3 at, uint3 grid) { return at.x + uint64_t(grid.x) * at.y; }

template <typename T, int BITS>
[[kernel]] void quantize_affine(
    device const T* w [[buffer(0)]],
    device uint8_t* words [[buffer(1)]],
    device T* scales [[buffer(2)]],
    device T* biases [[buffer(3)]],
    constant QuantArgs& args [[buffer(4)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t unit = min(quant_index(at, grid), args.units - 1);
  float x[QUANT_UNIT];
  float low = INFINITY, high = -INFINITY;
  for (uint i = 0; i < QUANT_UNIT; i++) {
    x[i] = float(w[unit * QUANT_UNIT + i]);
    low = min(low, x[i]);
    high = max(high, x[i]);
  }
  for (uint step = 1; step < args.group / QUANT_UNIT; step *= 2) {
    low = min(low, simd_shuffle_xor(low, step));
    high = max(high, simd_shuffle_xor(high, step));
  }
  float most = float((1 << BITS) - 1);
  float scale = max((high - low) / most, 1e-7f);
  bool below = fabs(low) > fabs(high);
  float edge = below ? low : high, bias = 0.0f;
  scale = below ? scale : -scale;
  float steps = rint(edge / scale);
  if (steps != 0.0f) {
    scale = edge / steps;
    bias = edge;
  }
  if (quant_index(at, grid) < args.units) {
    uint codes[QUANT_UNIT];
    for (uint i = 0; i < QUANT_UNIT; i++) {
      codes[i] = uint(min(max(rint((x[i] - bias) / scale), 0.0f), most));
    }
    quant_pack<BITS>(codes, words + unit * BITS);
    if (unit * QUANT_UNIT % args.group == 0) {
      scales[unit * QUANT_UNIT / args.group] = T(scale);
      biases[unit * QUANT_UNIT / args.group] = T(bias);
    }
  }
}

template <typename T, int BITS, int KIND>
[[kernel]] void quantize_fp(
    device const T* w [[buffer(0)]],
    device const float* global [[buffer(1)]],
    device uint8_t* words [[buffer(2)]],
    device uint8_t* scales [[buffer(3)]],
    constant QuantArgs& args [[buffer(4)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t unit = min(quant_index(at, grid), args.units - 1);
  float x[QUANT_UNIT];
  float top = 0.0f;
  for (uint i = 0; i < QUANT_UNIT; i++) {
    x[i] = float(w[unit * QUANT_UNIT + i]);
    top = max(top, fabs(x[i]));
  }
  for (uint step = 1; step < args.group / QUANT_UNIT; step *= 2) {
    top = max(top, simd_shuffle_xor(top, step));
  }
  float relative = args.hasGlobal ? 2688.0f / global[0] : 1.0f;
  float scale = float(T(top / (BITS == 4 ? 6.0f : 448.0f)));
  int e = quant_exponent<T>(scale);
  uint code = KIND == QUANT_E8M0 ? uint(e + 127) & 255 : quant_to_e4m3(scale * relative);
  scale = KIND == QUANT_E8M0 ? float(T(quant_power(e))) : quant_from_e4m3(code);
  if (quant_index(at, grid) < args.units) {
    uint codes[QUANT_UNIT];
    for (uint i = 0; i < QUANT_UNIT; i++) {
      float y = float(T(x[i] / scale)) * relative;
      codes[i] = BITS == 8 ? quant_to_e4m3(y) : args.hasGlobal ? quant_to_e2m1<float>(y) : quant_to_e2m1<T>(y);
    }
    quant_pack<BITS>(codes, words + unit * BITS);
    if (unit * QUANT_UNIT % args.group == 0) {
      scales[unit * QUANT_UNIT / args.group] = uint8_t(code);
    }
  }
}

// out = scale * code (+ bias). S is the dtype of affine scales and biases; others
// have no biases.
template <typename T, int BITS, int KIND>
[[kernel]] void dequantize(
    device const uint8_t* words [[buffer(0)]],
    device const typename quant_scale<T, KIND>::type* scales [[buffer(1)]],
    device const T* biases [[buffer(2)]],
    device const float* global [[buffer(3)]],
    device T* out [[buffer(4)]],
    constant QuantArgs& args [[buffer(5)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t unit = quant_index(at, grid);
  if (unit >= args.units) {
    return;
  }
  uint64_t group = unit * QUANT_UNIT / args.group;
  float x[QUANT_UNIT];
  quant_unpack<BITS, KIND>(words + unit * BITS, x);
  float scale = quant_scale<T, KIND>::value(scales[group]);
  if (args.hasGlobal) {
    scale *= global[0] / 2688.0f;
  }
  float bias = KIND == QUANT_AFFINE ? float(biases[group]) : 0.0f;
  for (uint i = 0; i < QUANT_UNIT; i++) {
    out[unit * QUANT_UNIT + i] = T(float(T(x[i] * scale)) + bias);
  }
}

template <typename T>
[[kernel]] void to_fp8(
    device const T* x [[buffer(0)]],
    device uint8_t* out [[buffer(1)]],
    constant QuantFp8Args& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = quant_index(at, grid);
  if (i < args.size) {
    out[i] = uint8_t(quant_to_e4m3(float(x[i])));
  }
}

template <typename T>
[[kernel]] void from_fp8(
    device const uint8_t* x [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant QuantFp8Args& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = quant_index(at, grid);
  if (i < args.size) {
    out[i] = T(quant_from_e4m3(x[i]));
  }
}

// clang-format off
#define instantiate_affine(n, T, BITS)                                    \
  instantiate_kernel("quant_quantize_b" #BITS "_" #n, quantize_affine, T, BITS) \
  instantiate_kernel("quant_dequantize_b" #BITS "_" #n, dequantize, T, BITS, QUANT_AFFINE)
#define instantiate_fp(n, T, format, BITS, KIND)                          \
  instantiate_kernel("quant_quantize_" #format "_" #n, quantize_fp, T, BITS, KIND) \
  instantiate_kernel("quant_dequantize_" #format "_" #n, dequantize, T, BITS, KIND)
#define instantiate_quant(n, T)                      \
  instantiate_affine(n, T, 2)                        \
  instantiate_affine(n, T, 3)                        \
  instantiate_affine(n, T, 4)                        \
  instantiate_affine(n, T, 5)                        \
  instantiate_affine(n, T, 6)                        \
  instantiate_affine(n, T, 8)                        \
  instantiate_fp(n, T, mxfp4, 4, QUANT_E8M0)         \
  instantiate_fp(n, T, mxfp8, 8, QUANT_E8M0)         \
  instantiate_fp(n, T, nvfp4, 4, QUANT_E4M3)         \
  instantiate_kernel("quant_to_fp8_" #n, to_fp8, T)  \
  instantiate_kernel("quant_from_fp8_" #n, from_fp8, T)
instantiate_quant(f32, float)
instantiate_quant(f16, half)
instantiate_quant(bf16, bfloat)
// clang-format on
