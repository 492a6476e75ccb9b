// Arguments of quantisation. The last axis of a matrix is cut into groups of
// equal length, which have a scale each and, in affine formats, a bias. A unit is
// eight elements of a group; packed, it takes as many bytes as an element has
// bits, the first element in the lowest bits.
#pragma once

#define QUANT_UNIT 8

// Quantising and dequantising units that lie one behind the other.
struct QuantArgs {
  uint64_t units;
  uint32_t group;      // elements
  uint32_t hasGlobal;  // 1: scales are relative to a float32 scale of the whole matrix
};

// Conversions to and from e4m3.
struct QuantFp8Args {
  uint64_t size;
};

// Products y = x @ w^T for w [N, K] (transpose = 1), or y = x @ w for w [K, N],
// of x [M, K], y [M, N], batched. The rows of x lie ldx elements apart, all else
// without gaps. Batch z takes matrix z of x and w, or lhs[z] of x and rhs[z] of w
// when gather is 1; a stride of 0 repeats a matrix. Batch strides are in elements
// of x and y, of scales and biases, and in bytes of w.
struct QuantMatmulArgs {
  int64_t ldx;
  int64_t batchX;
  int64_t batchW;
  int64_t batchS;
  uint32_t m;
  uint32_t n;
  uint32_t k;
  uint32_t group;
  uint32_t transpose;
  uint32_t gather;
};

#define QUANT_TILE_M 32
#define QUANT_TILE_N 32
#define QUANT_TILE_K 32

// quant_matmul_rows: rows of W that a simdgroup multiplies at once.
// quant_matmul_across: units of columns and parts of K of a threadgroup.
#define QUANT_ROWS 4
#define QUANT_ACROSS_UNITS 8
#define QUANT_ACROSS_PARTS 32
