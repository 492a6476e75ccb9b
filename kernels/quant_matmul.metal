// Products of x with a quantised matrix: see quant.h for layouts and batches,
// quant_format.h for formats. W is never unpacked in device memory; sums in float.
//   quant_matmul: a threadgroup of 4 simdgroups makes a 32 x 32 tile of y from panels of 32
//     steps, unpacked into threadgroup memory and rounded to x's dtype, as MLX does; each
//     simdgroup makes a 16 x 16 quarter with 8 x 8 simdgroup matrices.
//   quant_matmul_rows, for few rows of x and W [N, K]: a simdgroup makes 4 elements
//     of a row of y, each lane units of 8 steps. A group's bias is multiplied
//     with the sum of x.
//   quant_matmul_across, for few rows of x and W [K, N]: a thread makes a unit of 8
//     columns over a part of K; the parts are added in their order.
#include "kernel.h"
#include "quant.h"
#include "quant_format.h"

#define QUANT_PAD_X 4
#define QUANT_PAD_W 1  // threads that unpack units meet no bank twice

// A matrix of the batch: its words, scales and biases by rows.
template <typename T, int BITS, int KIND> struct quant_matrix {
  typedef typename quant_scale<T, KIND>::type S;
  device const uint8_t* words;
  device const S* scales;
  device const T* biases;
  uint width;  // elements in a row
  uint group;

  // Unpacks the unit of elements [col, col + 8) of a row, before scaling.
  METAL_FUNC void unit(uint row, uint col, thread float* x) thread const {
    quant_unpack<BITS, KIND>(words + int64_t(row) * (width / 8 * BITS) + col / 8 * BITS, x);
  }
  METAL_FUNC int64_t group_of(uint row, uint col) thread const { return int64_t(row) * (width / group) + col / group; }
  METAL_FUNC float scale(uint row, uint col) thread const { return quant_scale<T, KIND>::value(scales[group_of(row, col)]); }
  METAL_FUNC float bias(uint row, uint col) thread const { return KIND == QUANT_AFFINE ? float(biases[group_of(row, col)]) : 0.0f; }
};

template <typename T, int BITS, int KIND>
METAL_FUNC quant_matrix<T, BITS, KIND> quant_matrix_of(
    device const uint8_t* words,
    device const typename quant_scale<T, KIND>::type* scales,
    device const T* biases,
    device const uint* rhs,
    constant QuantMatmulArgs& args,
    uint z) {
  quant_matrix<T, BITS, KIND> w;
  int64_t batch = int64_t(args.gather ? rhs[z] : z);
  w.words = words + batch * args.batchW;
  w.scales = scales + batch * args.batchS;
  w.biases = biases + (KIND == QUANT_AFFINE ? batch * args.batchS : int64_t(0));
  w.width = args.transpose ? args.k : args.n;
  w.group = args.group;
  return w;
}

template <typename T, int BITS, int KIND>
[[kernel]] void quant_matmul(
    device const T* x [[buffer(0)]],
    device const uint8_t* words [[buffer(1)]],
    device const typename quant_scale<T, KIND>::type* scales [[buffer(2)]],
    device const T* biases [[buffer(3)]],
    device const uint* lhs [[buffer(4)]],
    device const uint* rhs [[buffer(5)]],
    device T* y [[buffer(6)]],
    constant QuantMatmulArgs& args [[buffer(7)]],
    uint3 place [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  shared_memory(float, tileX, [QUANT_TILE_M * (QUANT_TILE_K + QUANT_PAD_X)]);
  shared_memory(float, tileW, [QUANT_TILE_K * (QUANT_TILE_N + QUANT_PAD_W)]);
  shared_memory(float, tileY, [QUANT_TILE_M * QUANT_TILE_N]);
  uint row = place.y * QUANT_TILE_M, col = place.x * QUANT_TILE_N;
  x += int64_t(args.gather ? lhs[place.z] : place.z) * args.batchX;
  y += int64_t(place.z) * args.m * args.n;
  quant_matrix<T, BITS, KIND> w = quant_matrix_of<T, BITS, KIND>(words, scales, biases, rhs, args, place.z);
  uint qi = simdgroup / 2 * 16, qj = simdgroup % 2 * 16;
  simdgroup_matrix<float, 8, 8> acc[2][2];
  for (uint i = 0; i < 2; i++) {
    for (uint j = 0; j < 2; j++) {
      acc[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    }
  }
  // The unit of W that this thread unpacks: a row and a first column of the tile.
  uint wi = tid / 4, wj = tid % 4 * 8;
  for (uint k0 = 0; k0 < args.k; k0 += QUANT_TILE_K) {
    for (uint e = tid; e < QUANT_TILE_M * QUANT_TILE_K; e += 128) {
      uint i = e / QUANT_TILE_K, k = e % QUANT_TILE_K;
      float v = 0.0f;
      if (row + i < args.m && k0 + k < args.k) {
        v = float(x[int64_t(row + i) * args.ldx + k0 + k]);
      }
      tileX[i * (QUANT_TILE_K + QUANT_PAD_X) + k] = v;
    }
    uint r = (args.transpose ? col : k0) + wi, c = (args.transpose ? k0 : col) + wj;
    float v[QUANT_UNIT] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
    if (r < (args.transpose ? args.n : args.k) && c < w.width) {
      w.unit(r, c, v);
      float scale = w.scale(r, c), bias = w.bias(r, c);
      for (uint i = 0; i < QUANT_UNIT; i++) {
        v[i] = float(T(v[i] * scale + bias));
      }
    }
    for (uint i = 0; i < QUANT_UNIT; i++) {
      uint k = args.transpose ? wj + i : wi, n = args.transpose ? wi : wj + i;
      tileW[k * (QUANT_TILE_N + QUANT_PAD_W) + n] = v[i];
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint q = 0; q < QUANT_TILE_K; q += 8) {
      simdgroup_matrix<float, 8, 8> mx[2], mw[2];
      for (uint i = 0; i < 2; i++) {
        simdgroup_load(mx[i], tileX + (qi + 8 * i) * (QUANT_TILE_K + QUANT_PAD_X) + q, QUANT_TILE_K + QUANT_PAD_X);
        simdgroup_load(mw[i], tileW + q * (QUANT_TILE_N + QUANT_PAD_W) + qj + 8 * i, QUANT_TILE_N + QUANT_PAD_W);
      }
      for (uint i = 0; i < 2; i++) {
        for (uint j = 0; j < 2; j++) {
          simdgroup_multiply_accumulate(acc[i][j], mx[i], mw[j], acc[i][j]);
        }
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  for (uint i = 0; i < 2; i++) {
    for (uint j = 0; j < 2; j++) {
      simdgroup_store(acc[i][j], tileY + (qi + 8 * i) * QUANT_TILE_N + qj + 8 * j, QUANT_TILE_N);
    }
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint e = tid; e < QUANT_TILE_M * QUANT_TILE_N; e += 128) {
    uint i = row + e / QUANT_TILE_N, j = col + e % QUANT_TILE_N;
    if (i < args.m && j < args.n) {
      y[int64_t(i) * args.n + j] = T(tileY[e]);
    }
  }
}

template <typename T, int BITS, int KIND>
[[kernel]] void quant_matmul_rows(
    device const T* x [[buffer(0)]],
    device const uint8_t* words [[buffer(1)]],
    device const typename quant_scale<T, KIND>::type* scales [[buffer(2)]],
    device const T* biases [[buffer(3)]],
    device const uint* lhs [[buffer(4)]],
    device const uint* rhs [[buffer(5)]],
    device T* y [[buffer(6)]],
    constant QuantMatmulArgs& args [[buffer(7)]],
    uint3 at [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  uint j0 = at.x / SIMD_SIZE * QUANT_ROWS;
  x += int64_t(args.gather ? lhs[at.z] : at.z) * args.batchX + int64_t(at.y) * args.ldx;
  y += (int64_t(at.z) * args.m + at.y) * args.n;
  quant_matrix<T, BITS, KIND> w = quant_matrix_of<T, BITS, KIND>(words, scales, biases, rhs, args, at.z);
  float sums[QUANT_ROWS] = {0.0f, 0.0f, 0.0f, 0.0f};
  for (uint k = lane * QUANT_UNIT; k < args.k; k += SIMD_SIZE * QUANT_UNIT) {
    float v[QUANT_UNIT], u[QUANT_UNIT];
    float all = 0.0f;
    for (uint i = 0; i < QUANT_UNIT; i++) {
      v[i] = float(x[k + i]);
      all += v[i];
    }
    for (uint r = 0; r < QUANT_ROWS; r++) {
      uint j = min(j0 + r, args.n - 1);
      w.unit(j, k, u);
      float dot = 0.0f;
      for (uint i = 0; i < QUANT_UNIT; i++) {
        dot += v[i] * u[i];
      }
      sums[r] += KIND == QUANT_AFFINE ? w.scale(j, k) * dot + w.bias(j, k) * all : w.scale(j, k) * dot;
    }
  }
  for (uint r = 0; r < QUANT_ROWS; r++) {
    float sum = simd_sum(sums[r]);
    if (lane == 0 && j0 + r < args.n) {
      y[j0 + r] = T(sum);
    }
  }
}

template <typename T, int BITS, int KIND>
[[kernel]] void quant_matmul_across(
    device const T* x [[buffer(0)]],
    device const uint8_t* words [[buffer(1)]],
    device const typename quant_scale<T, KIND>::type* scales [[buffer(2)]],
    device const T* biases [[buffer(3)]],
    device const uint* lhs [[buffer(4)]],
    device const uint* rhs [[buffer(5)]],
    device T* y [[buffer(6)]],
    constant QuantMatmulArgs& args [[buffer(7)]],
    uint3 place [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]]) {
  shared_memory(float, sums, [QUANT_ACROSS_PARTS][QUANT_ACROSS_UNITS * QUANT_UNIT]);
  uint part = tid / QUANT_ACROSS_UNITS, slot = tid % QUANT_ACROSS_UNITS * QUANT_UNIT;
  uint first = place.x * (QUANT_ACROSS_UNITS * QUANT_UNIT), j = first + slot;
  x += int64_t(args.gather ? lhs[place.z] : place.z) * args.batchX + int64_t(place.y) * args.ldx;
  y += (int64_t(place.z) * args.m + place.y) * args.n;
  quant_matrix<T, BITS, KIND> w = quant_matrix_of<T, BITS, KIND>(words, scales, biases, rhs, args, place.z);
  float acc[QUANT_UNIT] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
  if (j < args.n) {
    float u[QUANT_UNIT];
    for (uint k = part; k < args.k; k += QUANT_ACROSS_PARTS) {
      w.unit(k, j, u);
      float v = float(x[k]), scale = v * w.scale(k, j), bias = v * w.bias(k, j);
      for (uint i = 0; i < QUANT_UNIT; i++) {
        acc[i] += KIND == QUANT_AFFINE ? scale * u[i] + bias : scale * u[i];
      }
    }
  }
  for (uint i = 0; i < QUANT_UNIT; i++) {
    sums[part][slot + i] = acc[i];
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (tid < QUANT_ACROSS_UNITS * QUANT_UNIT && first + tid < args.n) {
    float sum = sums[0][tid];
    for (uint p = 1; p < QUANT_ACROSS_PARTS; p++) {
      sum += sums[p][tid];
    }
    y[first + tid] = T(sum);
  }
}

// clang-format off
#define instantiate_format(n, T, format, BITS, KIND)                                  \
  instantiate_kernel("quant_matmul_" #format "_" #n, quant_matmul, T, BITS, KIND)     \
  instantiate_kernel("quant_matmul_rows_" #format "_" #n, quant_matmul_rows, T, BITS, KIND) \
  instantiate_kernel("quant_matmul_across_" #format "_" #n, quant_matmul_across, T, BITS, KIND)
#define instantiate_products(n, T)                 \
  instantiate_format(n, T, b2, 2, QUANT_AFFINE)    \
  instantiate_format(n, T, b3, 3, QUANT_AFFINE)    \
  instantiate_format(n, T, b4, 4, QUANT_AFFINE)    \
  instantiate_format(n, T, b5, 5, QUANT_AFFINE)    \
  instantiate_format(n, T, b6, 6, QUANT_AFFINE)    \
  instantiate_format(n, T, b8, 8, QUANT_AFFINE)    \
  instantiate_format(n, T, mxfp4, 4, QUANT_E8M0)   \
  instantiate_format(n, T, mxfp8, 8, QUANT_E8M0)   \
  instantiate_format(n, T, nvfp4, 4, QUANT_E4M3)
instantiate_products(f32, float)
instantiate_products(f16, half)
instantiate_products(bf16, bfloat)
// clang-format on
