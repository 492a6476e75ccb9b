// What native kernels over rows of n elements have in common.
#pragma once

#include <stdint.h>

#include "native.h"

namespace ft {

constexpr int64_t row_piece = 16384;  // elements of a piece of work, about

// rows_per_piece is how many rows of n elements one piece of work has.
inline int64_t rows_per_piece(int64_t n) { return n < row_piece ? row_piece / (n > 0 ? n : 1) : 1; }

// row_pieces is the units of a launch over args.rows rows of args.n elements.
template <class Args> int64_t row_pieces(const ft_launch* l) {
  const Args& args = *static_cast<const Args*>(l->args);
  int64_t per = rows_per_piece(args.n);
  return (int64_t(args.rows) + per - 1) / per;
}

// each_row calls f for the rows of the pieces [begin, end).
template <class Args, class F> inline void each_row(const Args& args, int64_t begin, int64_t end, F f) {
  const int64_t per = rows_per_piece(args.n), rows = args.rows;
  for (int64_t row = begin * per; row < end * per && row < rows; row++) f(row);
}

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
