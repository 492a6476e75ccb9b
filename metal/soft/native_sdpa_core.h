// Attention forward for one instruction set, over tiles of queries and keys.

namespace ft {
namespace FT_ISA {
namespace {
namespace sdpa {

constexpr float ln2 = 0.693147180559945309f;

// State is the running softmax of a tile of queries.
struct State {
  float *top, *sum, *keep, *acc;  // acc [dim][QT]
};

FT_OP float log_sum(float top, float sum) { return sum == 0.0f ? -__builtin_inff() : (top + __builtin_log2f(sum)) * ln2; }

// finish divides by the sums and stores out and lse, by way of rows of ld.
template <class T>
void finish(const SDPAArgs* a, const State& st, int64_t n, T* out, float* lse, float* rows, int64_t ld) {
  turn(st.acc, QT, a->dim, n, 1.0f, rows, ld);
  for (int64_t i = 0; i < n; i++) {
    unpack(rows + i * ld, a->dim, st.sum[i] == 0.0f ? 0.0f : 1.0f / st.sum[i], out + i * a->out[2]);
    lse[i] = log_sum(st.top[i], st.sum[i]);
  }
}

// soften_column goes on with the softmax of a vector of queries, whose scores so far
// are at most next: exponentials(base) makes those of the tile and returns their
// sum. keep is by how much what was added up shrinks, and shrinks where any does.
template <class F> FT_OP void soften_column(const State& st, int64_t i, vf next, vi& shrinks, F exponentials) {
  const vf top = load(st.top + i);
  // Queries that have seen nothing keep a sum of 0.
  const vf base = next == -__builtin_inff() ? vf{} : next;
  const vf keep = top == -__builtin_inff() ? splat(1.0f) : power(top - base);  // of nothing, 1
  store(st.sum + i, load(st.sum + i) * keep + exponentials(base));
  store(st.top + i, next);
  store(st.keep + i, keep);
  shrinks |= keep != 1.0f;
}

// forward computes tiles of queries. Form holds the operands of the products: its
// queries reads those of a tile, scores makes s [nk][QT] in bands, soften the
// exponentials of a vector of columns, and values adds their product with the values
// to acc.
template <class Form>
void forward(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  typedef typename Form::Element T;
  const SDPAArgs* a = static_cast<const SDPAArgs*>(l->args);
  const int64_t dim = a->dim, ld = row_length(a), batch = l->grid[2], tiles = ceil_div(a->tq, QT);
  Arena arena = {static_cast<float*>(ft_scratch(w, sizeof(float) * size_t(Form::room(ld) + KT * QT + 2 * QT * ld + 3 * QT)))};
  Form f(a, ld, arena);
  float *s = arena.take(KT * QT), *rows = arena.take(QT * ld);
  State st = {arena.take(QT), arena.take(QT), arena.take(QT), arena.take(QT * ld)};
  for (int64_t u = begin; u < end; u++) {
    // The last tiles see the most keys and come first, as in sdpa.metal.
    const int64_t tile = tiles - 1 - u / (batch * a->heads), b = u / a->heads % batch, h = u % a->heads, kv = h / (a->heads / a->kvHeads);
    const T *k = at<const T>(l, 1, a->k, b, kv), *v = at<const T>(l, 2, a->v, b, kv);
    Tile t = tile_of(l, b, 3);
    t.take_queries(tile * QT, smaller(QT, a->tq - tile * QT));
    f.queries(at<const T>(l, 0, a->q, b, h) + t.q * a->q[2], t.nq);
    const int64_t width = whole(t.nq), last = keys_end(a, t.q + t.nq);
    for (int64_t i = 0; i < QT; i++) st.top[i] = -__builtin_inff(), st.sum[i] = 0.0f, st.keep[i] = 1.0f;
    memset(st.acc, 0, size_t(dim * QT) * sizeof(float));
    each_meeting(t, 0, last, [&] {
      const Bands bands = bands_of(a, t, width);
      f.scores(k + t.k * a->k[2], t.nk, bands, s);
      mask(a, t, width, bands, s);
      vi shrinks = {};
      bands.each_group(width, [&](int64_t c, int64_t n, int64_t from, int64_t to) {
        for (int64_t i = c; i < c + n; i += lanes) f.soften(s, i, from, to, st, shrinks);
      });
      if (any(shrinks)) {
        for (int64_t d = 0; d < dim; d++)
          for (int64_t i = 0; i < width; i += lanes) store(st.acc + d * QT + i, load(st.acc + d * QT + i) * load(st.keep + i));
        for (int64_t i = 0; i < width; i += lanes) store(st.keep + i, splat(1.0f));
      }
      f.values(v + t.k * a->v[2], t.nk, width, bands, s, st.acc);
    });
    finish(a, st, t.nq, at<T>(l, 5, a->out, b, h) + t.q * a->out[2],
           static_cast<float*>(l->bufs[6]) + (b * a->heads + h) * a->tq + t.q, rows, ld);
  }
}

}  // namespace sdpa
}  // namespace
}  // namespace FT_ISA
}  // namespace ft
