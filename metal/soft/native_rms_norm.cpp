// Native rms_norm: kernels/rms_norm.metal, a row at a time. A row is read twice,
// the second time from the first-level cache.
#ifndef FT_ISA
#include "native_rows.h"

#include "../../kernels/rms_norm.h"

#define FT_SOURCE "native_rms_norm.cpp"
#include "native_isa.h"
#endif

#ifdef FT_ISA
namespace ft {
namespace FT_ISA {
namespace {

template <class T> float rsqrt_mean(const T* x, int64_t n, float eps) {
  const float squares = total(n, [&](int64_t i, auto k) {
    vf v = load(x + i, k);
    return v * v;
  });
  return 1.0f / __builtin_sqrtf(squares / float(n) + eps);
}

template <class T> void rms_norm(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const NormArgs& args = *static_cast<const NormArgs*>(l->args);
  const int64_t n = args.n;
  const T* w = static_cast<const T*>(l->bufs[1]);
  each_row(args, begin, end, [&](int64_t row) {
    const T* x = static_cast<const T*>(l->bufs[0]) + row * n;
    T* out = static_cast<T*>(l->bufs[2]) + row * n;
    const float r = rsqrt_mean(x, n, args.eps);
    if (args.weighted) each(n, [&](int64_t i, auto k) { store(out + i, load(x + i, k) * r * load(w + i, k), k); });
    else each(n, [&](int64_t i, auto k) { store(out + i, load(x + i, k) * r, k); });
  });
}

// Weight gives a vector of w, or of ones.
template <class T, bool weighted> struct Weight {
  const T* w;
  template <class K> inline __attribute__((always_inline)) vf at(int64_t i, K k) const {
    if constexpr (weighted) return load(w + i, k);
    return splat(1.0f);
  }
};

template <class T, class W> void vjp_row(const T* x, W w, const T* g, T* dx, float* rms, int64_t n, float eps) {
  vf s[4] = {}, d[4] = {};
  each4(n, [&](int64_t i, auto k, int j) {
    vf v = load(x + i, k);
    s[j] = s[j] + v * v;
    d[j] = d[j] + load(g + i, k) * w.at(i, k) * v;
  });
  const float r = 1.0f / __builtin_sqrtf(sum(s) / float(n) + eps);
  const float m = r * r * (sum(d) / float(n));
  each(n, [&](int64_t i, auto k) { store(dx + i, r * (load(g + i, k) * w.at(i, k) - load(x + i, k) * m), k); });
  *rms = r;
}

template <class T> void rms_norm_vjp(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const NormArgs& args = *static_cast<const NormArgs*>(l->args);
  const int64_t n = args.n;
  const T* w = static_cast<const T*>(l->bufs[1]);
  each_row(args, begin, end, [&](int64_t row) {
    const T* x = static_cast<const T*>(l->bufs[0]) + row * n;
    const T* g = static_cast<const T*>(l->bufs[2]) + row * n;
    T* dx = static_cast<T*>(l->bufs[3]) + row * n;
    float* rms = static_cast<float*>(l->bufs[4]) + row;
    if (args.weighted) vjp_row(x, Weight<T, true>{w}, g, dx, rms, n, args.eps);
    else vjp_row(x, Weight<T, false>{w}, g, dx, rms, n, args.eps);
  });
}

// A piece is a block of rows times a tile of columns.
template <class T> void rms_norm_vjp_w(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const NormArgs& args = *static_cast<const NormArgs*>(l->args);
  const int64_t n = args.n;
  const float* rms = static_cast<const float*>(l->bufs[2]);
  for (int64_t piece = begin; piece < end; piece++) {
    const Columns c(args, piece);
    alignas(64) float add[column_tile] = {};
    for (int64_t row = c.first; row < c.last; row++) {
      const T* x = static_cast<const T*>(l->bufs[0]) + row * n + c.col;
      const T* g = static_cast<const T*>(l->bufs[1]) + row * n + c.col;
      const float r = rms[row];
      each(c.width, [&](int64_t i, auto k) { store(add + i, load(add + i) + load(g + i, k) * (load(x + i, k) * r)); });
    }
    memcpy(static_cast<float*>(l->bufs[3]) + c.block * n + c.col, add, size_t(c.width) * sizeof(float));
  }
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft

#else

FT_NATIVE_FLOATS(rms_norm, ft::row_pieces<NormArgs>, rms_norm);
FT_NATIVE_FLOATS(rms_norm_vjp, ft::row_pieces<NormArgs>, rms_norm_vjp);
FT_NATIVE_FLOATS(rms_norm_vjp_w, ft::column_pieces<NormArgs>, rms_norm_vjp_w);

#endif
