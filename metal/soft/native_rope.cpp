// Native rope: kernels/rope.metal, a token at a time. The sines and cosines of a
// token are computed once for all its heads, from the same angles in float.
#ifndef FT_ISA
#include "native_rows.h"

#include "../../kernels/rope.h"

#define FT_SOURCE "native_rope.cpp"
#include "native_isa.h"
#endif

#ifdef FT_ISA
namespace ft {
namespace FT_ISA {
namespace {

// Tables of one token: cos and sin of pair i at [i]; if traditional, at [2i]
// and [2i+1], with the sines' signs as the two elements of a pair need them.
struct Tables {
  float *inverse, *cosine, *sine;
};

// angles fills inverse[i] = 1 / freq of pair i: as the kernel does, since the
// position multiplies its error.
void inverse_freqs(const RopeArgs& args, const float* freqs, float* inverse) {
  for (uint32_t i = 0; i < args.dims / 2; i++) {
    const float e = float(i) * args.stepHigh;
    const float lost = __builtin_fmaf(float(i), args.stepHigh, -e) + float(i) * args.stepLow;
    inverse[i] = args.hasFreqs ? 1.0f / freqs[i] : __builtin_exp2f(-e) * (1.0f - lost * 0.6931471805599453f);
  }
}

void tables_of(const RopeArgs& args, float position, Tables t) {
  const int64_t half = args.dims / 2;
  const float at = position * args.scale;
  each(half, [&](int64_t i, auto k) {
    vf angle = at * load(t.inverse + i, k), s, c;
    sincos(angle, &s, &c);
    store(t.sine + i, args.inverse ? -s : s, k);
    store(t.cosine + i, c, k);
  });
  for (int64_t i = 0; i < half; i++) {
    const float angle = at * t.inverse[i];
    if (__builtin_fabsf(angle) < 0x1p20f) continue;
    t.cosine[i] = __builtin_cosf(angle);
    t.sine[i] = args.inverse ? -__builtin_sinf(angle) : __builtin_sinf(angle);
  }
  if (!args.traditional) return;
  for (int64_t i = half - 1; i >= 0; i--) {
    t.cosine[2 * i] = t.cosine[2 * i + 1] = t.cosine[i];
    const float s = t.sine[i];
    t.sine[2 * i] = -s;
    t.sine[2 * i + 1] = s;
  }
}

FT_OP vf swap_neighbours(vf x) {
  typedef uint64_t pairs __attribute__((vector_size(4 * lanes)));
  pairs p = (pairs)x;
  return (vf)((p << 32) | (p >> 32));
}

template <class T> void rotate(const RopeArgs& args, const T* src, T* dst, Tables t) {
  const int64_t half = args.dims / 2;
  if (args.traditional) {
    each(2 * half, [&](int64_t i, auto k) {
      vf x = load(src + i, k);
      store(dst + i, x * load(t.cosine + i) + swap_neighbours(x) * load(t.sine + i), k);
    });
  } else {
    each(half, [&](int64_t i, auto k) {
      vf u = load(src + i, k), v = load(src + half + i, k), c = load(t.cosine + i), s = load(t.sine + i);
      store(dst + i, u * c - v * s, k);
      store(dst + half + i, u * s + v * c, k);
    });
  }
  if (dst != src) memcpy(dst + 2 * half, src + 2 * half, size_t(args.headDim - 2 * half) * sizeof(T));
}

template <class T> void rope(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const RopeArgs& args = *static_cast<const RopeArgs*>(l->args);
  const T* x = static_cast<const T*>(l->bufs[0]);
  const int32_t* positions = static_cast<const int32_t*>(l->bufs[1]);
  T* out = static_cast<T*>(l->bufs[3]);
  const int64_t width = ceil_div(args.dims, 64) * 64;
  float* buf = static_cast<float*>(ft_scratch(w, size_t(3 * width) * sizeof(float)));
  const Tables t = {buf, buf + width, buf + 2 * width};
  inverse_freqs(args, static_cast<const float*>(l->bufs[2]), t.inverse);
  const int64_t per = rows_per_piece(int64_t(args.heads) * args.headDim), all = int64_t(args.batch) * args.tokens;
  for (int64_t at = begin * per; at < end * per && at < all; at++) {
    const int64_t b = at / args.tokens, token = at % args.tokens;
    tables_of(args, float(args.hasPositions ? positions[b * args.positionStride + token] : args.offset + int32_t(token)), t);
    const T* src = x + b * args.xStrides[0] + token * args.xStrides[2];
    T* dst = out + b * args.outStrides[0] + token * args.outStrides[2];
    for (int64_t h = 0; h < args.heads; h++) rotate(args, src + h * args.xStrides[1], dst + h * args.outStrides[1], t);
  }
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft

#else

static int64_t pieces(const ft_launch* l) {
  const RopeArgs& args = *static_cast<const RopeArgs*>(l->args);
  const int64_t per = ft::rows_per_piece(int64_t(args.heads) * args.headDim);
  return ft::ceil_div(int64_t(args.batch) * args.tokens, per);
}

FT_NATIVE_FLOATS(rope, pieces, rope);

#endif
