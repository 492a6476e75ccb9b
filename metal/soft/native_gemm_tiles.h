// The blocked product of bfloat16 in tiles: AMX's registers of 16 x 16 sums, or the
// same in plain code, by which tests see the rest on processors without AMX. The
// including file defines what native_gemm_finish.h wants, FT_ISA, FT_PAIRS and
//   FT_AMX  1: the processor's instructions
// after the pragma that switches the instruction set on.
//
// A piece of C is computed block by block of K. The block's columns of B are packed
// into tiles, which stay in the second level cache; then 32 rows of A at a time are
// packed into tiles, stay in the first level, and meet all tiles of B. A tile holds
// 16 rows of A with 32 steps each, or 16 pairs of steps of B with 16 columns each,
// in a kilobyte; what lies beyond the operands' edges is zero. Sums are float32 and
// stay in memory between the blocks; those of the low-rank product come first and are
// scaled once. How C is divided changes nothing.
#include "native_gemm_finish.h"

namespace ft {
namespace FT_ISA {
namespace {

constexpr int64_t side = 16, depth = 32, tile_floats = 256;

// Steps of K in a block at most: whole tiles.
constexpr int64_t block_steps = 640;

// lines reads 16 vectors of the element (i, k) at p[i * row + k * col]: rows of 32
// steps where steps lie side by side, else pairs of steps of 16 rows. Beyond n rows
// and k steps are zeros.
FT_OP void lines(const bf16* p, int64_t row, int64_t col, int64_t n, int64_t k, vf* v) {
  if (col == 1) {
    const __mmask32 some = k >= depth ? ~__mmask32(0) : (__mmask32(1) << k) - 1;
    FT_UNROLL for (int r = 0; r < W; r++) v[r] = r < n ? vf(_mm512_maskz_loadu_epi16(some, p + r * row)) : vf{};
    return;
  }
  const __mmask16 some = n >= side ? 0xffff : __mmask16((1u << n) - 1);
  auto step = [&](int64_t q) { return q < k ? vu(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, p + q * col))) : vu{}; };
  FT_UNROLL for (int r = 0; r < W; r++) v[r] = float_of(step(2 * r) | step(2 * r + 1) << 16);
}

// pack makes tiles of n rows with k steps each, of A, or of columns of B: dst[rows /
// 16][k / 32][tile].
void pack(const bf16* p, int64_t row, int64_t col, int64_t n, int64_t k, bool of_b, float* dst) {
  for (int64_t i = 0; i < n; i += side)
    for (int64_t q = 0; q < k; q += depth, dst += tile_floats) {
      vf v[W];
      lines(p + i * row + q * col, row, col, n - i, k - q, v);
      if (of_b == (col == 1)) transpose(v);
      FT_UNROLL for (int r = 0; r < W; r++) store(dst + r * W, v[r]);
    }
}

#if FT_AMX
// Tiles lends this thread the tile registers, all of 16 rows of 64 bytes.
struct Tiles {
  Tiles() {
    alignas(64) uint8_t config[64] = {1};
    for (int t = 0; t < 8; t++) config[16 + 2 * t] = 64, config[48 + t] = 16;
    _tile_loadconfig(config);
  }
  ~Tiles() { _tile_release(); }
};

// multiply adds the products of R x C rows and columns of tiles, deep of them in each,
// to sums, or to zero. Tile register 2 * r + c has the sums, 4 and 5 tiles of A, 6 and 7
// of B. The compiler does not know that they read memory.
template <int R, int C> void multiply(const float* a, const float* b, int64_t deep, float* sums, int64_t width, bool add) {
  const int64_t line = width * 4;
  float* const below = sums + side * width;
  asm volatile("" ::: "memory");
  if (add) {
    _tile_loadd(0, sums, line);
    if (C > 1) _tile_loadd(1, sums + side, line);
    if (R > 1) _tile_loadd(2, below, line);
    if (R > 1 && C > 1) _tile_loadd(3, below + side, line);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t q = 0; q < deep; q++, a += tile_floats, b += tile_floats) {
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b, 64);
    if (R > 1) _tile_loadd(5, a + deep * tile_floats, 64);
    if (C > 1) _tile_loadd(7, b + deep * tile_floats, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (C > 1) _tile_dpbf16ps(1, 4, 7);
    if (R > 1) _tile_dpbf16ps(2, 5, 6);
    if (R > 1 && C > 1) _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, sums, line);
  if (C > 1) _tile_stored(1, sums + side, line);
  if (R > 1) _tile_stored(2, below, line);
  if (R > 1 && C > 1) _tile_stored(3, below + side, line);
  asm volatile("" ::: "memory");
}
#else
struct Tiles {
  Tiles() {}
};

template <int R, int C> void multiply(const float* a, const float* b, int64_t deep, float* sums, int64_t width, bool add) {
  for (int64_t i = 0; i < R * side; i++)
    for (int64_t j = 0; j < C; j++) {
      float* to = sums + i * width + j * side;
      vf sum = add ? load(to) : vf{};
      for (int64_t q = 0; q < deep; q++) {
        const float* x = a + (i / side * deep + q) * tile_floats + i % side * W;
        const float* y = b + (j * deep + q) * tile_floats;
        for (int64_t p = 0; p < W; p++) {
          const vu two = bits_of(load(y + p * W)), both = bits_of(splat(0)) | __builtin_bit_cast(uint32_t, x[p]);
          sum += float_of(both << 16) * float_of(two << 16);
          sum += float_of(both & 0xffff0000u) * float_of(two & 0xffff0000u);
        }
      }
      store(to, sum);
    }
}
#endif

// Scratch of a piece: the tiles of B, those of 32 rows of A, the sums.
size_t tile_scratch(int64_t rows, int64_t cols) {
  const int64_t wide = round_up(cols, side);
  return sizeof(float) * size_t((wide + 2 * side) * (block_steps / 2) + round_up(rows, side) * wide);
}

// Part is a block of K, or of R: the range [from, to) of the inner extent of a @ b.
struct Part {
  Matrix<const void*> a, b;
  int64_t from, to;
};

// part is the i-th of count_of(inner) blocks of nearly equal size.
int64_t count_of(int64_t inner) { return ceil_div(inner, block_steps); }
Part part(const Matrix<const void*>& a, const Matrix<const void*>& b, int64_t inner, int64_t i) {
  const int64_t size = round_up(ceil_div(inner, count_of(inner)), depth);
  return Part{a, b, smaller(i * size, inner), smaller((i + 1) * size, inner)};
}

template <class U> void tile(const GemmJob& g, const GemmRect& t, char* scratch) {
  const Tiles lent;
  const Finish done = g.c.col == 1 ? finish<U> : finish_turned<U>;
  const int64_t rows = t.i1 - t.i0, cols = t.j1 - t.j0, wide = round_up(cols, side);
  float* const bp = reinterpret_cast<float*>(scratch);
  float* const ap = bp + wide * (block_steps / 2);
  float* const sums = ap + 2 * side * (block_steps / 2);
  const int64_t low = count_of(g.r), blocks = low + count_of(g.k);
  if (blocks == 0) {
    memset(sums, 0, sizeof(float) * size_t(rows * wide));
    done(g, sums, wide, t.i0, rows, t.j0, cols);
  }
  for (int64_t at = 0; at < blocks; at++) {
    const Part x = at < low ? part(g.u, g.v, g.r, at) : part(g.a, g.b, g.k, at - low);
    const int64_t k = x.to - x.from, deep = ceil_div(k, depth);
    pack(static_cast<const bf16*>(x.b.p) + x.from * x.b.row + t.j0 * x.b.col, x.b.col, x.b.row, cols, k, true, bp);
    for (int64_t i = 0; i < rows; i += 2 * side) {
      const int64_t n = smaller(rows - i, 2 * side);
      float* const acc = sums + i * wide;
      pack(static_cast<const bf16*>(x.a.p) + x.from * x.a.col + (t.i0 + i) * x.a.row, x.a.row, x.a.col, n, k, false, ap);
      for (int64_t j = 0; j < wide; j += 2 * side) {
        const bool tall = n > side, broad = wide - j > side;
        (tall ? broad ? multiply<2, 2> : multiply<2, 1> : broad ? multiply<1, 2> : multiply<1, 1>)(
            ap, bp + j / side * deep * tile_floats, deep, acc + j, wide, at > 0);
      }
      if (at == low - 1) scale_by(g.low, acc, n * wide);
      if (at == blocks - 1) done(g, acc, wide, t.i0 + i, n, t.j0, cols);
    }
  }
}

// Products of few rows are those of vectors.
GemmIsa with_tiles() {
  GemmIsa isa = *gemm_avx512_bf16();
  isa.mr = isa.nr = 2 * side;
  isa.tile_scratch = tile_scratch;
  isa.tile[gemm_bf16] = tile<bf16>;
  isa.tile[gemm_bf16_f32] = tile<float>;
  isa.pack[gemm_bf16] = nullptr;  // nothing is packed ahead
  return isa;
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft
