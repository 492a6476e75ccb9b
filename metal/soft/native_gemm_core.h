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
//
// With FT_PAIRS, products of bfloat16 are exact and summed in float32 as others
// are; the processor takes denormal operands as zeros.
#include "native_gemm_finish.h"

namespace ft {
namespace FT_ISA {
namespace {

constexpr int MR = FT_MR, NV = FT_NV, NR = NV * W;
constexpr int64_t KC = FT_KC;

// Fma multiplies float32.
struct Fma {
  FT_OP vf madd(vf c, uint32_t a, vf b) { return c + __builtin_bit_cast(float, a) * b; }
  FT_OP vf madd_each(vf c, vf a, vf b) { return c + a * b; }
};

// One is a panel of float32, one step of K an element.
template <class T> struct One {
  typedef Fma Math;
  static constexpr int step = 1;
  static constexpr bool as_stored = sizeof(T) == 4;
  FT_OP vf along_k(const T* p, int64_t left) { return load_some(p, left); }
  FT_OP void across(const T* p, int64_t, int64_t, int64_t n, int64_t limit, float* dst) {
    for (int64_t i = 0; i < n; i += W) store(dst + i, load_some(p + i, limit - i));
  }
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
  static constexpr bool as_stored = true;
  FT_OP vf along_k(const bf16* p, int64_t left) {
    bf16 some[2 * W] = {};
    if (left < 2 * W) p = static_cast<bf16*>(memcpy(some, p, size_t(left) * sizeof(bf16)));
    vf x;
    memcpy(&x, p, sizeof x);
    return x;
  }
  FT_OP void across(const bf16* p, int64_t ld, int64_t left, int64_t n, int64_t limit, float* dst) {
    const __mmask32 some = limit < 2 * W ? (1u << limit) - 1 : ~0u, next = left < 2 ? 0 : some;
    if (n > W) {
      const __m512i x = _mm512_maskz_loadu_epi16(some, p), y = _mm512_maskz_loadu_epi16(next, p + ld);
      _mm512_storeu_si512(dst, _mm512_permutex2var_epi16(x, pairs(0), y));
      _mm512_storeu_si512(dst + W, _mm512_permutex2var_epi16(x, pairs(W), y));
    } else {
      const __m256i x = _mm256_maskz_loadu_epi16(__mmask16(some), p), y = _mm256_maskz_loadu_epi16(__mmask16(next), p + ld);
      _mm512_storeu_si512(dst, _mm512_permutex2var_epi16(_mm512_castsi256_si512(x), pairs(0), _mm512_castsi256_si512(y)));
    }
  }
  // pairs takes the elements from i on of two vectors in turn.
  FT_OP __m512i pairs(int i) {
    const __m512i first = _mm512_set_epi32(0x2f000f, 0x2e000e, 0x2d000d, 0x2c000c, 0x2b000b, 0x2a000a, 0x290009, 0x280008,
                                           0x270007, 0x260006, 0x250005, 0x240004, 0x230003, 0x220002, 0x210001, 0x200000);
    return _mm512_add_epi16(first, _mm512_set1_epi16(short(i)));
  }
};
#endif

template <class T> struct PanelOf { typedef One<T> type; };
#if FT_PAIRS
template <> struct PanelOf<bf16> { typedef Pairs type; };
#endif

// Strip is where a panel comes from and goes to: the rows [i, i + n) of A, or
// columns of B, as dst[k][width]. Steps are whole vectors: stores that cross
// cache lines would cost more than the products of a narrow B.
struct Strip {
  int64_t i, n, width;
  float* dst;
};

// pack_across packs steps [0, k) of elements that lie side by side: (i, k) is
// src[i + k * col], and may be read for i < limit. All strips advance together,
// so that memory is read in long runs. What lies next elements on is needed soon.
template <class P, class T>
void pack_across(const T* src, int64_t col, int64_t k, int64_t limit, const Strip* strips, int64_t count, int64_t skip, int64_t next) {
  for (int64_t q = 0, step = skip; q < k; q += P::step, step++)
    for (const Strip* s = strips; s < strips + count; s++) {
      const T* p = src + q * col + s->i;
      for (int e = 0; e < P::step; e++) __builtin_prefetch(p + next + e * col, 0, 2);
      P::across(p, col, k - q, s->n, limit - s->i, s->dst + step * s->width);
    }
}

#if defined(FT_AVX512)
// columns_of reads the first W words of up to W rows of words, apart bytes from one to the
// next, as columns. Lanes beyond rows hold the last row's words.
FT_OP void columns_of(const char* p, int64_t apart, int64_t rows, vf* t) {
  const char* at[W];
  for (int64_t r = 0; r < W; r++) at[r] = p + (r < rows ? r : rows - 1) * apart;
  FT_UNROLL for (int q = 0; q < 4; q++) {
    __m512 x[4];  // lane l holds words of row 4 * l + r
    FT_UNROLL for (int r = 0; r < 4; r++) {
      auto words = [&](int row) { return _mm_loadu_ps(reinterpret_cast<const float*>(at[row] + 16 * q)); };
      x[r] = _mm512_castps128_ps512(words(r));
      x[r] = _mm512_mask_broadcast_f32x4(x[r], 0x00f0, words(4 + r));
      x[r] = _mm512_mask_broadcast_f32x4(x[r], 0x0f00, words(8 + r));
      x[r] = _mm512_mask_broadcast_f32x4(x[r], 0xf000, words(12 + r));
    }
    const __m512d a = __m512d(_mm512_unpacklo_ps(x[0], x[1])), b = __m512d(_mm512_unpacklo_ps(x[2], x[3]));
    const __m512d c = __m512d(_mm512_unpackhi_ps(x[0], x[1])), d = __m512d(_mm512_unpackhi_ps(x[2], x[3]));
    t[4 * q] = vf(_mm512_unpacklo_pd(a, b)), t[4 * q + 1] = vf(_mm512_unpackhi_pd(a, b));
    t[4 * q + 2] = vf(_mm512_unpacklo_pd(c, d)), t[4 * q + 3] = vf(_mm512_unpackhi_pd(c, d));
  }
}
#endif

// pack_along packs a strip of elements whose steps lie side by side: (i, k) is
// src[i * row + k].
template <class P, class T> void pack_along(const T* src, int64_t row, int64_t k, const Strip& s, int64_t skip) {
  float* dst = s.dst + skip * s.width;
  for (int64_t q = 0; q < k; q += W * P::step, dst += W * s.width)
    for (int64_t i = 0; i < s.n; i += W) {
#if defined(FT_AVX512)
      if (P::as_stored && k - q >= W * P::step) {
        const char* p = reinterpret_cast<const char*>(src + (s.i + i) * row + q);
        const int64_t rows = s.n - i < W ? s.n - i : W, apart = row * int64_t(sizeof(T));
        for (int64_t r = 0; r < rows; r++) __builtin_prefetch(p + (r + s.width) * apart, 0, 2);  // for the next strip
        vf t[W];
        columns_of(p, apart, rows, t);
        FT_UNROLL for (int r = 0; r < W; r++) store(dst + r * s.width + i, t[r]);
        continue;
      }
#endif
      const T* p = src + (s.i + i) * row + q;
      const int64_t left = k - q, rows = s.n - i;
      vf t[W];
      if (left >= W * P::step) {
        FT_UNROLL for (int r = 0; r < W; r++) {
          t[r] = r < rows ? P::along_k(p + r * row, W * P::step) : vf{};
          __builtin_prefetch(p + (r + s.width) * row, 0, 2);  // for the next strip
        }
      } else {
        for (int r = 0; r < W; r++) t[r] = r < rows ? P::along_k(p + r * row, left) : vf{};
      }
      transpose(t);
      if (left >= W * P::step) {
        FT_UNROLL for (int r = 0; r < W; r++) store(dst + r * s.width + i, t[r]);
      } else {
        for (int64_t r = 0; r < W && r * P::step < left; r++) store(dst + r * s.width + i, t[r]);
      }
    }
}

// pack packs strips behind skip steps that they hold already. The next to be packed are
// those after these, unless they are all there are: then it is the same ones further on.
template <class P, class T>
void pack(const T* src, int64_t row, int64_t col, int64_t k, int64_t limit, const Strip* strips, int64_t count, int64_t skip, bool all) {
  const int64_t next = all ? 16 * col : strips[count - 1].i + strips[count - 1].n - strips[0].i;
  if (col != 1) return pack_across<P>(src, col, k, limit, strips, count, skip, next);
  for (int64_t i = 0; i < count; i++) pack_along<P>(src, row, k, strips[i], skip);
}

// widen writes n rows of k elements, whose rows are contiguous, as
// dst[n][KC + W]: the last vector of a row may run over.
template <class P, class T> void widen(const T* src, int64_t row, int64_t k, int64_t n, float* dst) {
  for (int64_t i = 0; i < n; i++)
    for (int64_t q = 0; q < k; q += W) store(dst + i * (KC + W) + q, P::along_k(src + i * row + q, k - q));
}

// Elements of a panel of A: packed ones, or rows that lie apart bytes apart.
struct Packed {
  static constexpr bool packed = true;
  const float* p;
  int64_t apart;
  FT_OP uint32_t at(const Packed& a, int64_t k, int rows, int i) { return word(a.p + k * round_up(rows, W) + i); }
  FT_OP uint32_t word(const void* p) {
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
  }
};
struct Rows {
  static constexpr bool packed = false;
  const char* p;
  int64_t apart;
  FT_OP uint32_t at(const Rows& a, int64_t k, int, int i) { return Packed::word(a.p + i * a.apart + k * 4); }
};

// Columns are elements of A that lie side by side, as one step's do.
struct Columns {
  static constexpr bool packed = false;
  const char* p;
  int64_t apart;
  FT_OP uint32_t at(const Columns& a, int64_t k, int, int i) { return Packed::word(a.p + k * a.apart + i * 4); }
};

// micro multiplies a panel of M rows with one of V vectors. The sums go to
// acc[M][V * W] or, with add, are added to it: short sums, added up, keep more
// digits than a long one.
template <class Math, class A, int M, int V>
void micro(int64_t steps, const A& a, const float* b, float* acc, bool add) {
  vf c[M][V];
  FT_UNROLL for (int i = 0; i < M; i++) {
    FT_UNROLL for (int j = 0; j < V; j++) c[i][j] = vf{};
  }
  for (int64_t k = 0; k < steps; k++, b += V * W) {
    vf row[V];
    FT_UNROLL for (int j = 0; j < V; j++) row[j] = load(b + j * W);
    FT_UNROLL for (int i = 0; i < M; i++) {
      const uint32_t x = A::at(a, k, M, i);
      FT_UNROLL for (int j = 0; j < V; j++) c[i][j] = Math::madd(c[i][j], x, row[j]);
    }
  }
  FT_UNROLL for (int i = 0; i < M; i++) {
    FT_UNROLL for (int j = 0; j < V; j++) {
      float* p = acc + (i * V + j) * W;
      store(p, add ? load(p) + c[i][j] : c[i][j]);
    }
  }
}

// Rows are fewer than registers for sums would allow: each needs a pointer.
template <class A> constexpr int most_rows = MR;
template <> constexpr int most_rows<Rows> = MR < 8 ? MR : 8;

template <class A> using Micro = void (*)(int64_t, const A&, const float*, float*, bool);

template <class Math, class A, int V, int... M> FT_OP Micro<A> pick(int64_t rows, std::integer_sequence<int, M...>) {
  static constexpr Micro<A> all[] = {micro<Math, A, M + 1, V>...};
  return all[rows - 1];
}
template <class Math, class A> FT_OP Micro<A> pick(int64_t rows, bool wide) {
  typedef std::make_integer_sequence<int, most_rows<A>> Heights;
  return wide ? pick<Math, A, NV>(rows, Heights{}) : pick<Math, A, 1>(rows, Heights{});
}

// How many panels of A are packed at once where that reads memory in order, and
// the floats of one.
constexpr int64_t panel_group = 8, panel_room = round_up(MR, W) * (KC + W);

// Pieces have at most this many columns of panels.
constexpr int64_t most_strips = ceil_div(gemm_most_cols, NR);

// The floats from one panel of B to the next: not a multiple of a page, or their
// lines would share few sets of the cache.
constexpr int64_t strip_room = NR * KC + 16;

// Scratch of a piece: the panels of B, a group of panels of A, the sums.
size_t tile_scratch(int64_t rows, int64_t cols) {
  const int64_t count = ceil_div(cols, NR);
  return sizeof(float) * size_t(count * strip_room + panel_group * panel_room + (rows > MR ? rows : MR) * count * NR);
}

// Block is a range of K, or of R.
template <class T> struct Block {
  const T *a, *b;
  int64_t a_row, a_col, b_row, b_col, k;
};

// block is the range [from, to) of the inner extent of a @ b.
template <class T> Block<T> block(const Matrix<const void*>& a, const Matrix<const void*>& b, int64_t from, int64_t to) {
  return Block<T>{static_cast<const T*>(a.p) + from * a.col, static_cast<const T*>(b.p) + from * b.row,
                  a.row, a.col, b.row, b.col, to - from};
}

// Blocks divides K, or R, into count ranges of at most KC steps. The first is
// shorter by room for the steps of another product.
struct Blocks {
  int64_t inner, step, room, count, size;
  Blocks(int64_t inner, int64_t step, int64_t room) : inner(inner), step(step), room(room) {
    const int64_t steps = ceil_div(inner, step) + room;
    count = ceil_div(steps, KC), size = count ? ceil_div(steps, count) : 0;
  }
  int64_t begin(int64_t i) const {
    const int64_t at = i == 0 ? 0 : (i * size - room) * step;
    return at < inner ? at : inner;
  }
};

// Widths of panels of A and B, the floats of one with all steps of K, and the step
// at which a block begins: where operands lie that were packed ahead.
template <class P> struct Ahead {
  static constexpr int64_t a_width = round_up(MR, W);
  int64_t steps;
  explicit Ahead(int64_t k) : steps(ceil_div(k, P::step)) {}
  const float* a(const GemmJob& g, const Strip& s, int64_t from) const {
    return g.packed_a + s.i / MR * steps * a_width + from / P::step * s.width;
  }
  const float* b(const GemmJob& g, const Strip& s, int64_t from) const {
    return g.packed_b + s.i / NR * steps * NR + from / P::step * s.width;
  }
};

// pack_ahead packs the steps [q0, q1) of panels [s0, s1), at most gemm_pack_strips, of
// m, whose element (i, k) is at i * row + k * col, for i < extent and k < all.
template <class T>
void pack_ahead(const Matrix<const void*>& m, int64_t extent, int64_t all, bool of_b, int64_t s0, int64_t s1, int64_t q0, int64_t q1, float* dst) {
  typedef typename PanelOf<T>::type P;
  const int64_t high = of_b ? NR : MR, room = ceil_div(all, P::step) * (of_b ? int64_t(NR) : Ahead<P>::a_width);
  Strip strips[gemm_pack_strips];
  for (int64_t s = s0; s < s1; s++) {
    const int64_t n = smaller(high, extent - s * high);
    strips[s - s0] = Strip{s * high, n, of_b && n > W ? NR : round_up(n, W), dst + s * room};
  }
  pack<P>(static_cast<const T*>(m.p) + q0 * m.col, m.row, m.col, q1 - q0, extent, strips, s1 - s0, q0 / P::step, true);
}
template <class T> size_t packed_bytes(int64_t extent, int64_t k, bool of_b) {
  typedef typename PanelOf<T>::type P;
  return sizeof(float) * size_t(ceil_div(k, P::step) * (of_b ? round_up(extent, NR) : ceil_div(extent, MR) * Ahead<P>::a_width));
}

// panel_of gives panel s of A: packed before, or as it is stored.
template <class P, class T> FT_OP Packed panel_of(const Block<T>&, const Strip& s, int64_t skip, bool, Packed) {
  return Packed{s.dst + skip * s.width, 0};
}
template <class P, class T> FT_OP Rows panel_of(const Block<T>& k, const Strip& s, int64_t skip, bool first, Rows) {
  const T* p = k.a + s.i * k.a_row;
  for (int64_t r = s.n; first && r < 2 * s.n; r++)
    for (int64_t q = 0; q < k.k; q += 64 / int64_t(sizeof(T))) __builtin_prefetch(p + r * k.a_row + q, 0, 2);  // for the next panel
  if (P::as_stored) return Rows{reinterpret_cast<const char*>(p), k.a_row * int64_t(sizeof(T))};
  if (first) widen<P>(p, k.a_row, k.k, s.n, s.dst + skip);
  return Rows{reinterpret_cast<const char*>(s.dst + skip), (KC + W) * 4};
}
template <class P, class T> FT_OP Columns panel_of(const Block<T>& k, const Strip& s, int64_t, bool, Columns) {
  return Columns{reinterpret_cast<const char*>(k.a + s.i), k.a_col * int64_t(sizeof(T))};
}

// Sums of the low-rank product come first and are scaled once; A @ B is added to
// them. A low rank shares the first block's panels; another has blocks of its own,
// -low to -1.
template <class A, class T> void tile_of(const GemmJob& g, const GemmRect& t, Finish done, int64_t c_bytes, char* scratch) {
  typedef typename PanelOf<T>::type P;
  const int64_t rows = t.i1 - t.i0, panels = ceil_div(rows, most_rows<A>), count = ceil_div(t.j1 - t.j0, NR);
  float* const bp = reinterpret_cast<float*>(scratch);
  float* const ap = bp + count * strip_room;
  float* const sums = ap + panel_group * panel_room;
  Strip b[most_strips], a[panel_group];
  for (int64_t s = 0, j = t.j0; s < count; s++, j += NR) {
    const int64_t n = t.j1 - j < NR ? t.j1 - j : NR;
    b[s] = Strip{j, n, n > W ? NR : W, bp + s * strip_room};
  }
  const int64_t rank = ceil_div(g.r, P::step), shared = rank <= KC / 4 ? rank : 0;
  const Blocks of_k(g.k, P::step, shared), of_r(shared ? 0 : g.r, P::step, 0);
  const int64_t low = of_r.count, blocks = of_k.count ? of_k.count : 1;
  const Block<T> uv = block<T>(g.u, g.v, 0, shared ? g.r : 0);
  const Ahead<P> ahead(g.k);
  for (int64_t at = -low; at < blocks; at++) {
    const Block<T> k = at < 0 ? block<T>(g.u, g.v, of_r.begin(at + low), of_r.begin(at + low + 1))
                              : block<T>(g.a, g.b, of_k.begin(at), of_k.begin(at + 1));
    const int64_t steps = ceil_div(k.k, P::step), skip = at == 0 ? shared : 0, from = at < 0 ? 0 : of_k.begin(at);
    const bool ready_a = A::packed && g.packed_a && at >= 0, ready_b = g.packed_b && at >= 0;
    const int64_t group = k.a_col == 1 && uv.a_col == 1 ? 1 : panel_group;
    if (skip) pack<P>(uv.b, uv.b_col, uv.b_row, uv.k, g.n, b, count, 0, true);
    if (!ready_b) pack<P>(k.b, k.b_col, k.b_row, k.k, g.n, b, count, skip, true);
    float* acc = sums;
    for (int64_t p = 0; p < panels; p += group) {
      const int64_t here = panels - p < group ? panels - p : group;
      for (int64_t s = 0; s < here; s++) {
        int64_t i = (p + s) * rows / panels, m = (p + s + 1) * rows / panels - i;  // of nearly equal height
        if (A::packed && g.packed_a) i = (p + s) * MR, m = smaller(MR, rows - i);
        a[s] = Strip{t.i0 + i, m, round_up(m, W), ap + s * panel_room};
      }
      if (A::packed && skip) pack<P>(uv.a, uv.a_row, uv.a_col, uv.k, g.m, a, here, 0, here == panels);
      if (A::packed && !ready_a) pack<P>(k.a, k.a_row, k.a_col, k.k, g.m, a, here, skip, here == panels);
      for (const Strip* x = a; x < a + here; x++)
        for (const Strip* y = b; y < b + count; y++) {
          if (at == blocks - 1 && g.c.col == 1) {  // so that it is at hand when the sums are stored
            const char* c = static_cast<char*>(g.c.p) + (x->i * g.c.row + y->i) * c_bytes;
            for (int64_t r = 0; r < x->n; r++)
              for (int64_t e = 0; e < y->n * c_bytes; e += 64) __builtin_prefetch(c + r * g.c.row * c_bytes + e, 1, 3);
          }
          const Micro<A> multiply = pick<typename P::Math, A>(x->n, y->n > W);
          if (skip) multiply(skip, panel_of<P>(uv, *x, 0, y == b, A{}), y->dst, acc, false);
          if (skip) scale_by(g.low, acc, x->n * y->width);
          A panel = panel_of<P>(k, *x, skip, y == b, A{});
          if (ready_a) panel.p = reinterpret_cast<decltype(panel.p)>(ahead.a(g, *x, from));
          multiply(steps, panel, ready_b ? ahead.b(g, *y, from) : y->dst + skip * y->width, acc, skip || at > -low);
          if (at == -1) scale_by(g.low, acc, x->n * y->width);
          if (at == blocks - 1) done(g, acc, y->width, x->i, x->n, y->i, y->n);
          if (low + blocks > 1) acc += x->n * NR;  // they outlive the block
        }
    }
  }
}

// A product with few columns leaves A as it is stored: packing would take long
// beside it, and wait for memory that the products can overlap with. 16-bit
// floats are widened, by rows. A whole number of pairs is needed, and for columns
// elements of a step that need no packing.
template <class T> FT_OP bool by_rows(const GemmJob& g, int64_t cols) {
  constexpr int step = PanelOf<T>::type::step;
  return cols <= 8 * NR && g.a.col == 1 && g.k % step == 0 && (g.r == 0 || (g.u.col == 1 && g.r % step == 0));
}
template <class T> FT_OP bool by_columns(const GemmJob& g, int64_t cols) {
  return sizeof(T) == 4 && cols <= 2 * NR && g.a.row == 1 && g.r == 0;
}

template <class T, class U> void tile(const GemmJob& g, const GemmRect& t, char* scratch) {
  const int64_t cols = t.j1 - t.j0;
  const Finish done = g.c.col == 1 ? finish<U> : finish_turned<U>;
  if (g.packed_a) tile_of<Packed, T>(g, t, done, sizeof(U), scratch);
  else if (by_rows<T>(g, cols)) tile_of<Rows, T>(g, t, done, sizeof(U), scratch);
  else if (by_columns<T>(g, cols)) tile_of<Columns, T>(g, t, done, sizeof(U), scratch);
  else tile_of<Packed, T>(g, t, done, sizeof(U), scratch);
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft
