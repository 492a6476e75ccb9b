// How the native forms of attention cut it into tiles, for every instruction set.
#pragma once

#include "native.h"
#include "native_types.h"

#include "../../kernels/sdpa.h"

namespace ft {

constexpr int64_t sdpa_queries = 64, sdpa_keys = 128;  // of a tile

// Attention of bfloat16 by products of pairs. They return false, and do nothing,
// where the processor or this build has none.
bool sdpa_forward_pairs(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w);
bool sdpa_backward_pairs(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w);

// Division of a gradient: the first key heads are pieces as wholes; the tiles of
// the others are dealt out to groups, one group a piece.
struct SDPADivision {
  int64_t whole, rest, key_tiles, query_tiles, groups;
};
SDPADivision sdpa_divide(const ft_launch* l);

}  // namespace ft
