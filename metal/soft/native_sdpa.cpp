// Attention forward: kernels/sdpa.metal. A piece is a tile of 64 queries of a
// head, or for sdpa_vector all (up to 8) queries of some heads that share keys.
#ifndef FT_ISA
#define FT_SOURCE "native_sdpa.cpp"
#include "native_rows.h"
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
  void scores(const T* k, int64_t nk, const Bands& bands, float* s) {
    pack(k, a->k[2], nk, a->dim, side, ld);
    for (const Band& b : bands)
      product<Floats, false>(b.n, b.high - b.low, side + b.from * ld, ld, q + b.low, QT, a->dim, s + b.from * QT + b.low, QT, false);
  }
  void soften(float* s, int64_t i, int64_t from, int64_t to, State& st, vi& shrinks) {
    vf next = load(st.top + i);
    for (int64_t j = from; j < to; j++) next = max(load(s + j * QT + i), next);
    soften_column(st, i, next, shrinks, [&](vf base) {
      vf sum = {};
      for (int64_t j = from; j < to; j++) {
        const vf p = power(load(s + j * QT + i) - base);
        store(s + j * QT + i, p);
        sum += p;
      }
      return sum;
    });
  }
  void values(const T* v, int64_t nk, int64_t width, const Bands& bands, const float* s, float* acc) {
    pack(v, a->v[2], nk, a->dim, side, ld);
    bands.each_group(width, [&](int64_t i, int64_t n, int64_t from, int64_t to) {
      product<Floats, true>(a->dim, n, side + from * ld, ld, s + from * QT + i, QT, to - from, acc + i, QT, true);
    });
  }
};

template <class T> void forward_rows(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) { forward<Rows<T>>(l, begin, end, w); }

// Few is the state of the queries of some heads in the vector form, heads first:
// rows of scores for KT keys, queries and sums as rows of ld.
struct Few {
  int64_t n, ld;
  float *s, *q, *acc;
  float top[sdpa_few], sum[sdpa_few];
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

// How many rows before their use keys are fetched.
constexpr int64_t rows_ahead = 32;

// Head is the keys or the values of a tile: rows of dim elements.
template <class T> struct Head {
  const T* p;
  int64_t stride;
  // fetch asks for four rows from row i on, which may lie behind the last: tiles are
  // too short for the processor to see what is read next. More at once would wait
  // for each other, and what is computed meanwhile for them.
  void fetch(int64_t i, int64_t dim) const {
    for (int64_t r = i; r < i + 4; r++)
      for (int64_t d = 0; d < dim; d += 64 / int64_t(sizeof(T))) __builtin_prefetch(p + r * stride + d);
  }
};

// scores writes those of Q queries from the i-th on for nk keys, and of some more
// up to a whole vector. Keys are read once for all Q. The first queries fetch the
// values too.
template <class T, int Q>
void scores(const Few& f, int64_t i, const Head<T>& keys, const Head<T>& values, int64_t nk, int64_t dim) {
  const float* q = f.q + i * f.ld;
  for (int64_t j = 0; j < nk; j += lanes) {
    vf some[Q][lanes / 4];
    for (int at = 0; at < lanes / 4; at++) {
      if (i == 0) keys.fetch(j + 4 * at + rows_ahead, dim), values.fetch(j + 4 * at, dim);
      const T* key[4];
      FT_UNROLL for (int x = 0; x < 4; x++) key[x] = keys.p + smaller(j + 4 * at + x, nk - 1) * keys.stride;
      vf dots[Q][4] = {};
      for (int64_t d = 0; d < dim; d += lanes) {
        vf k[4];
        FT_UNROLL for (int x = 0; x < 4; x++) k[x] = load(key[x] + d);
        FT_UNROLL for (int y = 0; y < Q; y++) {
          const vf mine = load(q + y * f.ld + d);
          FT_UNROLL for (int x = 0; x < 4; x++) dots[y][x] += mine * k[x];
        }
      }
      FT_UNROLL for (int y = 0; y < Q; y++) some[y][at] = pairs(pairs(dots[y][0], dots[y][1]), pairs(dots[y][2], dots[y][3]));
    }
    FT_UNROLL for (int y = 0; y < Q; y++) {
      FT_UNROLL for (int n = lanes / 8; n; n /= 2) {
        FT_UNROLL for (int x = 0; x < n; x++) some[y][x] = pairs(some[y][2 * x], some[y][2 * x + 1]);
      }
      store(f.s + (i + y) * KT + j, some[y][0]);
    }
  }
}

// How many queries meet a key at once: their sums stay in registers.
#if defined(FT_AVX512) || defined(__aarch64__)
constexpr int queries_at_once = 4;
#else
constexpr int queries_at_once = 2;
#endif

template <class T> void all_scores(const Few& f, const Head<T>& keys, const Head<T>& values, int64_t nk, int64_t dim) {
  constexpr int Q = queries_at_once;
  for (int64_t i = 0; i < rows_ahead; i += 4) keys.fetch(i, dim);
  int64_t i = 0;
  for (; i + Q <= f.n; i += Q) scores<T, Q>(f, i, keys, values, nk, dim);
  if (f.n - i == 3) scores<T, 3>(f, i, keys, values, nk, dim);
  if (f.n - i == 2) scores<T, 2>(f, i, keys, values, nk, dim);
  if (f.n - i == 1) scores<T, 1>(f, i, keys, values, nk, dim);
}

// hide sets the scores of keys that a query does not see to minus infinity, and of
// those behind the tile's last up to a whole vector.
void hide(const SDPAArgs* a, const Tile& t, const Few& f) {
  const Range keys = t.seg_q ? range(t.seg_k + t.k, t.nk) : Range{};
  for (int64_t r = 0; r < f.n; r++) {
    const int64_t i = r % a->tq;
    float* s = f.s + r * KT;
    int64_t seen = t.nk;
    if (a->causal) seen = smaller(larger(i + int64_t(a->tk) - int64_t(a->tq) + 1 - t.k, 0), seen);
    const bool mixed = t.seg_q && (keys.low != t.seg_q[i] || keys.high != t.seg_q[i]);
    for (int64_t j = 0; mixed && j < seen; j++)
      if (t.seg_q[i] != t.seg_k[t.k + j]) s[j] = -__builtin_inff();
    for (int64_t j = seen; j < whole(t.nk); j++) s[j] = -__builtin_inff();
  }
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
template <class T> void attend(const SDPAArgs* a, const Tile& t, Few& f, const Head<T>& keys, const Head<T>& values) {
  const int64_t dim = whole(a->dim);
  all_scores(f, keys, values, t.nk, dim);
  hide(a, t, f);
  for (int64_t i = 0; i < f.n; i++) soften_row(f.s + i * KT, whole(t.nk), f.acc + i * f.ld, dim, &f.top[i], &f.sum[i]);
  product<Floats, false>(f.n, dim, f.s, KT, values.p, values.stride, t.nk, f.acc, f.ld, true);
}

// vector is attention of few queries; with part set to a part of the keys, whose
// results and states sdpa_merge puts together.
template <class T, bool part>
void vector(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const SDPAArgs* a = static_cast<const SDPAArgs*>(l->args);
  const int64_t dim = a->dim, ld = row_length(a), tq = a->tq, group = a->heads / a->kvHeads;
  const float scale = a->scale * log2e;
  const SDPAFew few(a);
  Arena arena = {static_cast<float*>(ft_scratch(w, sizeof(float) * size_t((2 * KT + 2 * sdpa_few) * ld + sdpa_few * KT)))};
  float *keys = arena.take(KT * ld), *values = arena.take(KT * ld);
  Few f = {0, ld, arena.take(sdpa_few * KT), arena.take(sdpa_few * ld), arena.take(sdpa_few * ld), {}, {}};
  for (int64_t u = begin; u < end; u++) {
    const int64_t p = u % a->parts, shared = u / a->parts, kv = shared / few.shares % a->kvHeads, b = shared / few.shares / a->kvHeads;
    const int64_t head = kv * group + shared % few.shares * few.heads, heads = smaller(few.heads, (kv + 1) * group - head);
    const T *k = at<const T>(l, 1, a->k, b, kv), *v = at<const T>(l, 2, a->v, b, kv);
    Tile t = tile_of(l, b, 3);
    t.take_queries(0, tq);
    f.n = heads * tq;
    for (int64_t i = 0; i < f.n; i++) {
      const T* q = at<const T>(l, 0, a->q, b, head + i / tq) + i % tq * a->q[2];
      each(dim, [&](int64_t d, auto some) { store(f.q + i * ld + d, load(q + d, some) * scale); });  // whole vectors
    }
    memset(f.acc, 0, size_t(f.n * ld) * sizeof(float));
    for (int64_t i = 0; i < f.n; i++) f.top[i] = -__builtin_inff(), f.sum[i] = 0.0f;
    const int64_t last = smaller(keys_end(a, tq), (p + 1) * a->partKeys);
    each_meeting(t, p * a->partKeys, last, [&] {
      const T *kt = k + t.k * a->k[2], *vt = v + t.k * a->v[2];
      if (dim % lanes == 0) {
        attend(a, t, f, Head<T>{kt, a->k[2]}, Head<T>{vt, a->v[2]});
      } else {
        pack(kt, a->k[2], t.nk, dim, keys, ld);
        pack(vt, a->v[2], t.nk, dim, values, ld);
        attend(a, t, f, Head<float>{keys, ld}, Head<float>{values, ld});
      }
    });
    const int64_t row = (b * a->heads + head) * tq;  // of the first query
    for (int64_t i = 0; i < f.n; i++) {
      const float factor = f.sum[i] == 0.0f ? 0.0f : 1.0f / f.sum[i];
      float* state = static_cast<float*>(l->bufs[6]);
      if constexpr (part) {
        const int64_t to = (row + i) * a->parts + p;
        unpack(f.acc + i * ld, dim, factor, static_cast<float*>(l->bufs[5]) + to * dim);
        state[2 * to] = f.top[i], state[2 * to + 1] = f.sum[i];
      } else {
        unpack(f.acc + i * ld, dim, factor, at<T>(l, 5, a->out, b, head + i / tq) + i % tq * a->out[2]);
        state[row + i] = log_sum(f.top[i], f.sum[i]);
      }
    }
  }
}

template <class T> void vector_whole(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) { vector<T, false>(l, begin, end, w); }
template <class T> void vector_part(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) { vector<T, true>(l, begin, end, w); }

// merge puts the parts of rows together.
template <class T> void merge(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const SDPAMergeArgs* a = static_cast<const SDPAMergeArgs*>(l->args);
  const int64_t parts = a->parts, dim = a->dim, per = rows_per_piece(parts * dim), rows = int64_t(l->grid[1]);
  for (int64_t row = begin * per; row < smaller(end * per, rows); row++) {
    const float *x = static_cast<const float*>(l->bufs[0]) + row * parts * dim, *state = static_cast<const float*>(l->bufs[1]) + row * parts * 2;
    float top = -__builtin_inff(), total = 0.0f;
    for (int64_t p = 0; p < parts; p++) top = state[2 * p] > top ? state[2 * p] : top;
    const float base = top == -__builtin_inff() ? 0.0f : top;
    alignas(64) float weight[SDPA_MOST_PARTS];
    for (int64_t p = 0; p < SDPA_MOST_PARTS; p++) weight[p] = p < parts ? state[2 * p] - base : -__builtin_inff();
    for (int64_t p = 0; p < parts; p += lanes) store(weight + p, power(load(weight + p)));
    for (int64_t p = 0; p < parts; p++) total += weight[p] *= state[2 * p + 1];
    const float factor = total == 0.0f ? 0.0f : 1.0f / total;
    const int64_t i = row % a->tq, h = row / a->tq % a->heads, b = row / a->tq / a->heads;
    T* out = static_cast<T*>(l->bufs[2]) + b * a->out[0] + h * a->out[1] + i * a->out[2];
    each(dim, [&](int64_t d, auto k) {
      vf sum = {};
      for (int64_t p = 0; p < parts; p++) sum += weight[p] * load(x + p * dim + d, k);
      store(out + d, sum * factor, k);
    });
    static_cast<float*>(l->bufs[3])[row] = log_sum(top, total);
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
int64_t vector_units(const ft_launch* l) {
  const SDPAArgs* a = static_cast<const SDPAArgs*>(l->args);
  return int64_t(l->grid[2]) * a->kvHeads * ft::SDPAFew(a).shares;
}
int64_t merge_units(const ft_launch* l) {
  const SDPAMergeArgs* a = static_cast<const SDPAMergeArgs*>(l->args);
  return ft::ceil_div(l->grid[1], ft::rows_per_piece(int64_t(a->parts) * a->dim));
}

}  // namespace

FT_RUNNER(forward_f32, sdpa::forward_rows<float>)
FT_RUNNER(forward_f16, sdpa::forward_rows<ft::f16>)
FT_RUNNER(forward_rows_bf16, sdpa::forward_rows<ft::bf16>)
static void forward_bf16(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  if (!ft::sdpa_forward_pairs(l, begin, end, w)) forward_rows_bf16(l, begin, end, w);
}

#define SDPA(n, T)                                          \
  FT_RUNNER(vector_##n, sdpa::vector_whole<T>)              \
  FT_RUNNER(part_##n, sdpa::vector_part<T>)                 \
  FT_RUNNER(merge_##n, sdpa::merge<T>)                      \
  FT_NATIVE("sdpa_" #n "_64", forward_units, forward_##n);  \
  FT_NATIVE("sdpa_" #n "_128", forward_units, forward_##n); \
  FT_NATIVE("sdpa_" #n "_256", forward_units, forward_##n); \
  FT_NATIVE("sdpa_vector_" #n, vector_units, vector_##n);   \
  FT_NATIVE("sdpa_vector_part_" #n, vector_units, part_##n); \
  FT_NATIVE("sdpa_merge_" #n, merge_units, merge_##n);
SDPA(f32, float)
SDPA(f16, ft::f16)
SDPA(bf16, ft::bf16)

#endif
