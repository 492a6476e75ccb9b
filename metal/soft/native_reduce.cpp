// Native reduce: kernels/reduce.metal for sums, products and extremes of floats.
// Along the last axis, lanes fold every lanes-th element and are joined at the
// end; along others, columns are folded side by side.
#ifndef FT_ISA
#include "native_rows.h"

#include "../../kernels/reduce.h"

namespace {
constexpr int64_t tile = 2048;  // columns that are folded side by side
}

#define FT_SOURCE "native_reduce.cpp"
#include "native_isa.h"
#endif

#ifdef FT_ISA
namespace ft {
namespace FT_ISA {
namespace {

struct Sum {
  static float start() { return 0.0f; }
  template <class V> FT_OP V join(V a, V b) { return a + b; }
};
struct Prod {
  static float start() { return 1.0f; }
  template <class V> FT_OP V join(V a, V b) { return a * b; }
};
// NaN wins.
struct Max {
  static float start() { return -__builtin_inff(); }
  template <class V> FT_OP V join(V a, V b) { return a != a ? a : (a > b ? a : b); }
};
struct Min {
  static float start() { return __builtin_inff(); }
  template <class V> FT_OP V join(V a, V b) { return a != a ? a : (a < b ? a : b); }
};

// fold_row folds n elements that lie together.
template <class Op, class T> float fold_row(const T* x, int64_t n) {
  vf start = splat(Op::start()), s[4] = {start, start, start, start};
  each4(n, [&](int64_t i, auto k, int j) { s[j] = Op::join(s[j], keep(load(x + i, k), k, Op::start())); });
  vf v = Op::join(Op::join(s[0], s[1]), Op::join(s[2], s[3]));
  float a[lanes];
  store(a, v);
  for (int half = lanes / 2; half; half /= 2)
    for (int i = 0; i < half; i++) a[i] = Op::join(a[i], a[i + half]);
  return a[0];
}

template <class Op, class T, class U> void fold_rows(const ReduceArgs& args, const T* x, U* out, int64_t begin, int64_t end) {
  const int64_t chunk = int64_t(args.chunk), chunks = int64_t(args.chunks), reduce = int64_t(args.reduce);
  const int64_t all = int64_t(args.outer) * chunks, per = rows_per_piece(smaller(chunk, reduce));
  for (int64_t r = begin * per; r < end * per && r < all; r++) {
    const int64_t from = r % chunks * chunk, n = smaller(reduce - from, chunk);
    store_n(out + r, splat(fold_row<Op>(x + r / chunks * reduce + from, n)), 1);
  }
}

template <class Op, class T, class U> void fold_columns(const ReduceArgs& args, const T* x, U* out, int64_t begin, int64_t end) {
  const int64_t chunk = int64_t(args.chunk), chunks = int64_t(args.chunks), reduce = int64_t(args.reduce), inner = int64_t(args.inner);
  const int64_t tiles = ceil_div(inner, tile);
  for (int64_t piece = begin; piece < end; piece++) {
    const int64_t r = piece / tiles, col = piece % tiles * tile, width = smaller(inner - col, tile);
    const int64_t from = r % chunks * chunk, to = smaller(from + chunk, reduce);
    alignas(64) float s[tile];
    for (int64_t i = 0; i < width || i % lanes; i++) s[i] = Op::start();
    for (int64_t k = from; k < to; k++) {
      const T* row = x + (r / chunks * reduce + k) * inner + col;
      each(width, [&](int64_t i, auto n) { store(s + i, Op::join(load(s + i), load(row + i, n))); });
    }
    each(width, [&](int64_t i, auto n) { store(out + r * inner + col + i, load(s + i), n); });
  }
}

template <class Op, class T, class U> void fold(const ft_launch* l, int64_t begin, int64_t end) {
  const ReduceArgs& args = *static_cast<const ReduceArgs*>(l->args);
  const T* x = static_cast<const T*>(l->bufs[0]);
  U* out = static_cast<U*>(l->bufs[1]);
  if (args.inner == 1) fold_rows<Op>(args, x, out, begin, end);
  else fold_columns<Op>(args, x, out, begin, end);
}

template <class T, class U> void reduce(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  switch (static_cast<const ReduceArgs*>(l->args)->op) {
    case REDUCE_SUM: fold<Sum, T, U>(l, begin, end); break;
    case REDUCE_PROD: fold<Prod, T, U>(l, begin, end); break;
    case REDUCE_MAX: fold<Max, T, U>(l, begin, end); break;
    default: fold<Min, T, U>(l, begin, end); break;
  }
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft

#else

static int64_t pieces(const ft_launch* l) {
  const ReduceArgs& args = *static_cast<const ReduceArgs*>(l->args);
  if (args.op > REDUCE_MIN) return 0;
  const int64_t all = int64_t(args.outer * args.chunks);
  if (args.inner == 1) return ft::ceil_div(all, ft::rows_per_piece(ft::smaller(int64_t(args.chunk), int64_t(args.reduce))));
  return all * ft::ceil_div(int64_t(args.inner), tile);
}

FT_RUNNER(reduce_f32, reduce<float, float>)
FT_RUNNER(reduce_f16, reduce<ft::f16, ft::f16>)
FT_RUNNER(reduce_bf16, reduce<ft::bf16, ft::bf16>)
FT_RUNNER(partial_f16, reduce<ft::f16, float>)
FT_RUNNER(partial_bf16, reduce<ft::bf16, float>)
FT_RUNNER(join_f16, reduce<float, ft::f16>)
FT_RUNNER(join_bf16, reduce<float, ft::bf16>)

FT_NATIVE("reduce_f32", pieces, reduce_f32);
FT_NATIVE("reduce_f16", pieces, reduce_f16);
FT_NATIVE("reduce_bf16", pieces, reduce_bf16);
FT_NATIVE("reduce_partial_f16", pieces, partial_f16);
FT_NATIVE("reduce_partial_bf16", pieces, partial_bf16);
FT_NATIVE("reduce_join_f16", pieces, join_f16);
FT_NATIVE("reduce_join_bf16", pieces, join_bf16);

#endif
