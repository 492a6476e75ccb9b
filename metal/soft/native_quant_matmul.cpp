// Native quant_matmul: kernels/quant_matmul.metal. Many rows of x go through the
// gemm of their dtype, a block of K at a time: the block of W is unpacked into
// scratch that stays in the second level cache. Few rows meet W where it lies, unpacked in
// registers.
#ifndef FT_ISA
#include "native_gemm.h"

#include "../../kernels/quant.h"

namespace ft {
namespace {

// The largest piece of a product of many rows, and the steps of K in a block of
// elements of that size: a multiple of every group.
constexpr int64_t quant_rows = 1024, quant_cols = 512, quant_unit = 128;
constexpr int64_t quant_steps(size_t element) { return 384 * 4 / int64_t(element); }

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

// plan_few divides columns: of W by its bytes, of a W [K, N], whose rows are better
// read in long pieces, by the workers.
template <int F> QuantPlan plan_few(const ft_launch* l) {
  const QuantMatmulArgs& a = *static_cast<const QuantMatmulArgs*>(l->args);
  QuantPlan p = {1, 1, a.m, a.n};
  const int64_t column = larger(int64_t(a.k) * (F % 10) / 8, 1);
  const int64_t cols = a.transpose ? quant_bytes / column : int64_t(a.n) * int64_t(l->grid[2]) / (4 * int64_t(l->workers));
  p.cols = smaller(larger(ceil_div(cols, quant_unit) * quant_unit, quant_unit), 1024);
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

// quant_types is the gemm of float32 sums of products of elements of type T.
template <class T> constexpr GemmTypes quant_types = gemm_f32;
template <> constexpr GemmTypes quant_types<f16> = gemm_f16_f32;
template <> constexpr GemmTypes quant_types<bf16> = gemm_bf16_f32;

template <class T> const GemmIsa* quant_gemm() {
  const ft_cpu_features* cpu = ft_cpu();
  if (quant_types<T> == gemm_bf16_f32 && cpu->avx512_bf16 && gemm_avx512_bf16()) return gemm_avx512_bf16();
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
void unpack_block(const QuantJob& j, const Scales<T, KIND>& of, int64_t group, int64_t r0, int64_t r1, int64_t c0, int64_t c1, T* out, int64_t width) {
  float s[quant_steps(2) / 16], b[quant_steps(2) / 16];
  const int64_t bytes = j.width * bits_in<F> / 8;
  for (int64_t r = r0; r < r1; r++, out += width) {
    of.to(j.scales + (r * j.width + c0) / group, (c1 - c0) / group, s, b);
    dequantise<F>(reinterpret_cast<const uint8_t*>(j.words) + r * bytes, c0, c1 - c0, group, s, b, out);
  }
}

template <class T, int F, int KIND> void many_piece(const ft_launch* l, int64_t z, const GemmRect& t, ft_worker* w) {
  constexpr int64_t steps = quant_steps(sizeof(T));
  const QuantMatmulArgs& a = *static_cast<const QuantMatmulArgs*>(l->args);
  const QuantJob j = quant_job<T>(l, z);
  const Scales<T, KIND> of = {l->bufs[2], l->bufs[3]};
  const GemmIsa* isa = quant_gemm<T>();
  const int64_t rows = t.i1 - t.i0, cols = t.j1 - t.j0;
  const size_t sums = size_t(ceil_div(rows * cols, 16) * 16);
  float* c = static_cast<float*>(ft_scratch(w, sums * sizeof(float) + size_t(quant_cols * steps) * sizeof(T) + isa->tile_scratch(rows, cols)));
  T* b = reinterpret_cast<T*>(c + sums);
  char* rest = reinterpret_cast<char*>(b + quant_cols * steps);
  for (int64_t k0 = 0; k0 < larger(a.k, 1); k0 += steps) {
    const int64_t k = smaller(a.k - k0, steps);
    GemmJob g = {};
    if (a.transpose) unpack_block<T, F, KIND>(j, of, a.group, t.j0, t.j1, k0, k0 + k, b, steps);
    else unpack_block<T, F, KIND>(j, of, a.group, k0, k0 + k, t.j0, t.j1, b, quant_cols);
    g.a = Matrix<const void*>{reinterpret_cast<const T*>(j.x) + t.i0 * a.ldx + k0, int64_t(a.ldx), 1};
    g.b = a.transpose ? Matrix<const void*>{b, 1, steps} : Matrix<const void*>{b, quant_cols, 1};
    g.c = Matrix<void*>{c, cols, 1}, g.d = Matrix<const void*>{c, cols, 1};
    g.m = rows, g.n = cols, g.k = k;
    g.alpha = g.beta = 1.0f, g.has_d = k0 > 0;
    isa->tile[quant_types<T>](g, GemmRect{0, rows, 0, cols}, rest);
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

// Rows of W whose dot products with M rows of x are made at once.
template <int M> constexpr int dots_at_once = M == 1 ? 4 : 2;

// dots writes the products of M rows of x with R rows of W, bytes apart: sums over
// groups of scale * (x . codes) + bias * (sum of x), the latter if BIASED. Scales and
// biases of a row are as many as sums of x.
template <int F, int V, int M, int R, bool BIASED>
FT_OP void dots(const float* x, const float* sums, int64_t k, int64_t group, const uint8_t* w, const float* s, const float* b, float* out, int64_t width) {
  const int64_t bytes = k * bits_in<F> / 8, groups = k / group;
  vf c[M][R] = {};
  float rest[M][R] = {};
  for (int64_t e = 0, g = 0; e < k; e += group, g++) {
    vf a[M][R] = {};
    for (int64_t i = e; i < e + group; i += V * lanes)
      FT_UNROLL for (int r = 0; r < R; r++) {
        vf v[V];
        unpack_step<F, V>(w + r * bytes, i, v);
        FT_UNROLL for (int m = 0; m < M; m++) {
          FT_UNROLL for (int q = 0; q < V; q++) a[m][r] += load(x + m * k + i + q * lanes) * v[q];
        }
      }
    FT_UNROLL for (int m = 0; m < M; m++) {
      FT_UNROLL for (int r = 0; r < R; r++) {
        c[m][r] += a[m][r] * s[r * groups + g];
        if (BIASED) rest[m][r] += sums[m * groups + g] * b[r * groups + g];
      }
    }
  }
  FT_UNROLL for (int m = 0; m < M; m++) {
    FT_UNROLL for (int r = 0; r < R; r++) out[m * width + r] = sum(c[m][r]) + rest[m][r];
  }
}

// FewRows is what products of few rows have besides W: x, as floats in the order of
// steps, sums of x over groups, and room for the scales and biases of scaled rows.
constexpr int64_t scaled_rows = 16;
struct FewRows {
  float *x, *sums, *s, *b, *out;
  int64_t k, groups, group, width;  // width of out
};

// dots_of is dots for n rows of W.
template <class T, int F, int V, int KIND, int M> void dots_of(const Scales<T, KIND>& of, int64_t first, const FewRows& f, int64_t m0, const uint8_t* w, int64_t n) {
  constexpr int R = dots_at_once<M>;
  const int64_t bytes = f.k * bits_in<F> / 8;
  const float *x = f.x + m0 * f.k, *sums = f.sums + m0 * f.groups;
  for (int64_t j0 = 0; j0 < n; j0 += scaled_rows) {
    const int64_t some = smaller(n - j0, scaled_rows);
    of.to(first + j0 * f.groups, some * f.groups, f.s, f.b);
    float* out = f.out + m0 * f.width + j0;
    int64_t j = 0;
    for (; j + R <= some; j += R)
      dots<F, V, M, R, KIND == 0>(x, sums, f.k, f.group, w + (j0 + j) * bytes, f.s + j * f.groups, f.b + j * f.groups, out + j, f.width);
    for (; j < some; j++)
      dots<F, V, M, 1, KIND == 0>(x, sums, f.k, f.group, w + (j0 + j) * bytes, f.s + j * f.groups, f.b + j * f.groups, out + j, f.width);
  }
}

// few_rows makes x ready: V = 2 parts it.
template <class T, int V> void few_rows(const FewRows& f, const char* x, int64_t ldx, int64_t m) {
  to_floats(reinterpret_cast<const T*>(x), ldx, m, f.k, f.x, f.k);
  for (int64_t i = 0; i < m; i++) {
    float* row = f.x + i * f.k;
    for (int64_t g = 0; g < f.groups; g++) {
      vf c = {};
      for (int64_t e = 0; e < f.group; e += lanes) c += load(row + g * f.group + e);
      f.sums[i * f.groups + g] = sum(c);
    }
    if constexpr (V == 2) parted(row, f.k);
  }
}

template <class T, int F, int V, int KIND> void dots_piece(const ft_launch* l, const FewRows& f, const QuantPlan& p, int64_t at) {
  const QuantMatmulArgs& a = *static_cast<const QuantMatmulArgs*>(l->args);
  const Scales<T, KIND> of = {l->bufs[2], l->bufs[3]};
  const QuantJob j = quant_job<T>(l, at / p.across);
  const int64_t j0 = at % p.across * p.cols, n = smaller(a.n - j0, p.cols);
  few_rows<T, V>(f, j.x, a.ldx, a.m);
  const uint8_t* words = reinterpret_cast<const uint8_t*>(j.words) + j0 * (f.k * bits_in<F> / 8);
  typedef void (*Dots)(const Scales<T, KIND>&, int64_t, const FewRows&, int64_t, const uint8_t*, int64_t);
  static constexpr Dots all[] = {dots_of<T, F, V, KIND, 1>, dots_of<T, F, V, KIND, 2>, dots_of<T, F, V, KIND, 3>, dots_of<T, F, V, KIND, 4>};
  for (int64_t m = 0; m < a.m; m += 4) all[smaller(a.m - m, 4) - 1](of, j.scales + j0 * f.groups, f, m, words, n);
  T* y = reinterpret_cast<T*>(j.y) + j0;
  for (int64_t m = 0; m < a.m; m++) each(n, [&](int64_t e, auto k) { store(y + m * a.n + e, load(f.out + m * p.cols + e, k), k); });
}

// paired tells whether steps of two vectors divide groups of elements of four bits.
template <int F> bool paired(int64_t group) { return bits_in<F> == 4 && group % (2 * lanes) == 0; }

template <class T, int F, int KIND> void quant_dots(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const QuantMatmulArgs& a = *static_cast<const QuantMatmulArgs*>(l->args);
  const QuantPlan p = plan_few<F>(l);
  FewRows f;
  f.k = a.k, f.group = a.group, f.groups = a.k / a.group, f.width = p.cols;
  f.x = static_cast<float*>(ft_scratch(w, sizeof(float) * size_t(int64_t(a.m) * (f.k + p.cols + f.groups) + 2 * scaled_rows * f.groups)));
  f.out = f.x + int64_t(a.m) * f.k, f.sums = f.out + int64_t(a.m) * p.cols;
  f.s = f.sums + int64_t(a.m) * f.groups, f.b = f.s + scaled_rows * f.groups;
  for (int64_t at = begin; at < end; at++) {
    if constexpr (bits_in<F> == 4) {
      if (paired<F>(a.group)) {
        dots_piece<T, F, 2, KIND>(l, f, p, at);
        continue;
      }
    }
    dots_piece<T, F, 1, KIND>(l, f, p, at);
  }
}

// Rows of W that axpys takes at once, so that the row of y is read and written once.
constexpr int axpys_at_once = 8;

// axpys adds R rows of W, bytes apart, times x to out, from column j0 on: s are the
// scales times x, 64 apart, b the sums of biases times x.
template <int F, int V, int R> FT_OP void axpys(const uint8_t* w, int64_t bytes, int64_t group, const float* s, const float* b, int64_t j0, int64_t n, float* out) {
  for (int64_t e = 0, g = 0; e < n; e += group, g++) {
    vf scale[R];
    FT_UNROLL for (int r = 0; r < R; r++) scale[r] = splat(s[64 * r + g]);
    for (int64_t i = e; i < e + group; i += V * lanes) {
      vf c[V];
      FT_UNROLL for (int q = 0; q < V; q++) c[q] = load(out + i + q * lanes) + b[g];
      FT_UNROLL for (int r = 0; r < R; r++) {
        vf v[V];
        unpack_step<F, V>(w + r * bytes, j0 + i, v);
        FT_UNROLL for (int q = 0; q < V; q++) c[q] += v[q] * scale[r];
      }
      FT_UNROLL for (int q = 0; q < V; q++) store(out + i + q * lanes, c[q]);
    }
  }
}

// axpys_row is the product of a row of x, floats, with columns [j0, j0 + n) of W.
template <class T, int F, int V, int KIND>
void axpys_row(const QuantJob& j, const Scales<T, KIND>& of, int64_t group, const float* x, int64_t k, int64_t j0, int64_t n, float* out) {
  float s[64 * axpys_at_once], rows[64], b[64];
  const int64_t bytes = j.width * bits_in<F> / 8, groups = n / group;
  for (int64_t i = 0; i < n; i++) out[i] = 0.0f;
  for (int64_t q = 0; q < k; q += axpys_at_once) {
    const int64_t here = smaller(k - q, axpys_at_once);
    for (int64_t g = 0; g < 64; g++) b[g] = 0.0f;
    for (int64_t r = 0; r < here; r++) {
      of.to(j.scales + ((q + r) * j.width + j0) / group, groups, s + 64 * r, rows);
      for (int64_t g = 0; g < groups; g++) s[64 * r + g] *= x[q + r], b[g] += rows[g] * x[q + r];
    }
    const uint8_t* w = reinterpret_cast<const uint8_t*>(j.words) + q * bytes;
    if (here == axpys_at_once) {
      axpys<F, V, axpys_at_once>(w, bytes, group, s, b, j0, n, out);
      continue;
    }
    for (int64_t r = 0; r < here; r++) {
      axpys<F, V, 1>(w + r * bytes, bytes, group, s + 64 * r, b, j0, n, out);
      for (int64_t g = 0; g < groups; g++) b[g] = 0.0f;  // they are in
    }
  }
  if constexpr (V == 2) joined(out, n);
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
      if (paired<F>(a.group))
        axpys_row<T, F, bits_in<F> == 4 ? 2 : 1, KIND>(j, of, a.group, x, a.k, j0, n, out);
      else
        axpys_row<T, F, 1, KIND>(j, of, a.group, x, a.k, j0, n, out);
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
