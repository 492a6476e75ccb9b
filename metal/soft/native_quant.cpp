// Native quant: kernels/quant.metal. Quantisation a group at a time, and
// dequantisation.
#ifndef FT_ISA
#include "native_rows.h"

#include "../../kernels/quant.h"

namespace ft {
namespace {

// A piece is this many units: whole groups of every length.
constexpr int64_t quant_piece = 4096;

int64_t quant_pieces(const ft_launch* l) { return ceil_div(int64_t(static_cast<const QuantArgs*>(l->args)->units), quant_piece); }

}  // namespace
}  // namespace ft

#define FT_SOURCE "native_quant.cpp"
#include "native_isa.h"
#endif

#ifdef FT_ISA
#include "native_quant.h"

namespace ft {
namespace FT_ISA {
namespace {

// pack packs units of 8 codes.
template <int B> void pack(const uint32_t* codes, int64_t n, uint8_t* words) {
  for (int64_t i = 0; i < n; i += QUANT_UNIT, words += B) {
    uint64_t all = 0;
    FT_UNROLL for (int e = 0; e < QUANT_UNIT; e++) all |= uint64_t(codes[i + e]) << (e * B);
    memcpy(words, &all, B);
  }
}

template <int B, class T> void quantize_group(const T* w, int64_t n, uint8_t* words, T* scale_out, T* bias_out) {
  constexpr float most = float((1 << B) - 1);
  vf lowest = splat(__builtin_inff()), top = -lowest;
  for (int64_t i = 0; i < n; i += lanes) lowest = min(load(w + i), lowest), top = max(load(w + i), top);
  const float low = -highest(-lowest), high = highest(top);
  float scale = (high - low) / most;
  scale = scale > 1e-7f ? scale : 1e-7f;
  const bool below = __builtin_fabsf(low) > __builtin_fabsf(high);
  const float edge = below ? low : high;
  float bias = 0.0f;
  scale = below ? scale : -scale;
  const float steps = __builtin_rintf(edge / scale);
  if (steps != 0.0f) scale = edge / steps, bias = edge;
  uint32_t codes[128];
  for (int64_t i = 0; i < n; i += lanes) {
    vf x = rint((load(w + i) - bias) / scale);
    x = min(max(x, vf{}), splat(most));
    const vi c = __builtin_convertvector(x, vi);
    memcpy(codes + i, &c, sizeof c);
  }
  pack<B>(codes, n, words);
  store_n(scale_out, splat(scale), 1);
  store_n(bias_out, splat(bias), 1);
}

template <class T, int B> void quantize(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const QuantArgs& a = *static_cast<const QuantArgs*>(l->args);
  const int64_t units = smaller(end * quant_piece, int64_t(a.units)), per = a.group / QUANT_UNIT;
  for (int64_t u = begin * quant_piece; u < units; u += per)
    quantize_group<B>(static_cast<const T*>(l->bufs[0]) + u * QUANT_UNIT, a.group, static_cast<uint8_t*>(l->bufs[1]) + u * B,
                      static_cast<T*>(l->bufs[2]) + u / per, static_cast<T*>(l->bufs[3]) + u / per);
}

// e4m3_codes and e2m1_codes are quant_to_e4m3 and quant_to_e2m1 of
// kernels/quant_format.h.
FT_OP vu e4m3_codes(vf x) {
  const vu u = bits_of(x), sign = u >> 31 << 7, a = u & 0x7fffffffu;
  const vu tiny = (vu)__builtin_convertvector(rint(float_of(a) * 512.0f), vi);
  const vu code = a < 0x3c800000u ? tiny : (a - 0x3c000000u + 0x7ffffu + (a >> 20 & 1u)) >> 20;
  return sign | (a >= 0x43e00000u ? (vu{} + 0x7eu) : code);
}
template <class T> FT_OP vu e2m1_codes(vf x) {
  static constexpr float values[16] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f, -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};
  vu best = {};
  vf least = splat(__builtin_inff());
  FT_UNROLL for (uint32_t code = 0; code < 16; code++) {
    const vf off = abs(rounded(x - values[code], T{}));
    best = off < least ? (vu{} + code) : best;
    least = off < least ? off : least;
  }
  return best;
}

// apart keeps a product from being fused with the sum it goes into: MLX rounds
// both, and where they cancel that shows.
FT_OP vf apart(vf x) {
#if defined(__aarch64__)
  asm("" : "+w"(x));
#else
  asm("" : "+x"(x));
#endif
  return x;
}

// round_to is the value that memory of type T would hold.
template <class T> float round_to(float x) { return rounded(splat(x), T{})[0]; }

// exponent is quant_exponent of kernels/quant_format.h.
template <class T> int exponent(float x) { return x > 0.0f && x < __builtin_inff() ? int(__builtin_rintf(round_to<T>(__builtin_log2f(x)))) : 0; }

// quantize_small packs a group of small floats and returns the code of its scale.
template <class T, int F, int KIND> uint8_t quantize_small(const T* w, int64_t n, const float* global, uint8_t* words) {
  constexpr int B = bits_in<F>;
  vf top = {};
  for (int64_t i = 0; i < n; i += lanes) top = max(abs(load(w + i)), top);
  const float relative = global ? 2688.0f / *global : 1.0f;
  float scale = round_to<T>(highest(top) / (B == 4 ? 6.0f : 448.0f));
  uint32_t code;
  if (KIND == 1) {
    const int e = exponent<T>(scale);
    const uint32_t bits = e < -126 ? 1u << ((e + 149) & 31) : uint32_t(e + 127) << 23;
    code = uint32_t(e + 127) & 255;
    memcpy(&scale, &bits, sizeof scale);
    scale = round_to<T>(scale);
  } else {
    code = e4m3_codes(splat(scale * relative))[0];
    scale = value<18>(vu{} + code)[0];
  }
  uint32_t codes[32];
  for (int64_t i = 0; i < n; i += lanes) {
    const vf y = apart(rounded(load(w + i) / scale, T{}) * relative);
    const vu c = B == 8 ? e4m3_codes(y) : global ? e2m1_codes<float>(y) : e2m1_codes<T>(y);
    memcpy(codes + i, &c, sizeof c);
  }
  pack<B>(codes, n, words);
  return uint8_t(code);
}

template <class T, int F, int KIND> void quantize_fp(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const QuantArgs& a = *static_cast<const QuantArgs*>(l->args);
  const float* global = a.hasGlobal ? static_cast<const float*>(l->bufs[1]) : nullptr;
  const int64_t units = smaller(end * quant_piece, int64_t(a.units)), per = a.group / QUANT_UNIT;
  for (int64_t u = begin * quant_piece; u < units; u += per)
    static_cast<uint8_t*>(l->bufs[3])[u / per] = quantize_small<T, F, KIND>(static_cast<const T*>(l->bufs[0]) + u * QUANT_UNIT, a.group, global,
                                                                           static_cast<uint8_t*>(l->bufs[2]) + u * bits_in<F>);
}

template <class T, int F, int KIND> void dequantize(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const QuantArgs& a = *static_cast<const QuantArgs*>(l->args);
  const Scales<T, KIND> of = {l->bufs[1], l->bufs[2]};
  const float global = a.hasGlobal ? *static_cast<const float*>(l->bufs[3]) / 2688.0f : 1.0f;
  const int64_t units = smaller(end * quant_piece, int64_t(a.units)), per = a.group / QUANT_UNIT;
  for (int64_t u = begin * quant_piece; u < units; u += per) {
    float s, b;
    of.to(u / per, 1, &s, &b);
    s *= global;
    const uint8_t* words = static_cast<const uint8_t*>(l->bufs[0]) + u * bits_in<F>;
    T* out = static_cast<T*>(l->bufs[4]) + u * QUANT_UNIT;
    for (int64_t i = 0; i < a.group; i += lanes) store(out + i, apart(rounded(unpack<F>(words, i) * s, T{})) + b);
  }
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft
#else

#define FT_NATIVE_DEQUANTIZE(n, T, format, F, KIND)              \
  FT_RUNNER(dequantize_##format##_##n, dequantize<T, F, KIND>)   \
  FT_NATIVE("quant_dequantize_" #format "_" #n, ft::quant_pieces, dequantize_##format##_##n);
#define FT_NATIVE_SMALL(n, T, format, F, KIND)                   \
  FT_RUNNER(quantize_##format##_##n, quantize_fp<T, F, KIND>)    \
  FT_NATIVE("quant_quantize_" #format "_" #n, ft::quant_pieces, quantize_##format##_##n); \
  FT_NATIVE_DEQUANTIZE(n, T, format, F, KIND)
#define FT_NATIVE_AFFINE(n, T, B)                \
  FT_RUNNER(quantize_b##B##_##n, quantize<T, B>) \
  FT_NATIVE("quant_quantize_b" #B "_" #n, ft::quant_pieces, quantize_b##B##_##n); \
  FT_NATIVE_DEQUANTIZE(n, T, b##B, B, 0)
#define FT_NATIVE_QUANT(n, T)                \
  FT_NATIVE_AFFINE(n, T, 2)                  \
  FT_NATIVE_AFFINE(n, T, 3)                  \
  FT_NATIVE_AFFINE(n, T, 4)                  \
  FT_NATIVE_AFFINE(n, T, 5)                  \
  FT_NATIVE_AFFINE(n, T, 6)                  \
  FT_NATIVE_AFFINE(n, T, 8)                  \
  FT_NATIVE_SMALL(n, T, mxfp4, 14, 1)   \
  FT_NATIVE_SMALL(n, T, mxfp8, 18, 1)   \
  FT_NATIVE_SMALL(n, T, nvfp4, 14, 2)
FT_NATIVE_QUANT(f32, float)
FT_NATIVE_QUANT(f16, ft::f16)
FT_NATIVE_QUANT(bf16, ft::bf16)
#endif
