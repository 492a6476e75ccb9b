// Products of at most gemm_skinny rows for one instruction set: B is read once, where
// it lies, and the time is that of reading it. Continues native_gemm_core.h.
//
// B with K contiguous (the weight of a linear layer) makes dot products; with N
// contiguous, multiples of its rows are added up.

namespace ft {
namespace FT_ISA {
namespace {

// How many vectors of sums the registers hold.
#if defined(FT_AVX512) || defined(__aarch64__)
constexpr int sums_at_once = 26;
#else
constexpr int sums_at_once = 10;
#endif

// rows_of widens M rows and k steps of src to the panel elements x[M][steps].
template <class P, class T>
void rows_of(const Matrix<const void*>& src, int64_t m, int64_t k, int64_t steps, float* x) {
  for (int64_t i = 0; i < m; i++, x += steps) {
    const T* p = static_cast<const T*>(src.p) + i * src.row;
    for (int64_t q = 0; q < k; q += W * P::step) {
      T some[W * P::step] = {};
      const int64_t left = k - q < W * P::step ? k - q : W * P::step;
      if (src.col == 1) memcpy(some, p + q, size_t(left) * sizeof(T));
      else for (int64_t e = 0; e < left; e++) some[e] = p[(q + e) * src.col];
      store(x + q / P::step, P::along_k(some, W * P::step));
    }
  }
}

// dots adds x[i] . b[j] to out[i][j] for M rows of x and N of b.
template <class P, class T, int M, int N>
FT_OP void dots(const float* x, int64_t steps, const T* b, int64_t row, int64_t k, float* out, int64_t width) {
  vf c[M][N] = {};
  int64_t q = 0;
  for (; q + W * P::step <= k; q += W * P::step) {
    vf y[N];
    FT_UNROLL for (int j = 0; j < N; j++) {
      y[j] = P::along_k(b + j * row + q, W * P::step);
      __builtin_prefetch(b + (j + 3 * N) * row + q, 0, 2);
    }
    FT_UNROLL for (int i = 0; i < M; i++) {
      const vf xi = load(x + i * steps + q / P::step);
      FT_UNROLL for (int j = 0; j < N; j++) c[i][j] = P::Math::madd_each(c[i][j], xi, y[j]);
    }
  }
  if (q < k) {
    FT_UNROLL for (int j = 0; j < N; j++) {
      const vf y = P::along_k(b + j * row + q, k - q);
      FT_UNROLL for (int i = 0; i < M; i++) c[i][j] = P::Math::madd_each(c[i][j], load(x + i * steps + q / P::step), y);
    }
  }
  FT_UNROLL for (int i = 0; i < M; i++) {
    FT_UNROLL for (int j = 0; j < N; j++) out[i * width + j] += sum(c[i][j]);
  }
}

// row_dots adds x[i] . b to out[i] for M rows of x. A single row of b at a time is
// read as it lies in memory: the processor sees what comes next, which it does not
// where several rows are read at once, and memory gives half as much again.
constexpr int64_t bytes_ahead = 4096;
template <class P, class T, int M>
FT_OP void row_dots(const float* x, int64_t steps, const T* b, int64_t k, float* out, int64_t width) {
  constexpr int U = M == 1 ? 6 : 4;  // sums, so that they need not wait for each other
  constexpr int64_t V = W * P::step;
  vf c[M][U] = {};
  int64_t q = 0;
  for (; q + U * V <= k; q += U * V) {
    FT_UNROLL for (int u = 0; u < U; u++) {
      const vf y = P::along_k(b + q + u * V, V);
      __builtin_prefetch(reinterpret_cast<const char*>(b + q + u * V) + bytes_ahead, 0, 2);
      FT_UNROLL for (int i = 0; i < M; i++) c[i][u] = P::Math::madd_each(c[i][u], load(x + i * steps + (q + u * V) / P::step), y);
    }
  }
  FT_UNROLL for (int u = 0; u < U; u++) {
    if (q >= k) break;
    const vf y = P::along_k(b + q, k - q < V ? k - q : V);
    FT_UNROLL for (int i = 0; i < M; i++) c[i][u] = P::Math::madd_each(c[i][u], load(x + i * steps + q / P::step), y);
    q += V;
  }
  FT_UNROLL for (int i = 0; i < M; i++) {
    FT_UNROLL for (int u = 1; u < U; u++) c[i][0] += c[i][u];
    out[i * width] += sum(c[i][0]);
  }
}

template <class P, class T, int M>
void dots_of(const float* x, int64_t steps, const T* b, int64_t row, int64_t k, int64_t n, float* out, int64_t width) {
  if constexpr (M <= 2) {
    for (int64_t j = 0; j < n; j++) row_dots<P, T, M>(x, steps, b + j * row, k, out + j, width);
    return;
  }
  constexpr int N = sums_at_once / M < 1 ? 1 : sums_at_once / M < 4 ? sums_at_once / M : 4;
  int64_t j = 0;
  for (; j + N <= n; j += N) dots<P, T, M, N>(x, steps, b + j * row, row, k, out + j, width);
  for (; j < n; j++) dots<P, T, M, 1>(x, steps, b + j * row, row, k, out + j, width);
}

// axpys adds x[i][q] * b[q] for the Q rows of b to out[i], M rows of n.
template <class T, int M, int Q>
FT_OP void axpys(const float* x, int64_t steps, const T* b, int64_t row, int64_t n, float* out, int64_t width) {
  for (int64_t j = 0; j < n; j += W) {
    vf c[M];
    FT_UNROLL for (int i = 0; i < M; i++) c[i] = vf{};
    FT_UNROLL for (int q = 0; q < Q; q++) {
      const vf y = load_some(b + q * row + j, n - j);
      __builtin_prefetch(b + (q + Q) * row + j, 0, 2);
      FT_UNROLL for (int i = 0; i < M; i++) c[i] += x[i * steps + q] * y;
    }
    FT_UNROLL for (int i = 0; i < M; i++) store(out + i * width + j, load(out + i * width + j) + c[i]);
  }
}

template <class T, int M>
void axpys_of(const float* x, int64_t steps, const T* b, int64_t row, int64_t k, int64_t n, float* out, int64_t width) {
  constexpr int Q = 8;
  int64_t q = 0;
  for (; q + Q <= k; q += Q) axpys<T, M, Q>(x + q, steps, b + q * row, row, n, out, width);
  for (; q < k; q++) axpys<T, M, 1>(x + q, steps, b + q * row, row, n, out, width);
}

// multiply adds A @ B for the columns [j0, j0 + n) of B to sums[M][width].
template <class T, int M>
void multiply(const Matrix<const void*>& a, const Matrix<const void*>& b, int64_t k, int64_t j0, int64_t n, float* x,
                     float* sums, int64_t width) {
  typedef typename PanelOf<T>::type P;
  const T* p = static_cast<const T*>(b.p) + j0 * b.col;
  if (b.row == 1) {
    const int64_t steps = round_up(k, W * P::step) / P::step;
    rows_of<P, T>(a, M, k, steps, x);
    dots_of<P, T, M>(x, steps, p, b.col, k, n, sums, width);
    return;
  }
  const int64_t steps = round_up(k, W);
  rows_of<One<T>, T>(a, M, k, steps, x);
  axpys_of<T, M>(x, steps, p, b.row, k, n, sums, width);
}

// scatter is finish for a C whose rows are not contiguous.
template <class U>
void scatter(const GemmJob& g, const float* sums, int64_t width, int64_t j0, int64_t cols) {
  for (int64_t i = 0; i < g.m; i++, sums += width) {
    U* c = static_cast<U*>(g.c.p) + i * g.c.row + j0 * g.c.col;
    const U* d = static_cast<const U*>(g.d.p) + i * g.d.row + j0 * g.d.col;
    for (int64_t j = 0; j < cols; j += W) {
      const int64_t n = cols - j < W ? cols - j : W;
      U some[W] = {};
      vf x = load(sums + j) * g.alpha;
      if (g.has_d) {
        for (int64_t e = 0; e < n; e++) some[e] = d[(j + e) * g.d.col];
        x += load(some) * g.beta;
      }
      store(some, x);
      for (int64_t e = 0; e < n; e++) c[(j + e) * g.c.col] = some[e];
    }
  }
}

size_t skinny_scratch(int64_t m, int64_t k, int64_t cols) {
  return sizeof(float) * size_t(m * (round_up(k, 2 * W) + round_up(cols, W)) + 16);
}

// sums_of computes the sums of M rows into sums[M][width]; x is scratch.
template <class T, int M> void sums_of(const GemmJob& g, int64_t j0, int64_t n, float* sums, int64_t width, float* x) {
  for (int64_t e = 0; e < M * width; e++) sums[e] = 0.0f;
  if (g.r > 0) {
    multiply<T, M>(g.u, g.v, g.r, j0, n, x, sums, width);
    scale_by(g.low, sums, M * width);
  }
  multiply<T, M>(g.a, g.b, g.k, j0, n, x, sums, width);
}

template <class T, class U> void skinny(const GemmJob& g, int64_t j0, int64_t j1, char* scratch) {
  typedef void (*Sums)(const GemmJob&, int64_t, int64_t, float*, int64_t, float*);
  static constexpr Sums all[gemm_skinny] = {sums_of<T, 1>, sums_of<T, 2>, sums_of<T, 3>, sums_of<T, 4>,
                                       sums_of<T, 5>, sums_of<T, 6>, sums_of<T, 7>, sums_of<T, 8>};
  const int64_t n = j1 - j0, width = round_up(n, W);
  float* sums = reinterpret_cast<float*>(scratch);
  all[g.m - 1](g, j0, n, sums, width, sums + round_up(g.m * width, 16));
  if (g.c.col == 1 && (!g.has_d || g.d.col == 1)) finish<U>(g, sums, width, 0, g.m, j0, n);
  else scatter<U>(g, sums, width, j0, n);
}

template <class U> void merge(const GemmJob& g, const float* parts, int64_t count, int64_t i0, int64_t i1) {
  constexpr int64_t some = 16 * W;
  float sums[some];
  for (int64_t i = i0; i < i1; i++)
    for (int64_t j = 0; j < g.n; j += some) {
      const float* p = parts + i * g.n + j;
      const int64_t n = g.n - j < some ? g.n - j : some;
      for (int64_t e = 0; e < n; e += W) {
        vf x = load_some(p + e, n - e);
        for (int64_t q = 1; q < count; q++) x += load_some(p + q * g.m * g.n + e, n - e);
        store(sums + e, x);
      }
      finish<U>(g, sums, some, i, 1, j, n);
    }
}

#if FT_PAIRS
const GemmIsa isa = {MR, NR, tile_scratch, {nullptr, nullptr, tile<bf16, bf16>, nullptr, tile<bf16, float>},
                        skinny_scratch, {nullptr, nullptr, skinny<bf16, bf16>, nullptr, skinny<bf16, float>}, {},
                        {nullptr, nullptr, packed_bytes<bf16>}, {nullptr, nullptr, pack_ahead<bf16>}};
#else
const GemmIsa isa = {
    MR,
    NR,
    tile_scratch,
    {tile<float, float>, tile<f16, f16>, tile<bf16, bf16>, tile<f16, float>, tile<bf16, float>},
    skinny_scratch,
    {skinny<float, float>, skinny<f16, f16>, skinny<bf16, bf16>, skinny<f16, float>, skinny<bf16, float>},
    {merge<float>, merge<f16>, merge<bf16>},
    {packed_bytes<float>, packed_bytes<f16>, packed_bytes<bf16>},
    {pack_ahead<float>, pack_ahead<f16>, pack_ahead<bf16>},
};
#endif

}  // namespace
}  // namespace FT_ISA
}  // namespace ft
