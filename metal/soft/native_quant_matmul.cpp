// Native quant_matmul: kernels/quant_matmul.metal. Many rows of x go through the
// float32 gemm, a block of K at a time: the block of W is unpacked into scratch
// that stays in the second level cache. Few rows meet W where it lies, unpacked in
// registers.
#ifndef FT_ISA
#include "native_gemm.h"

#include "../../kernels/quant.h"

namespace ft {
namespace {

// The largest piece of a product of many rows, and the steps of K in a block: a
// multiple of every group.
constexpr int64_t quant_rows = 1024, quant_cols = 512, quant_steps = 384, quant_unit = 128;

// A piece of a product of few rows reads about this many bytes of W.
constexpr int64_t quant_bytes = 1 << 17;

// QuantPlan is the division of each batch's Y into down x across pieces.
struct QuantPlan {
  int64_t down, across, rows, cols;
};

// plan_many makes pieces of equal size, and enough for the workers.
QuantPlan plan_many(const ft_launch* l) {
  const QuantMatmulArgs& a = *static_cast<const QuantMatmulArgs*>(l->args);
  QuantPlan p;
  p.rows = smaller(a.m, quant_rows), p.cols = quant_cols;
  p.down = ceil_div(a.m, p.rows), p.across = ceil_div(a.n, p.cols);
  while (p.cols > quant_unit && p.down * p.across * int64_t(l->grid[2]) < l->workers) p.cols /= 2, p.across = ceil_div(a.n, p.cols);
  p.rows = ceil_div(a.m, p.down);
  return p;
}
int64_t many_units(const ft_launch* l) {
  const QuantPlan p = plan_many(l);
  return p.down * p.across * int64_t(l->grid[2]);
}

// plan_few divides columns.
template <int F> QuantPlan plan_few(const ft_launch* l) {
  const QuantMatmulArgs& a = *static_cast<const QuantMatmulArgs*>(l->args);
  QuantPlan p = {1, 1, a.m, a.n};
  const int64_t column = larger(int64_t(a.k) * (F % 10) / 8, 1);
  p.cols = smaller(larger(ceil_div(quant_bytes / column, quant_unit) * quant_unit, quant_unit), 1024);
  p.across = ceil_div(a.n, p.cols);
  return p;
}
template <int F> int64_t few_units(const ft_launch* l) { return plan_few<F>(l).across * int64_t(l->grid[2]); }

// QuantJob is batch z of a launch.
struct QuantJob {
  const char *x, *words;
  char* y;
  int64_t scales;  // the first scale of W
  int64_t width;   // elements in a row of W
};

template <class T> QuantJob quant_job(const ft_launch* l, int64_t z) {
  const QuantMatmulArgs& a = *static_cast<const QuantMatmulArgs*>(l->args);
  int64_t left = z, right = z;
  if (a.gather) {
    left = static_cast<const uint32_t*>(l->bufs[4])[z];
    right = static_cast<const uint32_t*>(l->bufs[5])[z];
  }
  QuantJob j;
  j.x = static_cast<const char*>(l->bufs[0]) + left * a.batchX * int64_t(sizeof(T));
  j.words = static_cast<const char*>(l->bufs[1]) + right * a.batchW;
  j.y = static_cast<char*>(l->bufs[6]) + z * int64_t(a.m) * a.n * int64_t(sizeof(T));
  j.scales = right * a.batchS;
  j.width = a.transpose ? a.k : a.n;
  return j;
}

const GemmIsa* quant_gemm() {
  const ft_cpu_features* cpu = ft_cpu();
  if (cpu->avx512 && gemm_avx512()) return gemm_avx512();
  if (cpu->avx2 && gemm_avx2()) return gemm_avx2();
  return gemm_base();
}

}  // namespace
}  // namespace ft

#define FT_SOURCE "native_quant_matmul.cpp"
#include "native_isa.h"
#endif

#ifdef FT_ISA
#include "native_quant.h"

namespace ft {
namespace FT_ISA {
namespace {

// to_floats widens rows of n elements, stride apart, to rows of width.
template <class T> void to_floats(const T* x, int64_t stride, int64_t rows, int64_t n, float* out, int64_t width) {
  for (int64_t i = 0; i < rows; i++) each(n, [&](int64_t e, auto k) { store(out + i * width + e, load(x + i * stride + e, k), k); });
}

// unpack_block writes rows [r0, r1) of W, columns [c0, c1), to rows of width.
template <class T, int F, int KIND>
void unpack_block(const QuantJob& j, const Scales<T, KIND>& of, int64_t group, int64_t r0, int64_t r1, int64_t c0, int64_t c1, float* out, int64_t width) {
  float s[quant_cols / 16], b[quant_cols / 16];
  const int64_t bytes = j.width * bits_in<F> / 8;
  for (int64_t r = r0; r < r1; r++, out += width) {
    of.to(j.scales + (r * j.width + c0) / group, (c1 - c0) / group, s, b);
    dequantise<F>(reinterpret_cast<const uint8_t*>(j.words) + r * bytes, c0, c1 - c0, group, s, b, out);
  }
}

template <class T, int F, int KIND> void many_piece(const ft_launch* l, int64_t z, const GemmRect& t, ft_worker* w) {
  const QuantMatmulArgs& a = *static_cast<const QuantMatmulArgs*>(l->args);
  const QuantJob j = quant_job<T>(l, z);
  const Scales<T, KIND> of = {l->bufs[2], l->bufs[3]};
  const GemmIsa* isa = quant_gemm();
  const int64_t rows = t.i1 - t.i0, cols = t.j1 - t.j0;
  const size_t sums = size_t(ceil_div(rows * cols, 16) * 16), left = size_t(rows * quant_steps), right = size_t(quant_cols * quant_steps);
  float* c = static_cast<float*>(ft_scratch(w, (sums + left + right) * sizeof(float) + isa->tile_scratch(rows, cols)));
  float *x = c + sums, *b = x + left;
  char* rest = reinterpret_cast<char*>(b + right);
  for (int64_t k0 = 0; k0 < larger(a.k, 1); k0 += quant_steps) {
    const int64_t k = smaller(a.k - k0, quant_steps);
    GemmJob g = {};
    if (a.transpose) unpack_block<T, F, KIND>(j, of, a.group, t.j0, t.j1, k0, k0 + k, b, quant_steps);
    else unpack_block<T, F, KIND>(j, of, a.group, k0, k0 + k, t.j0, t.j1, b, quant_cols);
    const T* from = reinterpret_cast<const T*>(j.x) + t.i0 * a.ldx + k0;
    g.a = Matrix<const void*>{from, int64_t(a.ldx), 1};
    if (sizeof(T) != sizeof(float)) {
      to_floats(from, a.ldx, rows, k, x, quant_steps);
      g.a = Matrix<const void*>{x, quant_steps, 1};
    }
    g.b = a.transpose ? Matrix<const void*>{b, 1, quant_steps} : Matrix<const void*>{b, quant_cols, 1};
    g.c = Matrix<void*>{c, cols, 1}, g.d = Matrix<const void*>{c, cols, 1};
    g.m = rows, g.n = cols, g.k = k;
    g.alpha = g.beta = 1.0f, g.has_d = k0 > 0;
    isa->tile[gemm_f32](g, GemmRect{0, rows, 0, cols}, rest);
  }
  T* y = reinterpret_cast<T*>(j.y) + t.i0 * a.n + t.j0;
  for (int64_t i = 0; i < rows; i++) each(cols, [&](int64_t e, auto k) { store(y + i * a.n + e, load(c + i * cols + e, k), k); });
}

template <class T, int F, int KIND> void quant_many(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const QuantMatmulArgs& a = *static_cast<const QuantMatmulArgs*>(l->args);
  const QuantPlan p = plan_many(l);
  for (int64_t at = begin; at < end; at++) {
    const int64_t z = at / (p.down * p.across), i = at % p.down, j = at / p.down % p.across;
    many_piece<T, F, KIND>(l, z, GemmRect{i * p.rows, smaller(a.m, (i + 1) * p.rows), j * p.cols, smaller(a.n, (j + 1) * p.cols)}, w);
  }
}

// Rows of W whose dot products are made at once.
constexpr int dots_at_once = 4;

// dots writes the products of M rows of x with R rows of W, bytes apart, whose
// scales and biases lie apart apart.
template <int F, int M, int R>
FT_OP void dots(const float* x, int64_t ldx, const uint8_t* w, int64_t bytes, int64_t k, int64_t group, const float* s, const float* b, int64_t apart,
                float* out, int64_t width) {
  vf c[M][R] = {};
  for (int64_t e = 0, g = 0; e < k; e += group, g++)
    for (int64_t i = e; i < e + group; i += lanes)
      FT_UNROLL for (int r = 0; r < R; r++) {
        const vf v = unpack<F>(w + r * bytes, i) * s[r * apart + g] + b[r * apart + g];
        FT_UNROLL for (int m = 0; m < M; m++) c[m][r] += load(x + m * ldx + i) * v;
      }
  FT_UNROLL for (int m = 0; m < M; m++) {
    FT_UNROLL for (int r = 0; r < R; r++) out[m * width + r] = sum(c[m][r]);
  }
}

// dots_of is dots for n rows of W.
template <class T, int F, int KIND, int M>
void dots_of(const Scales<T, KIND>& of, int64_t first, const float* x, int64_t ldx, const uint8_t* w, int64_t n, int64_t k, int64_t group, float* s,
             float* out, int64_t width) {
  const int64_t bytes = k * bits_in<F> / 8, groups = k / group;
  float* b = s + dots_at_once * groups;
  for (int64_t j = 0; j < n; j += dots_at_once) {
    const int64_t here = smaller(n - j, dots_at_once);
    of.to(first + j * groups, here * groups, s, b);
    const uint8_t* p = w + j * bytes;
    if (here == dots_at_once) {
      dots<F, M, dots_at_once>(x, ldx, p, bytes, k, group, s, b, groups, out + j, width);
      continue;
    }
    for (int64_t r = 0; r < here; r++) dots<F, M, 1>(x, ldx, p + r * bytes, bytes, k, group, s + r * groups, b + r * groups, groups, out + j + r, width);
  }
}

template <class T, int F, int KIND> void quant_dots(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const QuantMatmulArgs& a = *static_cast<const QuantMatmulArgs*>(l->args);
  const QuantPlan p = plan_few<F>(l);
  const int64_t groups = a.k / a.group, bytes = int64_t(a.k) * bits_in<F> / 8;
  const Scales<T, KIND> of = {l->bufs[2], l->bufs[3]};
  float* x = static_cast<float*>(ft_scratch(w, sizeof(float) * size_t(int64_t(a.m) * (a.k + p.cols) + 2 * dots_at_once * groups)));
  float *out = x + int64_t(a.m) * a.k, *s = out + int64_t(a.m) * p.cols;
  for (int64_t at = begin; at < end; at++) {
    const QuantJob j = quant_job<T>(l, at / p.across);
    const int64_t j0 = at % p.across * p.cols, n = smaller(a.n - j0, p.cols);
    to_floats(reinterpret_cast<const T*>(j.x), a.ldx, a.m, a.k, x, a.k);
    const uint8_t* words = reinterpret_cast<const uint8_t*>(j.words) + j0 * bytes;
    typedef void (*Dots)(const Scales<T, KIND>&, int64_t, const float*, int64_t, const uint8_t*, int64_t, int64_t, int64_t, float*, float*, int64_t);
    static constexpr Dots all[] = {dots_of<T, F, KIND, 1>, dots_of<T, F, KIND, 2>, dots_of<T, F, KIND, 3>, dots_of<T, F, KIND, 4>};
    for (int64_t m = 0; m < a.m; m += 4)
      all[smaller(a.m - m, 4) - 1](of, j.scales + j0 * groups, x + m * a.k, a.k, words, n, a.k, a.group, s, out + m * p.cols, p.cols);
    T* y = reinterpret_cast<T*>(j.y) + j0;
    for (int64_t m = 0; m < a.m; m++) each(n, [&](int64_t e, auto k) { store(y + m * a.n + e, load(out + m * p.cols + e, k), k); });
  }
}

// axpys adds x * W for K rows of n columns to out, a row of x at a time.
template <class T, int F, int KIND>
void axpys(const QuantJob& j, const Scales<T, KIND>& of, int64_t group, const float* x, int64_t k, int64_t j0, int64_t n, float* out) {
  float s[1024 / 16], b[1024 / 16];
  for (int64_t q = 0; q < k; q++) {
    const uint8_t* row = reinterpret_cast<const uint8_t*>(j.words) + q * j.width * bits_in<F> / 8;
    of.to(j.scales + (q * j.width + j0) / group, n / group, s, b);
    for (int64_t e = 0, g = 0; e < n; e += group, g++) {
      const vf scale = splat(x[q] * s[g]), bias = splat(x[q] * b[g]);
      for (int64_t i = e; i < e + group; i += lanes) store(out + i, load(out + i) + (unpack<F>(row, j0 + i) * scale + bias));
    }
  }
}

template <class T, int F, int KIND> void quant_axpys(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const QuantMatmulArgs& a = *static_cast<const QuantMatmulArgs*>(l->args);
  const QuantPlan p = plan_few<F>(l);
  const Scales<T, KIND> of = {l->bufs[2], l->bufs[3]};
  float* x = static_cast<float*>(ft_scratch(w, sizeof(float) * size_t(int64_t(a.k) + p.cols)));
  float* out = x + a.k;
  for (int64_t at = begin; at < end; at++) {
    const QuantJob j = quant_job<T>(l, at / p.across);
    const int64_t j0 = at % p.across * p.cols, n = smaller(a.n - j0, p.cols);
    for (int64_t m = 0; m < a.m; m++) {
      to_floats(reinterpret_cast<const T*>(j.x) + m * a.ldx, 0, 1, a.k, x, a.k);
      for (int64_t e = 0; e < n; e++) out[e] = 0.0f;
      axpys<T, F, KIND>(j, of, a.group, x, a.k, j0, n, out);
      T* y = reinterpret_cast<T*>(j.y) + m * a.n + j0;
      each(n, [&](int64_t e, auto k) { store(y + e, load(out + e, k), k); });
    }
  }
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft
#else

#define FT_NATIVE_PRODUCTS(n, T, format, F, KIND)                                                  \
  FT_RUNNER(many_##format##_##n, quant_many<T, F, KIND>)                                           \
  FT_RUNNER(dots_##format##_##n, quant_dots<T, F, KIND>)                                           \
  FT_RUNNER(axpys_##format##_##n, quant_axpys<T, F, KIND>)                                         \
  FT_NATIVE("quant_matmul_" #format "_" #n, ft::many_units, many_##format##_##n);                  \
  FT_NATIVE("quant_matmul_rows_" #format "_" #n, ft::few_units<F>, dots_##format##_##n);           \
  FT_NATIVE("quant_matmul_across_" #format "_" #n, ft::few_units<F>, axpys_##format##_##n);
#define FT_NATIVE_FORMATS(n, T)               \
  FT_NATIVE_PRODUCTS(n, T, b2, 2, 0)          \
  FT_NATIVE_PRODUCTS(n, T, b3, 3, 0)          \
  FT_NATIVE_PRODUCTS(n, T, b4, 4, 0)          \
  FT_NATIVE_PRODUCTS(n, T, b5, 5, 0)          \
  FT_NATIVE_PRODUCTS(n, T, b6, 6, 0)          \
  FT_NATIVE_PRODUCTS(n, T, b8, 8, 0)          \
  FT_NATIVE_PRODUCTS(n, T, mxfp4, 14, 1)      \
  FT_NATIVE_PRODUCTS(n, T, mxfp8, 18, 1)      \
  FT_NATIVE_PRODUCTS(n, T, nvfp4, 14, 2)
FT_NATIVE_FORMATS(f32, float)
FT_NATIVE_FORMATS(f16, ft::f16)
FT_NATIVE_FORMATS(bf16, ft::bf16)
#endif
