// Attention backward: kernels/sdpa_vjp.metal.
//
// A piece is a key head with its query heads, or where these do not keep all
// processors busy a slab of one: dQ of some of its queries and dK and dV of some of its
// keys. A pair of a query and a key of the slab takes five products, as its score is
// made once for all three; a pair that crosses slabs takes three in one and four in the
// other. However a head is cut, its bits are the same: every sum runs over the same
// terms in the same order.
#ifndef FT_ISA
#define FT_SOURCE "native_sdpa_vjp.cpp"
#include "native_sdpa.h"
#include "native_isa.h"
#endif

#ifdef FT_ISA
#include "native_sdpa_tile.h"
#include "native_sdpa_vjp_core.h"

namespace ft {
namespace FT_ISA {
namespace {
namespace sdpa {

// Rows is the gradient whose products take float32.
template <class T> struct Rows {
  typedef T Element;

  // Keys are keys and values as rows of floats.
  struct Keys {
    float *k, *v;
    Keys(const Sizes& z, int64_t n, Arena& arena) : k(arena.take(n * z.ld)), v(arena.take(n * z.ld)) {}
    void read(const Sizes& z, const ft_launch* l, int64_t b, int64_t kv, int64_t first, int64_t n) {
      pack(at<const T>(l, K, z.a->k, b, kv) + first * z.a->k[2], z.a->k[2], n, z.dim, k, z.ld);
      pack(at<const T>(l, V, z.a->v, b, kv) + first * z.a->v[2], z.a->v[2], n, z.dim, v, z.ld);
    }
  };

  // Queries are q and the cotangent g as rows and as columns (q times
  // scale * log2(e)), and per query lse (times log2(e)) and delta.
  struct Queries {
    float *q, *g, *q_columns, *g_columns, *lse, *delta;
    Queries(const Sizes& z, Arena& arena)
        : q(arena.take(QT * z.ld)), g(arena.take(QT * z.ld)), q_columns(arena.take(QT * z.ld)), g_columns(arena.take(QT * z.ld)),
          lse(arena.take(QT)), delta(arena.take(QT)) {}
    void read(const Sizes& z, const ft_launch* l, int64_t b, int64_t head, const Tile& t) {
      pack(query<T>(z, l, Q, b, head, t), z.a->q[2], t.nq, z.dim, q, z.ld);
      pack(query<T>(z, l, DOUT, b, head, t), z.a->dOut[2], t.nq, z.dim, g, z.ld);
      turn(q, z.ld, t.nq, z.dim, z.a->scale * log2e, q_columns, QT);
      turn(g, z.ld, t.nq, z.dim, 1.0f, g_columns, QT);
      read_sums(z, l, b, head, t, lse, delta);
    }
  };

  // Pair adds to dq [dim][QT], and to rows of dk and dv, from keys at on. Null ones
  // are not wanted.
  struct Pair {
    float *p, *ds;
    Pair(const Sizes&, Arena& arena) : p(arena.take(KT * QT)), ds(arena.take(KT * QT)) {}
    void add(const Sizes& z, const Tile& t, const Queries& x, const Keys& keys, int64_t at, float* dq, float* dk, float* dv) {
      const int64_t width = whole(t.nq), ld = z.ld;
      const float *k = keys.k + at * ld, *v = keys.v + at * ld;
      const Bands bands = bands_of(z.a, t, width);
      for (const Band& b : bands) {
        const int64_t to = b.from * QT + b.low, n = b.high - b.low;
        product<Floats, false>(b.n, n, k + b.from * ld, ld, x.q_columns + b.low, QT, z.dim, p + to, QT, false);
        product<Floats, false>(b.n, n, v + b.from * ld, ld, x.g_columns + b.low, QT, z.dim, ds + to, QT, false);
      }
      mask(z.a, t, width, bands, p);
      if (bands.cut) fill(bands, t.nk, width, 0.0f, ds);
      bands.each_group(width, [&](int64_t c, int64_t n, int64_t from, int64_t to) {
        for (int64_t j = from * QT; j < to * QT; j += QT)
          for (int64_t i = c; i < c + n; i += lanes) {
            const vf e = power(load(p + j + i) - load(x.lse + i));
            store(p + j + i, e);
            store(ds + j + i, e * (load(ds + j + i) - load(x.delta + i)));
          }
        if (dq) product<Floats, true>(z.dim, n, k + from * ld, ld, ds + from * QT + c, QT, to - from, dq + c, QT, true);
      });
      if (!dk) return;
      for (const Band& b : bands) {
        const int64_t from = b.from * QT + b.low, query = b.low * ld, to = b.from * ld, n = smaller(b.high, t.nq) - b.low;
        product<Floats, false>(b.n, whole(z.dim), p + from, QT, x.g + query, ld, n, dv + to, ld, true);
        product<Floats, false>(b.n, whole(z.dim), ds + from, QT, x.q + query, ld, n, dk + to, ld, true);
      }
    }
  };

  // Floats of all three, for n keys.
  static int64_t room(const Sizes& z, int64_t n) { return 2 * n * z.ld + 4 * QT * z.ld + 2 * QT + 2 * KT * QT; }
};

template <class T> void backward_rows(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) { backward<Rows<T>>(l, begin, end, w); }

// delta = rowsum(dOut * out), a head a piece.
template <class T>
void delta(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const SDPAArgs* a = static_cast<const SDPAArgs*>(l->args);
  for (int64_t u = begin; u < end; u++) {
    const int64_t b = u / a->heads, head = u % a->heads;
    const T *out = at<const T>(l, 0, a->out, b, head), *g = at<const T>(l, 1, a->dOut, b, head);
    float* to = static_cast<float*>(l->bufs[2]) + u * a->tq;
    for (int64_t i = 0; i < int64_t(a->tq); i++, out += a->out[2], g += a->dOut[2]) {
      vf dot = {};
      int64_t d = 0;
      for (; d + lanes <= int64_t(a->dim); d += lanes) dot += load(out + d) * load(g + d);
      if (d < int64_t(a->dim)) dot += load_n(out + d, a->dim - d) * load_n(g + d, a->dim - d);
      to[i] = sum(dot);
    }
  }
}

}  // namespace sdpa
}  // namespace
}  // namespace FT_ISA
}  // namespace ft

#else

#include <unistd.h>

ft::SDPADivision ft::sdpa_divide(const ft_launch* l) {
  static const int64_t online = sysconf(_SC_NPROCESSORS_ONLN), processors = online > 0 ? online : 1;
  const SDPAArgs* a = static_cast<const SDPAArgs*>(l->args);
  const int64_t heads = int64_t(l->grid[2]) * a->kvHeads, odd = heads % processors;
  // Heads that do not fill a round of all processors are cut into slabs, unless their
  // work of up to 7/5 would take longer than the round: a round of slabs, or several
  // where it is not even.
  const int64_t rest = 7 * odd < 5 * processors ? odd : 0, longest = ceil_div(a->tq > a->tk ? a->tq : a->tk, sdpa_queries);
  const int64_t slabs = !rest ? 0 : processors % rest ? 4 * ceil_div(processors, rest) : processors / rest;
  return {heads - rest, rest, slabs < longest ? slabs : longest};
}

namespace {

int64_t backward_units(const ft_launch* l) {
  const ft::SDPADivision by = ft::sdpa_divide(l);
  return by.whole + by.rest * by.slabs;
}

int64_t delta_units(const ft_launch* l) { return int64_t(static_cast<const SDPAArgs*>(l->args)->heads) * l->grid[2]; }

}  // namespace

FT_RUNNER(backward_f32, sdpa::backward_rows<float>)
FT_RUNNER(backward_f16, sdpa::backward_rows<ft::f16>)
FT_RUNNER(backward_rows_bf16, sdpa::backward_rows<ft::bf16>)
static void backward_bf16(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  if (!ft::sdpa_backward_pairs(l, begin, end, w)) backward_rows_bf16(l, begin, end, w);
}

#define SDPA_VJP(n, T)                                          \
  FT_RUNNER(delta_##n, sdpa::delta<T>)                          \
  FT_NATIVE("sdpa_vjp_" #n "_64", backward_units, backward_##n);  \
  FT_NATIVE("sdpa_vjp_" #n "_128", backward_units, backward_##n); \
  FT_NATIVE("sdpa_vjp_" #n "_256", backward_units, backward_##n); \
  FT_NATIVE("sdpa_vjp_delta_" #n, delta_units, delta_##n);
SDPA_VJP(f32, float)
SDPA_VJP(f16, ft::f16)
SDPA_VJP(bf16, ft::bf16)

#endif
