// Attention of bfloat16 for processors that multiply pairs of bfloat16.
//
// A step of a sum is two products, exact and added in float32. Those of q and k
// and of dOut and v take the operands as they are. Those of weights and of their
// gradients take them rounded to bfloat16, which is what moves the result besides
// its own rounding: by 2^-8 of each term at most, with a sign of its own. The sums
// of weights, lse and delta are those of float32. Denormal operands count as zeros.
#include "native_sdpa.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c,prefer-vector-width=512")
#endif
#define FT_ISA avx512_bf16
#define FT_AVX512 1
#define FT_AVX2 1
#define FT_FMA 1
#include "native_simd.h"
#include "native_sdpa_tile.h"
#include "native_sdpa_core.h"
#include "native_sdpa_vjp_core.h"

namespace ft {
namespace FT_ISA {
namespace {
namespace sdpa {

// Dot multiplies pairs of bfloat16.
struct Dot {
  typedef bf16 Left;
  static constexpr int step = 2;
  FT_OP uint32_t left(const bf16* p) {
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
  }
  FT_OP vf madd(vf c, uint32_t a, vf b) { return vf(_mm512_dpbf16_ps(__m512(c), __m512bh(_mm512_set1_epi32(int(a))), __m512bh(b))); }
};

// 2^x by the instructions of AVX-512, within 2e-7 of it: x = n + r with 0 <= r < 1, and
// 2^r is a minimax polynomial that is 1 at 0. Minus infinity gives 0.
FT_OP vf weight(vf x) {
  const vf r = (vf)_mm512_reduce_ps((__m512)x, 9);
  vf p = splat(0.00186713168f);
  p = p * r + 0.00901702691f;
  p = p * r + 0.0557999155f;
  p = p * r + 0.240164449f;
  p = p * r + 0.693151312f;
  p = p * r + 1.0f;
  return (vf)_mm512_scalef_ps((__m512)p, (__m512)x);
}

// Pairs lie in memory that is cut as floats.
FT_OP bf16* halves(float* p) { return reinterpret_cast<bf16*>(p); }
FT_OP const bf16* halves(const float* p) { return reinterpret_cast<const bf16*>(p); }

// side_by_side rounds a, then b; paired rounds them to pairs (a, b).
FT_OP __m512i side_by_side(vf a, vf b) { return (__m512i)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a); }
FT_OP vf paired(vf a, vf b) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return (vf)_mm512_permutexvar_epi16(order, side_by_side(a, b));
}
FT_OP void put_halves(bf16* to, __m512i x) { _mm512_storeu_si512(to, x); }

// The number of columns that products make: pairs of vectors.
FT_OP int64_t wide(int64_t n) { return ceil_div(n, 2 * lanes) * 2 * lanes; }

// columns writes rows of dim elements as to[dim / 2][QT], a word being a pair of
// neighbours, with zeros behind the last row up to wide(rows).
inline void columns(const bf16* x, int64_t stride, int64_t rows, int64_t dim, float* to) {
  const int64_t words = dim / 2;
  for (int64_t r = 0; r < wide(rows); r += lanes)
    for (int64_t c = 0; c < words; c += lanes) {
      vu v[lanes];
      for (int i = 0; i < lanes; i++) {
        v[i] = vu{};
        const bf16* p = x + (r + i) * stride + 2 * c;
        if (r + i < rows) memcpy(&v[i], p, c + lanes <= words ? sizeof v[i] : size_t(words - c) * 4);
      }
      transpose(v);
      FT_UNROLL for (int i = 0; i < lanes; i++) store(to + (c + i) * QT + r, float_of(v[i]));
    }
}

// rows writes rows of dim elements as to[rows / 2][ld], a word being a pair of the
// two rows' elements; a row that is missing counts as zeros.
inline void rows(const bf16* x, int64_t stride, int64_t count, int64_t dim, float* to, int64_t ld) {
  const __m512i first = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const __m512i second = _mm512_add_epi16(first, _mm512_set1_epi16(16));
  for (int64_t r = 0; r < count; r += 2, x += 2 * stride, to += ld) {
    int64_t d = 0;
    for (; r + 1 < count && d + 2 * lanes <= dim; d += 2 * lanes) {
      const __m512i a = _mm512_loadu_si512(x + d), b = _mm512_loadu_si512(x + stride + d);
      put_halves(halves(to + d), _mm512_permutex2var_epi16(a, first, b));
      put_halves(halves(to + d + lanes), _mm512_permutex2var_epi16(a, second, b));
    }
    for (; d < dim; d += lanes) {
      vu low, high = {};
      if (d + lanes <= dim) {
        low = load_u16(x + d);
        if (r + 1 < count) high = load_u16(x + stride + d);
      } else {
        low = bits_of(load_n(x + d, dim - d)) >> 16;
        if (r + 1 < count) high = bits_of(load_n(x + stride + d, dim - d)) >> 16;
      }
      store(to + d, float_of(low | high << 16));
    }
  }
}

// factor_of is what scores are multiplied by with the exponential. One that would
// turn minus infinity round is applied before.
FT_OP float factor_of(const SDPAArgs* a, int64_t nk, float* s) {
  const float factor = a->scale * log2e;
  if (factor > 0.0f) return factor;
  grow(s, nk, factor);
  return 1.0f;
}

// Forward is the form of forward.
struct Forward {
  typedef bf16 Element;
  const SDPAArgs* a;
  int64_t ld;
  float factor;
  float *q, *v, *p;  // columns of queries, rows of values, weights as pairs of keys
  Forward(const SDPAArgs* a, int64_t ld, Arena& arena)
      : a(a), ld(ld), factor(1.0f), q(arena.take(QT * ld)), v(arena.take(KT / 2 * ld)), p(arena.take(KT / 2 * QT)) {}
  static int64_t room(int64_t ld) { return QT * ld + KT / 2 * ld + KT / 2 * QT; }

  void queries(const bf16* x, int64_t n) { columns(x, a->q[2], n, a->dim, q); }
  void scores(const bf16* k, int64_t nk, const Bands& bands, float* s) {
    for (const Band& b : bands)
      product<Dot, false>(b.n, b.high - b.low, k + b.from * a->k[2], a->k[2], q + b.low, QT, a->dim / 2, s + b.from * QT + b.low, QT, false);
    factor = factor_of(a, nk, s);
  }
  void soften(float* s, int64_t i, int64_t from, int64_t to, State& st, vi& shrinks) {
    vf next = splat(-__builtin_inff());
    for (int64_t j = from; j < to; j++) next = max(load(s + j * QT + i), next);
    soften_column(st, i, max(next * factor, load(st.top + i)), shrinks, [&](vf base) {
      vf sum = {};
      for (int64_t j = from; j < to; j += 2) {
        const vf x = weight(load(s + j * QT + i) * factor - base);
        const vf y = j + 1 < to ? weight(load(s + (j + 1) * QT + i) * factor - base) : vf{};
        store(p + j / 2 * QT + i, paired(x, y));
        sum += x;
        sum += y;
      }
      return sum;
    });
  }
  void values(const bf16* x, int64_t nk, int64_t width, const Bands& bands, const float*, float* acc) {
    rows(x, a->v[2], nk, a->dim, v, ld);
    bands.each_group(width, [&](int64_t i, int64_t n, int64_t from, int64_t to) {
      product<Dot, true>(a->dim, n, halves(v + from / 2 * ld), 2 * ld, p + from / 2 * QT + i, QT, ceil_div(to - from, 2), acc + i, QT, true);
    });
  }
};

// Backward is the form of backward.
struct Backward {
  typedef bf16 Element;

  // Keys are keys and values where they are, and keys as rows of pairs.
  struct Keys {
    const bf16 *k, *v;
    float* pairs;
    Keys(const Sizes& z, int64_t n, Arena& arena) : k(nullptr), v(nullptr), pairs(arena.take(ceil_div(n, 2) * z.ld)) {}
    void read(const Sizes& z, const ft_launch* l, int64_t b, int64_t kv, int64_t first, int64_t n) {
      k = at<const bf16>(l, K, z.a->k, b, kv) + first * z.a->k[2];
      v = at<const bf16>(l, V, z.a->v, b, kv) + first * z.a->v[2];
      rows(k, z.a->k[2], n, z.dim, pairs, z.ld);
    }
  };

  // Queries are q and the cotangent g as rows and as columns of pairs, and per query
  // lse (times log2(e)) and delta.
  struct Queries {
    float *q, *g, *q_columns, *g_columns, *lse, *delta;
    Queries(const Sizes& z, Arena& arena)
        : q(arena.take(QT / 2 * z.ld)), g(arena.take(QT / 2 * z.ld)), q_columns(arena.take(QT * z.ld)), g_columns(arena.take(QT * z.ld)),
          lse(arena.take(QT)), delta(arena.take(QT)) {}
    void read(const Sizes& z, const ft_launch* l, int64_t b, int64_t head, const Tile& t) {
      const bf16 *x = query<bf16>(z, l, Q, b, head, t), *y = query<bf16>(z, l, DOUT, b, head, t);
      rows(x, z.a->q[2], t.nq, z.dim, q, z.ld);
      rows(y, z.a->dOut[2], t.nq, z.dim, g, z.ld);
      columns(x, z.a->q[2], t.nq, z.dim, q_columns);
      columns(y, z.a->dOut[2], t.nq, z.dim, g_columns);
      read_sums(z, l, b, head, t, lse, delta);
    }
  };

  // Pair makes scores s and dOut @ v^T as floats; weights p and their gradients ds as
  // rows of a key, and the latter as pairs of keys too.
  struct Pair {
    float *s, *dp, *p, *ds, *pairs;
    Pair(const Sizes&, Arena& arena)
        : s(arena.take(KT * QT)), dp(arena.take(KT * QT)), p(arena.take(KT * QT / 2)), ds(arena.take(KT * QT / 2)), pairs(arena.take(KT * QT / 2)) {}

    // soften is for keys [from, to) and two vectors of columns.
    void soften(int64_t i, int64_t from, int64_t to, const Queries& x, float factor) {
      for (int64_t j = from; j < to; j += 2) {
        vf e[2][2] = {}, d[2][2] = {};
        for (int r = 0; r < 2 && j + r < to; r++) {
          FT_UNROLL for (int c = 0; c < 2; c++) {
            const int64_t column = i + c * lanes, at = (j + r) * QT + column;
            e[r][c] = weight(load(s + at) * factor - load(x.lse + column));
            d[r][c] = e[r][c] * (load(dp + at) - load(x.delta + column));
          }
          put_halves(halves(p) + (j + r) * QT + i, side_by_side(e[r][0], e[r][1]));
          put_halves(halves(ds) + (j + r) * QT + i, side_by_side(d[r][0], d[r][1]));
        }
        FT_UNROLL for (int c = 0; c < 2; c++) store(pairs + j / 2 * QT + i + c * lanes, paired(d[0][c], d[1][c]));
      }
    }

    void add(const Sizes& z, const Tile& t, const Queries& x, const Keys& keys, int64_t at, float* dq, float* dk, float* dv) {
      const int64_t width = wide(t.nq), ld = z.ld;
      const Bands bands = bands_of(z.a, t, width);
      for (const Band& b : bands) {
        const int64_t to = b.from * QT + b.low, key = at + b.from, n = b.high - b.low;
        product<Dot, false>(b.n, n, keys.k + key * z.a->k[2], z.a->k[2], x.q_columns + b.low, QT, z.dim / 2, s + to, QT, false);
        product<Dot, false>(b.n, n, keys.v + key * z.a->v[2], z.a->v[2], x.g_columns + b.low, QT, z.dim / 2, dp + to, QT, false);
      }
      const float factor = factor_of(z.a, t.nk, s);
      mask(z.a, t, width, bands, s);
      if (bands.cut) fill(bands, t.nk, width, 0.0f, dp);
      bands.each_group(width, [&](int64_t c, int64_t n, int64_t from, int64_t to) {
        for (int64_t i = c; i < c + n; i += 2 * lanes) soften(i, from, to, x, factor);
        if (dq) product<Dot, true>(z.dim, n, halves(keys.pairs + (at + from) / 2 * ld), 2 * ld, pairs + from / 2 * QT + c, QT, ceil_div(to - from, 2), dq + c, QT, true);
      });
      if (!dk) return;
      for (const Band& b : bands) {
        const int64_t from = b.from * QT + b.low, query = b.low / 2 * ld, to = b.from * ld, pairs = ceil_div(smaller(b.high, t.nq) - b.low, 2);
        product<Dot, false>(b.n, whole(z.dim), halves(p) + from, QT, x.g + query, ld, pairs, dv + to, ld, true);
        product<Dot, false>(b.n, whole(z.dim), halves(ds) + from, QT, x.q + query, ld, pairs, dk + to, ld, true);
      }
    }
  };

  // Floats of all three, for n keys.
  static int64_t room(const Sizes& z, int64_t n) { return (n + 1) * z.ld / 2 + 3 * QT * z.ld + 2 * QT + 7 * KT * QT / 2; }
};

}  // namespace sdpa
}  // namespace
}  // namespace FT_ISA
}  // namespace ft

bool ft::sdpa_forward_pairs(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  if (!ft_cpu()->avx512_bf16) return false;
  avx512_bf16::sdpa::forward<avx512_bf16::sdpa::Forward>(l, begin, end, w);
  return true;
}

bool ft::sdpa_backward_pairs(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  if (!ft_cpu()->avx512_bf16) return false;
  avx512_bf16::sdpa::backward<avx512_bf16::sdpa::Backward>(l, begin, end, w);
  return true;
}
#if defined(__clang__)
#pragma clang attribute pop
#endif

#else

bool ft::sdpa_forward_pairs(const ft_launch*, int64_t, int64_t, ft_worker*) { return false; }
bool ft::sdpa_backward_pairs(const ft_launch*, int64_t, int64_t, ft_worker*) { return false; }

#endif
