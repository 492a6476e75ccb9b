// The gradient of sdpa.metal. With P = exp(s - lse) made again from q, k and lse,
//   delta = rowsum(dOut * out)        sdpa_vjp_delta, one simdgroup per query
//   dS    = P * (dOut @ v^T - delta)
//   dQ    = dS @ k * scale            dV = P^T @ dOut     dK = dS^T @ q * scale
// sdpa_vjp makes all three in one launch without atomics: the first threadgroups
// take 32 keys of a key head each and add up dK and dV over the queries of its
// heads; the others take 32 queries and add up dQ over the keys. Scores are made
// twice, and nothing depends on the order of threadgroups. A simdgroup has 8 of
// the 32 rows; of the other side BLOCK rows lie in threadgroup memory.
#include "kernel.h"
#include "sdpa.h"
#include "sdpa_tile.h"

template <typename T>
[[kernel]] void sdpa_vjp_delta(
    device const T* out [[buffer(0)]],
    device const T* dOut [[buffer(1)]],
    device float* delta [[buffer(2)]],
    constant SDPAArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  uint query = at.x / SIMD_SIZE, head = at.y;
  out += int64_t(at.z) * args.out[0] + int64_t(head) * args.out[1] + int64_t(query) * args.out[2];
  dOut += int64_t(at.z) * args.dOut[0] + int64_t(head) * args.dOut[1] + int64_t(query) * args.dOut[2];
  float dot = 0.0f;
  for (uint d = lane; d < args.dim; d += SIMD_SIZE) {
    dot += float(out[d]) * float(dOut[d]);
  }
  dot = simd_sum(dot);
  if (lane == 0) {
    delta[(uint64_t(at.z) * args.heads + head) * args.tq + query] = dot;
  }
}

// The operands of one batch row, and where this thread stands.
template <typename T>
struct sdpa_vjp_side {
  device const T* q;
  device const T* k;
  device const T* v;
  device const T* dOut;
  device const float* lse;
  device const float* delta;
  device const int* segQ;
  device const int* segK;
  threadgroup float* one;
  threadgroup float* two;
  uint simdgroup;
  uint lane;
  uint2 at;
};

// From scores and dOut @ v^T to P and dS, for one element.
METAL_FUNC void sdpa_vjp_score(thread float& s, thread float& dp, bool seen, float scale, float lse, float delta) {
  s = seen ? fast::exp2((s * scale - lse) * SDPA_LOG2E) : 0.0f;
  dp = s * (dp - delta);
}

template <uint COUNT>
METAL_FUNC void sdpa_vjp_clear(thread sdpa_piece (&m)[COUNT]) {
  for (uint i = 0; i < COUNT; i++) {
    m[i] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
  }
}

// S and dP of 8 rows x and y against BLOCK rows of the tiles: s = x @ one^T,
// dp = y @ two^T.
template <typename T, uint BLOCK>
METAL_FUNC void sdpa_vjp_products(
    thread sdpa_piece (&s)[BLOCK / 8], thread sdpa_piece (&dp)[BLOCK / 8],
    device const T* x, int64_t xStride, device const T* y, int64_t yStride,
    uint row, uint rows, uint dim, uint ld, thread const sdpa_vjp_side<T>& side) {
  sdpa_vjp_clear<BLOCK / 8>(s);
  sdpa_vjp_clear<BLOCK / 8>(dp);
  sdpa_piece a, b, m;
  for (uint c = 0; c < dim; c += 8) {
    sdpa_load<T>(a, x, xStride, row, rows, c, side.at);
    sdpa_load<T>(b, y, yStride, row, rows, c, side.at);
    for (uint j = 0; j < BLOCK / 8; j++) {
      simdgroup_load(m, side.one + 8 * j * ld + c, ld, ulong2(0), true);
      simdgroup_multiply_accumulate(s[j], a, m, s[j]);
      simdgroup_load(m, side.two + 8 * j * ld + c, ld, ulong2(0), true);
      simdgroup_multiply_accumulate(dp[j], b, m, dp[j]);
    }
  }
}

// acc += s @ tile for the 8 rows of the simdgroup.
template <uint WIDTH, uint BLOCK>
METAL_FUNC void sdpa_vjp_add(
    thread sdpa_piece (&acc)[WIDTH / 8], thread sdpa_piece (&s)[BLOCK / 8], threadgroup float* tile, uint ld, uint dim) {
  sdpa_piece m;
  for (uint c = 0; c < WIDTH / 8; c++) {
    if (c * 8 < dim) {
      for (uint j = 0; j < BLOCK / 8; j++) {
        simdgroup_load(m, tile + 8 * j * ld + 8 * c, ld);
        simdgroup_multiply_accumulate(acc[c], s[j], m, acc[c]);
      }
    }
  }
}

// dQ of 32 queries.
template <typename T, uint WIDTH, uint BLOCK>
METAL_FUNC void sdpa_vjp_queries(
    thread const sdpa_vjp_side<T>& side, device T* dQ, constant SDPAArgs& args, uint first, uint head) {
  constexpr uint ld = WIDTH + 4;
  uint kvHead = head / (args.heads / args.kvHeads), row = first + side.simdgroup * 8, query = row + side.at.y;
  device const T* q = side.q + int64_t(head) * args.q[1];
  device const T* dOut = side.dOut + int64_t(head) * args.dOut[1];
  device const T* k = side.k + int64_t(kvHead) * args.k[1];
  device const T* v = side.v + int64_t(kvHead) * args.v[1];
  uint64_t stat = uint64_t(head) * args.tq + min(query, args.tq - 1);
  float lse = side.lse[stat], delta = side.delta[stat];
  int2 mine = int2(0);
  if (args.segments) {
    mine = sdpa_segments(side.segQ, first, SDPA_QUERIES, args.tq, side.lane);
  }
  sdpa_piece acc[WIDTH / 8], s[BLOCK / 8], dp[BLOCK / 8];
  sdpa_vjp_clear<WIDTH / 8>(acc);
  uint end = sdpa_keys_end(args, min(first + SDPA_QUERIES, args.tq) - 1);
  for (uint key = 0; key < end; key += BLOCK) {
    if (args.segments) {
      int2 theirs = sdpa_segments(side.segK, key, BLOCK, args.tk, side.lane);
      if (!sdpa_meet(mine, theirs)) {
        continue;
      }
    }
    sdpa_load_tile<T>(k, args.k[2], key, BLOCK, args.tk, args.dim, side.one, ld, side.simdgroup, side.lane);
    sdpa_load_tile<T>(v, args.v[2], key, BLOCK, args.tk, args.dim, side.two, ld, side.simdgroup, side.lane);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    sdpa_vjp_products<T, BLOCK>(s, dp, q, args.q[2], dOut, args.dOut[2], row, args.tq, args.dim, ld, side);
    for (uint j = 0; j < BLOCK / 8; j++) {
      for (uint e = 0; e < 2; e++) {
        bool seen = sdpa_visible(args, side.segQ, side.segK, query, key + 8 * j + side.at.x + e);
        float p = s[j].thread_elements()[e], ds = dp[j].thread_elements()[e];
        sdpa_vjp_score(p, ds, seen, args.scale, lse, delta);
        dp[j].thread_elements()[e] = ds;
      }
    }
    sdpa_vjp_add<WIDTH, BLOCK>(acc, dp, side.one, ld, args.dim);
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  dQ += int64_t(head) * args.dQ[1];
  for (uint c = 0; c < WIDTH / 8; c++) {
    if (c * 8 < args.dim) {
      sdpa_store<T>(acc[c], dQ, args.dQ[2], row, args.tq, c * 8, side.at, args.scale);
    }
  }
}

// dK and dV of 32 keys.
template <typename T, uint WIDTH, uint BLOCK>
METAL_FUNC void sdpa_vjp_keys(
    thread const sdpa_vjp_side<T>& side, device T* dK, device T* dV, constant SDPAArgs& args, uint first, uint kvHead) {
  constexpr uint ld = WIDTH + 4;
  uint heads = args.heads / args.kvHeads, row = first + side.simdgroup * 8, key = row + side.at.y;
  device const T* k = side.k + int64_t(kvHead) * args.k[1];
  device const T* v = side.v + int64_t(kvHead) * args.v[1];
  int2 mine = int2(0);
  if (args.segments) {
    mine = sdpa_segments(side.segK, first, SDPA_VJP_KEYS, args.tk, side.lane);
  }
  sdpa_piece accK[WIDTH / 8], accV[WIDTH / 8], s[BLOCK / 8], dp[BLOCK / 8];
  sdpa_vjp_clear<WIDTH / 8>(accK);
  sdpa_vjp_clear<WIDTH / 8>(accV);
  uint begin = sdpa_queries_begin(args, first) / BLOCK * BLOCK;
  for (uint head = kvHead * heads; head < (kvHead + 1) * heads; head++) {
    device const T* q = side.q + int64_t(head) * args.q[1];
    device const T* dOut = side.dOut + int64_t(head) * args.dOut[1];
    for (uint query = begin; query < args.tq; query += BLOCK) {
      if (args.segments) {
        int2 theirs = sdpa_segments(side.segQ, query, BLOCK, args.tq, side.lane);
        if (!sdpa_meet(mine, theirs)) {
          continue;
        }
      }
      sdpa_load_tile<T>(q, args.q[2], query, BLOCK, args.tq, args.dim, side.one, ld, side.simdgroup, side.lane);
      sdpa_load_tile<T>(dOut, args.dOut[2], query, BLOCK, args.tq, args.dim, side.two, ld, side.simdgroup, side.lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      sdpa_vjp_products<T, BLOCK>(s, dp, k, args.k[2], v, args.v[2], row, args.tk, args.dim, ld, side);
      for (uint j = 0; j < BLOCK / 8; j++) {
        for (uint e = 0; e < 2; e++) {
          uint i = query + 8 * j + side.at.x + e;
          uint64_t stat = uint64_t(head) * args.tq + min(i, args.tq - 1);
          bool seen = sdpa_visible(args, side.segQ, side.segK, i, key);
          float p = s[j].thread_elements()[e], ds = dp[j].thread_elements()[e];
          sdpa_vjp_score(p, ds, seen, args.scale, side.lse[stat], side.delta[stat]);
          s[j].thread_elements()[e] = p;
          dp[j].thread_elements()[e] = ds;
        }
      }
      sdpa_vjp_add<WIDTH, BLOCK>(accV, s, side.two, ld, args.dim);
      sdpa_vjp_add<WIDTH, BLOCK>(accK, dp, side.one, ld, args.dim);
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
  }
  dK += int64_t(kvHead) * args.dK[1];
  dV += int64_t(kvHead) * args.dV[1];
  for (uint c = 0; c < WIDTH / 8; c++) {
    if (c * 8 < args.dim) {
      sdpa_store<T>(accK[c], dK, args.dK[2], row, args.tk, c * 8, side.at, args.scale);
      sdpa_store<T>(accV[c], dV, args.dV[2], row, args.tk, c * 8, side.at, 1.0f);
    }
  }
}

template <typename T, uint WIDTH, uint BLOCK>
[[kernel]] void sdpa_vjp(
    device const T* q [[buffer(0)]],
    device const T* k [[buffer(1)]],
    device const T* v [[buffer(2)]],
    device const T* dOut [[buffer(3)]],
    device const float* lse [[buffer(4)]],
    device const float* delta [[buffer(5)]],
    device const int* segQ [[buffer(6)]],
    device const int* segK [[buffer(7)]],
    device T* dQ [[buffer(8)]],
    device T* dK [[buffer(9)]],
    device T* dV [[buffer(10)]],
    constant SDPAArgs& args [[buffer(11)]],
    uint3 group [[threadgroup_position_in_grid]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]]) {
  shared_memory(float, one, [BLOCK * (WIDTH + 4)]);
  shared_memory(float, two, [BLOCK * (WIDTH + 4)]);
  int64_t b = group.z;
  uint64_t stats = uint64_t(b) * args.heads * args.tq, tokensQ = args.segments ? b * args.tq : 0, tokensK = args.segments ? b * args.tk : 0;
  sdpa_vjp_side<T> side = {
      q + b * args.q[0], k + b * args.k[0], v + b * args.v[0], dOut + b * args.dOut[0], lse + stats, delta + stats,
      segQ + tokensQ, segK + tokensK, one, two, simdgroup, lane, sdpa_lane(lane)};
  uint keyTiles = (args.tk + SDPA_VJP_KEYS - 1) / SDPA_VJP_KEYS, queryTiles = (args.tq + SDPA_QUERIES - 1) / SDPA_QUERIES;
  if (group.x < keyTiles * args.kvHeads) {
    sdpa_vjp_keys<T, WIDTH, BLOCK>(
        side, dK + b * args.dK[0], dV + b * args.dV[0], args, group.x / args.kvHeads * SDPA_VJP_KEYS, group.x % args.kvHeads);
  } else {
    uint x = group.x - keyTiles * args.kvHeads;
    sdpa_vjp_queries<T, WIDTH, BLOCK>(
        side, dQ + b * args.dQ[0], args, (queryTiles - 1 - x / args.heads) * SDPA_QUERIES, x % args.heads);
  }
}

// clang-format off
#define instantiate_sdpa_vjp(n, T)                                \
  instantiate_kernel("sdpa_vjp_delta_" #n, sdpa_vjp_delta, T)     \
  instantiate_kernel("sdpa_vjp_" #n "_64", sdpa_vjp, T, 64, 32)   \
  instantiate_kernel("sdpa_vjp_" #n "_128", sdpa_vjp, T, 128, 16) \
  instantiate_kernel("sdpa_vjp_" #n "_256", sdpa_vjp, T, 256, 8)
instantiate_sdpa_vjp(f32, float)
instantiate_sdpa_vjp(f16, half)
instantiate_sdpa_vjp(bf16, bfloat)
// clang-format on
