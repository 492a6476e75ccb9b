// Native copy, fill and where: kernels/copy.metal between equal types and
// between floats, kernels/fill.metal of constants, kernels/ternary.metal.
// Copies are cut along rows of the output, or, where the input is a transposed
// view, into square tiles that both sides read and write by whole cache lines.
#ifndef FT_ISA
#pragma GCC optimize("O3")

#include "native_rows.h"

#include "../../kernels/binary.h"
#include "../../kernels/copy.h"
#include "../../kernels/fill.h"

namespace {
constexpr int64_t tile = 64;    // rows and columns of a transposed tile
constexpr int64_t strip = 1024; // columns of a piece of tiles

// transposed_axis is the axis that the input is contiguous along where the
// output is contiguous along the last one; -1 if there is none, or nothing to
// gain.
int transposed_axis(const CopyArgs& args) {
  const int last = int(args.ndim) - 1;
  if (args.dstStrides[last] != 1 || args.srcStrides[last] == 1 || args.srcStrides[last] == 0 || args.shape[last] < 4) return -1;
  for (int d = last - 1; d >= 0; d--)
    if (args.srcStrides[d] == 1 && args.shape[d] >= 4) return d;
  return -1;
}
}  // namespace

#define FT_SOURCE "native_copy.cpp"
#include "native_isa.h"
#endif

#ifdef FT_ISA
namespace ft {
namespace FT_ISA {
namespace {

template <class T> void convert(const T* x, T* out, int64_t n) {
  if (x != out) memcpy(out, x, size_t(n) * sizeof(T));
}
template <class S, class D> void convert(const S* x, D* out, int64_t n) {
  each(n, [&](int64_t i, auto k) { store(out + i, load(x + i, k), k); });
}
template <class T> T convert1(T x, T) { return x; }
template <class S, class D> D convert1(S x, D) {
  D out;
  store_n(&out, load_n(&x, 1), 1);
  return out;
}

template <class S, class D> void copy_row(const S* x, int64_t from, D* out, int64_t to, int64_t n) {
  if (from == 1 && to == 1) {
    convert(x, out, n);
    return;
  }
  for (int64_t i = 0; i < n; i++) out[i * to] = convert1(x[i * from], D());
}

template <class S, class D> void copy_rows(const CopyArgs& args, const S* x, D* out, int64_t begin, int64_t end) {
  const int last = int(args.ndim) - 1;
  const int64_t inner = args.shape[last], from = args.srcStrides[last], to = args.dstStrides[last];
  const Elements all = elements_of(args, begin, end);
  for (int64_t at = all.from; at < all.to;) {
    const int64_t row = at / inner, col = at % inner, n = smaller(inner - col, all.to - at);
    copy_row(x + args.srcOffset + place(args.srcStrides, args.shape, last, row) + col * from, from,
             out + args.dstOffset + place(args.dstStrides, args.shape, last, row) + col * to, to, n);
    at += n;
  }
}

FT_OP vu load_word(const void* p, uint32_t) { return (vu)load(static_cast<const float*>(p)); }
FT_OP vu load_word(const void* p, uint16_t) { return load_u16(p); }
FT_OP void store_word(void* p, vu v, uint32_t) { store(static_cast<float*>(p), (vf)v); }
FT_OP void store_word(void* p, vu v, uint16_t) { store_u16(p, v); }

// copy_square copies out[i, j] = x[j, i] for lanes × lanes words.
template <class W> void copy_square(const void* x, int64_t ldx, void* out, int64_t ldo) {
  vu a[lanes];
  for (int j = 0; j < lanes; j++) a[j] = load_word(static_cast<const W*>(x) + j * ldx, W());
  transpose(a);
  for (int i = 0; i < lanes; i++) store_word(static_cast<W*>(out) + i * ldo, a[i], W());
}
// Words of 1 and 8 bytes go one by one.
template <int size> struct Word { typedef void type; };
template <> struct Word<2> { typedef uint16_t type; };
template <> struct Word<4> { typedef uint32_t type; };

// copy_tile copies out[i, j] = x[j, i] of at most tile × tile elements, through
// a copy of the tile: rows of x are often a power of two apart, where they
// would push each other out of the cache.
template <class S, class D> void copy_tile(const S* x, int64_t ldx, D* out, int64_t ldo, int64_t rows, int64_t cols) {
  constexpr int64_t ld = tile + 64 / sizeof(D);
  typedef typename Word<sizeof(D)>::type W;
  alignas(64) D packed[tile * ld];
  for (int64_t j = 0; j < cols; j++) convert(x + j * ldx, packed + j * ld, rows);
  int64_t whole_rows = 0, whole_cols = 0;
  if constexpr (sizeof(D) == 2 || sizeof(D) == 4) {
    whole_rows = rows / lanes * lanes;
    whole_cols = cols / lanes * lanes;
    for (int64_t i = 0; i < whole_rows; i += lanes)
      for (int64_t j = 0; j < whole_cols; j += lanes) copy_square<W>(packed + j * ld + i, ld, out + i * ldo + j, ldo);
  }
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = i < whole_rows ? whole_cols : 0; j < cols; j++) out[i * ldo + j] = packed[j * ld + i];
}

// copy_tiles: axis is the one that x is contiguous along, out is along the last.
template <class S, class D> void copy_tiles(const CopyArgs& args, int axis, const S* x, D* out, int64_t begin, int64_t end) {
  const int last = int(args.ndim) - 1;
  uint32_t outer[COPY_DIMS];
  for (int d = 0; d < last; d++) outer[d] = d == axis ? uint32_t(ceil_div(args.shape[d], tile)) : args.shape[d];
  const int64_t strips = ceil_div(args.shape[last], strip), ldx = args.srcStrides[last], ldo = args.dstStrides[axis];
  for (int64_t piece = begin; piece < end; piece++) {
    int64_t src = args.srcOffset, dst = args.dstOffset, rest = piece / strips, rows = 0;
    for (int d = last - 1; d >= 0; d--) {
      int64_t i = rest % outer[d];
      rest /= outer[d];
      if (d == axis) {
        i *= tile;
        rows = smaller(args.shape[d] - i, tile);
      }
      src += i * args.srcStrides[d];
      dst += i * args.dstStrides[d];
    }
    const int64_t from = piece % strips * strip, to = smaller(from + strip, args.shape[last]);
    for (int64_t j = from; j < to; j += tile)
      copy_tile(x + src + j * ldx, ldx, out + dst + j, ldo, rows, smaller(to - j, tile));
  }
}

template <class S, class D> void copy(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const CopyArgs& args = *static_cast<const CopyArgs*>(l->args);
  const S* x = static_cast<const S*>(l->bufs[0]);
  D* out = static_cast<D*>(l->bufs[1]);
  const int axis = transposed_axis(args);
  if (axis < 0) copy_rows(args, x, out, begin, end);
  else copy_tiles(args, axis, x, out, begin, end);
}

template <class T> void fill(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const FillArgs& args = *static_cast<const FillArgs*>(l->args);
  const Elements all = elements_of(args, begin, end);
  T v;
  store_n(&v, splat(args.startFloat), 1);
  T* out = static_cast<T*>(l->bufs[0]);
  for (int64_t i = all.from; i < all.to; i++) out[i] = v;
}

// Loops over constant strides of 0 and 1 are what the compiler vectorises.
template <int64_t sb, int64_t sc, class T> void select_row(const uint8_t* a, const T* b, const T* c, T* out, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = a[i] ? b[i * sb] : c[i * sc];
}

template <class T> void where(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const BinaryArgs& args = *static_cast<const BinaryArgs*>(l->args);
  const int last = int(args.ndim) - 1;
  const int64_t inner = args.shape[last];
  const Elements all = elements_of(args, begin, end);
  const int64_t sa = args.aStrides[last], sb = args.bStrides[last], sc = args.cStrides[last];
  for (int64_t at = all.from; at < all.to;) {
    const int64_t row = at / inner, col = at % inner, n = smaller(inner - col, all.to - at);
    const uint8_t* a = static_cast<const uint8_t*>(l->bufs[0]) + args.aOffset + place(args.aStrides, args.shape, last, row) + col * sa;
    const T* b = static_cast<const T*>(l->bufs[1]) + args.bOffset + place(args.bStrides, args.shape, last, row) + col * sb;
    const T* c = static_cast<const T*>(l->bufs[2]) + args.cOffset + place(args.cStrides, args.shape, last, row) + col * sc;
    T* out = static_cast<T*>(l->bufs[3]) + at;
    if (sa == 1 && sb == 1 && sc == 1) select_row<1, 1>(a, b, c, out, n);
    else if (sa == 1 && sb == 1 && sc == 0) select_row<1, 0>(a, b, c, out, n);
    else if (sa == 1 && sb == 0 && sc == 1) select_row<0, 1>(a, b, c, out, n);
    else for (int64_t i = 0; i < n; i++) out[i] = a[i * sa] ? b[i * sb] : c[i * sc];
    at += n;
  }
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft

#else

static int64_t copy_pieces(const ft_launch* l) {
  const CopyArgs& args = *static_cast<const CopyArgs*>(l->args);
  const int axis = transposed_axis(args), last = int(args.ndim) - 1;
  if (axis < 0) return ft::element_pieces<CopyArgs>(l);
  int64_t pieces = ft::ceil_div(args.shape[last], strip);
  for (int d = 0; d < last; d++) pieces *= d == axis ? ft::ceil_div(args.shape[d], tile) : args.shape[d];
  return pieces;
}

// A range is left to the kernel.
static int64_t fill_pieces(const ft_launch* l) {
  return static_cast<const FillArgs*>(l->args)->stepFloat == 0.0f ? ft::element_pieces<FillArgs>(l) : 0;
}

FT_RUNNER(copy8, copy<uint8_t, uint8_t>)
FT_RUNNER(copy16, copy<uint16_t, uint16_t>)
FT_RUNNER(copy32, copy<uint32_t, uint32_t>)
FT_RUNNER(copy64, copy<uint64_t, uint64_t>)
FT_NATIVE("copy_bool_bool", copy_pieces, copy8);
FT_NATIVE("copy_u8_u8", copy_pieces, copy8);
FT_NATIVE("copy_i8_i8", copy_pieces, copy8);
FT_NATIVE("copy_u16_u16", copy_pieces, copy16);
FT_NATIVE("copy_i16_i16", copy_pieces, copy16);
FT_NATIVE("copy_f16_f16", copy_pieces, copy16);
FT_NATIVE("copy_bf16_bf16", copy_pieces, copy16);
FT_NATIVE("copy_u32_u32", copy_pieces, copy32);
FT_NATIVE("copy_i32_i32", copy_pieces, copy32);
FT_NATIVE("copy_f32_f32", copy_pieces, copy32);
FT_NATIVE("copy_u64_u64", copy_pieces, copy64);
FT_NATIVE("copy_i64_i64", copy_pieces, copy64);

FT_RUNNER(copy_f32_f16, copy<float, ft::f16>)
FT_RUNNER(copy_f32_bf16, copy<float, ft::bf16>)
FT_RUNNER(copy_f16_f32, copy<ft::f16, float>)
FT_RUNNER(copy_bf16_f32, copy<ft::bf16, float>)
FT_RUNNER(copy_f16_bf16, copy<ft::f16, ft::bf16>)
FT_RUNNER(copy_bf16_f16, copy<ft::bf16, ft::f16>)
FT_NATIVE("copy_f32_f16", copy_pieces, copy_f32_f16);
FT_NATIVE("copy_f32_bf16", copy_pieces, copy_f32_bf16);
FT_NATIVE("copy_f16_f32", copy_pieces, copy_f16_f32);
FT_NATIVE("copy_bf16_f32", copy_pieces, copy_bf16_f32);
FT_NATIVE("copy_f16_bf16", copy_pieces, copy_f16_bf16);
FT_NATIVE("copy_bf16_f16", copy_pieces, copy_bf16_f16);

FT_NATIVE_FLOATS(fill, fill_pieces, fill);

FT_RUNNER(where8, where<uint8_t>)
FT_RUNNER(where16, where<uint16_t>)
FT_RUNNER(where32, where<uint32_t>)
FT_RUNNER(where64, where<uint64_t>)
FT_NATIVE("ternary_where_bool", ft::element_pieces<BinaryArgs>, where8);
FT_NATIVE("ternary_where_u8", ft::element_pieces<BinaryArgs>, where8);
FT_NATIVE("ternary_where_i8", ft::element_pieces<BinaryArgs>, where8);
FT_NATIVE("ternary_where_u16", ft::element_pieces<BinaryArgs>, where16);
FT_NATIVE("ternary_where_i16", ft::element_pieces<BinaryArgs>, where16);
FT_NATIVE("ternary_where_f16", ft::element_pieces<BinaryArgs>, where16);
FT_NATIVE("ternary_where_bf16", ft::element_pieces<BinaryArgs>, where16);
FT_NATIVE("ternary_where_u32", ft::element_pieces<BinaryArgs>, where32);
FT_NATIVE("ternary_where_i32", ft::element_pieces<BinaryArgs>, where32);
FT_NATIVE("ternary_where_f32", ft::element_pieces<BinaryArgs>, where32);
FT_NATIVE("ternary_where_u64", ft::element_pieces<BinaryArgs>, where64);
FT_NATIVE("ternary_where_i64", ft::element_pieces<BinaryArgs>, where64);

#endif
