// Attention backward: kernels/sdpa_vjp.metal.
//
// There are two ways to compute a key head with its query heads, and they give
// the same bits: every sum runs over the same tiles in the same order.
//   As a whole, one piece: the scores of a tile are made once for dQ, dK and dV;
//     five products.
//   By tiles, of 96 keys for dK and dV and of 64 queries for dQ, as in the .metal
//     file: seven products, but work for many processors.
#ifndef FT_ISA
#define FT_SOURCE "native_sdpa_vjp.cpp"
#include "native_sdpa.h"

namespace {

// Division of a launch: the first key heads are pieces as wholes; the tiles of
// the others are dealt out to groups, one group a piece.
struct Division {
  int64_t whole, rest, key_tiles, query_tiles, groups;
};
Division divide(const ft_launch* l);

}  // namespace

#include "native_isa.h"
#endif

#ifdef FT_ISA
#include "native_sdpa_tile.h"

namespace ft {
namespace FT_ISA {
namespace {
namespace sdpa {

// Buffers in the order of the launch.
enum { Q, K, V, DOUT, LSE, DELTA, SEG_Q, SEG_K, DQ, DK, DV };

// Sizes are those of a launch.
struct Sizes {
  const SDPAArgs* a;
  int64_t dim, ld, heads, query_tiles;  // heads: query heads of a key head
  explicit Sizes(const ft_launch* l) : a(static_cast<const SDPAArgs*>(l->args)) {
    dim = a->dim;
    ld = row_length(a);
    heads = a->heads / a->kvHeads;
    query_tiles = ceil_div(a->tq, QT);
  }
};

// Queries is what the products need of a tile of queries: q and dOut as rows and
// as columns (q times scale * log2(e)), and per query lse (times log2(e)) and
// delta.
struct Queries {
  float *q, *g, *q_columns, *g_columns, *lse, *delta;
  Queries(const Sizes& z, Arena& arena)
      : q(arena.take(QT * z.ld)), g(arena.take(QT * z.ld)), q_columns(arena.take(QT * z.ld)), g_columns(arena.take(QT * z.ld)),
        lse(arena.take(QT)), delta(arena.take(QT)) {}
  static int64_t size(const Sizes& z) { return 4 * QT * z.ld + 2 * QT; }

  template <class T>
  void read(const Sizes& z, const ft_launch* l, int64_t b, int64_t head, const Tile& t) {
    const SDPAArgs* a = z.a;
    pack(at<const T>(l, Q, a->q, b, head) + t.q * a->q[2], a->q[2], t.nq, z.dim, q, z.ld);
    pack(at<const T>(l, DOUT, a->dOut, b, head) + t.q * a->dOut[2], a->dOut[2], t.nq, z.dim, g, z.ld);
    turn(q, z.ld, t.nq, z.dim, a->scale * log2e, q_columns, QT);
    turn(g, z.ld, t.nq, z.dim, 1.0f, g_columns, QT);
    const int64_t row = (b * a->heads + head) * a->tq + t.q;
    for (int64_t i = 0; i < whole(t.nq); i++) {
      const float sum = i < t.nq ? static_cast<const float*>(l->bufs[LSE])[row + i] : 0.0f;
      // A query that sees nothing has weights of 2^-inf, without inf - inf.
      lse[i] = sum == -__builtin_inff() ? __builtin_inff() : sum * log2e;
      delta[i] = i < t.nq ? static_cast<const float*>(l->bufs[DELTA])[row + i] : 0.0f;
    }
  }
};

// Pair makes the gradient's terms of one tile from keys and values as rows.
// dq is [dim][QT]; dk and dv are rows. Null ones are not wanted.
struct Pair {
  float *p, *ds;
  Pair(Arena& arena) : p(arena.take(KT * QT)), ds(arena.take(KT * QT)) {}
  static int64_t size() { return 2 * KT * QT; }

  void add(const Sizes& z, const Tile& t, const Queries& x, const float* k, const float* v, float* dq, float* dk, float* dv) {
    const int64_t width = whole(t.nq), ld = z.ld;
    product<false>(t.nk, width, k, ld, x.q_columns, QT, z.dim, p, QT, false);
    product<false>(t.nk, width, v, ld, x.g_columns, QT, z.dim, ds, QT, false);
    mask(z.a, t, p);
    for (int64_t j = 0; j < t.nk * QT; j += QT)
      for (int64_t i = 0; i < width; i += lanes) {
        const vf e = power(load(p + j + i) - load(x.lse + i));
        store(p + j + i, e);
        store(ds + j + i, e * (load(ds + j + i) - load(x.delta + i)));
      }
    if (dq) product<true>(z.dim, width, k, ld, ds, QT, t.nk, dq, QT, true);
    if (!dk) return;
    product<false>(t.nk, whole(z.dim), p, QT, x.g, ld, t.nq, dv, ld, true);
    product<false>(t.nk, whole(z.dim), ds, QT, x.q, ld, t.nq, dk, ld, true);
  }
};

void clear(float* x, int64_t n) { memset(x, 0, size_t(n) * sizeof(float)); }

// meet cuts t to what its queries see of the tile of keys from first on, and
// reports whether that is anything.
inline bool meet(const Sizes& z, Tile& t, int64_t first) {
  t.k = first;
  t.nk = smaller(KT, keys_end(z.a, t.q + t.nq) - first);
  return t.nk > 0 && trim(t);
}

// each_tile calls visit for the tiles of keys that the queries of t see.
template <class F> void each_tile(const Sizes& z, Tile t, F visit) {
  const int64_t last = keys_end(z.a, t.q + t.nq);
  for (int64_t first = 0; first < last; first += KT)
    if (meet(z, t, first)) visit(t);
}

FT_OP Tile with_queries(const Sizes& z, Tile t, int64_t tile) {
  t.q = tile * QT;
  t.nq = smaller(QT, z.a->tq - t.q);
  return t;
}

// write_dq stores dq [dim][QT] of a tile, by way of rows.
template <class T>
void write_dq(const Sizes& z, const ft_launch* l, int64_t b, int64_t head, const Tile& t, const float* dq, float* rows) {
  T* to = at<T>(l, DQ, z.a->dQ, b, head) + t.q * z.a->dQ[2];
  turn(dq, QT, z.dim, t.nq, z.a->scale, rows, z.ld);
  for (int64_t i = 0; i < t.nq; i++) unpack(rows + i * z.ld, z.dim, 1.0f, to + i * z.a->dQ[2]);
}

// write_keys stores n rows of dk and dv from key k on.
template <class T>
void write_keys(const Sizes& z, const ft_launch* l, int64_t b, int64_t head, int64_t k, int64_t n, const float* dk, const float* dv) {
  T* to_k = at<T>(l, DK, z.a->dK, b, head) + k * z.a->dK[2];
  T* to_v = at<T>(l, DV, z.a->dV, b, head) + k * z.a->dV[2];
  for (int64_t j = 0; j < n; j++) {
    unpack(dk + j * z.ld, z.dim, z.a->scale, to_k + j * z.a->dK[2]);
    unpack(dv + j * z.ld, z.dim, 1.0f, to_v + j * z.a->dV[2]);
  }
}

template <class T>
void read_keys(const Sizes& z, const ft_launch* l, int64_t b, int64_t head, int64_t k, int64_t n, float* keys, float* values) {
  pack(at<const T>(l, K, z.a->k, b, head) + k * z.a->k[2], z.a->k[2], n, z.dim, keys, z.ld);
  pack(at<const T>(l, V, z.a->v, b, head) + k * z.a->v[2], z.a->v[2], n, z.dim, values, z.ld);
}

// A key head with all its query heads.
template <class T>
void whole_head(const Sizes& z, const ft_launch* l, int64_t b, int64_t kv, ft_worker* w) {
  const int64_t all = z.a->tk * z.ld;
  Arena arena = {static_cast<float*>(ft_scratch(w, sizeof(float) * size_t(4 * all + Queries::size(z) + Pair::size() + 2 * QT * z.ld)))};
  float *keys = arena.take(all), *values = arena.take(all), *dk = arena.take(all), *dv = arena.take(all);
  float *dq = arena.take(QT * z.ld), *rows = arena.take(QT * z.ld);
  Queries x(z, arena);
  Pair pair(arena);
  read_keys<T>(z, l, b, kv, 0, z.a->tk, keys, values);
  clear(dk, 2 * all);
  for (int64_t head = kv * z.heads; head < (kv + 1) * z.heads; head++)
    for (int64_t tile = 0; tile < z.query_tiles; tile++) {
      const Tile t = with_queries(z, tile_of(l, b, SEG_Q), tile);
      x.read<T>(z, l, b, head, t);
      clear(dq, z.dim * QT);
      each_tile(z, t, [&](const Tile& t) {
        const int64_t at = t.k * z.ld;
        pair.add(z, t, x, keys + at, values + at, dq, dk + at, dv + at);
      });
      write_dq<T>(z, l, b, head, t, dq, rows);
    }
  write_keys<T>(z, l, b, kv, 0, z.a->tk, dk, dv);
}

// dK and dV of a tile of keys.
template <class T>
void key_tile(const Sizes& z, const ft_launch* l, int64_t b, int64_t kv, int64_t tile, ft_worker* w) {
  const int64_t all = KT * z.ld, k = tile * KT, nk = smaller(KT, z.a->tk - k);
  Arena arena = {static_cast<float*>(ft_scratch(w, sizeof(float) * size_t(4 * all + Queries::size(z) + Pair::size())))};
  float *keys = arena.take(all), *values = arena.take(all), *dk = arena.take(all), *dv = arena.take(all);
  Queries x(z, arena);
  Pair pair(arena);
  read_keys<T>(z, l, b, kv, k, nk, keys, values);
  clear(dk, 2 * all);
  for (int64_t head = kv * z.heads; head < (kv + 1) * z.heads; head++)
    for (int64_t i = 0; i < z.query_tiles; i++) {
      Tile t = with_queries(z, tile_of(l, b, SEG_Q), i);
      if (!meet(z, t, k)) continue;
      x.read<T>(z, l, b, head, t);
      const int64_t at = (t.k - k) * z.ld;
      pair.add(z, t, x, keys + at, values + at, nullptr, dk + at, dv + at);
    }
  write_keys<T>(z, l, b, kv, k, nk, dk, dv);
}

// dQ of a tile of queries.
template <class T>
void query_tile(const Sizes& z, const ft_launch* l, int64_t b, int64_t head, int64_t tile, ft_worker* w) {
  const int64_t all = KT * z.ld;
  Arena arena = {static_cast<float*>(ft_scratch(w, sizeof(float) * size_t(2 * all + Queries::size(z) + Pair::size() + 2 * QT * z.ld)))};
  float *keys = arena.take(all), *values = arena.take(all), *dq = arena.take(QT * z.ld), *rows = arena.take(QT * z.ld);
  Queries x(z, arena);
  Pair pair(arena);
  const Tile t = with_queries(z, tile_of(l, b, SEG_Q), tile);
  x.read<T>(z, l, b, head, t);
  clear(dq, z.dim * QT);
  each_tile(z, t, [&](const Tile& t) {
    read_keys<T>(z, l, b, head / z.heads, t.k, t.nk, keys, values);
    pair.add(z, t, x, keys, values, dq, nullptr, nullptr);
  });
  write_dq<T>(z, l, b, head, t, dq, rows);
}

// Tile i of the key heads that are not done as wholes: those of keys first,
// beginning with the tiles that take longest.
template <class T>
void rest_tile(const Sizes& z, const ft_launch* l, const Division& by, int64_t i, ft_worker* w) {
  const int64_t keys = by.rest * by.key_tiles, kv = z.a->kvHeads;
  if (i < keys) {
    const int64_t head = by.whole + i % by.rest;
    return key_tile<T>(z, l, head / kv, head % kv, i / by.rest, w);
  }
  const int64_t head = by.whole * z.heads + (i - keys) % (by.rest * z.heads), tile = (i - keys) / (by.rest * z.heads);
  query_tile<T>(z, l, head / z.a->heads, head % z.a->heads, by.query_tiles - 1 - tile, w);
}

template <class T>
void backward(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const Sizes z(l);
  const Division by = divide(l);
  const int64_t tiles = by.rest * (by.key_tiles + z.heads * by.query_tiles);
  for (int64_t u = begin; u < end; u++) {
    if (u < by.whole) whole_head<T>(z, l, u / z.a->kvHeads, u % z.a->kvHeads, w);
    else for (int64_t i = u - by.whole; i < tiles; i += by.groups) rest_tile<T>(z, l, by, i, w);
  }
}

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

namespace {

Division divide(const ft_launch* l) {
  static const int64_t online = sysconf(_SC_NPROCESSORS_ONLN), processors = online > 0 ? online : 1;
  const SDPAArgs* a = static_cast<const SDPAArgs*>(l->args);
  const int64_t heads = int64_t(l->grid[2]) * a->kvHeads, odd = heads % processors;
  // Heads that do not fill a round of all processors are done by tiles, unless
  // their 7/5 of the work would take longer than the round.
  const int64_t rest = 7 * odd < 5 * processors ? odd : 0;
  Division by = {heads - rest, rest, ft::ceil_div(a->tk, ft::sdpa_keys), ft::ceil_div(a->tq, ft::sdpa_queries), 0};
  const int64_t tiles = rest * (by.key_tiles + a->heads / a->kvHeads * by.query_tiles);
  by.groups = tiles < 8 * processors ? tiles : 8 * processors;
  return by;
}

int64_t backward_units(const ft_launch* l) {
  const Division by = divide(l);
  return by.whole + by.groups;
}

int64_t delta_units(const ft_launch* l) { return int64_t(static_cast<const SDPAArgs*>(l->args)->heads) * l->grid[2]; }

}  // namespace

#define SDPA_VJP(n, T)                                          \
  FT_RUNNER(backward_##n, sdpa::backward<ft::T>)                \
  FT_RUNNER(delta_##n, sdpa::delta<ft::T>)                      \
  FT_NATIVE("sdpa_vjp_" #n "_64", backward_units, backward_##n);  \
  FT_NATIVE("sdpa_vjp_" #n "_128", backward_units, backward_##n); \
  FT_NATIVE("sdpa_vjp_" #n "_256", backward_units, backward_##n); \
  FT_NATIVE("sdpa_vjp_delta_" #n, delta_units, delta_##n);
namespace ft { typedef float f32; }
SDPA_VJP(f32, f32)
SDPA_VJP(f16, f16)
SDPA_VJP(bf16, bf16)

#endif
