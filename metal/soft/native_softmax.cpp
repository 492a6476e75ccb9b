// Native softmax: kernels/softmax.metal, a row at a time.
#ifndef FT_ISA
#include "native_rows.h"

#include "../../kernels/softmax.h"

#define FT_SOURCE "native_softmax.cpp"
#include "native_isa.h"
#endif

#ifdef FT_ISA
namespace ft {
namespace FT_ISA {
namespace {

// exps writes e^(x - top) to e, which may be x, and returns its sum.
template <class T> float exps(const T* x, float* e, int64_t n, float top) {
  return total(n, [&](int64_t i, auto k) {
    vf v = exp(load(x + i, k) - top);
    store(e + i, v, k);
    return keep(v, k, 0.0f);
  });
}

float* floats_of(float* out, ft_worker*, int64_t) { return out; }
template <class T> float* floats_of(T*, ft_worker* w, int64_t n) { return static_cast<float*>(ft_scratch(w, size_t(n) * sizeof(float))); }

template <class T> void softmax(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const SoftmaxArgs& args = *static_cast<const SoftmaxArgs*>(l->args);
  const int64_t n = args.n;
  each_row(args, begin, end, [&](int64_t row) {
    const T* x = static_cast<const T*>(l->bufs[0]) + row * n;
    T* out = static_cast<T*>(l->bufs[1]) + row * n;
    float* e = floats_of(out, w, n);
    const float scale = 1.0f / exps(x, e, n, top_of(x, n));
    each(n, [&](int64_t i, auto k) { store(out + i, load(e + i, k) * scale, k); });
  });
}

template <class T> void softmax_vjp(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const SoftmaxArgs& args = *static_cast<const SoftmaxArgs*>(l->args);
  const int64_t n = args.n;
  each_row(args, begin, end, [&](int64_t row) {
    const T* y = static_cast<const T*>(l->bufs[0]) + row * n;
    const T* dy = static_cast<const T*>(l->bufs[1]) + row * n;
    T* dx = static_cast<T*>(l->bufs[2]) + row * n;
    const float dot = total(n, [&](int64_t i, auto k) { return load(y + i, k) * load(dy + i, k); });
    each(n, [&](int64_t i, auto k) { store(dx + i, load(y + i, k) * (load(dy + i, k) - dot), k); });
  });
}

template <class T> void softmax_logsumexp(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const SoftmaxArgs& args = *static_cast<const SoftmaxArgs*>(l->args);
  const int64_t n = args.n;
  each_row(args, begin, end, [&](int64_t row) {
    const T* x = static_cast<const T*>(l->bufs[0]) + row * n;
    store_n(static_cast<T*>(l->bufs[1]) + row, splat(logsumexp(x, n)), 1);
  });
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft

#else

FT_NATIVE_FLOATS(softmax, ft::row_pieces<SoftmaxArgs>, softmax);
FT_NATIVE_FLOATS(softmax_vjp, ft::row_pieces<SoftmaxArgs>, softmax_vjp);
FT_NATIVE_FLOATS(softmax_logsumexp, ft::row_pieces<SoftmaxArgs>, softmax_logsumexp);

#endif
