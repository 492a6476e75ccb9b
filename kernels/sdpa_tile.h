// What the attention kernels share: which pairs are visible, and 8 x 8 pieces of
// matrices spread over a simdgroup.
#pragma once

#define SDPA_LOG2E 1.44269504f
#define SDPA_LN2 0.693147181f

typedef simdgroup_matrix<float, 8, 8> sdpa_piece;

// The row (y) and first column (x) of the two elements that a lane holds of an
// 8 x 8 piece. Lanes that differ in bits 0 and 3 share a row.
METAL_FUNC uint2 sdpa_lane(uint lane) {
  return uint2((lane / 4 & 2) * 2 + lane % 2 * 2, (lane / 4 & 4) + lane / 2 % 4);
}

METAL_FUNC float sdpa_row_max(float x) {
  x = max(x, simd_shuffle_xor(x, 1));
  return max(x, simd_shuffle_xor(x, 8));
}
METAL_FUNC float sdpa_row_sum(float x) {
  x += simd_shuffle_xor(x, 1);
  return x + simd_shuffle_xor(x, 8);
}

// A piece of rows [row, row+8) straight from device memory, zeros past the end.
// The simdgroup alone uses it, so that threadgroup memory would not help.
template <typename T>
METAL_FUNC void sdpa_load(thread sdpa_piece& m, device const T* x, int64_t stride, uint row, uint rows, uint col, uint2 at) {
  float a = 0.0f, b = 0.0f;
  if (row + at.y < rows) {
    device const T* p = x + int64_t(row + at.y) * stride + col + at.x;
    a = float(p[0]);
    b = float(p[1]);
  }
  m.thread_elements()[0] = a;
  m.thread_elements()[1] = b;
}

template <typename T>
METAL_FUNC void sdpa_store(thread sdpa_piece& m, device T* x, int64_t stride, uint row, uint rows, uint col, uint2 at, float factor) {
  if (row + at.y < rows) {
    device T* p = x + int64_t(row + at.y) * stride + col + at.x;
    p[0] = T(m.thread_elements()[0] * factor);
    p[1] = T(m.thread_elements()[1] * factor);
  }
}

// Copies rows [row, row+count) to a tile of the threadgroup, zeros past the end.
template <typename T>
METAL_FUNC void sdpa_load_tile(
    device const T* x, int64_t stride, uint row, uint count, uint rows, uint dim, threadgroup float* tile, uint ld, uint simdgroup, uint lane) {
  for (uint i = simdgroup; i < count; i += SDPA_THREADS / SIMD_SIZE) {
    bool inside = row + i < rows;
    device const T* p = x + int64_t(row + i) * stride;
    for (uint c = lane; c < dim; c += SIMD_SIZE) {
      tile[i * ld + c] = inside ? float(p[c]) : 0.0f;
    }
  }
}

// How many keys a query sees, and the first query that sees a key, segments
// aside.
METAL_FUNC uint sdpa_keys_end(constant SDPAArgs& args, uint query) {
  int64_t end = int64_t(query) + 1 + args.tk - args.tq;
  return args.causal ? uint(clamp(end, int64_t(0), int64_t(args.tk))) : args.tk;
}
METAL_FUNC uint sdpa_queries_begin(constant SDPAArgs& args, uint key) {
  int64_t begin = int64_t(key) + args.tq - args.tk;
  return args.causal ? uint(clamp(begin, int64_t(0), int64_t(args.tq))) : 0;
}

METAL_FUNC bool sdpa_visible(constant SDPAArgs& args, device const int* segQ, device const int* segK, uint query, uint key) {
  bool inside = query < args.tq && key < args.tk;
  bool before = !args.causal || int64_t(key) + args.tq <= int64_t(query) + args.tk;
  return inside && before && (!args.segments || segQ[query] == segK[key]);
}

// The lowest and highest of at most 32 segments from first on.
METAL_FUNC int2 sdpa_segments(device const int* seg, uint first, uint count, uint tokens, uint lane) {
  int s = seg[min(first + min(lane, count - 1), tokens - 1)];
  int low = simd_min(s);
  return int2(low, simd_max(s));
}
METAL_FUNC bool sdpa_meet(int2 a, int2 b) { return a.x <= b.y && b.x <= a.y; }
