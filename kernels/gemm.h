// Arguments of the matrix product C = alpha * A @ B (+ beta * D) (+ scale * U @ V):
// A [M, K], B [K, N], C, D [M, N], U [M, R], V [R, N], batched. Each of A, B, U,
// V is stored row-major (trans = 0: element (i, j) at i * ld + j) or column-major
// (trans = 1: at j * ld + i). C and D are row-major. Batch strides are in
// elements; 0 repeats a matrix. The low-rank product has no batch.
//
// Buffers: A, B, D, U, V, C. D is bound to nothing of use when hasD is 0, U and V
// when R is 0.
//
// With hasD = 2 there is no D: its binding holds an int32, the number of rows of
// a larger product that are wanted, and this is the part of it that begins at row
// first. The other rows of C are not computed, and stay as they are.
//
// With split, batch z is the product over the z-th part of K alone, of split
// steps; batchA and batchB lead from part to part. gemm_merge adds them up.
#pragma once

#define GEMM_TILE_M 32
#define GEMM_TILE_N 32
#define GEMM_TILE_K 16

struct GemmArgs {
  int64_t batchA;
  int64_t batchB;
  int64_t batchC;
  int64_t batchD;
  int64_t lda;
  int64_t ldb;
  int64_t ldc;
  int64_t ldd;
  int64_t ldu;
  int64_t ldv;
  uint32_t m;
  uint32_t n;
  uint32_t k;
  uint32_t r;
  uint32_t transA;
  uint32_t transB;
  uint32_t transU;
  uint32_t transV;
  uint32_t hasD;
  uint32_t split;
  float alpha;
  float beta;
  float scale;
  uint32_t first;
};

// C = alpha * sum of parts [count, M, N] (+ beta * D).
struct GemmMergeArgs {
  int64_t ldc;
  int64_t ldd;
  uint32_t m;
  uint32_t n;
  uint32_t count;
  uint32_t hasD;
  float alpha;
  float beta;
};

// Columns of C and parts of K in a threadgroup of gemm_gemv_across.
#define GEMV_COLUMNS 32
#define GEMV_PARTS 8
