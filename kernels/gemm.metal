// C = alpha * A @ B (+ beta * D) (+ scale * U @ V): see gemm.h. A threadgroup
// of 4 simdgroups makes a 32 x 32 tile of C from panels of 16 in threadgroup
// memory, each simdgroup a 16 x 16 quarter with 8 x 8 simdgroup matrices. The
// low-rank product runs as R more columns of K through the same tiles, scaled
// by scale/alpha while it is loaded. Sums in float; edges are loaded as zeros
// and not stored.
#include "kernel.h"
#include "gemm.h"

#define GEMM_PAD 4

// Loads rows [row, row+32) x columns [col, col+16) of a [rows, cols] matrix
// into tile, zeros outside.
template <typename T>
METAL_FUNC void load_a(
    device const T* a, int64_t ld, uint trans, uint row, uint col, uint rows, uint cols, float scale,
    threadgroup float* tile, uint tid) {
  for (uint e = tid; e < GEMM_TILE_M * GEMM_TILE_K; e += 128) {
    uint i = trans ? e % GEMM_TILE_M : e / GEMM_TILE_K, j = trans ? e / GEMM_TILE_M : e % GEMM_TILE_K;
    float v = 0.0f;
    if (row + i < rows && col + j < cols) {
      v = float(trans ? a[int64_t(col + j) * ld + row + i] : a[int64_t(row + i) * ld + col + j]) * scale;
    }
    tile[i * (GEMM_TILE_K + GEMM_PAD) + j] = v;
  }
}

// Loads rows [row, row+16) x columns [col, col+32).
template <typename T>
METAL_FUNC void load_b(
    device const T* b, int64_t ld, uint trans, uint row, uint col, uint rows, uint cols,
    threadgroup float* tile, uint tid) {
  for (uint e = tid; e < GEMM_TILE_K * GEMM_TILE_N; e += 128) {
    uint i = trans ? e % GEMM_TILE_K : e / GEMM_TILE_N, j = trans ? e / GEMM_TILE_K : e % GEMM_TILE_N;
    float v = 0.0f;
    if (row + i < rows && col + j < cols) {
      v = float(trans ? b[int64_t(col + j) * ld + row + i] : b[int64_t(row + i) * ld + col + j]);
    }
    tile[i * (GEMM_TILE_N + GEMM_PAD) + j] = v;
  }
}

template <typename T, typename U>
[[kernel]] void gemm(
    device const T* a [[buffer(0)]],
    device const T* b [[buffer(1)]],
    device const U* d [[buffer(2)]],
    device const T* u [[buffer(3)]],
    device const T* v [[buffer(4)]],
    device U* c [[buffer(5)]],
    constant GemmArgs& args [[buffer(6)]],
    uint3 group [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  shared_memory(float, tileA, [GEMM_TILE_M * (GEMM_TILE_K + GEMM_PAD)]);
  shared_memory(float, tileB, [GEMM_TILE_K * (GEMM_TILE_N + GEMM_PAD)]);
  shared_memory(float, tileC, [GEMM_TILE_M * GEMM_TILE_N]);
  uint row = group.y * GEMM_TILE_M, col = group.x * GEMM_TILE_N;
  a += int64_t(group.z) * args.batchA;
  b += int64_t(group.z) * args.batchB;
  uint qi = simdgroup / 2 * 16, qj = simdgroup % 2 * 16;
  simdgroup_matrix<float, 8, 8> acc[2][2];
  for (uint i = 0; i < 2; i++) {
    for (uint j = 0; j < 2; j++) {
      acc[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    }
  }
  float low = args.alpha == 0.0f ? 0.0f : args.scale / args.alpha;
  uint panels = (args.k + GEMM_TILE_K - 1) / GEMM_TILE_K;
  uint extra = (args.r + GEMM_TILE_K - 1) / GEMM_TILE_K;
  for (uint p = 0; p < panels + extra; p++) {
    if (p < panels) {
      load_a<T>(a, args.lda, args.transA, row, p * GEMM_TILE_K, args.m, args.k, 1.0f, tileA, tid);
      load_b<T>(b, args.ldb, args.transB, p * GEMM_TILE_K, col, args.k, args.n, tileB, tid);
    } else {
      uint q = (p - panels) * GEMM_TILE_K;
      load_a<T>(u, args.ldu, args.transU, row, q, args.m, args.r, low, tileA, tid);
      load_b<T>(v, args.ldv, args.transV, q, col, args.r, args.n, tileB, tid);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint k = 0; k < GEMM_TILE_K; k += 8) {
      simdgroup_matrix<float, 8, 8> ma[2], mb[2];
      for (uint i = 0; i < 2; i++) {
        simdgroup_load(ma[i], tileA + (qi + 8 * i) * (GEMM_TILE_K + GEMM_PAD) + k, GEMM_TILE_K + GEMM_PAD);
        simdgroup_load(mb[i], tileB + k * (GEMM_TILE_N + GEMM_PAD) + qj + 8 * i, GEMM_TILE_N + GEMM_PAD);
      }
      for (uint i = 0; i < 2; i++) {
        for (uint j = 0; j < 2; j++) {
          simdgroup_multiply_accumulate(acc[i][j], ma[i], mb[j], acc[i][j]);
        }
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  for (uint i = 0; i < 2; i++) {
    for (uint j = 0; j < 2; j++) {
      simdgroup_store(acc[i][j], tileC + (qi + 8 * i) * GEMM_TILE_N + qj + 8 * j, GEMM_TILE_N);
    }
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint e = tid; e < GEMM_TILE_M * GEMM_TILE_N; e += 128) {
    uint i = row + e / GEMM_TILE_N, j = col + e % GEMM_TILE_N;
    if (i < args.m && j < args.n) {
      float x = args.alpha * tileC[e];
      if (args.hasD) {
        x += args.beta * float(d[int64_t(group.z) * args.batchD + int64_t(i) * args.ldd + j]);
      }
      c[int64_t(group.z) * args.batchC + int64_t(i) * args.ldc + j] = U(x);
    }
  }
}

// clang-format off
instantiate_kernel("gemm_f32", gemm, float, float)
instantiate_kernel("gemm_f16", gemm, half, half)
instantiate_kernel("gemm_bf16", gemm, bfloat, bfloat)
instantiate_kernel("gemm_f16_f32", gemm, half, float)
instantiate_kernel("gemm_bf16_f32", gemm, bfloat, float)
// clang-format on
