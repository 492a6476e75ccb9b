// How the products of one instruction set leave: sums become elements of C. The
// including file has switched the set on, as native_gemm_core.h says.
#include "native_simd.h"

namespace ft {
namespace FT_ISA {
namespace {

constexpr int W = lanes;

FT_OP constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// load_some and store_some are for the first min(n, W) elements.
template <class T> __attribute__((noinline)) vf load_few(const T* p, int64_t n) { return load_n(p, n); }
template <class T> __attribute__((noinline)) void store_few(T* p, vf x, int64_t n) { store_n(p, x, n); }
template <class T> FT_OP vf load_some(const T* p, int64_t n) { return n >= W ? load(p) : load_few(p, n); }
template <class T> FT_OP void store_some(T* p, vf x, int64_t n) {
  if (n >= W) store(p, x);
  else store_few(p, x, n);
}

// narrow stores sums as elements of C.
template <class U> FT_OP void narrow(U* c, vf x, int64_t n) { store_some(c, x, n); }
#if defined(FT_AVX512)
FT_OP void narrow(float* c, vf x, int64_t n) {
  if (n >= W) store(c, x);
  else _mm512_mask_storeu_ps(c, __mmask16((1u << n) - 1), __m512(x));
}
#endif
#if FT_PAIRS
FT_OP void narrow(bf16* c, vf x, int64_t n) {
  const __m256i y = __m256i(_mm512_cvtneps_pbh(__m512(x)));
  if (n >= W) _mm256_storeu_si256(reinterpret_cast<__m256i*>(c), y);
  else memcpy(c, &y, size_t(n) * sizeof(bf16));
}
#endif

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
      narrow(c + j, x, cols - j);
    }
  }
}

// finish_turned is finish for a C whose columns are contiguous, without D.
template <class U>
void finish_turned(const GemmJob& g, const float* acc, int64_t width, int64_t i0, int64_t rows, int64_t j0, int64_t cols) {
  for (int64_t i = 0; i < rows; i += W)
    for (int64_t j = 0; j < cols; j += W) {
      vf t[W];
      FT_UNROLL for (int r = 0; r < W; r++) t[r] = i + r < rows ? load(acc + (i + r) * width + j) * g.alpha : vf{};
      transpose(t);
      U* c = static_cast<U*>(g.c.p) + (j0 + j) * g.c.col + i0 + i;
      for (int64_t e = 0; e < W && j + e < cols; e++) narrow(c + e * g.c.col, t[e], rows - i);
    }
}

// scale_by scales whole vectors.
void scale_by(float x, float* acc, int64_t n) {
  for (int64_t i = 0; i < n; i += W) store(acc + i, load(acc + i) * x);
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft
