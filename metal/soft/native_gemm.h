// What the parts of the native gemm know of each other: native_gemm.cpp divides
// a launch into pieces; native_gemm_<isa>.cpp compile native_gemm_core.h (that for
// AMX native_gemm_tiles.h) and native_gemm_skinny.h for one instruction set each and
// compute pieces.
#pragma once

#include <utility>

#include "native.h"
#include "native_types.h"
#include "soft.h"

namespace ft {

// Matrix is an operand: element (i, j) lies at i * row + j * col, and one of
// the strides is 1.
template <class P> struct Matrix {
  P p;
  int64_t row, col;
  Matrix transposed() const { return Matrix{p, col, row}; }
};

// GemmJob is one product of the launch, C = alpha * (A @ B + low * U @ V) (+ beta * D).
struct GemmJob {
  Matrix<const void*> a, b, d, u, v;
  Matrix<void*> c;
  int64_t m, n, k, r;
  float alpha, beta, low;
  bool has_d;
  const float *packed_a, *packed_b;  // the operands as pack has them, or null
};

// GemmRect is the part of C that a piece computes.
struct GemmRect { int64_t i0, i1, j0, j1; };

// The dtypes of A, B, U, V and of C, D.
enum GemmTypes { gemm_f32, gemm_f16, gemm_bf16, gemm_f16_f32, gemm_bf16_f32, gemm_types };

// gemm_skinny is the most rows of a product that skinny computes.
constexpr int gemm_skinny = 8;

// gemm_narrow is the most columns of a product of an A stored by columns that is turned.
constexpr int gemm_narrow = 16;

// The largest piece: its sums fit into the third level cache, the panels of B
// into the second.
constexpr int64_t gemm_most_rows = 1024, gemm_most_cols = 512;

// The most panels that pack packs at a time.
constexpr int64_t gemm_pack_strips = 16;

// GemmIsa is the code for one instruction set.
struct GemmIsa {
  int mr, nr;  // the micro tile
  // Bytes of scratch that tile needs for a piece of rows x cols.
  size_t (*tile_scratch)(int64_t rows, int64_t cols);
  void (*tile[gemm_types])(const GemmJob&, const GemmRect&, char* scratch);
  // The same for m <= gemm_skinny and columns [j0, j1) of C; k is the larger of K and R.
  size_t (*skinny_scratch)(int64_t m, int64_t k, int64_t cols);
  void (*skinny[gemm_types])(const GemmJob&, int64_t j0, int64_t j1, char* scratch);
  // C = alpha * sum of parts[count][M][N] (+ beta * D), for the rows [i0, i1).
  void (*merge[gemm_f16_f32])(const GemmJob&, const float* parts, int64_t count, int64_t i0, int64_t i1);
  // Bytes of the whole operand A, of extent rows, or B, of extent columns, in panels.
  size_t (*packed_bytes[gemm_f16_f32])(int64_t extent, int64_t k, bool of_b);
  // Panels [s0, s1) of A, or of B transposed, with the steps [q0, q1) of all k, whole pairs of them.
  void (*pack[gemm_f16_f32])(const Matrix<const void*>&, int64_t extent, int64_t all, bool of_b, int64_t s0, int64_t s1, int64_t q0, int64_t q1, float*);
};

// The instruction sets of this build; null where it has none.
const GemmIsa* gemm_base();
const GemmIsa* gemm_avx2();
const GemmIsa* gemm_avx512();
const GemmIsa* gemm_avx512_bf16();
// Of bfloat16 alone; plain: without AMX's instructions.
const GemmIsa* gemm_amx(bool plain);


// gemm_packing says how the operands of a launch of n are packed ahead; see
// ft_packing_of.
int gemm_packing(const ft_native* n, const ft_launch* l, ft_packing* out);

}  // namespace ft
