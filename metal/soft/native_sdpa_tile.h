// What the native forms of attention share, for one instruction set.
//
// Everything is done on tiles of up to 64 queries and 128 keys, and transposed:
// a row belongs to a key (scores) or to an element of the head (sums), a column
// to a query. So the softmax goes down the columns without folding lanes, and the
// products take keys and values by single elements, as they lie in memory. Scores
// and sums are float32 in scratch memory; native_sdpa.cpp, native_sdpa_vjp.cpp and
// native_sdpa_pairs.cpp say what the products take.

namespace ft {
namespace FT_ISA {
namespace {
namespace sdpa {

constexpr int64_t QT = sdpa_queries, KT = sdpa_keys;  // of a tile; its rows are QT long
constexpr float log2e = 1.44269504088896341f;
// The micro tile of the products: MR rows, NV vectors.
constexpr int MR = 6;
#if defined(FT_AVX512) || defined(__aarch64__)
constexpr int NV = 4;
#else
constexpr int NV = 2;
#endif
// The columns of a product over keys: with AVX-512 few enough that two vectors of
// weights are still in the first level cache when it takes them.
constexpr int64_t group = (lanes == 16 ? 2 : NV) * lanes;

FT_OP int64_t whole(int64_t n) { return ceil_div(n, lanes) * lanes; }

// The length of rows of head elements. The extra 64 bytes keep rows of a large
// power of two from competing for the same lines of the cache.
FT_OP int64_t row_length(const SDPAArgs* a) { return int64_t(a->dim + 15) / 16 * 16 + 16; }

// 2^x for x <= 1, within 1 ulp; results below 2^-126 are 0. x = n + r with
// |r| <= 1/2, and 2^r is a minimax polynomial.
FT_OP vf power(vf x) {
  vf shifted = x + 12582912.0f;  // n in the low bits of the significand
  vf r = x - (shifted - 12582912.0f);
  vf p = splat(1.53533634e-4f);
  p = p * r + 1.33988750e-3f;
  p = p * r + 9.61843692e-3f;
  p = p * r + 5.55033237e-2f;
  p = p * r + 2.40226477e-1f;
  p = p * r + 6.93147182e-1f;
  p = p * r + 1.0f;
  vf y = float_of(bits_of(p) + (bits_of(shifted) << 23));
  return x < -126.0f ? vf{} : y;
}

// Floats multiplies elements of float32; a step of a sum is one product.
struct Floats {
  typedef float Left;
  static constexpr int step = 1;
  FT_OP float left(const float* p) { return *p; }
  FT_OP vf madd(vf c, float a, vf b) { return c + a * b; }
};

// micro adds to M rows of N vectors of C the product of A and B over k steps.
// Element (i, x) of A is a[i * lda + x * step], or with across a[x * lda + i * step].
// The sum of an element runs over k in order, whatever M and N are.
template <class Math, int M, int N, bool across, class T>
void micro(const typename Math::Left* a, int64_t lda, const T* b, int64_t ldb, int64_t k, float* c, int64_t ldc, bool add) {
  vf acc[M][N];
  FT_UNROLL for (int i = 0; i < M; i++) {
    FT_UNROLL for (int j = 0; j < N; j++) acc[i][j] = add ? load(c + i * ldc + j * lanes) : vf{};
  }
  for (int64_t x = 0; x < k; x++, b += ldb) {
    vf row[N];
    FT_UNROLL for (int j = 0; j < N; j++) row[j] = load(b + j * lanes);
    FT_UNROLL for (int i = 0; i < M; i++) {
      const auto e = Math::left(across ? a + x * lda + i * Math::step : a + i * lda + x * Math::step);
      FT_UNROLL for (int j = 0; j < N; j++) acc[i][j] = Math::madd(acc[i][j], e, row[j]);
    }
  }
  FT_UNROLL for (int i = 0; i < M; i++) {
    FT_UNROLL for (int j = 0; j < N; j++) store(c + i * ldc + j * lanes, acc[i][j]);
  }
}

template <class Math, int N, bool across, class T>
void strip(int64_t m, const typename Math::Left* a, int64_t lda, const T* b, int64_t ldb, int64_t k, float* c, int64_t ldc, bool add) {
  const int64_t next = across ? Math::step : lda;
  int64_t i = 0;
  for (; i + MR <= m; i += MR) micro<Math, MR, N, across>(a + i * next, lda, b, ldb, k, c + i * ldc, ldc, add);
  a += i * next;
  c += i * ldc;
  switch (m - i) {
    case 1: return micro<Math, 1, N, across>(a, lda, b, ldb, k, c, ldc, add);
    case 2: return micro<Math, 2, N, across>(a, lda, b, ldb, k, c, ldc, add);
    case 3: return micro<Math, 3, N, across>(a, lda, b, ldb, k, c, ldc, add);
    case 4: return micro<Math, 4, N, across>(a, lda, b, ldb, k, c, ldc, add);
    case 5: return micro<Math, 5, N, across>(a, lda, b, ldb, k, c, ldc, add);
  }
}

// product is C (+)= A @ B for m rows and n columns, a multiple of lanes.
template <class Math, bool across, class T>
void product(int64_t m, int64_t n, const typename Math::Left* a, int64_t lda, const T* b, int64_t ldb, int64_t k, float* c, int64_t ldc, bool add) {
  for (int64_t j = 0; j < n;) {
    const int64_t left = (n - j) / lanes;
    if (left >= NV) {
      strip<Math, NV, across>(m, a, lda, b + j, ldb, k, c + j, ldc, add);
      j += NV * lanes;
    } else if (left >= 2) {
      strip<Math, 2, across>(m, a, lda, b + j, ldb, k, c + j, ldc, add);
      j += 2 * lanes;
    } else {
      strip<Math, 1, across>(m, a, lda, b + j, ldb, k, c + j, ldc, add);
      j += lanes;
    }
  }
}

// pack copies rows of dim elements to rows of ld floats, with zeros behind.
template <class T>
void pack(const T* x, int64_t stride, int64_t rows, int64_t dim, float* to, int64_t ld) {
  for (int64_t i = 0; i < rows; i++, x += stride, to += ld) {
    int64_t d = 0;
    for (; d + lanes <= dim; d += lanes) store(to + d, load(x + d));
    if (d < dim) {
      store(to + d, load_n(x + d, dim - d));
      d += lanes;
    }
    for (; d < ld; d += lanes) store(to + d, vf{});
  }
}

// turn writes the transpose of x [rows][ld], times factor: to[c * to_ld + r] for
// whole vectors of both; rows past the last count as zeros.
inline void turn(const float* x, int64_t ld, int64_t rows, int64_t columns, float factor, float* to, int64_t to_ld) {
  for (int64_t r = 0; r < rows; r += lanes)
    for (int64_t c = 0; c < columns; c += lanes) {
      vf v[lanes];
      FT_UNROLL for (int i = 0; i < lanes; i++) v[i] = r + i < rows ? load(x + (r + i) * ld + c) * factor : vf{};
      transpose(v);
      FT_UNROLL for (int i = 0; i < lanes; i++) store(to + (c + i) * to_ld + r, v[i]);
    }
}

// unpack stores n floats, a multiple of 8, as elements.
template <class T> void unpack(const float* x, int64_t n, float factor, T* to) {
  int64_t d = 0;
  for (; d + lanes <= n; d += lanes) store(to + d, load(x + d) * factor);
  if (d < n) store_n(to + d, load(x + d) * factor, n - d);
}

struct Range { int32_t low, high; };
inline Range range(const int32_t* x, int64_t n) {
  Range r = {x[0], x[0]};
  for (int64_t i = 1; i < n; i++) {
    r.low = x[i] < r.low ? x[i] : r.low;
    r.high = x[i] > r.high ? x[i] : r.high;
  }
  return r;
}

// Tile is a place in the matrix of scores: queries [q, q+nq), keys [k, k+nk), and
// the segments of its batch row, or null; ids are those of its queries.
struct Tile {
  int64_t q, nq, k, nk;
  const int32_t *seg_q, *seg_k;
  Range ids;

  void take_queries(int64_t from, int64_t n) {
    q = from, nq = n;
    if (seg_q) ids = range(seg_q + q, nq);
  }
  bool apart(int64_t key) const { return seg_k[key] < ids.low || seg_k[key] > ids.high; }
};

// tile_of is an empty tile of batch row b; the segments of queries are buffer
// seg, if there are any.
inline Tile tile_of(const ft_launch* l, int64_t b, int seg) {
  const SDPAArgs* a = static_cast<const SDPAArgs*>(l->args);
  Tile t = {0, 0, 0, 0, nullptr, nullptr, {0, 0}};
  if (a->segments) {
    t.seg_q = static_cast<const int32_t*>(l->bufs[seg]) + b * a->tq;
    t.seg_k = static_cast<const int32_t*>(l->bufs[seg + 1]) + b * a->tk;
  }
  return t;
}

// keys_end is how many keys the queries up to q see, segments aside.
FT_OP int64_t keys_end(const SDPAArgs* a, int64_t q) {
  if (!a->causal) return a->tk;
  return smaller(larger(q + a->tk - a->tq, 0), a->tk);
}

// meet gives t the keys of [first, to) from the first to the last that is of one of
// its queries' segments, up to a multiple of KT, and reports whether there are any.
// They start at an even key, as pairs do; first must be one.
inline bool meet(Tile& t, int64_t first, int64_t to) {
  t.k = first;
  if (t.seg_q) {
    const auto all_apart = [&](int64_t k) {
      vi x;
      __builtin_memcpy(&x, t.seg_k + k, sizeof x);
      return !any((x >= t.ids.low) & (x <= t.ids.high));
    };
    while (t.k + lanes <= to && all_apart(t.k)) t.k += lanes;
    while (t.k < to && t.apart(t.k)) t.k++;
    t.k -= t.k % 2;
  }
  t.nk = smaller(KT - t.k % KT, to - t.k);
  while (t.seg_q && t.nk > 0 && t.apart(t.k + t.nk - 1)) t.nk--;
  return t.nk > 0;
}

// each_meeting calls visit with the tiles of keys of [first, to) that t meets.
template <class F> void each_meeting(Tile& t, int64_t first, int64_t to, F visit) {
  for (; meet(t, first, to); first = ceil_div(t.k + t.nk, 2) * 2) visit();
}

// Band is keys [from, from+n) of a tile, and the columns [low, high), whole vectors,
// of the queries that see any of them.
struct Band { int64_t from, n, low, high; };

// Bands cover the pairs of a tile that are visible, from the first key to the last.
// Where some are not, the bands of cut follow the edge in steps of BK keys.
constexpr int64_t BK = 16;
struct Bands {
  bool cut;
  int64_t count;
  Band band[KT / BK];
  const Band* begin() const { return band; }
  const Band* end() const { return band + count; }

  // each_group calls f with some columns [i, i + n) after others, and with the keys
  // [from, to) of the bands that meet them.
  template <class F> void each_group(int64_t width, F f) const {
    for (int64_t i = 0; i < width; i += group) {
      const int64_t n = smaller(group, width - i);
      int64_t from = 0, to = 0;
      for (const Band& b : *this) {
        if (b.low >= i + n || b.high <= i) continue;
        if (from == to) from = b.from;
        to = b.from + b.n;
      }
      if (from < to) f(i, n, from, to);
    }
  }
};

// bands_of is what is visible of the columns of a tile up to width.
inline Bands bands_of(const SDPAArgs* a, const Tile& t, int64_t width) {
  const int64_t shift = t.q + int64_t(a->tk) - int64_t(a->tq);
  const bool edge = a->causal && t.k + t.nk - 1 > shift;  // column i sees the keys up to i + shift
  bool mixed = false;
  Range q[QT / lanes];
  if (t.seg_q) {
    for (Range& r : q) r = {INT32_MAX, INT32_MIN};
    for (int64_t i = 0; i < t.nq; i += lanes) q[i / lanes] = range(t.seg_q + t.q + i, smaller(lanes, t.nq - i));
    const Range k = range(t.seg_k + t.k, t.nk);
    mixed = k.low != k.high;
    for (int64_t i = 0; i < t.nq; i += lanes) mixed |= q[i / lanes].low != k.low || q[i / lanes].high != k.low;
  }
  Bands b = {edge || mixed, 1, {{0, t.nk, 0, width}}};
  if (!b.cut) return b;
  b.count = 0;
  for (int64_t j = 0; j < t.nk; j += BK) {
    Band next = {j, smaller(BK, t.nk - j), 0, width};
    if (edge) next.low = larger(0, t.k + j - shift) / lanes * lanes;
    if (mixed) {
      const Range k = range(t.seg_k + t.k + j, next.n);
      const auto apart = [&](int64_t i) { return q[i / lanes].high < k.low || q[i / lanes].low > k.high; };
      while (next.low < next.high && apart(next.low)) next.low += lanes;
      while (next.low < next.high && apart(next.high - lanes)) next.high -= lanes;
    }
    if (next.low >= next.high) continue;
    Band* last = b.count ? &b.band[b.count - 1] : nullptr;
    if (last && last->from + last->n == j && last->low == next.low && last->high == next.high) last->n += next.n;
    else b.band[b.count++] = next;
  }
  return b;
}

// fill sets what is not in bands of n rows up to width.
inline void fill(const Bands& bands, int64_t n, int64_t width, float x, float* s) {
  const auto span = [&](int64_t j, int64_t low, int64_t high) {
    for (int64_t i = low; i < high; i += lanes) store(s + j * QT + i, splat(x));
  };
  int64_t j = 0;
  for (const Band& b : bands) {
    for (; j < b.from; j++) span(j, 0, width);
    for (; j < b.from + b.n; j++) span(j, 0, b.low), span(j, b.high, width);
  }
  for (; j < n; j++) span(j, 0, width);
}

// mask sets the scores of pairs up to column width that are not visible to minus
// infinity, whether there are scores in their place or not.
inline void mask(const SDPAArgs* a, const Tile& t, int64_t width, const Bands& bands, float* s) {
  if (!bands.cut) return;
  fill(bands, t.nk, width, -__builtin_inff(), s);
  const vf none = splat(-__builtin_inff());
  const int64_t shift = t.q + int64_t(a->tk) - int64_t(a->tq);
  alignas(64) int32_t column[QT], seg[QT] = {};
  for (int32_t i = 0; i < QT; i++) column[i] = i;
  if (t.seg_q) memcpy(seg, t.seg_q + t.q, size_t(t.nq) * sizeof *seg);
  for (const Band& b : bands)
    for (int64_t j = b.from; j < b.from + b.n; j++) {
      const int32_t from = a->causal ? int32_t(smaller(larger(t.k + j - shift, 0), QT)) : 0, mine = t.seg_q ? t.seg_k[t.k + j] : 0;
      for (int64_t i = b.low; i < b.high; i += lanes) {
        vi at, theirs;
        __builtin_memcpy(&at, column + i, sizeof at);
        __builtin_memcpy(&theirs, seg + i, sizeof theirs);
        float* p = s + j * QT + i;
        store(p, select((at >= from) & (theirs == mine), load(p), none));
      }
    }
}

// at is where a head of operand i begins, with the strides of that operand.
template <class T> T* at(const ft_launch* l, int i, const int64_t* stride, int64_t b, int64_t head) {
  return static_cast<T*>(l->bufs[i]) + b * stride[0] + head * stride[1];
}

// grow multiplies the scores by a factor that is not applied with the exponential.
inline void grow(float* s, int64_t nk, float factor) {
  for (int64_t i = 0; i < nk * QT; i += lanes) store(s + i, load(s + i) * factor);
}

// Arena cuts scratch memory.
struct Arena {
  float* at;
  float* take(int64_t n) {
    float* p = at;
    at += (n + 15) / 16 * 16;
    return p;
  }
};

}  // namespace sdpa
}  // namespace
}  // namespace FT_ISA
}  // namespace ft
