// Native layer_norm: kernels/layer_norm.metal, a row at a time. A row is read
// several times, all but the first from a cache.
#ifndef FT_ISA
#include "native_rows.h"

#include "../../kernels/layer_norm.h"

#define FT_SOURCE "native_layer_norm.cpp"
#include "native_isa.h"
#endif

#ifdef FT_ISA
namespace ft {
namespace FT_ISA {
namespace {

struct Stats { float mean, r; };

template <class T> Stats stats_of(const T* x, int64_t n, float eps) {
  const float mean = total(n, [&](int64_t i, auto k) { return load(x + i, k); }) / float(n);
  const float squares = total(n, [&](int64_t i, auto k) {
    vf d = keep(load(x + i, k) - mean, k, 0.0f);
    return d * d;
  });
  return Stats{mean, 1.0f / __builtin_sqrtf(squares / float(n) + eps)};
}

template <class T> void layer_norm(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const LayerNormArgs& args = *static_cast<const LayerNormArgs*>(l->args);
  const int64_t n = args.n;
  const T* w = static_cast<const T*>(l->bufs[1]);
  const T* b = static_cast<const T*>(l->bufs[2]);
  each_row(args, begin, end, [&](int64_t row) {
    const T* x = static_cast<const T*>(l->bufs[0]) + row * n;
    T* out = static_cast<T*>(l->bufs[3]) + row * n;
    const Stats s = stats_of(x, n, args.eps);
    each(n, [&](int64_t i, auto k) { store(out + i, (load(x + i, k) - s.mean) * s.r * load(w + i, k) + load(b + i, k), k); });
  });
}

template <class T> void layer_norm_vjp(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const LayerNormArgs& args = *static_cast<const LayerNormArgs*>(l->args);
  const int64_t n = args.n;
  const T* w = static_cast<const T*>(l->bufs[1]);
  each_row(args, begin, end, [&](int64_t row) {
    const T* x = static_cast<const T*>(l->bufs[0]) + row * n;
    const T* g = static_cast<const T*>(l->bufs[2]) + row * n;
    T* dx = static_cast<T*>(l->bufs[3]) + row * n;
    const Stats s = stats_of(x, n, args.eps);
    vf a[4] = {}, d[4] = {};
    each4(n, [&](int64_t i, auto k, int j) {
      vf gw = load(g + i, k) * load(w + i, k);
      a[j] = a[j] + gw;
      d[j] = d[j] + gw * ((load(x + i, k) - s.mean) * s.r);
    });
    const float mean = sum(a) / float(n), dot = sum(d) / float(n);
    each(n, [&](int64_t i, auto k) {
      vf xn = (load(x + i, k) - s.mean) * s.r;
      store(dx + i, s.r * (load(g + i, k) * load(w + i, k) - mean - xn * dot), k);
    });
    float* stats = static_cast<float*>(l->bufs[4]) + 2 * row;
    stats[0] = s.mean;
    stats[1] = s.r;
  });
}

// A piece is a block of rows times a tile of columns.
template <class T> void layer_norm_vjp_w(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const LayerNormArgs& args = *static_cast<const LayerNormArgs*>(l->args);
  const int64_t n = args.n;
  for (int64_t piece = begin; piece < end; piece++) {
    const Columns c(args, piece);
    alignas(64) float dw[column_tile] = {}, db[column_tile] = {};
    for (int64_t row = c.first; row < c.last; row++) {
      const T* x = static_cast<const T*>(l->bufs[0]) + row * n + c.col;
      const T* g = static_cast<const T*>(l->bufs[1]) + row * n + c.col;
      const float* stats = static_cast<const float*>(l->bufs[2]) + 2 * row;
      const float mean = stats[0], r = stats[1];
      each(c.width, [&](int64_t i, auto k) {
        vf v = load(g + i, k);
        store(dw + i, load(dw + i) + v * ((load(x + i, k) - mean) * r));
        store(db + i, load(db + i) + v);
      });
    }
    memcpy(static_cast<float*>(l->bufs[3]) + c.block * n + c.col, dw, size_t(c.width) * sizeof(float));
    memcpy(static_cast<float*>(l->bufs[4]) + c.block * n + c.col, db, size_t(c.width) * sizeof(float));
  }
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft

#else

FT_NATIVE_FLOATS(layer_norm, ft::row_pieces<LayerNormArgs>, layer_norm);
FT_NATIVE_FLOATS(layer_norm_vjp, ft::row_pieces<LayerNormArgs>, layer_norm_vjp);
FT_NATIVE_FLOATS(layer_norm_vjp_w, ft::column_pieces<LayerNormArgs>, layer_norm_vjp_w);

#endif
