// Native cross_entropy: kernels/cross_entropy.metal, a row at a time. A row of a
// large vocabulary fits the second-level cache, where it is read again.
#ifndef FT_ISA
#include "native_rows.h"

#include "../../kernels/cross_entropy.h"

#define FT_SOURCE "native_cross_entropy.cpp"
#include "native_isa.h"
#endif

#ifdef FT_ISA
namespace ft {
namespace FT_ISA {
namespace {

template <class T> float element(const T* x) { return load_n(x, 1)[0]; }

template <class T> void cross_entropy(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const CrossEntropyArgs& args = *static_cast<const CrossEntropyArgs*>(l->args);
  const int64_t n = args.n;
  each_row(args, begin, end, [&](int64_t row) {
    const T* x = static_cast<const T*>(l->bufs[0]) + row * n;
    const int32_t target = static_cast<const int32_t*>(l->bufs[1])[row];
    const float lse = args.skip && target < 0 ? 0.0f : logsumexp(x, n);
    float loss = target < 0 ? 0.0f : __builtin_nanf("");
    if (target >= 0 && target < n) loss = lse - element(x + target);
    static_cast<float*>(l->bufs[2])[row] = loss;
    static_cast<float*>(l->bufs[3])[row] = lse;
  });
}

template <class T, class U> void cross_entropy_grad(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const CrossEntropyArgs& args = *static_cast<const CrossEntropyArgs*>(l->args);
  const int64_t n = args.n;
  each_row(args, begin, end, [&](int64_t row) {
    const T* x = static_cast<const T*>(l->bufs[0]) + row * n;
    U* out = static_cast<U*>(l->bufs[4]) + row * n;
    const int32_t target = static_cast<const int32_t*>(l->bufs[1])[row];
    if (target < 0) {
      memset(out, 0, size_t(n) * sizeof(U));
      return;
    }
    const float lse = static_cast<const float*>(l->bufs[2])[row];
    float scale = args.scaled ? static_cast<const float*>(l->bufs[3])[row] : 1.0f;
    if (target >= n) scale = __builtin_nanf("");
    // out may be x: the target's logit is read before it is gone.
    const float at_target = target < n ? element(x + target) : 0.0f;
    each(n, [&](int64_t i, auto k) { store(out + i, exp(load(x + i, k) - lse) * scale, k); });
    if (target < n) store_n(out + target, (exp(splat(at_target) - lse) - 1.0f) * scale, 1);
  });
}

// Pieces of rows are cut by elements, since a row may be short.
template <class T> void scale_rows(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const ScaleRowsArgs& args = *static_cast<const ScaleRowsArgs*>(l->args);
  const int64_t n = int64_t(args.n);
  const Elements all = elements_of(args, begin, end);
  for (int64_t at = all.from; at < all.to;) {
    const int64_t row = at / n, next = smaller((row + 1) * n, all.to);
    const T* x = static_cast<const T*>(l->bufs[0]) + at;
    T* out = static_cast<T*>(l->bufs[2]) + at;
    const float s = static_cast<const float*>(l->bufs[1])[row];
    each(next - at, [&](int64_t i, auto k) { store(out + i, load(x + i, k) * s, k); });
    at = next;
  }
}

template <class T> void cross_entropy_same(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  cross_entropy_grad<T, T>(l, begin, end, w);
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft

#else

FT_NATIVE_FLOATS(cross_entropy, ft::row_pieces<CrossEntropyArgs>, cross_entropy);
FT_NATIVE_FLOATS(cross_entropy_grad, ft::row_pieces<CrossEntropyArgs>, cross_entropy_same);
FT_NATIVE_FLOATS(cross_entropy_scale_rows, ft::element_pieces<ScaleRowsArgs>, scale_rows);

FT_RUNNER(grad_f32_f16, cross_entropy_grad<float, ft::f16>)
FT_RUNNER(grad_f32_bf16, cross_entropy_grad<float, ft::bf16>)
FT_NATIVE("cross_entropy_grad_f32_f16", ft::row_pieces<CrossEntropyArgs>, grad_f32_f16);
FT_NATIVE("cross_entropy_grad_f32_bf16", ft::row_pieces<CrossEntropyArgs>, grad_f32_bf16);

#endif
