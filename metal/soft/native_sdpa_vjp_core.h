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

FT_OP Tile with_queries(const Sizes& z, Tile t, int64_t tile) {
  t.take_queries(tile * QT, smaller(QT, z.a->tq - tile * QT));
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

// Slab is part of a key head with all its query heads: what is made of it are dQ of
// the tiles of queries [first_tile, last_tile) and dK and dV of the keys
// [first_key, last_key).
struct Slab {
  int64_t first_tile, last_tile, first_key, last_key;
  bool makes_dq(int64_t tile) const { return first_tile <= tile && tile < last_tile; }
};

// slab_of is slab i of the n of a head. Keys seen by queries of the slab alone cost 3
// products and queries of its keys alone 4, and both within it 5 rather than 7: in a
// causal head, where the first slabs have more of the latter, they are narrower.
inline Slab slab_of(const Sizes& z, int64_t i, int64_t n) {
  const int64_t keys = ceil_div(z.a->tk, QT);
  const auto cut = [&](int64_t i, int64_t all) {
    if (!z.a->causal || i == n) return i * all / n;
    return int64_t(double(all) * (4 - __builtin_sqrt(16 - 7 * double(i) / double(n))));
  };
  return {cut(i, z.query_tiles), cut(i + 1, z.query_tiles), cut(i, keys) * QT, smaller(cut(i + 1, keys) * QT, z.a->tk)};
}

// make_slab goes over blocks of keys, whose edges are those of the slab and multiples
// of KB. The sums dq of a tile are [dim][QT].
template <class Form>
void make_slab(const Sizes& z, const ft_launch* l, int64_t b, int64_t kv, const Slab& slab, ft_worker* w) {
  typedef typename Form::Element T;
  const int64_t some = smaller(KB, z.a->tk), mine = slab.last_tile - slab.first_tile, each = z.dim * QT;
  Arena arena = {static_cast<float*>(ft_scratch(w, sizeof(float) * size_t(Form::room(z, some) + 2 * some * z.ld + z.heads * mine * each + QT * z.ld)))};
  float *dk = arena.take(some * z.ld), *dv = arena.take(some * z.ld), *dq = arena.take(z.heads * mine * each), *rows = arena.take(QT * z.ld);
  typename Form::Keys keys(z, some, arena);
  typename Form::Queries x(z, arena);
  typename Form::Pair pair(z, arena);
  const auto sums = [&](int64_t head, int64_t tile) { return dq + (head * mine + tile - slab.first_tile) * each; };
  clear(dq, z.heads * mine * each);
  for (int64_t from = 0, to = 0; from < int64_t(z.a->tk); from = to) {
    const bool inside = slab.first_key <= from && from < slab.last_key;
    to = smaller(from + KB, inside ? slab.last_key : from < slab.first_key ? slab.first_key : int64_t(z.a->tk));
    if (inside) clear(dk, (to - from) * z.ld), clear(dv, (to - from) * z.ld);
    bool keys_read = false;
    for (int64_t head = 0; head < z.heads; head++)
      for (int64_t tile = inside ? 0 : slab.first_tile; tile < (inside ? z.query_tiles : slab.last_tile); tile++) {
        Tile t = with_queries(z, tile_of(l, b, SEG_Q), tile);
        bool read = false;
        each_meeting(t, from, smaller(to, keys_end(z.a, t.q + t.nq)), [&] {
          if (!keys_read) keys.read(z, l, b, kv, from, to - from);
          if (!read) x.read(z, l, b, kv * z.heads + head, t);
          keys_read = read = true;
          const int64_t at = t.k - from;
          pair.add(z, t, x, keys, at, slab.makes_dq(tile) ? sums(head, tile) : nullptr, inside ? dk + at * z.ld : nullptr, dv + at * z.ld);
        });
      }
    if (inside) write_keys<T>(z, l, b, kv, from, to - from, dk, dv);
  }
  for (int64_t head = 0; head < z.heads; head++)
    for (int64_t tile = slab.first_tile; tile < slab.last_tile; tile++)
      write_dq<T>(z, l, b, kv * z.heads + head, with_queries(z, tile_of(l, b, SEG_Q), tile), sums(head, tile), rows);
}

template <class Form>
void backward(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const Sizes z(l);
  const SDPADivision by = sdpa_divide(l);
  for (int64_t u = begin; u < end; u++) {
    const int64_t part = u - by.whole, head = part < 0 ? u : by.whole + part % by.rest;
    make_slab<Form>(z, l, head / z.a->kvHeads, head % z.a->kvHeads, part < 0 ? slab_of(z, 0, 1) : slab_of(z, part / by.rest, by.slabs), w);
  }
}

}  // namespace sdpa
}  // namespace
}  // namespace FT_ISA
}  // namespace ft
