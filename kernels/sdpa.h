// Arguments of scaled dot-product attention. q, out [B, H, Tq, D] and k, v
// [B, Hkv, Tk, D] have any strides on the first three axes and a contiguous last
// one; so have their gradients. lse and delta are [B, H, Tq] and segments [B, T],
// contiguous. Query i sees key j when they are of one segment and, if causal,
// j <= i + tk - tq.
#pragma once

#define SDPA_QUERIES 32       // query rows of a threadgroup, 8 for each simdgroup
#define SDPA_THREADS 128
#define SDPA_VECTOR_QUERIES 8 // at most so many queries go to the vector kernel
#define SDPA_VECTOR_SIMDGROUPS 8
#define SDPA_MOST_PARTS 16    // of the keys of a query in the vector kernel
#define SDPA_VJP_KEYS 32      // key rows of a threadgroup, 8 for each simdgroup

struct SDPAArgs {
  int64_t q[3]; // strides of batch, head, token
  int64_t k[3];
  int64_t v[3];
  int64_t out[3];
  int64_t dOut[3];
  int64_t dQ[3];
  int64_t dK[3];
  int64_t dV[3];
  uint32_t heads;
  uint32_t kvHeads;
  uint32_t tq;
  uint32_t tk;
  uint32_t dim;
  uint32_t causal;
  uint32_t segments; // 0: the bindings of segments hold nothing
  float scale;
  uint32_t parts;    // of the vector kernel
  uint32_t partKeys; // keys of a part
};

// Arguments of putting parts together: x [B, H, Tq, parts, D] and state
// [B, H, Tq, parts, 2], the highest score as a logarithm to base 2 and the sum of
// exponentials below it, contiguous, make out [B, H, Tq, D] and lse.
struct SDPAMergeArgs {
  int64_t out[3];
  uint32_t heads;
  uint32_t tq;
  uint32_t dim;
  uint32_t parts;
};
