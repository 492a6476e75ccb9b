// What native kernels over rows of n elements have in common.
#pragma once

#include "native.h"
#include "native_types.h"

namespace ft {

constexpr int64_t row_piece = 16384;  // elements of a piece of work, about

// element_pieces is the units of a launch over args.size elements, whatever rows
// they are in; elements_of is those of the pieces [begin, end).
template <class Args> int64_t element_pieces(const ft_launch* l) {
  return ceil_div(int64_t(static_cast<const Args*>(l->args)->size), row_piece);
}
struct Elements { int64_t from, to; };
template <class Args> Elements elements_of(const Args& args, int64_t begin, int64_t end) {
  return Elements{begin * row_piece, smaller(end * row_piece, int64_t(args.size))};
}

// place is the offset of a row in an operand: of its index in the first axes.
inline int64_t place(const int64_t* strides, const uint32_t* shape, int axes, int64_t row) {
  int64_t at = 0;
  for (int d = axes - 1; d >= 0; d--) {
    at += row % shape[d] * strides[d];
    row /= shape[d];
  }
  return at;
}

// rows_per_piece is how many rows of n elements one piece of work has.
inline int64_t rows_per_piece(int64_t n) { return n < row_piece ? row_piece / (n > 0 ? n : 1) : 1; }

// row_pieces is the units of a launch over args.rows rows of args.n elements.
template <class Args> int64_t row_pieces(const ft_launch* l) {
  const Args& args = *static_cast<const Args*>(l->args);
  return ceil_div(args.rows, rows_per_piece(args.n));
}

// each_row calls f for the rows of the pieces [begin, end).
template <class Args, class F> inline void each_row(const Args& args, int64_t begin, int64_t end, F f) {
  const int64_t per = rows_per_piece(args.n), rows = args.rows;
  for (int64_t row = begin * per; row < end * per && row < rows; row++) f(row);
}

// column_tile is how many columns a piece adds up; column_pieces is the units of a
// launch that adds blocks of args.blockRows rows, and Columns is piece i of them.
constexpr int64_t column_tile = 1024;
template <class Args> int64_t column_pieces(const ft_launch* l) {
  const Args& args = *static_cast<const Args*>(l->args);
  return ceil_div(args.rows, args.blockRows) * ceil_div(args.n, column_tile);
}
struct Columns {
  int64_t block, col, width, first, last;  // last: the row behind
  template <class Args> Columns(const Args& args, int64_t i) {
    const int64_t tiles = ceil_div(args.n, column_tile);
    block = i / tiles, col = i % tiles * column_tile, width = smaller(args.n - col, column_tile);
    first = block * args.blockRows, last = smaller(first + args.blockRows, args.rows);
  }
};

}  // namespace ft

// FT_NATIVE_FLOATS registers function<T>, of the instruction sets' namespaces,
// for the kernels stem_f32, stem_f16 and stem_bf16.
#define FT_NATIVE_FLOATS(stem, units, function) \
  FT_RUNNER(stem##_f32, function<float>)        \
  FT_RUNNER(stem##_f16, function<ft::f16>)      \
  FT_RUNNER(stem##_bf16, function<ft::bf16>)    \
  FT_NATIVE(#stem "_f32", units, stem##_f32);   \
  FT_NATIVE(#stem "_f16", units, stem##_f16);   \
  FT_NATIVE(#stem "_bf16", units, stem##_bf16)
