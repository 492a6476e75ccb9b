// Native gather, scatter_add of rows and scatter_axis: kernels/gather.metal.
// scatter_add looks through the indices once for each piece of the table and keeps
// a list of rows per target, so that sums run in the order of the rows, as in the
// kernel.
#ifndef FT_ISA
#include "native_rows.h"

#include "../../kernels/gather.h"

namespace {
constexpr int64_t targets = 256;  // rows of the table in a piece

// index_of is the row that an index names: from the end if negative, and never
// outside.
int64_t index_of(int64_t id, int64_t n) {
  if (id < 0) id += n;
  return id < 0 ? 0 : id < n ? id : n - 1;
}
}  // namespace

#define FT_SOURCE "native_gather.cpp"
#include "native_isa.h"
#endif

#ifdef FT_ISA
namespace ft {
namespace FT_ISA {
namespace {

template <class T> void add_row(float* sum, const T* x, int64_t n) {
  each(n, [&](int64_t i, auto k) { store(sum + i, load(sum + i) + load(x + i, k)); });
}

// A list of rows for each target of the piece: first[t], then next[r].
template <class I> void make_lists(const I* ids, int64_t rows, int64_t table, int64_t from, int64_t count, int32_t* first, int32_t* next) {
  for (int64_t t = 0; t < count; t++) first[t] = -1;
  for (int64_t r = rows - 1; r >= 0; r--) {
    const int64_t t = index_of(ids[r], table) - from;
    if (t < 0 || t >= count) continue;
    next[r] = first[t];
    first[t] = int32_t(r);
  }
}

template <class T, class I> void scatter_add(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const GatherArgs& args = *static_cast<const GatherArgs*>(l->args);
  const int64_t rows = int64_t(args.rows), width = int64_t(args.width), padded = ceil_div(width, 16) * 16;
  const T* x = static_cast<const T*>(l->bufs[1]);
  float* sum = static_cast<float*>(ft_scratch(w, size_t(padded + targets + rows) * 4));
  int32_t* first = reinterpret_cast<int32_t*>(sum + padded);
  int32_t* next = first + targets;
  for (int64_t piece = begin; piece < end; piece++) {
    const int64_t from = piece * targets, count = smaller(args.table - from, targets);
    make_lists(static_cast<const I*>(l->bufs[0]), rows, args.table, from, count, first, next);
    for (int64_t t = 0; t < count; t++) {
      T* out = static_cast<T*>(l->bufs[2]) + (from + t) * width;
      if (first[t] < 0) {
        memset(out, 0, size_t(width) * sizeof(T));
        continue;
      }
      memset(sum, 0, size_t(padded) * sizeof(float));
      for (int32_t r = first[t]; r >= 0; r = next[r]) add_row(sum, x + r * width, width);
      each(width, [&](int64_t i, auto k) { store(out + i, load(sum + i), k); });
    }
  }
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft

#else

// gather copies rows of elements of size bytes.
template <class I, int64_t size> static void gather(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const GatherArgs& args = *static_cast<const GatherArgs*>(l->args);
  const int64_t bytes = int64_t(args.width) * size, per = ft::rows_per_piece(int64_t(args.width)), rows = int64_t(args.rows);
  const char* table = static_cast<const char*>(l->bufs[0]);
  const I* ids = static_cast<const I*>(l->bufs[1]);
  char* out = static_cast<char*>(l->bufs[2]);
  for (int64_t r = begin * per; r < end * per && r < rows; r++)
    memcpy(out + r * bytes, table + index_of(ids[r], args.table) * bytes, size_t(bytes));
}

// scatter_axis stores elements of size bytes along an axis, for some of the lines
// beside one another. Sums are left to the kernel.
template <class I, int64_t size> static void scatter_axis(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const GatherAxisArgs& args = *static_cast<const GatherAxisArgs*>(l->args);
  const int64_t inner = int64_t(args.inner), count = int64_t(args.count), axis = int64_t(args.axis), lines = int64_t(args.outer) * inner;
  const int64_t per = ft::rows_per_piece(count), last = ft::smaller(end * per, lines);
  const I* idx = static_cast<const I*>(l->bufs[0]);
  const char* x = static_cast<const char*>(l->bufs[1]);
  char* out = static_cast<char*>(l->bufs[2]);
  for (int64_t line = begin * per; line < last;) {
    const int64_t o = line / inner, from = line % inner, to = ft::smaller(inner, from + last - line);
    for (int64_t k = 0; k < count; k++) {
      const int64_t row = (o * count + k) * inner;
      for (int64_t i = from; i < to; i++)
        memcpy(out + ((o * axis + index_of(idx[row + i], axis)) * inner + i) * size, x + (row + i) * size, size_t(size));
    }
    line += to - from;
  }
}

static int64_t scatter_axis_pieces(const ft_launch* l) {
  const GatherAxisArgs& args = *static_cast<const GatherAxisArgs*>(l->args);
  return args.add ? 0 : ft::ceil_div(int64_t(args.outer * args.inner), ft::rows_per_piece(int64_t(args.count)));
}

static int64_t gather_pieces(const ft_launch* l) {
  const GatherArgs& args = *static_cast<const GatherArgs*>(l->args);
  return ft::ceil_div(int64_t(args.rows), ft::rows_per_piece(int64_t(args.width)));
}

// Lists hold 32-bit row numbers.
static int64_t scatter_pieces(const ft_launch* l) {
  const GatherArgs& args = *static_cast<const GatherArgs*>(l->args);
  return args.rows > INT32_MAX ? 0 : ft::ceil_div(args.table, targets);
}

#define FT_GATHER(type, size)                                       \
  FT_NATIVE("gather_i32_" type, gather_pieces, (gather<int32_t, size>)); \
  FT_NATIVE("gather_u32_" type, gather_pieces, (gather<uint32_t, size>)); \
  FT_NATIVE("gather_scatter_axis_i32_" type, scatter_axis_pieces, (scatter_axis<int32_t, size>)); \
  FT_NATIVE("gather_scatter_axis_u32_" type, scatter_axis_pieces, (scatter_axis<uint32_t, size>))
FT_GATHER("bool", 1);
FT_GATHER("u8", 1);
FT_GATHER("i8", 1);
FT_GATHER("u16", 2);
FT_GATHER("i16", 2);
FT_GATHER("f16", 2);
FT_GATHER("bf16", 2);
FT_GATHER("u32", 4);
FT_GATHER("i32", 4);
FT_GATHER("f32", 4);
FT_GATHER("u64", 8);
FT_GATHER("i64", 8);

#define FT_SCATTER(type, T)                                           \
  FT_RUNNER(scatter_i32_##type, scatter_add<T, int32_t>)              \
  FT_RUNNER(scatter_u32_##type, scatter_add<T, uint32_t>)             \
  FT_NATIVE("gather_scatter_add_i32_" #type, scatter_pieces, scatter_i32_##type); \
  FT_NATIVE("gather_scatter_add_u32_" #type, scatter_pieces, scatter_u32_##type)
FT_SCATTER(f32, float);
FT_SCATTER(f16, ft::f16);
FT_SCATTER(bf16, ft::bf16);

#endif
