// Native gemm: kernels/gemm.metal. This file divides a launch into pieces of C
// and picks the instruction set; native_gemm_core.h computes a piece.
#include "native_gemm.h"

#include "../../kernels/gemm.h"

namespace ft {
namespace {

// Products of at most this many terms take no pairs of bfloat16, which are
// summed second term first: they have the shader's order of sums, and its bits.
constexpr int64_t in_order = 1 << 22;

const GemmIsa* isa_for(GemmTypes types, bool pairs) {
  const ft_cpu_features* cpu = ft_cpu();
  if ((pairs || cpu->plain_tiles) && (types == gemm_bf16 || types == gemm_bf16_f32)) {
    if ((cpu->amx || cpu->plain_tiles) && gemm_amx(cpu->plain_tiles)) return gemm_amx(cpu->plain_tiles);
    if (cpu->avx512_bf16 && gemm_avx512_bf16()) return gemm_avx512_bf16();
  }
  if (cpu->avx512 && gemm_avx512()) return gemm_avx512();
  if (cpu->avx2 && gemm_avx2()) return gemm_avx2();
  return gemm_base();
}

int64_t element(GemmTypes types, bool of_c) { return types == gemm_f32 || (of_c && types >= gemm_f16_f32) ? 4 : 2; }

template <class P> Matrix<P> matrix(P p, int64_t ld, uint32_t trans) { return trans ? Matrix<P>{p, 1, ld} : Matrix<P>{p, ld, 1}; }

// job is the product of batch z. A product of few columns is turned into one of
// few rows, where the larger operand is better read as B.
GemmJob job(const ft_launch* l, GemmTypes types, int64_t z) {
  const GemmArgs& args = *static_cast<const GemmArgs*>(l->args);
  auto at = [&](int i, int64_t batch, bool of_c) {
    return static_cast<char*>(l->bufs[i]) + z * batch * element(types, of_c);
  };
  GemmJob g;
  g.a = matrix<const void*>(at(0, args.batchA, false), args.lda, args.transA);
  g.b = matrix<const void*>(at(1, args.batchB, false), args.ldb, args.transB);
  g.d = matrix<const void*>(at(2, args.batchD, true), args.ldd, 0);
  g.u = matrix<const void*>(l->bufs[3], args.ldu, args.transU);
  g.v = matrix<const void*>(l->bufs[4], args.ldv, args.transV);
  g.c = matrix<void*>(at(5, args.batchC, true), args.ldc, 0);
  g.m = args.m, g.n = args.n, g.k = args.k, g.r = args.r;
  if (args.split) g.k = smaller(args.split, g.k - z * int64_t(args.split));
  g.alpha = args.alpha, g.beta = args.beta;
  g.low = args.alpha == 0.0f ? 0.0f : args.scale / args.alpha;
  g.has_d = args.hasD == 1;
  const bool narrow = g.n <= gemm_skinny || (g.n <= gemm_narrow && types != gemm_f32 && g.a.row == 1 && g.r == 0 && !g.has_d);
  if (!narrow || g.m <= g.n) return g;
  const GemmJob t = g;
  g.a = t.b.transposed(), g.b = t.a.transposed();
  g.u = t.v.transposed(), g.v = t.u.transposed();
  g.c = t.c.transposed(), g.d = t.d.transposed();
  g.m = t.n, g.n = t.m;
  return g;
}

// Plan is the division of each batch's C into down x across pieces.
struct Plan {
  const GemmIsa* isa;
  bool skinny;
  int64_t down, across;
  int64_t width;  // columns are cut at its multiples
};

// cost is about the cycles that the slowest worker needs when C is cut into
// down x across pieces: products, packing, and the start of a piece; and what
// is lost when a piece is late.
double cost(const GemmJob& g, const GemmIsa* isa, int64_t batch, int64_t workers, int64_t down, int64_t across) {
  const double rows = double(ceil_div(g.m, down));
  const double cols = double(ceil_div(ceil_div(g.n, isa->nr), across) * isa->nr), k = double(g.k + g.r);
  const double piece = rows * cols * k / 16 + (rows + cols) * k / 2 + 5000;
  return piece * (double(ceil_div(down * across * batch, workers)) + (workers > 1 ? 0.3 : 0.0));
}

Plan plan_tiles(const GemmJob& g, const GemmIsa* isa, int64_t batch, int64_t workers) {
  Plan best = {isa, false, 1, 1, isa->nr};
  double least_cost = 0;
  const int64_t down = ceil_div(g.m, gemm_most_rows), across = ceil_div(g.n, gemm_most_cols);
  for (int64_t a = across; a <= 8 * across && (a == across || a <= ceil_div(g.n, isa->nr)); a++)
    for (int64_t d = down; d <= 8 * down && (d == down || d <= ceil_div(g.m, isa->mr)); d++) {
      const double c = cost(g, isa, batch, workers, d, a);
      if (least_cost != 0 && c >= least_cost) continue;
      least_cost = c, best.down = d, best.across = a;
    }
  return best;
}

// A piece of a skinny product reads about this many bytes of B or more: what it
// does with A first is little beside it. But no worker is left without a piece that
// is worth waking for. Where the rows of B are contiguous, long pieces of them are
// read.
constexpr int64_t skinny_bytes = 1 << 18, skinny_least = 1 << 15;

Plan plan_skinny(const GemmJob& g, const GemmIsa* isa, GemmTypes types, int64_t batch, int64_t workers) {
  const int64_t unit = g.b.row == 1 ? 16 : 1024, bytes = g.n * (g.k + g.r) * element(types, false);
  const int64_t each = ceil_div(larger(bytes / skinny_bytes, smaller(workers, bytes / skinny_least)), workers) * workers;
  const int64_t wanted = bytes < skinny_least ? 1 : smaller(ceil_div(8 * workers, batch), each);
  return Plan{isa, true, 1, smaller(wanted, ceil_div(g.n, unit)), unit};
}

Plan plan(const ft_launch* l, const GemmJob& g, GemmTypes types) {
  const int64_t batch = l->grid[2], workers = l->workers;
  if (g.m <= gemm_skinny) return plan_skinny(g, isa_for(types, true), types, batch, workers);
  return plan_tiles(g, isa_for(types, g.m * g.n * (g.k + g.r) > in_order), batch, workers);
}

// share is where the i-th of count parts of n begins, at a multiple of unit.
int64_t share(int64_t n, int64_t unit, int64_t i, int64_t count) { return smaller(n, ceil_div(n, unit) * i / count * unit); }

// wanted is how many rows of C are. Their number is known when the launch runs,
// and its pieces are fixed before: those behind do nothing.
int64_t wanted(const ft_launch* l) {
  const GemmArgs& args = *static_cast<const GemmArgs*>(l->args);
  if (args.hasD != 2) return args.m;
  const int64_t rows = int64_t(*static_cast<const int32_t*>(l->bufs[2])) - args.first;
  return smaller(larger(rows, 0), args.m);
}

template <int types> int64_t units(const ft_launch* l) {
  const Plan p = plan(l, job(l, GemmTypes(types), 0), GemmTypes(types));
  return int64_t(l->grid[2]) * p.down * p.across;
}

template <int types> void run(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  GemmJob g = job(l, GemmTypes(types), 0);
  const Plan p = plan(l, g, GemmTypes(types));
  const int64_t rows = wanted(l);
  const bool turned = g.m != static_cast<const GemmArgs*>(l->args)->m;
  for (int64_t at = begin; at < end; at++) {
    const int64_t z = at / (p.down * p.across), i = at % p.down, j = at / p.down % p.across;
    g = job(l, GemmTypes(types), z);
    GemmRect t = {share(g.m, 1, i, p.down), share(g.m, 1, i + 1, p.down), share(g.n, p.width, j, p.across),
                  share(g.n, p.width, j + 1, p.across)};
    int64_t& last = turned ? t.j1 : t.i1;
    last = smaller(last, rows);
    if (t.i0 >= t.i1 || t.j0 >= t.j1) continue;
    if (!turned) g.m = rows;
    if (p.skinny) {
      char* scratch = static_cast<char*>(ft_scratch(w, p.isa->skinny_scratch(g.m, g.k > g.r ? g.k : g.r, t.j1 - t.j0)));
      p.isa->skinny[types](g, t.j0, t.j1, scratch);
      continue;
    }
    char* scratch = static_cast<char*>(ft_scratch(w, p.isa->tile_scratch(t.i1 - t.i0, t.j1 - t.j0)));
    p.isa->tile[types](g, t, scratch);
  }
}

// A piece of merge is some rows of C, about this many elements.
constexpr int64_t merge_piece = 1 << 14;

int64_t merge_rows(const GemmMergeArgs& args) {
  const int64_t n = merge_piece / (int64_t(args.n) * args.count);
  return n > 1 ? n : 1;
}

int64_t merge_units(const ft_launch* l) {
  const GemmMergeArgs& args = *static_cast<const GemmMergeArgs*>(l->args);
  return ceil_div(args.m, merge_rows(args));
}

template <int types> void merge(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const GemmMergeArgs& args = *static_cast<const GemmMergeArgs*>(l->args);
  GemmJob g = {};
  g.d = matrix<const void*>(l->bufs[1], args.ldd, 0);
  g.c = matrix<void*>(l->bufs[2], args.ldc, 0);
  g.m = args.m, g.n = args.n;
  g.alpha = args.alpha, g.beta = args.beta, g.has_d = args.hasD != 0;
  const int64_t rows = merge_rows(args);
  isa_for(gemm_f32, false)->merge[types](g, static_cast<const float*>(l->bufs[0]), args.count, begin * rows, smaller(end * rows, g.m));
}

}  // namespace
}  // namespace ft

#define FT_NATIVE_GEMM(types)                                                 \
  FT_NATIVE("gemm_" #types, ft::units<ft::gemm_##types>, ft::run<ft::gemm_##types>); \
  FT_NATIVE("gemm_gemv_" #types, ft::units<ft::gemm_##types>, ft::run<ft::gemm_##types>); \
  FT_NATIVE("gemm_gemv_across_" #types, ft::units<ft::gemm_##types>, ft::run<ft::gemm_##types>)

FT_NATIVE_GEMM(f32);
FT_NATIVE_GEMM(f16);
FT_NATIVE_GEMM(bf16);
FT_NATIVE_GEMM(f16_f32);
FT_NATIVE_GEMM(bf16_f32);
FT_NATIVE("gemm_merge_f32", ft::merge_units, ft::merge<ft::gemm_f32>);
FT_NATIVE("gemm_merge_f16", ft::merge_units, ft::merge<ft::gemm_f16>);
FT_NATIVE("gemm_merge_bf16", ft::merge_units, ft::merge<ft::gemm_bf16>);
