// Attention forward: kernels/sdpa.metal. A piece is a tile of 64 queries of a
// head, or for sdpa_vector all (up to 8) queries of one.
#ifndef FT_ISA
#define FT_SOURCE "native_sdpa.cpp"
#include "native_sdpa.h"
#include "native_isa.h"
#endif

#ifdef FT_ISA
#include "native_sdpa_tile.h"
#include "native_sdpa_core.h"

namespace ft {
namespace FT_ISA {
namespace {
namespace sdpa {

// Rows is attention whose products take float32.
template <class T> struct Rows {
  typedef T Element;
  const SDPAArgs* a;
  int64_t ld;
  float *side, *q;  // rows of keys or values; queries as columns, scaled
  Rows(const SDPAArgs* a, int64_t ld, Arena& arena) : a(a), ld(ld), side(arena.take(KT * ld)), q(arena.take(QT * ld)) {}
  static int64_t room(int64_t ld) { return (KT + QT) * ld; }

  void queries(const T* x, int64_t n) {
    pack(x, a->q[2], n, a->dim, side, ld);
    turn(side, ld, n, a->dim, a->scale * log2e, q, QT);
  }
  void scores(const T* k, int64_t nk, int64_t width, float* s) {
    pack(k, a->k[2], nk, a->dim, side, ld);
    product<Floats, false>(nk, width, side, ld, q, QT, a->dim, s, QT, false);
  }
  bool soften(float* s, int64_t nk, int64_t width, State& st) {
    vi shrinks = {};
    for (int64_t i = 0; i < width; i += lanes) {
      vf next = load(st.top + i);
      for (int64_t j = 0; j < nk; j++) next = max(load(s + j * QT + i), next);
      soften_column(st, i, next, shrinks, [&](vf base) {
        vf sum = {};
        for (int64_t j = 0; j < nk; j++) {
          const vf p = power(load(s + j * QT + i) - base);
          store(s + j * QT + i, p);
          sum += p;
        }
        return sum;
      });
    }
    return any(shrinks);
  }
  void values(const T* v, int64_t nk, int64_t width, const float* s, float* acc) {
    pack(v, a->v[2], nk, a->dim, side, ld);
    product<Floats, true>(a->dim, width, side, ld, s, QT, nk, acc, QT, true);
  }
};

template <class T> void forward_rows(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) { forward<Rows<T>>(l, begin, end, w); }

// Few is the state of the queries of a head in the vector form: rows of scores
// for KT keys, queries and sums as rows of ld.
struct Few {
  int64_t n, ld;
  float *s, *q, *acc;
  float top[SDPA_VECTOR_QUERIES], sum[SDPA_VECTOR_QUERIES];
};

// pairs adds neighbouring lanes of a and then of b.
FT_OP vf pairs(vf a, vf b) {
#if defined(FT_AVX512)
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
         __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
#elif defined(FT_AVX2)
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14) + __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
#else
  return __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
#endif
}

// score writes the scores of query i for the tile's keys, and minus infinity
// for those it does not see and behind the last up to a whole vector.
template <class T>
void score(const SDPAArgs* a, const Tile& t, int64_t i, const Few& f, const T* keys, int64_t stride) {
  const float* q = f.q + i * f.ld;
  float* s = f.s + i * KT;
  for (int64_t j = 0; j < t.nk; j += lanes) {
    vf dots[lanes];
    FT_UNROLL for (int x = 0; x < lanes; x++) {
      const T* key = keys + smaller(j + x, t.nk - 1) * stride;
      vf dot = {};
      for (int64_t d = 0; d < whole(a->dim); d += lanes) dot += load(q + d) * load(key + d);
      dots[x] = dot;
    }
    FT_UNROLL for (int n = lanes / 2; n; n /= 2) {
      FT_UNROLL for (int x = 0; x < n; x++) dots[x] = pairs(dots[2 * x], dots[2 * x + 1]);
    }
    store(s + j, dots[0]);
  }
  int64_t seen = t.nk;
  if (a->causal) seen = smaller(larger(i + int64_t(a->tk) - int64_t(a->tq) + 1 - t.k, 0), seen);
  for (int64_t j = 0; t.seg_q && j < seen; j++)
    if (t.seg_q[i] != t.seg_k[t.k + j]) s[j] = -__builtin_inff();
  for (int64_t j = seen; j < whole(t.nk); j++) s[j] = -__builtin_inff();
}

// The softmax of one query's scores.
void soften_row(float* s, int64_t n, float* acc, int64_t dim, float* top, float* total) {
  vf high = splat(*top);
  for (int64_t j = 0; j < n; j += lanes) high = max(load(s + j), high);
  const float next = highest(high), base = next == -__builtin_inff() ? 0.0f : next;
  const vf keep = power(splat(*top - base));
  vf part = {};
  for (int64_t j = 0; j < n; j += lanes) {
    const vf p = power(load(s + j) - base);
    store(s + j, p);
    part += p;
  }
  for (int64_t d = 0; d < dim; d += lanes) store(acc + d, load(acc + d) * keep);
  *total = *total * keep[0] + sum(part);
  *top = next;
}

// attend adds the keys of a tile. Rows of keys and values hold whole vectors.
template <class T>
void attend(const SDPAArgs* a, const Tile& t, Few& f, const T* keys, int64_t key_stride, const T* values, int64_t value_stride) {
  for (int64_t i = 0; i < f.n; i++) {
    score(a, t, i, f, keys, key_stride);
    soften_row(f.s + i * KT, whole(t.nk), f.acc + i * f.ld, whole(a->dim), &f.top[i], &f.sum[i]);
  }
  product<Floats, false>(f.n, whole(a->dim), f.s, KT, values, value_stride, t.nk, f.acc, f.ld, true);
}

template <class T>
void vector(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const SDPAArgs* a = static_cast<const SDPAArgs*>(l->args);
  const int64_t dim = a->dim, ld = row_length(a), n = a->tq;
  Arena arena = {static_cast<float*>(ft_scratch(w, sizeof(float) * size_t((2 * KT + 2 * n) * ld + n * KT)))};
  float *keys = arena.take(KT * ld), *values = arena.take(KT * ld);
  Few f = {n, ld, arena.take(n * KT), arena.take(n * ld), arena.take(n * ld), {}, {}};
  for (int64_t u = begin; u < end; u++) {
    const int64_t b = u / a->heads, h = u % a->heads, kv = h / (a->heads / a->kvHeads);
    const T *k = at<const T>(l, 1, a->k, b, kv), *v = at<const T>(l, 2, a->v, b, kv);
    Tile t = tile_of(l, b, 3);
    t.nq = n;
    pack(at<const T>(l, 0, a->q, b, h), a->q[2], n, dim, f.q, ld);
    for (int64_t i = 0; i < n * ld; i++) f.q[i] *= a->scale * log2e;
    memset(f.acc, 0, size_t(n * ld) * sizeof(float));
    for (int64_t i = 0; i < n; i++) f.top[i] = -__builtin_inff(), f.sum[i] = 0.0f;
    const int64_t last = keys_end(a, n);
    for (int64_t first = 0; first < last; first += KT) {
      t.k = first;
      t.nk = smaller(KT, last - first);
      if (!trim(t)) continue;
      const T *kt = k + t.k * a->k[2], *vt = v + t.k * a->v[2];
      if (dim % lanes == 0) {
        attend(a, t, f, kt, a->k[2], vt, a->v[2]);
      } else {
        pack(kt, a->k[2], t.nk, dim, keys, ld);
        pack(vt, a->v[2], t.nk, dim, values, ld);
        attend(a, t, f, keys, ld, values, ld);
      }
    }
    T* out = at<T>(l, 5, a->out, b, h);
    for (int64_t i = 0; i < n; i++) {
      unpack(f.acc + i * ld, dim, f.sum[i] == 0.0f ? 0.0f : 1.0f / f.sum[i], out + i * a->out[2]);
      static_cast<float*>(l->bufs[6])[u * n + i] = log_sum(f.top[i], f.sum[i]);
    }
  }
}

}  // namespace sdpa
}  // namespace
}  // namespace FT_ISA
}  // namespace ft

#else

namespace {

int64_t forward_units(const ft_launch* l) {
  const SDPAArgs* a = static_cast<const SDPAArgs*>(l->args);
  return ft::ceil_div(a->tq, ft::sdpa_queries) * a->heads * l->grid[2];
}
int64_t vector_units(const ft_launch* l) { return int64_t(static_cast<const SDPAArgs*>(l->args)->heads) * l->grid[2]; }

}  // namespace

FT_RUNNER(forward_f32, sdpa::forward_rows<float>)
FT_RUNNER(forward_f16, sdpa::forward_rows<ft::f16>)
FT_RUNNER(forward_rows_bf16, sdpa::forward_rows<ft::bf16>)
static void forward_bf16(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  if (!ft::sdpa_forward_pairs(l, begin, end, w)) forward_rows_bf16(l, begin, end, w);
}

#define SDPA(n, T)                                        \
  FT_RUNNER(vector_##n, sdpa::vector<T>)                  \
  FT_NATIVE("sdpa_" #n "_64", forward_units, forward_##n);  \
  FT_NATIVE("sdpa_" #n "_128", forward_units, forward_##n); \
  FT_NATIVE("sdpa_" #n "_256", forward_units, forward_##n); \
  FT_NATIVE("sdpa_vector_" #n, vector_units, vector_##n);
SDPA(f32, float)
SDPA(f16, ft::f16)
SDPA(bf16, ft::bf16)

#endif
