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
  GemmJob g = {};
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
  int64_t width, height;  // columns and rows are cut at their multiples
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
  Plan best = {isa, false, 1, 1, isa->nr, 1};
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
  return Plan{isa, true, 1, smaller(wanted, ceil_div(g.n, unit)), unit, 1};
}

// Operands of products with at least this many rows and columns are packed ahead,
// each once, if they take no more than this many bytes: B is read again by all
// pieces of rows, and should stay in the third level cache. Pieces of each worker are
// many then, at least this many, so that workers are done at the same time. A is
// packed for products of at least so many terms, and used by smaller ones.
constexpr int64_t packed_terms = 1 << 28;
constexpr int64_t packed_least = 128, packed_most_bytes[2] = {48 << 20, 12 << 20}, packed_pieces = 16;

bool packs(const ft_launch* l, const GemmJob& g) {
  const GemmArgs& args = *static_cast<const GemmArgs*>(l->args);
  return l->grid[2] == 1 && !args.split && args.hasD != 2 && g.k > 0 && smaller(g.m, g.n) >= packed_least && g.m * g.n * (g.k + g.r) > in_order;
}

// operands is the dtype of A and B, as a product that has no other.
constexpr GemmTypes operands(GemmTypes types) { return types == gemm_f16_f32 ? gemm_f16 : types == gemm_bf16_f32 ? gemm_bf16 : types; }

Plan plan_packed(const GemmJob& g, const GemmIsa* isa, int64_t workers) {
  const int64_t across = ceil_div(g.n, g.packed_b ? gemm_most_cols : smaller(gemm_most_cols, ceil_div(g.n, packed_pieces * workers)));
  const int64_t wanted = g.packed_b ? ceil_div(packed_pieces, across) * workers : 1;
  const int64_t down = larger(ceil_div(g.m, gemm_most_rows), smaller(wanted, ceil_div(g.m, 4 * isa->mr)));
  return Plan{isa, false, down, across, isa->nr, isa->mr};
}

Plan plan(const ft_launch* l, const GemmJob& g, GemmTypes types) {
  const int64_t batch = l->grid[2], workers = l->workers;
  if (g.packed_a) return plan_packed(g, isa_for(types, true), workers);
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

// with gives a product its packed operands.
GemmJob with(GemmJob g, const float* a, const float* b) {
  g.packed_a = a, g.packed_b = b;
  return g;
}

int64_t units_of(const ft_launch* l, GemmTypes types, const float* a, const float* b) {
  const Plan p = plan(l, with(job(l, types, 0), a, b), types);
  return int64_t(l->grid[2]) * p.down * p.across;
}

void run_of(const ft_launch* l, GemmTypes types, const float* a, const float* b, int64_t begin, int64_t end, ft_worker* w) {
  GemmJob g = with(job(l, types, 0), a, b);
  const Plan p = plan(l, g, types);
  const int64_t rows = wanted(l);
  const bool turned = g.m != static_cast<const GemmArgs*>(l->args)->m;
  for (int64_t at = begin; at < end; at++) {
    const int64_t z = at / (p.down * p.across), i = at % p.down, j = at / p.down % p.across;
    g = with(job(l, types, z), a, b);
    GemmRect t = {share(g.m, p.height, i, p.down), share(g.m, p.height, i + 1, p.down), share(g.n, p.width, j, p.across),
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

template <int types> int64_t units(const ft_launch* l) { return units_of(l, GemmTypes(types), nullptr, nullptr); }
template <int types> void run(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  run_of(l, GemmTypes(types), nullptr, nullptr, begin, end, w);
}

// The same with A, and perhaps B, packed in two more buffers.
const float* packed(const ft_launch* l, int i) { return static_cast<const float*>(l->bufs[i]); }
template <int types> int64_t packed_units(const ft_launch* l) { return units_of(l, GemmTypes(types), packed(l, 6), packed(l, 7)); }
template <int types> void packed_run(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  run_of(l, GemmTypes(types), packed(l, 6), packed(l, 7), begin, end, w);
}

// Packing divides an operand's panels into groups and K into parts of this size.
constexpr int64_t pack_part = 512;

struct PackPlan {
  int64_t panels[2], groups[2], parts;
};

PackPlan pack_plan(const ft_launch* l, const GemmJob& g, const GemmIsa* isa) {
  PackPlan p = {{ceil_div(g.m, isa->mr), ceil_div(g.n, isa->nr)}, {}, ceil_div(g.k, pack_part)};
  for (int i = 0; i < 2; i++) p.groups[i] = l->bufs[2 + i] ? ceil_div(p.panels[i], gemm_pack_strips) : 0;
  return p;
}

// The job of a packing launch: its buffers are A, B, and where they go.
GemmJob pack_job(const ft_launch* l, GemmTypes types) {
  void* bufs[6] = {l->bufs[0], l->bufs[1]};
  ft_launch product = *l;
  product.bufs = bufs;
  return job(&product, types, 0);
}

template <int types> int64_t pack_units(const ft_launch* l) {
  const PackPlan p = pack_plan(l, pack_job(l, GemmTypes(types)), isa_for(GemmTypes(types), true));
  return (p.groups[0] + p.groups[1]) * p.parts;
}

template <int types> void pack_run(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const GemmIsa* isa = isa_for(GemmTypes(types), true);
  const GemmJob g = pack_job(l, GemmTypes(types));
  const PackPlan p = pack_plan(l, g, isa);
  for (int64_t at = begin; at < end; at++) {
    const bool of_b = at >= p.groups[0] * p.parts;
    const int64_t u = of_b ? at - p.groups[0] * p.parts : at, s = u / p.parts * gemm_pack_strips;
    const int64_t q0 = share(g.k, 2, u % p.parts, p.parts), q1 = share(g.k, 2, u % p.parts + 1, p.parts);
    isa->pack[types](of_b ? g.b.transposed() : g.a, of_b ? g.n : g.m, g.k, of_b, s, smaller(s + gemm_pack_strips, p.panels[of_b]), q0, q1,
                     static_cast<float*>(l->bufs[2 + of_b]));
  }
}

template <int types> const ft_native packer = {"gemm_pack", pack_units<types>, pack_run<types>, nullptr};
template <int types> const ft_native multiplier = {"gemm_packed", packed_units<types>, packed_run<types>, nullptr};

template <int types> int packing(const ft_native* n, const ft_launch* l, ft_packing* out) {
  constexpr GemmTypes in = operands(GemmTypes(types));
  if (n->run != run<types>) return 0;
  const GemmArgs& args = *static_cast<const GemmArgs*>(l->args);
  const GemmJob g = job(l, GemmTypes(types), 0);
  const GemmIsa* isa = isa_for(GemmTypes(types), true);
  if (!isa->pack[in] || !packs(l, g)) return 0;
  *out = ft_packing{&packer<in>, &multiplier<types>, {}, {args.lda, args.transA, g.m, g.k}};
  for (int i = 0; i < 2; i++) {
    const int64_t bytes = int64_t(isa->packed_bytes[in](i ? g.n : g.m, g.k, i));
    out->bytes[i] = bytes <= packed_most_bytes[i] ? bytes : 0;
  }
  return out->bytes[0] == 0 ? 0 : g.m * g.n * g.k < packed_terms ? 1 : 2;
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

int gemm_packing(const ft_native* n, const ft_launch* l, ft_packing* out) {
  if (!n) return 0;
  if (int is = packing<gemm_f32>(n, l, out)) return is;
  if (int is = packing<gemm_f16>(n, l, out)) return is;
  if (int is = packing<gemm_bf16>(n, l, out)) return is;
  if (int is = packing<gemm_f16_f32>(n, l, out)) return is;
  return packing<gemm_bf16_f32>(n, l, out);
}

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
