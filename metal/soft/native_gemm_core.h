// The blocked product for one instruction set. The including file defines, as
// native_isa.h does, FT_ISA, FT_AVX512, FT_AVX2 for native_simd.h, and
//   FT_MR     most rows of a micro tile
//   FT_NV     vectors in a row of it
//   FT_KC     most steps of K in a block
//   FT_PAIRS  1: bfloat16 stays packed in pairs for vdpbf16ps
// and includes it after the pragma that switches the instruction set on.
// native_gemm_skinny.h follows.
//
// A piece of C is computed block by block of K: the block's rows of B are packed
// into panels of one micro tile's width, in float32, which stay in the second
// level cache; then panel after panel of A is packed, stays in the first level,
// and meets all panels of B. Sums of one element run over K in order, and the
// blocks depend on K alone: how C is divided changes nothing.
#include "native_simd.h"

namespace ft {
namespace FT_ISA {
namespace {

constexpr int W = lanes, MR = FT_MR, NV = FT_NV, NR = NV * W;
static_assert(MR <= W || MR % W == 0, "see cut");
constexpr int64_t KC = FT_KC;

#define FT_UNROLL _Pragma("GCC unroll 32")

// load_some and store_some are for the first min(n, W) elements.
template <class T> __attribute__((noinline)) vf load_few(const T* p, int64_t n) { return load_n(p, n); }
template <class T> __attribute__((noinline)) void store_few(T* p, vf x, int64_t n) { store_n(p, x, n); }
template <class T> FT_OP vf load_some(const T* p, int64_t n) { return n >= W ? load(p) : load_few(p, n); }
template <class T> FT_OP void store_some(T* p, vf x, int64_t n) {
  if (n >= W) store(p, x);
  else store_few(p, x, n);
}

// zip_lo and zip_hi interleave the lower and the upper halves of two vectors.
#if defined(FT_AVX512)
FT_OP vf zip_lo(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23); }
FT_OP vf zip_hi(vf a, vf b) { return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31); }
#elif defined(FT_AVX2)
FT_OP vf zip_lo(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
FT_OP vf zip_hi(vf a, vf b) { return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
#else
FT_OP vf zip_lo(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
FT_OP vf zip_hi(vf a, vf b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }
#endif

// transpose transposes W vectors: a perfect shuffle of the rows, log W times.
FT_OP void transpose(vf* v) {
  FT_UNROLL for (int s = 1; s < W; s *= 2) {
    vf t[W];
    FT_UNROLL for (int i = 0; i < W / 2; i++) t[2 * i] = zip_lo(v[i], v[i + W / 2]), t[2 * i + 1] = zip_hi(v[i], v[i + W / 2]);
    FT_UNROLL for (int i = 0; i < W; i++) v[i] = t[i];
  }
}

// Fma multiplies float32.
struct Fma {
  FT_OP vf madd(vf c, uint32_t a, vf b) { return c + __builtin_bit_cast(float, a) * b; }
  FT_OP vf madd_each(vf c, vf a, vf b) { return c + a * b; }
};

// One is a panel of float32, one step of K an element.
template <class T> struct One {
  typedef Fma Math;
  static constexpr int step = 1;
  FT_OP vf along_k(const T* p, int64_t left) { return load_some(p, left); }
  FT_OP vf along_i(const T* p, int64_t, int64_t, int64_t n) { return load_some(p, n); }
};

#if FT_PAIRS
// Dot adds products of pairs of bfloat16, exact ones, to float32.
struct Dot {
  FT_OP vf madd(vf c, uint32_t a, vf b) { return madd_each(c, vf(_mm512_set1_epi32(int(a))), b); }
  FT_OP vf madd_each(vf c, vf a, vf b) { return vf(_mm512_dpbf16_ps(__m512(c), __m512bh(a), __m512bh(b))); }
};

// Pairs is a panel of bfloat16 as it is, two steps of K an element.
struct Pairs {
  typedef Dot Math;
  static constexpr int step = 2;
  FT_OP vf along_k(const bf16* p, int64_t left) {
    bf16 some[2 * W] = {};
    if (left < 2 * W) p = static_cast<bf16*>(memcpy(some, p, size_t(left) * sizeof(bf16)));
    vf x;
    memcpy(&x, p, sizeof x);
    return x;
  }
  FT_OP vf along_i(const bf16* p, int64_t ld, int64_t left, int64_t n) {
    vu even = bits_of(load_some(p, n)) >> 16;
    return float_of(left < 2 ? even : even | bits_of(load_some(p + ld, n)));
  }
};
#endif

template <class T> struct PanelOf { typedef One<T> type; };
#if FT_PAIRS
template <> struct PanelOf<bf16> { typedef Pairs type; };
#endif

// pack writes n rows (of A, or columns of B) and steps [0, k) as a panel:
// dst[k][width]. Element (i, k) is src[i * row + k * col]. Rows up to limit may
// be read. A store of whole vectors may run over into the next step, which is
// written later, and W elements past the end.
template <class P, class T>
void pack(const T* src, int64_t row, int64_t col, int64_t k, int64_t n, int64_t limit, int64_t width, float* dst) {
  if (col != 1) {
    for (int64_t q = 0; q < k; q += P::step, dst += width)
      for (int64_t i = 0; i < n; i += W) {
        vf x = P::along_i(src + q * col + i, col, k - q, limit - i);
        if (i == 0 || width - i >= W) store(dst + i, x);
        else store_some(dst + i, x, width - i);
      }
    return;
  }
  for (int64_t q = 0; q < k; q += W * P::step, dst += W * width)
    for (int64_t i = 0; i < n; i += W) {
      const T* p = src + i * row + q;
      const int64_t left = k - q, rows = n - i;
      vf t[W];
      if (left >= W * P::step) {
        FT_UNROLL for (int r = 0; r < W; r++) t[r] = r < rows ? P::along_k(p + r * row, W * P::step) : vf{};
      } else {
        for (int r = 0; r < W; r++) t[r] = r < rows ? P::along_k(p + r * row, left) : vf{};
      }
      transpose(t);
      if (left >= W * P::step && (i == 0 || width - i >= W)) {
        FT_UNROLL for (int r = 0; r < W; r++) store(dst + r * width + i, t[r]);
      } else {
        const int64_t steps = (left + P::step - 1) / P::step;
        for (int64_t r = 0; r < W && r < steps; r++) {
          if (i == 0 || width - i >= W) store(dst + r * width + i, t[r]);
          else store_some(dst + r * width + i, t[r], width - i);
        }
      }
    }
}

// micro multiplies a panel of M rows with one of V vectors. The sums start at
// zero or, with add, at acc, and go to acc[M][V * W].
template <class Math, int M, int V>
void micro(int64_t k, const float* a, const float* b, float* acc, bool add) {
  vf c[M][V];
  FT_UNROLL for (int i = 0; i < M; i++) {
    FT_UNROLL for (int j = 0; j < V; j++) c[i][j] = add ? load(acc + (i * V + j) * W) : vf{};
  }
  for (; k > 0; k--, a += M, b += V * W) {
    vf row[V];
    FT_UNROLL for (int j = 0; j < V; j++) row[j] = load(b + j * W);
    FT_UNROLL for (int i = 0; i < M; i++) {
      uint32_t x;
      __builtin_memcpy(&x, a + i, 4);
      FT_UNROLL for (int j = 0; j < V; j++) c[i][j] = Math::madd(c[i][j], x, row[j]);
    }
  }
  FT_UNROLL for (int i = 0; i < M; i++) {
    FT_UNROLL for (int j = 0; j < V; j++) store(acc + (i * V + j) * W, c[i][j]);
  }
}

typedef void (*Micro)(int64_t, const float*, const float*, float*, bool);

template <class Math, int V, int... M> FT_OP Micro pick(int64_t rows, std::integer_sequence<int, M...>) {
  static constexpr Micro all[] = {micro<Math, M + 1, V>...};
  return all[rows - 1];
}
template <class Math> FT_OP Micro pick(int64_t rows, bool wide) {
  typedef std::make_integer_sequence<int, MR> Rows;
  return wide ? pick<Math, NV>(rows, Rows{}) : pick<Math, 1>(rows, Rows{});
}

// finish stores sums as C: alpha * sum (+ beta * D), narrowed.
typedef void (*Finish)(const GemmJob&, const float*, int64_t, int64_t, int64_t, int64_t, int64_t);
template <class U>
void finish(const GemmJob& g, const float* acc, int64_t width, int64_t i0, int64_t rows, int64_t j0, int64_t cols) {
  for (int64_t i = 0; i < rows; i++, acc += width) {
    U* c = static_cast<U*>(g.c.p) + (i0 + i) * g.c.row + j0;
    const U* d = static_cast<const U*>(g.d.p) + (i0 + i) * g.d.row + j0;
    for (int64_t j = 0; j < cols; j += W) {
      vf x = load(acc + j) * g.alpha;
      if (g.has_d) x += load_some(d + j, cols - j) * g.beta;
      store_some(c + j, x, cols - j);
    }
  }
}

void scale_by(float x, float* acc, int64_t n) {
  for (int64_t i = 0; i < n; i++) acc[i] *= x;
}

FT_OP int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
FT_OP int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// Scratch of a piece: the panels of B, one panel of A, the sums.
size_t tile_scratch(int64_t rows, int64_t cols) {
  int64_t wide = round_up(cols, NR);
  return sizeof(float) * size_t(wide * KC + W + round_up(MR * KC + W, 16) + (rows + MR) * wide + 64);
}

// Block is a range of K, or of R.
template <class T> struct Block {
  const T *a, *b;
  int64_t a_row, a_col, b_row, b_col, k;
};

// block gives the at-th of count blocks of a @ b, whose inner extent is k.
template <class T>
Block<T> block(const Matrix<const void*>& a, const Matrix<const void*>& b, int64_t k, int64_t step, int64_t at, int64_t count) {
  const int64_t size = round_up(ceil_div(k, count), step), from = at * size < k ? at * size : k;
  return Block<T>{static_cast<const T*>(a.p) + from * a.col, static_cast<const T*>(b.p) + from * b.row,
                  a.row, a.col, b.row, b.col, k - from < size ? k - from : size};
}

// cut is where the p-th of count panels of A begins: they are of nearly equal
// height, and of whole vectors where they are higher than one.
FT_OP int64_t cut(int64_t p, int64_t count, int64_t rows) {
  const int64_t at = round_up(p * rows / count, MR > W ? W : 1);
  return at < rows ? at : rows;
}

// Sums of the low-rank product come first, in blocks -low to -1, and are scaled
// once; A @ B is added to them.
template <class T> void tile_of(const GemmJob& g, const GemmRect& t, Finish done, char* scratch) {
  typedef typename PanelOf<T>::type P;
  const int64_t rows = t.i1 - t.i0, cols = t.j1 - t.j0, wide = round_up(cols, NR);
  float* bp = reinterpret_cast<float*>(scratch);
  float* ap = bp + wide * KC + W;
  float* sums = ap + round_up(MR * KC + W, 16);
  const int64_t blocks = g.k > 0 ? ceil_div(g.k, KC * P::step) : 1, low = ceil_div(g.r, KC * P::step);
  const int64_t panels = ceil_div(rows, MR);
  for (int64_t at = -low; at < blocks; at++) {
    const Block<T> k = at < 0 ? block<T>(g.u, g.v, g.r, P::step, at + low, low) : block<T>(g.a, g.b, g.k, P::step, at, blocks);
    const int64_t steps = ceil_div(k.k, P::step);
    for (int64_t j = 0; j < cols; j += NR) {
      const int64_t n = cols - j < NR ? cols - j : NR;
      pack<P>(k.b + (t.j0 + j) * k.b_col, k.b_col, k.b_row, k.k, n, g.n - t.j0 - j, n > W ? NR : W, bp + j * KC);
    }
    float* acc = sums;
    for (int64_t p = 0; p < panels; p++) {
      const int64_t i = cut(p, panels, rows), m = cut(p + 1, panels, rows) - i;
      pack<P>(k.a + (t.i0 + i) * k.a_row, k.a_row, k.a_col, k.k, m, g.m - t.i0 - i, m, ap);
      for (int64_t j = 0; j < cols; j += NR) {
        const int64_t n = cols - j < NR ? cols - j : NR, width = n > W ? NR : W;
        pick<typename P::Math>(m, n > W)(steps, ap, bp + j * KC, acc, at > -low);
        if (at == -1) scale_by(g.low, acc, m * width);
        if (at == blocks - 1) done(g, acc, width, t.i0 + i, m, t.j0 + j, n);
        if (low + blocks > 1) acc += m * NR;  // they outlive the block
      }
    }
  }
}

template <class T, class U> void tile(const GemmJob& g, const GemmRect& t, char* scratch) { tile_of<T>(g, t, finish<U>, scratch); }

}  // namespace
}  // namespace FT_ISA
}  // namespace ft
