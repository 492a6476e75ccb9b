// How the native forms of attention cut it into tiles, for every instruction set.
#pragma once

#include "native.h"
#include "native_types.h"

#include "../../kernels/sdpa.h"

namespace ft {

constexpr int64_t sdpa_queries = 64, sdpa_keys = 128;  // of a tile

// The vector form takes the queries of so many heads of a key head at once that
// they are at most sdpa_few, and of at least one head: shares pieces of heads.
constexpr int64_t sdpa_few = 16;
static_assert(sdpa_few >= SDPA_VECTOR_QUERIES, "the queries of a head are a piece");
struct SDPAFew {
  int64_t shares, heads;
  explicit SDPAFew(const SDPAArgs* a) {
    const int64_t group = a->heads / a->kvHeads;
    heads = ceil_div(group, ceil_div(group, sdpa_few / a->tq)), shares = ceil_div(group, heads);
  }
};

// Attention of bfloat16 by products of pairs. They return false, and do nothing,
// where the processor or this build has none.
bool sdpa_forward_pairs(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w);
bool sdpa_backward_pairs(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w);

// Division of a gradient: the first key heads are pieces as wholes, the others cut
// into slabs.
struct SDPADivision {
  int64_t whole, rest, slabs;
};
SDPADivision sdpa_divide(const ft_launch* l);

}  // namespace ft
