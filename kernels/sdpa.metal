// out = softmax(q @ k^T * scale) @ v and lse = log sum exp of the scores, in
// tiles with a running maximum; layouts in sdpa.h.
//   sdpa: a threadgroup of 4 simdgroups takes 32 queries of a head, each
//     simdgroup 8 of them, and walks over tiles of keys, which lie in threadgroup
//     memory. A tile that causality or segments hide from all 32 is passed over.
//   sdpa_vector: for few queries. A threadgroup takes one query, and its
//     simdgroups every eighth key each; a lane holds the elements lane + 32i.
//   sdpa_vector_part: the same for a part of the keys, and sdpa_merge puts the
//     parts together: many keys of few heads would leave most of a device idle.
// A query that sees no key gets zeros and -inf.
#include "kernel.h"
#include "sdpa.h"
#include "sdpa_tile.h"

// The softmax of a tile for 8 queries: scores become exponentials, top and sum
// go on (sum for the lane's own columns), and the result is by how much what was
// added up before shrinks.
template <uint KEYS>
METAL_FUNC float sdpa_softmax(thread sdpa_piece (&s)[KEYS / 8], thread float& top, thread float& sum) {
  float next = top;
  for (uint j = 0; j < KEYS / 8; j++) {
    for (uint e = 0; e < 2; e++) {
      next = max(next, s[j].thread_elements()[e]);
    }
  }
  next = sdpa_row_max(next);
  float base = isinf(next) && next < 0.0f ? 0.0f : next;
  float keep = fast::exp2((top - base) * SDPA_LOG2E), part = 0.0f;
  for (uint j = 0; j < KEYS / 8; j++) {
    for (uint e = 0; e < 2; e++) {
      float p = fast::exp2((s[j].thread_elements()[e] - base) * SDPA_LOG2E);
      s[j].thread_elements()[e] = p;
      part += p;
    }
  }
  top = next;
  sum = sum * keep + part;
  return keep;
}

template <typename T, uint WIDTH, uint KEYS>
[[kernel]] void sdpa(
    device const T* q [[buffer(0)]],
    device const T* k [[buffer(1)]],
    device const T* v [[buffer(2)]],
    device const int* segQ [[buffer(3)]],
    device const int* segK [[buffer(4)]],
    device T* out [[buffer(5)]],
    device float* lse [[buffer(6)]],
    constant SDPAArgs& args [[buffer(7)]],
    uint3 group [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]]) {
  constexpr uint ld = WIDTH + 4;
  shared_memory(float, tile, [KEYS * (WIDTH + 4)]);
  // The last tiles see the most keys; they come first, so that none is waited for.
  uint first = (groups.x - 1 - group.x) * SDPA_QUERIES, row = first + simdgroup * 8;
  uint head = group.y, kvHead = head / (args.heads / args.kvHeads);
  uint2 at = sdpa_lane(lane);
  q += int64_t(group.z) * args.q[0] + int64_t(head) * args.q[1];
  k += int64_t(group.z) * args.k[0] + int64_t(kvHead) * args.k[1];
  v += int64_t(group.z) * args.v[0] + int64_t(kvHead) * args.v[1];
  out += int64_t(group.z) * args.out[0] + int64_t(head) * args.out[1];
  lse += (uint64_t(group.z) * args.heads + head) * args.tq;
  int2 mine = int2(0);
  if (args.segments) {
    segQ += uint64_t(group.z) * args.tq;
    segK += uint64_t(group.z) * args.tk;
    mine = sdpa_segments(segQ, first, SDPA_QUERIES, args.tq, lane);
  }
  sdpa_piece acc[WIDTH / 8], s[KEYS / 8], a, b;
  for (uint c = 0; c < WIDTH / 8; c++) {
    acc[c] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
  }
  float top = -INFINITY, sum = 0.0f;
  uint end = sdpa_keys_end(args, min(first + SDPA_QUERIES, args.tq) - 1);
  for (uint key = 0; key < end; key += KEYS) {
    if (args.segments) {
      int2 theirs = sdpa_segments(segK, key, KEYS, args.tk, lane);
      if (!sdpa_meet(mine, theirs)) {
        continue;
      }
    }
    sdpa_load_tile<T>(k, args.k[2], key, KEYS, args.tk, args.dim, tile, ld, simdgroup, lane);
    for (uint j = 0; j < KEYS / 8; j++) {
      s[j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint c = 0; c < args.dim; c += 8) {
      sdpa_load<T>(a, q, args.q[2], row, args.tq, c, at);
      for (uint j = 0; j < KEYS / 8; j++) {
        simdgroup_load(b, tile + 8 * j * ld + c, ld, ulong2(0), true);
        simdgroup_multiply_accumulate(s[j], a, b, s[j]);
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    sdpa_load_tile<T>(v, args.v[2], key, KEYS, args.tk, args.dim, tile, ld, simdgroup, lane);
    for (uint j = 0; j < KEYS / 8; j++) {
      for (uint e = 0; e < 2; e++) {
        bool seen = sdpa_visible(args, segQ, segK, row + at.y, key + 8 * j + at.x + e);
        s[j].thread_elements()[e] = seen ? s[j].thread_elements()[e] * args.scale : -INFINITY;
      }
    }
    float keep = sdpa_softmax<KEYS>(s, top, sum);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint c = 0; c < WIDTH / 8; c++) {
      if (c * 8 < args.dim) {
        acc[c].thread_elements()[0] *= keep;
        acc[c].thread_elements()[1] *= keep;
        for (uint j = 0; j < KEYS / 8; j++) {
          simdgroup_load(b, tile + 8 * j * ld + 8 * c, ld);
          simdgroup_multiply_accumulate(acc[c], s[j], b, acc[c]);
        }
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  sum = sdpa_row_sum(sum);
  float factor = sum == 0.0f ? 0.0f : 1.0f / sum;
  for (uint c = 0; c < WIDTH / 8; c++) {
    if (c * 8 < args.dim) {
      sdpa_store<T>(acc[c], out, args.out[2], row, args.tq, c * 8, at, factor);
    }
  }
  if (at.x == 0 && row + at.y < args.tq) {
    lse[row + at.y] = sum == 0.0f ? -INFINITY : top + precise::log(sum);
  }
}

#define SDPA_LANE_ELEMENTS 8

// The log-sum-exp of a highest score, as a logarithm to base 2, and the sum of
// exponentials below it.
METAL_FUNC float sdpa_log_sum(float top, float sum) {
  return sum == 0.0f ? -INFINITY : top * SDPA_LN2 + precise::log(sum);
}

// With PART, out holds a part's result and lse its state, as SDPAMergeArgs says.
template <typename T, typename O, bool PART>
[[kernel]] void sdpa_vector(
    device const T* q [[buffer(0)]],
    device const T* k [[buffer(1)]],
    device const T* v [[buffer(2)]],
    device const int* segQ [[buffer(3)]],
    device const int* segK [[buffer(4)]],
    device O* out [[buffer(5)]],
    device float* lse [[buffer(6)]],
    constant SDPAArgs& args [[buffer(7)]],
    uint3 group [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]]) {
  shared_memory(float, tops, [SDPA_VECTOR_SIMDGROUPS]);
  shared_memory(float, sums, [SDPA_VECTOR_SIMDGROUPS]);
  shared_memory(float, parts, [SDPA_VECTOR_SIMDGROUPS * SDPA_LANE_ELEMENTS * SIMD_SIZE]);
  uint query = group.x, head = group.y, kvHead = head / (args.heads / args.kvHeads);
  uint batch = group.z / args.parts, part = group.z % args.parts;
  uint64_t row = (uint64_t(batch) * args.heads + head) * args.tq + query;
  q += int64_t(batch) * args.q[0] + int64_t(head) * args.q[1] + int64_t(query) * args.q[2];
  k += int64_t(batch) * args.k[0] + int64_t(kvHead) * args.k[1];
  v += int64_t(batch) * args.v[0] + int64_t(kvHead) * args.v[1];
  if (args.segments) {
    segQ += uint64_t(batch) * args.tq;
    segK += uint64_t(batch) * args.tk;
  }
  float mine[SDPA_LANE_ELEMENTS], acc[SDPA_LANE_ELEMENTS];
  for (uint i = 0; i < SDPA_LANE_ELEMENTS; i++) {
    uint d = lane + SIMD_SIZE * i;
    mine[i] = d < args.dim ? float(q[d]) : 0.0f;
    acc[i] = 0.0f;
  }
  float scale = args.scale * SDPA_LOG2E, top = -INFINITY, sum = 0.0f;
  uint end = sdpa_keys_end(args, query), first = part * args.partKeys;
  if (PART) {
    end = min(end, first + args.partKeys);
  }
  for (uint key = first + simdgroup; key < end; key += SDPA_VECTOR_SIMDGROUPS) {
    if (!sdpa_visible(args, segQ, segK, query, key)) {
      continue;
    }
    float dot = 0.0f;
    for (uint i = 0; i < SDPA_LANE_ELEMENTS && lane + SIMD_SIZE * i < args.dim; i++) {
      dot += mine[i] * float(k[int64_t(key) * args.k[2] + lane + SIMD_SIZE * i]);
    }
    float s = simd_sum(dot) * scale;
    float next = max(top, s), base = isinf(next) && next < 0.0f ? 0.0f : next;
    float keep = fast::exp2(top - base), p = fast::exp2(s - base);
    for (uint i = 0; i < SDPA_LANE_ELEMENTS && lane + SIMD_SIZE * i < args.dim; i++) {
      acc[i] = acc[i] * keep + p * float(v[int64_t(key) * args.v[2] + lane + SIMD_SIZE * i]);
    }
    sum = sum * keep + p;
    top = next;
  }
  tops[simdgroup] = top;
  sums[simdgroup] = sum;
  for (uint i = 0; i < SDPA_LANE_ELEMENTS; i++) {
    parts[(simdgroup * SDPA_LANE_ELEMENTS + i) * SIMD_SIZE + lane] = acc[i];
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float all = tops[0];
  for (uint g = 1; g < SDPA_VECTOR_SIMDGROUPS; g++) {
    all = max(all, tops[g]);
  }
  float base = isinf(all) && all < 0.0f ? 0.0f : all, total = 0.0f, x = 0.0f;
  for (uint g = 0; g < SDPA_VECTOR_SIMDGROUPS; g++) {
    float weight = fast::exp2(tops[g] - base);
    total += weight * sums[g];
    x += weight * parts[g * SDPA_LANE_ELEMENTS * SIMD_SIZE + tid];
  }
  x = total == 0.0f ? 0.0f : x / total;
  if (PART) {
    out += (row * args.parts + part) * args.dim;
    lse += (row * args.parts + part) * 2;
  } else {
    out += int64_t(batch) * args.out[0] + int64_t(head) * args.out[1] + int64_t(query) * args.out[2];
    lse += row;
  }
  if (tid < args.dim) {
    out[tid] = O(x);
  }
  if (tid == 0) {
    lse[0] = PART ? all : sdpa_log_sum(all, total);
    if (PART) {
      lse[1] = total;
    }
  }
}

// One thread per element of out.
template <typename T>
[[kernel]] void sdpa_merge(
    device const float* x [[buffer(0)]],
    device const float* state [[buffer(1)]],
    device T* out [[buffer(2)]],
    device float* lse [[buffer(3)]],
    constant SDPAMergeArgs& args [[buffer(4)]],
    uint2 i [[thread_position_in_grid]]) {
  uint row = i.y;
  x += uint64_t(row) * args.parts * args.dim;
  state += uint64_t(row) * args.parts * 2;
  float top = -INFINITY, total = 0.0f, sum = 0.0f;
  for (uint p = 0; p < args.parts; p++) {
    top = max(top, state[2 * p]);
  }
  float base = isinf(top) && top < 0.0f ? 0.0f : top;
  for (uint p = 0; p < args.parts; p++) {
    float weight = fast::exp2(state[2 * p] - base) * state[2 * p + 1];
    total += weight;
    sum += weight * x[p * args.dim + i.x];
  }
  uint query = row % args.tq, head = row / args.tq % args.heads, batch = row / args.tq / args.heads;
  out[int64_t(batch) * args.out[0] + int64_t(head) * args.out[1] + int64_t(query) * args.out[2] + i.x] = T(total == 0.0f ? 0.0f : sum / total);
  if (i.x == 0) {
    lse[row] = sdpa_log_sum(top, total);
  }
}

// clang-format off
#define instantiate_sdpa(n, T)                                            \
  instantiate_kernel("sdpa_" #n "_64", sdpa, T, 64, 32)                    \
  instantiate_kernel("sdpa_" #n "_128", sdpa, T, 128, 32)                  \
  instantiate_kernel("sdpa_" #n "_256", sdpa, T, 256, 16)                  \
  instantiate_kernel("sdpa_vector_" #n, sdpa_vector, T, T, false)        \
  instantiate_kernel("sdpa_vector_part_" #n, sdpa_vector, T, float, true)  \
  instantiate_kernel("sdpa_merge_" #n, sdpa_merge, T)
instantiate_sdpa(f32, float)
instantiate_sdpa(f16, half)
instantiate_sdpa(bf16, bfloat)
// clang-format on
