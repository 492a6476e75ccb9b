// Attention backward for one instruction set: how a gradient is made of tiles of
// queries and keys.

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

// query is where the queries of a tile begin in operand i, Q or DOUT.
template <class T> const T* query(const Sizes& z, const ft_launch* l, int i, int64_t b, int64_t head, const Tile& t) {
  const int64_t* stride = i == Q ? z.a->q : z.a->dOut;
  return at<const T>(l, i, stride, b, head) + t.q * stride[2];
}

// read_sums reads what the queries of a tile have kept: lse (times log2(e)) and
// delta, and zeros behind.
inline void read_sums(const Sizes& z, const ft_launch* l, int64_t b, int64_t head, const Tile& t, float* lse, float* delta) {
  const int64_t row = (b * z.a->heads + head) * z.a->tq + t.q;
  for (int64_t i = 0; i < QT; i++) {
    const float sum = i < t.nq ? static_cast<const float*>(l->bufs[LSE])[row + i] : 0.0f;
    // A query that sees nothing has weights of 2^-inf, without inf - inf.
    lse[i] = sum == -__builtin_inff() ? __builtin_inff() : sum * log2e;
    delta[i] = i < t.nq ? static_cast<const float*>(l->bufs[DELTA])[row + i] : 0.0f;
  }
}

inline void clear(float* x, int64_t n) { memset(x, 0, size_t(n) * sizeof(float)); }

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

// A form of the gradient says what its products take: Form::Keys reads keys and
// values, Form::Queries queries and their cotangents, and Form::Pair makes the
// gradient's terms of one tile of both.

// How many keys a head is done with at a time: their sums stay in the second level
// cache, and a tile of queries is read once for all of them.
constexpr int64_t KB = 4 * KT;

// A key head with all its query heads, whose sums dq are [query_tiles][dim][QT].
template <class Form>
void whole_head(const Sizes& z, const ft_launch* l, int64_t b, int64_t kv, ft_worker* w) {
  typedef typename Form::Element T;
  const int64_t some = smaller(KB, z.a->tk), tiles = z.heads * z.query_tiles, each = z.dim * QT;
  Arena arena = {static_cast<float*>(ft_scratch(w, sizeof(float) * size_t(Form::room(z, some) + 2 * some * z.ld + tiles * each + QT * z.ld)))};
  float *dk = arena.take(some * z.ld), *dv = arena.take(some * z.ld), *dq = arena.take(tiles * each), *rows = arena.take(QT * z.ld);
  typename Form::Keys keys(z, some, arena);
  typename Form::Queries x(z, arena);
  typename Form::Pair pair(z, arena);
  clear(dq, tiles * each);
  for (int64_t from = 0; from < int64_t(z.a->tk); from += KB) {
    const int64_t n = smaller(KB, z.a->tk - from);
    keys.read(z, l, b, kv, from, n);
    clear(dk, n * z.ld);
    clear(dv, n * z.ld);
    for (int64_t i = 0; i < tiles; i++) {
      Tile t = with_queries(z, tile_of(l, b, SEG_Q), i % z.query_tiles);
      bool read = false;
      for (int64_t first = from; first < from + n; first += KT) {
        if (!meet(z, t, first)) continue;
        if (!read) x.read(z, l, b, kv * z.heads + i / z.query_tiles, t);
        read = true;
        const int64_t at = t.k - from;
        pair.add(z, t, x, keys, at, dq + i * each, dk + at * z.ld, dv + at * z.ld);
      }
    }
    write_keys<T>(z, l, b, kv, from, n, dk, dv);
  }
  for (int64_t i = 0; i < tiles; i++)
    write_dq<T>(z, l, b, kv * z.heads + i / z.query_tiles, with_queries(z, tile_of(l, b, SEG_Q), i % z.query_tiles), dq + i * each, rows);
}

// dK and dV of a tile of keys.
template <class Form>
void key_tile(const Sizes& z, const ft_launch* l, int64_t b, int64_t kv, int64_t tile, ft_worker* w) {
  typedef typename Form::Element T;
  const int64_t all = KT * z.ld, k = tile * KT, nk = smaller(KT, z.a->tk - k);
  Arena arena = {static_cast<float*>(ft_scratch(w, sizeof(float) * size_t(Form::room(z, KT) + 2 * all)))};
  float *dk = arena.take(all), *dv = arena.take(all);
  typename Form::Keys keys(z, KT, arena);
  typename Form::Queries x(z, arena);
  typename Form::Pair pair(z, arena);
  keys.read(z, l, b, kv, k, nk);
  clear(dk, all);
  clear(dv, all);
  for (int64_t head = kv * z.heads; head < (kv + 1) * z.heads; head++)
    for (int64_t i = 0; i < z.query_tiles; i++) {
      Tile t = with_queries(z, tile_of(l, b, SEG_Q), i);
      if (!meet(z, t, k)) continue;
      x.read(z, l, b, head, t);
      pair.add(z, t, x, keys, t.k - k, nullptr, dk + (t.k - k) * z.ld, dv + (t.k - k) * z.ld);
    }
  write_keys<T>(z, l, b, kv, k, nk, dk, dv);
}

// dQ of a tile of queries.
template <class Form>
void query_tile(const Sizes& z, const ft_launch* l, int64_t b, int64_t head, int64_t tile, ft_worker* w) {
  Arena arena = {static_cast<float*>(ft_scratch(w, sizeof(float) * size_t(Form::room(z, KT) + 2 * QT * z.ld)))};
  float *dq = arena.take(QT * z.ld), *rows = arena.take(QT * z.ld);
  typename Form::Keys keys(z, KT, arena);
  typename Form::Queries x(z, arena);
  typename Form::Pair pair(z, arena);
  const Tile t = with_queries(z, tile_of(l, b, SEG_Q), tile);
  x.read(z, l, b, head, t);
  clear(dq, z.dim * QT);
  each_tile(z, t, [&](const Tile& t) {
    keys.read(z, l, b, head / z.heads, t.k, t.nk);
    pair.add(z, t, x, keys, 0, dq, nullptr, nullptr);
  });
  write_dq<typename Form::Element>(z, l, b, head, t, dq, rows);
}

// Tile i of the key heads that are not done as wholes: those of keys first,
// beginning with the tiles that take longest.
template <class Form>
void rest_tile(const Sizes& z, const ft_launch* l, const SDPADivision& by, int64_t i, ft_worker* w) {
  const int64_t keys = by.rest * by.key_tiles, kv = z.a->kvHeads;
  if (i < keys) {
    const int64_t head = by.whole + i % by.rest;
    return key_tile<Form>(z, l, head / kv, head % kv, i / by.rest, w);
  }
  const int64_t head = by.whole * z.heads + (i - keys) % (by.rest * z.heads), tile = (i - keys) / (by.rest * z.heads);
  query_tile<Form>(z, l, head / z.a->heads, head % z.a->heads, by.query_tiles - 1 - tile, w);
}

template <class Form>
void backward(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const Sizes z(l);
  const SDPADivision by = sdpa_divide(l);
  const int64_t tiles = by.rest * (by.key_tiles + z.heads * by.query_tiles);
  for (int64_t u = begin; u < end; u++) {
    if (u < by.whole) whole_head<Form>(z, l, u / z.a->kvHeads, u % z.a->kvHeads, w);
    else for (int64_t i = u - by.whole; i < tiles; i += by.groups) rest_tile<Form>(z, l, by, i, w);
  }
}

}  // namespace sdpa
}  // namespace
}  // namespace FT_ISA
}  // namespace ft
