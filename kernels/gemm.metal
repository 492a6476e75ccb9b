// C = alpha * A @ B (+ beta * D) (+ scale * U @ V): see gemm.h. A threadgroup
// of 4 simdgroups makes a 32 x 32 tile of C from panels of 16 in threadgroup
// memory, each simdgroup a 16 x 16 quarter with 8 x 8 simdgroup matrices. The
// low-rank product runs as R more columns of K through the same tiles, scaled
// by scale/alpha while it is loaded. Sums in float; edges are loaded as zeros
// and not stored. gemm_gemv and gemm_gemv_across are for M = 1; gemm_merge ends a
// product whose K was split.
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
  uint m = args.m;
  if (args.hasD == 2) {
    int wanted = *(device const int*)d - int(args.first);
    m = min(m, uint(max(wanted, 0)));
  }
  a += int64_t(group.z) * args.batchA;
  b += int64_t(group.z) * args.batchB;
  uint qi = simdgroup / 2 * 16, qj = simdgroup % 2 * 16;
  simdgroup_matrix<float, 8, 8> acc[2][2];
  for (uint i = 0; i < 2; i++) {
    for (uint j = 0; j < 2; j++) {
      acc[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    }
  }
  uint k = args.split == 0 ? args.k : min(args.split, args.k - group.z * args.split);
  float low = args.alpha == 0.0f ? 0.0f : args.scale / args.alpha;
  uint panels = row < m ? (k + GEMM_TILE_K - 1) / GEMM_TILE_K : 0;
  uint extra = row < m ? (args.r + GEMM_TILE_K - 1) / GEMM_TILE_K : 0;
  for (uint p = 0; p < panels + extra; p++) {
    if (p < panels) {
      load_a<T>(a, args.lda, args.transA, row, p * GEMM_TILE_K, m, k, 1.0f, tileA, tid);
      load_b<T>(b, args.ldb, args.transB, p * GEMM_TILE_K, col, k, args.n, tileB, tid);
    } else {
      uint q = (p - panels) * GEMM_TILE_K;
      load_a<T>(u, args.ldu, args.transU, row, q, m, args.r, low, tileA, tid);
      load_b<T>(v, args.ldv, args.transV, q, col, args.r, args.n, tileB, tid);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint q = 0; q < GEMM_TILE_K; q += 8) {
      simdgroup_matrix<float, 8, 8> ma[2], mb[2];
      for (uint i = 0; i < 2; i++) {
        simdgroup_load(ma[i], tileA + (qi + 8 * i) * (GEMM_TILE_K + GEMM_PAD) + q, GEMM_TILE_K + GEMM_PAD);
        simdgroup_load(mb[i], tileB + q * (GEMM_TILE_N + GEMM_PAD) + qj + 8 * i, GEMM_TILE_N + GEMM_PAD);
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
    if (i < m && j < args.n) {
      float x = args.alpha * tileC[e];
      if (args.hasD == 1) {
        x += args.beta * float(d[int64_t(group.z) * args.batchD + int64_t(i) * args.ldd + j]);
      }
      c[int64_t(group.z) * args.batchC + int64_t(i) * args.ldc + j] = U(x);
    }
  }
}

// The part of column j that threads first, first + step, … of the low-rank
// product make.
template <typename T>
METAL_FUNC float gemv_low(
    device const T* u, device const T* v, constant GemmArgs& args, uint j, uint first, uint step) {
  float sum = 0.0f;
  for (uint r = first; r < args.r; r += step) {
    int64_t at = args.transV ? int64_t(j) * args.ldv + r : int64_t(r) * args.ldv + j;
    sum += float(u[args.transU ? int64_t(r) * args.ldu : int64_t(r)]) * float(v[at]);
  }
  return sum;
}

// Stores column j of C for the sums of the two products.
template <typename U>
METAL_FUNC void gemv_store(
    float sum, float low, device const U* d, device U* c, constant GemmArgs& args, uint j, uint batch) {
  float x = args.alpha * sum + args.scale * low;
  if (args.hasD) {
    x += args.beta * float(d[int64_t(batch) * args.batchD + j]);
  }
  c[int64_t(batch) * args.batchC + j] = U(x);
}

// M = 1 and B by columns: a simdgroup per column, whose lanes read runs of 4.
template <typename T, typename U>
[[kernel]] void gemv(
    device const T* a [[buffer(0)]],
    device const T* b [[buffer(1)]],
    device const U* d [[buffer(2)]],
    device const T* u [[buffer(3)]],
    device const T* v [[buffer(4)]],
    device U* c [[buffer(5)]],
    constant GemmArgs& args [[buffer(6)]],
    uint3 at [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  uint j = at.x / SIMD_SIZE;
  a += int64_t(at.z) * args.batchA;
  b += int64_t(at.z) * args.batchB + int64_t(j) * args.ldb;
  int64_t step = args.transA ? args.lda : 1;
  float sum = 0.0f;
  uint k = lane * 4;
  for (; k + 4 <= args.k; k += 4 * SIMD_SIZE) {
    for (uint i = 0; i < 4; i++) {
      sum += float(a[int64_t(k + i) * step]) * float(b[k + i]);
    }
  }
  for (; k < args.k; k++) {
    sum += float(a[int64_t(k) * step]) * float(b[k]);
  }
  sum = simd_sum(sum);
  float low = simd_sum(gemv_low<T>(u, v, args, j, lane, SIMD_SIZE));
  if (lane == 0) {
    gemv_store<U>(sum, low, d, c, args, j, at.z);
  }
}

// M = 1 and B by rows: a thread per column and part of K; the parts are added in
// their order.
template <typename T, typename U>
[[kernel]] void gemv_across(
    device const T* a [[buffer(0)]],
    device const T* b [[buffer(1)]],
    device const U* d [[buffer(2)]],
    device const T* u [[buffer(3)]],
    device const T* v [[buffer(4)]],
    device U* c [[buffer(5)]],
    constant GemmArgs& args [[buffer(6)]],
    uint3 group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint part [[simdgroup_index_in_threadgroup]]) {
  shared_memory(float, sums, [GEMV_PARTS][GEMV_COLUMNS]);
  shared_memory(float, lows, [GEMV_PARTS][GEMV_COLUMNS]);
  uint j = group.x * GEMV_COLUMNS + lane;
  float sum = 0.0f, low = 0.0f;
  if (j < args.n) {
    a += int64_t(group.z) * args.batchA;
    b += int64_t(group.z) * args.batchB + j;
    int64_t step = args.transA ? args.lda : 1;
    for (uint k = part; k < args.k; k += GEMV_PARTS) {
      sum += float(a[int64_t(k) * step]) * float(b[int64_t(k) * args.ldb]);
    }
    low = gemv_low<T>(u, v, args, j, part, GEMV_PARTS);
  }
  sums[part][lane] = sum;
  lows[part][lane] = low;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (part == 0 && j < args.n) {
    for (uint p = 1; p < GEMV_PARTS; p++) {
      sum += sums[p][lane];
      low += lows[p][lane];
    }
    gemv_store<U>(sum, low, d, c, args, j, group.z);
  }
}

// One thread per element of C.
template <typename U>
[[kernel]] void gemm_merge(
    device const float* parts [[buffer(0)]],
    device const U* d [[buffer(1)]],
    device U* c [[buffer(2)]],
    constant GemmMergeArgs& args [[buffer(3)]],
    uint2 at [[thread_position_in_grid]]) {
  float sum = 0.0f;
  for (uint p = 0; p < args.count; p++) {
    sum += parts[(int64_t(p) * args.m + at.y) * args.n + at.x];
  }
  float x = args.alpha * sum;
  if (args.hasD) {
    x += args.beta * float(d[int64_t(at.y) * args.ldd + at.x]);
  }
  c[int64_t(at.y) * args.ldc + at.x] = U(x);
}

// clang-format off
#define instantiate_gemm(n, T, U)                           \
  instantiate_kernel("gemm_" #n, gemm, T, U)                \
  instantiate_kernel("gemm_gemv_" #n, gemv, T, U)           \
  instantiate_kernel("gemm_gemv_across_" #n, gemv_across, T, U)
instantiate_gemm(f32, float, float)
instantiate_gemm(f16, half, half)
instantiate_gemm(bf16, bfloat, bfloat)
instantiate_gemm(f16_f32, half, float)
instantiate_gemm(bf16_f32, bfloat, float)
instantiate_kernel("gemm_merge_f32", gemm_merge, float)
instantiate_kernel("gemm_merge_f16", gemm_merge, half)
instantiate_kernel("gemm_merge_bf16", gemm_merge, bfloat)
// clang-format on
