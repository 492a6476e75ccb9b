// What the native forms of attention share, for one instruction set.
//
// Everything is done on tiles of up to 64 queries and 128 keys, and transposed:
// a row belongs to a key (scores) or to an element of the head (sums), a column
// to a query. So the softmax goes down the columns without folding lanes, and the
// products take keys and values by single elements, as they lie in memory. Scores
// and sums are float32 in scratch memory; native_sdpa_floats.h and
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

// Tile is a place in the matrix of scores: queries [q, q+nq), keys [k, k+nk), and
// the segments of its batch row, or null.
struct Tile {
  int64_t q, nq, k, nk;
  const int32_t *seg_q, *seg_k;
};

// tile_of is an empty tile of batch row b; the segments of queries are buffer
// seg, if there are any.
inline Tile tile_of(const ft_launch* l, int64_t b, int seg) {
  const SDPAArgs* a = static_cast<const SDPAArgs*>(l->args);
  Tile t = {0, 0, 0, 0, nullptr, nullptr};
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

struct Range { int32_t low, high; };
inline Range range(const int32_t* x, int64_t n) {
  Range r = {x[0], x[0]};
  for (int64_t i = 1; i < n; i++) {
    r.low = x[i] < r.low ? x[i] : r.low;
    r.high = x[i] > r.high ? x[i] : r.high;
  }
  return r;
}

// trim leaves out keys at both ends of the tile that are of no segment of its
// queries, but starts at an even key, as pairs do. It reports whether any is left.
inline bool trim(Tile& t) {
  if (!t.seg_q) return t.nk > 0;
  const Range q = range(t.seg_q + t.q, t.nq);
  const int32_t* s = t.seg_k;
  for (; t.nk > 0 && (s[t.k] < q.low || s[t.k] > q.high); t.k++) t.nk--;
  while (t.nk > 0 && (s[t.k + t.nk - 1] < q.low || s[t.k + t.nk - 1] > q.high)) t.nk--;
  if (t.nk <= 0) return false;
  const int64_t odd = t.k % 2;
  t.k -= odd, t.nk += odd;
  return true;
}

// mask sets the scores of pairs that are not visible to minus infinity.
inline void mask(const SDPAArgs* a, const Tile& t, float* s) {
  const int64_t width = whole(t.nq);
  const vf none = splat(-__builtin_inff());
  alignas(64) int32_t column[QT], seg[QT] = {};
  // Column i sees the keys up to i + shift.
  const int64_t shift = t.q + int64_t(a->tk) - int64_t(a->tq);
  if (a->causal && t.k + t.nk - 1 > shift) {
    for (int64_t i = 0; i < width; i++) column[i] = int32_t(i);
    for (int64_t j = larger(0, shift + 1 - t.k); j < t.nk; j++) {
      const int32_t from = int32_t(smaller(t.k + j - shift, QT));
      for (int64_t i = 0; i < width; i += lanes) {
        vi at;
        __builtin_memcpy(&at, column + i, sizeof at);
        float* p = s + j * QT + i;
        store(p, at >= from ? load(p) : none);
      }
    }
  }
  if (!t.seg_q) return;
  const Range q = range(t.seg_q + t.q, t.nq), k = range(t.seg_k + t.k, t.nk);
  if (q.low == q.high && k.low == k.high) return;  // one segment, since trim left keys
  memcpy(seg, t.seg_q + t.q, size_t(t.nq) * sizeof *seg);
  for (int64_t j = 0; j < t.nk; j++) {
    const int32_t mine = t.seg_k[t.k + j];
    for (int64_t i = 0; i < width; i += lanes) {
      vi theirs;
      __builtin_memcpy(&theirs, seg + i, sizeof theirs);
      float* p = s + j * QT + i;
      store(p, theirs == mine ? load(p) : none);
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
